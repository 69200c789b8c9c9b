"""Evaluation's table of abstaining: what deciding less often buys on each dataset."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.breakdown import abstaining_table
from deepfake.evaluation.figures import abstaining_figure
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.text import ABSTAINING_BY_SET
from deepfake.evaluation.titles import readable_titles
from ui.charts import chart, download
from ui.evaluation.overview import loaded
from ui.page import is_dark, section


def show_abstaining_by_set(evaluations: Sequence[Recorded], card: Card, threshold: float) -> None:
    """Errors among the surest images of each evaluation, and among those that get a verdict."""
    shown, datasets = readable_titles(evaluations), {}
    for recorded in evaluations:
        try:
            evaluation = loaded(recorded)
        except UserError:  # the table above it says why
            continue
        rule = evaluation.verdict_rule(card)["balanced"]
        datasets[shown[recorded.title]] = (evaluation.table, rule)
    if not datasets:
        return
    table = abstaining_table(datasets, threshold)
    section("Accuracy when abstaining, by dataset")
    st.caption(ABSTAINING_BY_SET.format(threshold=f"{threshold:.3f}"))
    chart(
        abstaining_figure(table, dark=is_dark()),
        "abstaining by dataset",
        "Share of wrong calls among the most certain images of each dataset",
    )
    rows = table.rename(columns=str).rename_axis("dataset").reset_index()
    download("Abstaining by dataset as CSV", rows, "abstaining by dataset")
