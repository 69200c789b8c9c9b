"""Evaluation's tab of slices: how a detector does by face size, JPEG quality, sharpness, light and age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.thresholds import ThresholdMetrics
from deepfake.evaluation.text.breakdown import SUBSET_METRICS, breakdown_texts
from deepfake.evaluation.titles import readable_title
from deepfake.util.text import format_percent
from ui.charts import ask_for_format, chart, download, number_table
from ui.evaluation.overview import table_height
from ui.held_out import held_out_of
from ui.jobs import LEAVE, follow_job
from ui.page import escape_markdown, section

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.slices.held_out import HeldOut
    from deepfake.slices.table import Slice

EVERY, ONE = "All evaluations", "The one shown"


def show_slices(
    card: Card, evaluations: Sequence[Recorded], recorded: Recorded, metrics: ThresholdMetrics
) -> None:
    """The slices as a chart and a table, the worst one in a sentence, and what facts alone tell."""
    from deepfake.slices.text import held_out_sentence

    section("Performance by face size and image quality")
    which = st.segmented_control(
        "Images of", [EVERY, ONE], default=EVERY, key="slices-of", bind="query-params", required=True
    )
    in_card = [each for each in evaluations if not each.here]
    held, slices = held_out_of(card, in_card if which == EVERY else [recorded])
    if which == ONE:
        offer_measuring(recorded, known=len(held))
    if not len(held):
        if which == EVERY:
            show_how_to_measure(card)
        return
    images = f"{len(held):,} of {recorded.n:,} images of {readable_title(recorded, count=False)}."
    show_table(slices, held_out_sentence(held) if which == EVERY else images, metrics)
    if which == EVERY:
        show_shortcuts(card, held)


def show_table(slices: list[Slice], images: str, metrics: ThresholdMetrics) -> None:
    """The worst slice, the chart of one number, and all numbers.

    Args:
        slices: the first is of all images.
        images: which they are, in a sentence.
        metrics: at the threshold.
    """
    from deepfake.evaluation.figures.intervals import DOT_TITLES
    from deepfake.slices.figures import slices_figure
    from deepfake.slices.table import slices_table, worst_slice
    from deepfake.slices.text import FACTS_MEAN, SLICES_CAUTION, worst_sentence

    table = slices_table(slices, metrics.threshold)
    everything = {str(name): value for name, value in table.iloc[0].items()}
    st.markdown(f"**{escape_markdown(worst_sentence(worst_slice(table), everything))}**")
    st.caption(escape_markdown(f"{images} As a forced choice at {metrics.threshold:.3f}. {SLICES_CAUTION}"))
    ask_for_format()
    metric = st.segmented_control(
        "Number", list(SUBSET_METRICS), format_func=SUBSET_METRICS.__getitem__, default="accuracy",
        key="slice-number", bind="query-params", required=True,
    )  # fmt: skip
    chart(
        slices_figure(table, metric),
        f"slices {metric}",
        f"{DOT_TITLES[metric]} of each slice, with intervals",
    )
    show_numbers(table)
    st.caption(escape_markdown(FACTS_MEAN))
    download("Slices as CSV", table, "slices")


def show_numbers(table: pd.DataFrame) -> None:
    """Every number of every slice."""
    from deepfake.slices.text import source_words

    mostly = [
        f"{source_words(name)} ({format_percent(share)})"
        for name, share in zip(table["mostly"], table["mostly_share"], strict=True)
    ]
    number_table(
        breakdown_texts(table, "Slice").assign(**{"Mostly from": mostly}),
        words=["Mostly from"],
        width="stretch",
        height=table_height(table),
        alt="The same numbers for every slice",
    )


def offer_measuring(recorded: Recorded, known: int) -> None:
    """Measures the images of the evaluation shown, where they are on this machine."""
    from deepfake.slices.job import images_at_hand, job_key, start_measuring
    from deepfake.util.jobs import find_job, forget_job

    key = job_key(recorded)
    job = find_job(key)
    if job is not None and job.running:
        follow_job(key, "images", note=LEAVE)
        return
    if job is not None and job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    if known:
        forget_job(key)
        return
    try:
        n = len(images_at_hand(recorded))
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    if not n:
        st.info("These images have not been measured, and they are not on this server.")
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"These {n:,} images have not been measured yet.")
        if st.button("Measure them", icon=":material/straighten:", help="About 50 images a second"):
            start_measuring(recorded)
            st.rerun()


def show_how_to_measure(card: Card) -> None:
    with st.container(border=True):
        st.markdown(
            "**The images behind these scores have not been measured yet.** Measure those of one "
            "evaluation under *The one shown*, or all of them on the command line:"
        )
        st.code(f"python -m deepfake facts DATA --model {card.name}", language="bash", wrap_lines=True)


def show_shortcuts(card: Card, held: HeldOut) -> None:
    """What framing, sharpness, size and compression alone tell, and how far the detector follows them."""
    from deepfake.slices.shortcuts import read_shortcuts
    from deepfake.slices.text import clue_words, follows_sentence, shortcut_table, worth_sentence

    try:
        shortcuts = read_shortcuts(card)
    except UserError as error:
        st.warning(escape_markdown(error.message), icon=":material/info:")
        return
    if shortcuts is None:
        return
    section("What framing and quality alone reveal")
    names = clue_words(shortcuts)
    st.markdown(
        escape_markdown(
            "Could a fake be told without looking at the face? A logistic regression was given only "
            f"{names}. "
            f"{worth_sentence(shortcuts)} {follows_sentence(shortcuts.follows(held.table))}"
        )
    )
    table = shortcut_table(shortcuts)
    numbers = {name: "{:.2f}".format if "AUC" in name else "{:,}".format for name in table.columns[1:]}
    number_table(
        table.assign(**{name: table[name].map(text) for name, text in numbers.items()}).set_index("Dataset"),
        width="stretch",
        alt="How well these facts alone tell the fakes of each dataset",
    )
    st.caption(
        "Where the number is high, the fakes and real images of a dataset also differ in how they were "
        "made, so accuracy there says less about skill."
    )
    download("What facts tell as CSV", table, "shortcuts")
