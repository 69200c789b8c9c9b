"""The parts of the page Robustness: the map, one perturbation's curves and pictures, the attacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from deepfake.detection.card import detector_title
from deepfake.detection.text import bands_phrase
from deepfake.detection.words import UNCERTAIN
from deepfake.images.encode import jpeg_bytes
from deepfake.perturbations.example import example_strip
from deepfake.robustness.figures import curve_figure, map_figure, scores_figure
from deepfake.robustness.sweep import ATTACKS
from deepfake.robustness.text import (
    ACROSS_WORDS,
    ATTACK_WORDS,
    EPSILON_AXIS,
    MEASURE_WORDS,
    Across,
    Entry,
    Measure,
    axis_of,
    curve_table,
    has_both_classes,
    long_table,
    perturbations_in,
    summary_table,
    title_of,
)
from deepfake.util.text import Unit, format_with_interval
from ui.charts import ask_for_format, chart, download
from ui.page import escape_markdown, is_dark, section

EXAMPLE_WIDTH = 150
AUC_MEANING = (
    "ROC AUC: the chance that a fake image scores higher than a real one; 0.5 is guessing, 1 is perfect. "
    "Forced-choice accuracy: images called correctly where each is called fake or real at one threshold. "
    f"Verdicts use two: {bands_phrase('one', 'the other')}. Decided: images given a verdict. Correct: of "
    "those, the share that is right."
)


def show_map(entries: Sequence[Entry]) -> None:
    """Every perturbation against every detector, and the table behind it."""
    ask_for_format()
    left, right = st.columns(2)
    with left:
        measure: Measure = st.segmented_control(
            "Number",
            list(MEASURE_WORDS),
            format_func=lambda name: MEASURE_WORDS[name],
            default="roc_auc" if all(has_both_classes(entry.result) for entry in entries) else "accuracy",
            key="number",
            bind="query-params",
            required=True,
            wrap=True,
        )
    with right:
        across: Across = st.segmented_control(
            "Strength",
            list(ACROSS_WORDS),
            format_func=lambda name: ACROSS_WORDS[name],
            default="strongest",
            key="strength",
            bind="query-params",
            required=True,
        )
    summary = summary_table(entries, measure, across)
    if summary.isna().all(axis=None):
        st.info(
            "ROC AUC is undefined for images of one class. Choose another number.", icon=":material/info:"
        )
        return
    chart(
        map_figure(summary, measure, dark=is_dark()),
        "robustness map",
        f"Map of {MEASURE_WORDS[measure]} by perturbation and detector; the table below holds its numbers",
    )
    st.caption(f"Stronger color: larger loss; the strongest is guessing (0.5) or worse. {AUC_MEANING}")
    with st.expander("All numbers with their 95% intervals"):
        show_table(entries)
        st.caption(
            "Intervals: Wilson for shares, DeLong for ROC AUC, stratified bootstrap for balanced accuracy, "
            "normal approximation for mean scores."
        )
    download("All numbers as CSV", long_table(entries), "robustness")


def show_table(entries: Sequence[Entry], perturbations: Sequence[str] | None = None) -> None:
    """Rows of the results, all or some; numbers in the units of the charts."""
    table = long_table(entries)
    if perturbations is not None:
        table = table[table["perturbation"].isin(["clean", *perturbations])]
    shown = pd.DataFrame(
        {
            "Perturbation": [
                title if name == "clean" else f"{title} {amount:g}"
                for name, title, amount in zip(
                    table["perturbation"], table["title"], table["amount"], strict=True
                )
            ],
            "Detector": table["detector"].map(detector_title),
            "ROC AUC": _with_interval(table, "roc_auc"),
            "Decided": _with_interval(table, "decided", "share"),
            "Correct of those decided": _with_interval(table, "correct", "share"),
            "False-positive rate": _with_interval(table, "false_positive_rate", "share"),
            "Recall": _with_interval(table, "recall", "share"),
            "Forced-choice accuracy": _with_interval(table, "accuracy", "share"),
            "Balanced accuracy (forced choice)": _with_interval(table, "balanced_accuracy", "share"),
            "Mean score of Real": _with_interval(table, "mean_real"),
            "Mean score of Fake": _with_interval(table, "mean_fake"),
            "Forced choices changed": _with_interval(table, "flipped", "share"),
            "Images": table["n"],
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        placeholder="",
        column_config={  # so narrow that a phone shows a number beside them
            "Perturbation": st.column_config.TextColumn(width=140, pinned=True),
            "Detector": st.column_config.TextColumn(width=80),
        },
        alt="Numbers of every detector, perturbation and strength",
    )


def _with_interval(table: pd.DataFrame, name: str, unit: Unit = "number") -> list[str]:
    parts = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [format_with_interval(*each, unit) for each in parts]


def show_perturbation(entries: Sequence[Entry]) -> None:
    """One perturbation: a drawn picture under it, and curves over its strength."""
    name = st.selectbox(
        "Perturbation",
        perturbations_in(entries),
        format_func=title_of,
        key="perturbation",
        bind="query-params",
    )
    if name is None:
        return
    show_example(name)
    show_curves(entries, name, axis_of(name))
    show_behind(entries, [name], title_of(name))


@st.cache_data(max_entries=32, show_spinner=False)
def example_files(name: str) -> list[tuple[str, bytes]]:
    """The drawn picture under a perturbation, as files for the screen."""
    return [(shown, jpeg_bytes(pixels, 95)) for shown, pixels in example_strip(name)]


def show_example(name: str) -> None:
    files = example_files(name)
    if not files:
        return
    axis = axis_of(name)
    with st.container(horizontal=True, gap="small"):
        for shown, file in files:
            alt = "The drawn image, clean" if shown == "Clean" else f"{title_of(name)}: {axis} {shown}"
            with st.container(width=EXAMPLE_WIDTH, gap=None):
                st.image(file, width="stretch", alt=alt)
                st.caption(escape_markdown(shown))
    st.caption(f"An example image at each strength: {escape_markdown(axis)}.")


CURVES: tuple[tuple[Measure, str, str, str], ...] = (
    (
        "accuracy",
        "Forced-choice accuracy",
        "Every image called fake or real at one threshold, which verdicts do not use. Bars are 95% "
        "intervals; dotted is guessing.",
        "Accuracy",
    ),
    (
        "roc_auc",
        "ROC AUC",
        "How well fakes and real images are separated, at any threshold.",
        "ROC AUC",
    ),
    (
        "decided",
        "Verdicts: decided",
        f"Images called fake or real rather than {UNCERTAIN}, at the operating point Balanced.",
        "Share of images given a verdict",
    ),
    (
        "correct",
        "Verdicts: correct",
        "Of the images given a verdict, the share that is correct.",
        "Share of verdicts that are correct",
    ),
)
"""Metric, title, what it is, and what stands for it in the alt text."""


def show_curves(entries: Sequence[Entry], name: str, axis: str) -> None:
    """Accuracy, ROC AUC, verdicts and mean scores over the strength."""
    ask_for_format()
    curves = _curves(entries, name)
    ranked = _curves([entry for entry in entries if has_both_classes(entry.result)], name)
    for pair in (CURVES[:2], CURVES[2:]):
        for column, (metric, title, meaning, words) in zip(st.columns(2, gap="large"), pair, strict=True):
            with column:
                section(title)
                st.caption(meaning)
                drawn = ranked if metric == "roc_auc" else curves
                if not drawn:
                    st.info("Undefined: all images are of one class.", icon=":material/info:")
                    continue
                chart(
                    curve_figure(drawn, metric, axis),
                    f"{metric.replace('_', ' ')} {name}",
                    f"{words} against strength: {title_of(name)}",
                )
    section("Mean scores")
    st.caption(
        "Which way the scores drift. Where both lines rise, real images start to look fake; where both fall, "
        "fakes slip through."
    )
    thresholds = {entry.result.threshold for entry in entries}
    chart(
        scores_figure(curves, axis, thresholds.pop() if len(thresholds) == 1 else None),
        f"scores {name}",
        f"Mean scores of fake and of real images against strength: {title_of(name)}",
    )


def _curves(entries: Sequence[Entry], name: str) -> Mapping[str, pd.DataFrame]:
    found = {entry.title: curve_table(entry, name) for entry in entries}
    return {label: rows for label, rows in found.items() if len(rows) > 1}


def show_behind(entries: Sequence[Entry], names: Sequence[str], title: str) -> None:
    """The table behind the charts and its CSV."""
    with st.expander("The numbers behind these charts"):
        show_table(entries, names)
    table = long_table(entries)
    download(
        "These numbers as CSV", table[table["perturbation"].isin(["clean", *names])], f"robustness {title}"
    )


def show_attacks(entries: Sequence[Entry]) -> None:
    """What attacks are, and accuracy and ROC AUC against how much they may change."""
    st.markdown(
        "Blur and compression happen by chance. An attack is deliberate: someone with the network's file "
        "computes, for each image, the faint pattern that pushes the score furthest in the wrong direction. "
        "The image looks the same to a person. FGSM takes one step (Goodfellow et al., 2015), PGD ten "
        "smaller ones (Madry et al., 2018). Both change the image as the network sees it, after resizing."
    )
    there = [
        name
        for name in ATTACKS
        if any((entry.result.table["perturbation"] == name).any() for entry in entries)
    ]
    if not there:
        st.info("No attack was measured in these results.", icon=":material/info:")
        return
    name = st.segmented_control(
        "Attack",
        there,
        format_func=lambda key: ATTACK_WORDS[key],
        default=there[0],
        key="attack",
        bind="query-params",
        required=True,
    )
    tables = (entry.result.table for entry in entries)
    counts = {int(n) for table in tables for n in table.loc[table["perturbation"] == name, "n"]}
    st.caption(f"Attacked: {' or '.join(f'{n:,}' for n in sorted(counts))} of the images.")
    show_curves(entries, name, EPSILON_AXIS)
    show_behind(entries, there, "attacks")
