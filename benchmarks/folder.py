"""Evaluating a folder of JPEGs: the default detector against the starting document's pipeline.

The starting document's: ResNet50 at 128 px through Keras' ImageDataGenerator, batch size 1.
"""

from __future__ import annotations

from typing import Any

from benchmarks.common import Result, compare, image_folder


def run(images: int = 200, runs: int = 3) -> list[Result]:
    """JPEG on disk to metrics, both ways in turn."""
    import tensorflow as tf
    from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

    from deepfake.architectures import resnet50
    from deepfake.dataset import index_dataset
    from deepfake.detector import get_detector
    from deepfake.measuring import measure

    detector = get_detector()
    seed: Any = resnet50(None)  # speed does not depend on the weights
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
    with image_folder(images) as folder:
        data = index_dataset(folder)

        def ours() -> None:
            measure(detector, data, n_bootstrap=0)

        def theirs() -> None:
            batches = generator.flow_from_directory(
                folder, target_size=(128, 128), batch_size=1, class_mode="categorical", shuffle=False
            )
            called = seed.predict(batches, verbose=0).argmax(axis=1)
            confusion_matrix(batches.classes, called)
            roc_auc_score(batches.classes, called)
            average_precision_score(batches.classes, called)

        details = (
            f"{len(data)} JPEGs of 256 px to metrics; {detector.card.name} at {detector.card.input.size} px"
        )
        return [compare("evaluate a folder", ours, theirs, runs=runs, details=details)]
