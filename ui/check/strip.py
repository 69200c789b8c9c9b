"""Where a score lies among validation images: the strip under a verdict, and the numbers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from deepfake.detection import text
from ui.check.checked import Checked
from ui.check.faces import show_cells

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.detection.card import Card


def known_scores(card: Card) -> pd.DataFrame | None:
    """The detector's own scores of images with known answers, or None."""
    from deepfake.evaluation.records import validation_scores

    return validation_scores(card)


def comparable_scores(checked: Checked) -> pd.DataFrame | None:
    """Those to set the image beside: they show one face each, so none for a verdict on the whole image."""
    return None if checked.verdict.basis == "whole" else known_scores(checked.card)


def show_strip(checked: Checked, thumbnails: list[bytes]) -> None:
    """The strip, and below it the face whose mark was clicked; nothing for an image without a score.

    Args:
        checked: the verdict.
        thumbnails: a small JPEG of each face.
    """
    from deepfake.detection.figures import score_marks, strip_alt, strip_figure

    if checked.verdict.p_fake is None:
        return
    scores, thresholds = comparable_scores(checked), checked.card.thresholds
    marked = len(score_marks(checked.verdict)) > 1
    figure = strip_figure(scores, checked.verdict, thresholds)
    figure.update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)  # a finger should scroll, not drag it
    state: Any = st.plotly_chart(
        figure,
        width="stretch",
        theme="streamlit",
        key=f"strip-{checked.file_id}",
        config={"displayModeBar": False, "scrollZoom": False},
        alt=strip_alt(scores, checked.verdict, thresholds),
        on_select="rerun" if marked else "ignore",
        selection_mode="points",
    )
    if marked:
        st.caption("Click a diamond to see its face.")
        show_clicked(checked, thumbnails, [point.get("customdata") for point in state.selection.points])


def show_clicked(checked: Checked, thumbnails: list[bytes], data: list[Any]) -> None:
    """The face whose mark is chosen in the strip.

    Args:
        checked: the verdict.
        thumbnails: a small JPEG of each face.
        data: the custom data of what is chosen: of a face's mark its number from 1.
    """
    rows = text.part_rows(checked.verdict, checked.card.thresholds)
    for datum in data:
        number = datum[0] if isinstance(datum, list) and len(datum) == 1 else datum
        if isinstance(number, int) and 0 < number <= len(thumbnails):
            show_cells([(rows[number - 1], thumbnails[number - 1])], linked=False)


def show_strip_numbers(checked: Checked) -> None:
    """The table behind the strip, and the counts of its bars as CSV; nothing where no images are drawn."""
    from deepfake.detection.figures import band_table, strip_table
    from deepfake.util.text import csv_bytes

    verdict = checked.verdict
    scores = comparable_scores(checked) if verdict.p_fake is not None else None
    if scores is None:
        return
    share, shares = st.column_config.NumberColumn(format="%.1f%%"), ["Fake images", "Real images"]
    bands = band_table(scores, checked.card.thresholds, verdict.operating_point)
    st.dataframe(
        bands.assign(**{name: 100 * bands[name] for name in shares}),
        hide_index=True,
        column_config=dict.fromkeys(shares, share),
        alt=checked.named("Share of the validation images in each band"),
    )
    st.download_button(
        checked.named("Validation scores as CSV"),
        lambda: csv_bytes(strip_table(scores)),
        "validation-scores.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key=f"strip-csv-{checked.file_id}",
    )
