"""Collections laid side by side: one form, stable splits, nothing that is to be measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepfake.data import gather as gathering
from deepfake.data.gather import GatheringError, SourceFolder, gather, in_one_form, name_draw, read_plan
from deepfake.data.index import index_dataset
from deepfake.faces.finder import Face, FaceScan
from deepfake.images.hashing import perceptual_hash
from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image


def quiet(_: str) -> None:
    pass


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    root = tmp_path / "collections"
    for index, folder in enumerate(("one/fake", "one/real")):
        (root / folder).mkdir(parents=True)
        for number in range(12):
            pixels = noise_image(100 * index + number, 90, 120)
            (root / folder / f"n{number}.png").write_bytes(encoded(pixels))
    (root / "one/real/broken.jpg").write_bytes(b"no image")
    (root / "one/real/n1_aug_.png").write_bytes(encoded(noise_image(999)))
    return root


FOLDERS = [
    SourceFolder("one/fake", "one", "gan", "Fake", validation=0.3),
    SourceFolder("one/real", "one", "camera", "Real", validation=0.3, skip=("_aug_",)),
]


def test_one_form_and_a_manifest_that_the_data_set_reads(collections: Path, tmp_path: Path) -> None:
    table = gather(FOLDERS, collections, tmp_path / "out", say=quiet)
    assert len(table) == 24, "neither the broken file nor the skipped one"
    assert set(table["split"]) == {"Train", "Validation"}
    data = index_dataset(tmp_path / "out")
    assert sorted(data.table["path"]) == sorted(table["path"])
    assert data.table.groupby("generator")["label"].first().to_dict() == {"gan": 1, "camera": 0}
    for path in data.paths():
        with Image.open(path) as image:
            assert image.size == (256, 256)
            assert image.format == "JPEG"


def test_split_follows_from_the_name_alone(collections: Path, tmp_path: Path) -> None:
    first = gather(FOLDERS, collections, tmp_path / "out", say=quiet)
    for number in range(12):
        (collections / "one/fake" / f"other{number}.png").write_bytes(encoded(noise_image(500 + number)))
    again = gather(FOLDERS, collections, tmp_path / "again", say=quiet)
    both = first.merge(again, on="path", suffixes=("", "_again"))
    assert len(both) == 24
    assert (both["split"] == both["split_again"]).all()


def test_only_names_that_begin_so_are_taken(collections: Path, tmp_path: Path) -> None:
    folder = SourceFolder("one/fake", "one", "gan", "Fake", only=("n10", "n3"))
    table = gather([folder], collections, tmp_path / "out", say=quiet)
    assert sorted(Path(path).stem for path in table["path"]) == ["gan-n10", "gan-n3"]


def test_exactly_the_named_files_are_taken(collections: Path, tmp_path: Path) -> None:
    folder = SourceFolder(
        "one", "one", "gan", "Fake", "Train", files=("fake/n1.png", "real/n1.png"), as_it_is=True
    )
    table = gather([folder], collections, tmp_path / "out", say=quiet)
    assert sorted(Path(path).name for path in table["path"]) == ["fake-n1.png", "real-n1.png"]
    folder = SourceFolder("one", "one", "gan", "Fake", files=("fake/n1.png", "fake/gone.png"))
    with pytest.raises(GatheringError, match=r"gone\.png") as missing:
        gather([folder], collections, tmp_path / "more", say=quiet)
    assert missing.value.code == "no_folder"


def test_the_middle_alone_is_kept(collections: Path, tmp_path: Path) -> None:
    marked = np.zeros((100, 200, 3), np.uint8)
    marked[:8] = marked[-8:] = 255
    marked[:, :16] = marked[:, -16:] = 255
    root = collections / "marked"
    root.mkdir()
    (root / "one.png").write_bytes(encoded(marked))
    folder = SourceFolder("marked", "one", "gan", "Fake", split="Train", middle=0.8)
    gather([folder], collections, tmp_path / "out", say=quiet)
    with Image.open(tmp_path / "out/one/Train/Fake/gan-one.jpg") as image:
        assert np.asarray(image).max() < 50, "the white edge is gone"


def test_faces_in_place_of_the_picture(
    collections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tuple(Face(box, box, 0.99) for box in ((0, 0, 40, 40), (60, 20, 100, 60)))
    monkeypatch.setattr(gathering, "find_faces", lambda pixels, turned: FaceScan(found, "faces"))
    folder = SourceFolder("one/fake", "faces", "gan", "Fake", validation=0.3, faces=True)
    table = gather([folder], collections, tmp_path / "out", say=quiet)
    assert len(table) == 24, "two of each image"
    assert (
        table.groupby(table["path"].str.extract(r"(n\d+)-face", expand=False))["split"].nunique() == 1
    ).all()
    with Image.open(tmp_path / "out" / str(table["path"].iloc[0])) as image:
        assert image.size == (256, 256)


def test_parts_share_a_folder_without_sharing_an_image(collections: Path, tmp_path: Path) -> None:
    halves = [
        SourceFolder("one/real", source, "camera", "Real", part=part)
        for source, part in (("a", (0.0, 0.5)), ("b", (0.5, 1.0)))
    ]
    table = gather(halves, collections, tmp_path / "out", say=quiet)
    assert table["path"].map(lambda path: Path(str(path)).stem).is_unique
    assert set(table["source"]) == {"a", "b"}


def test_frames_of_a_video_share_a_split(tmp_path: Path) -> None:
    frames = tmp_path / "collections" / "videos"
    frames.mkdir(parents=True)
    for number in range(40):
        (frames / f"{number // 4}_{number}.png").write_bytes(encoded(noise_image(number, 64, 64)))
    plan = [SourceFolder("videos", "v", "camera", "Real", validation=0.4, group="_")]
    table = gather(plan, tmp_path / "collections", tmp_path / "out", say=quiet)
    videos = table["path"].str.extract(r"camera-(\d+)_")[0]
    assert len(table) == 40
    assert set(table["split"]) == {"Train", "Validation"}
    assert table.groupby(videos)["split"].nunique().eq(1).all()


def test_files_of_one_quality_only(collections: Path, tmp_path: Path) -> None:
    for quality in (75, 90):
        with Image.open(collections / "one/real/n0.png") as image:
            image.convert("RGB").save(collections / f"one/real/q{quality}.jpg", quality=quality)
    with Image.open(collections / "one/real/q75.jpg") as image:
        wanted = sum(image.quantization[0]) / 64  # pyright: ignore[reportAttributeAccessIssue] - of JPEG only
    plan = [SourceFolder("one/real", "one", "camera", "Real", coarseness=wanted)]
    table = gather(plan, collections, tmp_path / "out", say=quiet)
    assert [Path(str(path)).stem for path in table["path"]] == ["camera-q75"]


def test_what_is_measured_on_is_left_out(collections: Path, tmp_path: Path) -> None:
    test = tmp_path / "test"
    test.mkdir()
    small = Image.fromarray(noise_image(3, 90, 120)[:, 15:105]).resize((64, 64))
    small.save(test / "looks_like_fake_n3.jpg", quality=60)
    (test / "gan__n5.png").write_bytes(encoded(noise_image(777)))
    table = gather(FOLDERS, collections, tmp_path / "out", unlike=[test], say=quiet)
    fakes = {Path(str(path)).stem for path in table.loc[table["label"] == "Fake", "path"]}
    assert fakes == {f"gan-n{number}" for number in range(12)} - {"gan-n3", "gan-n5"}


def test_files_kept_as_they_are(collections: Path, tmp_path: Path) -> None:
    untouched = SourceFolder("one/fake", "one", "gan", "Fake", "Train", as_it_is=True)
    gather([untouched], collections, tmp_path / "out", say=quiet)
    kept = tmp_path / "out" / "one" / "Train" / "Fake" / "n4.png"
    assert kept.read_bytes() == (collections / "one/fake/n4.png").read_bytes()


def test_form_is_drawn_alike_for_everyone() -> None:
    wide = noise_image(1, 300, 500)
    formed = in_one_form(wide, 0.5)
    assert formed.shape == (256, 256, 3)
    centre = np.asarray(Image.fromarray(wide[:, 100:400]).resize((256, 256)), int)
    assert np.abs(formed.astype(int) - centre).mean() < 6
    draws = [name_draw(f"image_{number}") for number in range(400)]
    assert 0 <= min(draws) < 0.02
    assert 0.98 < max(draws) < 1
    assert np.mean(draws) == pytest.approx(0.5, abs=0.05)


def test_perceptual_hash_survives_size_and_compression() -> None:
    pixels = noise_image(8, 200, 200)
    small = np.asarray(Image.fromarray(pixels).resize((77, 77)))
    near = np.unpackbits(perceptual_hash(pixels) ^ perceptual_hash(small)).sum()
    far = np.unpackbits(perceptual_hash(pixels) ^ perceptual_hash(noise_image(9, 200, 200))).sum()
    assert near <= 4
    assert far >= 14


def test_refusals(collections: Path, tmp_path: Path) -> None:
    with pytest.raises(GatheringError) as missing:
        gather([SourceFolder("two", "a", "b", "Fake")], collections, tmp_path / "out", say=quiet)
    assert missing.value.code == "no_folder"
    with pytest.raises(GatheringError) as full:
        gather(FOLDERS, collections, collections, say=quiet)
    assert full.value.code == "not_empty"
    plan = tmp_path / "plan.toml"
    for text in ("[[folder", "[[folder]]\npath = 'a'\n", "[[folder]]\nunknown = 1\n", "other = 1\n"):
        plan.write_text(text)
        with pytest.raises(GatheringError) as bad:
            read_plan(plan)
        assert bad.value.code == "bad_plan"


def test_our_plan_gives_every_source_both_classes_and_the_recipe_its_shares() -> None:
    from deepfake.training.recipe import RECIPES

    folders = read_plan(ROOT / "models" / "faces.toml")
    classes = {(folder.source, folder.label) for folder in folders}
    sources = {source for source, _ in classes}
    assert classes == {(source, label) for source in sources for label in ("Fake", "Real")}
    shares = set(RECIPES["faces"].shares or {})
    assert sources - shares == {"dfdc", "ages"}, "a source that no recipe knows is for another recipe"
    assert shares <= sources


def test_our_plan_keeps_the_videos_for_measuring_out() -> None:
    folders = [f for f in read_plan(ROOT / "models" / "faces.toml") if f.path.startswith("dfdc/")]
    assert {folder.label for folder in folders} == {"Fake", "Real"}
    for folder in folders:
        assert folder.metadata
        assert folder.left_out == "dfdc_left_out.txt"
        assert folder.min_side >= 150
    assert len({(f.metadata, f.part, f.validation, f.per_family) for f in folders}) == 1, "the same families"


def test_command_line(collections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from deepfake.cli import main

    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[folder]]\npath = "one/fake"\nsource = "one"\ngenerator = "gan"\nlabel = "Fake"\nvalidation = 0.0\n'
    )
    test = tmp_path / "test"
    test.mkdir()
    (test / "gan__n5.png").write_bytes(encoded(noise_image(777)))
    asked = ["gather", str(plan), str(collections), str(tmp_path / "out"), "--unlike", str(test)]
    assert main(asked) == 0
    assert len(list((tmp_path / "out" / "one" / "Train" / "Fake").iterdir())) == 11
    assert "11" in capsys.readouterr().out
    assert main(asked) == 1
    assert "not empty" in capsys.readouterr().err
