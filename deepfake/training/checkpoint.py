"""``state.npz`` of a run's folder: everything that a resumed run goes on from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from deepfake.training.callbacks import WeightAverage
from deepfake.training.samples import TrainingError
from deepfake.util.files import replacing


def write_checkpoint(path: Path, model: Any, average: WeightAverage, counts: dict[str, Any]) -> None:
    """Writes what ``read_checkpoint`` reads, all or nothing.

    Args:
        path: the file.
        model: the compiled network, its optimiser built.
        average: of its weights.
        counts: what else the run must know, as JSON takes it.
    """
    variables = [*model.variables, *model.optimizer.variables]
    arrays = {f"variable_{index}": np.asarray(value) for index, value in enumerate(variables)}
    arrays |= {f"average_{index}": value for index, value in enumerate(average.averages)}
    arrays["kept"] = np.array(json.dumps({**counts, "steps": average.steps}))
    with replacing(path) as partial:
        np.savez(partial, **arrays)  # pyright: ignore[reportArgumentType] - no name clashes with allow_pickle


def read_checkpoint(path: Path, model: Any, average: WeightAverage) -> dict[str, Any]:
    """Puts the network, its optimiser and the average back; returns the counts.

    Args:
        path: the file.
        model, average: as for ``write_checkpoint``.

    Raises:
        TrainingError: code ``bad_state``: the file is damaged or of another network.
    """
    try:
        with np.load(path) as state:
            for index, variable in enumerate([*model.variables, *model.optimizer.variables]):
                variable.assign(state[f"variable_{index}"])
            kept = json.loads(str(state["kept"]))
            names = sorted((n for n in state.files if n.startswith("average_")), key=lambda n: int(n[8:]))
            average.restore([state[name] for name in names], kept["steps"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            "bad_state",
            f"{path} is damaged ({type(error).__name__}), so the run cannot go on. "
            "best.keras, if it is there, can still be published. Start a new run.",
        ) from error
    return kept
