"""Tables of scores, their checks, and what a score meant on images whose answer is known.

A score table has one row per image: ``image_id``, ``split``, ``source``, ``label`` and ``p_fake``. In memory
``label`` is 1 for Fake and 0 for Real; in the CSV it is the word, so that a person cannot mistake it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepfake.errors import EvaluationError
from deepfake.types import class_name
from deepfake.util.files import replacing

SCORE_COLUMNS = ("image_id", "split", "source", "label", "p_fake")
LABEL_CODES = {"Fake": 1, "Real": 0}


def check_scores(labels: ArrayLike, p_fake: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and scores as arrays, once they are known to be sound.

    Args:
        labels: (N,) numbers, 1 = Fake and 0 = Real.
        p_fake: (N,) probabilities of Fake in [0, 1].

    Raises:
        EvaluationError: empty, not one-dimensional, of different lengths, a label other than 0 and 1, or a
            score that is not a number in [0, 1].
    """
    truth, p = check_labels(labels), check_numbers(p_fake, "scores")
    if truth.size != p.size:
        raise EvaluationError(
            "length_mismatch",
            f"There are {truth.size} labels and {p.size} scores. Give one score for each label, in order.",
        )
    outside = np.flatnonzero((p < 0) | (p > 1))
    if outside.size:
        raise EvaluationError(
            "bad_scores",
            f"{outside.size} of {p.size} scores lie outside 0 to 1; the first is {p[outside[0]]:g} in row "
            f"{outside[0]}. Give probabilities of Fake between 0 and 1, not logits or percentages.",
        )
    return truth, p


def check_labels(labels: ArrayLike) -> NDArray[np.int64]:
    """(N,) labels as integers, 1 = Fake and 0 = Real; see `check_scores` for what is refused."""
    array = np.asarray(labels)
    _check_shape(array, "labels")
    sound = array.dtype.kind in "biuf" and bool(np.isin(array, (0, 1)).all())
    if not sound:
        odd = array[~np.isin(array, (0, 1))] if array.dtype.kind in "biuf" else array
        raise EvaluationError(
            "bad_labels",
            f"Labels must be 1 for Fake and 0 for Real. Received {str(odd[0])!r}. Translate them first.",
        )
    return array.astype(np.int64)


def check_numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """(N,) finite float64 numbers; `what` names them in the message ('scores', 'logits')."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EvaluationError(
            "bad_scores", f"The {what} are not all numbers: {error}. Give one number for each image."
        ) from error
    _check_shape(array, what)
    broken = np.flatnonzero(~np.isfinite(array))
    if broken.size:
        raise EvaluationError(
            "bad_scores",
            f"{broken.size} of {array.size} {what} are not finite numbers; the first is {array[broken[0]]} "
            f"in row {broken[0]}. Score those images again or leave them out.",
        )
    return array


def _check_shape(array: NDArray, what: str) -> None:
    if array.size == 0:
        raise EvaluationError(
            "empty", f"There are no {what}, so there is nothing to evaluate. Score some images first."
        )
    if array.ndim != 1:
        raise EvaluationError(
            "bad_shape",
            f"The {what} have shape {array.shape}. Expected a flat list: one number for each image.",
        )


def check_share(value: float, what: str) -> float:
    """A number strictly between 0 and 1, such as a confidence; refused with its name otherwise."""
    if not 0 < value < 1:
        raise EvaluationError(
            "bad_setting", f"{what} must lie between 0 and 1, for example 0.95. Received {value}."
        )
    return float(value)


def wilson_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval for a share of k in n (Wilson, 1927): sound for small n and for shares near 0 and 1.

    Args:
        k: successes, 0 to n.
        n: trials, at least 1.
        confidence: two-sided, between 0 and 1.

    Returns:
        (low, high), both in [0, 1].

    Raises:
        EvaluationError: ``bad_setting`` when k is not in 0..n, n is below 1 or confidence is not in (0, 1).
    """
    check_share(confidence, "The confidence")
    if n < 1 or not 0 <= k <= n:
        raise EvaluationError(
            "bad_setting",
            f"A share needs at least 1 image and a count between 0 and n. Received {k} of {n}.",
        )
    low, high = wilson_bounds(np.asarray(k), np.asarray(n), NormalDist().inv_cdf(0.5 + confidence / 2))
    return float(low), float(high)


