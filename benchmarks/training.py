"""Steps a second of a run against bare ``model.fit`` on tensors in memory: ``python -m benchmarks.training``.

Same network, same steps, taken in turn so that whatever else the machine does burdens both alike. ResNet50 is
also compared with the baseline's pipeline, Keras' ImageDataGenerator.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.support.images import image_folder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
GOALS = {"seed": 1.10, "compact": 1.25}


def main() -> None:
    """Prints the medians and the median of the paired ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--recipe", choices=sorted(GOALS), action="append")
    parser.add_argument("--steps", type=int, default=8, help="timed at a stretch (default: 8)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=768)
    options = parser.parse_args()
    with image_folder(options.images) as folder:
        for name in options.recipe or sorted(GOALS):
            print_ratios(name, folder, options.steps, options.rounds)


def print_ratios(name: str, folder: Path, steps: int, rounds: int) -> None:
    """One recipe: every way once to warm up, then in turn."""
    ways = fits(name, folder, steps)
    for way in ways.values():
        way()
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, fit in ways.items():
            times[way].append(fit())
    for way, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, times["tensors in memory"], strict=True))
        print(
            f"{name:8} {way:20} {steps / statistics.median(seconds):6.2f} steps/s   {ratio:5.2f} x the time"
        )
    print(f"{name:8} goal: a run takes at most {GOALS[name]:.2f} x the time of tensors in memory")


def fits(name: str, folder: Path, steps: int) -> dict[str, Callable[[], float]]:
    """Ways to train the same network for some steps, each giving the seconds of the steps but its first."""
    import keras
    import numpy as np
    import tensorflow as tf

    from deepfake.data.index import index_dataset
    from deepfake.training.callbacks import StepReporter, WeightAverage
    from deepfake.training.log import RunLog
    from deepfake.training.pipeline import training_batches
    from deepfake.training.recipe import RECIPES
    from deepfake.training.samples import epoch_samples
    from deepfake.training.train import networks

    recipe = dataclasses.replace(RECIPES[name], validation_images=None)
    data = index_dataset(folder)
    model, _, _, _ = networks(data, recipe, resume=False)
    samples = epoch_samples(data, recipe, 0, {})
    columns = 2 if recipe.architecture == "resnet50" else 1
    size, batch = recipe.train_input.size, recipe.batch_size
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((2 * batch, size, size, 3), dtype=np.float32))
    targets = tf.constant(np.eye(2, dtype=np.float32)[np.arange(2 * batch) % 2][:, :columns])
    memory = tf.data.Dataset.from_tensor_slices((images, targets)).batch(batch).cache().repeat()
    log = RunLog(Path(tempfile.mkdtemp()))

    def timed(batches: Any, callbacks: list[Any]) -> float:
        clock = Clock()
        model.fit(batches, steps_per_epoch=steps + 1, verbose=0, shuffle=False, callbacks=[*callbacks, clock])
        return clock.ends[-1] - clock.ends[0]

    class Clock(keras.callbacks.Callback):
        """Notes when each step ended."""

        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append(time.perf_counter())

    def ours() -> float:
        batches = training_batches(samples, recipe.train_input, batch_size=batch, columns=columns).repeat()
        reporter = StepReporter(log, recipe, steps, lambda _: None)
        callbacks = [reporter, WeightAverage(model, recipe.ema), keras.callbacks.TerminateOnNaN()]
        return timed(batches, callbacks)

    ways = {"tensors in memory": lambda: timed(memory, []), "a run": ours}
    if name == "seed":
        generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)

        def theirs() -> float:
            batches = generator.flow_from_directory(
                folder, target_size=(size, size), batch_size=batch, class_mode="categorical"
            )
            return timed(batches, [])

        ways["ImageDataGenerator"] = theirs
    return ways


if __name__ == "__main__":
    main()
