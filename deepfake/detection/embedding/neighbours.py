"""The training pictures that a detector takes for most alike, and how unlike all of them a picture is.

An index holds embeddings, labels and names of a few thousand training pictures, never their pixels. It is
bound to the one model file that made it.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.util.files import write_whole
from deepfake.util.text import format_percent

IN_SCOPE = 0.95
"""Share of its sound verdicts on validation pictures that a detector keeps; usual for this kind of gate."""


INDEX_FILE = "lookalikes.npz"
"""Beside ``model.keras``."""
SHOWN_NEIGHBOURS = 8
"""How many look-alikes are shown."""
K_NEAREST = 5
"""The distance to this neighbour says how unlike the training pictures something is; that to the nearest
alone hangs on chance finds."""


class NeighbourError(UserError):
    """There is no index to ask; code ``no_index``, ``other_model`` or ``bad_index``."""


@dataclass(frozen=True)
class Neighbour:
    """One training picture.

    Attributes:
        path: in its data set; names come from a file, see ``sets.find_image``.
        label: 1 Fake, 0 Real.
        source: where the data set has it from.
        similarity: cosine of the two embeddings, -1 to 1; 1 is the same.
    """

    path: str
    label: int
    source: str
    similarity: float


@dataclass(frozen=True)
class OutlierScore:
    """How unlike anything it was trained on a detector takes a picture for.

    Deep nearest neighbours (Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, 2022).

    Attributes:
        distance: cosine distance to the ``K_NEAREST`` nearest training picture, 0 (the same) to 2.
        share_nearer: share, 0..1, of validation pictures (of the kinds it was trained on, but kept out of
            training) that lie nearer to theirs. Near 1: unlike anything it knows.
    """

    distance: float
    share_nearer: float


@dataclass(frozen=True)
class NeighbourIndex:
    """Training pictures of one detector by their embeddings.

    Attributes:
        vectors: (N, D), each of length 1; float16 in the file, float32 once read, as to turn them for each
            face would take longer than to compare them.
        labels: (N,) uint8, 1 Fake, 0 Real.
        sources, paths: N each.
        reference: (M,) float32 in rising order: ``OutlierScore.distance`` of validation pictures.
        max_distance: further away than this the detector gives no verdict, ``max_distance_of``.
        data: the data set's name.
        folder: its folder below one of ``settings.allowed_roots``; empty where unknown.
        model_sha256: of the model file that made it.
    """

    vectors: NDArray[np.floating]
    labels: NDArray[np.uint8]
    sources: tuple[str, ...]
    paths: tuple[str, ...]
    reference: NDArray[np.float32]
    max_distance: float
    data: str
    folder: str
    model_sha256: str

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, embedding: NDArray[np.float32], k: int = SHOWN_NEIGHBOURS) -> tuple[Neighbour, ...]:
        """The ``k`` pictures most alike (all, where there are fewer), the most alike first.

        Args:
            embedding: (D,) from ``Detector.read``.
            k: at least 1.
        """
        alike = self._similarities(embedding)
        order = np.argsort(-alike, kind="stable")[:k]
        return tuple(
            Neighbour(self.paths[row], int(self.labels[row]), self.sources[row], float(alike[row]))
            for row in order
        )

    def nearest_of(
        self, embedding: NDArray[np.float32], label: int, k: int = SHOWN_NEIGHBOURS
    ) -> tuple[Neighbour, ...]:
        """The ``k`` pictures of one class most alike (all, where there are fewer), the most alike first.

        Args:
            embedding: (D,) from ``Detector.read``.
            label: 1 Fake, 0 Real.
            k: at least 1.
        """
        return tuple(each for each in self.nearest(embedding, len(self)) if each.label == label)[:k]

    def outlier_score(self, embedding: NDArray[np.float32]) -> OutlierScore:
        """How unlike all pictures of the index one is.

        Args:
            embedding: (D,) from ``Detector.read``.
        """
        distance = kth_distance(self._similarities(embedding))
        nearer = np.searchsorted(self.reference, distance, side="left")
        return OutlierScore(distance, float(nearer) / len(self.reference))

    def look(self, embedding: NDArray[np.float32]) -> tuple[bool, int, int]:
        """``out_of_scope``, how many look-alikes there are (up to ``SHOWN_NEIGHBOURS``), fakes among them.

        Args:
            embedding: (D,) from ``Detector.read``.
        """
        alike = self._similarities(embedding)
        order = np.argsort(-alike, kind="stable")[:SHOWN_NEIGHBOURS]
        return kth_distance(alike) > self.max_distance, len(order), int(self.labels[order].sum())

    def out_of_scope(self, embedding: NDArray[np.float32]) -> bool:
        """Whether a picture is too unlike all of the index for its score to be a verdict.

        Args:
            embedding: (D,) from ``Detector.read``.
        """
        return kth_distance(self._similarities(embedding)) > self.max_distance

    def _similarities(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self.vectors, np.float32) @ embedding


def kth_distance(similarities: NDArray[np.float32]) -> float:
    """Cosine distance to the ``K_NEAREST`` nearest, or to the furthest where there are fewer.

    Args:
        similarities: (N,) cosines, N at least 1.
    """
    index = max(0, len(similarities) - K_NEAREST)
    return float(1 - np.partition(similarities, index)[index])


def share_fake(neighbours: tuple[Neighbour, ...]) -> float:
    """Share of fakes among at least one look-alike, 0..1."""
    return sum(each.label for each in neighbours) / len(neighbours)


def write_index(index: NeighbourIndex, file: Path) -> None:
    """Writes an index; what stood there is replaced at once."""
    words = asdict(index)
    words["scope"] = words.pop("max_distance")
    arrays = {name: words.pop(name) for name in ("vectors", "labels", "reference")}
    arrays["vectors"] = arrays["vectors"].astype(np.float16)
    text = np.frombuffer(json.dumps(words).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, text=text, **arrays)
    write_whole(file, buffer.getvalue())


def load_index(card: Card) -> NeighbourIndex:
    """The index of a detector, read once as long as its file stays the same.

    Raises:
        NeighbourError: ``no_index``: it has none; ``other_model``: another model file made it;
            ``bad_index``: it cannot be read.
    """
    file = card.folder / INDEX_FILE
    make = f"Make it with 'python -m deepfake index DATA --model {card.name}'."
    if not file.is_file():
        raise NeighbourError(
            "no_index", f"The detector '{card.name}' has no index of its training images. {make}"
        )
    try:
        index = _read(file, file.stat().st_mtime_ns)
    except Exception as error:  # a damaged zip or array raises a dozen types
        raise NeighbourError(
            "bad_index", f"The index of '{card.name}' cannot be read ({type(error).__name__}). {make}"
        ) from error
    if index.model_sha256 != card.sha256:
        raise NeighbourError(
            "other_model", f"The index of '{card.name}' was made by another version of it. {make}"
        )
    return index


@lru_cache(maxsize=4)
def _read(file: Path, _changed: int) -> NeighbourIndex:
    return _parsed(file.read_bytes())


@lru_cache(maxsize=4)
def _parsed(content: bytes) -> NeighbourIndex:
    """Once for all detectors whose files are the same."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        words = json.loads(stored["text"].tobytes())
        index = NeighbourIndex(
            vectors=stored["vectors"].astype(np.float16, casting="same_kind").astype(np.float32),
            labels=stored["labels"],
            sources=tuple(map(str, words["sources"])),
            paths=tuple(map(str, words["paths"])),
            reference=stored["reference"],
            max_distance=float(words["scope"]),
            data=str(words["data"]),
            folder=str(words["folder"]),
            model_sha256=str(words["model_sha256"]),
        )
    lengths = {len(index.vectors), len(index.labels), len(index.sources), len(index.paths)}
    if len(lengths) != 1 or 0 in lengths or not len(index.reference) or index.vectors.ndim != 2:
        raise ValueError(f"rows: {lengths}, validation images: {len(index.reference)}")
    return index


