"""The images that several score tables have in common, once these are known to be about the same images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import check_table


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


def common_images(
    tables: Mapping[str, pd.DataFrame],
) -> CommonImages:
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
            f"No image_id is in all of {', '.join(sound)}. "
            "Score the same images of the same data set with each detector.",
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
        here, there = ("Fake", "Real") if images["label"].iloc[row] == 1 else ("Real", "Fake")
        raise ComparisonError(
            "label_conflict",
            f"{conflicts.size} of {len(images)} common images have another label in {name} than in {first}; "
            f"the first is {images['image_id'].iloc[row]}: {here} in {first}, {there} in {name}. "
            "Check that both tables are about the same data set.",
        )
