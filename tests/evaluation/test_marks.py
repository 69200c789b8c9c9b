"""The images behind a mark are those that its chart counts there, the most wrong first."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from deepfake.errors import EvaluationError
from deepfake.evaluation.curves import coverage_risk
from deepfake.evaluation.figures.cells import confusion_figure
from deepfake.evaluation.figures.curves import roc_figure
from deepfake.evaluation.figures.marks import with_mark
from deepfake.evaluation.figures.scores import histogram_figure
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.marks import Mark, bars_with_images, dots_with_images, images_behind, parse_mark
from deepfake.evaluation.statistics.reliability import reliability_table
from deepfake.evaluation.statistics.thresholds import at_threshold
from deepfake.evaluation.text.cells import CELLS, behind_sentence, mark_title

N = 400


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Scores with ties, on the edges of bins and at both ends; the index is not that of the rows."""
    rng = np.random.default_rng(5)
    labels = np.arange(N) % 2
    p_fake = expit(rng.normal(0, 2, N) + 1.5 * (2 * labels - 1)).round(3)
    p_fake[:6] = [0.0, 1.0, 1.0, 0.0, 0.025, 0.975]
    columns = {"image_id": [f"{n:03}.png" for n in range(N)], "split": "Test", "source": "s"}
    return pd.DataFrame({**columns, "label": labels, "p_fake": p_fake}, index=[7] * N)


@pytest.fixture(scope="module")
def evaluation(table: pd.DataFrame) -> LoadedEvaluation:
    return LoadedEvaluation("Set", table)


def wrongness(rows: pd.DataFrame) -> pd.Series:
    return (rows["label"] - rows["p_fake"]).abs()


def test_every_bar_holds_the_images_it_counts(evaluation, table):
    seen = []
    for bar in bars_with_images(evaluation.histogram):
        rows = images_behind(bar, table)
        counted = evaluation.histogram.iloc[int(bar.at)]
        assert len(rows) == counted[bar.of.lower()] > 0
        assert rows["p_fake"].between(counted["low"], counted["high"]).all()
        assert wrongness(rows).is_monotonic_decreasing
        seen += rows["image_id"].tolist()
    assert sorted(seen) == table["image_id"].tolist()
    assert mark_title(Mark("histogram", 39, "Fake")) == "Fake, score 0.975 to 1.000"


def test_every_dot_holds_the_images_of_its_bin(table):
    raw = np.sqrt(table["p_fake"])
    for of, p_fake in (("after", table["p_fake"]), ("before", raw)):
        bins = reliability_table(table["label"], p_fake)
        for dot in dots_with_images(bins, of):
            rows = images_behind(dot, table, before=raw)
            assert len(rows) == bins["n"][dot.at]
            assert rows["label"].sum() == bins["n_fake"][dot.at]
            scores = rows["p_before" if of == "before" else "p_fake"]
            assert scores.mean() == pytest.approx(bins["mean_p_fake"][dot.at])


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.975, 1.0, math.inf])
def test_behind_a_point_of_a_curve_are_its_errors(evaluation, table, threshold):
    rows = images_behind(Mark("roc", threshold, "faces"), table)
    metrics = at_threshold(evaluation.scores, threshold)
    assert rows["label"].sum() == metrics.missed
    assert len(rows) == metrics.missed + metrics.false_alarms
    assert wrongness(rows).is_monotonic_decreasing
    equal = rows[wrongness(rows) == 1]["image_id"].tolist()
    assert equal == sorted(equal)


def test_behind_a_share_of_decided_images_are_the_errors_among_them(table):
    points: Any = coverage_risk(table["label"], table["p_fake"], 0.4)
    point: Any
    for point in points.iloc[[0, 5, len(points) // 2, len(points) - 1]].itertuples():
        rows = images_behind(Mark("abstaining", point.coverage), table, 0.4)
        assert len(rows) == round(point.risk * point.n)


@pytest.mark.parametrize(
    "mark",
    [
        Mark("roc", 0.1 + 0.2, "faces"),
        Mark("det", math.inf, "a~b"),
        Mark("histogram", 39, "Fake"),
        Mark("reliability", 0, "before"),
        Mark("abstaining", 1 / 3),
    ],
)
def test_a_word_leads_back_to_its_mark(mark):
    assert parse_mark(mark.word) == mark


@pytest.mark.parametrize(
    "word",
    [
        *(
            "",
            "roc",
            "roc~0.5",
            "roc~nan~a",
            "roc~2~a",
            "roc~-1~a",
            "pie~1~a",
            "abstaining~0",
            "abstaining~1~x",
        ),
        *(
            "histogram~40~Fake",
            "histogram~0.5~Fake",
            "histogram~1~fake",
            "histogram~x",
            "reliability~15~after",
        ),
    ],
)
def test_other_words_are_refused(word):
    with pytest.raises(EvaluationError, match="names no part of a chart") as refused:
        parse_mark(word)
    assert refused.value.code == "unknown_mark"


def words(figure: Any) -> dict[str, list[str]]:
    """The last custom datum of each point by the name of its trace, as the browser gets them."""
    traces = json.loads(figure.to_json())["data"]
    return {
        trace.get("name"): [row[-1] for row in trace["customdata"]]
        for trace in traces
        if "customdata" in trace
    }


def test_points_carry_their_words_and_the_chosen_one_stands_out(evaluation):
    now = at_threshold(evaluation.scores, 0.5)
    figure = histogram_figure(evaluation.histogram, 0.5)
    assert words(figure)["Fake"][39] == "histogram~39~Fake"
    traces: Any = with_mark(figure, "histogram~39~Fake").data
    real, fake = traces
    assert (real.selectedpoints, fake.selectedpoints) == ((), (39,))

    roc = roc_figure({"faces": evaluation.roc}, {"faces": now}, {"Other:": now})
    for word in (word for named in words(roc).values() for word in named):
        assert parse_mark(word).of == "faces"
    assert words(roc)["Threshold now"] == ["roc~0.5~faces"]
    traces = with_mark(roc, "roc~0.123456~faces").data
    assert all(trace.selectedpoints is None for trace in traces)

    traces = confusion_figure(now).data
    cells = [row[-1] for trace in traces for row in trace.customdata]
    assert sorted(cells) == sorted(CELLS)


def test_sentences(table):
    rows = table[table["label"] == 1]
    assert behind_sentence(rows) == "200 images: 200 fake, 0 real. Furthest from its actual class first."
    assert behind_sentence(rows.iloc[:1]) == "1 image: 1 fake, 0 real."
    assert (
        mark_title(Mark("roc", math.inf, "faces")) == "Called wrongly by faces where nothing is called fake"
    )
    assert mark_title(Mark("reliability", 9, "before")) == "Score 60% to 67% before calibration"
    assert mark_title(Mark("abstaining", 0.9)) == "Wrong among the 90% most certain"
