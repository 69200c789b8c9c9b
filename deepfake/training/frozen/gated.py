"""A head on features of a frozen network, and a gate that keeps it silent on one kind of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from deepfake.training.frozen.heads import Head, balanced_weights, fit_logistic
from deepfake.training.frozen.hidden import HiddenHead, averaged, fit_hidden


@dataclass(frozen=True)
class GatedHead:
    """A head that has no say on one kind of images, which a detector beside it knows better.

    A gate as in a mixture of experts (Jacobs et al., Adaptive Mixtures of Local Experts, 1991).

    Attributes:
        head: as if there were no gate.
        gate: features -> logit of an image's being of another kind; None: it always has its say.
    """

    head: Head | HiddenHead
    gate: Head | None = None

    def logits(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) features -> (N,) logits of Fake, near 0 on the kind that is not its own."""
        return self.head.logits(features) * self.gates(features)

    def gates(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) features -> (N,) how much the head has its say, in [0, 1]."""
        if self.gate is None:
            return np.ones(len(features), np.float32)
        return scipy.special.expit(self.gate.logits(features))


def fit_gated(
    features: NDArray[np.floating],
    labels: ArrayLike,
    sources: NDArray[np.str_],
    *,
    penalty: float,
    shares: dict[str, float] | None = None,
    units: int = 0,
    gate: str | None = None,
) -> GatedHead:
    """A head, the sources counted as ``balanced_weights`` does, and its gate.

    Args:
        features: (N, D).
        labels: (N,) 1 Fake, 0 Real.
        sources: (N,) of each image.
        penalty: of what is logistic regression, see ``fit_logistic``.
        shares: of the sources; None: all alike.
        units: 0: logistic regression alone; else averaged with ``hidden.fit_hidden`` of so many units.
        gate: the source on whose images the head has no say; it must be among ``sources``, with others.
    """
    weights = balanced_weights(sources, labels, shares)
    head: Head | HiddenHead = fit_logistic(features, labels, weights, penalty)
    if units:
        head = averaged(head, fit_hidden(features, labels, weights, units))
    if gate is None:
        return GatedHead(head)
    other = (sources != gate).astype(int)
    return GatedHead(head, fit_logistic(features, other, balanced_weights(sources, other), penalty))
