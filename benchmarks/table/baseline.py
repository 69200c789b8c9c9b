"""The baseline that the table is measured beside, and how a row is timed: both ways in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Result:
    """One comparison.

    Attributes:
        name: what was timed.
        ours, theirs: medians in seconds; ``theirs`` is the baseline's way.
        ratio: theirs / ours: above 1, ours is faster.
        details: how, in words.
        images: that were worked through; 0 where the time is of one thing.
    """

    name: str
    ours: float
    theirs: float
    ratio: float
    details: str
    images: int = 0


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    runs: int,
    details: str,
    images: int = 0,
    warm_up: bool = True,
) -> Result:
    """Times two ways in turn, a warm-up each first, and takes the median of the paired ratios."""
    if warm_up:
        ours()
        theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Result(name, mine, other, statistics.median(b / a for a, b in pairs), details, images)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def baseline_network() -> Any:
    """ResNet50 at 128 px in Keras; its weights are drawn, as speed does not depend on them."""
    from deepfake.networks.architectures import resnet50

    return resnet50(None)


def baseline_verdict(network: Any, path: Path) -> Any:
    """How the baseline checks an image: the whole of it, without looking for a face."""
    import keras

    image = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(128, 128))) / 255
    return network.predict(np.expand_dims(image, 0), verbose=0)
