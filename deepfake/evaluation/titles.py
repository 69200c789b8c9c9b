"""What evaluations are called where people read: their images in words, not short names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepfake.detection.text import SOURCE_WORDS
from deepfake.evaluation.records import RUN_HERE, Recorded

HELD_OUT = "held out"
"""The data of evaluations on what was kept from training, by source; says nothing to a reader."""
NOT_SAID = ("Cross", "all")
"""Splits that say nothing to a reader: all of a data set that no detector learnt from."""


def readable_title(recorded: Recorded, *, count: bool = True) -> str:
    """What the images of an evaluation are, for people who do not know the data sets' short names.

    'Faces by Stable Diffusion 2.1 (250 fakes)' in place of 'sdfd, Cross'. A name that somebody gave stays,
    with what its source is behind it; a source that is not known says nothing.

    Args:
        recorded: the evaluation.
        count: say how many images they are.
    """
    words = SOURCE_WORDS.get(recorded.source or recorded.data, "")
    if not words:
        return recorded.title
    first, *_ = recorded.data.split()
    if first not in SOURCE_WORDS and recorded.data != HELD_OUT:
        return f"{recorded.title} ({words})"
    parts = [f"{words[0].upper()}{words[1:]}"]
    parts += [] if recorded.split in NOT_SAID else [recorded.split]
    parts += ["perturbed copies"] if recorded.perturbed else []
    parts += [RUN_HERE] if recorded.here else []
    return ", ".join(parts) + (f" ({_images_words(recorded)})" if count else "")


def _images_words(recorded: Recorded) -> str:
    kind = {None: "images", "Fake": "fakes", "Real": "real images"}[recorded.one_class]
    return f"{recorded.n:,} {kind}"


def readable_titles(evaluations: Sequence[Recorded]) -> dict[str, str]:
    """The readable title of each evaluation by its own, which stands behind where two would be the same."""
    shown = {each.title: readable_title(each) for each in evaluations}
    common = Counter(shown.values())
    return {title: words if common[words] == 1 else f"{words}: {title}" for title, words in shown.items()}


def readable_part(name: str, recorded: Recorded) -> str:
    """The name of a part of an evaluation (``breakdown.subsets_of``) with its words in place of short names.

    Args:
        name: the evaluation's title, perhaps with a column and its value behind.
        recorded: the evaluation.
    """
    rest = name.removeprefix(recorded.title)
    title = readable_title(recorded, count=False)
    if not rest:
        return title
    column, _, value = rest.removeprefix(": ").partition(" ")
    return f"{title}: {column} {SOURCE_WORDS.get(value, value)}"


def readable_data(title: str) -> str:
    """The title of images that are no recorded evaluation in words.

    >>> readable_data("openforensics, Validation"), readable_data("mine, Test")
    ('GAN faces swapped into photos, Validation', 'mine, Test')
    """
    first, *rest = title.split(", ")
    words = SOURCE_WORDS.get(first, "")
    return ", ".join([f"{words[0].upper()}{words[1:]}" if words else first, *rest])
