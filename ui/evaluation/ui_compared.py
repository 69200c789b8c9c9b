"""The comparison's curves laid over each other, and the pictures on which detectors differ."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from deepfake.evaluation import comparison_texts as texts
from deepfake.evaluation.compare import PairComparison
from deepfake.evaluation.comparison_figures import (
    det_curves_figure,
    precision_recall_curves_figure,
    roc_curves_figure,
)
from deepfake.evaluation.comparison_view import OpenedComparison, agreement_table, outcome_images, outcomes
from deepfake.evaluation.curves import OneClassError
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.thresholds import at_threshold
from ui.charts import ask_for_format, chart, download, download_later
from ui.evaluation.gallery import one_page, show_thumbnails, words
from ui.page import plain


def show_curves(comparison: OpenedComparison, thresholds: Mapping[str, float], title: str) -> None:
    """ROC, precision-recall and DET curves of all, laid over each other."""
    ask_for_format()
    now = {name: at_threshold(scores, thresholds[name]) for name, scores in comparison.scores.items()}
    try:
        roc, precision, det = comparison.roc, comparison.precision_recall, comparison.det
    except OneClassError as error:
        st.info(plain(error.message), icon=":material/info:")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("ROC", anchor=False)
        st.caption(
            "How many fakes are found against how many real pictures are called fake. Up left is good."
        )
        chart(roc_curves_figure(roc, now), f"{title} compared ROC", "ROC curves of the detectors")
        download_later("ROC curves as CSV", lambda: stacked(roc), f"{title} compared roc")
    with right:
        st.subheader("Precision and recall", anchor=False)
        st.caption("How many of the pictures called fake are fake, against how many fakes are found.")
        chart(
            precision_recall_curves_figure(precision, now),
            f"{title} compared precision",
            "Precision-recall curves of the detectors",
        )
        download_later(
            "Precision and recall as CSV", lambda: stacked(precision), f"{title} compared precision"
        )
    left, _ = st.columns(2, gap="large")
    with left:
        st.subheader("Both errors (DET)", anchor=False)
        st.caption("Fakes missed against false alarms; the axes stretch small rates. Down left is good.")
        figure = det_curves_figure(det, now)
        if figure is None:
            st.info("No detector makes both kinds of errors at enough thresholds to draw a curve.")
            return
        chart(figure, f"{title} compared DET", "DET curves of the detectors")
        download_later("Both errors as CSV", lambda: stacked(det), f"{title} compared det")


def stacked(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The points of all curves, with the detector's name."""
    return pd.concat([points.assign(detector=name) for name, points in curves.items()])


def show_differing(
    comparison: OpenedComparison,
    pair: PairComparison,
    thresholds: Mapping[str, float],
    recorded: Mapping[str, Recorded],
) -> None:
    """Who is right where, and the pictures."""
    table = comparison.differing(pair.a, pair.b, thresholds)
    counts = agreement_table(table, pair.a, pair.b)
    st.subheader("Agreement", anchor=False)
    st.table(
        counts.rename(columns={"outcome": "Called", "images": "Pictures", "fake": "Fake", "real": "Real"})
        .map(lambda cell: f"{cell:,}" if isinstance(cell, int) else cell)
        .set_index("Called"),
        width="content",
    )
    download("Agreement as CSV", counts, f"{pair.a} {pair.b} agreement")
    titles = {title: (right_a, right_b) for title, right_a, right_b in outcomes(pair.a, pair.b)}
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    with left:
        outcome = st.segmented_control(
            "Pictures to show", list(titles)[1:], default=list(titles)[1], key="outcome", bind="query-params",
            required=True, on_change=lambda: st.session_state.pop("page", None),
        )  # fmt: skip
    with right:
        kind = st.segmented_control(
            "In truth", ["All", "Fake", "Real"], default="All", key="truth", bind="query-params",
            required=True, on_change=lambda: st.session_state.pop("page", None),
        )  # fmt: skip
    rows = outcome_images(table, *titles.get(outcome, (True, False)))
    if kind != "All":
        rows = rows[rows["label"] == (kind == "Fake")]
    st.markdown(f"**{plain(outcome)}: {len(rows):,}.** {texts.outcome_order(outcome)}")
    if rows.empty:
        st.info("There is none at these thresholds.", icon=":material/info:")
        return
    start, shown = one_page(rows)
    first = next(iter(recorded))
    st.caption(plain(f"The two numbers of a picture: the score of {pair.a} | the score of {pair.b}."))
    captions = [
        f"{p_a:.2f} | {p_b:.2f}" for p_a, p_b in zip(shown["p_fake_a"], shown["p_fake_b"], strict=True)
    ]
    show_thumbnails(shown, captions, recorded[first], first)
    show_rows(shown, pair, start, len(rows))
    name = f"{pair.a} {pair.b} {outcome} {kind}"
    download_later(f"All {len(rows):,} as CSV", lambda: rows.assign(label=words(rows)), name)


def show_rows(shown: pd.DataFrame, pair: PairComparison, start: int, total: int) -> None:
    st.caption(f"{start + 1:,} to {start + len(shown):,} of {total:,}")
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(
            {
                "Rank": range(start + 1, start + len(shown) + 1),
                "Picture": shown["image_id"].to_numpy(),
                "In truth": words(shown),
                "a": shown["p_fake_a"].to_numpy(),
                "b": shown["p_fake_b"].to_numpy(),
                "Source": shown["source"].to_numpy(),
            }
        ),
        hide_index=True,
        height="content",
        column_config={
            "Rank": number(width="small"),
            "Picture": st.column_config.TextColumn(width="medium"),
            "a": number(f"Score of {pair.a}", format="%.4f"),
            "b": number(f"Score of {pair.b}", format="%.4f"),
        },
        alt="Pictures on which the detectors differ, with both scores",
    )
