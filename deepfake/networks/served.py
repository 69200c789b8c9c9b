"""A network as it is served: its ``.tflite`` file on LiteRT, without TensorFlow.

The file takes one image (1, size, size, 3) uint8 and gives one row of numbers: the logit of Fake, then the
embedding. A convolutional network gives a map (1, h, w) too, of what spoke for Fake (``grad_cam``); one that
leaves some images to a detector beside it its gate (1,): from 0, where it has no say, to 1. One image at a
time is as quick as many, and no score hangs on which others stood beside it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from deepfake.images.pixels import InputSpec
from deepfake.types import Pixels
from deepfake.util.litert import Pool, interpreter

_GATE, _ROW, _MAP = 1, 2, 3
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
        if taken != wanted or dimensions not in ({_ROW}, {_ROW, _MAP}, {_ROW, _GATE}):
            raise ValueError(f"A served network takes {wanted} and gives one row. Received: {taken}.")
        self.has_map, self.has_gate = _MAP in dimensions, _GATE in dimensions

    def __call__(self, batch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of Fake (N,) and embeddings (N, D) of length 1 of a uint8 batch (N, size, size, 3)."""
        logits, embeddings, _ = self.with_gates(batch)
        return logits, embeddings

    def with_gates(
        self, batch: Pixels
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Logits, embeddings, and how much the network has its say (N,): 0 to 1, and 1 without a gate."""
        if self._engines.size > 1 and len(batch) > 1:
            with ThreadPoolExecutor(self._engines.size) as pool:
                given = list(pool.map(self._given, batch))
        else:
            given = [self._given(image) for image in batch]
        rows = np.array([each[_ROW] for each in given])
        gates = [each[_GATE] if self.has_gate else 1.0 for each in given]
        return rows[:, 0], rows[:, 1:], np.array(gates, np.float32)

    def logits(self, batch: Pixels) -> NDArray[np.float32]:
        """Logits of Fake alone, as a ``scoring.Scorer``."""
        return self(batch)[0]

    def maps(self, batch: Pixels) -> NDArray[np.float32]:
        """As a ``scoring.Mapper``; only where ``has_map``."""
        return np.array([self._given(image)[_MAP] for image in batch])

    def _given(self, image: Pixels) -> dict[int, NDArray[np.float32]]:
        """What the network gives for one image, by the dimensions of the output."""
        with self._engines.borrowed() as engine:
            engine.set_tensor(engine.get_input_details()[0]["index"], image[None])
            engine.invoke()
            outputs = engine.get_output_details()
            return {len(output["shape"]): engine.get_tensor(output["index"])[0] for output in outputs}
