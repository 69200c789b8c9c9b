"""Robustness results as a page shows them: names in words, tables, and what the numbers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from deepfake.detection.card import detector_title
from deepfake.detection.text import bands_phrase
from deepfake.perturbations.graded import KINDS
from deepfake.robustness.sweep import ATTACKS, Robustness

Measure = Literal["roc_auc", "accuracy", "decided", "correct"]
Across = Literal["mean", "strongest"]
MEASURE_WORDS: dict[Measure, str] = {
    "roc_auc": "ROC AUC",
    "accuracy": "Forced-choice accuracy",
    "decided": "Decided",
    "correct": "Correct of those decided",
}
MEASURE_AXES: dict[Measure, str] = {
    "roc_auc": "ROC AUC (0.5 is guessing)",
    "accuracy": "Forced choices that are correct (% of images)",
    "decided": "Images given a verdict (%)",
    "correct": "Verdicts that are correct (%)",
}
ACROSS_WORDS: dict[Across, str] = {"mean": "Mean of all strengths", "strongest": "Strongest"}
ATTACK_WORDS = {"fgsm": "FGSM (one step)", "pgd": "PGD (ten steps)"}
EPSILON_AXIS = "Largest change of a value (of 255)"
MAX_LOSS = 0.02
"""A detector holds where the strongest perturbation costs at most this much ROC AUC (or accuracy)."""

_TITLES = {kind.name: kind.title for kind in KINDS}
_AXES = {kind.name: kind.axis for kind in KINDS}


@dataclass(frozen=True)
class Entry:
    """A result on a page.

    Attributes:
        label: what an address calls it: the detector's name, and perhaps more.
        result: its numbers.
        command: what measures them anew; empty where they are in no card.
    """

    label: str
    result: Robustness
    command: str = ""

    @property
    def title(self) -> str:
        """What the page calls it: the label with the detector's title."""
        name = self.result.model
        return detector_title(name) + self.label[len(name) :] if self.label.startswith(name) else self.label


def title_of(perturbation: str) -> str:
    """A perturbation's or an attack's name in words.

    >>> title_of("jpeg"), title_of("clean")
    ('JPEG compression', 'Clean images')
    """
    return {"clean": "Clean images", **_TITLES, **ATTACK_WORDS}.get(perturbation, perturbation)


def axis_of(perturbation: str) -> str:
    """What a perturbation's amounts are, with their unit."""
    return _AXES.get(perturbation, EPSILON_AXIS if perturbation in ATTACKS else "Strength")


def perturbations_in(entries: Sequence[Entry]) -> list[str]:
    """Names of the perturbations, attacks and clean left out, in the order of the tables."""
    names = [name for entry in entries for name in entry.result.table["perturbation"]]
    return [name for name in dict.fromkeys(names) if name not in ("clean", *ATTACKS)]


def summary_table(entries: Sequence[Entry], measure: Measure, across: Across) -> pd.DataFrame:
    """One number for each perturbation and detector.

    Args:
        entries: at least one.
        measure: which number.
        across: of the strongest amount, or averaged over all of them (clean left out).

    Returns:
        a row a perturbation, clean first, indexed by its title; a column an entry, by its title.
    """
    columns = {}
    for entry in entries:
        table = entry.result.table
        grouped = table[~table["perturbation"].isin(ATTACKS)].groupby("perturbation", sort=False)[measure]
        values = grouped.last() if across == "strongest" else grouped.mean()
        columns[entry.title] = values.rename(index=title_of)
    return pd.DataFrame(columns).reindex([title_of(name) for name in ("clean", *perturbations_in(entries))])


def curve_table(entry: Entry, perturbation: str) -> pd.DataFrame:
    """One perturbation's or attack's rows with clean first, and a column ``shown``: the amount in words."""
    table = entry.result.table
    rows = table[table["perturbation"].isin(["clean", perturbation])]
    shown = [
        "Clean" if level == 0 else f"{amount:g}"
        for level, amount in zip(rows["level"], rows["amount"], strict=True)
    ]
    return rows.assign(shown=shown)


