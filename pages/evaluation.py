"""Evaluation: how good a detector is, on what, and what a threshold costs. No network runs here."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import Card, default_name, detector_title, load_card, model_names
from deepfake.detection.words import UNCERTAIN
from deepfake.errors import UserError
from deepfake.evaluation.kept import known_evaluations
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.thresholds import ThresholdMetrics, at_threshold, in_few_decimals
from deepfake.evaluation.text.metrics import format_rate, threshold_sentence
from deepfake.evaluation.titles import readable_title, readable_titles
from deepfake.util.text import format_metric
from ui.address import say_unknown
from ui.evaluation.abstaining import show_abstaining_by_set
from ui.evaluation.compare import show_comparison
from ui.evaluation.curves import show_calibration, show_curves, show_operating_point
from ui.evaluation.gallery import first_page, show_images
from ui.evaluation.kept import show_kept
from ui.evaluation.kinds import show_kinds
from ui.evaluation.measure import show_measuring
from ui.evaluation.overview import (
    ask_for_evaluation,
    loaded,
    show_gap_alarms,
    show_overview,
    show_subsets,
    show_verdict_rule,
)
from ui.evaluation.slices import show_slices
from ui.page import ask_for_detector, escape_markdown, set_value, show_tabs, start_page, start_value

FORMER_TABS = {"By source": "By dataset"}
VIEWS = ["One detector", "Compare detectors", "Run an evaluation"]


def main() -> None:
    start_page("Evaluation")
    st.write(
        "How accurate is a detector, on which images, and what does a stricter or looser threshold cost?"
    )
    try:
        names = model_names()
        first = default_name()
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    say_unknown("view", VIEWS, "a view")
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], key="view", bind="query-params", required=True,
        label_visibility="collapsed", on_change=first_page,
    )  # fmt: skip
    if view == VIEWS[1]:
        show_comparison(sound_cards(names))
    elif view == VIEWS[2]:
        show_measuring(sound_cards(names), first)
    else:
        show_one_detector(names, first)


def sound_cards(names: list[str]) -> dict[str, Card]:
    """Every detector's card; a sentence in place of one that cannot be read."""
    cards = {}
    for name in names:
        try:
            cards[name] = load_card(name)
        except UserError as error:
            st.warning(escape_markdown(error.message), icon=":material/info:")
    return cards


def show_one_detector(names: list[str], first: str) -> None:
    """A detector's recorded evaluations."""
    say_unknown("detector", names, "a detector")
    chooser, which = st.columns(2, gap="medium")
    try:
        with chooser:
            card = load_card(ask_for_detector(names, first))
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    evaluations, complaints = known_evaluations(card)
    for complaint in complaints:
        st.warning(escape_markdown(complaint), icon=":material/info:")
    if not evaluations:
        show_empty_state(card)
        return
    titles = readable_titles(evaluations)
    say_unknown("evaluation", {*titles, *titles.values()}, "an evaluation")
    with which if len(names) > 1 else chooser:
        recorded = ask_for_evaluation("Evaluated on", evaluations, first_page)
    show_evaluation(card, evaluations, recorded)


def show_empty_state(card: Card) -> None:
    with st.container(border=True):
        st.markdown(f"**No evaluation of {escape_markdown(detector_title(card.name))} is recorded yet.**")
        st.markdown(
            "Evaluate it on a folder of labeled face crops (Test/Fake, Test/Real) under Run an evaluation, "
            "or on the command line; the results then appear here:"
        )
        st.code(
            f"python -m deepfake evaluate DATA --split Test --model {card.name} "
            '--record "Name of the dataset"',
            language="bash",
            wrap_lines=True,
        )


def show_evaluation(card: Card, evaluations: tuple[Recorded, ...], recorded: Recorded) -> None:
    """The scores' numbers where the scores can be read, else the card's alone."""
    kinds = f"{recorded.n_fake:,} fake, {recorded.n_real:,} real"
    images = escape_markdown(readable_title(recorded, count=False))
    st.caption(f"Evaluated on {images}: {recorded.n:,} images ({kinds}).")
    if recorded.here:
        show_kept(card, recorded)
    if recorded.one_class:
        st.info(
            f"All of these images are {recorded.one_class}. Metrics that compare the two classes (ROC AUC, "
            "average precision, balanced accuracy, equal error rate and the curves) are undefined here.",
            icon=":material/info:",
        )
    try:
        evaluation = loaded(recorded)
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        st.write("The numbers below come from the detector's card.")
        show_verdict_rule(recorded, recorded.verdict_rule)
        show_overview(recorded, None, None, card.name)
        return
    metrics = at_threshold(evaluation.scores, ask_for_threshold(card, evaluation))
    show_costs(metrics)

    def show_by_dataset() -> None:
        show_subsets(evaluations, metrics)
        show_abstaining_by_set(evaluations, card, metrics.threshold)

    def show_first() -> None:
        show_gap_alarms(recorded, evaluations, metrics)
        show_verdict_rule(recorded, evaluation.verdict_rule(card))
        show_overview(recorded, evaluation, metrics, card.name)

    tabs = {
        "Overview": show_first,
        "Curves": lambda: show_curves(
            {card.name: evaluation},
            {card.name: metrics.threshold},
            {card.name: recorded},
            recorded.title,
            evaluation.thresholds(card),
        ),
        "Operating point": lambda: show_operating_point(evaluation),
        "Calibration": lambda: show_calibration(evaluation, metrics, card, recorded),
        "By dataset": show_by_dataset,
        "Slices": lambda: show_slices(card, evaluations, recorded, metrics),
        **({"Kinds": lambda: show_kinds(card)} if "kinds" in card.contents else {}),
        "Images": lambda: show_images(evaluation, recorded, metrics.threshold, card.name),
    }
    show_tabs(tabs, former=FORMER_TABS)


def ask_for_threshold(card: Card, evaluation: LoadedEvaluation) -> float:
    """The slider, kept in the address, and buttons that set it."""
    # Another detector has other scores: its own threshold is the one to start from.
    start = min(card.thresholds.balanced, 1.0)
    if st.session_state.get("threshold_of", card.name) != card.name:
        set_value("t", start)
    st.session_state["threshold_of"] = card.name
    with st.container(border=True):
        threshold = st.slider(
            "Forced choice: images that score at or above this threshold are called fake, the others real",
            0.0,
            1.0,
            start_value("t", start),
            step=0.001,
            format="%.3f",
            key="t",
            bind="query-params",
            help=f"Verdicts use two thresholds and may be {UNCERTAIN}; here one threshold calls every image. "
            "The score is the detector's probability that an image is fake. A lower threshold finds "
            "more fakes and raises more false alarms. Moving the slider does not score the images again.",
        )
        with st.container(horizontal=True):
            for number, (title, value) in enumerate(evaluation.thresholds(card).items()):
                st.button(
                    f"{title} {value:.2f}",
                    key=f"jump-{number}",
                    on_click=set_value,
                    args=("t", in_few_decimals(evaluation.scores, value)),
                    help=f"Sets the slider to {value:.4f}",
                )
    return float(threshold)


def show_costs(metrics: ThresholdMetrics) -> None:
    """What the threshold costs, in one sentence and its shares."""
    st.markdown(f"**{escape_markdown(threshold_sentence(metrics))}**")
    st.caption(
        escape_markdown(
            f"Recall (fakes called fake): {format_rate(metrics.recall)}. False-positive rate (real images "
            f"called fake): {format_rate(metrics.false_alarm_rate)}. Called correctly: "
            f"{format_metric(metrics.accuracy.share, 'share')}."
        )
    )


main()
