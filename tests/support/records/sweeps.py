"""Made-up results of robustness sweeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from deepfake.detection.card import load_card
from deepfake.perturbations.graded import KINDS
from deepfake.robustness.record import write_robustness
from deepfake.robustness.sweep import EPSILONS, Robustness, conditions
from deepfake.robustness.table import summarise
from deepfake.types import Thresholds
from tests.support.records.cards import drawn_card

CUTS = Thresholds(**drawn_card()["thresholds"])


COSTS = {"messenger": 2.4, "noise": 1.2, "crop": 0.9, "fgsm": 4.0, "pgd": 6.0}
"""How far each perturbation at its strongest moves the logits of Fake towards Real."""


def made_result(
    name: str, version: str = "", score_version: str = "", *, gain: float = 2.0, n: int = 200
) -> Robustness:
    """Numbers of drawn scores: clean ones apart by ``gain``, altered ones closer by ``COSTS``."""
    rng = np.random.default_rng(len(name))
    labels = np.arange(n) % 2
    noise = rng.normal(0, 1, n)
    steps = conditions(KINDS, EPSILONS)
    most = {step.perturbation: step.level for step in steps}
    logits = [
        noise + gain * (2 * labels - 1)
        - COSTS.get(step.perturbation, 0) * labels * step.level / max(1, most[step.perturbation])
        for step in steps
    ]  # fmt: skip
    scores = 1 / (1 + np.exp(-np.stack(logits, axis=1)))
    table = summarise(scores, labels, steps, CUTS, n_bootstrap=20)
    return Robustness(name, version, CUTS, "Made faces, Validation", n // 2, n // 2, table, (), score_version)


def publish_two(tiny_models: Path, folder: Path) -> Path:
    """A models folder with ``tiny`` and ``weak``, each with a recorded result."""
    for name, gain in (("tiny", 2.0), ("weak", 1.0)):
        shutil.copytree(tiny_models / "tiny", folder / name)
        card = json.loads((folder / name / "card.json").read_text())
        (folder / name / "card.json").write_text(json.dumps({**card, "name": name}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DEEPFAKE_MODELS", str(folder))
            loaded = load_card(name)
        result = made_result(name, loaded.sha256, loaded.score_version, gain=gain)
        write_robustness(loaded, result, f"measure {name}")
    (folder / "default.txt").write_text("tiny\n")
    return folder
