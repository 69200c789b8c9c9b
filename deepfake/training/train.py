"""One training run, top to bottom: data, network, epochs, and the folder that tells what happened.

A run's folder holds ``settings.json``; ``events.jsonl`` (append-only; a line every few seconds of
steps, a line an epoch); ``state.npz`` (everything that ``resume`` needs, saved at the end of an epoch's
steps and again once it is measured); ``best.keras`` (the best network by perturbed validation, without
optimiser); ``summary.txt`` (its layers); ``result.json``.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import confusion_matrix, roc_auc_score

from deepfake.data.index import DatasetIndex
from deepfake.data.synthesis.landmarks import read_landmarks
from deepfake.detection.card import load_card, load_model
from deepfake.errors import UserError
from deepfake.networks.architectures import build
from deepfake.networks.catalogue import ARCHITECTURES, ArchitectureError, architecture
from deepfake.networks.scoring import compiled_scorer, score_files
from deepfake.training.callbacks import StepReporter, StopAsked, WeightAverage
from deepfake.training.checkpoint import read_checkpoint, write_checkpoint
from deepfake.training.failures import as_user_error
from deepfake.training.log import RunLog, read_data_digest
from deepfake.training.optimise import compile_for, fastest_precision, shorten_memory
from deepfake.training.pipeline import training_batches
from deepfake.training.recipe import Recipe
from deepfake.training.samples import (
    TrainingError,
    check_images,
    data_digest,
    epoch_samples,
    images_per_epoch,
    prepared,
)
from deepfake.training.workers import Workers, check_parts, synchronise
from deepfake.util.files import replacing, write_json, write_whole
from deepfake.util.process import Requests, defer_signals, stop_requests


def validation_numbers(table: pd.DataFrame, logits: NDArray[np.float32]) -> dict[str, Any]:
    """Accuracy, loss, ROC AUC, by source too; confusion matrix (rows true, columns called).

    Args:
        table: of the images, as in ``DatasetIndex``; both classes.
        logits: (N,) of Fake, in the same order.
    """
    labels = table["label"].to_numpy()
    called = (logits >= 0).astype(int)
    return {
        "accuracy": float((called == labels).mean()),
        "loss": float(np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()),
        "roc_auc": float(roc_auc_score(labels, logits)),
        "confusion_matrix": confusion_matrix(labels, called, labels=[1, 0]).tolist(),
        "source_roc_auc": source_aucs(table, logits),
    }


def source_aucs(table: pd.DataFrame, logits: NDArray[np.float32]) -> dict[str, float]:
    """ROC AUC of each source that has both classes."""
    groups = table.assign(logit=logits).groupby("source")
    return {
        str(source): float(roc_auc_score(group["label"], group["logit"]))
        for source, group in groups
        if group["label"].nunique() == 2
    }


def tracked_images(validation: DatasetIndex, each: int = 4) -> pd.DataFrame:
    """Rows of a few images of each class, spread over the table, whose p_fake is told after each epoch."""
    table = validation.table
    chosen: list[Any] = []
    for label in (1, 0):
        rows = table.index[table["label"] == label]
        chosen += rows[np.unique(np.linspace(0, len(rows) - 1, each).round().astype(int))].tolist()
    return table.loc[chosen]


def selection_score(measured: dict[str, Any], recipe: Recipe) -> float:
    """What the best epoch has most of: see ``Recipe.shares``."""
    if not recipe.shares:
        return measured.get("perturbed", measured["clean"])["roc_auc"]
    return float(np.mean([auc for part in measured.values() for auc in part["source_roc_auc"].values()]))


def starting_network(
    name: str, *, size: int | None = None, weights: str | None = None, fused: bool = False
) -> keras.Model:
    """As ``architectures.build``; ``weights`` may name a detector to start from too.

    Raises:
        ArchitectureError: as ``build``; code ``weights_not_loaded``: another network.
        ModelError: ``weights`` is not the name of a sound detector.
    """
    if not architecture(name).names_detector(weights):
        return build(name, size=size, weights=weights, fused=fused)
    model = build(name, size=size, fused=fused)
    _start_from(model, str(weights))
    return model


def _start_from(model: keras.Model, detector: str) -> None:
    """Gives a network the weights of a published detector, or those of the same network inside a pair."""
    card = load_card(detector)
    try:
        theirs = load_model(card)
        if len(card.networks) > 1 and model.name in card.networks:
            model.set_weights(_part_weights(theirs, card.networks.index(model.name), len(card.networks)))
        else:
            model.set_weights(theirs.get_weights())
    except ValueError as error:
        raise ArchitectureError(
            "weights_not_loaded",
            f"The detector '{detector}' is no {model.name} network of this shape ({card.architecture}, "
            f"{card.contents.get('parameters', '?')} parameters), so training cannot start from it.",
        ) from error


def _part_weights(both: Any, index: int, count: int) -> list[Any]:
    """The weights of one of the networks that lie side by side, as those of ``faces`` do.

    Its logit's scale is right up to the temperature; its bias, which went into the common one, is 0.
    """
    own = [layer for layer in both.layers if layer.name.startswith(f"network{index}_")]
    weights = [values for layer in own for values in layer.get_weights()]
    widths = [tensor.shape[-1] for tensor in both.get_layer("features").input]
    first = sum(widths[:index])
    kernel = np.asarray(both.get_layer("logit").kernel)[first : first + widths[index]]
    return [*weights, kernel * count, np.zeros(1, np.float32)]


def precision_of(recipe: Recipe) -> str:
    """The recipe's, or where that leaves it open the fastest here."""
    return recipe.precision if recipe.precision != "auto" else fastest_precision(recipe.architecture)


