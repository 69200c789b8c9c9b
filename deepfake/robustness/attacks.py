"""Attacks that see the network: the smallest changes of a picture that mislead it most.

The attacker knows every weight (white box) and may change each channel of each pixel of the resized input by
at most epsilon, in steps of 1 of 255 (L-infinity). Results are whole pixel values, as a picture file has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.images.pixels import InputSpec, scaled
from deepfake.types import Pixels

Floats = NDArray[np.float32]
Integers = Sequence[int] | NDArray[np.int64]
LogitGradient = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""``(pixels, labels) -> (true_logits, gradients)``: pixels (N, S, S, 3) float32 in 0..255, labels (N,) 1 Fake
or 0 Real, true_logits (N,) those of the true class, so the logit of Fake, negated for Real, and their
gradients by pixel value, shaped as the pixels."""

PGD_STEPS = 10


def compiled_logit_gradient(model: Any, spec: InputSpec) -> LogitGradient:
    """A network's logit of the true class and its gradient, by TensorFlow's GradientTape.

    The cross-entropy falls as the true logit rises, so the signs of their gradients are opposite; unlike its
    gradient, the true logit's does not vanish where the network is sure.

    Args:
        model: a network of ``architectures``.
        spec: its input.
    """
    import tensorflow as tf

    from deepfake.networks.architectures import fake_logit

    images = tf.TensorSpec((None, spec.size, spec.size, 3), tf.float32)

    @tf.function(input_signature=[images, tf.TensorSpec((None,), tf.float32)])
    def run(pixels: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            logits = fake_logit(model(scaled(pixels, spec), training=False))
            true_logits = (2 * labels - 1) * logits
        return true_logits, tape.gradient(true_logits, pixels)

    def logit_gradient(pixels: Floats, labels: Floats) -> tuple[Floats, Floats]:
        true_logits, gradients = run(tf.constant(pixels), tf.constant(labels))
        return np.asarray(true_logits), np.asarray(gradients)

    return logit_gradient


def fgsm(gradient: LogitGradient, pixels: Pixels, labels: Integers, epsilons: Integers) -> Pixels:
    """Fast gradient sign method (Goodfellow et al., 2015): one step of epsilon against the true class.

    Args:
        gradient: from ``compiled_logit_gradient``.
        pixels: (N, S, S, 3) uint8, the network's resized input.
        labels: (N,) 1 Fake, 0 Real.
        epsilons: (N,) largest change of a value, of 255, for each image.

    Returns:
        (N, S, S, 3) uint8 within epsilon of ``pixels``.
    """
    start = pixels.astype(np.float32)
    _, slope = gradient(start, np.asarray(labels, np.float32))
    return _whole(start - _rows(epsilons) * np.sign(slope), start, _rows(epsilons))


def pgd(
    gradient: LogitGradient,
    pixels: Pixels,
    labels: Integers,
    epsilons: Integers,
    seeds: Sequence[int],
    *,
    steps: int = PGD_STEPS,
) -> Pixels:
    """Projected gradient descent (Madry et al., 2018): FGSM in many small steps from a random start.

    Each step is 2.5 epsilon / ``steps`` long, as theirs, and ends within epsilon and 0..255.

    Args:
        gradient, pixels, labels, epsilons: as for ``fgsm``.
        seeds: (N,) of each image's random start.
        steps: how many.

    Returns:
        (N, S, S, 3) uint8 within epsilon of ``pixels``.
    """
    start, reach = pixels.astype(np.float32), _rows(epsilons)
    truth = np.asarray(labels, np.float32)
    shifts = [np.random.default_rng(seed).uniform(-1, 1, start.shape[1:]) for seed in seeds]
    found = _into(start + reach * np.stack(shifts).astype(np.float32), 0, 255)
    for _ in range(steps):
        _, slope = gradient(found, truth)
        moved = found - 2.5 / steps * reach * np.sign(slope)
        found = _into(_into(moved, start - reach, start + reach), 0, 255)
    return _whole(found, start, reach)


def _rows(epsilons: Integers) -> Floats:
    return np.asarray(epsilons, np.float32)[:, None, None, None]


def _into(values: NDArray[Any], low: Floats | int, high: Floats | int) -> Floats:
    return np.asarray(np.clip(values, low, high), np.float32)


def _whole(pixels: Floats, start: Floats, reach: Floats) -> Pixels:
    return _into(_into(np.rint(pixels), start - reach, start + reach), 0, 255).astype(np.uint8)
