"""The page Evaluation's images: those of one cell of the confusion matrix, surest first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from deepfake.data.sets import find_image
from deepfake.errors import UserError
from deepfake.evaluation.kept import scored_pixels
from deepfake.evaluation.loaded import OpenedEvaluation
from deepfake.evaluation.records import CELL_MEANINGS, CELLS, CellName, Recorded, cell_images
from deepfake.evaluation.thresholds import ThresholdMetrics
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.settings import allowed_roots
from deepfake.types import class_name
from ui.charts import download_later
from ui.links import ADDRESS, link_to_check

PER_PAGE = 24
THUMBNAIL = 150


def show_images(evaluation: OpenedEvaluation, metrics: ThresholdMetrics, detector: str) -> None:
    """A choice of cell, a page of its images, and all of them as CSV."""
    counts: dict[CellName, int] = {
        "missed": metrics.missed,
        "false_alarms": metrics.false_alarms,
        "found": metrics.found,
        "passed": metrics.passed,
    }
    # The address holds the words, so they stay free of counts.
    cell: CellName = st.segmented_control(
        "Pictures to show",
        list(CELLS),
        format_func=lambda name: CELLS[name],
        default="missed",
        key="cell",
        bind="query-params",
        required=True,
        on_change=lambda: st.session_state.pop("page", None),
    )
    rows = cell_images(evaluation.by_class, metrics.threshold, cell)
    st.markdown(f"**{CELLS[cell]}: {counts[cell]:,}.** {CELL_MEANINGS[cell]}")
    if rows.empty:
        st.info("There is none at this threshold.", icon=":material/info:")
        return
    start, shown = one_page(rows)
    show_thumbnails(shown, [f"{p_fake:.3f}" for p_fake in shown["p_fake"]], evaluation.recorded, detector)
    show_rows(shown, start, len(rows))
    name = f"{evaluation.recorded.title} {CELLS[cell]}"
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


def show_rows(shown: pd.DataFrame, start: int, total: int) -> None:
    st.caption(f"{start + 1:,} to {start + len(shown):,} of {total:,}")
    st.dataframe(
        pd.DataFrame(
            {
                "Rank": range(start + 1, start + len(shown) + 1),
                "Picture": shown["image_id"].to_numpy(),
                "Probability of fake": shown["p_fake"].to_numpy(),
                "In truth": words(shown),
                "Source": shown["source"].to_numpy(),
                "Split": shown["split"].to_numpy(),
            }
        ),
        hide_index=True,
        height="content",
        column_config={
            "Rank": st.column_config.NumberColumn(width="small"),
            "Picture": st.column_config.TextColumn(width="medium"),
            "Probability of fake": st.column_config.NumberColumn(format="%.4f"),
        },
        alt="Pictures of this cell with their scores",
    )


def show_thumbnails(rows: pd.DataFrame, captions: Sequence[str], recorded: Recorded, detector: str) -> None:
    """The images themselves, where the data set is on this computer, each with a link to the check page.

    Args:
        rows: of a score table.
        captions: a line for each image; its file's name follows.
        recorded: the evaluation.
        detector: whose evaluation it is.
    """
    if not allowed_roots():
        st.caption("The data set is not present on this server, so names and scores are shown only.")
        return
    files = [
        (str(name), caption, find_image(str(name), str(source), recorded.folder))
        for name, source, caption in zip(rows["image_id"], rows["source"], captions, strict=True)
    ]
    if not any(path for *_, path in files):
        st.caption("None of these pictures lies in the data folder of this server.")
        return
    if recorded.perturbed:
        st.caption("Shown are the altered copies, as they were scored.")
    with st.container(horizontal=True, gap="small"):
        for image_id, caption, path in files:
            small = thumbnail(str(path), path.stat().st_mtime_ns, recorded.perturbed) if path else None
            with st.container(width=THUMBNAIL, gap=None):
                if small is None:
                    st.caption("Not there")
                else:
                    st.image(small, width=THUMBNAIL, alt=f"Picture: {caption}")
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
