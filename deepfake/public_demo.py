"""Whether the app runs as a demo for strangers: no training, no folders of its machine, smaller pictures."""

from __future__ import annotations

import os

VARIABLE = "DEEPFAKE_DEMO"
EXPLANATION = f"This is a public demo ({VARIABLE}=1): it trains nothing and opens no folder of its machine."


def is_demo() -> bool:
    """Whether the operator set ``DEEPFAKE_DEMO=1``."""
    return os.environ.get(VARIABLE, "").strip().lower() in ("1", "on", "true", "yes")


def capped(usual: int, demo: int) -> int:
    """A limit: the usual one, or that of the demo. Limits are read once, when the program starts."""
    return demo if is_demo() else usual