def long_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """All rows of all entries, for a CSV: ``detector``, ``data``, ``title`` of the condition, the table."""
    parts = [
        entry.result.table.assign(
            detector=entry.result.model,
            data=entry.result.data,
            title=entry.result.table["perturbation"].map(title_of),
        )
        for entry in entries
    ]
    table = pd.concat(parts, ignore_index=True)
    first = ["detector", "data", "title"]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def has_both_classes(result: Robustness) -> bool:
    """ROC AUC is defined."""
    return result.n_fake > 0 and result.n_real > 0


def headline(result: Robustness) -> tuple[str, str]:
    """Under what the detector loses most, and under what it holds: a sentence each."""
    measure: Measure = "roc_auc" if has_both_classes(result) else "accuracy"
    values = summary_table([Entry("", result)], measure, "strongest")[""].dropna()
    clean = values.iloc[0]
    losses = (clean - values.iloc[1:]).sort_values(ascending=False, kind="stable")
    word = MEASURE_WORDS[measure] if measure == "roc_auc" else "forced-choice accuracy"
    worst = losses[losses > MAX_LOSS].head(3)
    held = losses[losses <= MAX_LOSS]
    if worst.empty:
        lost = (
            f"No perturbation costs {detector_title(result.model)} more than {MAX_LOSS} of its {word} of "
            f"{clean:.3f}."
        )
    else:
        first, *others = [(_inside(name), f"{values[name]:.3f}") for name in worst.index]
        named = [f"{first[0]} ({word} {first[1]} instead of {clean:.3f})"]
        named += [f"{name} ({value})" for name, value in others]
        strongest = "at its strongest" if len(named) == 1 else "each at its strongest"
        lost = f"{detector_title(result.model)} loses most to {_listed(named)}, {strongest}."
    if held.empty:
        return lost, f"Every perturbation costs more than {MAX_LOSS}."
    return lost, f"It loses {MAX_LOSS} or less to {_listed([_inside(name) for name in held.index])}."


def rule_sentence(result: Robustness) -> str:
    """What the verdicts are: of clean images, and of the most altered ones, the mean of all perturbations."""
    table = result.table[~result.table["perturbation"].isin(ATTACKS)]
    clean = table[table["perturbation"] == "clean"].iloc[0]
    altered = table[table["perturbation"] != "clean"]
    strongest = altered.groupby("perturbation", sort=False)[
        ["decided", "correct", "false_positive_rate"]
    ].last()
    cuts = result.thresholds
    rule = bands_phrase(f"{cuts.fake_from():.2f}", f"{cuts.uncertain_low:.2f}")
    sentence = f"Verdicts of {detector_title(result.model)} ({rule}). Clean images: {_verdicts(clean)}."
    if strongest.empty:
        return sentence
    return f"{sentence} At the strongest, mean of all perturbations: {_verdicts(strongest.mean())}."


def _verdicts(row: pd.Series) -> str:
    words = f"{100 * row['decided']:.0f}% decided"
    if not pd.isna(row["correct"]):
        words += f", {100 * row['correct']:.0f}% of those correctly"
    if not pd.isna(row["false_positive_rate"]):
        words += f", {100 * row['false_positive_rate']:.0f}% of the real ones called fake"
    return words


def attack_sentence(result: Robustness) -> str:
    """What the mildest attack leaves of the accuracy; "" where there was none."""
    table = result.table.set_index("perturbation")
    found = [name for name in ATTACKS if name in table.index]
    if not found:
        return ""
    clean = float(table.loc[["clean"], "accuracy"].iloc[0])
    parts = []
    for name in found:
        mildest = table.loc[[name]].iloc[0]
        parts.append(f"{100 * mildest['accuracy']:.0f}% under {ATTACK_WORDS[name]}")
    reach = float(table.loc[[found[0]], "amount"].iloc[0])
    return (
        f"In a forced choice, {detector_title(result.model)} calls {100 * clean:.0f}% of the clean images "
        f"correctly. Changes of {reach:g} of 255, invisible to people, cut this to {_listed(parts)}."
    )


def _inside(title: str) -> str:
    """A title as it stands within a sentence."""
    return title if title.startswith("JPEG") else title[0].lower() + title[1:]


def _listed(words: Sequence[str]) -> str:
    """Words with commas and a last "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
