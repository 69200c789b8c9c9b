"""What a run will take, from a few steps of it: steps, seconds, memory, disk."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.runs.runs import check_allowed
from deepfake.training.recipe import Recipe
from deepfake.util.jobs import ReportProgress, follow_process

_WARM_UP_STEPS = 5
_MEASURED_STEPS = 8
_MAX_SECONDS = 15.0
_MEASURED_IMAGES = 128
_MAX_MEASUREMENT_SECONDS = 600
_STEPS = _WARM_UP_STEPS + _MEASURED_STEPS + 1


def _tell_nobody(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        train_images, validation_images: those the run uses, duplicates left out.
        parameters: numbers in the network.
        steps_per_epoch, epochs: as the run will do them.
        seconds_per_step, seconds_per_validation: measured; the latter of one epoch, both forms of images.
        seconds: of the whole run.
        memory_mb: the process's peak, with the room for saving its state.
        disk_mb: of the run's folder at its end.
    """

    train_images: int
    validation_images: int
    parameters: int
    steps_per_epoch: int
    epochs: int
    seconds_per_step: float
    seconds_per_validation: float
    seconds: float
    memory_mb: float
    disk_mb: float

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def estimate(data: DatasetIndex, recipe: Recipe, *, on_progress: ReportProgress = _tell_nobody) -> Estimate:
    """Trains a few steps, measures a few images and throws both away.

    Args:
        data: the data set.
        recipe: the settings of the run to come.
        on_progress: told (done, total): steps that were tried and validation images that were scored, each
            form as one.

    Raises:
        UserError: whatever ``training.train`` would refuse.
    """
    import resource  # Windows has none; nor can runs be started there

    from deepfake.data.synthesis.landmarks import read_landmarks
    from deepfake.networks.scoring import compiled_scorer, score_files
    from deepfake.training.samples import prepared
    from deepfake.training.train import epoch_batches, networks

    forms = (False, True) if recipe.perturbed is not None else (False,)
    total = _STEPS + len(forms)
    on_progress(0, total)
    training, validation = prepared(data, recipe)
    model, served, _, steps = networks(training, recipe, resume=False)
    batches = epoch_batches(training, recipe, 0, read_landmarks(training.root) if recipe.blended else {})
    seconds_per_step = _seconds_per_step(model, batches, lambda done: on_progress(done, total))
    scorer = compiled_scorer(served, recipe.serve_input)
    paths = validation.paths()[:_MEASURED_IMAGES]
    seconds_per_validation = 0.0
    for index, perturbed in enumerate(forms, start=1):
        score_files(scorer, recipe.serve_input, paths[:32], perturbed=perturbed)
        start = time.monotonic()
        score_files(scorer, recipe.serve_input, paths, perturbed=perturbed)
        seconds_per_validation += (time.monotonic() - start) / len(paths) * len(validation)
        on_progress(_STEPS + index, total)
    parameters = int(model.count_params())
    copies = 4 if recipe.ema else 3  # weights, Adam's two moments, their average
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Estimate(
        train_images=len(training),
        validation_images=len(validation),
        parameters=parameters,
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        seconds_per_step=seconds_per_step,
        seconds_per_validation=seconds_per_validation,
        seconds=recipe.epochs * (steps * seconds_per_step + seconds_per_validation),
        memory_mb=peak + 4 * parameters * copies / 2**20,
        disk_mb=4 * parameters * (copies + 1) / 2**20,
    )


def measure_elsewhere(
    data: Path,
    options: Sequence[str],
    *,
    on_progress: ReportProgress = _tell_nobody,
    stopped: Callable[[], bool] = lambda: False,
) -> Estimate:
    """``estimate`` in a process of its own, which spares the caller TensorFlow and its memory.

    Args:
        data: the data set's folder.
        options: further words of ``python -m deepfake train``.
        on_progress: see ``estimate``.
        stopped: asked now and then whether to give up.

    Raises:
        UserError: codes ``training_off``; ``not_measured`` with the process's own words.
        Stopped: ``stopped`` said so; the process is ended.
    """
    check_allowed()
    late = time.monotonic() + _MAX_MEASUREMENT_SECONDS

    def give_up() -> bool:
        if time.monotonic() > late:
            took = f"A few steps took more than {_MAX_MEASUREMENT_SECONDS} seconds."
            raise UserError("not_measured", f"{took} Choose smaller images or batches.")
        return stopped()

    with tempfile.TemporaryDirectory(prefix="deepfake-estimate-") as folder:
        words = ["train", str(data), "--run", "estimate", *options, "--estimate"]
        ended = follow_process(words, Path(folder), on_progress, give_up)
    if ended.status:
        raise UserError("not_measured", ended.failure("measurement"))
    return Estimate(**json.loads(ended.output[ended.output.index("{") :]))


def _seconds_per_step(model: Any, batches: Any, on_step: Callable[[int], None]) -> float:
    """The median, after the steps in which the network is compiled and the loader's stock is used up."""
    import keras
    import numpy as np

    ends: list[float] = []

    class Clock(keras.callbacks.Callback):
        """Notes the end of each step and stops when there are enough."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(time.monotonic())
            on_step(len(ends))
            measured = len(ends) - _WARM_UP_STEPS
            late = measured >= 3 and ends[-1] - ends[_WARM_UP_STEPS] > _MAX_SECONDS
            if measured > _MEASURED_STEPS or late:
                network: Any = self.model
                network.stop_training = True

    model.fit(batches.repeat().take(_STEPS), verbose=0, shuffle=False, callbacks=[Clock()])
    return float(np.mean(np.diff(ends[_WARM_UP_STEPS - 1 :])))
