"""Recorded runs: logs of real runs that ship with the app, to be looked at and never changed.

``python -m deepfake demo SET``, then ``python -m deepfake train SET --run demo-16-epochs`` made the one that
ships; its networks and its process's notes were left out, and its dataset is named ``demo``.
"""

from __future__ import annotations

from pathlib import Path

import deepfake.examples
from deepfake.runs.history import History
from deepfake.runs.state import RunState

RECORDED = Path(deepfake.examples.__file__).parent / "runs"
"""Where they lie, in the package itself."""


def recorded_names() -> list[str]:
    """Names of the recorded runs; none where the folder is missing."""
    if not RECORDED.is_dir():
        return []
    return sorted(folder.name for folder in RECORDED.iterdir() if (folder / "events.jsonl").is_file())


def is_recorded(folder: Path) -> bool:
    """Whether the folder is that of a recorded run."""
    return folder.parent == RECORDED


def recorded_state(history: History) -> RunState:
    """How a recorded run stands: it is over, and only its log is here."""
    return RunState(
        "recorded",
        f"A real training run, recorded earlier: {len(history.epochs)} epochs on the demo dataset of cartoon "
        f"faces. Epoch {history.best_epoch} was the best. The app ships with its log, not with its network.",
        False,
    )
