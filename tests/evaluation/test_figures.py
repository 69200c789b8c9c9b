"""Curves pass through scikit-learn's points, of one detector and of several; figures fit a screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from scipy.special import expit, ndtr, ndtri
from sklearn import metrics as sk
from sklearn.metrics import det_curve, precision_recall_curve, roc_curve

from deepfake.evaluation.breakdown import breakdown_table, subsets_of
from deepfake.evaluation.compare import MetricEstimate
from deepfake.evaluation.curves import (
    MAX_POINTS,
    OneClassError,
    coverage_risk,
    det_points,
    operating_points,
    score_histogram,
    thin,
)
from deepfake.evaluation.figures.cells import confusion_figure
from deepfake.evaluation.figures.curves import (
    coverage_risk_figure,
    det_figure,
    precision_recall_figure,
    roc_figure,
)
from deepfake.evaluation.figures.intervals import differences_figure, dot_figure
from deepfake.evaluation.figures.scores import histogram_figure, reliability_figure
from deepfake.evaluation.statistics.reliability import reliability_table
from deepfake.evaluation.statistics.thresholds import at_threshold, sort_scores
from deepfake.plotting import FAKE_COLOUR, REAL_COLOUR, plot_config

LABELS = np.arange(120) % 2
SCORES = {
    name: expit(np.random.default_rng(seed).normal(0, 1.2, 120) + lift * (2 * LABELS - 1)).round(2)
    for seed, (name, lift) in enumerate((("<b>a", 0.6), ("b", 1.4)))
}
SORTED = {name: sort_scores(LABELS, p) for name, p in SCORES.items()}
POINTS = {name: operating_points(scores) for name, scores in SORTED.items()}
NOW = {name: at_threshold(scores, 0.5) for name, scores in SORTED.items()}


def scores(n: int = 3000, step: float = 1e-9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, n)
    z = rng.normal(0, 1.5, n) + 1.2 * (2 * labels - 1)
    return labels, np.clip((1 / (1 + np.exp(-z)) / step).round() * step, 0, 1)


def drawn(figure: go.Figure) -> dict[str, dict]:
    """The traces by name, as the browser gets them."""
    return {trace.get("name", ""): trace for trace in json.loads(figure.to_json() or "")["data"]}


@pytest.mark.parametrize("step", [1e-9, 0.05])
def test_points_equal_scikit_learn(step):
    labels, p_fake = scores(step=step)
    points = operating_points(sort_scores(labels, p_fake))
    fpr, tpr, thresholds = roc_curve(labels, p_fake, drop_intermediate=False)
    assert np.allclose(points["false_alarm_rate"], fpr)
    assert np.allclose(points["recall"], tpr)
    assert np.allclose(points["threshold"], thresholds)
    precision, recall, _ = precision_recall_curve(labels, p_fake)
    assert np.allclose(points["precision"], precision[::-1])
    assert np.allclose(points["recall"], recall[::-1])
    false_alarms, missed, _ = det_curve(labels, p_fake, drop_intermediate=False)
    inner = (false_alarms > 0) & (false_alarms < 1) & (missed > 0) & (missed < 1)
    det = det_points(points)
    assert np.allclose(np.sort(det["false_alarm_rate"]), np.sort(false_alarms[inner]))
    assert np.allclose(np.sort(det["miss_rate"]), np.sort(missed[inner]))
    assert np.allclose(ndtr(det["x"]), det["false_alarm_rate"])


def test_curves_need_both_classes():
    with pytest.raises(OneClassError, match="All images are Fake"):
        operating_points(sort_scores([1, 1], [0.2, 0.4]))


def test_thinning_keeps_ends_and_shape():
    points = operating_points(sort_scores(*scores(30_000)))
    few = thin(points, "false_alarm_rate", "recall")
    assert len(few) <= MAX_POINTS
    assert few.iloc[0].equals(points.iloc[0])
    assert few.iloc[-1].equals(points.iloc[-1])
    steps = few["false_alarm_rate"].diff().abs() + few["recall"].diff().abs()
    assert steps.max() < 0.004  # both rise, so whatever was left out lies within a step
    assert thin(few, "false_alarm_rate", "recall") is few
    assert len(thin(pd.DataFrame({"x": [1.0] * 5000, "y": [2.0] * 5000}), "x", "y")) <= MAX_POINTS


def figures() -> Iterator[tuple[str, go.Figure]]:
    labels, p_fake = scores(20_000)
    sorted_ = sort_scores(labels, p_fake)
    points, now = operating_points(sorted_), at_threshold(sorted_, 0.7)
    marks = {"Balanced:": at_threshold(sorted_, 0.5)}  # a button adds the number; the legend does not
    table = pd.DataFrame(
        {
            "image_id": np.arange(20_000).astype(str),
            "split": "Test",
            "source": np.where(np.arange(20_000) % 2, "a<b>", "b"),
            "label": labels,
            "p_fake": p_fake,
        }
    )
    one, at_now = {"A": thin(points, "false_alarm_rate", "recall")}, {"A": now}
    yield "roc", roc_figure(one, at_now, marks)
    yield "precision", precision_recall_figure(one, at_now, marks)
    det = det_figure({"A": thin(det_points(points), "x", "y")}, at_now, marks)
    assert det
    yield "det", det
    yield "coverage", coverage_risk_figure(coverage_risk(labels, p_fake, 0.7))
    yield "confusion", confusion_figure(now)
    yield "histogram", histogram_figure(score_histogram(sorted_), 0.7)
    yield "reliability", reliability_figure({"All": reliability_table(labels, p_fake)})
    parts = breakdown_table(subsets_of("Set", table), 0.7)
    for metric in ("accuracy", "auc", "recall", "false_alarm_rate"):
        yield metric, dot_figure(parts, metric)


def test_every_figure_has_titles_and_is_small():
    for name, figure in figures():
        text = figure.to_json() or ""
        assert len(text) < 250_000, name
        layout = json.loads(text)["layout"]
        titles = [layout[axis].get("title", {}).get("text") for axis in ("xaxis", "yaxis")]
        assert any(titles), name
        assert all(titles) or name in ("confusion", "accuracy", "auc", "recall", "false_alarm_rate"), name
        assert "paper_bgcolor" not in layout, name  # the page's theme decides
        traces: Any = figure.data
        assert all(len(trace["x"]) <= MAX_POINTS for trace in traces), name


def test_marks_lie_where_the_thresholds_are():
    made = dict(figures())
    sorted_ = sort_scores(*scores(20_000))
    for name, threshold in (("Threshold now", 0.7), ("Balanced", 0.5)):
        metrics = at_threshold(sorted_, threshold)
        roc, precision = drawn(made["roc"])[name], drawn(made["precision"])[name]
        assert (roc["x"], roc["y"]) == ([metrics.false_alarm_rate.share], [metrics.recall.share])
        assert (precision["x"], precision["y"]) == ([metrics.recall.share], [metrics.precision.share])
        assert ndtr(drawn(made["det"])[name]["x"][0]) == pytest.approx(metrics.false_alarm_rate.share)


def test_what_the_axes_cannot_show_is_left_out():
    sorted_ = sort_scores(*scores())
    points, nothing = operating_points(sorted_), at_threshold(sorted_, 1.0)
    assert nothing.precision.share is None
    assert "Threshold now" not in drawn(precision_recall_figure({"A": points}, {"A": nothing}))
    figure = det_figure({"A": det_points(points)}, {"A": nothing})
    assert figure
    assert "Threshold now" not in drawn(figure)
    perfect = sort_scores([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert det_figure({"A": det_points(operating_points(perfect))}, {"A": at_threshold(perfect, 0.5)}) is None


def test_the_legend_names_the_thresholds_of_one_detector_and_the_lines_of_several():
    made = dict(figures())
    for figure, names in (
        (made["roc"], {"Balanced", "Threshold now"}),
        (roc_figure(POINTS, NOW), {"&lt;b&gt;a", "b"}),
    ):
        assert {name for name, trace in drawn(figure).items() if trace.get("showlegend", True)} == names


def test_classes_have_their_colours():
    made = dict(figures())
    bars = drawn(made["histogram"])
    assert bars["Fake"]["marker"]["color"] == FAKE_COLOUR
    assert bars["Real"]["marker"]["color"] == REAL_COLOUR
    histogram = score_histogram(sort_scores(*scores(20_000)))
    assert histogram[["fake", "real"]].to_numpy().sum() == 20_000
    lines = {
        shape["line"]["color"] for shape in json.loads(made["confusion"].to_json() or "")["layout"]["shapes"]
    }
    assert lines == {FAKE_COLOUR, REAL_COLOUR}


def test_confusion_says_counts_and_shares():
    metrics = at_threshold(sort_scores([1, 1, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1]), 0.5)
    notes = [
        note["text"]
        for note in json.loads(confusion_figure(metrics).to_json() or "")["layout"]["annotations"]
    ]
    assert sorted(notes) == sorted(
        ["<b>0</b><br>0.0%", "<b>1</b><br>100.0%", "<b>3</b><br>75.0%", "<b>1</b><br>25.0%"]
    )
    one = confusion_figure(at_threshold(sort_scores([1], [0.9]), 0.5)).to_json() or ""
    assert "no such images" in one


@pytest.mark.parametrize("dark", [False, True])
def test_cells_of_the_confusion_matrix_can_be_read(dark):
    """On a light and on a dark page; a faint cell is near the page, not a bright patch on it."""
    metrics = at_threshold(sort_scores([1] * 10 + [0] * 10, [0.9] * 9 + [0.1] * 9 + [0.9, 0.1]), 0.5)
    layout = json.loads(confusion_figure(metrics, dark=dark).to_json() or "")["layout"]
    light = [luminance(*map(int, shape["fillcolor"][4:-1].split(","))) for shape in layout["shapes"]]
    words = [luminance(*bytes.fromhex(note["font"]["color"][1:])) for note in layout["annotations"]]
    assert all((max(pair) + 0.05) / (min(pair) + 0.05) > 3.9 for pair in zip(light, words, strict=True))
    assert min(light) < 0.1 if dark else max(light) > 0.7


def luminance(*parts: int) -> float:
    """Relative luminance of an sRGB colour, as in WCAG 2.1."""
    linear = [((part / 255 + 0.055) / 1.055) ** 2.4 if part > 10 else part / 255 / 12.92 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_names_are_text():
    assert "a&lt;b&gt;" in str(drawn(dict(figures())["accuracy"]))


def test_saved_in_the_browser():
    config = plot_config("ROC, Test", "svg")
    assert config["toImageButtonOptions"] == {"format": "svg", "filename": "roc-test", "scale": 2}
    assert config["modeBarButtons"] == [["toImage"]]


def lines(figure: Any) -> list[Any]:
    """The detectors' lines, without the line of guessing."""
    return [trace for trace in figure.data if "lines" in trace.mode and trace.name != "Guessing"]


