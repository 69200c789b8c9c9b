"""A detector's card in sentences: what trained it, how it is calibrated, what it was measured to miss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from deepfake.detection.card import Card, detector_title
from deepfake.detection.text import SOURCE_WORDS
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.text.metrics import RULE_TITLES, format_rate_cell
from deepfake.evaluation.titles import readable_title
from deepfake.util.text import Unit, format_interval, format_metric, format_percent

_COLUMNS: tuple[tuple[str, str, Unit], ...] = (
    ("accuracy", "Forced-choice accuracy", "share"),
    ("roc_auc", "ROC AUC", "number"),
    ("tpr_at_fpr_1pct", "Found at 1% false alarms", "share"),
)


def training_lines(card: Card) -> tuple[str, ...]:
    """How the network was made; what the card does not say is left out."""
    contents, recipe, data = card.contents, _part(card, "recipe"), _part(card, "data")
    lines = [f"Network: {card.architecture}" + _count(contents.get("parameters"), " parameters", ", ")]
    if card.second:
        lines.append(
            f"The first network is that of {detector_title(card.second.main)}; the second counts "
            f"{card.second.share:.2f} times as much"
        )
    lines.append(f"Each face is checked at {card.input.size} x {card.input.size} pixels")
    if card.sources and data.get("train_images"):
        named = "; ".join(SOURCE_WORDS.get(source, source) for source in card.sources)
        lines.append(f"Trained on {_count(data['train_images'], ' images')}: {named}")
    result = _part(card, "result")
    members = result.get("members")
    if isinstance(members, list):
        whole = "the averaged weights" if result.get("average") else "the mean"
        lines += _member_lines([member for member in members if isinstance(member, dict)], whole)
    elif course := _course(recipe, result):
        lines.append(course[0].upper() + course[1:])
    for key, title in (("licence", "Training data"), ("date", "Published")):
        if value := (data if key == "licence" else contents).get(key):
            lines.append(f"{title}: {value}")
    return tuple(lines)


def _member_lines(members: list[dict[str, Any]], whole: str) -> list[str]:
    """Of several networks in one each: its share of the whole and its last course of training."""
    weights = [float(member.get("weight") or 1) for member in members]
    lines = []
    for member, weight in zip(members, weights, strict=True):
        course = _course(member.get("recipe") or {}, member.get("result") or {})
        share = f"weight {weight / sum(weights):.2g} in {whole}"
        lines.append(f"{member.get('architecture')}, {share}" + (f": {course}" if course else ""))
    return lines


def _course(recipe: dict[str, Any], result: dict[str, Any]) -> str:
    """A course of training in words: from where, how long, how many of its pictures altered."""
    parts = []
    if "weights" in recipe:
        start = recipe["weights"]
        known = {None: "random weights", "none": "random weights", "imagenet": "ImageNet weights"}
        parts.append(f"started from {known.get(start, 'an earlier version')}")
    if epochs := result.get("epochs") or recipe.get("epochs"):
        drawn = _count(recipe.get("epoch_images")) or "all"
        parts.append(f"{epochs} epochs of {drawn} training images")
        if altered := recipe.get("perturbed"):
            by_source = recipe.get("source_perturbed") or {}
            shares = sorted({altered, *by_source.values()})
            span = " to ".join(dict.fromkeys((format_percent(shares[0]), format_percent(shares[-1]))))
            kinds = ", by kind of source" if len(shares) > 1 else ""
            parts.append(f"{span} of them perturbed at random each time{kinds}")
    return ", ".join(parts)


def calibration_sentence(card: Card) -> str:
    """On what the probabilities and thresholds were set."""
    on = _part(card, "calibrated_on")
    if not on:
        return "The card does not say on what its probabilities were calibrated."
    altered = on.get("perturbed")  # a share, or for older cards whether all were
    share = float(altered) if isinstance(altered, (int, float)) else 0.0
    copies = f", {format_percent(share)} of them perturbed copies," if share else ""
    images = _count(on.get("images")) or "an unknown number of"
    sentence = (
        f"Probabilities and thresholds were fitted on {images} images of the split "
        f"{on.get('split', 'not named')}{copies or ','} which it was not trained on."
    )
    if isinstance(reliability := on.get("reliability_outside_band"), (int, float)):
        sentence += f" On these, at least {reliability:.0%} of its verdicts of fake or real are correct."
    return sentence


def measured_table(evaluations: Sequence[Recorded]) -> pd.DataFrame:
    """A row an evaluation: what on, how many, and the main numbers with their intervals, as text."""
    rows = []
    for each in evaluations:
        row = {"Measured on": readable_title(each, count=False)}
        for key, title, unit in _COLUMNS:
            value, pair = each.numbers.get(key), each.intervals.get(key)
            interval = f" ({format_interval(pair, unit)})" if pair and value is not None else ""
            row[title] = ("undefined" if value is None else format_metric(value, unit)) + interval
        rule = each.verdict_rule.get("balanced")
        for name in ("decided", "correct", "false_positive_rate"):
            row[RULE_TITLES[name]] = format_rate_cell(getattr(rule, name)) if rule else "-"
        rows.append({**row, "Fake + real": f"{each.n_fake:,} + {each.n_real:,}"})
    return pd.DataFrame(rows)


def measured_limits(evaluations: Sequence[Recorded]) -> tuple[str, ...]:
    """Where a detector was found to be of no use: it guesses, or calls most pictures of one kind wrongly."""
    lines = []
    for each in evaluations:
        accuracy, auc = each.numbers.get("accuracy"), each.intervals.get("roc_auc")
        title = readable_title(each, count=False)
        if each.one_class is None and auc is not None and auc[0] <= 0.5:
            found = format_interval(auc, "number")
            lines.append(f"{title}: no better than guessing (ROC AUC {found}; 0.5 is guessing)")
        elif each.one_class is not None and accuracy is not None and accuracy < 0.5:
            what = f"{each.n:,} {each.one_class.lower()} images"
            lines.append(f"{title}: called only {format_metric(accuracy, 'share')} of {what} correctly")
    return tuple(lines)


def _part(card: Card, key: str) -> dict[str, Any]:
    part = card.contents.get(key)
    return part if isinstance(part, dict) else {}


def _count(number: Any, after: str = "", before: str = "") -> str:
    return f"{before}{number:,}{after}" if isinstance(number, int) else ""
