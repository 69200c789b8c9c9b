"""A verdict in words and tables for a person: the words that all views share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deepfake.detection.card import detector_title
from deepfake.detection.words import REASON_WORDS, UNCERTAIN
from deepfake.types import FakeKind, OperatingPoint, Thresholds, VerdictLabel
from deepfake.util.text import format_bytes, format_percent

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    from deepfake.detection.rules import Rules
    from deepfake.detection.stress import StressTest
    from deepfake.detection.verdict import Verdict
    from deepfake.detection.video import Stretch, VideoVerdict
    from deepfake.images.load import ImageFacts
    from deepfake.types import Box


CALL_WORDS: Mapping[VerdictLabel, str] = {
    "fake": "Likely fake",
    "real": "Likely real",
    "uncertain": UNCERTAIN.capitalize(),
}
BAND_WORDS: Mapping[VerdictLabel, str] = {
    "real": "Real",
    "uncertain": CALL_WORDS["uncertain"],
    "fake": "Fake",
}
"""The three bands of scores, from the lowest."""
KIND_WORDS: Mapping[FakeKind, str] = {
    "gan": "whole face by a GAN",
    "diffusion": "diffusion",
    "swap": "face swap",
    "edit": "edit or composite",
    "photo": "no fake, a photo",
}
KIND_MEANS = (
    "Named by the second of two networks, assuming that all kinds are equally common. It never changes "
    "the verdict. The Evaluation page shows how often it is right, also on fakes by generators it has not "
    "seen."
)
NO_FACE = "No face found"
"""In place of those where there is nothing to call."""

POINT_WORDS: Mapping[OperatingPoint, str] = {"balanced": "Balanced", "few_false_alarms": "Few false alarms"}

POINT_MEANINGS: Mapping[OperatingPoint, str] = {
    "balanced": "Treats missed fakes and false alarms equally.",
    "few_false_alarms": (
        "Flags an image as fake only above a score that 1 in 100 real validation images reach. More fakes "
        f"stay {UNCERTAIN}."
    ),
}


SOURCE_WORDS: Mapping[str, str] = {
    "openforensics": "GAN faces swapped into photos",
    "faces140k": "StyleGAN faces, Flickr portraits",
    "hardfaces": "StyleGAN2 faces, Unsplash portraits",
    "sdfd": "faces by Stable Diffusion 2.1",
    "dfdc": "face swaps in video frames",
    "stylegan3": "StyleGAN3 faces, Flickr portraits",
    "inswapper": "swaps by inswapper in Flickr portraits",
    "photographs": "studio and staff portraits, all real",
    "utkface": "photos of people of all ages, all real",
    "video": "face swaps in videos of the web",
    "swaps": "face swaps and edits in videos, beside the same frames",
    "ciplab": "Photoshop composites",
    "photoshop": "Photoshop composites",
    "celeba": "face swaps in portraits of celebrities",
    "stylegan2": "studio portraits by StyleGAN2",
    "studio": "studio portraits by StyleGAN2",
    "people": "diffusion images of people",
    "diffusion": "Flux, Stable Diffusion portraits",
    "portraits": "faces in diffusion images of people",
    "remade": "photos redrawn by autoencoders",
}
"""What is in the sets that detectors are trained and measured on, by source."""


def facts_line(facts: ImageFacts) -> str:
    """Size, format and weight of a picture's file; of several images in it, that one was used."""
    several = f", 1 of {facts.frames:,} images in it used" if facts.frames > 1 else ""
    return f"{facts.width} x {facts.height} pixels, {facts.format}, {format_bytes(facts.n_bytes)}{several}"


def bands_phrase(fake_from: str, real_below: str) -> str:
    """How two thresholds make a verdict of a score.

    >>> bands_phrase("80%", "20%")
    'fake from 80%, real below 20%, uncertain between'
    """
    return f"fake from {fake_from}, real below {real_below}, {UNCERTAIN} between"


def judged_by_line(verdict: Verdict, thresholds: Thresholds) -> str:
    """Which detector gave the verdict, and by which thresholds."""
    point = verdict.operating_point
    return (
        f"Detector: {detector_title(verdict.model)}, {POINT_WORDS[point].lower()}. Fake from "
        f"{format_percent(thresholds.fake_from(point))}, real below "
        f"{format_percent(thresholds.uncertain_low)}."
    )


def short_words(verdict: Verdict) -> str:
    """The verdict in a word or two, for a table: ``NO_FACE`` where nothing was analyzed."""
    return NO_FACE if verdict.scope == "no_face" else CALL_WORDS[verdict.verdict]


