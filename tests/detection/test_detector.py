"""An image in, a verdict out; the face finder is replaced where finding faces is not the matter."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.cli.evaluation_lines import evaluation_lines
from deepfake.data.index import DatasetError, index_dataset
from deepfake.detection import detector as module
from deepfake.detection.card import ModelError, load_card
from deepfake.detection.detector import Detector, get_detector, scored_parts
from deepfake.detection.rules import MIN_FACE_SIDE, RealScores, Rules, SizeRow, WholeRule
from deepfake.detection.text import framed_square, headline, number_line, raw_line, scope_line, stress_line
from deepfake.detection.verdict import Verdict
from deepfake.evaluation.measure import measure
from deepfake.evaluation.statistics.metrics import Evaluation
from deepfake.faces.finder import Face, FaceScan, crop
from deepfake.images.load import LoadedImage, load_image
from deepfake.report.context import context_sentence
from deepfake.types import Box
from deepfake.util.text import format_percent
from tests.support.images import encoded, noise_image

Finder = Callable[..., None]


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Says what the face finder will find."""

    def install(*boxes: Box, kind: Any = "faces", turn: int = 0, photo: Box | None = None) -> None:
        found = tuple(Face(box, box, 0.99 - 0.01 * index, turn) for index, box in enumerate(boxes))
        monkeypatch.setattr(module, "find_faces", lambda _: FaceScan(found, kind, turn, photo))
        monkeypatch.setattr(module, "looks_drawn", lambda _: False)  # blotches are no photographs

    return install


@pytest.fixture(scope="module")
def tiny(tiny_models: Path) -> Detector:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(tiny_models))
        return Detector(load_card())


@pytest.fixture(scope="module")
def picture() -> LoadedImage:
    return load_image(encoded(noise_image(3, 160, 240)))


LEFT, RIGHT, SMALL = (0, 0, 100, 100), (130, 40, 230, 140), (100, 0, 130, 30)
WHOLE_COUNTS = Rules(whole=WholeRule(2, 0.5, 0.7, 200, 1))


