"""What look-alikes say, in words."""

from __future__ import annotations

from deepfake.detection.neighbour_index import IN_SCOPE
from deepfake.detection.neighbours import Lookalike, LookalikeIndex, Unlikeness
from deepfake.util.text import percent

UNUSUAL = 0.9
"""Share of pictures kept out of training that lie nearer, above which a face is called unusual."""


def share_words(found: tuple[Lookalike, ...], index: LookalikeIndex) -> str:
    """How many of at least one look-alike are fakes, and among how many they were looked for."""
    fakes = sum(each.label for each in found)
    of_all = percent(float(index.labels.mean()))
    return (
        f"{fakes} of the {len(found)} training pictures that the detector takes for most alike are fakes. "
        f"They were looked for among {len(index):,} pictures it learnt from, {of_all} of them fakes."
    )


def unlikeness_words(unlikeness: Unlikeness, index: LookalikeIndex) -> str:
    """How far off it is, and what that means."""
    if unlikeness.distance > index.scope:
        return (
            f"Too unlike what it was trained on: {percent(IN_SCOPE)} of the pictures kept out of training on "
            "which it decided resemble what it learnt from more than this does. Its score is no verdict."
        )
    if unlikeness.share_nearer > UNUSUAL:
        meaning = "Unusual for it: take its score with care"
    else:
        meaning = "Not unusual for it"
    return (
        f"{meaning}. {percent(unlikeness.share_nearer)} of pictures kept out of training resemble what it "
        "learnt from more than this does."
    )


SIMILARITY_MEANS = (
    "Similarity 1 means that the detector sees no difference; to the eye two such pictures may differ."
)
