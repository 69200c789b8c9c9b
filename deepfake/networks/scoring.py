"""A network and image files -> logits of Fake, at the speed of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.images.load import ImageRefused
from deepfake.images.pixels import InputSpec, Pixels, scaled
from deepfake.training.pipeline import scoring_batches

Scorer = Callable[[Pixels], NDArray[np.float32]]


def compiled_scorer(model: Any, spec: InputSpec) -> Scorer:
    """A function from a uint8 batch (N, size, size, 3) to (N,) float32 logits of Fake.

    Compiled once for every batch size; safe to call from several threads. On JAX, which is for training only,
    it is neither.
    """
    import keras
    import tensorflow as tf

    from deepfake.networks.architectures import fake_logit

    if keras.backend.backend() != "tensorflow":
        return lambda batch: np.asarray(fake_logit(model.predict_on_batch(scaled(batch, spec))))

    signature = tf.TensorSpec((None, spec.size, spec.size, 3), tf.uint8)

    @tf.function(input_signature=[signature])
    def run(batch: Any) -> Any:
        return fake_logit(model(scaled(batch, spec), training=False))

    return lambda batch: np.asarray(run(tf.constant(batch)))


def score_files(
    scorer: Scorer,
    spec: InputSpec,
    paths: Sequence[str],
    *,
    perturbed: bool = False,
    on_refused: Callable[[int, ImageRefused], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Logits of Fake of labelled face crops, in the order of ``paths``.

    Args:
        scorer: from ``compiled_scorer``.
        spec: the network's input.
        paths: image files, each a face crop.
        perturbed: score the one perturbed copy of each image (``pipeline.perturbed_copy``).
        on_refused: see ``pipeline.scoring_batches``; the logit of such a file is NaN.
        on_progress: told after each batch how many images are done.

    Raises:
        ImageRefused: a file is not an image that can be used, and ``on_refused`` is None.
    """
    logits = np.empty(len(paths), np.float32)
    refused: list[int] = []

    def refuse(row: int, reason: ImageRefused) -> None:
        if on_refused is None:
            raise reason
        refused.append(row)
        on_refused(row, reason)

    done = 0
    batches = scoring_batches(
        paths, spec.size, perturbed=perturbed, on_refused=refuse, interpolation=spec.interpolation
    )
    for batch in batches:
        logits[done : done + len(batch)] = scorer(batch)
        done += len(batch)
        if on_progress is not None:
            on_progress(done)
    logits[refused] = np.nan
    return logits
