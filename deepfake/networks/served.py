"""A network as it is served: its ``.tflite`` file on LiteRT, without TensorFlow.

The file takes one image (1, size, size, 3) uint8 and gives one row of numbers: the logit of Fake, then the
embedding; and of a convolutional network a map (1, h, w) of what spoke for Fake (``grad_cam``). One image at
a time is as quick as many, and no score hangs on which others stood beside it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from deepfake.images.pixels import InputSpec
from deepfake.types import Pixels
from deepfake.util.litert import Pool, interpreter

_ROW, _MAP = 2, 3
"""Dimensions of the outputs."""


class ServedNetwork:
    """Runs a served network: a ``scoring.Reader``. Safe to share between threads."""

    def __init__(self, content: bytes, spec: InputSpec) -> None:
        """Takes the file's content; a tenth of a second.

        Raises:
            ValueError: it is no model of this input.
            RuntimeError: the engine cannot run it.
        """
        self._engines = Pool(lambda threads: interpreter(content, threads))
        with self._engines.borrowed() as first:
            taken, given = first.get_input_details()[0]["shape"].tolist(), first.get_output_details()
        wanted, dimensions = [1, spec.size, spec.size, 3], {len(output["shape"]) for output in given}
        if taken != wanted or dimensions not in ({_ROW}, {_ROW, _MAP}):
            raise ValueError(f"A served network takes {wanted} and gives one row. Received: {taken}.")
        self.has_map = _MAP in dimensions

    def __call__(self, batch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of Fake (N,) and embeddings (N, D) of length 1 of a uint8 batch (N, size, size, 3)."""
        if self._engines.size > 1 and len(batch) > 1:
            with ThreadPoolExecutor(self._engines.size) as pool:
                rows = np.array(list(pool.map(self._given, batch)))
        else:
            rows = np.array([self._given(image) for image in batch])
        return rows[:, 0], rows[:, 1:]

    def logits(self, batch: Pixels) -> NDArray[np.float32]:
        """Logits of Fake alone, as a ``scoring.Scorer``."""
        return self(batch)[0]

    def maps(self, batch: Pixels) -> NDArray[np.float32]:
        """As a ``scoring.Mapper``; only where ``has_map``."""
        return np.array([self._given(image, _MAP) for image in batch])

    def _given(self, image: Pixels, dimensions: int = _ROW) -> NDArray[np.float32]:
        """The output of so many dimensions for one image."""
        with self._engines.borrowed() as engine:
            engine.set_tensor(engine.get_input_details()[0]["index"], image[None])
            engine.invoke()
            outputs = engine.get_output_details()
            place = next(output["index"] for output in outputs if len(output["shape"]) == dimensions)
            return engine.get_tensor(place)[0]
