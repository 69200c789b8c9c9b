"""What a run does to each image: check it as ``predict`` does, or score it as ``evaluate`` does.

A task travels to the process that does the work, is made ready there once, and then takes batches. Every
engine calls the same function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from deepfake.bulk.items import Item, row_name
from deepfake.bulk.results import Judged, RunSpec
from deepfake.errors import UserError
from deepfake.types import OperatingPoint
from deepfake.util.jobs import in_order
from deepfake.util.litert import processors

if TYPE_CHECKING:
    from deepfake.detection.card import Card
    from deepfake.detection.detector import Detector

Work = Callable[[Sequence[Item]], list[Judged]]
"""Judges a batch; never raises for what a file holds."""

ERROR = pa.struct([("code", pa.string()), ("message", pa.string())])
_BOX = pa.list_(pa.int32())
_KIND = pa.struct([("name", pa.string()), ("probability", pa.float64())])
_FACE = pa.struct(
    [
        ("box", _BOX),
        ("crop", _BOX),
        ("p_fake", pa.float64()),
        ("verdict", pa.string()),
        ("confidence", pa.float64()),
        ("out_of_scope", pa.bool_()),
        ("turn", pa.int32()),
        ("reason", pa.string()),
        ("fake_from", pa.float64()),
    ]
)
_WHOLE = pa.struct(
    [("p_fake", pa.float64()), ("counts", pa.bool_()), ("verdict", pa.string()), ("square", _BOX)]
)
_CHANGE = pa.struct(
    [
        ("kind", pa.string()),
        ("amount", pa.float64()),
        ("unit", pa.string()),
        ("mild", pa.bool_()),
        ("p_fake", pa.float64()),
        ("verdict", pa.string()),
    ]
)
_STRESS = pa.struct(
    [
        ("verdict", pa.string()),
        ("stable", pa.bool_()),
        ("sentence", pa.string()),
        ("changes", pa.list_(_CHANGE)),
    ]
)
_EVIDENCE = pa.struct(
    [
        ("name", pa.string()),
        ("finding", pa.string()),
        ("strength", pa.string()),
        ("points_to", pa.string()),
        ("ignore", pa.string()),
    ]
)
VERDICTS = pa.schema(
    [
        ("file", pa.string()),
        ("sha256", pa.string()),
        ("verdict", pa.string()),
        ("p_fake", pa.float64()),
        ("raw_p_fake", pa.float64()),
        ("basis", pa.string()),
        ("expected_fake", pa.float64()),
        ("kind", _KIND),
        ("faces", pa.list_(_FACE)),
        ("whole", _WHOLE),
        ("stress", pa.list_(_STRESS)),
        ("evidence", pa.list_(_EVIDENCE)),
        ("warnings", pa.list_(pa.string())),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("turn", pa.int32()),
        ("photo", _BOX),
        ("scope", pa.string()),
        ("operating_point", pa.string()),
        ("model", pa.string()),
        ("error", ERROR),
    ]
)
"""A row of ``predict``: the fields of its ``--json``."""
SCORES = pa.schema(
    [
        ("file", pa.string()),
        ("sha256", pa.string()),
        ("logit", pa.float32()),
        ("p_fake", pa.float64()),
        ("error", ERROR),
    ]
)
"""A row of ``evaluate``: ``file`` is the path in the dataset, ``logit`` that of Fake."""


class Task(Protocol):
    """What is done to each image; small, and the same on every machine."""

    @property
    def spec(self) -> RunSpec:
        """What the rows are and what they follow from."""
        ...

    @property
    def batch(self) -> int:
        """Images handed to a worker at a time."""
        ...

    def ready(self) -> Work:
        """Loads what it takes.

        Raises:
            UserError: there is no such detector here, or it is another version of it (``other_detector``).
        """
        ...


@dataclass(frozen=True)
class Predict:
    """Checks images as ``predict`` does.

    Attributes:
        detector: its name.
        version: from ``detector_version``, so that every worker has the same one.
        point: which thresholds decide.
        stress: score changed copies of each face as well.
    """

    detector: str
    version: str
    point: OperatingPoint = "balanced"
    stress: bool = False

    @property
    def spec(self) -> RunSpec:
        """Rows with verdicts."""
        from deepfake.detection.card import load_card

        settings = {
            "detector": self.detector,
            "detector_version": self.version,
            "thresholds": asdict(load_card(self.detector).thresholds),
            "operating_point": self.point,
            "stress": self.stress,
        }
        return RunSpec("predict", settings, VERDICTS)

    @property
    def batch(self) -> int:
        """A second or so of work."""
        return 4 if self.stress else 32

    def ready(self) -> Work:
        """Loads the detector; see ``Task.ready``."""
        from deepfake.detection.batch import AT_ONCE, judge_source
        from deepfake.images.archives import Source
        from deepfake.report.evidence import with_evidence

        detector, at_once = _detector(self.detector, self.version), min(AT_ONCE, processors())

        def judge(item: Item) -> Judged:
            content = _unknown(item)
            if isinstance(content, Judged):
                return content
            source = Source(item.name, content)
            outcome = judge_source(detector, source, self.point, stress=self.stress)
            outcome = with_evidence(outcome, source, detector.card)
            return _judged(item, outcome.to_dict(), _sha256(content))

        return lambda items: list(in_order(judge, items, at_once))


@dataclass(frozen=True)
class Score:
    """Scores labelled face crops as ``evaluate`` does.

    Attributes:
        detector: its name.
        version: from ``detector_version``.
        perturbed: the one perturbed copy of each image in its place.
    """

    detector: str
    version: str
    perturbed: bool = False

    @property
    def spec(self) -> RunSpec:
        """Rows with logits."""
        settings = {
            "detector": self.detector,
            "detector_version": self.version,
            "perturbed": self.perturbed,
        }
        return RunSpec("evaluate", settings, SCORES)

    @property
    def batch(self) -> int:
        """A second or so of work."""
        return 64

    def ready(self) -> Work:
        """Loads the detector; see ``Task.ready``."""
        from deepfake.networks.scoring import score_files

        detector = _detector(self.detector, self.version)

        def score(items: Sequence[Item]) -> list[Judged]:
            judged: list[Judged] = []
            left: list[tuple[Item, str]] = []
            for item in items:
                content = _unknown(item)
                if isinstance(content, Judged):
                    judged.append(content)
                else:
                    left.append((item, _sha256(content)))
            refused: dict[int, UserError] = {}
            logits = score_files(
                detector.scorer,
                detector.card.input,
                [item.location for item, _ in left],
                perturbed=self.perturbed,
                on_refused=refused.__setitem__,
            )
            p_fake = detector.card.probability(logits)
            for number, (item, sha256) in enumerate(left):
                if (refusal := refused.get(number)) is not None:
                    judged.append(refused_row(item, refusal, sha256))
                else:
                    row = {"logit": float(logits[number]), "p_fake": float(p_fake[number])}
                    judged.append(_judged(item, row, sha256))
            return judged

        return score


def refused_row(item: Item, refusal: UserError, sha256: str | None = None) -> Judged:
    """The row of an image that was refused; ``sha256`` where its content is known."""
    error = {"code": refusal.code, "message": row_name(refusal.message)}
    return _judged(item, {"error": error}, sha256)


def _judged(item: Item, row: dict[str, Any], sha256: str | None) -> Judged:
    return Judged(item.name, {**row, "file": item.name, "sha256": sha256}, item.has_row)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unknown(item: Item) -> bytes | Judged:
    """The content that is still to be judged; what came of the item where there is nothing left to do."""
    try:
        content = item.read()
    except UserError as refusal:
        return refused_row(item, refusal)
    return Judged(item.name, None) if item.known and _sha256(content) == item.known else content


def detector_version(card: Card) -> str:
    """Changes with all that a verdict follows from: networks, calibration, thresholds, rules and index."""
    from deepfake.detection.embedding.neighbours import INDEX_FILE

    digest = hashlib.sha256(card.version.encode())
    index = card.folder / INDEX_FILE
    digest.update(index.read_bytes() if index.is_file() else b"")
    return digest.hexdigest()


def _detector(name: str, version: str) -> Detector:
    from deepfake.detection.detector import get_detector

    detector = get_detector(name)
    if detector_version(detector.card) != version:
        raise UserError(
            "other_detector",
            f"The detector '{name}' is not the version that the run was begun with. Put the same detector on "
            "every machine.",
        )
    return detector
