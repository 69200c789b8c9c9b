"""Robustness: what breaks a detector, by how much, and what attacks do. Networks run only when asked to."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import default_name, detector_title, load_card, model_names
from deepfake.errors import UserError
from deepfake.evaluation.titles import readable_data
from deepfake.robustness.job import results
from deepfake.robustness.record import read_robustness
from deepfake.robustness.text import Entry, attack_sentence, headline, rule_sentence
from ui.address import say_unknown, several_in_address
from ui.page import escape_markdown, section, show_tabs, start_page
from ui.robustness.measure import show_form, show_last_run, show_progress
from ui.robustness.results import show_attacks, show_map, show_perturbation

MIN_IMAGES = 200  # below it the 95% interval of an accuracy is wider than some 10 points


def main() -> None:
    start_page("Robustness")
    st.write(
        "What breaks a detector? The same images are compressed, blurred, cropped and more, step by step, "
        "and checked again each time."
    )
    try:
        names = model_names()
        default_name()
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    show_progress()
    entries = all_entries(names)
    if not entries:
        show_empty_state()
        show_last_run()
        show_form(names)
        return
    chosen = ask_for_results(entries)
    there = {entry.result.model for entry in entries}
    if missing := [detector_title(name) for name in names if name not in there]:
        st.caption(f"Not measured yet: {escape_markdown(', '.join(missing))}. See the tab Measure.")
    show_results(chosen, names)


def all_entries(names: list[str]) -> list[Entry]:
    """The recorded results of every detector, then those measured on this server."""
    entries = []
    for name in names:
        try:
            recorded = read_robustness(load_card(name))
        except UserError as error:
            st.warning(escape_markdown(error.message), icon=":material/info:")
            continue
        if recorded is not None:
            entries.append(Entry(name, recorded.result, recorded.command))
    entries += [Entry(f"{result.model} on {result.data}, measured here", result) for result in results()]
    return entries


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**There are no robustness results to show yet.**")
        st.markdown("Test a detector on a folder of labeled face crops, below or on the command line:")
        st.code(
            "python -m deepfake robustness DATA --split Validation --record", language="bash", wrap_lines=True
        )


def ask_for_results(entries: list[Entry]) -> list[Entry]:
    """Which results to show; kept in the address. All recorded ones where none is chosen."""
    by_label = {entry.label: entry for entry in entries}
    recorded = [entry.label for entry in entries if entry.command] or list(by_label)
    if len(entries) == 1:
        return entries
    say_unknown("detectors", by_label, "a detector")
    labels = several_in_address(
        "detectors", list(by_label), recorded,
        lambda: st.pills(
            "Detectors", list(by_label), selection_mode="multi", key="detectors",
            format_func=lambda label: by_label[label].title,
        ),
    )  # fmt: skip
    return [by_label[label] for label in labels or recorded]


def show_results(chosen: list[Entry], names: list[str]) -> None:
    on = dict.fromkeys(
        f"{readable_data(result.data)}: {result.n_fake:,} fake and {result.n_real:,} real images"
        for result in (entry.result for entry in chosen)
    )
    fewest = min(entry.result.n_fake + entry.result.n_real for entry in chosen)
    few = f" With {fewest:,} images, small differences may be chance." if fewest < MIN_IMAGES else ""
    st.caption(f"Measured on {escape_markdown('; '.join(on))}.{few}")
    if len(on) > 1:
        st.info(
            "These results come from different images; compare the shapes of the curves, not their heights.",
            icon=":material/info:",
        )
    tabs = {
        "All perturbations": lambda: show_all(chosen),
        "One perturbation": lambda: show_perturbation(chosen),
        "Attacks": lambda: show_all_attacks(chosen),
        "Measure": lambda: show_measure(names, chosen),
    }
    show_tabs(tabs)


def show_all(chosen: list[Entry]) -> None:
    """The map, and below it what it says."""
    show_map(chosen)
    section("In words")
    for entry in chosen[:3]:
        loses, holds = headline(entry.result)
        st.markdown(f"**{escape_markdown(loses)}** {escape_markdown(holds)}")
        st.caption(escape_markdown(rule_sentence(entry.result)))


def show_all_attacks(chosen: list[Entry]) -> None:
    for sentence in filter(None, (attack_sentence(entry.result) for entry in chosen)):
        st.markdown(f"**{escape_markdown(sentence)}**")
    show_attacks(chosen)


def show_measure(names: list[str], chosen: list[Entry]) -> None:
    show_last_run()
    show_form(names)
    show_commands(chosen)


def show_commands(chosen: list[Entry]) -> None:
    commands = "\n".join(entry.command for entry in chosen if entry.command)
    if commands:
        with st.expander("How to reproduce the recorded numbers"):
            st.code(commands, language="bash", wrap_lines=True)


main()
