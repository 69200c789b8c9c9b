"""Small autoencoders of diffusion models: a photograph through one is a fake that shows the same thing.

Taught with photographs beside their own round trips, a detector cannot lean on what is shown, by whom or
with which camera; what is left to learn is what a decoder leaves behind (Rajan et al., Aligned Datasets
Improve Detection of Latent Diffusion-Generated Images, 2025). The networks are those of the TAESD family
(Tiny AutoEncoder for Stable Diffusion, O. Boer Bohan, 2023; MIT licence), each of which knows the latents of
one generator: Stable Diffusion 1 and 2, XL or 3, Flux 1 or 2. Their files of 3 MB stand in the repository
``madebyollin/taesd`` and in copies of it; none is part of this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from deepfake.networks.torch_weights import WeightsError, read_weights

Weights = dict[str, NDArray[np.float32]]
_ENCODER = ("conv", "block", *("down", "block", "block", "block") * 3, "conv")
_DECODER = ("clamp", "conv", "relu", *("block", "block", "block", "up", "conv") * 3, "block", "conv")


@dataclass(frozen=True)
class Autoencoder:
    """Two halves; ``load_autoencoder`` makes them.

    Attributes:
        name: of the network, such as ``taesd``.
        encode: from (N, H, W, 3) float32 in 0..1, sides multiples of 8, to latents
            (N, H / 8, W / 8, C) float32.
        decode: the way back; its output may leave 0..1 a little.
    """

    name: str
    encode: Any
    decode: Any


def load_autoencoder(encoder: Path, decoder: Path) -> Autoencoder:
    """The autoencoder of two files.

    Args:
        encoder: such as ``taef2_encoder.pth`` or ``taesd_encoder.safetensors``.
        decoder: the file beside it, ``taef2_decoder.pth``: what stands before ``_decoder`` is the name.

    Raises:
        WeightsError: codes ``weights_not_found``, ``bad_weights``, ``wrong_network``.
    """
    halves = []
    for file, plan in ((encoder, _ENCODER), (decoder, _DECODER)):
        if not file.is_file():
            raise WeightsError(
                "weights_not_found", f"There is no file {file}. Give the path of a .pth or .safetensors file."
            )
        weights = read_weights(file)
        try:
            halves.append(_network(weights, plan))
        except (KeyError, ValueError) as error:
            raise WeightsError(
                "wrong_network", f"{file} is not a half of a TAESD autoencoder ({error})."
            ) from error
    return Autoencoder(decoder.stem.removesuffix("_decoder"), *halves)


def disturbed(latents: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Latents as a generator might have drawn them: a little noisy, smooth, coarse or incomplete.

    A round trip alone is nearly without loss. Each picture's latents are left alone or changed in one of
    four ways, by one chance in five each.

    Args:
        latents: (N, h, w, C), h and w even.
        rng: the only source of randomness.

    Returns:
        The same shape.
    """
    spread = latents.std(axis=(0, 1, 2))
    changed = latents.copy()
    for place, own in enumerate(latents):
        how = int(rng.integers(5))
        if how == 1:
            noise = rng.standard_normal(own.shape, np.float32)
            changed[place] = own + float(rng.uniform(0.05, 0.35)) * spread * noise
        elif how == 2:
            means = own.reshape(own.shape[0] // 2, 2, own.shape[1] // 2, 2, -1).mean(axis=(1, 3))
            changed[place] += float(rng.uniform(0.1, 0.5)) * (means.repeat(2, axis=0).repeat(2, axis=1) - own)
        elif how == 3:
            step = float(rng.uniform(0.3, 0.9)) * spread + 1e-6
            changed[place] = np.rint(own / step) * step
        elif how == 4:
            changed[place] *= rng.random(own.shape[-1]) > rng.uniform(0.02, 0.1)
    return changed


def round_trip(
    pixels: NDArray[np.uint8], autoencoder: Autoencoder, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Pictures as the autoencoder gives them back, from disturbed latents.

    Args:
        pixels: (N, S, S, 3) uint8, S a multiple of 16.
        autoencoder: the network.
        rng: the only source of randomness.

    Returns:
        (N, S, S, 3) uint8.
    """
    latents = np.asarray(autoencoder.encode(pixels.astype(np.float32) / 255), np.float32)
    made = np.asarray(autoencoder.decode(disturbed(latents, rng)), np.float32)
    return np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)


def _network(weights: Weights, plan: tuple[str, ...]) -> Any:
    """The half that ``plan`` describes, compiled, with its weights."""
    first = weights[f"{plan.index('conv')}.weight"]
    inputs = keras.Input((None, None, first.shape[1]))
    hidden: Any = inputs
    used: set[str] = set()
    for place, kind in enumerate(plan):
        if kind == "clamp":
            hidden = ops.multiply(ops.tanh(hidden / 3), 3)
        elif kind == "relu":
            hidden = layers.ReLU()(hidden)
        elif kind == "up":
            hidden = layers.UpSampling2D(2)(hidden)
        elif kind == "block":
            hidden = _block(hidden, f"{place}", weights, used)
        else:
            hidden = _convolve(hidden, f"{place}", weights, used, stride=2 if kind == "down" else 1)
    if used != set(weights):
        raise ValueError(f"left over: {sorted(set(weights) - used)[:3]}")
    model = keras.Model(inputs, hidden)
    return _compiled(model)


def _compiled(model: keras.Model) -> Any:
    import tensorflow as tf

    return tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)


def _block(entry: Any, name: str, weights: Weights, used: set[str]) -> Any:
    """Three convolutions around which the input runs; newer networks normalise it over the picture first."""
    if f"{name}.pool.0.weight" in weights:
        pooled = _convolve(entry, f"{name}.pool.0", weights, used)
        used |= {f"{name}.pool.1.weight", f"{name}.pool.1.bias"}
        normalise = layers.GroupNormalization(4, epsilon=1e-5)
        pooled = layers.ReLU()(normalise(pooled))
        normalise.set_weights([weights[f"{name}.pool.1.weight"], weights[f"{name}.pool.1.bias"]])
        entry = entry + _convolve(pooled, f"{name}.pool.3", weights, used)
    hidden = entry
    for place in (0, 2, 4):
        hidden = _convolve(hidden, f"{name}.conv.{place}", weights, used)
        if place < 4:
            hidden = layers.ReLU()(hidden)
    return layers.ReLU()(hidden + entry)


def _convolve(hidden: Any, name: str, weights: Weights, used: set[str], stride: int = 1) -> Any:
    """A convolution whose input is padded alike on all sides, as PyTorch does."""
    kernel = weights[f"{name}.weight"]
    held = [kernel.transpose(2, 3, 1, 0)]
    used.add(f"{name}.weight")
    if f"{name}.bias" in weights:
        held.append(weights[f"{name}.bias"])
        used.add(f"{name}.bias")
    if stride > 1:
        hidden = layers.ZeroPadding2D(kernel.shape[2] // 2)(hidden)
    layer = layers.Conv2D(
        kernel.shape[0], kernel.shape[2], stride, "same" if stride == 1 else "valid", use_bias=len(held) > 1
    )
    hidden = layer(hidden)
    layer.set_weights(held)
    return hidden
