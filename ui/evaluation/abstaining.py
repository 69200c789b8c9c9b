"""Evaluation's table of abstaining: what deciding less often buys on each dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.breakdown import abstaining_table
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.text.breakdown import ABSTAINING_BY_SET
from deepfake.evaluation.titles import readable_titles
from ui.charts import download, number_table
from ui.evaluation.overview import loaded
from ui.page import section

SHADE = "background-color: rgba(15, 118, 110, {depth:.2f})"
"""Of a cell: the accent color, the deeper the more is wrong."""


def show_abstaining_by_set(evaluations: Sequence[Recorded], card: Card, threshold: float) -> None:
    """Errors among the surest images of each evaluation, and among those that get a verdict."""
    titles, datasets = readable_titles(evaluations), {}
    for recorded in evaluations:
        try:
            evaluation = loaded(recorded)
        except UserError:  # the table above it says why
            continue
        rule = evaluation.verdict_rule(card)["balanced"]
        datasets[titles[recorded.title]] = (evaluation.table, rule)
    if not datasets:
        return
    table = abstaining_table(datasets, threshold)
    section("Wrong calls when abstaining, by dataset")
    st.caption(ABSTAINING_BY_SET.format(threshold=f"{threshold:.3f}"))
    words: dict[Any, str] = {name: f"{name} decided" for name in table.columns[:-2]}
    words |= {"wrong": "Verdicts", "decided": "Decided"}
    shown = (100 * table).rename(columns=words).rename_axis("Wrong calls on")
    shades = shown.map(shade).assign(Decided="")
    number_table(
        shown.map(lambda share: "" if math.isnan(share) else f"{share:.1f}%"),
        shades=shades,
        width="stretch",
        alt="Share of wrong calls among the most certain images of each dataset",
    )
    rows = table.rename_axis("dataset").reset_index()
    download("Abstaining by dataset as CSV", rows, "abstaining by dataset")


def shade(wrong: Any) -> str:
    """The style of a cell with so many percent wrong."""
    return SHADE.format(depth=min(wrong / 100, 0.5))
