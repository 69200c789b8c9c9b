"""Slices, images alike and shortcuts in sentences and tables for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from deepfake.detection.text import SOURCE_WORDS
from deepfake.evaluation.statistics.thresholds import Rate
from deepfake.slices.alike import MIN_ALIKE, Alike
from deepfake.slices.facts import COMMON_SIDE, SquareFacts
from deepfake.slices.held_out import HeldOut
from deepfake.slices.shortcuts import CLUES, Shortcuts
from deepfake.slices.table import MIN_SLICE
from deepfake.types import VerdictLabel
from deepfake.util.text import format_percent

FACTS_MEAN = (
    "Face size: longest side of the face, in pixels of the image. Face in the frame: the same as part of the "
    "square that is scored. JPEG quality: of the file. Sharpness: variance of the Laplacian at "
    f"{COMMON_SIDE} pixels; low is blurred, very high is noise. Brightness: mean gray level, 0 to 255. Age: "
    "as the dataset's names tell it."
)
"""What the slices go by."""
SLICES_CAUTION = (
    "Slices differ in their kinds of fakes, too: a slice may be hard because of the dataset that most of "
    "its images come from. The shipped datasets were each saved at one JPEG quality, so those slices "
    "compare datasets."
)
NEAR_EVEN = 0.15
"""A meter of shortcuts this near to one half says nothing worth a line."""
WORTH_AUC = 0.6
"""A meter whose interval begins below this is worth nothing."""
FOLLOWS, FOLLOWS_CLOSELY = 0.2, 0.4
"""Rank correlations from which a detector's scores are said to follow the clues in part, and closely."""


def source_words(source: str) -> str:
    """A set in words, where it has some."""
    return SOURCE_WORDS.get(source, source)


