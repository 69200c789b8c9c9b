"""What breaks a detector: its scores under perturbation and attack, against the clean pictures' scores."""

from __future__ import annotations

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetError, DatasetIndex
from deepfake.detection.detector import Detector
from deepfake.images.load import ImageRefused, load_image
from deepfake.images.pixels import InputSpec, Interpolation, resize
from deepfake.perturbations.graded import KINDS, GradedPerturbation, altered
from deepfake.robustness.attacks import Floats, LogitGradient, compiled_logit_gradient, fgsm, pgd
from deepfake.robustness.table import Condition, summarise
from deepfake.types import Pixels, Thresholds

ATTACKS = ("fgsm", "pgd")
EPSILONS = (1, 2, 4, 8)
"""Largest changes of a pixel's value, of 255, that the attacks are given."""
ATTACK_IMAGES = 100
"""Pictures that are attacked where no other number is given: attacks cost most, and their effect is large."""
ATTACKED_TOGETHER = 4
"""Images of one attack's batch; with all epsilons 16 rows, the fastest on two cores."""
AHEAD = 4
"""Images that are altered ahead of the network."""


@dataclass(frozen=True)
class Subject:
    """What is tested.

    Attributes:
        name: the detector's.
        spec: its input.
        thresholds: of its card.
        p_fake: uint8 batch (N, size, size, 3) -> (N,) calibrated probabilities of Fake.
        logit_gradient: for the attacks (``attacks.LogitGradient``); None: it is not attacked.
        version: SHA-256 of the model file.
        score_version: ``Card.score_version``.
    """

    name: str
    spec: InputSpec
    thresholds: Thresholds
    p_fake: Callable[[Pixels], NDArray[np.float64]]
    logit_gradient: LogitGradient | None = None
    version: str = ""
    score_version: str = ""


@dataclass(frozen=True)
class Robustness:
    """What became of one detector's scores.

    Attributes:
        model: the detector's name.
        version: SHA-256 of its model file.
        thresholds: the card's; verdicts are those of the balanced operating point, forced choices those at
            ``thresholds.balanced``.
        data: what the pictures are, in words.
        n_fake, n_real: pictures; attacks have fewer (column ``n`` of the table).
        table: a row a condition; see ``table.CONDITION_COLUMNS``.
        refused: (path, reason) of files that could not be read and are in no number.
        score_version: ``Card.score_version`` of the detector as it was measured.
    """

    model: str
    version: str
    thresholds: Thresholds
    data: str
    n_fake: int
    n_real: int
    table: pd.DataFrame
    refused: tuple[tuple[str, str], ...] = field(default=())
    score_version: str = ""

    @property
    def threshold(self) -> float:
        """Of the forced choice: fake when p_fake >= threshold, else real."""
        return self.thresholds.balanced


def subject_of(detector: Detector) -> Subject:
    """A detector as it is tested; its Keras network is loaded where gradients are asked for."""
    card = detector.card

    def p_fake(batch: Pixels) -> NDArray[np.float64]:
        return card.probability(detector.scorer(batch))

    @functools.cache
    def compiled() -> LogitGradient:
        return compiled_logit_gradient(detector.network, card.input)

    def gradient(pixels: Floats, labels: Floats) -> tuple[Floats, Floats]:
        return compiled()(pixels, labels)

    return Subject(card.name, card.input, card.thresholds, p_fake, gradient, card.sha256, card.score_version)


