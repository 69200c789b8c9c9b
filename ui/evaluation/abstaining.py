"""Evaluation's table of abstaining: what deciding less often buys on each dataset."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.breakdown import DECIDED, abstaining_table
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.text import ABSTAINING_BY_SET
from deepfake.evaluation.titles import readable_titles
from ui.charts import download
from ui.evaluation.overview import loaded
from ui.page import section

SHADE = "background-color: rgba(15, 118, 110, {depth:.2f})"
"""Of a cell: the accent color, the deeper the more is wrong."""


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
    titles = {share: f"{share:.0%} decided" for share in DECIDED}
    words = {**titles, "wrong": "Verdicts", "decided": "Decided"}
    risks = [*titles.values(), words["wrong"]]
    percent = st.column_config.NumberColumn(format="%.1f%%", width="small")
    st.dataframe(
        (100 * table).rename(columns=words).rename_axis("Wrong calls on").reset_index()
        .style.map(lambda wrong: SHADE.format(depth=min(wrong / 100, 0.5)), subset=risks),
        hide_index=True,
        column_config={
            "Wrong calls on": st.column_config.TextColumn(width="medium"),
            **dict.fromkeys(words.values(), percent),
        },
        height="content",
        alt="Share of wrong calls among the most certain images of each dataset",
    )  # fmt: skip
    rows = table.rename(columns=str).rename_axis("dataset").reset_index()
    download("Abstaining by dataset as CSV", rows, "abstaining by dataset")
