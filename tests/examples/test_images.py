"""The example images: readable, marked as what they are, and judged as the table says."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepfake.detection.card import default_name
from deepfake.detection.detector import get_detector
from deepfake.examples.images import FOLDER, THUMBNAIL_SIDE, VERDICTS, Example, read_examples
from deepfake.examples.make import write_examples
from deepfake.examples.verdicts import DEMO, demo_table, measure_verdicts, write_demo_table, write_verdicts
from deepfake.images.encode import jpeg_bytes, jpeg_pixels, shrink
from deepfake.images.load import load_image
from deepfake.util.files import ROOT

EXAMPLES = read_examples().images
MAX_BYTES = 1_500_000
each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the examples' folder, to be damaged."""
    return Path(shutil.copytree(FOLDER, tmp_path / "images"))


def test_every_kind_is_there_and_light() -> None:
    assert read_examples().faults == ()
    assert {path.stem for path in FOLDER.glob("*.jpg")} == {example.name for example in EXAMPLES}
    assert sum(len(example.content) for example in EXAMPLES) < MAX_BYTES
    kinds = " ".join(example.kind for example in EXAMPLES if example.truth == "fake")
    for word in ("whole face", "blended back", "eyes and mouth", "messenger"):
        assert word in kinds
    assert sum(example.truth == "real" for example in EXAMPLES) >= 2
    assert len({example.title for example in EXAMPLES}) == len(EXAMPLES)


@each
def test_a_file_says_whether_it_is_synthetic(example: Example) -> None:
    with Image.open(io.BytesIO(example.content)) as image:
        comment, xmp = image.info["comment"].decode(), image.info.get("xmp", b"").decode()
    assert comment.startswith("Synthetic:") == (example.truth == "fake")
    if example.truth == "real":
        assert xmp == ""
        return
    marks = {
        "whole face": "/trainedAlgorithmicMedia",
        "generated face": "/compositeWithTrainedAlgorithmicMedia",
    }
    mark = next((mark for words, mark in marks.items() if words in example.kind), "/algorithmicallyEnhanced")
    assert f'digitalsourcetype{mark}"' in xmp


@each
def test_the_table_has_the_verdict_of_the_shipped_default_detector(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After another default detector: ``python -m deepfake.examples.verdicts``, then read the column why."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(ROOT / "models"))
    detector = get_detector(default_name())
    verdict = detector.check(load_image(example.content))
    assert example.known is not None
    assert (example.known.detector, example.known.verdict) == (detector.card.name, verdict.verdict)
    assert example.known.p_fake == pytest.approx(verdict.raw, abs=0.03)


def test_a_miss_is_explained_and_a_hit_is_not() -> None:
    for example in EXAMPLES:
        assert example.known is not None
        assert bool(example.known.why) == (example.known.verdict != example.truth), example.name
    assert any(example.known and example.known.why for example in EXAMPLES)


def test_a_missing_and_a_damaged_file_are_left_out(copied: Path) -> None:
    (copied / "astronaut.jpg").unlink()
    (copied / "cameraman.jpg").write_bytes(b"no image")
    found = read_examples(copied)
    assert len(found.images) == len(EXAMPLES) - 2
    assert len(found.faults) == 2
    assert "astronaut.jpg is missing or damaged" in found.faults[0]


def test_without_a_list_or_a_table(copied: Path) -> None:
    (copied / VERDICTS).write_text("example,verdict\nastronaut,maybe\n")
    assert {example.known for example in read_examples(copied).images} == {None}
    (copied / "images.toml").write_text("[broken")
    assert read_examples(copied).images == ()
    assert "cannot be read" in read_examples(copied).faults[0]


def test_a_thumbnail_shows_the_face() -> None:
    photo = next(example for example in EXAMPLES if example.focus)
    left, top, right, bottom = photo.focus or (0, 0, 0, 0)
    face = load_image(photo.content).pixels[top:bottom, left:right]
    assert np.array_equal(jpeg_pixels(photo.thumbnail), jpeg_pixels(jpeg_bytes(shrink(face, THUMBNAIL_SIDE))))


def test_measuring_keeps_a_sentence_only_while_it_is_true(
    copied: Path, use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random network gives other verdicts: what was said of the old ones goes."""
    before = {example.name: example.known for example in read_examples(copied).images}
    measured = measure_verdicts(get_detector("tiny"), copied)
    write_verdicts(measured, copied)
    after = {example.name: example.known for example in read_examples(copied).images}
    assert {known.detector for known in after.values() if known} == {"tiny"}
    for name, known in after.items():
        old = before[name]
        assert known is not None and old is not None
        assert known.why == (old.why if known.verdict == old.verdict else "")


def test_making_them_needs_one_face(tmp_path: Path) -> None:
    """A smoke test without the sources: drawn noise has no face, and a folder without them is refused."""
    from deepfake.errors import UserError

    for name in ("astronaut.png", "camera.png", "25-00002.png", "25-00008.png", "25-00005.png"):
        Image.new("RGB", (128, 128), "gray").save(tmp_path / name)
    with pytest.raises(UserError, match="exactly one upright face"):
        write_examples(tmp_path, tmp_path, tmp_path / "out")


def test_making_them_again_from_what_ships(tmp_path: Path) -> None:
    """The shipped files stand in for the sources: sizes, names and marks are those that ship."""
    names = {"astronaut.png": "astronaut", "camera.png": "cameraman", "25-00002.png": "generated-1",
             "25-00008.png": "generated-2", "25-00005.png": "generated-2"}  # fmt: skip
    for name, shipped in names.items():
        with Image.open(FOLDER / f"{shipped}.jpg") as image:
            image.convert("RGB").save(tmp_path / name)
    made = write_examples(tmp_path, tmp_path, tmp_path / "out")
    assert {path.stem for path in made} == {example.name for example in EXAMPLES}
    for path in made:
        with Image.open(path) as again, Image.open(FOLDER / path.name) as shipped:
            assert (again.size, again.info["comment"]) == (shipped.size, shipped.info["comment"])
            difference = np.abs(np.asarray(again, float) - np.asarray(shipped, float)).mean()
        assert difference < 3, path.name


def test_the_guide_has_the_table_of_verdicts(tmp_path: Path) -> None:
    assert demo_table() in DEMO.read_text(encoding="utf-8")
    assert demo_table().count("\n") == 2 + len(EXAMPLES)
    guide = tmp_path / "demo.md"
    guide.write_text(
        "Before.\n\n| minute |\n| --- |\n\n| example | old |\n| --- | --- |\n| a | b |\n\nAfter.\n"
    )
    write_demo_table(guide)
    assert guide.read_text() == f"Before.\n\n| minute |\n| --- |\n\n{demo_table()}\nAfter.\n"
    write_demo_table(tmp_path / "missing.md")
