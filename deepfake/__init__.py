"""Tell photographs of real faces from deepfakes.

>>> from deepfake import Detector, load_image
>>> verdict = Detector.load().check(load_image("photo.jpg"))  # doctest: +SKIP
>>> verdict.verdict, verdict.p_fake  # doctest: +SKIP
('real', 0.02)

The package draws nothing and knows no web framework: use it from a notebook, the command line
(``deepfake`` or ``python -m deepfake``) or the pages. The positive class is Fake everywhere: ``p_fake``
near 1 means fake.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from deepfake.util.tensorflow import keep_tensorflow_quiet

# TensorFlow leaves oneDNN off where a processor lacks AVX512-VNNI, though AVX2 gains by it too. Here,
# because it must stand before TensorFlow is imported, whichever module does that.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
keep_tensorflow_quiet()

__version__ = "0.1.0"
__all__ = ["Detector", "UserError", "Verdict", "load_image"]

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.verdict import Verdict
    from deepfake.errors import UserError
    from deepfake.images.load import load_image

_PLACES = {
    "Detector": "deepfake.detection.detector",
    "UserError": "deepfake.errors",
    "Verdict": "deepfake.detection.verdict",
    "load_image": "deepfake.images.load",
}


def __getattr__(name: str) -> Any:
    """The names above, imported when they are first asked for: ``import deepfake`` alone stays quick."""
    if name not in _PLACES:
        raise AttributeError(f"module 'deepfake' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)
