"""What a detector leaves undecided, and how often the rest is wrong: by score alone, and with its scope."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from deepfake.data.index import index_dataset
from deepfake.detection.detector import get_detector
from deepfake.detection.neighbour_index import even_sample
from deepfake.images.load import load_image

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="labelled face crops")
    parser.add_argument("--split", default="Validation")
    parser.add_argument("--model", metavar="NAME")
    parser.add_argument("--images", type=int, default=1440, help="at most, evenly from sources and labels")
    options = parser.parse_args()
    detector = get_detector(options.model)
    table = even_sample(index_dataset(options.data).select(split=options.split).table, options.images)
    scores: list[float] = []
    strange: list[bool] = []
    for start in range(0, len(table), BATCH):
        paths = table["path"].iloc[start : start + BATCH]
        batch = detector.score_crops([load_image(options.data / path).pixels for path in paths])
        scores += batch[0]
        strange += batch[1]
    calls = np.array([detector.card.thresholds.call(score) for score in scores])
    decided, odd = calls != "uncertain", np.array(strange)
    wrong = (calls == "fake") != (table["label"].to_numpy() == 1)
    print(f"{'':28} images  by the score: decided, wrong  with its scope: decided, wrong")
    groups = table.groupby(["source", "label"]).indices
    for name, rows in [*groups.items(), ("all", np.arange(len(table)))]:
        chosen = np.isin(np.arange(len(table)), rows)
        title = name if isinstance(name, str) else f"{name[0]} {'Fake' if name[1] else 'Real'}"
        alone, kept = chosen & decided, chosen & decided & ~odd
        print(
            f"{title:28} {chosen.sum():6} {words(alone, wrong, chosen):>31} {words(kept, wrong, chosen):>32}"
        )


def words(kept: np.ndarray, wrong: np.ndarray, chosen: np.ndarray) -> str:
    """Coverage, and risk among what is decided."""
    risk = f"{(wrong & kept).sum() / kept.sum():.1%}" if kept.any() else "-"
    return f"{kept.sum() / chosen.sum():.1%}, {risk}"


if __name__ == "__main__":
    main()