def headline(verdict: Verdict) -> str:
    """The verdict in words, first thing to read; what it rests on where that is not a face as usual."""
    if verdict.scope == "no_face":
        return f"{NO_FACE}: not analyzed"
    words = CALL_WORDS[verdict.verdict]
    if verdict.p_fake is None:
        reasons = {face.reason for face in verdict.faces}
        if reasons == {"not_a_photograph"}:
            words += ": this does not look like a photo"
        elif reasons == {"too_small"}:
            words += f": {'face' if len(verdict.faces) == 1 else 'faces'} too small to analyze"
        else:
            words += ": outside what the detector knows"
    elif verdict.basis == "whole" and verdict.verdict == "fake":
        words += ": the whole image"
    return words


def clock(second: float) -> str:
    """Seconds as a player shows them.

    >>> clock(3.4), clock(75)
    ('0:03', '1:15')
    """
    return f"{int(second) // 60}:{int(second) % 60:02d}"


def video_headline(result: VideoVerdict) -> str:
    """The verdict on a video in words; names the stretches that look fake where they are not all of it."""
    if not result.with_face:
        return f"{NO_FACE}: not analyzed"
    words, stretches = CALL_WORDS[result.verdict], result.stretches
    if not stretches:
        return words
    named = [_when(each) for each in stretches[:3]]
    if others := len(stretches) - len(named):
        named.append(f"{others} more")
    where = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    return f"{words}: {where} look{'s' * (len(stretches) == 1)} fake"


def _when(stretch: Stretch) -> str:
    start, end = clock(stretch.start), clock(stretch.end)
    return f"{start} to {end}" if start != end else f"{stretch.start:.1f} to {stretch.end:.1f} s"


def video_number_line(result: VideoVerdict) -> str:
    """The probabilities under a video's headline, as Markdown; empty where there is none."""
    if result.p_fake is None:
        return ""
    n = len(result.deciding)
    if result.stretch is None:
        return f"Probability of fake, median of {n} frames: **{format_percent(result.p_fake)}**"
    which = "this" if len(result.stretches) == 1 else "the longest"
    return (
        f"Probability of fake in {which} stretch, median of {result.stretch.frames} frames: "
        f"**{format_percent(result.stretch.p_fake)}**; of all {n} frames that could be scored: "
        f"{format_percent(result.p_fake)}"
    )


def number_line(verdict: Verdict) -> str:
    """The probability that stands under the headline, as Markdown; empty where there is none."""
    if verdict.p_fake is None:
        return ""
    of = "Probability that the whole image is fake" if verdict.basis == "whole" else "Probability of fake"
    return f"{of}: **{format_percent(verdict.p_fake)}**"


def kind_line(verdict: Verdict) -> str:
    """The kind of fake under a verdict of fake or uncertain; empty where there is none to show."""
    kind = verdict.kind
    if kind is None:
        return ""
    if kind.name is None:
        return "Kind of fake: cannot tell"
    return f"Most like: {KIND_WORDS[kind.name]} ({format_percent(kind.probability)})"


def raw_line(verdict: Verdict) -> str:
    """The score of a picture that has no headline number, for the details; empty where it has one."""
    if verdict.p_fake is not None:
        return ""
    of = "the face" if len(verdict.faces) == 1 else "the highest of the faces"
    if verdict.scope == "no_face":
        of = "the whole image"
    return f"Raw score, for the record: {format_percent(verdict.raw)} ({of}). Here it is not a probability."


def lead_line(verdict: Verdict, meaning: str = "") -> str:
    """The one sentence under the verdict: why it is uncertain, else what its score means.

    Args:
        verdict: any.
        meaning: from ``context_sentence``; may be empty.
    """
    if line := stress_line(verdict):
        return line
    if verdict.p_fake is None:
        return verdict.warnings[0] if verdict.warnings else scope_line(verdict)
    if meaning:
        return meaning
    return crowd_line(verdict) if len(verdict.deciding) > 1 else scope_line(verdict)


def remark_lines(verdict: Verdict, lead: str) -> list[str]:
    """What else there is to know of a verdict, without what ``lead`` says already."""
    scope = "" if verdict.scope == "no_face" else scope_line(verdict)  # a warning says it
    lines = [scope, *verdict.warnings, raw_line(verdict)]
    return [line for line in lines if line and line != lead]