def networks(
    training: DatasetIndex, recipe: Recipe, *, resume: bool, workers: Workers | None = None
) -> tuple[Any, Any, str, int]:
    """The network to train, compiled; the one to measure and keep; the precision; steps an epoch."""
    keras.utils.set_random_seed(recipe.seed)
    precision, entry = precision_of(recipe), architecture(recipe.architecture)
    steps = max(1, images_per_epoch(training, recipe) // recipe.batch_size)
    with workers.scope() if workers else over_all_devices():
        keras.mixed_precision.set_dtype_policy(precision)
        model: Any = starting_network(
            recipe.architecture,
            size=recipe.train_input.size if entry.fixed_size else None,
            weights=None if resume else recipe.weights,
            fused=True,
        )
        keras.mixed_precision.set_dtype_policy("float32")
        if recipe.weights in (None, "none") and recipe.schedule != "constant":
            shorten_memory(model, steps * recipe.epochs)
        if workers:
            synchronise(model)
        compile_for(model, recipe, steps)
    served = build(recipe.architecture, size=recipe.serve_input.size if entry.fixed_size else None)
    return model, served, precision, steps


def epoch_batches(
    training: DatasetIndex, recipe: Recipe, epoch: int, landmarks: Any, workers: Workers | None = None
) -> Any:
    """The batches of an epoch (from 0), as ``training_batches``; of several workers this one's part."""
    samples, size = epoch_samples(training, recipe, epoch, landmarks), recipe.batch_size
    columns = ARCHITECTURES[recipe.architecture].outputs
    if workers is None:
        return training_batches(samples, recipe.train_input, batch_size=size, columns=columns)
    own, part = workers.own_samples(samples, size), size // workers.replicas
    return workers.distributed(training_batches(own, recipe.train_input, batch_size=part, columns=columns))


def fit_epoch(
    model: Any, batches: Any, callbacks: list[Any], workers: Workers | None = None
) -> dict[str, Any]:
    """One epoch: the mean of each metric.

    Raises:
        TrainingError: code ``broken_image``; of several workers as ``Workers.fit``.
    """
    callbacks = [*callbacks, keras.callbacks.TerminateOnNaN()]
    try:
        if workers:
            return workers.fit(model, batches, callbacks)
        return model.fit(batches, verbose=0, shuffle=False, callbacks=callbacks).history
    except tf.errors.OpError as error:  # what a sample raises arrives wrapped in TensorFlow's own
        reason = re.search(r"ImageRefused: (.*)", str(error))
        if reason is None:
            raise
        raise TrainingError(
            "broken_image", f"A training image cannot be used: {reason[1]} Repair or remove it."
        ) from error


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
    listeners: Sequence[Callable[[dict[str, Any]], None]] = (),
    workers: Workers | None = None,
) -> TrainingResult:
    """Trains a network on ``Train`` and keeps the epoch that is best on ``Validation``.

    Exact duplicates are left out first, and every image is decoded once before the first step. With
    ``perturbed`` in the recipe the best epoch is the one with the highest ROC AUC on perturbed validation
    images, else on the plain ones.

    Args:
        data: a data set with the splits Train and Validation, both classes in each.
        recipe: the settings.
        folder: the run's folder, made if missing.
        resume: go on after the last epoch of this folder's run whose steps were completed; the images must
            be those it was started with.
        say: takes lines for the person who waits.
        listeners: told of every event of the run's log.
        workers: the processes that train it together, each of which calls this; None for this one alone.

    Raises:
        TrainingError: codes ``run_exists``, ``nothing_to_resume``, ``bad_state``, ``other_data``,
            ``one_class``, ``diverged``, ``broken_image``; of several workers ``bad_workers``,
            ``workers_differ``, ``worker_gone``.
        UserError: ``disk_full``, ``out_of_memory`` or ``data_gone`` (see ``failures``).
        SamplingError: the recipe's shares do not fit the data.
        ModelError: the detector to start from is missing or damaged.
        ImageRefused: a validation image cannot be used any more.
        DatasetError: a split is missing.
    """
    _check_folder(folder, resume)
    training, validation = prepared(data, recipe)
    landmarks = read_landmarks(training.root) if recipe.blended else {}
    digest = data_digest(training, validation, landmarks)
    if workers:
        check_parts(recipe, images_per_epoch(training, recipe), workers.replicas)
    if resume:
        _check_same_data(folder, digest, data.root, say)
    else:
        say(f"Checking that {len(training) + len(validation):,} images can be read.")
        check_images(training, validation)
    model, served, precision, steps = networks(training, recipe, resume=resume, workers=workers)
    log = RunLog(folder, listeners)
    run = _Run(model, served, recipe, folder, log, steps=steps, workers=workers)
    if resume:
        run.load_state()
    if workers:
        workers.check_same(f"{digest} {precision} {run.trained}")
    if not resume:
        settings = {"recipe": recipe.to_dict(), "data": str(data.root), "data_sha256": digest}
        write_json(folder / "settings.json", settings)
    log.add(
        "start",
        first_epoch=run.epoch + 1,
        train_images=len(training),
        validation_images=len(validation),
        parameters=model.count_params(),
        precision=precision,
        steps_per_epoch=steps,
        batch_size=recipe.batch_size,
        strip=tracked_images(validation)[["path", "label"]].to_dict("records"),
    )
    _write_summary(model, folder)
    say(
        f"{recipe.architecture}: {model.count_params():,} parameters, {precision}; "
        f"{len(training):,} training and {len(validation):,} validation images, {steps} steps an epoch"
    )
    return run.go(training, validation, say, landmarks)


