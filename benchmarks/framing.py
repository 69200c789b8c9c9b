"""What can be told without looking at a face: ``python -m benchmarks.framing DATA``.

A logistic regression on the size and the place of the face within the crop, fitted on Train and measured
on Validation. What it reaches, a detector can reach without any skill at forgeries.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake.cli.evaluation_lines import evaluation_lines
from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.evaluation.statistics.metrics import evaluate_scores
from deepfake.faces.finder import find_faces
from deepfake.images.load import load_image


def framing(data: DatasetIndex, images: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where the faces are in the first ``images`` crops of each class.

    Returns:
        (N, 3): long side of the face, and offset of its centre across and down, each as a share of the
        crop's shorter side; and (N,) labels, 1 Fake. Crops in which no face is found are left out.
    """
    rows: list[tuple[float, float, float]] = []
    labels: list[int] = []
    for label in (1, 0):
        chosen = data.table.index[data.table["label"] == label][:images]
        paths = data.paths()
        for row in chosen:
            pixels = load_image(paths[row]).pixels
            faces = find_faces(pixels).faces
            if not faces:
                continue
            height, width = pixels.shape[:2]
            left, top, right, bottom = faces[0].box
            short = min(height, width)
            across, down = (left + right - width) / 2, (top + bottom - height) / 2
            rows.append((max(right - left, bottom - top) / short, across / short, down / short))
            labels.append(label)
    return np.array(rows), np.array(labels)


def main() -> None:
    """Fits and prints the metrics."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    parser = argparse.ArgumentParser(prog="python -m benchmarks.framing", description=__doc__)
    parser.add_argument("data", type=Path, help="a data set with Train and Validation")
    parser.add_argument("--images", type=int, default=300, help="of each class and split (default: 300)")
    options = parser.parse_args()
    data = index_dataset(options.data)
    known, truth = framing(data.select(split="Train"), options.images)
    seen, labels = framing(data.select(split="Validation"), options.images)
    model = make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression())
    scores = model.fit(known, truth).predict_proba(seen)[:, 1]
    for label, word in ((1, "Fake"), (0, "Real")):
        shares = np.quantile(seen[labels == label, 0], [0.05, 0.5, 0.95])
        print(f"face / crop, {word}: median {shares[1]:.2f}, 5% {shares[0]:.2f}, 95% {shares[2]:.2f}")
    print(evaluation_lines(evaluate_scores(labels, scores)))


if __name__ == "__main__":
    main()
