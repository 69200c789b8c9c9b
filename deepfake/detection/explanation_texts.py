"""What the maps of an explanation show and whether they can be believed, in words."""

from __future__ import annotations

from deepfake.detection.heatmaps import AGREEMENT, GOOD_AGREEMENT, Faithfulness

MAP_NAMES = (
    ("Grad-CAM", "from inside the network, coarse"),
    ("Occlusion", "how the score falls when a part is blurred"),
)
"""Each map's name and what it is made of, in the order of ``Explanation``."""
COLOURS_MEAN = (
    "Orange parts spoke for fake, blue parts for real. The maps show what the detector reacted to, not what "
    "is wrong with the picture."
)


def worth_words(worth: Faithfulness, *, fake: bool) -> str:
    """Whether a map beats chance, with the numbers.

    Args:
        worth: of the map.
        fake: whether its scores are those of Fake, else of Real.
    """
    shown, gone = round(worth.insertion, 2), round(worth.deletion, 2)
    side = "fake" if fake else "real"
    chance = round(worth.random_insertion - worth.random_deletion, 2) + 0.0  # no -0.00
    better = "Better than chance" if worth.better_than_chance else "No better than chance: do not rely on it"
    return (
        f"{better}. With its strongest parts shown first the score of {side} is {shown:.2f} on average, "
        f"with them blurred first {gone:.2f} (difference {shown - gone:+.2f}; in random order {chance:+.2f})."
    )


def agreement_words(agreement: float) -> str:
    """How far two maps say the same."""
    if agreement < AGREEMENT:
        return (
            f"The two maps disagree (rank correlation {agreement:.2f} of 1): what they show says little "
            "about this picture."
        )
    how = "agree" if agreement >= GOOD_AGREEMENT else "agree in part"
    return f"The two maps {how} (rank correlation {agreement:.2f} of 1)."