Counted = VerdictLabel | Literal["no_face"] | None
COUNT_WORDS: Mapping[Counted, str] = {
    "fake": "fake",
    "uncertain": UNCERTAIN,
    "real": "real",
    "no_face": "without a face",
    None: "not checked",
}
"""After a number of images with that verdict; None is an image that was refused."""


def counted_as(verdict: Verdict | None) -> Counted:
    """What an image is among several: its verdict, where it has one."""
    if verdict is None:
        return None
    return "no_face" if verdict.scope == "no_face" else verdict.verdict


def counts_line(images: Sequence[Counted]) -> str:
    """How many of several images are what.

    >>> counts_line(["fake", "real", "fake", "no_face", None])
    '2 fake, 1 real, 1 without a face, 1 not checked'
    """
    counts = ((images.count(each), words) for each, words in COUNT_WORDS.items())
    return ", ".join(f"{n:,} {words}" for n, words in counts if n)


def spoken_line(verdicts: Sequence[Verdict | None]) -> str:
    """What a screen reader reads out when images have been checked: the verdict on one, counts of several.

    Args:
        verdicts: at least one; None for an image that was refused.
    """
    if len(verdicts) != 1:
        return counts_line([counted_as(verdict) for verdict in verdicts])
    (verdict,) = verdicts
    if verdict is None:
        return COUNT_WORDS[None].capitalize()
    return ". ".join(filter(None, [headline(verdict), number_line(verdict).replace("**", "")]))


@dataclass(frozen=True)
class PartRow:
    """One face, or the whole image, in a list of what was judged.

    Attributes:
        name: as in ``Verdict.parts``.
        call: for the colour; None where it takes no part in the verdict.
        words: its verdict, and why where its score does not decide.
        p_fake: None where its score is no verdict.
    """

    name: str
    call: VerdictLabel | None
    words: str
    p_fake: float | None


def part_rows(verdict: Verdict, thresholds: Thresholds) -> list[PartRow]:
    """A row for each face, then one for the whole image where it was judged beside them."""
    fake_from, rows = thresholds.fake_from(verdict.operating_point), []
    for number, face in enumerate(verdict.faces, start=1):
        words = CALL_WORDS[face.verdict]
        if face.reason:
            words = f"{words}: {REASON_WORDS[face.reason]}"
        elif face.verdict == "uncertain" and fake_from <= face.p_fake < face.fake_from:
            words = f"{words}: a face this small is called fake only from {format_percent(face.fake_from)}"
        rows.append(PartRow(f"Face {number}", face.verdict, words, None if face.excluded else face.p_fake))
    if whole := verdict.whole:
        words = CALL_WORDS[whole.verdict] if whole.counts else "no sign of AI generation"
        rows.append(PartRow("Whole image", whole.verdict if whole.counts else None, words, whole.p_fake))
    return rows


def left_out_line(verdict: Verdict, number: int) -> str:
    """Why part ``number`` (from 0) is a face whose score decides nothing; empty where it is not."""
    face = verdict.faces[number] if number < len(verdict.faces) else None
    if face is None or not face.excluded:
        return ""
    why = REASON_WORDS[face.reason or "out_of_scope"]
    return f"Face {number + 1} was left out: {why}. Its score is no verdict, so there is nothing to explain."


def framed_square(verdict: Verdict) -> Box | None:
    """The square of the whole image, to be framed in the picture where the verdict rests on it."""
    if verdict.whole is None or verdict.basis != "whole" or verdict.verdict != "fake":
        return None
    return verdict.whole.square


def scope_line(verdict: Verdict) -> str:
    """What was judged."""
    return " ".join(filter(None, [_faces_line(verdict), _whole_line(verdict)]))


def _whole_line(verdict: Verdict) -> str:
    whole = verdict.whole
    if whole is None:
        return ""
    if not whole.counts:
        return "The whole image was checked as well: no sign of AI generation."
    share = format_percent(whole.p_fake)
    scored = f"The verdict rests on the whole image (the marked square), {share} fake"
    if verdict.basis != "whole":
        scored = f"The whole image was checked as well, {format_percent(whole.p_fake)} fake"
    return f"{scored}: fully generated images leave traces outside the face, too."


def _faces_line(verdict: Verdict) -> str:
    n, deciding = len(verdict.faces), len(verdict.deciding)
    if verdict.scope == "no_face":
        return "No face found; nothing was analyzed."
    if verdict.scope == "face_crop":
        if verdict.photo not in (None, (0, 0, verdict.width, verdict.height)):
            return "The image is a close-up of one face; it was checked without its plain margin."
        return "The image is a close-up of one face; it was checked as it is."
    if n == 1:
        return "1 face found and checked."
    line = f"{n} faces found and checked." if n == deciding else f"{deciding} of {n} faces decide."
    if deciding < 2:
        return line
    return f"{line} {crowd_line(verdict)}"


