"""The page Evaluation's curves over all thresholds, and where the scores lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from deepfake.detection.card import Card, detector_title
from deepfake.detection.words import UNCERTAIN
from deepfake.errors import UserError
from deepfake.evaluation.curves import OneClassError, coverage_risk
from deepfake.evaluation.figures.curves import (
    coverage_risk_figure,
    det_figure,
    precision_recall_figure,
    roc_figure,
)
from deepfake.evaluation.figures.scores import histogram_figure, reliability_figure
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.marks import (
    CURVES,
    ChartName,
    Mark,
    bars_with_images,
    dots_with_images,
    images_behind,
)
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.calibration import CalibrationQuality, uncalibrated
from deepfake.evaluation.statistics.thresholds import (
    ThresholdMetrics,
    at_threshold,
    expect,
    in_few_decimals,
    threshold_for,
)
from deepfake.evaluation.text.cells import mark_title
from deepfake.evaluation.text.outcomes import outcome_rows, rate_sentence
from ui.charts import ask_for_format, download, download_later, number_table
from ui.evaluation.gallery import BEFORE, SCORE, Images, chosen_mark, marked_chart, show_behind
from ui.page import escape_markdown, section, set_value


@dataclass(frozen=True)
class Panel:
    """A chart with what stands around it.

    Attributes:
        title: above it, and in its file's name.
        caption: what it shows and which way is good.
        figure: None where there is nothing to draw.
        alt: what it is, for those who do not see it.
        table: the numbers behind it.
        chart: whose marks its points are.
        marks: titles of marks to choose without a click, by word.
    """

    title: str
    caption: str
    figure: go.Figure | None
    alt: str
    table: Callable[[], pd.DataFrame]
    chart: ChartName
    marks: Mapping[str, str] = field(default_factory=dict)


def show_curves(
    evaluations: Mapping[str, LoadedEvaluation],
    thresholds: Mapping[str, float],
    recorded: Mapping[str, Recorded],
    title: str,
    marks: Mapping[str, float] | None = None,
) -> None:
    """ROC, precision-recall and DET curves of one or more detectors; of a single one the histogram too.

    Args:
        evaluations: of each detector on the same images, by name.
        thresholds: of each.
        recorded: where the images lie, by detector; of an ensemble that of its first.
        title: in the names of files.
        marks: further thresholds of a single detector, by what they are.
    """
    ask_for_format()
    now = {name: at_threshold(each.scores, thresholds[name]) for name, each in evaluations.items()}
    panels = []
    try:
        panels += curve_panels(evaluations, now, marks or {})
    except OneClassError as error:
        st.info(escape_markdown(error.message), icon=":material/info:")
    if len(evaluations) == 1:
        (evaluation,), (metrics,) = evaluations.values(), now.values()
        panels.append(histogram_panel(evaluation, metrics))
    mark = chosen_mark()

    def images(mark: Mark) -> Images | None:
        name = mark.of if mark.chart in CURVES else next(iter(evaluations))
        if name not in evaluations:
            return None
        whose = name if name in recorded else next(iter(recorded))
        rows = images_behind(mark, evaluations[name].table)
        return Images(rows, recorded[whose], whose, f"{title} {mark_title(mark)}", SCORE)

    for start in range(0, len(panels), 2):
        row = panels[start : start + 2]
        for column, panel in zip(st.columns(2, gap="large"), row, strict=False):
            with column:
                show_panel(panel, title, mark)
        drawn = [panel for panel in row if panel.figure is not None]
        if drawn:
            show_behind(
                f"Open the images behind {' or '.join(panel.title for panel in drawn)}",
                choices(drawn), [panel.chart for panel in drawn], mark, images,
            )  # fmt: skip


def choices(panels: Sequence[Panel]) -> dict[str, str]:
    """The marks of a row of charts; behind a threshold are the same images on each curve, so once."""
    curve = next((panel for panel in panels if panel.chart in CURVES), None)
    others = [panel for panel in panels if panel.chart not in CURVES]
    return {
        word: title for panel in [*([curve] if curve else []), *others] for word, title in panel.marks.items()
    }


def curve_panels(
    evaluations: Mapping[str, LoadedEvaluation],
    now: Mapping[str, ThresholdMetrics],
    marks: Mapping[str, float],
) -> list[Panel]:
    """The three curves; raises OneClassError where there is none to draw."""
    first = next(iter(evaluations.values()))
    drawn = {title: at_threshold(first.scores, value) for title, value in marks.items()}
    roc = {name: each.roc for name, each in evaluations.items()}
    precision = {name: each.precision_recall for name, each in evaluations.items()}
    det = {name: each.det for name, each in evaluations.items()}
    of = f"of {', '.join(map(detector_title, evaluations))}"

    def named(chart: ChartName) -> dict[str, str]:
        return threshold_marks(chart, now, marks)

    return [
        Panel(
            "ROC",
            "Recall (fakes called fake) against the false-positive rate (real images called fake). Upper "
            "left is better; the dotted line is guessing.",
            roc_figure(roc, now, drawn),
            f"ROC curve {of}: recall against the false-positive rate",
            lambda: stacked(roc),
            "roc",
            named("roc"),
        ),
        Panel(
            "Precision and recall",
            "Precision (share of images called fake that are fake) against recall (fakes called fake). Upper "
            "right is better; the dotted line is guessing.",
            precision_recall_figure(precision, now, drawn),
            f"Precision-recall curve {of}: precision against recall",
            lambda: stacked(precision),
            "precision",
            named("precision"),
        ),
        Panel(
            "DET curve",
            "Fakes missed against the false-positive rate; normal-deviate axes. Lower left is better.",
            det_figure(det, now, drawn),
            f"Detection error trade-off {of}: fakes missed against the false-positive rate",
            lambda: stacked(det),
            "det",
            named("det"),
        ),
    ]


def threshold_marks(
    chart: ChartName, now: Mapping[str, ThresholdMetrics], marks: Mapping[str, float]
) -> dict[str, str]:
    """Titles of the named thresholds on a curve, by the word of their mark."""
    found = {}
    for name, metrics in now.items():
        whose = "" if len(now) == 1 else f"{detector_title(name)}, "
        found[Mark(chart, metrics.threshold, name).word] = (
            f"Errors at {whose}threshold now ({metrics.threshold:.3f})"
        )
    for title, value in marks.items():
        word = Mark(chart, value, next(iter(now))).word
        found.setdefault(word, f"Errors at {title.rstrip(':')} ({value:.3f})")
    return found


def histogram_panel(evaluation: LoadedEvaluation, metrics: ThresholdMetrics) -> Panel:
    """Where the scores of each class lie."""
    return Panel(
        "Scores of each class",
        "Distribution of scores. Fakes left of the threshold are missed; real images right of it are "
        "called fake.",
        histogram_figure(evaluation.histogram, metrics.threshold),
        "Histogram of the scores of fake and of real images with the threshold",
        lambda: evaluation.histogram,
        "histogram",
        {bar.word: mark_title(bar) for bar in bars_with_images(evaluation.histogram)},
    )


def stacked(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The points of all curves; of several, with the detector's name."""
    if len(curves) == 1:
        return next(iter(curves.values()))
    return pd.concat([points.assign(detector=name) for name, points in curves.items()])


