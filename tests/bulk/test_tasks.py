"""What a run does to an image is what the commands do, and what it writes is what they print."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deepfake.bulk.items import Item, listed
from deepfake.bulk.results import Judged
from deepfake.bulk.tasks import SCORES, VERDICTS, Predict, Score, detector_version
from deepfake.data.demo import draw_face
from deepfake.detection.batch import judge_source, sources_below
from deepfake.detection.card import load_card
from deepfake.detection.detector import get_detector
from deepfake.detection.outcome import Outcome
from deepfake.detection.verdict import FaceVerdict, Verdict, WholeVerdict
from deepfake.errors import UserError
from deepfake.networks.scoring import score_files
from deepfake.report.evidence import with_evidence
from deepfake.types import EvidenceLine, KindEstimate
from tests.support.images import encoded, noise_image


def predict(stress: bool = False) -> Predict:
    return Predict("tiny", detector_version(load_card("tiny")), "balanced", stress)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    face = draw_face(np.random.default_rng(0)).pixels
    (tmp_path / "face.png").write_bytes(encoded(face))
    (tmp_path / "noise.jpg").write_bytes(encoded(noise_image(1), "JPEG"))
    (tmp_path / "broken.png").write_bytes(b"broken")
    return tmp_path


@pytest.mark.parametrize("stress", [False, True])
def test_a_row_is_what_json_says(stress: bool, use_tiny_models: Path, folder: Path) -> None:
    """Through Parquet's types and back: every field, to the last digit."""
    judged = predict(stress).ready()([*listed([str(folder)])])
    detector = get_detector("tiny")
    table = pa.Table.from_pylist([each.row for each in judged], VERDICTS)
    rows = {row["file"]: row for row in table.to_pylist()}
    assert len(rows) == 3
    for source in sources_below(folder):
        outcome = with_evidence(judge_source(detector, source, stress=stress), source, detector.card)
        said = json.loads(json.dumps(outcome.to_dict()))
        row = rows[source.name]
        if "error" in said:
            assert (row["file"], row["error"]) == (said["file"], said["error"])
            assert row["sha256"], "its content is known, so it is not tried again"
            assert {name for name in VERDICTS.names if row[name] is not None} == {"file", "sha256", "error"}
        else:
            assert said["faces"] or source.name.endswith("noise.jpg")
            assert {**said, "error": None} == row
            assert {*said, "error"} == {*VERDICTS.names}, "a new field of a verdict needs its column"


def test_fields_that_are_seldom_filled_have_their_types_too() -> None:
    box = (1, 2, 3, 4)
    kind = KindEstimate("swap", 0.75)
    face = FaceVerdict(box, box, 0.25, "uncertain", 0.9, True, 90, "out_of_scope", 0.7)
    verdict = Verdict(
        0.5, "fake", (face,), ("A warning.",), "tiny", "ab", 10, 20, "faces", "balanced", 270,
        whole=WholeVerdict(0.5, True, "fake", box), raw_p_fake=0.75, expected_fake=0.125, photo=box,
        kind=kind,
    )  # fmt: skip
    line = EvidenceLine("Detector's score", "Likely fake.", "weak", "fake", "It is no proof.")
    said = json.loads(json.dumps(Outcome("a.png", verdict, evidence=(line,)).to_dict()))
    (row,) = pa.Table.from_pylist([said], VERDICTS).to_pylist()
    assert row == {**said, "stress": None, "error": None}
    assert all(row[name] is not None for name in VERDICTS.names if name not in ("stress", "error"))


def test_what_is_known_is_left_alone(use_tiny_models: Path, folder: Path) -> None:
    work = predict().ready()
    items = sorted(listed([str(folder)]), key=lambda item: item.name)
    rows = [each.row for each in work(items)]
    known = [
        Item(item.name, item.location, known=row["sha256"], has_row=True)
        for item, row in zip(items, rows, strict=True)
        if row
    ]
    assert work(known) == [Judged(item.name, None) for item in items]
    (folder / "face.png").write_bytes((folder / "noise.jpg").read_bytes())
    again = work(known)
    assert [each.row is None for each in again] == [True, False, True]
    assert again[1].replaces
    message = "There is no such file. Check the path."
    (gone,) = work([Item("a", str(folder / "none.png"))])
    assert gone.row == {"file": "a", "sha256": None, "error": {"code": "not_found", "message": message}}


def test_scores_are_those_of_evaluate(use_tiny_models: Path, folder: Path) -> None:
    version = detector_version(load_card("tiny"))
    items = sorted(listed([str(folder)]), key=lambda item: item.name)
    for perturbed in (False, True):
        judged = {each.name: each.row for each in Score("tiny", version, perturbed).ready()(items)}
        detector = get_detector("tiny")
        logits = score_files(
            detector.scorer, detector.card.input, [item.location for item in items],
            perturbed=perturbed, on_refused=lambda *_: None,
        )  # fmt: skip
        table = pa.Table.from_pylist([judged[item.name] for item in items], SCORES).to_pylist()
        for row, logit in zip(table, logits, strict=True):
            if math.isnan(logit):
                assert (row["logit"], row["error"]["code"]) == (None, "not_an_image")
            else:
                assert (row["logit"], row["error"]) == (logit, None)
                assert row["p_fake"] == detector.card.probability(logit)


def test_another_version_of_the_detector_is_not_asked(use_tiny_models: Path) -> None:
    for task in (Predict("tiny", "older"), Score("tiny", "older")):
        with pytest.raises(UserError) as caught:
            task.ready()
        assert caught.value.code == "other_detector"


def test_settings_hold_all_that_a_row_follows_from(use_tiny_models: Path) -> None:
    task = predict()
    assert pickle.loads(pickle.dumps(task)) == task
    settings = task.spec.settings
    assert set(settings) == {"detector", "detector_version", "thresholds", "operating_point", "stress"}
    assert settings["thresholds"]["balanced"] == 0.5
    assert json.loads(json.dumps(settings)) == settings
    for other in (
        Predict("tiny", "x"),
        predict(stress=True),
        Predict("tiny", task.version, "few_false_alarms"),
    ):
        assert other.spec.manifest(1)["run"] != task.spec.manifest(1)["run"]


def test_the_index_of_training_images_is_part_of_the_version(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(indexed))
    card = load_card("tiny")
    before = detector_version(card)
    content = (card.folder / "lookalikes.npz").read_bytes()
    (card.folder / "lookalikes.npz").write_bytes(content + b"x")
    assert detector_version(card) != before
    (card.folder / "lookalikes.npz").write_bytes(content)
    assert detector_version(card) == before