def _write_summary(model: Any, folder: Path) -> None:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=100)
    write_whole(folder / "summary.txt", ("\n".join(lines) + "\n").encode())


class _Run:
    """The state that epochs change."""

    def __init__(
        self,
        model: Any,
        served: Any,
        recipe: Recipe,
        folder: Path,
        log: RunLog,
        *,
        steps: int,
        workers: Workers | None = None,
    ) -> None:
        self.steps, self.workers = steps, workers
        self.model, self.served, self.recipe, self.folder, self.log = model, served, recipe, folder, log
        self.average = WeightAverage(model, recipe.ema, steps)
        self.scorer = compiled_scorer(served, recipe.serve_input)
        self.epoch = 0  # epochs that are measured
        self.trained = 0  # epochs whose steps are done: as many, or one more
        self.fitted: dict[str, float] = {}
        self.best_epoch = 0
        self.best: dict[str, Any] = {}
        self.strip: dict[str, list[float]] = {}

    def go(
        self,
        training: DatasetIndex,
        validation: DatasetIndex,
        say: Callable[[str], None],
        landmarks: Any,
    ) -> TrainingResult:
        """All epochs that are left."""
        reporter = StepReporter(self.log, self.recipe, self.steps, say)
        state = "finished"
        with stop_requests() as requests:
            callbacks = [reporter, self.average, StopAsked(requests)]
            try:
                while self.epoch < self.recipe.epochs and not self.out_of_patience():
                    if self.trained == self.epoch:
                        batches = epoch_batches(training, self.recipe, self.epoch, landmarks, self.workers)
                        reporter.epoch = self.epoch
                        self.keep_steps(self.fit(batches, callbacks))
                    self.finish_epoch(validation, requests, say)
            except KeyboardInterrupt:
                state = "stopped"
            except Exception as error:
                if not requests.arrived or isinstance(error, UserError):
                    self.fail(error, training.root)
                state = "stopped"  # the error is what a library made of the interrupt
        if state == "stopped":
            say("Stopped. The best network so far is kept; --resume goes on after the last whole epoch.")
        if not (self.folder / "best.keras").exists():
            self.keep_best()
        self.close(state)
        if self.workers and state == "finished":
            self.workers.chief_says(True)  # the others wait for what the chief does last: it may still end
        return TrainingResult(self.folder, state, self.epoch, self.best_epoch, self.best)

    def fail(self, error: Exception, data: Path) -> NoReturn:
        """Says in the folder why the run ends here, and raises it in words."""
        failure = as_user_error(error, data)
        self.close("diverged" if failure.code == "diverged" else "failed", failure)
        if failure is error or failure.code == "unexpected":
            raise error
        raise failure from error

    def fit(self, batches: Any, callbacks: list[Any]) -> dict[str, Any]:
        """One epoch; what went wrong in it is said in words."""
        fitted = fit_epoch(self.model, batches, callbacks, self.workers)
        if not math.isfinite(fitted["loss"][-1]):
            kept = f"The network of epoch {self.best_epoch} is kept." if self.best_epoch else "None is kept."
            raise TrainingError(
                "diverged",
                f"The loss became {fitted['loss'][-1]} in epoch {self.epoch + 1}. {kept} "
                "Try again with a smaller --learning-rate.",
            )
        return fitted

    def out_of_patience(self) -> bool:
        """Whether the last ``patience`` epochs brought no better one."""
        if self.recipe.patience is None:
            return False
        out = self.epoch - self.best_epoch >= self.recipe.patience
        return self.workers.chief_says(out) if self.workers else out

    def close(self, state: str, failure: UserError | None = None) -> None:
        """Says in the folder how the run ended: finished, stopped, diverged or failed."""
        (self.folder / "reserve").unlink(missing_ok=True)  # room for these lines where the disk is full
        reason = {"code": failure.code, "message": failure.message} if failure else {}
        early = {"early": True} if state == "finished" and self.epoch < self.recipe.epochs else {}
        self.log.add("end", state=state, epochs=self.epoch, best_epoch=self.best_epoch, **reason, **early)
        write_json(
            self.folder / "result.json",
            {"state": state, "epochs": self.epoch, "best_epoch": self.best_epoch, "best": self.best},
        )

    def keep_steps(self, fitted: dict[str, Any]) -> None:
        """Saves an epoch whose steps are done, before anything can go wrong in measuring it."""
        self.fitted = {name: float(values[-1]) for name, values in fitted.items()}
        with defer_signals():
            self.trained = self.epoch + 1
            self.save_state()

    def finish_epoch(self, validation: DatasetIndex, requests: Requests, say: Callable[[str], None]) -> None:
        """Measures, keeps the best, saves what resuming needs."""
        number = self.trained  # it counts in ``epoch`` once it is measured and that is saved
        if self.workers and not self.workers.chief:
            self.epoch = number
            return
        self.served.set_weights(self.average.weights())
        measured = {"clean": self.measure(validation, perturbed=False)}
        if self.recipe.perturbed is not None:
            measured["perturbed"] = self.measure(validation, perturbed=True)
        requests.check()
        score = selection_score(measured, self.recipe)
        better = not self.best or score > selection_score(self.best, self.recipe)
        with defer_signals():  # log, network and state agree
            self.log.add(
                "epoch", epoch=number, best=better, train=self.fitted, validation=measured, strip=self.strip
            )
            if better:
                self.keep_best()
                self.best, self.best_epoch = measured, number
            self.epoch = number
            self.save_state()
        words = "; ".join(
            f"{name} accuracy {part['accuracy']:.4f}, AUC {part['roc_auc']:.4f}"
            for name, part in measured.items()
        )
        (first, second) = measured["clean"]["confusion_matrix"]
        say(
            f"epoch {self.epoch}/{self.recipe.epochs}: loss {self.fitted['loss']:.4f}; validation {words}; "
            f"confusion (rows true Fake, Real; columns called Fake, Real) {first} {second}"
            + ("  best so far" if self.best_epoch == self.epoch else "")
        )
        requests.check()

    def measure(self, validation: DatasetIndex, *, perturbed: bool) -> dict[str, Any]:
        """The numbers of ``validation_numbers``; notes what the few images of the strip score."""
        logits = score_files(self.scorer, self.recipe.serve_input, validation.paths(), perturbed=perturbed)
        p_fake = expit(logits[tracked_images(validation).index].astype(float))
        self.strip["perturbed" if perturbed else "clean"] = p_fake.round(4).tolist()
        return validation_numbers(validation.table, logits)

    def keep_best(self) -> None:
        """Writes the network as it would be served."""
        self.served.set_weights(self.average.weights())
        with replacing(self.folder / "best.keras") as partial:
            self.served.save(partial)

    def save_state(self) -> None:
        """Writes what ``load_state`` reads, all or nothing."""
        counts = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best": self.best}
        counts |= {"trained": self.trained, "fitted": self.fitted}
        write_checkpoint(self.folder / "state.npz", self.model, self.average, counts)

    def load_state(self) -> None:
        """Takes up the state after the last epoch whose steps are done; it may still have to be measured."""
        counts = read_checkpoint(self.folder / "state.npz", self.model, self.average)
        self.epoch, self.best_epoch, self.best = counts["epoch"], counts["best_epoch"], counts["best"]
        self.trained = counts.get("trained", self.epoch)  # older versions measured before they saved
        self.fitted = counts.get("fitted", {})


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


def _check_same_data(folder: Path, digest: str, root: Path, say: Callable[[str], None]) -> None:
    """Refuses to go on with other images than those a run was started with."""
    before = read_data_digest(folder)
    if not before:
        say("This run's folder does not tell which images it was started with; they are not compared.")
    elif before != digest:
        raise TrainingError(
            "other_data",
            f"The Train and Validation images in {root} are not those that the run {folder.name} was started "
            "with: some have come, gone or changed since, or it is another dataset. Bring back what was "
            "there, or start a new run.",
        )


def over_all_devices() -> AbstractContextManager[Any]:
    """A scope in which a network is built and compiled, so that ``fit`` uses every device of the machine.

    Graphics processors where there are any, else the processors that TensorFlow was told to tell apart. With
    one device nothing changes. Gradients are averaged over all; batch normalisation sees its own part only.
    """
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        return contextlib.nullcontext()
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()
