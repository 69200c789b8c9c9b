"""One training run, top to bottom: data, network, epochs, and the folder that tells what happened.

A run's folder holds ``settings.json``; ``events.jsonl`` (append-only; a line every few seconds of
steps, a line an epoch); ``state.npz`` (everything that ``resume`` needs, at an epoch's end);
``best.keras`` (the best network by perturbed validation, without optimiser); ``result.json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

from deepfake.architectures import build
from deepfake.callbacks import StepReporter, WeightAverage
from deepfake.dataset import DatasetIndex
from deepfake.errors import UserError
from deepfake.optimisation import compile_for, fastest_precision
from deepfake.pipeline import Augmentation, training_batches
from deepfake.recipes import Recipe
from deepfake.runlog import RunLog, write_json
from deepfake.scoring import compiled_scorer, score_files


class TrainingError(UserError):
    """A run cannot start, go on or resume."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Attributes:
        folder: the run's folder.
        state: ``finished`` or ``stopped``.
        epochs: epochs that were completed.
        best_epoch: the epoch (from 1) whose network was kept, 0 where none was completed.
        best: that epoch's measurements.
    """

    folder: Path
    state: str
    epochs: int
    best_epoch: int
    best: dict[str, Any]


def train(
    data: DatasetIndex,
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> TrainingResult:
    """Trains a network on ``Train`` and keeps the epoch that is best on ``Validation``.

    Exact duplicates are left out first. With ``perturbed`` in the recipe the best epoch is the one with
    the highest ROC AUC on perturbed validation images, else on the plain ones.

    Args:
        data: a data set with the splits Train and Validation, both classes in each.
        recipe: the settings.
        folder: the run's folder, made if missing.
        resume: go on after the last completed epoch of this folder's run.
        say: takes lines for the person who waits.

    Raises:
        TrainingError: codes ``run_exists``, ``nothing_to_resume``, ``one_class``, ``diverged``,
            ``broken_image``.
        ImageRefused: a validation image cannot be used.
        DatasetError: a split is missing.
    """
    _check_folder(folder, resume)
    data = data.without_duplicates()
    training, validation = data.select(split="Train"), data.select(split="Validation")
    for part in (training, validation):
        if part.table["label"].nunique() < 2:
            raise TrainingError(
                "one_class",
                f"{part.root}, {part.table['split'].iloc[0]}: only one class has images. "
                "Both Fake and Real are needed.",
            )
    validation = _balanced_sample(validation, recipe.validation_images)

    keras.utils.set_random_seed(recipe.seed)
    precision = recipe.precision if recipe.precision != "auto" else fastest_precision()
    keras.mixed_precision.set_dtype_policy(precision)
    model: Any = build(
        recipe.architecture,
        size=recipe.train_input.size if recipe.architecture == "resnet50" else None,
        weights=None if resume else recipe.weights,
        fused=keras.backend.backend() == "tensorflow",
    )
    keras.mixed_precision.set_dtype_policy("float32")
    served = build(
        recipe.architecture, size=recipe.serve_input.size if recipe.architecture == "resnet50" else None
    )
    steps = max(1, len(training) // recipe.batch_size)
    compile_for(model, recipe, steps)
    log = RunLog(folder)
    run = _Run(model, served, recipe, folder, log)
    if resume:
        run.load_state()
    else:
        write_json(folder / "settings.json", {"recipe": recipe.to_dict(), "data": str(data.root)})
    log.add(
        "start",
        first_epoch=run.epoch + 1,
        train_images=len(training),
        validation_images=len(validation),
        parameters=model.count_params(),
        precision=precision,
        steps_per_epoch=steps,
    )
    say(
        f"{recipe.architecture}: {model.count_params():,} parameters, {precision}; "
        f"{len(training):,} training and {len(validation):,} validation images, {steps} steps an epoch"
    )
    return run.go(training, validation, steps, say)


class _Run:
    """The state that epochs change."""

    def __init__(self, model: Any, served: Any, recipe: Recipe, folder: Path, log: RunLog) -> None:
        self.model, self.served, self.recipe, self.folder, self.log = model, served, recipe, folder, log
        self.average = WeightAverage(model, recipe.ema)
        self.scorer = compiled_scorer(served, recipe.serve_input)
        self.epoch = 0
        self.best_epoch = 0
        self.best: dict[str, Any] = {}

    def go(
        self, training: DatasetIndex, validation: DatasetIndex, steps: int, say: Callable[[str], None]
    ) -> TrainingResult:
        """All epochs that are left."""
        recipe = self.recipe
        targets = _targets(training, recipe)
        reporter = StepReporter(self.log, recipe, steps, say)
        try:
            while self.epoch < recipe.epochs:
                batches = training_batches(
                    training.paths(),
                    targets,
                    recipe.train_input,
                    _augmentation(recipe),
                    batch_size=recipe.batch_size,
                    seed=recipe.seed,
                    epoch=self.epoch,
                )
                reporter.epoch = self.epoch
                fitted = self.fit(batches, [reporter, self.average])
                self.finish_epoch(validation, fitted, say)
            state = "finished"
        except KeyboardInterrupt:
            state = "stopped"
            say("Stopped. The best network so far is kept; --resume goes on after the last whole epoch.")
        if not (self.folder / "best.keras").exists():
            self.keep_best()
        self.close(state)
        return TrainingResult(self.folder, state, self.epoch, self.best_epoch, self.best)

    def fit(self, batches: Any, callbacks: list[Any]) -> dict[str, Any]:
        """One epoch; what went wrong in it is said in words."""
        try:
            fitted = self.model.fit(batches, verbose=0, shuffle=False, callbacks=callbacks).history
        except tf.errors.OpError as error:  # what a sample raises arrives wrapped in TensorFlow's own
            reason = re.search(r"ImageRefused: (.*)", str(error))
            if reason is None:
                raise
            self.close("failed")
            raise TrainingError(
                "broken_image", f"A training image cannot be used: {reason[1]} Repair or remove it."
            ) from error
        if not math.isfinite(fitted["loss"][-1]):
            self.close("diverged")
            kept = f"The network of epoch {self.best_epoch} is kept." if self.best_epoch else "None is kept."
            raise TrainingError(
                "diverged",
                f"The loss became {fitted['loss'][-1]} in epoch {self.epoch + 1}. {kept} "
                "Try again with a smaller --learning-rate.",
            )
        return fitted

    def close(self, state: str) -> None:
        """Says in the folder how the run ended: finished, stopped, diverged or failed."""
        self.log.add("end", state=state, epochs=self.epoch, best_epoch=self.best_epoch)
        write_json(
            self.folder / "result.json",
            {"state": state, "epochs": self.epoch, "best_epoch": self.best_epoch, "best": self.best},
        )

    def finish_epoch(
        self, validation: DatasetIndex, fitted: dict[str, Any], say: Callable[[str], None]
    ) -> None:
        """Measures, keeps the best, saves what resuming needs."""
        number = self.epoch + 1  # an epoch counts once its state is saved
        self.served.set_weights(self.average.weights())
        measured = {"clean": self.measure(validation, perturbed=False)}
        if self.recipe.perturbed is not None:
            measured["perturbed"] = self.measure(validation, perturbed=True)
        train_part = {name: float(values[-1]) for name, values in fitted.items()}
        self.log.add("epoch", epoch=number, train=train_part, validation=measured)
        chosen = measured.get("perturbed", measured["clean"])
        if not self.best or chosen["roc_auc"] > self.best.get("perturbed", self.best["clean"])["roc_auc"]:
            self.best, self.best_epoch = measured, number
            self.keep_best()
        self.epoch = number
        self.save_state()
        words = "; ".join(
            f"{name} accuracy {part['accuracy']:.4f}, AUC {part['roc_auc']:.4f}"
            for name, part in measured.items()
        )
        (first, second) = measured["clean"]["confusion_matrix"]
        say(
            f"epoch {self.epoch}/{self.recipe.epochs}: loss {train_part['loss']:.4f}; validation {words}; "
            f"confusion (rows true Fake, Real; columns called Fake, Real) {first} {second}"
            + ("  best so far" if self.best_epoch == self.epoch else "")
        )

    def measure(self, validation: DatasetIndex, *, perturbed: bool) -> dict[str, Any]:
        """Accuracy, loss, ROC AUC and confusion matrix (rows true, columns called: Fake, Real)."""
        logits = score_files(self.scorer, self.recipe.serve_input, validation.paths(), perturbed=perturbed)
        labels = validation.table["label"].to_numpy()
        called = (logits >= 0).astype(int)
        return {
            "accuracy": float((called == labels).mean()),
            "loss": float(np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()),
            "roc_auc": float(roc_auc_score(labels, logits)),
            "confusion_matrix": confusion_matrix(labels, called, labels=[1, 0]).tolist(),
        }

    def keep_best(self) -> None:
        """Writes the network as it would be served."""
        self.served.set_weights(self.average.weights())
        waiting = self.folder / "best.part.keras"
        self.served.save(waiting)
        waiting.replace(self.folder / "best.keras")

    def save_state(self) -> None:
        """Writes what ``load_state`` reads, all or nothing."""
        waiting = self.folder / "state.part.npz"
        variables = [*self.model.variables, *self.model.optimizer.variables]
        arrays = {f"variable_{place}": np.asarray(value) for place, value in enumerate(variables)}
        arrays |= {f"average_{place}": value for place, value in enumerate(self.average.averages)}
        kept = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best": self.best,
            "steps": self.average.steps,
        }
        arrays["kept"] = np.array(json.dumps(kept))
        np.savez(waiting, **arrays)  # pyright: ignore[reportArgumentType] - names never clash with allow_pickle
        waiting.replace(self.folder / "state.npz")

    def load_state(self) -> None:
        """Takes up the state after the last completed epoch."""
        with np.load(self.folder / "state.npz") as state:
            for place, variable in enumerate([*self.model.variables, *self.model.optimizer.variables]):
                variable.assign(state[f"variable_{place}"])
            kept = json.loads(str(state["kept"]))
            names = sorted((n for n in state.files if n.startswith("average_")), key=lambda n: int(n[8:]))
            self.average.restore([state[name] for name in names], kept["steps"])
        self.epoch, self.best_epoch, self.best = kept["epoch"], kept["best_epoch"], kept["best"]


def _check_folder(folder: Path, resume: bool) -> None:
    if resume and not (folder / "state.npz").is_file():
        raise TrainingError(
            "nothing_to_resume", f"{folder} holds no completed epoch to go on from. Start a new run."
        )
    if not resume and (folder / "settings.json").exists():
        raise TrainingError(
            "run_exists", f"{folder} already holds a run. Give another name, or --resume to go on with it."
        )
    folder.mkdir(parents=True, exist_ok=True)


def _targets(data: DatasetIndex, recipe: Recipe) -> NDArray[np.float32]:
    """(N, 1) label of Fake for a logit, (N, 2) one-hot in the order Fake, Real for a softmax."""
    fake = data.table["label"].to_numpy(np.float32)[:, None]
    return np.hstack([fake, 1 - fake]) if recipe.architecture == "resnet50" else fake


def _augmentation(recipe: Recipe) -> Augmentation | None:
    if recipe.perturbed is None:
        return None
    return Augmentation(perturbed=recipe.perturbed, min_area=recipe.min_area)


def _balanced_sample(data: DatasetIndex, most: int | None) -> DatasetIndex:
    """At most ``most`` images, half of each class, always the same ones."""
    if most is None or len(data) <= most:
        return data
    groups = data.table.groupby("label")
    table = pd.concat([group.sample(min(len(group), most // 2), random_state=0) for _, group in groups])
    return DatasetIndex(data.root, table.sort_values("path").reset_index(drop=True))
