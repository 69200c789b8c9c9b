"""Images -> features of the frozen network, kept on disk: made once, read by every head.

Takes hours for tens of thousands of images, and goes on where it was when started again.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.images.load import ImageRefused, load_image
from deepfake.images.pixels import InputSpec, fitted, scaled
from deepfake.networks.clip_vit import CLIP_B16, NAME, Shape, backbone, load_clip, weights_file
from deepfake.training.frozen.cache import SHARD_ROWS, FeatureCache
from deepfake.training.frozen.views import View, view_of
from deepfake.types import Pixels

INPUT = InputSpec(CLIP_B16.given)
BATCH = 16


def feature_key(weights: str, shape: Shape = CLIP_B16, *, tokens: int | None = None) -> dict[str, Any]:
    """What features follow from, for ``FeatureCache``.

    Args:
        weights: ``"clip"`` or the path of the weights' file.
        shape: of the tower.
        tokens: the block whose input is kept in place of what is pooled; None: nothing but what is pooled.

    Raises:
        WeightsError: code ``weights_not_found``.
    """
    digest = hashlib.sha256(weights_file(weights).read_bytes()).hexdigest()
    return {
        "network": NAME,
        "weights": digest,
        "input": {**INPUT.to_dict(), "size": shape.given, "enlarged": shape.size},
        "blocks": list(shape.pooled),
        "deviation": shape.deviation,
        **({} if tokens is None else {"tokens_before": tokens}),
    }


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian of the grey image, at the network's size: what sharpness alone would tell.

    Args:
        pixels: (size, size, 3) uint8.
    """
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


Run = Callable[[Pixels], np.ndarray]
"""From (N, size, size, 3) uint8 to (N, D) features."""
Engine = Callable[[Any, InputSpec], Run]
"""A network and its input -> how it is run."""


def by_tensorflow(network: Any, spec: InputSpec) -> Run:
    """The network as TensorFlow runs it, in float32."""
    import tensorflow as tf

    graph = graph_of(network, spec)
    return lambda batch: np.asarray(graph(tf.constant(batch)))


def by_openvino(network: Any, spec: InputSpec) -> Run:
    """The network as OpenVINO runs it: in bfloat16 where the processor knows it, else in float32.

    Raises:
        NoEngine: the package is not installed.
    """
    return run_by_openvino(graph_of(network, spec))


def run_by_openvino(function: Any) -> Callable[[Any], np.ndarray]:
    """A ``tf.function`` of one input and one output as OpenVINO runs it; raises as ``by_openvino``."""
    try:
        openvino = importlib.import_module("openvino")  # optional, so not among the requirements
    except ImportError as error:
        raise NoEngine(
            "no_openvino", "OpenVINO is not installed. Install it with 'pip install openvino', or leave "
            "out --engine.",
        ) from error  # fmt: skip
    model = openvino.convert_model(function.get_concrete_function())
    unpinned = {"ENABLE_CPU_PINNING": False}  # beside other work a pinned thread waits, and the others for it
    compiled = openvino.Core().compile_model(model, "CPU", unpinned)
    return lambda batch: np.asarray(compiled([batch])[0])


