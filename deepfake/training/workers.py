"""One network trained by several processes, on one machine or many: who takes which part of a batch.

TensorFlow's ``MultiWorkerMirroredStrategy`` connects the processes and adds up their gradients. Whoever
starts them tells each its place by the variable ``TF_CONFIG``. All hold the same network, to the bit; each
step takes the batch that one process would take, an equal part for each.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake.networks.architectures import fake_logit
from deepfake.training.pipeline import Sample
from deepfake.training.recipe import Recipe
from deepfake.training.samples import TrainingError

_GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)


@dataclass(frozen=True)
class Workers:
    """The processes of a run, as one of them sees them.

    Attributes:
        strategy: of TensorFlow.
        index: of this process, from 0. The first one is the chief, who alone measures and writes.
        count: of processes.
    """

    strategy: Any
    index: int
    count: int

    @property
    def chief(self) -> bool:
        """Whether this process measures and writes."""
        return self.index == 0

    @property
    def replicas(self) -> int:
        """Copies of the network: one a process, or one a graphics processor."""
        return int(self.strategy.num_replicas_in_sync)

    def scope(self) -> AbstractContextManager[Any]:
        """In which the network is built and compiled."""
        return self.strategy.scope()

    def own_samples(self, samples: Sequence[Sample], batch_size: int) -> list[Sample]:
        """This process's part of every whole batch; see ``part_of_batches``."""
        own = part_of_batches(len(samples), batch_size, self.replicas, self.index, self.count)
        return [samples[number] for number in own]

    def distributed(self, batches: Any) -> Any:
        """Batches of ``batch_size / replicas`` images as the strategy takes them."""
        return self.strategy.distribute_datasets_from_function(lambda _: batches)

    def chief_says(self, value: bool) -> bool:
        """What the chief passed; all processes must ask.

        Raises:
            TrainingError: code ``worker_gone``.
        """
        return bool(self._sum(int(value) if self.chief else 0))

    def check_same(self, what: str) -> None:
        """Refuses to start where the processes differ in what they go on from.

        Raises:
            TrainingError: code ``workers_differ``.
        """
        number = zlib.crc32(what.encode())
        if self._sum(number) != self.count * number:
            raise TrainingError(
                "workers_differ",
                "The workers do not see the same run: other images, another state or other arithmetic. "
                "Every machine needs this version of the package, and data and runs in the same shared "
                "folders.",
            )

    def _sum(self, number: int) -> int:
        """Over the processes; the first copy of each counts."""
        first = self.replicas // self.count

        @tf.function
        def total() -> Any:
            def own() -> Any:
                context: Any = tf.distribute.get_replica_context()
                mine = tf.equal(context.replica_id_in_sync_group % first, 0)
                return tf.where(mine, tf.constant(number, tf.int64), tf.constant(0, tf.int64))

            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, self.strategy.run(own), axis=None)

        with _named_failure():
            return int(total())

    def fit(self, model: Any, batches: Any, callbacks: list[Any]) -> dict[str, Any]:
        """One epoch, as ``model.fit``, which Keras 3.15 cannot do under this strategy.

        Raises:
            TrainingError: code ``worker_gone``.
        """
        step = _step(model, self.strategy)
        listeners = keras.callbacks.CallbackList(callbacks, model=model)
        sums, steps = np.zeros(2), 0
        model.stop_training = False
        with _named_failure():  # around the batches too: the processes ask each other whether there is one
            for batch in batches:
                sums += [float(value) for value in step(batch)]
                steps += 1
                loss, accuracy = (sums / steps).tolist()
                listeners.on_train_batch_end(steps - 1, {"loss": loss, "accuracy": accuracy})
                if model.stop_training:
                    break
        return {"loss": [sums[0] / steps], "accuracy": [sums[1] / steps]}

    @contextmanager
    def folder(self, run: Path) -> Iterator[Path]:
        """Where this process writes: the chief in the run's folder, the others in one that goes away."""
        if self.chief:
            yield run
            return
        with tempfile.TemporaryDirectory() as own:
            for name in ("settings.json", "state.npz"):
                if (run / name).is_file():
                    shutil.copy(run / name, own)
            yield Path(own)


