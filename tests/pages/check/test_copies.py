"""Near-duplicates of a batch: grouped, and first those whose scores lie far apart."""

from __future__ import annotations

from deepfake.detection.outcome import Outcome
from deepfake.detection.verdict import Verdict
from deepfake.errors import UserError
from deepfake.images.hashing import ImagePrint
from ui.check.copies import copies_table


def outcome(name: str, p_fake: float, whole: int) -> Outcome:
    """An image with this score and perceptual hash."""
    call = "fake" if p_fake > 0.6 else "real"
    verdict = Verdict(p_fake, call, (), (), "tiny", name, 64, 64, "face_crop", "balanced")
    return Outcome(name, verdict, image_print=ImagePrint(whole.to_bytes(8)))


def test_groups_whose_scores_differ_come_first() -> None:
    rows = [
        outcome("alike-1.jpg", 0.91, 0xFF00FF),
        outcome("alone.jpg", 0.5, 0xFFFF_FFFF_FFFF),
        outcome("turns-1.jpg", 0.1, 0xABC << 40),
        outcome("alike-2.jpg", 0.93, 0xFF00FE),
        outcome("turns-2.jpg", 0.8, (0xABC << 40) + 1),
        Outcome("refused.jpg", error=UserError("empty", "The file is empty.")),
    ]
    table = copies_table(rows)
    assert table["File"].tolist() == ["turns-1.jpg", "turns-2.jpg", "alike-1.jpg", "alike-2.jpg"]
    assert table["Group"].tolist() == [1, 1, 2, 2]
    assert table["Probability of fake"].tolist() == [0.1, 0.8, 0.91, 0.93]
    assert table["Verdict"].tolist() == ["Likely real", "Likely fake", "Likely fake", "Likely fake"]


def test_without_copies_there_is_no_row() -> None:
    assert copies_table([outcome("a.jpg", 0.9, 1), outcome("b.jpg", 0.9, 0xFFFF_FFFF)]).empty
    assert copies_table([]).empty
