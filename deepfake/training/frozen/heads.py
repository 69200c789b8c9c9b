"""A linear head on features of a frozen network: fitted in minutes, without a network.

Everything is NumPy on features that ``cache`` keeps. A head is one row of weights: the last dense
layer of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.special
from numpy.typing import ArrayLike, NDArray

SMALLEST_DEVIATION = 1e-4
"""A feature that varies less is left as it is: dividing by next to nothing would blow up its noise."""


@dataclass(frozen=True)
class Head:
    """Features -> logit of Fake.

    Attributes:
        kernel: (D,) float32.
        bias: added.
    """

    kernel: NDArray[np.float32]
    bias: float

    def logits(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) features -> (N,) logits of Fake."""
        return features.astype(np.float32) @ self.kernel + np.float32(self.bias)


def balanced_weights(groups: ArrayLike, labels: ArrayLike, shares: dict[str, float] | None = None) -> NDArray:
    """How much each image counts: every group its share, half of it each class, 1 on average.

    Args:
        groups: (N,) names, a source or kind of each image.
        labels: (N,) 1 Fake, 0 Real.
        shares: of the groups; None: all alike. A group with one class only gives it half of its share.

    Returns:
        (N,) float64, above 0 for the groups in ``shares``.
    """
    names, classes = np.asarray(groups).astype(str), np.asarray(labels).astype(int)
    weights = np.zeros(len(names))
    for name in np.unique(names):
        share = 1.0 if shares is None else shares.get(str(name), 0.0)
        for label in (0, 1):
            mine = (names == name) & (classes == label)
            if mine.any():
                weights[mine] = share / 2 / mine.sum()
    for label in (0, 1):  # sources of one class only must not tip the scales
        mine = classes == label
        total = weights[mine].sum()
        if total > 0:
            weights[mine] /= 2 * total
    return weights * len(weights)


class Moments:
    """Sums over weighted rows from which ridge heads on any columns are solved; sums of parts add up.

    So a table of left-out groups costs one pass over the features and a small solution for each cell.
    """

    def __init__(
        self,
        features: NDArray[np.floating],
        labels: ArrayLike,
        weights: ArrayLike,
        centre: NDArray[np.float32],
    ) -> None:
        """Sums up.

        Args:
            features: (N, D).
            labels: (N,) 1 Fake, 0 Real.
            weights: (N,) how much each image counts.
            centre: (D,) about the mean of all features, taken off first: sums of squares in float32 would
                lose the small deviations of large numbers. The same one for all parts of a sum.
        """
        self.centre = centre
        rows = features.astype(np.float32) - centre
        counted = np.asarray(weights, np.float32)
        targets = np.asarray(labels, np.float32) * 2 - 1
        heavy = rows * counted[:, None]
        self.square: NDArray[np.float64] = (rows.T @ heavy).astype(np.float64)
        self.sums: NDArray[np.float64] = heavy.sum(0, dtype=np.float64)
        self.target_products: NDArray[np.float64] = (heavy.T @ targets).astype(np.float64)
        self.target_sum = float((counted * targets).sum())
        self.weight = float(counted.sum())

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets of rows."""
        both = object.__new__(Moments)
        both.centre = self.centre
        for name in ("square", "sums", "target_products", "target_sum", "weight"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        return both

    def scaled(self, factor: float) -> Moments:
        """The same rows, each counting ``factor`` times as much."""
        scaled = object.__new__(Moments)
        scaled.centre = self.centre
        for name in ("square", "sums", "target_products", "target_sum", "weight"):
            setattr(scaled, name, getattr(self, name) * factor)
        return scaled

    def ridge(self, strengths: Sequence[float], columns: NDArray[np.intp] | None = None) -> list[Head]:
        """Heads of least squares on targets -1 and 1, on standardised features.

        Args:
            strengths: of the penalty, each above 0: times the mean square of a standardised feature.
            columns: of the features to use; None for all. The other weights are 0.
        """
        kept = np.arange(len(self.sums)) if columns is None else np.asarray(columns)
        mean = self.sums[kept] / self.weight
        covariance = self.square[np.ix_(kept, kept)] / self.weight - np.outer(mean, mean)
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
        deviation = np.where(deviation < SMALLEST_DEVIATION, 1.0, deviation)
        target = self.target_sum / self.weight
        products = (self.target_products[kept] / self.weight - mean * target) / deviation
        correlation = covariance / np.outer(deviation, deviation)
        heads = []
        for strength in strengths:
            penalised = correlation + strength * np.eye(len(kept))
            solved = scipy.linalg.solve(penalised, products, assume_a="pos") / deviation
            kernel = np.zeros(len(self.sums))
            kernel[kept] = solved
            heads.append(Head(kernel.astype(np.float32), float(target - (mean + self.centre[kept]) @ solved)))
        return heads


def standardised(
    features: NDArray[np.floating], weights: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(N, D) features about their mean, by their deviation; both, (D,), with each row counting its weight."""
    counted = np.asarray(weights, np.float64)
    counted = (counted / counted.sum()).astype(np.float32)
    rows = features.astype(np.float32)
    mean = counted @ rows
    rows -= mean
    deviation = np.sqrt(np.maximum(counted @ np.square(rows), 0))
    deviation = np.where(deviation < SMALLEST_DEVIATION, np.float32(1), deviation)
    return rows / deviation, mean, deviation


def fit_logistic(
    features: NDArray[np.floating], labels: ArrayLike, weights: ArrayLike, strength: float, steps: int = 200
) -> Head:
    """A head of logistic regression with a squared penalty, on standardised features.

    Args:
        features: (N, D).
        labels: (N,) 1 Fake, 0 Real.
        weights: (N,) how much each image counts.
        strength: of the penalty, above 0: half of it times the sum of squared weights is added to the mean
            loss of an image.
        steps: of L-BFGS, at most.
    """
    counted = np.asarray(weights, np.float64)
    counted = counted / counted.sum()
    rows, mean, deviation = standardised(features, weights)
    signs = np.asarray(labels, np.float64) * 2 - 1

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        kernel, bias = parameters[:-1], parameters[-1]
        true_logits = signs * ((rows @ kernel.astype(np.float32)).astype(np.float64) + bias)
        slopes = -counted * signs * scipy.special.expit(-true_logits)
        value = counted @ np.logaddexp(0, -true_logits) + strength / 2 * kernel @ kernel
        slope = (slopes.astype(np.float32) @ rows).astype(np.float64) + strength * kernel
        return float(value), np.append(slope, slopes.sum())

    start = np.zeros(rows.shape[1] + 1)
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps})
    kernel = best.x[:-1] / deviation.astype(np.float64)
    return Head(kernel.astype(np.float32), float(best.x[-1] - mean.astype(np.float64) @ kernel))
