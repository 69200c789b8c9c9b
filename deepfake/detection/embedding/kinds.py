"""What kind of fake an image is most like, or that this cannot be told.

A multinomial logistic regression on the embedding of a detector's second network, which every verdict
computes already. It decides nothing: it is shown beside a verdict of fake or uncertain.
``training.frozen.kinds`` fits and measures it; here it is served by NumPy alone.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.detection.card import Card, ModelError, checked_file
from deepfake.types import FAKE_KINDS, FakeKind, KindEstimate

logger = logging.getLogger(__name__)

KINDS_FILE = "kinds.npz"
"""Beside ``card.json``, in whose ``kinds`` its SHA-256 stands."""


@dataclass(frozen=True)
class KindHead:
    """Embeddings -> probabilities of the kinds.

    Attributes:
        kernel: (D, K) float16.
        bias: (K,) float32.
        names: of the K kinds.
        named_from: by kind, how probable it must be to be named, 0..1; one that is not there is never named.
    """

    kernel: NDArray[np.float16]
    bias: NDArray[np.float32]
    names: tuple[FakeKind, ...]
    named_from: Mapping[str, float]

    def probabilities(self, embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, D) embeddings of length 1 -> (N, K), each row adding up to 1."""
        # In float32, as the network gives embeddings: a sum of 3,072 products in 16 bits would be coarse.
        logits = embeddings.astype(np.float32) @ self.kernel.astype(np.float32) + self.bias
        powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def kinds_of(self, embeddings: NDArray[np.floating]) -> list[KindEstimate]:
        """The likeliest kind of each of (N, D) embeddings of length 1."""
        shares = self.probabilities(embeddings)
        best = shares.argmax(axis=1)
        return [self._named(int(index), float(row[index])) for index, row in zip(best, shares, strict=True)]

    def _named(self, index: int, probability: float) -> KindEstimate:
        name = self.names[index]
        return KindEstimate(name if probability >= self.named_from.get(name, math.inf) else None, probability)


def kinds_bytes(head: KindHead) -> bytes:
    """The content of ``KINDS_FILE``; the same for the same head."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, kernel=head.kernel, bias=head.bias, names=np.array(head.names))
    return buffer.getvalue()


def load_kinds(card: Card) -> KindHead | None:
    """The kinds that a detector's card speaks of.

    Returns:
        None where it speaks of none, or where they were fitted on the embedding of another second network.

    Raises:
        ModelError: codes ``missing_file``, ``wrong_hash``, ``unreadable``, or ``bad_card``.
    """
    given = card.contents.get("kinds")
    if given is None or card.second is None:
        return None
    sha256, network, named_from = _of_card(card, given)
    again = f"Run 'python -m deepfake kinds DATA FEATURES --model {card.name}' again."
    if network != card.second.served_sha256:
        logger.warning("The kinds of fakes of '%s' are of another second network. %s", card.name, again)
        return None
    path = card.folder / KINDS_FILE
    content = checked_file(path, sha256, card.name, f"Restore {path}. {again}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            kernel, bias = stored["kernel"], stored["bias"]
            names: tuple[Any, ...] = tuple(stored["names"].tolist())
        sound = kernel.shape[1:] == bias.shape == (len(names),) and len(names) > 1
        if not (sound and set(names) <= set(FAKE_KINDS) and np.isfinite(kernel).all()):
            raise ValueError(f"kernel {kernel.shape}, bias {bias.shape}, names {names}")
    except Exception as error:  # a damaged zip or array raises a dozen types
        raise ModelError("unreadable", f"{path} cannot be used ({error}). {again}") from error
    return KindHead(kernel, bias, names, named_from)


def _of_card(card: Card, given: Any) -> tuple[str, str, dict[str, float]]:
    """SHA-256 of the file, of the network it was fitted on, and the thresholds."""
    try:
        named_from = {str(name): float(value) for name, value in given["named_from"].items()}
        if not all(map(math.isfinite, named_from.values())):
            raise ValueError(named_from)
        return str(given["sha256"]), str(given["network_sha256"]), named_from
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "bad_card",
            f"The card of the detector '{card.name}' has kinds that cannot be read ({error!r}). Restore "
            f"{card.folder}/card.json.",
        ) from error
