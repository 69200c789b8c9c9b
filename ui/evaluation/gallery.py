"""The page Evaluation's images: those behind a part of a chart or a cell, in place, and all of them in pages.

Which part is chosen stands in the address (``BEHIND``), whether it was clicked, chosen by keyboard or linked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from deepfake.data.sets import find_image
from deepfake.detection.card import detector_title
from deepfake.errors import UserError
from deepfake.evaluation.figures.marks import with_mark
from deepfake.evaluation.kept import scored_pixels
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.marks import ChartName, Mark, parse_mark
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.thresholds import ConfusionCell, cell_images
from deepfake.evaluation.text.cells import CELL_MEANINGS, CELLS, behind_sentence, mark_title
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.settings import allowed_roots
from deepfake.types import class_name
from ui.charts import chart, download_later
from ui.links import ADDRESS, link_to_check
from ui.page import announce, escape_markdown, show_image

BEHIND = "behind"
"""In the address: the word of the chosen mark."""
MORE = "more-images"
"""Key in the session's state: of which images more than the first are shown."""
FIRST = 12
PER_PAGE = 24
THUMBNAIL = 150
RANK_WIDTH, SCORE_WIDTH = 45, 75
"""Of columns, in pixels: the rest of a phone's page is for names."""
SCORE = {"p_fake": "Score"}
BEFORE = {"p_before": "Before calibration"}


@dataclass(frozen=True)
class Images:
    """Images to show.

    Attributes:
        rows: of a score table, in the order to show.
        recorded: an evaluation of these images.
        detector: whose evaluation it is.
        name: what they are, for the CSV.
        scores: the columns of scores, with their headings.
    """

    rows: pd.DataFrame
    recorded: Recorded
    detector: str
    name: str
    scores: Mapping[str, str]


def show_images(evaluation: LoadedEvaluation, recorded: Recorded, threshold: float, detector: str) -> None:
    """All images of a cell that the visitor chooses, a page at a time."""
    if st.session_state.get("cell") is None:  # none was open on another tab
        st.session_state.pop("cell", None)
    # The address holds the words, so they stay free of counts.
    cell: ConfusionCell = st.segmented_control(
        "Images to show", list(CELLS), format_func=CELLS.__getitem__, default="missed", key="cell",
        bind="query-params", required=True, on_change=first_page,
    )  # fmt: skip
    show_pages(_cell(evaluation, recorded, threshold, detector, cell))


def show_cell(evaluation: LoadedEvaluation, recorded: Recorded, threshold: float, detector: str) -> None:
    """The first images of a cell, once the visitor chooses one here or in the matrix."""
    cell: ConfusionCell | None = st.pills(
        "Open the images of a cell", list(CELLS), format_func=CELLS.__getitem__, key="cell",
        bind="query-params", on_change=first_page,
    )  # fmt: skip
    if cell is not None:
        with st.container(border=True):
            show_first(_cell(evaluation, recorded, threshold, detector, cell), close_cell)


def _cell(
    evaluation: LoadedEvaluation, recorded: Recorded, threshold: float, detector: str, cell: ConfusionCell
) -> Images:
    """The images of a cell, below a line that says what they are."""
    rows = cell_images(evaluation.by_class, threshold, cell)
    st.markdown(f"**{CELLS[cell]}: {len(rows):,}.** {CELL_MEANINGS[cell]}")
    return Images(rows, recorded, detector, f"{recorded.title} {CELLS[cell]}", SCORE)


def open_cell(cell: str) -> None:
    """Chooses the cell that was clicked."""
    st.session_state["cell"] = cell
    first_page()


def close_cell() -> None:
    st.session_state["cell"] = None


def first_page() -> None:
    """Goes back to the first page of images; for whatever changes which images there are."""
    st.session_state.pop("page", None)


def chosen_mark() -> Mark | None:
    """The mark that the address names; says so where it names none. Asked once a run."""
    word = st.query_params.get(BEHIND)
    if not word:
        return None
    try:
        return parse_mark(word)
    except UserError as error:
        st.info(escape_markdown(error.message), icon=":material/info:")
        return None


def open_mark(word: str | None) -> None:
    """Puts the chosen mark into the address; None takes it out."""
    first_page()
    if word is None:
        st.query_params.pop(BEHIND, None)
    else:
        st.query_params[BEHIND] = word


def marked_chart(figure: go.Figure, name: str, alt: str, mark: Mark | None) -> None:
    """A chart whose bars and points open their images."""
    chart(with_mark(figure, mark.word if mark else None), name, alt, on_choice=open_mark)


def show_behind(
    label: str,
    options: Mapping[str, str],
    charts: Collection[ChartName],
    mark: Mark | None,
    images: Callable[[Mark], Images | None],
) -> None:
    """A choice of marks for those who do not click, and the first images behind the chosen one.

    Args:
        label: of the choice.
        options: titles of the marks to choose from, by word.
        charts: whose marks are shown here.
        mark: the one chosen anywhere.
        images: those behind a mark; None where it is not of this evaluation.
    """
    if mark is not None and mark.chart not in charts:
        mark = None
    found = images(mark) if mark else None
    titles = dict(options)
    if mark is not None and found is not None:
        titles.setdefault(mark.word, mark_title(mark, detector_title(mark.of)))
    key = f"{BEHIND}-{'-'.join(charts)}"
    st.session_state[key] = mark.word if mark and found else None
    st.selectbox(
        label, list(titles), index=None, format_func=titles.__getitem__, key=key,
        placeholder="Click a part of the chart, or choose one here",
        on_change=lambda: open_mark(st.session_state[key]),
    )  # fmt: skip
    if mark is not None and found is not None:
        with st.container(border=True):
            sentence, title = behind_sentence(found.rows), mark_title(mark, detector_title(mark.of))
            row = st.container(horizontal=True, gap=None)
            row.markdown(f"**{escape_markdown(title)}.** {sentence}")
            announce(row, f"{title}. {sentence}")
            show_first(found, lambda: open_mark(None))


