"""About: what each detector is, what its numbers mean, and what it cannot tell."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import Card, default_name, load_card, model_names
from deepfake.detection.words import UNCERTAIN
from deepfake.errors import UserError
from deepfake.evaluation.records import Recorded, recorded_evaluations, validation_scores
from deepfake.evaluation.statistics.thresholds import expect
from deepfake.evaluation.text.outcomes import meaning_sentence, rates_sentence, worth_sentence
from deepfake.report import card_text
from deepfake.report.context import context_example
from ui.address import say_unknown
from ui.charts import number_table
from ui.evaluation.overview import ask_for_evaluation, loaded
from ui.page import (
    ask_for_detector,
    ask_for_threshold,
    escape_markdown,
    markdown_list,
    present,
    presenting,
    section,
    show_limits,
    start_page,
)

SHARES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 50, 70, 90]


def main() -> None:
    start_page("About")
    st.write("What this detector is, how to read its results, and what it cannot tell you.")
    try:
        names = model_names()
        say_unknown("detector", names, "a detector")
        card = load_card(ask_for_detector(names, default_name()))
        evaluations, complaints = recorded_evaluations(card)
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    show_limits(card)
    show_probability(card)
    show_base_rates(card, [each for each in evaluations if not each.one_class])
    show_making(card)
    for complaint in complaints:
        st.warning(escape_markdown(complaint), icon=":material/info:")
    show_measured(evaluations)
    show_measured_limits(card, evaluations)
    if not presenting():
        section("Presentation mode")
        st.write("Larger type for a projector, and no buttons that save files. It stays on for your session.")
        st.button("Start presentation", icon=":material/present_to_all:", on_click=present)


def show_probability(card: Card) -> None:
    section("How to read a probability")
    st.markdown(
        "A probability of fake of 80% means: about 80 of 100 images with this score are fake, **provided** "
        "your images resemble the calibration set and contain as many fakes."
    )
    if example := context_example(validation_scores(card)):
        st.markdown(escape_markdown(example))
    cuts = card.thresholds
    st.markdown(
        f"Verdicts: real below {100 * cuts.uncertain_low:.0f}%, fake from {100 * cuts.fake_from():.0f}% "
        f"(with few false alarms from {100 * cuts.fake_from('few_false_alarms'):.0f}%); between, {UNCERTAIN}."
    )


def show_base_rates(card: Card, evaluations: list[Recorded]) -> None:
    """An answer that moves with the share of fakes."""
    section("How reliable is an alarm?")
    if not evaluations:
        st.write("No evaluation with fake and real images is recorded in this detector's card.")
        return
    st.write("That depends on how many of your images are fake, not on the detector alone.")
    asked, answered = st.columns(2, gap="large")
    with asked:
        share = st.select_slider(
            "Expected share of fakes (%)",
            SHARES,
            value=1,
            key="share",
            bind="query-params",
        )
        point = ask_for_threshold()
        like = ask_for_evaluation("Images similar to", evaluations)
    with answered:
        try:
            worth = expect(loaded(like).scores, card.thresholds.fake_from(point), share / 100)
        except UserError as error:
            st.error(escape_markdown(error.message), icon=":material/error:")
            return
        if worth.precision is not None:
            st.metric(
                "Of 100 images called fake, this many are fake",
                f"{100 * worth.precision.value:.0f}",
                border=True,
            )
        st.markdown(escape_markdown(worth_sentence(worth)))
        st.markdown(escape_markdown(meaning_sentence(worth)))
        st.caption(escape_markdown(rates_sentence(worth.metrics)))


def show_making(card: Card) -> None:
    section("How it was made")
    st.markdown(markdown_list(card_text.training_lines(card)))
    st.markdown(escape_markdown(card_text.calibration_sentence(card)))
    st.markdown(f"On the command line, this detector is `--model {card.name}`.")


def show_measured(evaluations: tuple[Recorded, ...]) -> None:
    section("How accurate it is")
    if not evaluations:
        st.write("No evaluation is recorded in this detector's card.")
        return
    table = card_text.measured_table(evaluations)
    number_table(
        table.set_index("Measured on"),
        width="stretch",
        alt="Accuracy, ROC AUC and fakes found, by what the detector was measured on",
    )
    confidence = f"{evaluations[0].confidence:.0%}"
    st.caption(
        f"In brackets: {confidence} intervals. Forced-choice accuracy: images called correctly where each "
        "must be called fake or real at one threshold; 50% is guessing where as many are fake as real. "
        "ROC AUC: the chance that a fake scores higher than a real image; 0.5 is guessing. Decided, "
        "correct and false-positive rate are those of the verdicts at Balanced, which may also be "
        f"{UNCERTAIN}. The page Evaluation shows more."
    )


def show_measured_limits(card: Card, evaluations: tuple[Recorded, ...]) -> None:
    section("What it cannot do")
    if found := card_text.measured_limits(evaluations):
        st.markdown("Measured:" + markdown_list(found))
        st.markdown("Of any such detector:")
    st.markdown(
        markdown_list(
            (
                "A verdict is a statistical hint, not proof, and not a basis for accusing anyone.",
                "Detectors look at faces, some also at the whole image; other edits go unnoticed.",
                "A detector knows the kinds of fakes it was trained on; new generators appear every month.",
                "The detector can be evaded by a determined attacker.",
                "Small, blurred or heavily compressed faces hold too few traces.",
                *([card.false_alarms] if card.false_alarms else []),
            )
        )
    )


main()
