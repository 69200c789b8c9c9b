"""Images on disk -> training batches.

Every random draw of a sample comes from its own seeds, so a run that is resumed at an epoch
sees the same samples as one that was never interrupted, whatever the threads do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.data.synthesis.face_swap import swap_in
from deepfake.data.synthesis.self_blend import self_blend
from deepfake.images.pixels import InputSpec, resize, scaled
from deepfake.networks.scoring import load_named
from deepfake.perturbations.mix import Augmentation, augment
from deepfake.types import Landmarks, Pixels


@dataclass(frozen=True)
class Sample:
    """One image as an epoch of training shows it.

    Attributes:
        path: the file.
        fake: what it is taken for: 1 Fake, 0 Real.
        augmentation: its variations, or None for the plain image.
        draw: seeds its randomness.
        landmarks: given where the image is a photograph to be made a fake by ``self_blend.self_blend``.
        donor: file and landmarks of another photograph, whose face is laid over this one's instead
            (``face_swap.swap_in``).
    """

    path: str
    fake: float
    augmentation: Augmentation | None
    draw: tuple[int, ...]
    landmarks: Landmarks | None = None
    donor: tuple[str, Landmarks] | None = None


def training_pixels(sample: Sample, size: int) -> Pixels:
    """A sample's pixels, (size, size, 3) uint8.

    Raises:
        ImageRefused: as ``load_for_scoring``.
    """
    rng = np.random.default_rng(sample.draw)
    pixels = load_named(sample.path).pixels
    if sample.landmarks is not None and sample.donor is not None:
        file, landmarks = sample.donor
        pixels = swap_in(pixels, sample.landmarks, load_named(file).pixels, landmarks, rng)
    elif sample.landmarks is not None:
        pixels = self_blend(pixels, sample.landmarks, rng)
    if sample.augmentation is None:
        return resize(pixels, size)
    return augment(pixels, size, sample.augmentation, rng)


def training_batches(samples: Sequence[Sample], spec: InputSpec, *, batch_size: int, columns: int = 1) -> Any:
    """One epoch of training batches, in the order given, as a ``tf.data.Dataset``.

    Args:
        samples: from ``samples.epoch_samples``.
        spec: the network's input.
        batch_size: images a batch; an incomplete last batch is left out when there are others.
        columns: 1 for the label of Fake, 2 for one-hot in the order Fake, Real.

    Returns:
        Dataset of (images (B, size, size, 3) float32, targets (B, columns) float32).
    """
    import tensorflow as tf

    cv2.setNumThreads(0)  # tf.data runs the samples in parallel; OpenCV's own threads would fight it

    def pixels(index: NDArray[np.int64]) -> Pixels:
        return training_pixels(samples[int(index)], spec.size)

    def load(index: Any, target: Any) -> tuple[Any, Any]:
        image = tf.numpy_function(pixels, [index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (spec.size, spec.size, 3)), target

    fake = np.array([sample.fake for sample in samples], np.float32)[:, None]
    targets = np.hstack([fake, 1 - fake]) if columns == 2 else fake
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(len(samples)), targets))
    dataset = dataset.map(load, num_parallel_calls=4, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=len(samples) >= batch_size)
    dataset = dataset.map(lambda images, labels: (scaled(images, spec), labels))
    return dataset.prefetch(4)
