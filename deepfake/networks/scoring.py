"""From image files to logits of Fake and embeddings, at the speed of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.images.load import ImageRefused, LoadedImage, load_image
from deepfake.images.pixels import InputSpec, Interpolation, resize, scaled
from deepfake.perturbations.mix import perturbed_copy
from deepfake.types import Pixels


def load_for_scoring(
    path: str, size: int, *, perturbed: bool, interpolation: Interpolation = "area"
) -> Pixels:
    """A labelled face crop from disk as the network sees it when serving: (size, size, 3) uint8.

    Raises:
        ImageRefused: the file is not an image that can be used; the message names it.
    """
    image = load_named(path)
    pixels = perturbed_copy(image.pixels, image.facts.sha256) if perturbed else image.pixels
    return resize(pixels, size, interpolation)


def load_named(path: str) -> LoadedImage:
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
        interpolation: of the network's input (``pixels.resize``).

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
        for index in range(len(starts)):
            ready = waiting.pop(0)
            if index + 2 < len(starts):
                waiting.append(submit(starts[index + 2]))
            yield np.stack([future.result() for future in ready])


Scorer = Callable[[Pixels], NDArray[np.float32]]


def compiled_scorer(model: Any, spec: InputSpec) -> Scorer:
    """A function from a uint8 batch (N, size, size, 3) to (N,) float32 logits of Fake.

    Compiled once for every batch size; safe to call from several threads.
    """
    import tensorflow as tf

    from deepfake.networks.architectures import fake_logit

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
        perturbed: score the one perturbed copy of each image (``mix.perturbed_copy``).
        on_refused: see ``scoring_batches``; the logit of such a file is NaN.
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


Reader = Callable[[Pixels], tuple[NDArray[np.float32], NDArray[np.float32]]]


def compiled_reader(network: Any, spec: InputSpec) -> Reader:
    """A function from a uint8 batch (N, size, size, 3) to its logits of Fake (N,) and embeddings (N, D).

    An embedding is the input of the network's last dense layer, brought to length 1; float32 both. Compiled
    at its first call, for every batch size; safe to call from several threads.
    """
    import keras
    import tensorflow as tf

    from deepfake.networks.architectures import embedding_of, fake_logit

    both = keras.Model(network.inputs, [network.output, embedding_of(network)])

    @tf.function(input_signature=[tf.TensorSpec((None, spec.size, spec.size, 3), tf.uint8)])
    def run(batch: Any) -> Any:
        output, features = both(scaled(batch, spec), training=False)
        return fake_logit(output), tf.math.l2_normalize(features, axis=-1)

    def read(batch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, vectors = run(tf.constant(batch))
        return np.asarray(logits), np.asarray(vectors)

    return read


Mapper = Callable[[Pixels], NDArray[np.float32]]
"""From a uint8 batch (N, size, size, 3) to signed maps (N, h, w) of what spoke for Fake (``grad_cam``)."""
