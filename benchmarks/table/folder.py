"""Many images in one go: a labelled folder evaluated, and photographs checked as a person's are.

The baseline evaluates with ResNet50 at 128 px through Keras' ImageDataGenerator, batch size 1. It checks an
image with ``load_img`` and ``predict``: the whole image, without looking for faces.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.images import image_folder, photo_folder
from benchmarks.table.baseline import Result, baseline_network, baseline_verdict, compare


def run(crops: int = 200, photographs: int = 60) -> list[Result]:
    """Each way beside the baseline's in turn."""
    with image_folder(crops) as folder:
        results = evaluations(folder)
    with photo_folder(photographs) as folder:
        return results + checks(folder)


def evaluations(folder: Path) -> list[Result]:
    """JPEGs on disk, each a face, to metrics: with both networks, with the first, and with that in memory."""
    import tensorflow as tf
    from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

    from deepfake.data.index import index_dataset
    from deepfake.detection.card import quick_name
    from deepfake.detection.detector import get_detector
    from deepfake.evaluation.measure import measure
    from deepfake.images.pixels import scaled
    from deepfake.networks.scoring import scoring_batches

    both, fast, data = get_detector(), get_detector(quick_name(None)), index_dataset(folder)
    network: Any = baseline_network()
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)

    def baseline() -> None:
        files = generator.flow_from_directory(
            folder, target_size=(128, 128), batch_size=1, class_mode="categorical", shuffle=False
        )
        called = network.predict(files, verbose=0).argmax(axis=1)
        confusion_matrix(files.classes, called)
        roc_auc_score(files.classes, called)
        average_precision_score(files.classes, called)

    spec = fast.card.input
    batches = [
        tf.constant(scaled(batch, spec))
        for batch in scoring_batches(
            data.paths(), spec.size, perturbed=False, interpolation=spec.interpolation
        )
    ]

    def in_memory() -> None:
        for batch in batches:
            np.asarray(fast.network(batch, training=False))

    def row(name: str, detector: Any, theirs: Callable[[], None], against: str, **how: Any) -> Result:
        return compare(
            name,
            lambda: measure(detector, data, n_bootstrap=0),
            theirs,
            details=f"{len(data)} JPEGs of 256 px to metrics, with {detector.card.name}; against {against}",
            images=len(data),
            **how,
        )

    generated = "ResNet50 through ImageDataGenerator"
    quick = row("evaluate FOLDER --fast", fast, baseline, generated, runs=3)
    bare = row("the same, against model(x)", fast, in_memory, "its network on tensors in memory", runs=3)
    slow = row("evaluate FOLDER", both, baseline, generated, runs=1, warm_up=False)  # it is warm by now
    return [slow, quick, bare]


def checks(folder: Path) -> list[Result]:
    """Photographs on disk to verdicts, faces found in each."""
    from deepfake.cli import main
    from deepfake.detection.batch import Batch
    from deepfake.detection.card import default_name
    from deepfake.detection.detector import get_detector
    from deepfake.images.load import load_image

    files = sorted(folder.iterdir())
    network = baseline_network()
    baseline_verdict(network, files[0])  # the warm-up
    get_detector().check(load_image(files[0]))

    def baseline() -> None:
        for file in files:
            baseline_verdict(network, file)

    def predict(*options: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            if main(["predict", str(folder), "--csv", *options]):
                raise RuntimeError("predict refused an image.")

    def check_many() -> None:
        batch = Batch([(file.name, file.read_bytes()) for file in files], default_name())
        batch.work(lambda done, total: None, lambda: False)

    details = f"{len(files)} photographs of 1,000 px to verdicts; against load_img and predict of the whole"
    ways: dict[str, Callable[[], None]] = {
        "predict FOLDER": predict,
        "predict FOLDER --fast": lambda: predict("--fast"),
        "Check many": check_many,
    }
    return [
        compare(name, way, baseline, runs=1, details=details, images=len(files), warm_up=False)
        for name, way in ways.items()
    ]