def graph_of(network: Any, spec: InputSpec) -> Any:
    """A ``tf.function`` from uint8 pixels to what the network makes of them."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, spec.size, spec.size, 3), tf.uint8)])
    def run(batch: Any) -> Any:
        return network(scaled(batch, spec), training=False)

    return run


ENGINES: dict[str, Engine] = {"tensorflow": by_tensorflow, "openvino": by_openvino}


class NoEngine(UserError):
    """What shall run the network is not there."""


def extract(
    data: DatasetIndex,
    cache: FeatureCache,
    views: Sequence[View],
    network: Any,
    spec: InputSpec = INPUT,
    *,
    engine: Engine = by_tensorflow,
    column: str = "features",
    on_progress: Callable[[int, int], None] | None = None,
    on_refused: Callable[[str, ImageRefused], None] | None = None,
) -> int:
    """Adds what is missing of a data set's images and views to a cache.

    Every generator and class of each source and split gets its turn, so a part of the work is a fair sample.

    Args:
        data: the images, each a face.
        cache: of this network's features.
        views: of each image.
        network: from (N, size, size, 3) as ``scaled`` makes it to (N, D) features.
        spec: its input.
        engine: what runs the network.
        column: the name of what it gives in the cache.
        on_progress: told after each shard how many views are done, of how many.
        on_refused: told of each file that cannot be used and why; None: such a file raises.

    Returns:
        How many views were added.

    Raises:
        ImageRefused: a file cannot be used, and ``on_refused`` is None.
        OSError: the cache cannot be written.
    """
    cv2.setNumThreads(0)
    run = engine(network, spec)
    paths, hashes = data.paths(), data.hashes()
    turns = data.table.groupby(["split", "source", "generator", "label"]).cumcount().to_numpy()
    order = np.argsort(turns, kind="stable")
    missing = [(row, view) for row in order for view in views if (hashes[row], view) not in cache]
    total, done = len(missing), 0

    def load(task: tuple[int, View]) -> Pixels | None:
        row, view = task
        try:
            image = load_image(paths[row])
        except ImageRefused as refusal:
            named = ImageRefused(refusal.code, f"{paths[row]}: {refusal.message}")
            if on_refused is None:
                raise named from refusal
            on_refused(paths[row], named)
            return None
        return fitted(view_of(image.pixels, hashes[row], view), spec)

    with ThreadPoolExecutor() as pool:
        for start in range(0, total, SHARD_ROWS):
            tasks = missing[start : start + SHARD_ROWS]
            loaded = [(task, pixels) for task, pixels in zip(tasks, pool.map(load, tasks), strict=True)]
            kept = [(hashes[row], view, pixels) for (row, view), pixels in loaded if pixels is not None]
            if kept:
                batch = np.stack([pixels for *_, pixels in kept])
                parts = [run(batch[at : at + BATCH]) for at in range(0, len(kept), BATCH)]
                cache.add(
                    [sha256 for sha256, *_ in kept],
                    [view for _, view, _ in kept],
                    {
                        column: np.concatenate(parts).astype(np.float16),
                        "sharpness": np.array([sharpness(pixels) for pixels in batch], np.float32),
                    },
                )
            done += len(tasks)
            if on_progress is not None:
                on_progress(done, total)
    return total


def open_features(folder: Path, weights: str = "clip", *, tokens: int | None = None) -> FeatureCache:
    """The cache of CLIP's features in a folder, made where missing; raises as ``FeatureCache``."""
    return FeatureCache(folder, feature_key(weights, tokens=tokens))


def tower(weights: str = "clip") -> Any:
    """CLIP's tower with its weights; raises as ``clip_vit.load_clip``."""
    network = backbone()
    load_clip(network, weights)
    return network


def tokens_before(network: Any, block: int) -> Any:
    """The part of a tower up to a block's input: (N, given, given, 3) -> (N, tokens, width)."""
    import keras

    return keras.Model(network.inputs, network.get_layer(f"block{block - 1}").output)


class NoFeatures(UserError):
    """Images of a data set have no features yet."""


def read_features(
    data: DatasetIndex, cache: FeatureCache, views: Sequence[View], columns: Sequence[str]
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What a cache holds of a data set.

    Args:
        data: the images.
        cache: of their features.
        views: which to read; images or views that are missing are left out.
        columns: names of arrays in the cache.

    Returns:
        The arrays by name, the rows of ``data.table`` (N,) and the views (N,) that they are of.

    Raises:
        NoFeatures: code ``no_features``: it holds none of them.
    """
    hashes = data.hashes()
    there = [(row, view) for view in views for row, sha in enumerate(hashes) if (sha, view) in cache]
    if not there:
        raise NoFeatures(
            "no_features",
            f"{cache.folder} holds no features of the images in {data.root} ({', '.join(views)}). Make them "
            "with 'python -m deepfake features DATA FEATURES'.",
        )
    read = cache.read([(hashes[row], view) for row, view in there], columns)
    return read, np.array([row for row, _ in there]), np.array([view for _, view in there])
