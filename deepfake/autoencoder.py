"""Tiny autoencoders of latent diffusion models: what a photograph looks like once such a network drew it.

Reads weights of the TAESD family (Bohan, Tiny AutoEncoder for Stable Diffusion, 2023; TAESD, TAESDXL, TAESD3,
TAEF1, TAEF2), which whoever makes training data brings along. Their ``.pth`` files are pickles; only what a
table of numbers needs is unpickled, so a file cannot run code.
"""

from __future__ import annotations

import collections
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.errors import UserError

_THREE = ["block"] * 3
_ENCODER = ["conv", "block", "half", *_THREE, "half", *_THREE, "half", *_THREE, "conv"]
_WIDEN = [*_THREE, "twice", "conv"]
_DECODER = ["clamp", "conv", "relu", *_WIDEN, *_WIDEN, *_WIDEN, "block", "conv"]
_KINDS = {"FloatStorage": np.float32, "HalfStorage": np.float16}


class AutoencoderError(UserError):
    """The files hold no autoencoder of the family."""


class Autoencoder:
    """An encoder and a decoder: pictures to latents at an eighth of their size, and back."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        """Reads the weights.

        Args:
            encoder: a file such as ``taef2_encoder.pth``.
            decoder: its decoder.

        Raises:
            AutoencoderError: codes ``bad_weights``, ``wrong_network``.
        """
        import tensorflow as tf

        from deepfake.optimisation import fastest_precision

        kind = tf.bfloat16 if fastest_precision() == "mixed_bfloat16" else tf.float32
        self._encoder = tf.function(_Network(encoder, _ENCODER, kind))
        self._decoder = tf.function(_Network(decoder, _DECODER, kind))

    def encode(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Latents (N, H/8, W/8, C) of pictures (N, H, W, 3) in 0..1; H and W multiples of 8."""
        import tensorflow as tf

        return self._encoder(tf.constant(pictures, tf.float32)).numpy()

    def decode(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pictures (N, H, W, 3) in 0..1 of latents (N, H/8, W/8, C)."""
        import tensorflow as tf

        return np.clip(self._decoder(tf.constant(latents, tf.float32)).numpy(), 0, 1)


class _Network:
    """A chain of steps, whose weights are named by their place in it."""

    def __init__(self, file: Path, steps: list[str], kind: Any) -> None:
        import tensorflow as tf

        self.steps, self.kind = steps, kind
        self.weights = {}
        for name, values in read_weights(file).items():
            kernel = values.ndim == 4
            self.weights[name] = (
                tf.constant(values.transpose(2, 3, 1, 0), kind) if kernel else tf.constant(values, tf.float32)
            )
        last = f"{len(steps) - 1}.weight"
        if last not in self.weights or f"{len(steps)}.weight" in self.weights:
            raise AutoencoderError(
                "wrong_network",
                f"{file} is no {'de' if steps is _DECODER else 'en'}coder of the TAESD family with pictures "
                "eight times as wide as their latents.",
            )

    def __call__(self, x: Any) -> Any:
        import tensorflow as tf

        x = tf.cast(x, self.kind)
        for place, step in enumerate(self.steps):
            if step == "clamp":
                x = tf.tanh(x / 3) * 3
            elif step == "relu":
                x = tf.nn.relu(x)
            elif step == "twice":
                x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            elif step == "block":
                x = self._block(x, str(place))
            else:
                x = self._conv(x, str(place), 2 if step == "half" else 1)
        return tf.cast(x, tf.float32)

    def _conv(self, x: Any, name: str, stride: int = 1) -> Any:
        import tensorflow as tf

        kernel = self.weights[f"{name}.weight"]
        edge = kernel.shape[0] // 2
        x = tf.pad(x, [[0, 0], [edge, edge], [edge, edge], [0, 0]])
        x = tf.nn.conv2d(x, kernel, stride, "VALID")
        bias = self.weights.get(f"{name}.bias")
        return x if bias is None else x + tf.cast(bias, x.dtype)

    def _block(self, x: Any, name: str) -> Any:
        import tensorflow as tf

        if f"{name}.pool.0.weight" in self.weights:
            pooled = self._group_norm(self._conv(x, f"{name}.pool.0"), f"{name}.pool.1")
            x += self._conv(tf.nn.relu(pooled), f"{name}.pool.3")
        y = x
        for place in (0, 2, 4):
            y = self._conv(y if place == 0 else tf.nn.relu(y), f"{name}.conv.{place}")
        return tf.nn.relu(x + y)

    def _group_norm(self, x: Any, name: str, groups: int = 4) -> Any:
        import tensorflow as tf

        shape, channels = tf.shape(x), x.shape[-1]
        y = tf.reshape(tf.cast(x, tf.float32), [shape[0], shape[1], shape[2], groups, channels // groups])
        mean, variance = tf.nn.moments(y, [1, 2, 4], keepdims=True)
        y = tf.reshape((y - mean) * tf.math.rsqrt(variance + 1e-5), shape)
        return tf.cast(y * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], x.dtype)


def read_weights(file: Path) -> dict[str, NDArray[np.float32]]:
    """Tables of numbers by name, from a file that PyTorch saved.

    Raises:
        AutoencoderError: code ``bad_weights``: it is no such file, or asks for anything but numbers.
    """
    try:
        with zipfile.ZipFile(file) as parts:
            folder = parts.namelist()[0].split("/")[0]
            with parts.open(f"{folder}/data.pkl") as index:
                return dict(_Tables(index, parts, folder).load())
    except Exception as error:  # a damaged or hostile pickle raises nearly anything
        raise AutoencoderError(
            "bad_weights", f"{file} cannot be read as a PyTorch file of weights ({error})."
        ) from error


class _Tables(pickle.Unpickler):
    def __init__(self, index: Any, parts: zipfile.ZipFile, folder: str) -> None:
        super().__init__(index)
        self.parts, self.folder = parts, folder

    def find_class(self, module: str, name: str) -> Any:
        """The three things that a table is made of; all else is refused."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _table
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """The numbers that a table lies on."""
        _, kind, key, _, count = pid
        return np.frombuffer(self.parts.read(f"{self.folder}/data/{key}"), kind)[:count]


def _table(numbers: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min(offset, *size, *stride) < 0 or max(reach + 1, math.prod(size)) > len(numbers):
        raise ValueError("a table reaches beyond its numbers")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps).astype(np.float32)
