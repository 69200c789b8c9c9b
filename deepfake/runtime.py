"""One safe way to import TensorFlow late.

It takes seconds and hundreds of MB, so only what scores images imports it; and two threads that import
it at once leave it broken for the life of the process.
"""

from __future__ import annotations

import os
import threading

_lock = threading.Lock()


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, whichever thread comes first; returns at once afterwards."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _lock:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401  # pyright: ignore[reportUnusedImport]
