"""A network as it is served: its ``.tflite`` file on LiteRT, without TensorFlow.

The file takes one image (1, size, size, 3) uint8 and gives one row of numbers: the logit of Fake, then the
embedding; and of a convolutional network a map (1, h, w) of what spoke for Fake (``grad_cam``). One image at
a time is as quick as many, and no score hangs on which others stood beside it.
"""

from __future__ import annotations

import os
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.images.pixels import InputSpec
from deepfake.types import Pixels
from deepfake.util.litert import interpreter

_ROW, _MAP = 2, 3
"""Dimensions of the outputs."""
THREADS = 4
"""Of the processor for one image, at most: more hardly help. The others take the next image."""


class ServedNetwork:
    """Runs a served network: a ``scoring.Reader``. Safe to share between threads."""

    def __init__(self, content: bytes, spec: InputSpec) -> None:
        """Takes the file's content; a tenth of a second.

        Raises:
            ValueError: it is no model of this input.
            RuntimeError: the engine cannot run it.
        """
        processors = os.cpu_count() or 1
        self._threads = min(processors, THREADS)
        self._at_once = max(processors // THREADS, 1)
        first = interpreter(content, self._threads)
        shape, wanted = first.get_input_details()[0]["shape"].tolist(), [1, spec.size, spec.size, 3]
        given = {len(output["shape"]) for output in first.get_output_details()}
        if shape != wanted or given not in ({_ROW}, {_ROW, _MAP}):
            raise ValueError(f"A served network takes {wanted} and gives one row. Received: {shape}.")
        self.has_map = _MAP in given
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._idle.put(first)
        for _ in range(self._at_once - 1):
            self._idle.put(content)  # made an interpreter where it is needed

    def __call__(self, batch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of Fake (N,) and embeddings (N, D) of length 1 of a uint8 batch (N, size, size, 3)."""
        if self._at_once > 1 and len(batch) > 1:
            with ThreadPoolExecutor(self._at_once) as pool:
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
        engine = self._idle.get()
        try:
            if isinstance(engine, bytes):
                engine = interpreter(engine, self._threads)
            engine.set_tensor(engine.get_input_details()[0]["index"], image[None])
            engine.invoke()
            outputs = engine.get_output_details()
            place = next(output["index"] for output in outputs if len(output["shape"]) == dimensions)
            return engine.get_tensor(place)[0]
        finally:
            self._idle.put(engine)