def dots(figure: Any) -> list[tuple[float, float]]:
    return [(trace.x[0], trace.y[0]) for trace in figure.data if trace.mode == "markers"]


def test_roc_of_two() -> None:
    figure = roc_figure(POINTS, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        alarms, found, _ = sk.roc_curve(LABELS, p, drop_intermediate=False)
        assert np.asarray(line.x) == pytest.approx(alarms)
        assert np.asarray(line.y) == pytest.approx(found)
    for (x, y), p in zip(dots(figure), SCORES.values(), strict=True):
        assert y == pytest.approx(sk.recall_score(LABELS, p >= 0.5))
        assert x == pytest.approx(1 - sk.recall_score(LABELS, p >= 0.5, pos_label=0))
    first, second = lines(figure)
    assert (first.name, second.name) == ("&lt;b&gt;a", "b")
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash


def test_precision_recall_of_two() -> None:
    figure = precision_recall_figure(POINTS, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        precision, recall, _ = sk.precision_recall_curve(LABELS, p)
        assert np.asarray(line.x) == pytest.approx(recall[::-1])
        assert np.asarray(line.y) == pytest.approx(precision[::-1])
    for (x, y), p in zip(dots(figure), SCORES.values(), strict=True):
        assert (x, y) == pytest.approx(
            (sk.recall_score(LABELS, p >= 0.5), sk.precision_score(LABELS, p >= 0.5))
        )


def test_det_of_two() -> None:
    kept = {name: det_points(points) for name, points in POINTS.items()}
    figure = det_figure(kept, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        alarms, found, _ = sk.roc_curve(LABELS, p, drop_intermediate=False)
        inner = (alarms > 0) & (alarms < 1) & (found > 0) & (found < 1)
        assert np.asarray(line.x) == pytest.approx(ndtri(alarms[inner]))
        assert np.asarray(line.y) == pytest.approx(ndtri(1 - found[inner]))
    assert det_figure({}, {}) is None


def test_differences_leave_out_what_is_undefined() -> None:
    found = {
        "accuracy": MetricEstimate(0.1, (0.05, 0.2)),
        "roc_auc": MetricEstimate(None, None),
        "brier": MetricEstimate(-0.2, None),
    }
    titles = {"accuracy": "Accuracy", "roc_auc": "ROC AUC", "brier": "Brier score"}
    figure: Any = differences_figure(found, titles, "<i>a")
    (rows,) = figure.data
    assert list(rows.y) == ["Accuracy", "Brier score"]
    assert list(rows.x) == [0.1, -0.2]
    assert list(rows.error_x.array) == pytest.approx([0.1, 0.0])
    assert list(rows.error_x.arrayminus) == pytest.approx([0.05, 0.0])
    assert pd.Series(rows.x).notna().all()
