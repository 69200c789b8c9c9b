"""The page Evaluation's images: those of a cell of the confusion matrix, and any others a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from deepfake.data.sets import find_image
from deepfake.errors import UserError
from deepfake.evaluation.kept import scored_pixels
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.text import CELL_MEANINGS, CELLS
from deepfake.evaluation.thresholds import ConfusionCell, cell_images
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.settings import allowed_roots
from deepfake.types import class_name
from ui.charts import download_later
from ui.links import ADDRESS, link_to_check
from ui.page import escape_markdown

PER_PAGE = 24
THUMBNAIL = 150


def show_images(evaluation: LoadedEvaluation, recorded: Recorded, threshold: float, detector: str) -> None:
    """The images of a cell that the visitor chooses."""
    # The address holds the words, so they stay free of counts.
    cell: ConfusionCell = st.segmented_control(
        "Images to show", list(CELLS), format_func=lambda name: CELLS[name], default="missed", key="cell",
        bind="query-params", required=True, on_change=first_page,
    )  # fmt: skip
    rows = cell_images(evaluation.by_class, threshold, cell)
    st.markdown(f"**{CELLS[cell]}: {len(rows):,}.** {CELL_MEANINGS[cell]}")
    show_gallery(
        rows, {"p_fake": "Probability of fake"}, recorded, detector, f"{recorded.title} {CELLS[cell]}"
    )


def first_page() -> None:
    """Goes back to the first page of images; for whatever changes which images there are."""
    st.session_state.pop("page", None)


def show_gallery(
    rows: pd.DataFrame, scores: Mapping[str, str], recorded: Recorded, detector: str, name: str
) -> None:
    """A page of images with a table of them, and all of them as CSV.

    Args:
        rows: of a score table, in the order to show.
        scores: the columns of scores, with their headings.
        recorded: an evaluation of these images.
        detector: whose evaluation it is.
        name: of the CSV.
    """
    if rows.empty:
        st.info("No images at this threshold.", icon=":material/info:")
        return
    start, shown = one_page(rows)
    if len(scores) > 1:
        st.caption(escape_markdown(f"The numbers of an image: {' | '.join(scores.values())}."))
    captions = [" | ".join(f"{p_fake:.3f}" for p_fake in row) for row in shown[list(scores)].to_numpy()]
    show_thumbnails(shown, captions, recorded, detector)
    st.caption(f"{start + 1:,} to {start + len(shown):,} of {len(rows):,}")
    columns = {
        "Rank": range(start + 1, start + len(shown) + 1),
        "Image": shown["image_id"],
        **{column: shown[column] for column in scores},
        "Actual class": words(shown),
        "Source": shown["source"],
        "Split": shown["split"],
    }
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(columns, index=shown.index),
        hide_index=True,
        height="content",
        column_config={
            "Rank": number(width="small"),
            "Image": st.column_config.TextColumn(width="medium"),
            **{column: number(heading, format="%.4f") for column, heading in scores.items()},
        },
        alt="These images with their scores",
    )
    download_later(f"All {len(rows):,} as CSV", lambda: rows.assign(label=words(rows)), name)


def one_page(rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """The rows of the page that is asked for, and the place of the first among all."""
    pages = -(-len(rows) // PER_PAGE)
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="page", bind="query-params")
    start = (min(page, pages) - 1) * PER_PAGE
    return start, rows.iloc[start : start + PER_PAGE]


def words(rows: pd.DataFrame) -> list[str]:
    """Each image's true class."""
    return [class_name(label) for label in rows["label"]]


def show_thumbnails(rows: pd.DataFrame, captions: Sequence[str], recorded: Recorded, detector: str) -> None:
    """The images themselves, where the data set is on this computer, each with a link to the check page.

    Args:
        rows: of a score table.
        captions: a line for each image; its file's name follows.
        recorded: the evaluation.
        detector: whose evaluation it is.
    """
    if not allowed_roots():
        st.caption("This dataset is not on this server; only names and scores are shown.")
        return
    files = [
        (str(name), caption, find_image(str(name), str(source), recorded.folder))
        for name, source, caption in zip(rows["image_id"], rows["source"], captions, strict=True)
    ]
    if not any(path for *_, path in files):
        st.caption("None of these images is in the data folder of this server.")
        return
    if recorded.perturbed:
        st.caption("Shows the perturbed copies, as they were scored.")
    with st.container(horizontal=True, gap="small"):
        for image_id, caption, path in files:
            small = thumbnail(str(path), path.stat().st_mtime_ns, recorded.perturbed) if path else None
            with st.container(width=THUMBNAIL, gap=None):
                if small is None:
                    st.caption("Not available")
                else:
                    st.image(small, width=THUMBNAIL, alt=f"Image: {caption}")
                st.text(f"{caption} {Path(image_id).name}", width=THUMBNAIL)
                if small is not None:
                    values = (image_id, recorded.title, detector)
                    query: dict[str, str] = dict(zip(ADDRESS, values, strict=True))
                    link_to_check("Check it", query, detector)


@st.cache_data(max_entries=500, show_spinner=False)
def thumbnail(path: str, modified: int, perturbed: bool) -> bytes | None:
    """A small JPEG of what was scored, or None where the file cannot be read."""
    try:
        return jpeg_bytes(shrink(scored_pixels(Path(path), perturbed=perturbed), 2 * THUMBNAIL))
    except (UserError, OSError):
        return None
