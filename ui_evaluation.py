"""The parts of the page Evaluation: numbers, curves, calibration, and all evaluations of a detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from deepfake import evaluation_texts as texts
from deepfake.breakdown import Part, breakdown_table, gaps
from deepfake.curves import OneClassError
from deepfake.errors import UserError
from deepfake.evaluation_charts import (
    DOT_TITLES,
    confusion_figure,
    dot_figure,
    histogram_figure,
    reliability_figure,
)
from deepfake.evaluation_figures import coverage_risk_figure, det_figure, precision_recall_figure, roc_figure
from deepfake.evaluation_view import OpenedEvaluation, open_evaluation
from deepfake.plotting import SaveFormat, file_stem, plot_config
from deepfake.recorded import Recorded
from deepfake.registry import Card
from deepfake.selective import coverage_risk
from deepfake.strict_metrics import StrictMetrics
from deepfake.threshold_metrics import SortedScores, ThresholdMetrics, at_threshold, report_table
from ui import plain

SHARES = ("precision", "recall", "f1")


def opened(recorded: Recorded) -> OpenedEvaluation:
    """The evaluation with its scores, read once for all visitors. Raises UserError."""
    file = recorded.scores
    facts = file.stat() if file.is_file() else None
    return _opened(recorded, (facts.st_mtime_ns, facts.st_size) if facts else None)


# Shared, not copied: 100,000 rows would take longer to copy than all numbers to compute. Never changed.
@st.cache_resource(max_entries=32, show_spinner="Reading scores", hash_funcs={Recorded: repr})
def _opened(recorded: Recorded, version: tuple[int, int] | None) -> OpenedEvaluation:
    return open_evaluation(recorded)


def strict_numbers(evaluation: OpenedEvaluation) -> StrictMetrics | None:
    """EER and fakes found at 0.1 % false alarms with intervals, computed once."""
    facts = evaluation.recorded.scores.stat()
    return _strict(str(evaluation.recorded.scores), facts.st_mtime_ns, facts.st_size, evaluation)


@st.cache_resource(max_entries=64, show_spinner="Computing intervals")
def _strict(path: str, modified: int, size: int, _evaluation: OpenedEvaluation) -> StrictMetrics | None:
    return _evaluation.strict()


def show_overview(
    recorded: Recorded, evaluation: OpenedEvaluation | None, metrics: ThresholdMetrics | None
) -> None:
    """What the threshold does, headline numbers, and the starting document's."""
    if metrics is not None:
        show_confusion(metrics, recorded)
    st.subheader("Headline numbers", anchor=False)
    strict = strict_numbers(evaluation) if evaluation is not None else None
    table = texts.headline_table(recorded, strict)
    st.caption(
        f"Accuracy, balanced accuracy and F1 at the card's balanced threshold of {recorded.threshold:.3f}; "
        "the others need no threshold. The question marks say what each one means."
    )
    meanings = {text.key: text.meaning for text in texts.METRIC_TEXTS}
    rows = list(table.to_dict("records"))
    rows.append({"key": "n", "metric": "Pictures", "shown": f"{recorded.n:,}", "interval": ""})
    for start in range(0, len(rows), 4):
        for column, row in zip(st.columns(4), rows[start : start + 4], strict=False):
            column.metric(
                row["metric"],
                row["shown"],
                row["interval"] or None,
                delta_color="off",
                delta_arrow="off",
                help=meanings.get(row["key"]),
                height="stretch",
                border=True,
            )
    st.caption(plain(texts.interval_sentence(recorded, strict)))
    for note in recorded.notes:
        st.caption(plain(note))
    download("Headline numbers as CSV", table.drop(columns=["key"]), f"{recorded.title} headline")
    st.subheader("Beside the starting document", anchor=False)
    st.table(texts.starting_table(recorded).set_index("Computed its way"), width="content")
    st.caption(plain(texts.difference_sentence(recorded)))
    if recorded.command:
        with st.expander("How to make these numbers again"):
            st.code(recorded.command, language="bash", wrap_lines=True)