def wilson_bounds(k: NDArray, n: NDArray, z: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson bounds elementwise for counts k of n >= 1 at `z` standard deviations."""
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The formula reaches 0 and 1 exactly there; rounding may miss them by 1e-17.
    return np.where(k == 0, 0.0, centre - half), np.where(k == n, 1.0, centre + half)


@dataclass(frozen=True)
class ScoreContext:
    """What images with a score like this one turned out to be.

    Attributes:
        n: images compared with.
        n_fake: how many of them were fake.
        share_fake: n_fake / n.
        interval: Wilson interval of share_fake.
        low, high: lowest and highest p_fake among them.
        confidence: of the interval.
    """

    n: int
    n_fake: int
    share_fake: float
    interval: tuple[float, float]
    low: float
    high: float
    confidence: float


def verdict_context(
    scores: pd.DataFrame, p_fake: float, window: int = 200, *, confidence: float = 0.95
) -> ScoreContext:
    """Of the scored images nearest to this score, how many were fake.

    The nearest `window` scores are taken rather than a fixed width of score: detectors put most images near 0
    and 1, so a fixed width would rest on a handful of images in the middle, where the answer matters most. A
    small table gives at most a fifth of its images, lest 'scored like this' mean 'all'. Images as far away as
    the last one taken are taken too, so the order of the table does not matter. The share holds for the mix
    of fake and real in `scores`.

    Args:
        scores: a score table (see `read_scores`).
        p_fake: the score to explain, in [0, 1].
        window: number of images, at least 1.
        confidence: of the Wilson interval.

    Raises:
        EvaluationError: an unsound table, score or window.
    """
    table = check_table(scores)
    labels, p = table["label"].to_numpy(), table["p_fake"].to_numpy()
    check_scores([0], [p_fake])
    if window < 1:
        raise EvaluationError("bad_setting", f"The window must be at least 1 image. Received {window}.")
    k = min(int(window), max(1, len(p) // 5))
    distance = np.abs(p - p_fake)
    near = distance <= np.partition(distance, k - 1)[k - 1]
    n, n_fake = int(near.sum()), int(labels[near].sum())
    interval = wilson_interval(n_fake, n, confidence)
    return ScoreContext(
        n, n_fake, n_fake / n, interval, float(p[near].min()), float(p[near].max()), confidence
    )


def check_table(table: pd.DataFrame) -> pd.DataFrame:
    """A sound copy of a score table: columns in order (others after them), label as 1/0, p_fake as float.

    Labels may come as 'Fake' and 'Real' or as 1 and 0.

    Raises:
        EvaluationError: a missing column, no rows, an empty or repeated image_id, an unknown label, or a
            p_fake that is not a number in [0, 1].
    """
    missing = [name for name in SCORE_COLUMNS if name not in table.columns]
    if missing:
        raise EvaluationError(
            "missing_columns",
            f"The score table lacks {', '.join(missing)}. "
            f"Received {', '.join(map(str, table.columns))}. Expected {', '.join(SCORE_COLUMNS)}.",
        )
    ids = table["image_id"]
    nameless = np.flatnonzero(ids.isna() | (ids.astype(str).str.strip() == ""))
    if nameless.size:
        raise EvaluationError(
            "bad_ids",
            f"{nameless.size} rows of the score table have no image_id; the first is row {nameless[0] + 2}, "
            "the header being row 1. Give every image a name of its own.",
        )
    repeated: dict[str, list[str]] = {}
    for row in np.flatnonzero(ids.duplicated(keep=False)):
        repeated.setdefault(str(ids.iloc[row]), []).append(str(row + 2))
    if repeated:
        named = ", ".join(f"{name} (rows {' and '.join(rows[:3])})" for name, rows in [*repeated.items()][:5])
        named += ", ..." if len(repeated) > 5 else ""
        raise EvaluationError(
            "duplicate_ids",
            f"{len(repeated)} image_id values appear more than once: {named}. Keep one row for each image.",
        )
    known = {**LABEL_CODES, 1: 1, 0: 0}
    labels = table["label"].map(known)
    unknown = np.flatnonzero(labels.isna())
    if unknown.size:
        raise EvaluationError(
            "bad_labels",
            f"{unknown.size} rows of the score table have an unknown label; the first is "
            f"{str(table['label'].iloc[unknown[0]])!r} in row {unknown[0]}. Expected Fake or Real.",
        )
    labels, p_fake = check_scores(labels, table["p_fake"].to_numpy())
    others = [name for name in table.columns if name not in SCORE_COLUMNS]
    return table[[*SCORE_COLUMNS, *others]].assign(label=labels, p_fake=p_fake).reset_index(drop=True)


def read_scores(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a score table from CSV.

    Returns:
        columns image_id, split, source (text), label (1 = Fake, 0 = Real), p_fake (float in [0, 1]), then any
        further columns of the file as text.

    Raises:
        EvaluationError: the file is missing or is not CSV, or `check_table` refuses its content.
    """
    if not Path(path).is_file():
        raise EvaluationError(
            "not_found", f"There is no score file at {path}. Check the name or evaluate again."
        )
    try:
        # As text, so that an image called 'NA' or '007' keeps its name and no digit of a score is lost.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise EvaluationError(
            "unreadable", f"{path} is not a CSV table: {error}. Expected columns {', '.join(SCORE_COLUMNS)}."
        ) from error
    return check_table(table)


