"""Real faces called fake, by age, sex and origin of the person: a table.

    python -m benchmarks.false_alarms COLLECTIONS/utkface/data/UTKFace/unlabeled [--unlike DATA] [--each 60]

Photographs of UTKFace (Zhang et al., 2017), whose names tell age, sex and origin as its makers put them.
Each is brought to the form of the training images. DATA is what the detector learnt from: its images are left
out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake.data.gather import in_one_form, name_draw
from deepfake.detection.card import load_card
from deepfake.detection.detector import Detector
from deepfake.evaluation.scores import wilson_interval
from deepfake.images.load import ImageRefused, load_image

ORIGINS = ("White", "Black", "Asian", "Indian", "other")
"""As the collection calls them, in the order of its numbers."""
AGES = (0, 10, 20, 40, 60)
"""Where the bands of age begin."""


def people(folder: Path, learnt: set[str]) -> pd.DataFrame:
    """A row for each usable file: ``path``, ``age`` band, ``sex`` and ``origin``."""
    rows = []
    for file in sorted(folder.iterdir()):
        parts = file.name.split("_")
        if len(parts) != 4 or not all(part.isdigit() for part in parts[:3]) or file.stem in learnt:
            continue
        age, sex, origin = (int(part) for part in parts[:3])
        if sex > 1 or origin >= len(ORIGINS):
            continue
        start = max(band for band in AGES if band <= age)
        later = [band for band in AGES if band > start]
        band = f"{start} to {later[0] - 1}" if later else f"{start} and above"
        rows.append([file, band, ("male", "female")[sex], ORIGINS[origin]])
    return pd.DataFrame(rows, columns=["path", "age", "sex", "origin"])


def learnt_names(data: Path | None) -> set[str]:
    """Stems of the collection's files among a gathered data set's images."""
    if data is None:
        return set()
    paths = pd.read_csv(data / "manifest.csv")["path"].astype(str)
    return {Path(path).stem.removeprefix("utkface-") for path in paths if "utkface-" in path}


def probabilities(detector: Detector, files: list[Path]) -> np.ndarray:
    """(N,) of Fake; NaN where a file is no image that can be used."""
    scores = np.full(len(files), np.nan)
    for index, file in enumerate(files):
        try:
            pixels = load_image(file).pixels
        except ImageRefused:
            continue
        scores[index] = detector.p_fake([in_one_form(pixels, name_draw(file.stem))])[0]
    return scores


def row(title: str, scores: np.ndarray, detector: Detector) -> str:
    """A line of the table."""
    band = detector.card.thresholds
    fake, undecided = int((scores >= band.uncertain_high).sum()), (scores >= band.uncertain_low).mean()
    low, high = wilson_interval(fake, len(scores), 0.95)
    undecided -= fake / len(scores)
    share = f"{fake / len(scores):.1%} ({low:.1%} to {high:.1%})"
    return f"| {title} | {len(scores)} | {share} | {undecided:.0%} |"


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description="Real faces called fake, by age, sex and origin.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unlike", type=Path, help="the gathered data set that the detector learnt from")
    parser.add_argument("--each", type=int, default=60, help="of each age and origin (default: 60)")
    parser.add_argument("--model", help="the detector (default: the default one)")
    options = parser.parse_args()
    table = people(options.folder, learnt_names(options.unlike))
    table["draw"] = [name_draw(f"alarm {path.stem}") for path in table["path"]]
    table = table.sort_values("draw").groupby(["age", "origin"], sort=False).head(options.each)
    detector = Detector(load_card(options.model))
    scores = probabilities(detector, list(table["path"]))
    table, scores = table[np.isfinite(scores)], scores[np.isfinite(scores)]
    print("| people | images | called fake (95% interval) | uncertain |\n| --- | ---: | --- | ---: |")
    print(row("all", scores, detector))
    for column in ("age", "sex", "origin"):
        for name in sorted(table[column].unique()):
            print(row(str(name), scores[(table[column] == name).to_numpy()], detector))


if __name__ == "__main__":
    main()
