"""The files of a detector's networks: ``model.keras``, ``model.tflite`` to serve it by, ``second.tflite``.

Only a file whose SHA-256 stands in the detector's card is loaded, Keras' with its safe mode on: a model file
can carry code.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from deepfake.detection.card import KERAS, SECOND, SERVED, Card, ModelError
from deepfake.networks.served import ServedNetwork
from deepfake.util.tensorflow import import_tensorflow


def _checked_file(path: Path, expected: str, name: str, mend: str) -> bytes:
    """The content of a file of the detector ``name``, if it is the one that its card describes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "missing_file", f"The detector '{name}' lacks the file {path} ({error.strerror}). {mend}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            "wrong_hash",
            f"The file of the detector '{name}' is not the one its card describes, so it is not loaded. "
            f"Expected SHA-256 {expected[:12]}..., received {found[:12]}.... {mend}",
        )
    return content


def load_served(card: Card) -> ServedNetwork | None:
    """Loads a detector's network for serving, without TensorFlow; None where its card names no such file.

    Raises:
        ModelError: codes ``missing_file``, ``wrong_hash`` or ``unreadable``.
    """
    if not card.served_sha256:
        return None
    path = card.network_folder / SERVED
    again = f"python -m deepfake convert {card.network_folder.name}"
    return _served(card, path, card.served_sha256, f"Restore {path}, or make it again with '{again}'.")


def load_second(card: Card) -> ServedNetwork | None:
    """Loads a detector's second network; None where it has none.

    Raises:
        ModelError: codes ``missing_file``, ``wrong_hash`` or ``unreadable``.
    """
    if card.second is None:
        return None
    path = card.folder / SECOND
    return _served(card, path, card.second.served_sha256, f"Restore {path}.")


def _served(card: Card, path: Path, sha256: str, mend: str) -> ServedNetwork:
    content = _checked_file(path, sha256, card.name, mend)
    try:
        return ServedNetwork(content, card.input)
    except (ValueError, RuntimeError) as error:
        raise ModelError("unreadable", f"{path} cannot be served: {error} {mend}") from error


def load_model(card: Card) -> Any:
    """Loads a detector's Keras network, to train on and for what needs gradients, and TensorFlow: seconds.

    Of a detector with two networks it is the first.

    Raises:
        ModelError: codes ``missing_file``; ``wrong_hash``: the file is not the one that the card describes;
            ``unreadable``: Keras refuses it, for instance as it carries code.
    """
    path = card.network_folder / KERAS
    _checked_file(path, card.sha256, card.name, f"Restore {path}.")
    import_tensorflow()
    try:
        return read_network(path)
    except Exception as error:  # Keras raises nearly anything
        raise ModelError(
            "unreadable",
            f"The detector '{card.name}' cannot be loaded by this version of Keras, or its file carries "
            "code, which is not run. Publish it again from its run.",
        ) from error


def read_network(path: Path) -> Any:
    """The network in a ``.keras`` file, its tables stored as they are or as int8; code in it is not run.

    Raises:
        Exception: nearly anything, where Keras cannot read it.
    """
    import keras

    import deepfake.networks.clip_vit  # noqa: F401 - Keras finds its layers by name
    from deepfake.networks.int8_weights import is_quantised, restored

    if not is_quantised(path):
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        restored(path, whole)
        return keras.saving.load_model(whole, compile=False, safe_mode=True)