def write_scores(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a score table as CSV, labels as 'Fake' and 'Real'; `read_scores` gives the scores back exactly.

    Nothing is written when `check_table` refuses the table (EvaluationError); an older file is replaced
    whole.
    """
    checked = check_table(table)
    words = {code: word for word, code in LABEL_CODES.items()}
    labelled = checked.assign(label=[words[code] for code in checked["label"]])
    with replacing(Path(path)) as partial:
        labelled.to_csv(partial, index=False, encoding="utf-8")


class ComparisonError(EvaluationError):
    """Score tables that cannot be compared.

    Codes: ``too_few``, ``no_common_images``, ``label_conflict``, ``bad_setting``, and those of
    `deepfake.evaluation.scores.check_table`, with the table's name in the message.
    """


@dataclass(frozen=True)
class CommonImages:
    """What K detectors said of the N images that all of them scored.

    Attributes:
        images: image_id, split, source, label (1 = Fake, 0 = Real) as in the first table and in its order.
        scores: (K, N) p_fake in [0, 1], tables in the order given.
        left_out: for each table, its images that are not in all tables.
        notes: sentences for a person: what was left out, and where sources differ.
    """

    images: pd.DataFrame
    scores: NDArray[np.float64]
    left_out: dict[str, int]
    notes: tuple[str, ...]


def common_images(tables: Mapping[str, pd.DataFrame]) -> CommonImages:
    """Match the rows of two or more score tables, given by the detector's name, by image_id.

    Raises:
        ComparisonError: fewer than two tables, an unsound one, no common image, or a label that differs.
    """
    if len(tables) < 2:
        raise ComparisonError(
            "too_few", f"To compare takes two score tables or more. Received {len(tables)}."
        )
    sound = {name: _sound(name, table) for name, table in tables.items()}
    first, *others = sound
    keep = np.ones(len(sound[first]), dtype=bool)
    for name in others:
        keep &= sound[first]["image_id"].isin(sound[name]["image_id"]).to_numpy()
    images = sound[first].loc[keep, ["image_id", "split", "source", "label"]].reset_index(drop=True)
    if images.empty:
        raise ComparisonError(
            "no_common_images",
            f"No image_id is in all of {', '.join(sound)}. Score the same images of the same dataset with "
            "each detector.",
        )
    aligned = {name: table.set_index("image_id").loc[images["image_id"]] for name, table in sound.items()}
    left_out = {name: len(table) - len(images) for name, table in sound.items()}
    notes = [
        f"Left out {count} of {len(sound[name])} images of {name}: they are not in every table."
        for name, count in left_out.items()
        if count
    ]
    for name in others:
        _check_labels_agree(images, aligned[name], first, name)
        moved = int((aligned[name]["source"].to_numpy() != images["source"].to_numpy()).sum())
        if moved:
            notes.append(
                f"{moved} of {len(images)} common images have another source in {name} than in {first}: "
                "check that they are the same images."
            )
    scores = np.stack([table["p_fake"].to_numpy() for table in aligned.values()])
    return CommonImages(images, scores, left_out, tuple(notes))


def _sound(name: str, table: pd.DataFrame) -> pd.DataFrame:
    try:
        return check_table(table)
    except EvaluationError as error:
        raise ComparisonError(error.code, f"{name}: {error.message}") from error


def _check_labels_agree(images: pd.DataFrame, other: pd.DataFrame, first: str, name: str) -> None:
    conflicts = np.flatnonzero(images["label"].to_numpy() != other["label"].to_numpy())
    if conflicts.size:
        row = conflicts[0]
        label = images["label"].iloc[row]
        here, there = class_name(label), class_name(1 - label)
        raise ComparisonError(
            "label_conflict",
            f"{conflicts.size} of {len(images)} common images have another label in {name} than in {first}; "
            f"the first is {images['image_id'].iloc[row]}: {here} in {first}, {there} in {name}. "
            "Check that both tables are about the same dataset.",
        )
