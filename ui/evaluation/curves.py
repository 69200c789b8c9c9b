"""The page Evaluation's curves over all thresholds, and where the scores lie."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from deepfake.detection.card import Card
from deepfake.evaluation.curves import OneClassError
from deepfake.evaluation.evaluation_charts import histogram_figure
from deepfake.evaluation.figures import det_figure, precision_recall_figure, roc_figure
from deepfake.evaluation.loaded import OpenedEvaluation
from deepfake.evaluation.thresholds import ThresholdMetrics, at_threshold
from ui.charts import ask_for_format, chart, download
from ui.page import plain


def show_curves(evaluation: OpenedEvaluation, metrics: ThresholdMetrics, card: Card) -> None:
    """ROC, precision-recall, DET and the histogram, with marks at the thresholds."""
    title = evaluation.recorded.title
    ask_for_format()
    marks = {
        name: at_threshold(evaluation.scores, value) for name, value in evaluation.thresholds(card).items()
    }
    left, right = st.columns(2, gap="large")
    try:
        roc, precision, det = evaluation.roc, evaluation.precision_recall, evaluation.det
    except OneClassError as error:
        left.info(plain(error.message), icon=":material/info:")
    else:
        with left:
            st.subheader("ROC", anchor=False)
            st.caption(
                "How many fakes are found against how many real pictures are called fake. Up left is good; "
                "the dotted line is guessing."
            )
            chart(
                roc_figure(roc, metrics, marks),
                f"{title} ROC",
                "ROC curve: fakes found against false alarms",
            )
            download("ROC as CSV", roc, f"{title} roc")
        with right:
            st.subheader("Precision and recall", anchor=False)
            st.caption("How many of the pictures called fake are fake, against how many fakes are found.")
            chart(
                precision_recall_figure(precision, metrics, marks),
                f"{title} precision recall",
                "Precision-recall curve: share of fakes among those called fake, against fakes found",
            )
            download("Precision and recall as CSV", precision, f"{title} precision")
        left, right = st.columns(2, gap="large")
        with left:
            show_det(det, metrics, marks, title)
    with right:
        st.subheader("Scores of each class", anchor=False)
        st.caption(
            "Where the scores lie. Fakes left of the threshold are missed; real ones right raise alarms."
        )
        chart(
            histogram_figure(evaluation.histogram, metrics.threshold),
            f"{title} scores",
            "Histogram of the scores of fake and of real pictures with the threshold",
        )
        download("Scores of each class as CSV", evaluation.histogram, f"{title} histogram")


def show_det(
    points: pd.DataFrame, metrics: ThresholdMetrics, marks: dict[str, ThresholdMetrics], title: str
) -> None:
    st.subheader("Both errors (DET)", anchor=False)
    st.caption("Fakes missed against false alarms; the axes stretch small rates. Down left is good.")
    figure = det_figure(points, metrics, marks)
    if figure is None:
        st.info("Too few thresholds make both kinds of errors here to draw a curve.")
        return
    chart(figure, f"{title} DET", "Detection error trade-off: fakes missed against false alarms")
    download("Both errors as CSV", points, f"{title} det")
