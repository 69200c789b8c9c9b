"""The evidence table: what each witness says of an image, how much that is worth, and what to ignore.

The verdict's rule is the detector's (``RULE``). The lines beside it come from what was computed already; what
takes time (stress test, forensics) is a line only where it was run.

Strengths of scores follow the odds p / (1 - p) of the calibrated probability: from 2 to 1 weak, from 10 to 1
moderate, from 100 to 1 strong, after the verbal scale for likelihood ratios of the ENFSI Guideline for
Evaluative Reporting in Forensic Science (2015). What a file says is graded in ``forensics.claims``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake.detection.text import CALL_WORDS, NO_FACE
from deepfake.detection.verdict import PartNotes, Verdict, picture_score
from deepfake.detection.words import UNCERTAIN
from deepfake.forensics.claims import (
    CREDENTIALS,
    FORENSICS,
    MARKS,
    FileClaims,
    credentials_line,
    forensics_line,
    marks_line,
    read_claims,
)
from deepfake.images.formats import identify
from deepfake.types import Direction, EvidenceLine, Strength, VerdictLabel
from deepfake.util.text import format_percent

if TYPE_CHECKING:
    from deepfake.detection.card import Card
    from deepfake.detection.outcome import Outcome
    from deepfake.forensics.metadata import Compression, Thumbnail
    from deepfake.images.archives import Source

RULE = (
    "The verdict is the detector's: it follows from its scores of faces and whole image, and from the stress "
    "test once that was run. What the file says of itself is a claim that anyone can write or strip. It "
    "never changes the score."
)
"""Stands under the table."""
FACE, WHOLE, SECOND, ALIKE, STRESS = (
    "Detector's score",
    "Whole image",
    "Second opinion",
    "Look-alikes",
    "Stress test",
)
NAMES = (CREDENTIALS, MARKS, FACE, WHOLE, SECOND, ALIKE, STRESS, FORENSICS)
"""Of the lines, in their order."""


def evidence_lines(
    verdict: Verdict,
    card: Card,
    claims: FileClaims | None = None,
    forensics: tuple[Thumbnail, Compression] | None = None,
) -> tuple[EvidenceLine, ...]:
    """The table, a line a witness, in the order of ``NAMES``.

    Args:
        verdict: of the detector of ``card``.
        card: the detector's.
        claims: what the file says of itself; None where it is not at hand any more.
        forensics: what was found in the file, where that was looked at.
    """
    lines: list[EvidenceLine] = []
    if claims:
        lines += [credentials_line(claims.credentials), marks_line(claims.marks)]
    lines += [_face_line(verdict, card), _whole_line(verdict)]
    if card.second:
        lines.append(_second_line(verdict))
    lines.append(_alike_line(verdict))
    if verdict.stress:
        lines.append(_stress_line(verdict))
    if forensics:
        lines.append(forensics_line(*forensics))
    return tuple(lines)


def contradiction(lines: Sequence[EvidenceLine], verdict: Verdict) -> str:
    """A sentence where the file says that AI made the image and the verdict is not fake; else empty."""
    for line in lines:
        claims_fake = line.points_to == "fake" and line.strength in ("moderate", "strong")
        if verdict.verdict != "fake" and line.name in (CREDENTIALS, MARKS) and claims_fake:
            return f"The file itself says otherwise. {line.finding} The verdict ignores it."
    return ""


def with_evidence(outcome: Outcome, source: Source, card: Card) -> Outcome:
    """A file's outcome with the table beside its verdict; as it is where there is none.

    Args:
        outcome: of ``source``, by the detector of ``card``.
        source: the file, or where it lies; one that was changed since is not read.
        card: the detector's.
    """
    if outcome.verdict is None:
        return outcome
    return replace(
        outcome, evidence=evidence_lines(outcome.verdict, card, _claims_of(outcome.verdict, source))
    )


def _claims_of(verdict: Verdict, source: Source) -> FileClaims | None:
    try:
        content = source.content.read_bytes() if isinstance(source.content, Path) else source.content
    except OSError:
        return None
    if content is None or hashlib.sha256(content).hexdigest() != verdict.sha256:
        return None
    kind = identify(content)
    return read_claims(content, kind.reader) if kind and kind.reader else None


def strength_of(odds: float) -> Strength:
    """The word for odds or a likelihood ratio, whichever way it points.

    >>> [strength_of(odds) for odds in (1.5, 5, 0.05, 1000)]
    ['none', 'weak', 'moderate', 'strong']
    """
    size = max(odds, 1 / odds) if odds > 0 else math.inf
    words: tuple[tuple[float, Strength], ...] = ((100, "strong"), (10, "moderate"), (2, "weak"))
    for least, word in words:
        if size >= least:
            return word
    return "none"


def weight_words(line: EvidenceLine) -> str:
    """Strength and direction in a word or two.

    >>> weight_words(EvidenceLine("Stress test", "Stable.", "weak", "fake", "Nothing."))
    'weak, fake'
    """
    return line.strength if line.strength == "none" else f"{line.strength}, {line.points_to}"


def _odds(p_fake: float) -> float:
    return p_fake / (1 - p_fake) if p_fake < 1 else math.inf


def _by_score(call: VerdictLabel, p_fake: float) -> tuple[Strength, Direction]:
    """Of a score that is a verdict; an uncertain one says nothing."""
    if call == "uncertain":
        return "none", "neither"
    strength = strength_of(_odds(p_fake))
    # A verdict without a strong score is still one: the thresholds were chosen for that.
    return ("weak" if strength == "none" else strength), call


_FACE_IGNORE = (
    "Its certainty on kinds of fakes that it does not know, and on images that were strongly edited."
)


def _face_line(verdict: Verdict, card: Card) -> EvidenceLine:
    def line(finding: str, strength: Strength = "none", points_to: Direction = "neither") -> EvidenceLine:
        return EvidenceLine(FACE, finding, strength, points_to, _FACE_IGNORE)

    if verdict.scope == "no_face":
        return line(f"{NO_FACE}: nothing was analyzed.")
    p_fake = picture_score(verdict.faces, verdict.real_scores)
    if p_fake is None:
        return line("No face could be decided on: too small, no photo, or unlike the training images.")
    call = (
        verdict.verdict if verdict.basis == "faces" else card.thresholds.call(p_fake, verdict.operating_point)
    )
    n = len(verdict.deciding)
    of = "" if n == 1 else f", set off against {n} faces"
    score = f"probability of fake {format_percent(p_fake)}{of}."
    return line(f"{CALL_WORDS[call]}: {score}", *_by_score(call, p_fake))


_WHOLE_IGNORE = "The lack of a sign: a swapped face changes little of an image."


def _whole_line(verdict: Verdict) -> EvidenceLine:
    whole = verdict.whole
    if whole is None:
        finding = {
            "face_crop": "Not scored apart: the image is a close-up of one face.",
            "faces": "Not scored: the detector has no measured rule for such an image.",
            "no_face": "No verdict without a face.",
        }[verdict.scope]
        return EvidenceLine(WHOLE, finding, "none", "neither", _WHOLE_IGNORE)
    if not whole.counts:
        return EvidenceLine(
            WHOLE, "No sign of AI generation outside the faces.", "none", "neither", _WHOLE_IGNORE
        )
    strength, points_to = _by_score(whole.verdict, whole.p_fake)
    finding = f"{CALL_WORDS[whole.verdict]}: probability of fake {format_percent(whole.p_fake)}."
    return EvidenceLine(WHOLE, finding, strength, points_to, _WHOLE_IGNORE)


def _noted(verdict: Verdict) -> tuple[str, float, PartNotes, bool] | None:
    """Name, score and notes of the part that weighs most, and whether it is excluded; None without notes."""
    faces, notes = verdict.faces, verdict.part_notes
    if not notes:
        return None
    if verdict.basis == "whole" and verdict.whole and len(notes) > len(faces):
        return "Whole image: ", verdict.whole.p_fake, notes[len(faces)], False
    if not faces:
        return "", verdict.raw, notes[0], True
    order = sorted(range(len(faces)), key=lambda index: (faces[index].excluded, -faces[index].p_fake))
    first = order[0]
    name = f"Face {first + 1}: " if len(faces) > 1 else ""
    return name, faces[first].p_fake, notes[first], faces[first].excluded


def _sentence(name: str, words: str) -> str:
    return f"{name}{words}" if name else words[0].upper() + words[1:]


def _second_line(verdict: Verdict) -> EvidenceLine:
    ignore = "Agreement of the two: the score counts both already."

    def line(finding: str, strength: Strength = "none", points_to: Direction = "neither") -> EvidenceLine:
        return EvidenceLine(SECOND, finding, strength, points_to, ignore)

    seen = _noted(verdict)
    if seen is None or seen[3] or seen[2].first_alone is None:
        return line("Nothing to compare: no score that counts.")
    name, p_fake, notes, _ = seen
    before = notes.first_alone or 0.0
    scores = f"{format_percent(before)} by the first network alone, {format_percent(p_fake)} by both"
    ratio = _odds(p_fake) / _odds(before) if 0 < before < 1 else 1.0
    strength = strength_of(ratio)
    if strength == "none":
        return line(_sentence(name, f"{scores}: the second changes little."))
    points_to: Direction = "fake" if ratio > 1 else "real"
    return line(_sentence(name, f"{scores}: the second moves it toward {points_to}."), strength, points_to)


def _alike_line(verdict: Verdict) -> EvidenceLine:
    ignore = "Visual likeness: they are alike to the detector, so this is no independent evidence."

    def line(finding: str, strength: Strength = "none", points_to: Direction = "neither") -> EvidenceLine:
        return EvidenceLine(ALIKE, finding, strength, points_to, ignore)

    seen = _noted(verdict)
    if seen is None or not seen[2].similar or verdict.scope == "no_face":
        return line("Not looked for: no index of training images, or no face.")
    name, _, notes, excluded = seen
    found = f"{notes.similar_fakes} of the {notes.similar} most similar training images are fakes."
    if excluded:
        return line(_sentence(name, f"{found} Its score is no verdict, so they say nothing."))
    share = notes.similar_fakes / notes.similar
    if share in (0.0, 1.0):
        return line(_sentence(name, found), "weak", "fake" if share else "real")
    return line(_sentence(name, found))


def _stress_line(verdict: Verdict) -> EvidenceLine:
    ignore = "Stability as proof: it only means that compression and framing do not matter."

    def line(finding: str, strength: Strength = "none", points_to: Direction = "neither") -> EvidenceLine:
        return EvidenceLine(STRESS, finding, strength, points_to, ignore)

    changes = len(verdict.stress[0].points)
    unstable = [
        part.name for part, test in zip(verdict.parts, verdict.stress, strict=False) if not test.stable
    ]
    if unstable:
        who = ", ".join(unstable[:3]) + (" and others" if len(unstable) > 3 else "")
        flips = f"a mild change flips the score ({who})"
        return line(f"Not stable: {flips}, which makes the verdict {UNCERTAIN}.")
    if verdict.verdict == "uncertain":
        return line(f"Already {UNCERTAIN} ({changes} changes were tried).")
    if not all(test.kept_by_mild for test in verdict.stress):
        return line(f"Partly stable: no mild change reverses the verdict, but some make it {UNCERTAIN}.")
    return line(f"Stable: all mild changes keep the verdict ({changes} were tried).", "weak", verdict.verdict)
