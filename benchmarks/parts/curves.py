"""Drawing a run of a million logged steps: ``python -m benchmarks.parts.curves``.

The run's log holds a line every two seconds at most, so a million lines are 23 days of training.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Prints the milliseconds of a first look, of each further one, and of the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.curves", description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    options = parser.parse_args()
    from deepfake.runs.figures import steps_figure
    from deepfake.runs.history import HistoryReader

    with tempfile.TemporaryDirectory() as place:
        write_events(Path(place), options.steps)
        reader = HistoryReader(Path(place))
        print(
            f"{options.steps:,} logged steps, {(Path(place) / 'events.jsonl').stat().st_size / 2**20:.0f} MB"
        )
        print(f"{'first look at the log':36} {milliseconds(reader.read):8.0f} ms")
        print(f"{'each further look':36} {milliseconds(reader.read):8.0f} ms")
        history = reader.read()
        figures: list[Any] = [steps_figure(history, metric, 0.9) for metric in ("loss", "accuracy")]
        took = milliseconds(lambda: [steps_figure(history, metric, 0.9) for metric in ("loss", "accuracy")])
        print(f"{'two figures, smoothed and thinned':36} {took:8.0f} ms")
        points = [len(trace.x) for figure in figures for trace in figure.data]
        sizes = [len(figure.to_json()) / 1024 for figure in figures]
        print(f"{'points a curve; KB to the browser':36} {max(points):8,}; {sum(sizes):.0f}")


def write_events(folder: Path, steps: int) -> None:
    """A log of one long epoch, as a run writes it."""
    with (folder / "events.jsonl").open("w") as file:
        start = {"type": "start", "time": 0.0, "first_epoch": 1, "steps_per_epoch": steps, "batch_size": 64}
        file.write(json.dumps(start) + "\n")
        for step in range(1, steps + 1):
            loss = 0.7 / math.sqrt(step) + 0.1
            file.write(
                f'{{"type": "step", "time": {2.0 * step}, "epoch": 1, "step": {step}, "loss": {loss:.8f}, '
                f'"accuracy": {1 - loss:.6f}, "learning_rate": 0.001, "images_per_second": 60.0, "cores": 2, '
                f'"memory_mb": 1500, "memory_free_mb": 9000}}\n'
            )


def milliseconds(work: Callable[[], object]) -> float:
    """Of processor time for one call, which other programs do not lengthen."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


if __name__ == "__main__":
    main()