def scoring(tiny: Detector, monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    monkeypatch.setattr(tiny, "p_fake", lambda crops: np.array(scores)[: len(crops)])


def test_one_face(tiny: Detector, picture: LoadedImage, find: Finder) -> None:
    find(LEFT)
    verdict = tiny.check(picture)
    (face,) = verdict.faces
    assert face.box == face.crop == LEFT
    assert face.confidence == 0.99
    assert verdict.p_fake == face.p_fake == pytest.approx(float(tiny.p_fake([crop(picture.pixels, LEFT)])[0]))
    assert verdict.verdict == face.verdict == tiny.card.thresholds.call(face.p_fake)
    assert (verdict.width, verdict.height) == (240, 160)
    assert verdict.sha256 == picture.facts.sha256
    assert (verdict.model, verdict.scope, verdict.operating_point) == ("tiny", "faces", "balanced")
    assert verdict.warnings == ()


def test_the_worst_of_several_faces_decides(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(LEFT, RIGHT)
    scoring(tiny, monkeypatch, 0.1, 0.8)
    verdict = tiny.check(picture)
    assert [(face.box, face.p_fake, face.verdict) for face in verdict.faces] == [
        (LEFT, 0.1, "real"),
        (RIGHT, 0.8, "fake"),
    ]
    assert (verdict.p_fake, verdict.verdict) == (0.8, "fake")


def test_operating_point(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(LEFT)
    scoring(tiny, monkeypatch, 0.8)
    assert tiny.check(picture).verdict == "fake"
    careful = tiny.check(picture, "few_false_alarms")
    assert (careful.verdict, careful.operating_point) == ("uncertain", "few_false_alarms")
    assert careful.faces[0].verdict == "uncertain"
    assert careful.at("balanced", tiny.card.thresholds) == tiny.check(picture)
    find(kind="no_face")
    assert tiny.check(picture).at("balanced", tiny.card.thresholds).verdict == "uncertain"


def with_rules(tiny: Detector, monkeypatch: pytest.MonkeyPatch, rules: Rules) -> None:
    monkeypatch.setattr(tiny, "card", dataclasses.replace(tiny.card, whole_pictures=True, rules=rules))


@pytest.mark.parametrize(
    "case",
    [
        (0.95, 0.95, "fake", "fake"),
        (0.8, 0.8, "fake", "uncertain"),
        (0.65, 0.1, "real", "real"),  # photographs of scenes score so, too
    ],
)
def test_the_whole_picture_counts_where_few_photographs_score_so(
    case: tuple[float, float, str, str],
    tiny: Detector,
    picture: LoadedImage,
    find: Finder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, p_fake, verdict, careful = case
    seen: list[Any] = []

    def scores(crops: Any) -> Any:
        seen.extend(crops)
        return np.array([0.1, whole])[: len(crops)]

    monkeypatch.setattr(tiny, "p_fake", scores)
    with_rules(tiny, monkeypatch, WHOLE_COUNTS)
    find(LEFT)
    judged = tiny.check(picture)
    assert judged.whole is not None
    assert (judged.whole.p_fake, judged.whole.counts) == (whole, p_fake == whole)
    assert (judged.p_fake, judged.verdict) == (p_fake, verdict)
    assert [face.p_fake for face in judged.faces] == [0.1]
    assert judged.at("few_false_alarms", tiny.card.thresholds).verdict == careful
    assert np.array_equal(seen[1], picture.pixels[:, 40:200]), "its centre square"
    assert judged.whole.square == (40, 0, 200, 160)
    by_whole = verdict == "fake"
    assert judged.basis == ("whole" if by_whole else "faces")
    assert headline(judged) == ("Likely fake: the whole image" if by_whole else "Likely real")
    assert framed_square(judged) == ((40, 0, 200, 160) if by_whole else None)
    # No box contradicts the verdict.
    assert judged.faces[0].verdict == ("uncertain" if by_whole else "real")
    assert judged.faces[0].reason == ("fake_as_a_whole" if by_whole else None)
    find(LEFT, kind="face_crop")
    assert tiny.check(picture).whole is None, "it is judged as it is"


def test_the_whole_picture_counts_only_for_pictures_of_the_kind_measured(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring(tiny, monkeypatch, 0.1, 0.99)
    with_rules(tiny, monkeypatch, Rules())
    find(LEFT)
    judged = tiny.check(picture)
    assert (judged.whole, judged.verdict) == (None, "real"), "never measured on scenes"
    with_rules(tiny, monkeypatch, WHOLE_COUNTS)
    assert tiny.check(picture).verdict == "fake"
    find((0, 0, 70, 70))
    assert tiny.check(picture).whole is None, "the face is smaller than half of the image's height"
    monkeypatch.setattr(tiny, "p_fake", lambda crops: np.array([0.1, 0.1, 0.1, 0.99])[: len(crops)])
    find(LEFT, RIGHT, (100, 60, 170, 130))
    assert tiny.check(picture).whole is None, "more than two faces"


def test_what_is_out_of_scope_lends_no_number(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rules(tiny, monkeypatch, WHOLE_COUNTS)
    monkeypatch.setattr(
        tiny, "score_crops", lambda crops: ([0.97, 0.99][: len(crops)], [True, False][: len(crops)], [])
    )
    find(LEFT)  # blurred for privacy, say
    alone = tiny.check(picture)
    assert (alone.p_fake, alone.verdict, alone.whole) == (None, "uncertain", None)
    assert alone.raw_p_fake == 0.97
    assert headline(alone) == "Uncertain: outside what the detector knows"
    assert number_line(alone) == ""
    monkeypatch.setattr(tiny, "score_crops", lambda crops: ([0.97, 0.1], [True, False], []))
    find(LEFT, RIGHT)
    with_rules(tiny, monkeypatch, Rules())
    beside = tiny.check(picture)
    assert (beside.p_fake, beside.raw_p_fake, beside.verdict) == (0.1, 0.97, "uncertain")
    assert beside.warnings == ("1 of 2 faces is too unlike the training images: its score is no verdict.",)


def test_a_drawn_face_is_no_photograph(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(LEFT)
    monkeypatch.setattr(module, "looks_drawn", lambda _: True)
    scoring(tiny, monkeypatch, 0.96)
    verdict = tiny.check(picture)
    assert (verdict.p_fake, verdict.verdict, verdict.faces[0].out_of_scope) == (None, "uncertain", True)
    assert headline(verdict) == "Uncertain: this does not look like a photo"
    assert verdict.warnings[0].startswith("This does not look like a photo.")


def test_many_faces_have_many_chances(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RealScores((0.1, 0.5, 0.6, 0.95, 0.999), (0.9, 0.1, 0.05, 0.005, 0.0005), 2000)
    with_rules(tiny, monkeypatch, Rules(smallest_face=10, real_scores=real))
    boxes = [(20 * n, 0, 20 * n + 20, 20) for n in range(12)]

    def judged(*scores: float) -> Verdict:
        find(*boxes[: len(scores)])
        scoring(tiny, monkeypatch, *scores)
        return tiny.check(picture)

    assert judged(0.7).verdict == "fake"
    one = judged(0.7, *[0.1] * 11)
    assert one.p_fake is not None
    assert (one.verdict, one.faces[0].verdict) == ("uncertain", "fake")
    assert one.p_fake < tiny.card.thresholds.uncertain_high
    assert one.raw_p_fake == 0.7
    assert one.expected_fake == pytest.approx(12 * 0.05)
    assert "1 of 12 faces looks fake; among 12 real ones fewer than 1 would by chance." in scope_line(one)
    assert context_sentence(None, one) == ""
    assert judged(0.9999, *[0.1] * 11).verdict == "fake"
    assert judged(*[0.9] * 12).verdict == "fake", "all of them together are no chance"
    assert judged(*[0.1] * 12).verdict == "real"


def test_a_small_face_needs_a_higher_score(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        SizeRow(40, 50, 50, 1.0, 0.9, 0.9, 0.2, 0.9, 0.8),
        SizeRow(80, 50, 50, 1.0, 0.9, 0.9, 0.1, 0.8, 0.9),
    )
    with_rules(tiny, monkeypatch, Rules(smallest_face=40, by_face_size=rows))

    def call(side: int, score: float) -> tuple[str, str | None]:
        find((0, 0, side - 10, side))
        scoring(tiny, monkeypatch, score)
        verdict = tiny.check(picture)
        return verdict.verdict, verdict.faces[0].reason

    assert call(39, 0.99) == call(39, 0.01) == ("uncertain", "too_small")
    assert call(40, 0.95) == ("fake", None)
    assert call(60, 0.84) == call(80, 0.79) == ("uncertain", None)
    assert call(60, 0.86) == call(80, 0.81) == call(100, 0.61) == ("fake", None)
    assert call(60, 0.1) == ("real", None)


@pytest.mark.parametrize("case", [(0.9, "fake"), (0.1, "uncertain")])
def test_the_whole_picture_is_put_to_the_test_where_it_counts(
    case: tuple[float, str],
    tiny: Detector,
    picture: LoadedImage,
    find: Finder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mild, verdict = case

    def scores(crops: Any) -> Any:
        if len(crops) == 2:  # the face and the whole, as they are
            return np.array([0.1, 0.9])
        is_whole = np.array_equal(crops[0], picture.pixels[:, 40:200])
        changed = mild if is_whole else 0.1
        return np.array([0.9 if is_whole else 0.1, *[changed] * (len(crops) - 1)])

    monkeypatch.setattr(tiny, "p_fake", scores)
    with_rules(tiny, monkeypatch, WHOLE_COUNTS)
    find(LEFT)
    judged = tiny.stressed(picture, tiny.check(picture))
    assert [test.call for test in judged.stress] == ["real", "fake"]
    assert [(part.name, part.p_fake) for part in judged.parts] == [("Face 1", 0.1), ("Whole image", 0.9)]
    assert judged.whole is not None
    assert (judged.verdict, judged.whole.verdict) == (verdict, verdict)
    assert judged.faces[0].verdict == ("uncertain" if verdict == "fake" else "real")
    assert ("Whole image would be called likely fake" in stress_line(judged)) == (verdict == "uncertain")


def test_an_unlike_whole_picture_says_nothing(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(LEFT)
    with_rules(tiny, monkeypatch, WHOLE_COUNTS)
    monkeypatch.setattr(tiny, "score_crops", lambda crops: ([0.1, 0.99], [False, True], []))
    judged = tiny.check(picture)
    assert (judged.whole, judged.p_fake, judged.verdict) == (None, 0.1, "real")


@pytest.mark.parametrize("score", [0.01, 0.99])
def test_no_face_is_never_more_than_uncertain(
    score: float, tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(kind="no_face")
    scoring(tiny, monkeypatch, score)
    verdict = tiny.check(picture)
    assert (verdict.verdict, verdict.scope, verdict.faces) == ("uncertain", "no_face", ())
    assert (verdict.p_fake, verdict.raw_p_fake, verdict.basis) == (None, score, "nothing")
    assert headline(verdict) == "No face found: not analyzed"
    assert number_line(verdict) == ""
    assert format_percent(score) in raw_line(verdict)
    assert len(verdict.warnings) == 1
    assert "No face was found" in verdict.warnings[0]


def test_no_face_scores_the_whole_picture(tiny: Detector, picture: LoadedImage, find: Finder) -> None:
    find(kind="no_face")
    assert tiny.check(picture).raw_p_fake == pytest.approx(float(tiny.p_fake([picture.pixels])[0]))


def test_small_faces_do_not_decide(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring(tiny, monkeypatch, 0.1, 0.9)
    find(LEFT, SMALL)
    beside = tiny.check(picture)
    assert (beside.verdict, beside.p_fake) == ("real", 0.1), "the large one decides"
    assert beside.warnings[0].startswith(
        f"1 of 2 faces is too small to analyze (less than {MIN_FACE_SIDE} pixels"
    )
    find(SMALL)
    alone = tiny.check(picture)
    assert (alone.verdict, alone.p_fake) == ("uncertain", None)
    assert alone.warnings[0].startswith("The face is too small")
    assert headline(alone) == "Uncertain: face too small to analyze"
    find((0, 0, MIN_FACE_SIDE - 9, MIN_FACE_SIDE))
    assert tiny.check(picture).warnings == ()


def test_turned_faces_are_scored_upright(tiny: Detector, picture: LoadedImage, find: Finder) -> None:
    find(LEFT, turn=90)
    verdict = tiny.check(picture)
    upright = np.rot90(crop(picture.pixels, LEFT))
    assert verdict.p_fake == pytest.approx(float(tiny.p_fake([np.ascontiguousarray(upright)])[0]))
    assert verdict.faces[0].box == LEFT, "boxes refer to the image as given"
    (warning,) = verdict.warnings
    assert "90 degrees" in warning
    (shown,) = scored_parts(picture.pixels, verdict, every=True)
    assert np.array_equal(shown, upright)


def test_each_face_is_turned_by_itself(
    tiny: Detector, picture: LoadedImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (Face(LEFT, LEFT, 0.99), Face(RIGHT, RIGHT, 0.98, turn=180))
    monkeypatch.setattr(module, "find_faces", lambda _: FaceScan(pair, "faces"))
    verdict = tiny.check(picture)
    assert [face.turn for face in verdict.faces] == [0, 180]
    upright, turned = scored_parts(picture.pixels, verdict)
    assert np.array_equal(upright, crop(picture.pixels, LEFT))
    assert np.array_equal(turned, crop(picture.pixels, RIGHT)[::-1, ::-1])


def test_a_margin_is_never_scored(
    tiny: Detector, picture: LoadedImage, find: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = (20, 10, 220, 150)
    seen: list[Any] = []
    monkeypatch.setattr(tiny, "p_fake", lambda crops: (seen.extend(crops), np.full(len(crops), 0.9))[1])
    rules = Rules(whole=WholeRule(most_faces=1, least_share=0.1, fake_from=0.5, scenes=100, called_fake=0))
    monkeypatch.setattr(tiny, "card", dataclasses.replace(tiny.card, whole_pictures=True, rules=rules))
    find(kind="no_face", photo=photo)
    verdict = tiny.check(picture)
    assert verdict.photo == photo
    assert np.array_equal(seen[0], crop(picture.pixels, photo))
    assert np.array_equal(scored_parts(picture.pixels, verdict)[0], seen[0])
    find((50, 50, 100, 100), photo=photo)
    verdict = tiny.check(picture)
    assert np.array_equal(seen[2], picture.pixels[10:150, 50:190]), "the centre square of what is left"
    assert np.array_equal(scored_parts(picture.pixels, verdict, every=True)[1], seen[2])
    assert verdict.to_dict()["photo"] == photo


def test_notes_of_the_picture_are_passed_on(tiny: Detector, picture: LoadedImage, find: Finder) -> None:
    find(LEFT)
    noted = dataclasses.replace(picture, notes=("First of 12 frames used.",))
    assert tiny.check(noted).warnings == ("First of 12 frames used.",)


def test_verdict_is_json(tiny: Detector, picture: LoadedImage, find: Finder) -> None:
    find(LEFT, RIGHT)
    verdict = tiny.check(picture)
    told = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    fields = {field.name for field in dataclasses.fields(verdict)}
    assert set(told) == fields - {"real_scores", "part_notes"} | {"basis"}
    assert told["faces"][1]["box"] == list(RIGHT)
    assert told["faces"][0]["p_fake"] == verdict.faces[0].p_fake


def test_scores_of_crops(tiny: Detector) -> None:
    crops = [noise_image(seed, side, side) for seed, side in enumerate((40, 64, 120))]
    together = tiny.p_fake(crops)
    assert together.shape == (3,)
    assert ((together > 0) & (together < 1)).all()
    assert np.allclose(together, [tiny.p_fake([one])[0] for one in crops], atol=1e-6)
    assert tiny.p_fake([]).shape == (0,)


def test_scores_are_calibrated(tiny: Detector) -> None:
    batch = np.stack([noise_image(seed, 64, 64) for seed in range(3)])
    logits = tiny.scorer(batch)
    assert (tiny.card.temperature, tiny.card.bias) == (1.5, -0.25)
    expected = 1 / (1 + np.exp(-(logits / 1.5 - 0.25)))
    assert np.allclose(tiny.card.probability(logits), expected)
    assert np.allclose(tiny.p_fake(list(batch)), expected)


@pytest.mark.usefixtures("use_tiny_models")
def test_detector_is_loaded_once_by_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    real = module.load_served

    def counted(card: Any) -> Any:
        loads.append(card.name)
        return real(card)

    monkeypatch.setattr(module, "load_served", counted)
    monkeypatch.setattr(module, "_loaded", {})
    found: list[tuple[Detector, float]] = []
    pixels = noise_image(1, 64, 64)

    def work() -> None:
        mine = get_detector("tiny")
        found.append((mine, float(mine.p_fake([pixels])[0])))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["tiny"]
    assert len({id(one) for one, _ in found}) == 1
    assert len({score for _, score in found}) == 1
    assert len(found) == 4
    assert get_detector() is found[0][0]


def test_detector_published_anew_is_another_one(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    before = get_detector()
    path = tmp_path / "models" / "tiny" / "card.json"
    card = json.loads(path.read_text())
    for change in ({"temperature": 3.0}, {"bias": 0.5}, {"whole_pictures": True}):
        path.write_text(json.dumps(card | change))
        after = get_detector()
        assert after is not before
        assert after.card.contents | change == after.card.contents
        assert before not in module._loaded.values(), "the older one is let go"
        before = after
    path.write_text(json.dumps(json.loads(path.read_text()) | {"evaluations": [{}]}))
    assert get_detector() is before, "an evaluation recorded changes no verdict"


@pytest.mark.usefixtures("use_tiny_models")
def test_unknown_detector() -> None:
    with pytest.raises(ModelError) as caught:
        get_detector("other")
    assert caught.value.code == "unknown_model"


# Measuring


def test_measuring_scores_as_serving_does(
    tiny: Detector, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, find: Finder
) -> None:
    data = index_dataset(tiny_dataset).select(split="Test")
    done: list[int] = []
    result = measure(tiny, data, n_bootstrap=0, on_progress=done.append)
    assert done == [32]
    assert list(result.table.columns) == ["image_id", "split", "source", "label", "p_fake"]
    assert result.table["image_id"].tolist() == data.table["path"].tolist()
    assert set(result.table["label"]) == {"Fake", "Real"}
    assert (result.table["label"].eq("Fake") == data.table["label"].eq(1)).all()
    assert result.evaluation.threshold == tiny.card.thresholds.balanced
    find((0, 0, 64, 64), kind="face_crop")
    for path, p_fake in list(zip(data.paths(), result.table["p_fake"], strict=True))[::8]:
        assert tiny.check(load_image(path)).p_fake == pytest.approx(p_fake, abs=1e-6)


def test_measuring_perturbed_copies_differs_and_repeats(tiny: Detector, tiny_dataset: Path) -> None:
    data = index_dataset(tiny_dataset).select(split="Test")
    clean, one, two = (
        measure(tiny, data, perturbed=perturbed, n_bootstrap=0).table["p_fake"].to_numpy()
        for perturbed in (False, True, True)
    )
    assert np.array_equal(one, two)
    assert (clean != one).mean() > 0.8


def test_measuring_leaves_out_what_cannot_be_read(tiny: Detector, tmp_path: Path) -> None:
    for label in ("Fake", "Real"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "b.png").write_bytes(encoded(noise_image(len(label), 64, 64)))
    (tmp_path / "Fake" / "a.png").write_bytes(b"broken")
    result = measure(tiny, index_dataset(tmp_path), n_bootstrap=0)
    assert result.evaluation.n == len(result.table) == 2
    assert not result.table["p_fake"].isna().any()
    assert result.table["image_id"].tolist() == ["Fake/b.png", "Real/b.png"]
    ((path, why),) = result.refused
    assert path == "Fake/a.png"
    assert why
    for label in ("Fake", "Real"):
        (tmp_path / label / "b.png").write_bytes(b"broken")
    with pytest.raises(DatasetError) as caught:
        measure(tiny, index_dataset(tmp_path))
    assert caught.value.code == "no_images"
    assert "3 images" in caught.value.message


def evaluation_of(labels: list[int], scores: list[float]) -> Evaluation:
    from deepfake.evaluation.statistics.metrics import evaluate_scores

    return evaluate_scores(labels, scores, n_bootstrap=50)


def test_evaluation_in_words() -> None:
    text = evaluation_lines(evaluation_of([1, 1, 1, 0, 0], [0.9, 0.8, 0.3, 0.2, 0.6]))
    assert "5 images (3 fake, 2 real)" in text
    assert "forced choice: fake at p_fake >= 0.500, else real" in text
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    assert "0.6000" in lines["accuracy"]
    assert "[" in lines["accuracy"]
    rows = [line.split()[-2:] for line in text.splitlines() if line.startswith("  true")]
    assert rows == [["2", "1"], ["1", "1"]]
    assert "recall 0.6667" in lines["Fake: precision 0.6667, recall 0.6667, F1 0.6667, 3 images"]
    assert "as computed in the baseline" in text


def test_evaluation_of_one_class_in_words() -> None:
    text = evaluation_lines(evaluation_of([1, 1], [0.9, 0.2]))
    assert "2 images (2 fake, 0 real)" in text
    assert "undefined" in text
    assert "nan" not in text.lower()


def test_measuring_real_images(tiny: Detector, real_data: Path) -> None:
    data = index_dataset(real_data).select(source="hardfaces")
    twenty = dataclasses.replace(data, table=data.table.groupby("label").head(10).reset_index(drop=True))
    result = measure(tiny, twenty, n_bootstrap=20)
    assert result.evaluation.n_fake == result.evaluation.n_real == 10
    assert result.refused == ()
    assert result.table["p_fake"].nunique() > 10


@pytest.mark.usefixtures("use_tiny_models")
def test_a_path_is_no_image() -> None:
    with pytest.raises(TypeError, match=r"load_image\('a.jpg'\)\)\. Received: str\."):
        get_detector("tiny").check("a.jpg")  # type: ignore[arg-type]
