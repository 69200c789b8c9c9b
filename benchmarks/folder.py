"""Evaluating a folder of JPEGs: the default detector against two others.

One is the starting document's pipeline: ResNet50 at 128 px through Keras' ImageDataGenerator, batch size 1.
The other is the detector's own network, called on pictures that lie decoded in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import Result, compare, image_folder


def run(images: int = 200, runs: int = 3) -> list[Result]:
    """JPEG on disk to metrics, each beside the other way in turn."""
    import tensorflow as tf
    from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

    from deepfake.data.index import index_dataset
    from deepfake.detection.detector import get_detector
    from deepfake.evaluation.measure import measure
    from deepfake.images.pixels import scaled
    from deepfake.networks.architectures import resnet50
    from deepfake.networks.scoring import scoring_batches

    detector = get_detector()
    seed: Any = resnet50(None)  # speed does not depend on the weights
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
    with image_folder(images) as folder:
        data = index_dataset(folder)

        def ours() -> None:
            measure(detector, data, n_bootstrap=0)

        def theirs() -> None:
            files = generator.flow_from_directory(
                folder, target_size=(128, 128), batch_size=1, class_mode="categorical", shuffle=False
            )
            called = seed.predict(files, verbose=0).argmax(axis=1)
            confusion_matrix(files.classes, called)
            roc_auc_score(files.classes, called)
            average_precision_score(files.classes, called)

        spec = detector.card.input
        batches = [
            tf.constant(scaled(batch, spec))
            for batch in scoring_batches(
                data.paths(), spec.size, perturbed=False, interpolation=spec.interpolation
            )
        ]

        def bare() -> None:
            for batch in batches:
                np.asarray(detector.network(batch, training=False))

        details = f"{len(data)} JPEGs of 256 px to metrics; {detector.card.name} at {spec.size} px"
        return [
            compare("evaluate a folder", ours, theirs, runs=runs, details=details),
            compare(
                "evaluate, against model(x)",
                ours,
                bare,
                runs=runs,
                details=f"{details}; against its network alone on tensors in memory",
            ),
        ]