def crowd_line(verdict: Verdict) -> str:
    """How many of the faces look fake, and how many of as many real ones would."""
    n = len(verdict.deciding)
    fakes = sum(face.verdict == "fake" for face in verdict.deciding)
    if not fakes:
        return f"None of them looks fake{_why_uncertain(verdict)}."
    look = "1 face looks" if fakes == 1 else f"{fakes} faces look"
    line = f"{fakes} of {n} faces look fake" if n > fakes > 1 else f"{look} fake"
    if fakes == 1:
        line = f"1 of {n} faces looks fake"
    if verdict.expected_fake is None:
        return f"{line}."
    expected = verdict.expected_fake
    about = "fewer than 1" if expected < 0.75 else f"about {round(expected)}"
    return f"{line}; among {n} real ones {about} would by chance."


def _why_uncertain(verdict: Verdict) -> str:
    """What keeps a picture from being called real whose faces do not look fake; empty where nothing does."""
    if verdict.verdict != "uncertain":
        return ""
    unsure = sum(face.verdict == "uncertain" for face in verdict.deciding)
    if unsure:
        return f", but {unsure} {'is' if unsure == 1 else 'are'} {UNCERTAIN}, and so is the image"
    if any(face.excluded and face.reason != "too_small" for face in verdict.faces):
        return f", but not all could be checked, so the image is {UNCERTAIN}"
    return ""


_TURNS: Mapping[VerdictLabel, str] = {
    "fake": f"makes it {CALL_WORDS['fake'].lower()}",
    "real": f"makes it {CALL_WORDS['real'].lower()}",
    "uncertain": f"leaves it {UNCERTAIN}",
}


def changed_lines(test: StressTest) -> list[str]:
    """The mildest tested changes after which a part's verdict by its score is another one."""
    lines, never = [], []
    for call, turns in _TURNS.items():
        if call == test.call:
            continue
        point = test.mildest(call)
        if point is None:
            never.append(turns)
            continue
        kind = "mild" if point.change.mild else "strong"
        share = format_percent(point.p_fake)
        lines.append(
            f"The mildest tested change that {turns} is a {kind} one: {point.change.words} (then {share})."
        )
    if never:
        lines.append(f"None of the {len(test.points)} tested changes {' or '.join(never)}.")
    return lines


def point_line(verdict: Verdict, thresholds: Thresholds) -> str:
    """What the same scores are called at the other sensitivity, where that is something else."""
    other: OperatingPoint = "balanced" if verdict.operating_point != "balanced" else "few_false_alarms"
    call = verdict.at(other, thresholds).verdict
    if call == verdict.verdict:
        return ""
    return (
        f"With the sensitivity {POINT_WORDS[other]} it would be {CALL_WORDS[call].lower()}: "
        f"fake from {format_percent(thresholds.fake_from(other))}."
    )


def stress_line(verdict: Verdict) -> str:
    """Why the stress test made parts uncertain; empty where it was not run or left them as they were."""
    lines = []
    tests = zip(verdict.parts, verdict.stress, strict=False)  # none where it was not run
    for number, (part, test) in enumerate(tests):
        if not test.stable and not left_out_line(verdict, number):
            who = part.name if len(verdict.stress) > 1 else "The face"
            alone = CALL_WORDS[test.call].lower()
            lines.append(f"{who} would be called {alone} by its score alone. {test.sentence()}")
    if not lines:
        return ""
    whole = verdict.verdict == "uncertain"
    what = CALL_WORDS["uncertain"] if whole else f"Part of it is {UNCERTAIN}"
    return " ".join([f"{what} after the stress test.", *lines])


def overlay_line(verdict: Verdict, rules: Rules) -> str:
    """Under a verdict of fake: that something laid over a face can bring it about, where it was seen to."""
    overlay = rules.overlay
    if verdict.verdict != "fake" or verdict.basis != "faces" or overlay is None:
        return ""
    if overlay.overlaid <= overlay.called_fake:
        return ""
    return (
        "Text, a caption or a sticker over the face can cause this verdict by itself: with one, "
        f"{overlay.overlaid:,} of {overlay.n:,} real validation faces were called fake, without one "
        f"{overlay.called_fake:,}. If this image has one, check a copy without it."
    )