def show_panel(panel: Panel, title: str, mark: Mark | None) -> None:
    section(panel.title)
    st.caption(panel.caption)
    if panel.figure is None:
        st.info("Too few errors of both kinds to draw a curve.")
        return
    marked_chart(panel.figure, f"{title} {panel.title}", panel.alt, mark)
    download_later(f"{panel.title} as CSV", panel.table, f"{title} {panel.title}")


def show_calibration(
    evaluation: LoadedEvaluation, metrics: ThresholdMetrics, card: Card, recorded: Recorded
) -> None:
    """Whether a score of 80% means that 80% are fake, before and after the temperature."""
    labels = evaluation.table["label"]
    before, after = evaluation.calibration(card)
    ask_for_format()
    mark = chosen_mark()
    left, right = st.columns([3, 2], gap="large")
    with left:
        section("Reliability")
        marked_chart(
            reliability_figure({"Before": before.reliability, "After, as used": after.reliability}),
            f"{evaluation.title} reliability",
            "Reliability diagram: share of fakes against score, bin by bin, before and after calibration",
            mark,
        )
        both = pd.concat(
            [before.reliability.assign(calibrated=False), after.reliability.assign(calibrated=True)]
        )
        download("Reliability as CSV", both, f"{evaluation.title} reliability")
    with right:
        section("Before and after")
        show_quality(before, after, card)
        share = f"{100 * labels.mean():.0f}% of these images are fake."
        st.markdown(
            "Each dot stands for the images in one range of scores. On the dotted line scores are exact: of "
            "the images scored 80%, 80% are fake. Below the line scores are too high, above it too low. Long "
            "bars mean few images. Valid for this mix: " + escape_markdown(share)
        )

    def images(mark: Mark) -> Images:
        raw = uncalibrated(evaluation.table["p_fake"], card) if mark.of == "before" else None
        rows = images_behind(mark, evaluation.table, metrics.threshold, raw)
        scores = SCORE | (BEFORE if mark.of == "before" else {})
        return Images(rows, recorded, card.name, f"{evaluation.title} {mark_title(mark)}", scores)

    dots = dots_with_images(after.reliability, "after") + dots_with_images(before.reliability, "before")
    titles = {dot.word: mark_title(dot) for dot in dots}
    show_behind("Open the images behind a dot", titles, ["reliability"], mark, images)
    left, _ = st.columns([3, 2], gap="large")
    with left:
        table = show_abstaining(evaluation, metrics, mark)
    titles = {share.word: mark_title(share) for share in tenths(table["coverage"])}
    show_behind("Open the errors among the most certain", titles, ["abstaining"], mark, images)


