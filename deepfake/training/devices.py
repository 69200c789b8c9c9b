"""More than one device of a machine: each holds a copy of the network and takes its part of every batch."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf


def over_all_devices() -> AbstractContextManager[Any]:
    """A scope in which a network is built and compiled, so that ``fit`` uses every device of the machine.

    Graphics processors where there are any, else the processors that TensorFlow was told to tell apart. With
    one device nothing changes. Gradients are averaged over all; batch normalisation sees its own part only.
    """
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        return contextlib.nullcontext()
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()