def show_confusion(metrics: ThresholdMetrics, recorded: Recorded) -> None:
    """The confusion matrix and the classification report, side by side."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Confusion matrix", anchor=False)
        chart(
            confusion_figure(metrics),
            f"{recorded.title} confusion matrix",
            f"Confusion matrix at threshold {metrics.threshold:.3f}: {metrics.found} fakes found, "
            f"{metrics.missed} missed, {metrics.false_alarms} real pictures called fake, "
            f"{metrics.passed} let pass",
        )
        st.caption("Counts, and shares of the true class. The tab Images shows the pictures of each cell.")
    with right:
        st.subheader("Classification report", anchor=False)
        report = report_table(metrics)
        words = {
            "class": "Class",
            "precision": "Precision",
            "recall": "Recall",
            "f1": "F1",
            "images": "Pictures",
        }
        st.table(
            report.assign(
                **{name: report[name].map("{:.3f}".format) for name in SHARES},
                images=report["images"].map("{:,}".format),
            )
            .rename(columns=words)
            .set_index("Class"),
            width="content",
        )
        st.caption(
            "Precision: of the pictures called so, the share that is. Recall: of the pictures that are, the "
            "share called so. F1: their harmonic mean."
        )
        download("Report as CSV", report, f"{recorded.title} report")


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


def show_calibration(evaluation: OpenedEvaluation, metrics: ThresholdMetrics, card: Card) -> None:
    """Whether a score of 80 % means that 80 % are fake."""
    recorded = evaluation.recorded
    ask_for_format()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Reliability", anchor=False)
        chart(
            reliability_figure(evaluation.reliability),
            f"{recorded.title} reliability",
            "Reliability diagram: share of fakes against score, bin by bin",
        )
        download("Reliability as CSV", evaluation.reliability, f"{recorded.title} reliability")
    with right:
        st.subheader("How to read it", anchor=False)
        values, unit = recorded.numbers, "number"
        st.markdown(
            "Each dot holds the pictures of one range of scores. On the dotted line a score can be taken "
            "at its word: of the pictures scored 80 %, 80 % are fake. Below the line the "
            "detector cries fake too easily, above it too seldom. Long lines rest on few pictures.\n\n"
            f"- Calibration error (ECE): **{texts.shown(values['ece'], unit)}**\n"
            f"- Brier score: **{texts.shown(values['brier'], unit)}**\n"
            f"- Temperature: **{card.temperature:.2f}**, fitted on validation pictures; "
            + plain("above 1 it tones the detector's certainty down, below 1 up.")
            + "\n- It holds for this mix: "
            + plain(f"{100 * recorded.n_fake / recorded.n:.0f} % of these pictures are fake.")
        )
    left, _ = st.columns([3, 2], gap="large")
    with left:
        show_abstaining(evaluation, metrics)


def show_abstaining(evaluation: OpenedEvaluation, metrics: ThresholdMetrics) -> None:
    """Coverage against risk."""
    table = coverage_risk(evaluation.table["label"], evaluation.table["p_fake"], metrics.threshold)
    st.subheader("What abstaining buys", anchor=False)
    st.caption(
        "If only the most certain pictures were judged and the rest called uncertain: how many of those "
        f"judged would be judged wrongly. Certain means far from the threshold of {metrics.threshold:.3f}."
    )
    chart(
        coverage_risk_figure(table),
        f"{evaluation.recorded.title} abstaining",
        "Errors among the pictures judged against the share of pictures judged",
    )
    download("Abstaining as CSV", table, f"{evaluation.recorded.title} abstaining")


def show_parts(evaluations: Sequence[Recorded], metrics: ThresholdMetrics) -> None:
    """Every evaluation of the detector, whole and by source, and the gaps between them."""
    good: list[tuple[Recorded, SortedScores]] = []
    parts: list[Part] = []
    for recorded in evaluations:
        try:
            evaluation = opened(recorded)
        except UserError as error:
            st.warning(plain(f"{recorded.title} is left out: {error.message}"), icon=":material/info:")
            continue
        good.append((recorded, evaluation.scores))
        parts += evaluation.parts
    st.subheader("Where it holds and where it does not", anchor=False)
    st.caption(f"All evaluations recorded for this detector, at the threshold {metrics.threshold:.3f}.")
    ask_for_format()
    shown = {
        "accuracy": "Accuracy",
        "auc": "ROC AUC",
        "recall": "Fakes found",
        "false_alarm_rate": "False alarms",
    }
    metric = st.segmented_control(
        "Number", list(shown), format_func=shown.__getitem__, default="accuracy", key="number",
        bind="query-params", required=True,
    )  # fmt: skip
    table = breakdown_table(parts, metrics.threshold)
    chart(
        dot_figure(table, metric),
        f"parts {metric}",
        f"{DOT_TITLES[metric]} of each evaluation, with intervals",
    )
    left_out = table[table[metric].isna()]["part"].tolist()
    if left_out:
        st.caption(plain(f"Undefined, as one class is missing: {'; '.join(left_out)}."))
    st.dataframe(
        table[["part", "images", "accuracy", "auc", "recall", "false_alarm_rate"]].assign(
            **{name: 100 * table[name] for name in ("accuracy", "recall", "false_alarm_rate")}
        ),
        hide_index=True,
        column_config=part_columns(),
        alt="The same numbers for every evaluation and source",
        placeholder="",
    )
    st.caption("Empty where a class that the number needs is missing. The CSV holds the intervals too.")
    download("Table as CSV", table, "by source")
    show_gaps(good, metrics)


def part_columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "part": st.column_config.TextColumn("Evaluated on", width="medium"),
        "images": number("Pictures", format="localized"),
        "accuracy": number("Accuracy", format="%.1f %%"),
        "auc": number("ROC AUC", format="%.3f"),
        "recall": number("Fakes found", format="%.1f %%"),
        "false_alarm_rate": number("False alarms", format="%.1f %%"),
    }


def show_gaps(good: Sequence[tuple[Recorded, SortedScores]], metrics: ThresholdMetrics) -> None:
    """How far the detector falls from easy pictures to hard ones."""
    found = gaps(good, metrics.threshold)
    st.subheader("Gaps", anchor=False)
    if not found:
        st.caption(
            "To see how far the detector falls, record the same data set clean and with --perturbed, or its "
            "Validation and its Test."
        )
        return
    for gap in found:
        sentence = plain(texts.gap_sentence(gap, f"{gap.before} to {gap.after}"))
        if gap.alarm:
            st.warning(sentence, icon=":material/trending_down:")
        else:
            st.markdown(f"- {sentence}")
    st.caption(plain(texts.GAP_RULE))
    download("Gaps as CSV", texts.gaps_table(found), "gaps")


def ask_for_format() -> None:
    """As what the button at a chart saves it."""
    st.segmented_control(
        "Save charts as", ["png", "svg"], format_func=str.upper, default="png", key="save-as", required=True,
        help="The camera at the upper right of a chart saves it.",
    )  # fmt: skip


def chart(figure: go.Figure, name: str, alt: str) -> None:
    """A figure in the page's theme, with a name for screen readers."""
    kind: SaveFormat = st.session_state.get("save-as", "png")
    st.plotly_chart(figure, theme="streamlit", config=plot_config(name, kind), alt=alt, key=f"chart-{name}")


def download(label: str, table: pd.DataFrame, name: str) -> None:
    download_later(label, lambda: table, name)


def download_later(label: str, table: Callable[[], pd.DataFrame], name: str) -> None:
    """A button that makes a CSV when it is pressed."""
    st.download_button(
        label,
        lambda: texts.csv_bytes(table()),
        f"{file_stem(name)}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key=f"download-{name}",
    )
