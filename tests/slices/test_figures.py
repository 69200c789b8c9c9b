"""The chart of slices: a dot a slice, on an axis that fits."""

from __future__ import annotations

from typing import Any

import pytest

from deepfake.slices.figures import slices_figure
from deepfake.slices.table import slices_of, slices_table
from tests.support.records.slices import drawn_table

TABLE = slices_table(slices_of(drawn_table()), 0.5)


@pytest.mark.parametrize("metric", ["accuracy", "auc", "recall", "false_alarm_rate"])
def test_every_slice_has_a_dot_and_the_axis_holds_its_interval(metric: str) -> None:
    rows = TABLE[TABLE[metric].notna()]
    figure = slices_figure(TABLE, metric)
    trace: Any = figure.data[0]
    layout: Any = figure.layout
    assert list(trace.x) == rows[metric].tolist()
    left, right = layout.xaxis.range
    assert left <= rows[f"{metric}_low"].min()
    assert right >= rows[f"{metric}_high"].max()
    assert layout.shapes[-1].x0 == rows[metric].iloc[0], "of all images"


def test_guessing_is_drawn_where_it_lies_within() -> None:
    good = TABLE[TABLE["accuracy_low"] > 0.6].reset_index(drop=True)
    layout: Any = slices_figure(good, "accuracy").layout
    assert [shape.x0 for shape in layout.shapes] == [good["accuracy"].iloc[0]]
    layout = slices_figure(TABLE, "accuracy").layout
    assert 0.5 in [shape.x0 for shape in layout.shapes]


def test_without_a_number_there_is_nothing_to_draw() -> None:
    real = slices_table(slices_of(drawn_table().query("label == 0")), 0.5)
    figure = slices_figure(real, "recall")
    trace: Any = figure.data[0]
    assert len(trace.x) == 0