def show_first(images: Images, close: Callable[[], None]) -> None:
    """The first images, and buttons for more and to close them; ids and scores where the images are not here.

    Args:
        images: which.
        close: what closes them.
    """
    is_whole = "page" in st.query_params or st.session_state.get(MORE) == images.name
    if is_whole and len(images.rows) > FIRST:
        show_pages(images)
        st.button("Show fewer", on_click=show_fewer)
    elif not images.rows.empty:
        first = images.rows.iloc[:FIRST]
        if not show_thumbnails(images, first, 1):
            show_table(images, first, 1)
        with st.container(horizontal=True):
            if len(images.rows) > FIRST:
                st.button(f"Show more of {len(images.rows):,}", on_click=show_more, args=(images.name,))
            show_download(images)
            st.button("Close", icon=":material/close:", key="close-behind", on_click=close)


def show_more(name: str) -> None:
    st.session_state[MORE] = name


def show_fewer() -> None:
    st.session_state.pop(MORE, None)
    first_page()


def show_pages(images: Images) -> None:
    """A page of images with a table of them, and all of them as CSV."""
    if images.rows.empty:
        st.info("No images at this threshold.", icon=":material/info:")
        return
    start, shown = one_page(images.rows)
    show_thumbnails(images, shown, start + 1)
    st.caption(f"{start + 1:,} to {start + len(shown):,} of {len(images.rows):,}")
    show_table(images, shown, start + 1)
    show_download(images)


def one_page(rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """The rows of the page that is asked for, and the place of the first among all."""
    pages = -(-len(rows) // PER_PAGE)
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="page", bind="query-params")
    start = (min(page, pages) - 1) * PER_PAGE
    return start, rows.iloc[start : start + PER_PAGE]


def show_table(images: Images, shown: pd.DataFrame, rank: int) -> None:
    """Scores and names; ``rank`` is that of the first row.

    Scores and the files' own names come first: on a phone a path would show its folders alone. Names that
    strangers gave are no Markdown, so this is no ``number_table``.
    """
    columns = {
        "Rank": range(rank, rank + len(shown)),
        **{column: shown[column] for column in images.scores},
        "Image": [PurePosixPath(str(image_id)).name for image_id in shown["image_id"]],
        "Actual class": words(shown),
        "Source": shown["source"],
        "Split": shown["split"],
        "Path": shown["image_id"],
    }
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(columns, index=shown.index),
        hide_index=True,
        height="content",
        column_config={
            "Rank": number("#", width=RANK_WIDTH, help="Rank"),
            **{
                column: number(heading, format="%.4f", width=SCORE_WIDTH)
                for column, heading in images.scores.items()
            },
        },
        alt="These images with their scores",
    )


def show_download(images: Images) -> None:
    rows = images.rows
    download_later(f"All {len(rows):,} as CSV", lambda: rows.assign(label=words(rows)), images.name)


def words(rows: pd.DataFrame) -> list[str]:
    """Each image's true class."""
    return [class_name(label) for label in rows["label"]]


def show_thumbnails(images: Images, shown: pd.DataFrame, rank: int) -> bool:
    """The images themselves, where the data set is on this computer, each with a link to the check page.

    Args:
        images: which.
        shown: those rows of them to show.
        rank: of the first.

    Returns:
        Whether any is here; if not, it is said.
    """
    recorded = images.recorded
    if not allowed_roots():
        st.caption("This dataset is not on this server; only names and scores are shown.")
        return False
    ids = shown["image_id"].astype(str)
    files = [
        find_image(image_id, str(source), recorded.folder)
        for image_id, source in zip(ids, shown["source"], strict=True)
    ]
    if not any(files):
        st.caption("None of these images is in the data folder of this server.")
        return False
    if recorded.perturbed:
        st.caption("Shows the perturbed copies, as they were scored.")
    if len(images.scores) > 1:
        st.caption(escape_markdown(f"The scores of an image: {' | '.join(images.scores.values())}."))
    numbers = shown[list(images.scores)].to_numpy()
    with st.container(horizontal=True, gap="small"):
        for n, (image_id, label, scores, path) in enumerate(
            zip(ids, words(shown), numbers, files, strict=True), start=rank
        ):
            caption = f"{label} {' | '.join(f'{score:.3f}' for score in scores)}"
            with st.container(width=THUMBNAIL, gap=None):
                show_thumbnail(images, image_id, f"{n}. {caption}", path)
    return True


def show_thumbnail(images: Images, image_id: str, caption: str, path: Path | None) -> None:
    """One image with its rank, class and scores, and the link that checks it."""
    recorded, small = images.recorded, None
    if path is not None:
        small = thumbnail(str(path), path.stat().st_mtime_ns, recorded.perturbed)
    if small is None:
        st.caption("Not available")
    else:
        show_image(small, THUMBNAIL, f"{caption}, {Path(image_id).name}")
    st.text(caption, width=THUMBNAIL)
    if small is not None:
        values = (image_id, recorded.title, images.detector)
        query: dict[str, str] = dict(zip(ADDRESS, values, strict=True))
        link_to_check("Check it", query, images.detector)


@st.cache_data(max_entries=500, show_spinner=False)
def thumbnail(path: str, modified: int, perturbed: bool) -> bytes | None:
    """A small JPEG of what was scored, or None where the file cannot be read."""
    try:
        return jpeg_bytes(shrink(scored_pixels(Path(path), perturbed=perturbed), 2 * THUMBNAIL))
    except (UserError, OSError):
        return None
