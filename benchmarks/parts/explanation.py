"""Time of one face's maps; goal for Grad-CAM: 1 s: ``python -m benchmarks.parts.explanation``.

The first call, which builds the graph, is told apart from those that follow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.support.images import drawn_photo
from deepfake.detection.detector import get_detector
from deepfake.detection.heatmaps import grad_cam, occlusion
from deepfake.detection.stress import stress_test

GOAL_MS = 1000


def main() -> None:
    """Prints milliseconds of wall clock and of processor time for each part of an explanation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.explanation", description=__doc__)
    parser.add_argument("--model", help="the detector (default: the default one)")
    parser.add_argument("--faces", type=int, default=5)
    options = parser.parse_args()
    detector = get_detector(options.model)
    spec = detector.card.input
    crops = [np.asarray(drawn_photo(seed, 300)) for seed in range(options.faces + 1)]
    parts: dict[str, Callable[[np.ndarray], object]] = {
        "Grad-CAM": lambda crop: grad_cam(detector.mapper, spec, crop),
        "stress test": lambda crop: stress_test(detector.p_fake, crop, detector.card.thresholds),
        "embedding": lambda crop: detector.read([crop]),
        "occlusion": lambda crop: occlusion(detector.scorer, spec, crop),
    }
    print(f"{detector.card.name}, {spec.size} pixels; goal for Grad-CAM: {GOAL_MS} ms a face")
    for name, work in parts.items():
        times = [_milliseconds(work, crop) for crop in crops]
        wall, processor = (statistics.median(side) for side in zip(*times[1:], strict=True))
        print(
            f"{name:12} {wall:7.0f} ms ({processor:.0f} ms of processor), the first {times[0][0]:.0f} ms",
            flush=True,
        )


def _milliseconds(work: Callable[[np.ndarray], object], crop: np.ndarray) -> tuple[float, float]:
    """Of wall clock and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work(crop)
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - processor)


if __name__ == "__main__":
    main()
