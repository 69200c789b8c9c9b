"""Images on disk -> batches, for training and for measuring.

Every random draw of a sample comes from its own seeds, so a run that is resumed at an epoch
sees the same samples as one that was never interrupted, whatever the threads do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.data.synthesis.face_swap import swap_in
from deepfake.data.synthesis.self_blend import Landmarks, self_blend
from deepfake.images.load import ImageRefused, LoadedImage, load_image
from deepfake.images.pixels import InputSpec, Interpolation, Pixels, resize, scaled
from deepfake.perturbations.mix import jpeg, perturb


@dataclass(frozen=True)
class Augmentation:
    """How a training image is varied.

    Attributes:
        perturbed: share of samples put through ``augmentation.perturb``.
        min_area: smallest share of the image that a random crop keeps; 1 turns cropping off.
        recompressed: share of the samples not perturbed that get one JPEG pass of quality 40-95.
        flip: mirror half of the samples.
    """

    perturbed: float = 0.65
    min_area: float = 0.45
    recompressed: float = 0.3
    flip: bool = True


@dataclass(frozen=True)
class Sample:
    """One image as an epoch of training shows it.

    Attributes:
        path: the file.
        fake: what it is taken for: 1 Fake, 0 Real.
        augmentation: its variations, or None for the plain image.
        draw: seeds its randomness.
        landmarks: given where the image is a photograph to be made a fake by ``blending.self_blend``.
        donor: file and landmarks of another photograph, whose face is laid over this one's instead
            (``swapping.swap_in``).
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
    pixels = _load(sample.path).pixels
    if sample.landmarks is not None and sample.donor is not None:
        file, landmarks = sample.donor
        pixels = swap_in(pixels, sample.landmarks, _load(file).pixels, landmarks, rng)
    elif sample.landmarks is not None:
        pixels = self_blend(pixels, sample.landmarks, rng)
    if sample.augmentation is None:
        return resize(pixels, size)
    return augment(pixels, size, sample.augmentation, rng)


def augment(pixels: Pixels, size: int, augmentation: Augmentation, rng: np.random.Generator) -> Pixels:
    """One training sample of an image: crop, perturb, mirror, resize.

    Args:
        pixels: (H, W, 3) uint8.
        size: side of the result in pixels.
        augmentation: what to do how often.
        rng: the only source of randomness.

    Returns:
        (size, size, 3) uint8.
    """
    if augmentation.min_area < 1:
        pixels = _random_crop(pixels, augmentation.min_area, rng)
    if rng.random() < augmentation.perturbed:
        pixels = perturb(pixels, rng)
    elif rng.random() < augmentation.recompressed:
        pixels = jpeg(pixels, int(rng.integers(40, 96)))
    pixels = resize(pixels, size)
    if augmentation.flip and rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return pixels


def _random_crop(pixels: Pixels, min_area: float, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    share = rng.uniform(min_area, 1.0)
    aspect = np.exp(rng.uniform(-0.15, 0.15))
    crop_height = min(height, max(16, round(height * np.sqrt(share / aspect))))
    crop_width = min(width, max(16, round(width * np.sqrt(share * aspect))))
    top = int(rng.integers(0, height - crop_height + 1))
    left = int(rng.integers(0, width - crop_width + 1))
    return np.ascontiguousarray(pixels[top : top + crop_height, left : left + crop_width])


def training_batches(samples: Sequence[Sample], spec: InputSpec, *, batch_size: int, columns: int = 1) -> Any:
    """One epoch of training batches, in the order given, as a ``tf.data.Dataset``.

    Args:
        samples: from ``sampling.epoch_samples``.
        spec: the network's input.
        batch_size: images a batch; an incomplete last batch is left out when there are others.
        columns: 1 for the label of Fake, 2 for one-hot in the order Fake, Real.

    Returns:
        Dataset of (images (B, size, size, 3) float32, targets (B, columns) float32).
    """
    import tensorflow as tf

    cv2.setNumThreads(0)  # tf.data runs the samples in parallel; OpenCV's own threads would fight it

    def pixels(place: NDArray[np.int64]) -> Pixels:
        return training_pixels(samples[int(place)], spec.size)

    def load(place: Any, target: Any) -> tuple[Any, Any]:
        image = tf.numpy_function(pixels, [place], tf.uint8, stateful=False)
        return tf.ensure_shape(image, (spec.size, spec.size, 3)), target

    fake = np.array([sample.fake for sample in samples], np.float32)[:, None]
    targets = np.hstack([fake, 1 - fake]) if columns == 2 else fake
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(len(samples)), targets))
    dataset = dataset.map(load, num_parallel_calls=4, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=len(samples) >= batch_size)
    dataset = dataset.map(lambda images, labels: (scaled(images, spec), labels))
    return dataset.prefetch(4)


def perturbed_copy(pixels: Pixels, sha256: str) -> Pixels:
    """The one perturbed copy of an image: its draws follow from its content, so that anyone who
    evaluates on perturbed images evaluates on the same ones."""
    return perturb(pixels, np.random.default_rng(int(sha256[:16], 16)))


def load_for_scoring(
    path: str, size: int, *, perturbed: bool, interpolation: Interpolation = "area"
) -> Pixels:
    """A labelled face crop from disk as the network sees it when serving: (size, size, 3) uint8.

    Raises:
        ImageRefused: the file is not an image that can be used; the message names it.
    """
    image = _load(path)
    pixels = perturbed_copy(image.pixels, image.facts.sha256) if perturbed else image.pixels
    return resize(pixels, size, interpolation)


def _load(path: str) -> LoadedImage:
    """As ``load_image``, but a refusal names the file."""
    try:
        return load_image(path)
    except ImageRefused as refusal:
        raise ImageRefused(refusal.code, f"{path}: {refusal.message}") from refusal


def scoring_batches(
    paths: Sequence[str],
    size: int,
    *,
    perturbed: bool,
    batch_size: int = 64,
    on_refused: Callable[[int, ImageRefused], None] | None = None,
    interpolation: Interpolation = "area",
) -> Iterator[Pixels]:
    """uint8 batches (B, size, size, 3) in the order of ``paths``; decoding runs ahead of the caller.

    Args:
        paths: image files, each a face crop.
        size: side of the result in pixels.
        perturbed: the one perturbed copy of each image in its place.
        batch_size: images a batch; the last may have fewer.
        on_refused: told the row and the reason of a file that cannot be used, which becomes a black
            image. None: such a file raises.
        interpolation: of the network's input (``preprocessing.resize``).

    Raises:
        ImageRefused: as ``load_for_scoring``, where ``on_refused`` is None.
    """
    cv2.setNumThreads(0)

    def load(row: int) -> Pixels:
        try:
            return load_for_scoring(paths[row], size, perturbed=perturbed, interpolation=interpolation)
        except ImageRefused as refusal:
            if on_refused is None:
                raise
            on_refused(row, refusal)
            return np.zeros((size, size, 3), np.uint8)

    starts = range(0, len(paths), batch_size)
    with ThreadPoolExecutor() as pool:

        def submit(start: int) -> list[Any]:
            return [pool.submit(load, row) for row in range(start, min(start + batch_size, len(paths)))]

        waiting = [submit(start) for start in starts[:2]]
        for place in range(len(starts)):
            ready = waiting.pop(0)
            if place + 2 < len(starts):
                waiting.append(submit(starts[place + 2]))
            yield np.stack([future.result() for future in ready])