def rate_words(rate: Rate) -> str:
    """A share in whole percent with its interval: '81% (75 to 86%)'."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "-"
    return f"{100 * rate.share:.0f}% ({100 * rate.low:.0f} to {100 * rate.high:.0f}%)"


def worst_sentence(worst: dict[str, Any] | None, everything: dict[str, Any]) -> str:
    """The worst slice, named; or that none is clearly worse.

    Args:
        worst: from ``table.worst_slice``.
        everything: the first row of ``table.slices_table``.
    """
    if worst is None:
        return (
            f"No slice of {MIN_SLICE} images or more is clearly worse than all images together "
            f"({100 * everything['accuracy']:.1f}% of {everything['images']:,} called correctly)."
        )
    low, high = 100 * worst["accuracy_low"], 100 * worst["accuracy_high"]
    name = (
        worst["part"][0].lower() + worst["part"][1:]
        if not worst["part"].startswith("JPEG")
        else worst["part"]
    )
    return (
        f"Worst slice: {name}, with {100 * worst['accuracy']:.1f}% of {worst['images']:,} images called "
        f"correctly (95% interval {low:.1f} to {high:.1f}%), against {100 * everything['accuracy']:.1f}% of "
        f"all {everything['images']:,}. {format_percent(worst['mostly_share'])} of its images come from one "
        f"dataset: {source_words(worst['mostly'])}."
    )


def held_out_sentence(held: HeldOut) -> str:
    """Which images the slices of a detector are made of."""
    line = f"{len(held):,} images of all evaluations recorded for this detector, each counted once"
    if held.twice:
        line += f"; {held.twice:,} perturbed or repeated copies of them are left out"
    if held.without:
        line += f". Left out, because their images have not been measured: {'; '.join(held.without)}"
    return f"{line}."


def alike_sentence(alike: Sequence[Alike]) -> str:
    """How many of the held-out images most like this one were called correctly, beside all of them.

    Args:
        alike: from ``alike.images_alike``.
    """
    whole = alike[-1]
    of_all = f"Of all {whole.n:,}: {rate_words(whole.right)}."
    closest = next((each for each in alike if each.kind == "everything"), None)
    if closest is not None:
        return (
            f"Of {closest.n:,} held-out images like this one ({_lower(closest.title)}), {_right(closest)}. "
            f"{of_all}"
        )
    facts = [each for each in alike if each.kind == "fact" and each.n >= MIN_ALIKE]
    if not facts:
        return (
            f"Fewer than {MIN_ALIKE} of {whole.n:,} held-out images are like this one in any of these facts."
        )
    lowest = min(facts, key=lambda each: each.right.share or 0.0)
    return (
        f"Fewer than {MIN_ALIKE} held-out images are like this one in all of these facts at once. The least "
        f"favorable fact: of {lowest.n:,} images with {_lower(lowest.title)} {lowest.words}, "
        f"{_right(lowest)}. {of_all}"
    )


def _lower(title: str) -> str:
    """A title within a sentence."""
    return title.lower().replace("jpeg", "JPEG")


def _right(each: Alike) -> str:
    if each.right.share is None or each.right.low is None or each.right.high is None:
        return "none was measured"
    low, high = 100 * each.right.low, 100 * each.right.high
    wrong = format_percent(each.wrong.share or 0.0)
    return f"{100 * each.right.share:.0f}% were called correctly ({low:.0f} to {high:.0f}%) and {wrong} wrong"


def own_error_sentence(alike: Sequence[Alike], call: VerdictLabel) -> str:
    """How often a verdict like this one is an error, among images alike; empty for an uncertain one."""
    closest = next((each for each in alike if each.kind == "everything"), alike[-1])
    among = "them" if closest.kind == "everything" else "all held-out images"
    error = closest.real_called_fake if call == "fake" else closest.fakes_called_real
    if call == "uncertain" or not error.n:
        return ""
    kind, called = ("real ones", "fake") if call == "fake" else ("fakes", "real")
    return f"Of the {error.n:,} {kind} among {among}, {rate_words(error)} were called {called}."


def size_sentence(small: Alike | None, facts: SquareFacts, input_size: int) -> str:
    """What the face's size in pixels means for the verdict.

    Args:
        small: from ``alike.small_face``.
        facts: of the image.
        input_size: side of the network's input, in pixels.
    """
    if small is not None:
        return (
            f"The face has {facts.face:.0f} pixels. Of {small.n:,} images shrunk until it had {small.words}, "
            f"{_right(small)}."
        )
    if facts.side >= input_size:
        return f"The face has {facts.face:.0f} pixels: enough for the detector."
    return f"The face has {facts.face:.0f} pixels. How faces of this size are called was not measured."


def alike_table(alike: Sequence[Alike]) -> pd.DataFrame:
    """The images alike, a row each; shares with 95% intervals as text."""
    return pd.DataFrame(
        [
            {
                "Held-out images": f"{each.title}: {each.words}" if each.words else each.title,
                "Called correctly": rate_words(each.right),
                "Images": each.n,
                "Wrong": rate_words(each.wrong),
                "Real called fake": rate_words(each.real_called_fake),
                "Fakes called real": rate_words(each.fakes_called_real),
                "Mostly": f"{source_words(each.mostly)} ({format_percent(each.mostly_share)})"
                if each.mostly
                else "",
            }
            for each in alike
        ]
    )


def shortcut_sentence(shortcuts: Shortcuts, facts: SquareFacts, call: VerdictLabel) -> str:
    """What the clues alone would say of an image and what that means; empty where it says too little.

    Args:
        shortcuts: of the detector.
        facts: of the image.
        call: the verdict on it.
    """
    p_fake = shortcuts.p_fake(facts)
    if abs(p_fake - 0.5) < NEAR_EVEN or shortcuts.interval[0] < WORTH_AUC:
        return ""
    says: VerdictLabel = "fake" if p_fake > 0.5 else "real"
    share = format_percent(max(p_fake, 1 - p_fake))
    names = clue_words(shortcuts)
    line = f"{names[0].upper()}{names[1:]} alone would say {says} with {share}"
    if " and " in names:
        line += f", mostly by the {CLUES[shortcuts.strongest(facts)]}"
    if call == says:
        return f"{line}: the detector may be reading those."
    return f"{line}. The verdict does not follow them." if call != "uncertain" else f"{line}."


def follows_sentence(follows: float) -> str:
    """How far a detector's scores go with the clues, in words.

    Args:
        follows: from ``Shortcuts.follows``.
    """
    words = "hardly follow them" if follows < FOLLOWS else "follow them in part"
    if follows >= FOLLOWS_CLOSELY:
        words = "follow them closely"
    return f"The detector's scores of real held-out images {words} (rank correlation {follows:.2f})."


def clue_words(shortcuts: Shortcuts) -> str:
    """The clues that tell anything, in a row."""
    names = [CLUES[clue.name] for clue in shortcuts.clues if clue.tells]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def worth_sentence(shortcuts: Shortcuts) -> str:
    """What the meter of shortcuts is worth."""
    low, high = shortcuts.interval
    line = (
        f"On {shortcuts.n_fake + shortcuts.n_real:,} held-out images it tells fakes from real ones with a "
        f"ROC AUC of {shortcuts.auc:.2f} ({low:.2f} to {high:.2f}); on datasets that it was not fitted on, "
        f"with {shortcuts.left_out:.2f}, where 0.5 is chance: a hint at most."
    )
    silent = [CLUES[clue.name] for clue in shortcuts.clues if not clue.tells]
    if silent:
        line += (
            f" {' and '.join(silent).capitalize()} did not differ within any of the datasets, so they "
            "could not be tested."
        )
    return line


def shortcut_table(shortcuts: Shortcuts) -> pd.DataFrame:
    """How well the clues alone tell each set's fakes; the easiest first.

    Returns:
        columns Dataset, Fake, Real (counts), ROC AUC, ROC AUC, dataset left out.
    """
    rows = [
        {
            "Dataset": source_words(name),
            "Fake": one.n_fake,
            "Real": one.n_real,
            "ROC AUC": one.auc,
            "ROC AUC, dataset left out": one.left_out,
        }
        for name, one in shortcuts.sources.items()
    ]
    return pd.DataFrame(rows).sort_values("ROC AUC", ascending=False).reset_index(drop=True)
