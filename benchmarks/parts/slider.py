"""A move of the threshold slider on 100,000 scores, per tab: ``python -m benchmarks.parts.slider``.

The page runs as in a server, without a browser: from the new threshold to every number and figure drawn anew.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake.util.files import ROOT

TABS = ("Overview", "Curves", "Calibration", "By dataset", "Images")
GOAL_MS = 150


def main() -> None:
    """Prints the median of the moves in milliseconds for each tab."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.slider", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--moves", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_detector(Path(folder) / "drawn", options.images)
        os.environ["DEEPFAKE_MODELS"] = folder
        print(f"{options.images:,} scores, goal {GOAL_MS} ms a move")
        print(f"{'numbers alone':16} {numbers_alone(Path(folder)):8.2f} ms")
        for tab in TABS:
            moves = page_moves(tab, options.moves)
            print(f"{tab:16} {statistics.median(moves):8.0f} ms  (slowest {max(moves):.0f})")


def write_detector(folder: Path, images: int) -> None:
    """A card with one evaluation of drawn scores; the network's file is never opened."""
    from deepfake.evaluation.scores import write_scores
    from deepfake.evaluation.statistics.metrics import evaluate_scores

    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, images)
    p_fake = 1 / (1 + np.exp(-rng.normal(0, 2, images) - 3 * (2 * labels - 1)))
    ids = [f"Test/{number}.jpg" for number in range(images)]
    table = {"image_id": ids, "split": "Test", "source": rng.choice(["a", "b"], images)}
    write_scores(pd.DataFrame({**table, "label": labels, "p_fake": p_fake}), folder / "scores.csv")
    entry = {"data": "Drawn", "split": "Test", "perturbed": False, "command": "", "scores": "scores.csv"}
    numbers = evaluate_scores(labels, p_fake, n_bootstrap=20).to_dict()
    points = {"balanced": 0.5, "few_false_alarms": 0.9, "uncertain_low": 0.4, "uncertain_high": 0.6}
    card = {
        "architecture": "none",
        "input": {"size": 64, "scale": 1.0, "offset": 0.0},
        "temperature": 1.0,
        "thresholds": points,
        "sha256": "",
        "description": "Drawn scores.",
        "knows": [],
        "does_not_know": [],
        "evaluations": [{**entry, **numbers}],
    }
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "model.keras").write_bytes(b"")


def numbers_alone(models: Path) -> float:
    """Milliseconds for the confusion matrix, its rates and intervals, and the report."""
    from deepfake.evaluation.scores import read_scores
    from deepfake.evaluation.statistics.thresholds import at_threshold, report_table, sort_scores

    table = read_scores(models / "drawn" / "scores.csv")
    scores = sort_scores(table["label"], table["p_fake"])
    times = []
    for threshold in np.linspace(0.1, 0.9, 50):
        start = time.perf_counter()
        report_table(at_threshold(scores, float(threshold)))
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def page_moves(tab: str, moves: int) -> list[float]:
    """Milliseconds of each move, after the tab was opened and moved once."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "pages" / "evaluation.py"), default_timeout=300)
    app.query_params["tab"] = tab
    app.run()
    times = []
    for threshold in np.linspace(0.2, 0.8, moves + 1):
        app.slider[0].set_value(float(threshold))
        start = time.perf_counter()
        app.run()
        times.append(1000 * (time.perf_counter() - start))
        if app.exception:
            raise RuntimeError("The page failed; see the log above.")
    return times[1:]


if __name__ == "__main__":
    main()