def balanced_sample(data: DatasetIndex, images: int) -> DatasetIndex:
    """Up to ``images`` pictures, half of each class, chosen by a hash of their paths: the same every time.

    A class with fewer than its half gives all it has.
    """
    digest = [hashlib.sha256(str(path).encode()).hexdigest() for path in data.table["path"]]
    order = data.table.assign(digest=digest).sort_values("digest")
    kept = order.groupby("label").head(max(1, images // 2)).sort_values("path")
    return DatasetIndex(data.root, kept.drop(columns="digest").reset_index(drop=True))


def data_title(data: DatasetIndex, split: str | None, source: str | None) -> str:
    """What the pictures are: source, or folder, and split."""
    return ", ".join([source or data.root.resolve().name, *([split] if split else [])])


def conditions(kinds: Sequence[GradedPerturbation], epsilons: Sequence[int]) -> list[Condition]:
    """Clean, every amount of every kind, then every epsilon of every attack."""
    altered_ones = [
        Condition(kind.name, level, amount)
        for kind in kinds
        for level, amount in enumerate(kind.amounts, start=1)
    ]
    attacked = [Condition(name, level, e) for name in ATTACKS for level, e in enumerate(epsilons, start=1)]
    return [Condition("clean", 0, float("nan")), *altered_ones, *attacked]


def sweep(
    subjects: Sequence[Subject],
    data: DatasetIndex,
    *,
    title: str = "",
    kinds: Sequence[GradedPerturbation] = KINDS,
    epsilons: Sequence[int] = EPSILONS,
    attack_images: int = ATTACK_IMAGES,
    n_bootstrap: int = 1000,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Robustness, ...]:
    """Scores every picture under every kind, amount and attack; each is decoded once for all detectors.

    The numbers follow from the pictures' bytes and the detectors alone.

    Args:
        subjects: the detectors.
        data: labelled face crops.
        title: what the pictures are, in words.
        kinds: from ``graded.KINDS``.
        epsilons: of the attacks; none where empty or where a subject has no ``logit_gradient``.
        attack_images: at most so many pictures are attacked, half of each class; an attack costs as much as
            a hundred scores.
        n_bootstrap: resamples for the interval of the balanced accuracy.
        on_progress: told how many pictures are done. What it raises ends the work.

    Returns:
        a result for each subject, in their order.

    Raises:
        DatasetError: code ``no_images``: not one picture could be read; ``missing_file``: some are not there.
    """
    data.check_files()
    labels = data.table["label"].to_numpy()
    steps = conditions(kinds, epsilons)
    n_altered = 1 + sum(len(kind.amounts) for kind in kinds)
    scores = np.full((len(subjects), len(data), len(steps)), np.nan)
    refused: dict[int, str] = {}
    waiting: list[tuple[int, _Copies]] = []
    chosen = set(balanced_sample(data, attack_images).table["path"])
    attacked = {row for row, path in enumerate(data.table["path"]) if path in chosen}

    def attack_waiting() -> None:
        if waiting and epsilons:
            rows = [row for row, _ in waiting]
            for index, subject in enumerate(subjects):
                scores[index, rows, n_altered:] = _attacked(subject, waiting, labels[rows], epsilons)
        waiting.clear()

    forms = {_form(subject.spec) for subject in subjects}
    for row, copies in _decoded(data.paths(), kinds, forms):
        if isinstance(copies, str):
            refused[row] = copies
        else:
            for index, subject in enumerate(subjects):
                scores[index, row, :n_altered] = subject.p_fake(copies.of_form[_form(subject.spec)])
            if row in attacked:
                waiting.append((row, copies))
        if len(waiting) == ATTACKED_TOGETHER or row == len(data) - 1:
            attack_waiting()
        if on_progress is not None:
            on_progress(row + 1)
    good = np.array([row not in refused for row in range(len(data))])
    if not good.any():
        raise DatasetError("no_images", f"None of the {len(data)} images in {data.root} could be read.")
    paths = data.table["path"]
    return tuple(
        Robustness(
            subject.name,
            subject.version,
            subject.thresholds,
            title,
            int(labels[good].sum()),
            int((1 - labels[good]).sum()),
            summarise(scores[index][good], labels[good], steps, subject.thresholds, n_bootstrap),
            tuple((str(paths[row]), why) for row, why in sorted(refused.items())),
            subject.score_version,
        )
        for index, subject in enumerate(subjects)
    )


_Form = tuple[int, Interpolation]
"""Size of a network's input, and how crops are brought to it."""


def _form(spec: InputSpec) -> _Form:
    return spec.size, spec.interpolation


@dataclass(frozen=True)
class _Copies:
    """An image's hash and, for each form of input, its clean and altered copies (C, size, size, 3) uint8."""

    sha256: str
    of_form: dict[_Form, Pixels]


def _decoded(
    paths: Sequence[str], kinds: Sequence[GradedPerturbation], forms: set[_Form]
) -> Iterator[tuple[int, _Copies | str]]:
    """Each image's copies, or why there are none, in order; threads work ahead of the caller."""
    cv2.setNumThreads(0)  # one image a thread; OpenCV's own threads would fight them

    def load(path: str) -> _Copies | str:
        try:
            image = load_image(path)
        except ImageRefused as refusal:
            return refusal.message
        sha256 = image.facts.sha256
        copies = [image.pixels]
        copies += [altered(image.pixels, sha256, kind, amount) for kind in kinds for amount in kind.amounts]
        return _Copies(sha256, {form: np.stack([resize(copy, *form) for copy in copies]) for form in forms})

    queue: deque[Future[_Copies | str]] = deque()
    with ThreadPoolExecutor(max_workers=AHEAD) as pool:
        coming = iter(paths)
        queue.extend(pool.submit(load, path) for path in islice(coming, AHEAD))
        row = 0
        while queue:
            yield row, queue.popleft().result()
            row += 1
            queue.extend(pool.submit(load, path) for path in islice(coming, 1))


def _attacked(
    subject: Subject,
    images: Sequence[tuple[int, _Copies]],
    labels: NDArray[np.int64],
    epsilons: Sequence[int],
) -> NDArray[np.float64]:
    """(N, attacks * epsilons) p_fake, in the order of ``conditions``; NaN for a subject without gradients."""
    if subject.logit_gradient is None:
        return np.full((len(images), len(ATTACKS) * len(epsilons)), np.nan)
    clean = np.stack([copies.of_form[_form(subject.spec)][0] for _, copies in images])
    times = len(epsilons)
    pixels, truth = clean.repeat(times, axis=0), labels.repeat(times)
    reach = list(epsilons) * len(images)
    seeds = [int(copies.sha256[:16], 16) for _, copies in images for _ in epsilons]
    found = (
        fgsm(subject.logit_gradient, pixels, truth, reach),
        pgd(subject.logit_gradient, pixels, truth, reach, seeds),
    )
    return np.hstack([subject.p_fake(batch).reshape(len(images), times) for batch in found])
