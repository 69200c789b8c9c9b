"""One image, one number: the same p_fake by whatever door the image comes in."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from deepfake.api.app import judge as judge_over_http
from deepfake.cli import main
from deepfake.data.index import index_dataset
from deepfake.data.inventory import take_inventory
from deepfake.detection.batch import Batch, judge_source
from deepfake.detection.card import load_card
from deepfake.detection.detector import Detector, get_detector
from deepfake.detection.outcome import Outcome, outcomes_csv
from deepfake.evaluation.measure import compute_scores, kept_scores, measure, recorded_scores
from deepfake.evaluation.scores import read_scores
from deepfake.faces.finder import Face, FaceScan
from deepfake.images.archives import Source
from deepfake.images.load import load_image
from deepfake.robustness.sweep import subject_of, sweep
from tests.support.images import encoded, noise_image

SIDE = 96
"""The image is a square face crop; not of the network's size, so that each door resizes it."""


@pytest.fixture
def detector(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detector:
    """A detector whose card has a bias and a temperature; every image is a crop of one face."""
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    square = (0, 0, SIDE, SIDE)
    scan = FaceScan((Face(square, square, 0.99),), "face_crop")
    monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: scan)
    found = get_detector()
    assert found.card.temperature != 1
    assert found.card.bias != 0
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of one Real image."""
    (tmp_path / "data" / "Validation" / "Real").mkdir(parents=True)
    (tmp_path / "data" / "Validation" / "Real" / "face.png").write_bytes(encoded(noise_image(3, SIDE, SIDE)))
    return tmp_path / "data"


def test_one_image_has_one_number_through_every_door(
    detector: Detector, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = folder.rglob("*.png")
    image, content = load_image(path), path.read_bytes()
    logit = detector.scorer(detector_batch(detector, image.pixels))[0]
    card = detector.card
    expected = 1 / (1 + np.exp(-(float(logit) / card.temperature + card.bias)))
    found: dict[str, float | None] = {}

    found["Detector.p_fake"] = float(detector.p_fake([image.pixels])[0])
    found["Detector.check"] = detector.check(image).p_fake
    found["Check many"] = batch_score(content)
    verdict = judge_source(detector, Source("face.png", path)).verdict
    assert verdict is not None
    found["judge_source"] = verdict.p_fake
    main(["predict", str(path), "--json"])
    found["predict --json"] = json.loads(capsys.readouterr().out)["p_fake"]
    (row,) = csv.DictReader(outcomes_csv([Outcome("face.png", verdict)]).splitlines())
    assert float(row["p_fake"]) == pytest.approx(expected, abs=5.1e-5)
    found["HTTP"] = judge_over_http(Source("face.png", content), card.name, "balanced")["p_fake"]

    assert main(["report", str(path), "--html", str(tmp_path / "report.html")]) == 0
    (shown,) = re.findall(
        r"Probability of fake: [^(<]*\((0\.\d{4})\)", (tmp_path / "report.html").read_text()
    )
    assert float(shown) == pytest.approx(expected, abs=5.1e-5)

    data = index_dataset(folder)
    found["evaluate"] = float(measure(detector, data, n_bootstrap=0).table["p_fake"].item())
    scores = tmp_path / "scores.csv"
    assert main(["evaluate", str(folder), "--record", "One", "--scores", str(scores)]) == 0
    found["evaluate --scores"] = float(read_scores(scores)["p_fake"].item())
    recorded = recorded_scores(take_inventory(folder), load_card())
    assert recorded is not None
    found["the card's score table"] = float(recorded.item())

    (result,) = sweep([subject_of(detector)], data, kinds=[], epsilons=(), n_bootstrap=0)
    assert result.table["perturbation"].tolist() == ["clean"]
    found["robustness, clean"] = float(result.table["mean_real"].item())

    inventory = take_inventory(folder)
    found["Score all"] = float(compute_scores(inventory, card).item())
    kept = kept_scores(inventory, card)
    assert kept is not None
    found["Score all, kept"] = float(kept.item())

    assert found == pytest.approx(dict.fromkeys(found, expected), abs=1e-6)


def detector_batch(detector: Detector, pixels: np.ndarray) -> np.ndarray:
    from deepfake.images.pixels import to_batch

    return to_batch([pixels], detector.card.input)


def batch_score(content: bytes) -> float | None:
    batch = Batch([("face.png", content)], "tiny")
    batch.work(lambda done, total: None, lambda: False)
    (row,) = batch.rows
    assert row.verdict is not None
    return row.verdict.p_fake


@pytest.mark.parametrize("change", [{"bias": 0.75}, {"temperature": 0.5}])
def test_scores_kept_before_a_new_calibration_are_not_used_after_it(
    detector: Detector, folder: Path, change: dict[str, float]
) -> None:
    inventory, before = take_inventory(folder), detector.card
    first = compute_scores(inventory, before)
    path = before.folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    after = load_card()
    assert kept_scores(inventory, after) is None
    second = compute_scores(inventory, after)
    logit = np.log(first / (1 - first)) - before.bias
    assert second == pytest.approx(after.probability(logit * before.temperature), abs=1e-6)
    assert second != pytest.approx(first, abs=1e-3)
    assert kept_scores(inventory, before) == pytest.approx(first), "each calibration has its own"
