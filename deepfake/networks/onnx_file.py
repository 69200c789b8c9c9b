"""From a served file to ONNX, for engines elsewhere; a file is only given where its logits are the same.

Needs tf2onnx and onnxruntime (``pip install '.[onnx]'``) and imports TensorFlow: for whoever exports.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.errors import UserError
from deepfake.images.pixels import InputSpec
from deepfake.networks.int8_served import with_float_tables
from deepfake.networks.served import ServedNetwork
from deepfake.types import Pixels
from deepfake.util.tensorflow import import_tensorflow, without_notes

OPSET = 17
"""Of the operators in the file."""
WITHIN = 0.001
"""How far a logit may lie from that of the served file, as a share of logits above 1. Where that multiplies
int8, both are reckoned in 32 bits: LiteRT and onnxruntime round what comes into int8 layers, each its own
way."""


class ExportError(UserError):
    """A network that cannot be had as ONNX.

    Codes: ``no_exporter``, a package is missing; ``not_converted``; ``not_alike``, other logits.
    """


@dataclass(frozen=True)
class OnnxFile:
    """A network in ONNX, with the inputs and outputs of the served file (``served``).

    Attributes:
        content: the file's bytes.
        difference: the largest from the logits of the served file, both reckoned in 32 bits, as a share of
            logits above 1, on drawn images.
        rounding: the same, of the files as engines run them.
    """

    content: bytes
    difference: float
    rounding: float


def onnx_file(content: bytes, spec: InputSpec) -> OnnxFile:
    """A served file as ONNX, checked against it.

    Args:
        content: of the ``.tflite`` file.
        spec: its input.

    Raises:
        ExportError: see there.
    """
    for package in ("tf2onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            text = f"The package {package} is missing. Install it with: pip install tf2onnx onnxruntime"
            raise ExportError("no_exporter", text)
    made = _converted(content)
    difference = _difference(with_float_tables(content), made, spec, exact=True)
    if not difference <= WITHIN:
        raise ExportError(
            "not_alike",
            f"The logits in ONNX differ by {difference:.2g} of their size. Expected at most {WITHIN}. The "
            "file is not written.",
        )
    return OnnxFile(made, difference, _difference(content, made, spec, exact=False))


def _converted(content: bytes) -> bytes:
    import_tensorflow()
    with tempfile.TemporaryDirectory() as folder, without_notes(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx asks TensorFlow's own LiteRT, which says that it will go
        source = Path(folder) / "model.tflite"
        source.write_bytes(content)
        converter: Any = importlib.import_module("tf2onnx.convert")  # optional, so not among the requirements
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        try:
            model, _ = converter.from_tflite(str(source), opset=OPSET)
        except Exception as error:  # it raises nearly anything
            text = f"tf2onnx cannot convert this network: {str(error)[:200]}."
            raise ExportError("not_converted", text) from error
    return model.SerializeToString()


def _difference(content: bytes, made: bytes, spec: InputSpec, *, exact: bool) -> float:
    images = drawn_images(spec.size)
    expected, received = ServedNetwork(content, spec).logits(images), onnx_logits(made, images, exact=exact)
    return float((np.abs(received - expected) / np.maximum(np.abs(expected), 1)).max())


def onnx_logits(made: bytes, images: Pixels, *, exact: bool = False) -> NDArray[np.float32]:
    """Logits of Fake (N,) of images (N, size, size, 3) uint8, by an ONNX file.

    Args:
        made: the file's bytes.
        images: the network's input.
        exact: as the file says, in 32 bits; else as onnxruntime likes it, which rounds to int8 by itself.
    """
    onnxruntime: Any = importlib.import_module("onnxruntime")  # optional, so not among the requirements
    options = onnxruntime.SessionOptions()
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    engine = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
    name = engine.get_inputs()[0].name
    return np.array([engine.run(None, {name: image[None]})[0][0, 0] for image in images], np.float32)


def drawn_images(size: int) -> Pixels:
    """Three images to compare networks on: coarse squares, with and without noise over them."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 8, 8, 3))
    side = -(-size // 8)
    images = np.repeat(np.repeat(coarse, side, 1), side, 2)[:, :size, :size]
    images[::2] += random.integers(-40, 41, images[::2].shape)
    return images.clip(0, 255).astype(np.uint8)