def tenths(coverage: pd.Series) -> list[Mark]:
    """Marks of the points nearest to each tenth of a curve over coverage."""
    nearest = dict.fromkeys(int((coverage - tenth / 10).abs().idxmin()) for tenth in range(1, 11))
    return [Mark("abstaining", coverage[row]) for row in nearest]


def show_quality(before: CalibrationQuality, after: CalibrationQuality, card: Card) -> None:
    """Three numbers without and with the card's temperature and bias."""
    rows = [
        {
            "Less is better": title,
            "Before": f"{getattr(before, key):.3f}",
            "After": f"{getattr(after, key):.3f}",
        }
        for key, title in (
            ("ece", "Calibration error, ECE"),
            ("brier", "Brier score"),
            ("nll", "Log loss, NLL"),
        )
    ]
    number_table(pd.DataFrame(rows).set_index("Less is better"))
    st.caption(
        "ECE: average gap between scores and reality. Brier: mean squared error of the score. NLL: penalizes "
        "confident mistakes. Calibration does not change the order of the images, so ROC AUC stays the same."
    )
    bias = card.bias
    st.markdown(
        f"Temperature: **{card.temperature:.2f}**{f', bias: **{bias:+.2f}**' if bias else ''}, fitted on "
        + escape_markdown(
            "validation images; a temperature above 1 lowers the detector's confidence, below 1 raises it."
        )
        + (
            escape_markdown(" A bias above 0 moves all scores toward fake, below 0 toward real.")
            if bias
            else ""
        )
    )


def show_abstaining(
    evaluation: LoadedEvaluation, metrics: ThresholdMetrics, mark: Mark | None
) -> pd.DataFrame:
    """Coverage against risk; gives its points."""
    table = coverage_risk(evaluation.table["label"], evaluation.table["p_fake"], metrics.threshold)
    section("Wrong calls when abstaining")
    st.caption(
        f"If only the most certain images were decided and the rest called {UNCERTAIN}: the share of wrong "
        f"calls. Certain means far from the threshold of {metrics.threshold:.3f}."
    )
    marked_chart(
        coverage_risk_figure(table),
        f"{evaluation.title} abstaining",
        "Share of wrong calls among the images decided, against the share of images decided",
        mark,
    )
    download("Abstaining as CSV", table, f"{evaluation.title} abstaining")
    return table


def show_operating_point(evaluation: LoadedEvaluation) -> None:
    """The operator names the false-positive rate and the share of fakes; the page names the threshold."""
    section("Which false-positive rate is acceptable?")
    left, right = st.columns(2, gap="medium")
    alarms = left.number_input(
        "Max. false-positive rate (%)", 0.0, 100.0, 1.0, 0.1, "%.2f", key="alarms",
        bind="query-params", help="Of 100 real images, how many may be called fake.",
    )  # fmt: skip
    base = right.number_input(
        "Expected share of fakes (%)", 0.01, 99.99, 5.0, 1.0, "%.2f", key="fakes",
        bind="query-params", help="The base rate: of 100 images that you will check, how many are fake.",
    )  # fmt: skip
    try:
        threshold = threshold_for(evaluation.table, alarms / 100)
        point = expect(evaluation.scores, threshold, base / 100)
    except UserError as error:
        st.info(escape_markdown(error.message), icon=":material/info:")
        return
    st.metric("Threshold", f"{threshold:.4f}", border=True, width="content")
    st.markdown(escape_markdown(rate_sentence(point, alarms / 100)))
    st.button(
        "Use this threshold",
        key="use-threshold",
        on_click=set_value,
        args=("t", in_few_decimals(evaluation.scores, threshold)),
    )
    section("Per 1,000 new images")
    rows = outcome_rows(point)
    table = rows.drop(columns=["value", "low", "high"]).rename(columns={"95 % interval": "95% interval"})
    number_table(table.set_index("Outcome"))
    st.caption(
        "Expected numbers with 95% intervals, for images like those of this evaluation and the share of "
        "fakes you set. The threshold was chosen on these same images, so the numbers are slightly "
        "optimistic."
    )
    download("Expected numbers as CSV", rows, f"{evaluation.title} operating point")
