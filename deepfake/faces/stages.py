"""MTCNN's three networks, run by LiteRT.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks". The
weights are the files of the ``mtcnn`` package (Iván de Paz Centeno, MIT licence), which itself would load
TensorFlow and is never imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepfake.faces.model_file import ModelFile, Weights
from deepfake.util.litert import Pool, interpreter

CELL = 12  # side of the square that the first network looks at
STRIDE = 2  # pixels from one such square to the next
_TILE = 64  # squares in a row and in a column that it looks at in one go: they fit into a processor's cache
BATCH = 16  # patches that the others look at in one go

Outputs = NDArray[np.float32]


class Network:
    """A network of one input and one output. Safe to share between threads."""

    def __init__(self, content: bytes) -> None:
        """
        Args:
            content: a ``.tflite`` file.
        """
        self._engines = Pool(lambda threads: _Engine(content, threads))


class SlidingNetwork(Network):
    """MTCNN's first network, which looks at every square of 12 pixels of a picture."""

    def __call__(self, picture: NDArray[np.float32]) -> Outputs:
        """What it says of each square.

        Args:
            picture: (H, W, 3) from -1 to 1, at least 12 pixels high and wide.

        Returns:
            (rows, columns, 6): what to move left, top, right and bottom by; the logits of no face and face.
        """
        height, width = picture.shape[:2]
        rows, columns = _Cut(height), _Cut(width)
        found = np.empty((rows.squares, columns.squares, 6), np.float32)
        with self._engines.borrowed() as engine:
            for row in rows.starts:
                for column in columns.starts:
                    tile = picture[
                        STRIDE * row : STRIDE * row + rows.pixels,
                        STRIDE * column : STRIDE * column + columns.pixels,
                    ]
                    found[row : row + rows.side, column : column + columns.side] = engine(tile[None])[0]
        return found


class PatchNetwork(Network):
    """MTCNN's second or third network, which looks at patches of one size."""

    def __call__(self, patches: NDArray[np.float32]) -> Outputs:
        """(N, outputs) of (N, side, side, 3) from -1 to 1; the logits of no face and face come last."""
        with self._engines.borrowed() as engine:
            parts = [engine(patches[start : start + BATCH]) for start in range(0, len(patches), BATCH)]
        return np.concatenate(parts)


class _Engine:
    """One interpreter, for one thread at a time."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._interpreter = interpreter(content, threads)
        (taken,), (given,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input, self._output = taken["index"], given["index"]
        self._shape = tuple(taken["shape"])

    def __call__(self, batch: NDArray[np.float32]) -> Outputs:
        if batch.shape != self._shape:
            self._shape = ()  # whatever happens in between
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


class _Cut:
    """How one side of a picture is cut into tiles of one length.

    Attributes:
        squares: that the side holds, in steps of two pixels.
        side, pixels: of a tile, in squares and in pixels of the picture.
        starts: the first square of each tile; a later tile is right about what two of them hold.
    """

    def __init__(self, length: int) -> None:
        # Of an odd length the last square lacks a line, which is a border to the network. All tiles have one
        # size and end in such a square, so each but the last begins one square earlier than it need.
        odd = length % 2
        self.squares = (length - 1) // STRIDE - 4
        count = -(-(self.squares - odd) // (_TILE - odd))
        self.side = self.squares if count < 2 else -(-(self.squares - odd) // count) + odd
        self.pixels = STRIDE * self.side + 10 - odd
        self.starts = [min(n * (self.side - odd), self.squares - self.side) for n in range(max(count, 1))]


def proposal_network() -> SlidingNetwork:
    """P-Net: where a face may be."""
    layers = _weights("pnet")
    model = ModelFile((1, 24, 24, 3))
    for number, pooled in ((0, 2), (3, 0), (6, 0)):
        _block(model, layers[number : number + 3], pooled, border=True)
    model.convolve(np.concatenate([layers[9], layers[11]], axis=3), np.concatenate([layers[10], layers[12]]))
    return SlidingNetwork(model.content())


def refining_network() -> PatchNetwork:
    """R-Net: which of those may stay; patches of 24 pixels, outputs (N, 6): offsets of the sides, logits."""
    return _patch_network("rnet", 24, [(3, True), (3, False), (0, False)])


def deciding_network() -> PatchNetwork:
    """O-Net: which is one indeed; patches of 48 pixels, outputs (N, 16): offsets, landmarks, logits."""
    return _patch_network("onet", 48, [(3, True), (3, False), (2, True), (0, False)])


def face_share(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Confidence 0..1 that it is a face, of (..., 2) logits of no face and face."""
    with np.errstate(over="ignore"):  # infinity makes a confidence of 0
        return np.float32(1) / (np.float32(1) + np.exp(logits[..., 0] - logits[..., 1]))


def _patch_network(name: str, side: int, pools: list[tuple[int, bool]]) -> PatchNetwork:
    """Convolutions with these maxima behind them, one dense layer, and what it says in one more."""
    layers = _weights(name)
    model = ModelFile((1, side, side, 3))
    for number, (pooled, border) in enumerate(pools):
        _block(model, layers[3 * number : 3 * number + 3], pooled, border=border)
    channels, layers = len(layers[3 * len(pools) - 2]), layers[3 * len(pools) :]
    kernel, bias, slopes, *heads = layers
    # The numbers come by height and width, the weights by width and height.
    side = round((len(kernel) / channels) ** 0.5)
    by_width = kernel.reshape(side, side, channels, -1)
    model.flatten()
    model.dense(by_width.transpose(1, 0, 2, 3).reshape(kernel.shape), bias)
    model.prelu(slopes)
    model.dense(np.concatenate(heads[::2], axis=1), np.concatenate(heads[1::2]))
    return PatchNetwork(model.content())


def _block(model: ModelFile, layers: list[Weights], pooled: int, *, border: bool) -> None:
    """Convolution, parametric ReLU and, where ``pooled`` is its side, the maximum of neighbours."""
    kernel, bias, slopes = layers
    model.convolve(kernel, bias)
    model.prelu(slopes)
    if pooled:
        model.max_pool(pooled, border=border)


def _weights(name: str) -> list[Weights]:
    """In the order of the layers, and of kernel, bias and slopes in each."""
    import joblib

    package = importlib.util.find_spec("mtcnn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(
            "The package mtcnn, which holds the face finder's weights, is not installed."
        )
    return joblib.load(Path(package.submodule_search_locations[0]) / "assets" / "weights" / f"{name}.lz4")