@contextmanager
def _named_failure() -> Iterator[None]:
    """What TensorFlow raises where another process does not answer becomes a sentence."""
    try:
        yield
    except tf.errors.OpError as error:
        gone = isinstance(error, _GONE) or "Collective" in str(error)
        if not gone or "ImageRefused" in str(error):  # the latter is told by ``fit_epoch``
            raise
        raise TrainingError(
            "worker_gone",
            "Another worker of this run ended or cannot be reached, so this one ends too. Start all again "
            "with --resume: they go on after the last whole epoch.",
        ) from error


def _step(model: Any, strategy: Any) -> Callable[[Any], tuple[Any, Any]]:
    """An optimiser's step on a batch: mean loss and accuracy over all workers."""
    if made := getattr(model, "_step_of_workers", None):  # traced once a run, not once an epoch
        return made

    def own(images: Any, targets: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(y=targets, y_pred=outputs)  # its share of the mean over all
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)  # adds them up over all first
        right = tf.equal(fake_logit(outputs) > 0, targets[:, 0] > 0.5)
        return loss, tf.reduce_mean(tf.cast(right, tf.float32)) / strategy.num_replicas_in_sync

    @tf.function
    def step(batch: Any) -> tuple[Any, Any]:
        values = strategy.run(own, args=batch)
        total = tf.distribute.ReduceOp.SUM
        return tuple(strategy.reduce(total, value, axis=None) for value in values)

    model._step_of_workers = step
    return step


def place_of_this_process() -> tuple[int, int] | None:
    """Index and count from ``TF_CONFIG``; None where no other process is told of.

    Raises:
        TrainingError: code ``bad_tf_config``.
    """
    if not (text := os.environ.get("TF_CONFIG", "").strip()):
        return None
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs, others = len(cluster.get("chief", [])), len(cluster.get("worker", []))
        if chiefs + others < 2:
            return None
        index = {"chief": 0, "worker": chiefs}[task["type"]] + int(task["index"])
        if set(cluster) <= {"chief", "worker"} and 0 <= index < chiefs + others:
            return index, chiefs + others
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise TrainingError(
        "bad_tf_config",
        'TF_CONFIG does not name this process and the others. Expected {"cluster": {"worker": ["HOST:PORT", '
        f'"HOST:PORT"]}}, "task": {{"type": "worker", "index": 0}}}}, received: {text[:200]}',
    )


def joined() -> Workers | None:
    """Joins the processes that ``TF_CONFIG`` names, before anything else of TensorFlow is used.

    Raises:
        TrainingError: as ``place_of_this_process``.
    """
    own = place_of_this_process()
    return own and Workers(tf.distribute.MultiWorkerMirroredStrategy(), *own)


def part_of_batches(samples: int, batch_size: int, replicas: int, index: int, count: int) -> list[int]:
    """The numbers of the samples that a process takes of every whole batch.

    Args:
        samples: how many there are; those that fill no batch are left out.
        batch_size: of all together, a multiple of ``replicas``.
        replicas: copies of the network, as many in each process.
        index: of the process.
        count: of processes.
    """
    whole = np.arange(samples // batch_size * batch_size).reshape(
        -1, count, replicas // count, batch_size // replicas
    )
    return whole[:, index].ravel().tolist()


def check_parts(recipe: Recipe, images: int, replicas: int) -> None:
    """Refuses a batch that cannot be shared out.

    Args:
        recipe: the settings.
        images: of an epoch.
        replicas: copies of the network.

    Raises:
        TrainingError: code ``bad_workers``.
    """
    if recipe.batch_size % replicas or images < recipe.batch_size:
        raise TrainingError(
            "bad_workers",
            f"A batch of {recipe.batch_size} images cannot be shared out among {replicas} workers, or an "
            f"epoch's {images} images do not fill one. Choose a --batch-size that is a multiple of the "
            "number of workers.",
        )


def synchronise(model: Any) -> None:
    """Lets every batch normalisation take mean and variance of the whole batch, not of its own part."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