UNUSUAL = 0.9
"""Share of pictures kept out of training that lie nearer, above which a face is called unusual."""


def share_words(neighbours: tuple[Neighbour, ...], index: NeighbourIndex) -> str:
    """How many of at least one look-alike are fakes, and among how many they were looked for."""
    fakes = sum(each.label for each in neighbours)
    of_all = format_percent(float(index.labels.mean()))
    return (
        f"{fakes} of the {len(neighbours)} most similar training images are fakes. They were looked for "
        f"among {len(index):,} training images, {of_all} of them fakes."
    )


def outlier_sentence(outlier_score: OutlierScore, index: NeighbourIndex) -> str:
    """How far off it is, and what that means."""
    if outlier_score.distance > index.max_distance:
        return (
            f"Too unlike the training images: {format_percent(IN_SCOPE)} of the validation images with a "
            "correct verdict are closer to them. Its score is no verdict."
        )
    if outlier_score.share_nearer > UNUSUAL:
        meaning = "Unusual input: take its score with care"
    else:
        meaning = "Typical input"
    nearer = format_percent(outlier_score.share_nearer)
    return f"{meaning} ({nearer} of validation images are closer to the training images)."


def others_sentence(neighbours: tuple[Neighbour, ...], own: float) -> str:
    """How near the nearest training pictures of the other class are, beside the nearest of its own.

    Args:
        neighbours: of the other class, at least one, the nearest first.
        own: similarity of the nearest of its own class; -1 to 1.
    """
    nearest = neighbours[0]
    other, mine = ("fake", "real") if nearest.label else ("real", "fake")
    further = "less similar than" if nearest.similarity < own else "as similar as"
    return (
        f"The nearest {other} one has a similarity of {nearest.similarity:.2f}, {further} the nearest {mine} "
        f"one ({own:.2f}). If the image is {other} after all, it is most likely one of this kind."
    )


SIMILARITY_MEANS = (
    "Similar to the detector, not always to the eye: similarity 1 means that it sees no difference."
)
