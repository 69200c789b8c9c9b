"""Inventory, measures and audit of a drawn set with planted flaws."""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepfake.data.audit import FEATURES, Shortcut, audit, check_shortcut, kept_audit, mean_fold_auc
from deepfake.data.figures import shortcut_figure
from deepfake.data.image_stats import kept_measures, measure_images
from deepfake.data.inventory import Inventory, read_header, take_inventory
from deepfake.data.text import audit_lines
from deepfake.images.hashing import near_pairs, perceptual_hash
from deepfake.images.headers import header_facts
from deepfake.plotting import ACCENT_COLOUR
from deepfake.util.jobs import Stopped
from deepfake.util.statistics import auc_and_variance
from tests.support.images import noise_image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save(pixels: np.ndarray, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """Eight sound pictures a part; then one flaw of each kind."""
    root = tmp_path / "set"
    for index, split in enumerate(("Train", "Validation")):
        for label in ("Fake", "Real"):
            for number in range(8):
                seed = 100 * index + 10 * number + (label == "Fake")
                save(noise_image(seed, 96, 96), root / split / label / f"{number}.png")
    shutil.copy(root / "Train/Real/0.png", root / "Train/Real/copy.png")
    shutil.copy(root / "Train/Real/1.png", root / "Validation/Real/leak.png")
    shutil.copy(root / "Train/Fake/2.png", root / "Train/Real/both.png")
    save(noise_image(30, 96, 96), root / "Validation/Real/again.jpg", quality=80)  # Train/Real/3.png
    save(np.full((96, 96, 3), 2, np.uint8), root / "Train/Fake/black.png")
    save(noise_image(77, 40, 50), root / "Train/Fake/tiny.png")
    (root / "Train/Fake/empty.jpg").write_bytes(b"")
    whole = (root / "Validation/Real/again.jpg").read_bytes()
    (root / "Train/Fake/cut.jpg").write_bytes(whole[: len(whole) // 2])
    return root


def test_audit_finds_every_planted_flaw(flawed):
    inventory = take_inventory(flawed)
    before = {path: path.stat().st_mtime_ns for path in flawed.rglob("*")}
    assert kept_audit(inventory) is None
    result = audit(inventory)
    assert set(result.unreadable["path"]) == {"Train/Fake/empty.jpg", "Train/Fake/cut.jpg"}
    assert "empty" in " ".join(result.unreadable["reason"])
    assert set(result.leaks()["path"]) == {"Train/Real/1.png", "Validation/Real/leak.png"}
    assert set(result.conflicts()["path"]) == {"Train/Fake/2.png", "Train/Real/both.png"}
    assert result.surplus().to_dict("records") == [{"split": "Train", "label": 0, "surplus": 1}]
    pairs = result.near_leaks()[["first", "second"]].to_numpy().tolist()
    assert pairs == [["Train/Real/3.png", "Validation/Real/again.jpg"]]
    reasons = result.out_of_line.groupby("path")["reason"].agg(set).to_dict()
    assert reasons["Train/Fake/tiny.png"] == {"tiny", "unusual size"}
    assert "nearly black" in reasons["Train/Fake/black.png"]
    assert len(reasons) == 2
    summary = result.summary()
    assert summary["surplus_copies"] == 3
    assert summary["contents_in_several_splits"] == summary["contents_with_both_labels"] == 1
    kept = kept_audit(take_inventory(flawed))
    assert kept is not None
    assert kept.summary() == summary
    pd.testing.assert_frame_equal(kept.duplicates, result.duplicates)
    assert {path: path.stat().st_mtime_ns for path in flawed.rglob("*")} == before  # nothing was written


def test_lookalikes_with_both_labels_contradict_no_good_word(tmp_path):
    """Other bytes, the same pixels: nothing may say that no content has both labels or is in both splits."""
    root = tmp_path / "set"
    for index, split in enumerate(("Train", "Validation")):
        for label in ("Fake", "Real"):
            for number in range(8):
                seed = 100 * index + 10 * number + (label == "Fake")
                save(noise_image(seed, 96, 96), root / split / label / f"{number}.png")
    save(noise_image(30, 96, 96), root / "Validation/Fake/again.png", compress_level=1)  # Train/Real/3.png
    result = audit(take_inventory(root))
    assert result.conflicts().empty
    assert result.near_conflicts()["bits"].tolist() == [0]
    assert result.summary()["near_pairs_with_both_labels"] == 1
    lines = audit_lines(result)
    assert [level for level, text in lines if "look the same, but one is labeled Fake" in text] == ["bad"]
    assert "Train/Real/3.png and Validation/Fake/again.png" in " ".join(text for _, text in lines)
    good = [text for level, text in lines if level == "good"]
    assert any("conflicting labels" in text for text in good)
    assert not any("content" in text for text in good)
    many = audit_lines(replace(result, near_found=result.near_found + 1))
    assert any(text.startswith("At least 1 pair") for _, text in many)


def test_a_clean_set_has_no_findings(tiny_dataset):
    result = audit(take_inventory(tiny_dataset))
    summary = result.summary()
    assert summary["unreadable"] == summary["surplus_copies"] == summary["near_pairs"] == 0
    assert summary["out_of_line"] == {}


def test_stopping_keeps_what_was_measured(flawed):
    inventory = take_inventory(flawed)
    seen: list[int] = []
    with pytest.raises(Stopped):
        measure_images(inventory, on_progress=lambda done, total: seen.append(done), stopped=lambda: True)
    assert kept_measures(inventory) is not None  # one chunk held them all
    again: list[int] = []
    measure_images(inventory, on_progress=lambda done, total: again.append(done))
    assert seen == [len(inventory)]
    assert again == []


def test_only_what_changed_is_measured_again(flawed, monkeypatch):
    inventory = take_inventory(flawed)
    first = measure_images(inventory)
    path = flawed / "Train/Real/5.png"
    save(noise_image(999, 96, 96), path)
    os.utime(path, ns=(1, 10**18))
    again: list[int] = []
    fresh = take_inventory(flawed, refresh=True)
    second = measure_images(fresh, on_progress=lambda done, total: again.append(done))
    assert again == [len(inventory)]
    changed = np.flatnonzero((first.sha256 != second.sha256).any(axis=1))
    assert [fresh.table["path"].iloc[row] for row in changed] == ["Train/Real/5.png"]


def test_second_opening_reads_no_file(flawed, monkeypatch):
    import deepfake.data.inventory as module

    first = take_inventory(flawed)
    monkeypatch.setattr(module, "_recent", {})
    monkeypatch.setattr(module, "index_dataset", None)
    monkeypatch.setattr(module, "read_header", None)
    second = take_inventory(flawed)
    assert second.fingerprint == first.fingerprint
    pd.testing.assert_frame_equal(second.table, first.table, check_categorical=False, check_dtype=False)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_that_comes_or_goes_is_noticed(flawed, monkeypatch, in_memory):
    import deepfake.data.inventory as module

    first = take_inventory(flawed)
    if not in_memory:
        monkeypatch.setattr(module, "_recent", {})
    (flawed / "Train/Real/7.png").unlink()
    save(noise_image(5, 96, 96), flawed / "Validation/Fake/new one.png")
    os.utime(flawed / "Train/Real", ns=(1, 10**18))  # clocks are coarse
    second = take_inventory(flawed)
    gone = set(first.table["path"]) - set(second.table["path"])
    come = set(second.table["path"]) - set(first.table["path"])
    assert (gone, come) == ({"Train/Real/7.png"}, {"Validation/Fake/new one.png"})
    assert second.fingerprint != first.fingerprint


def overwrite(path: Path, content: bytes, *, times: bool) -> None:
    """In place, so that the folder does not change; with ``times`` as tools do that keep a file's times."""
    before = path.stat()
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(content)
    if times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", ["cut", "same size", "same size and times", "no rights"])
def test_a_file_overwritten_in_place_is_looked_at_again(tmp_path, monkeypatch, in_memory, kind):
    import deepfake.data.inventory as module

    root = tmp_path / "set"
    for label in ("Fake", "Real"):
        for number in range(4):
            save(noise_image(10 * number + (label == "Fake"), 64, 64), root / label / f"{number}.png")
    first = take_inventory(root)
    assert audit(first).unreadable.empty
    whole, path = (root / "Fake/2.png").read_bytes(), root / "Fake/2.png"
    if kind == "no rights":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
    else:
        overwrite(path, whole[:99] if kind == "cut" else whole[::-1], times="times" in kind)
    if not in_memory:
        monkeypatch.setattr(module, "_recent", {})
    else:  # as if a moment had passed
        monkeypatch.setattr(module, "_CHECKING_SHARE", 1e9)
    second = take_inventory(root)
    assert second.fingerprint != first.fingerprint
    assert kept_audit(second) is None
    assert kept_measures(second) is None
    assert audit(second).unreadable["path"].tolist() == ["Fake/2.png"]


def test_an_old_inventory_does_not_hide_what_changed_since(flawed):
    inventory = take_inventory(flawed)
    before = audit(inventory)
    path = flawed / "Train/Real/6.png"
    overwrite(path, path.read_bytes()[:50], times=False)
    after = audit(inventory)
    assert set(after.unreadable["path"]) - set(before.unreadable["path"]) == {"Train/Real/6.png"}
    assert kept_audit(take_inventory(flawed)) is None, "it belongs to the files as they were"


def test_files_of_a_manifest_are_looked_at(tmp_path, monkeypatch):
    """Its folders are not walked, so nothing but its files tells what changed."""
    import deepfake.data.inventory as module

    root = tmp_path / "set"
    rows = ["path,split,label"]
    for number in range(16):
        label = "Fake" if number % 2 else "Real"
        save(noise_image(number, 64, 64), root / f"pictures/{number}.png")
        rows.append(f"pictures/{number}.png,Train,{label}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert audit(take_inventory(root)).unreadable.empty
    (root / "pictures/3.png").unlink()
    overwrite(root / "pictures/4.png", b"no picture", times=False)
    monkeypatch.setattr(module, "_recent", {})
    inventory = take_inventory(root)
    assert any("row 5 ('pictures/3.png')" in note for note in inventory.notes)
    assert audit(inventory).unreadable["path"].tolist() == ["pictures/3.png", "pictures/4.png"]


def test_a_set_in_memory_is_looked_at_a_part_of_the_time_only(flawed, monkeypatch):
    import deepfake.data.inventory as module

    looked: list[int] = []
    states = module.file_states
    monkeypatch.setattr(module, "file_states", lambda paths: looked.append(len(paths)) or states(paths))
    monkeypatch.setattr(module, "_CHECKING_SHARE", 1e-9)
    for _ in range(3):
        take_inventory(flawed)
    assert len(looked) == 2  # when it was opened, and when that was asked for first
    take_inventory(flawed, refresh=True)
    assert len(looked) == 3


def test_refresh_trusts_nothing_that_is_kept(flawed):
    inventory = take_inventory(flawed)
    audit(inventory)
    measured: list[int] = []
    audit(inventory, refresh=True, on_progress=lambda done, total: measured.append(done))
    assert measured == [len(inventory)]


def test_damaged_cache_is_made_again(flawed, cache, monkeypatch):
    import deepfake.data.inventory as module

    first = take_inventory(flawed)
    audit(first)
    for path in cache.rglob("*"):
        if path.is_file():
            path.write_bytes(b"PK\x03\x04 not what it was")
    monkeypatch.setattr(module, "_recent", {})
    again = take_inventory(flawed)
    assert len(again) == len(first)
    assert kept_audit(again) is None
    assert kept_measures(again) is None


def test_odd_names(tmp_path):
    names = ["with space.png", "müller.png", "<b>x</b>.png", "new\nline.png", "a'\"$`.png", "(1) [2].png"]
    for label in ("Fake", "Real"):
        for name in names:
            save(noise_image(len(name), 64, 64), tmp_path / "set" / label / name.replace("/", "_"))
    with open(os.fsencode(tmp_path / "set/Fake") + b"/bad\xff.png", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    inventory = take_inventory(tmp_path / "set")
    assert len(inventory) == 12
    assert any("not valid Unicode" in note for note in inventory.notes)
    result = audit(inventory)
    assert result.unreadable.empty
    assert len(result.duplicates) == 12  # each name's picture in both classes


def test_a_file_that_vanishes_meanwhile_is_a_sentence(flawed):
    inventory = take_inventory(flawed)
    (flawed / "Train/Real/4.png").unlink()
    result = audit(inventory)
    reasons = dict(zip(result.unreadable["path"], result.unreadable["reason"], strict=True))
    assert "Train/Real/4.png" in reasons
    assert reasons["Train/Real/4.png"].endswith(".")


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.jpg", {"quality": 50}), ("b.png", {}), ("c.webp", {}), ("d.webp", {"lossless": True}), ("e.bmp", {}),
     ("f.gif", {}), ("g.jpg", {"progressive": True, "quality": 95})],
)  # fmt: skip
def test_header_facts_agree_with_pillow(tmp_path, name, options):
    save(noise_image(1, 70, 90), tmp_path / name, **options)
    facts = read_header(str(tmp_path / name))
    assert (facts.width, facts.height) == (90, 70)
    if name.endswith(".jpg"):
        with Image.open(tmp_path / name) as image:
            table = image.quantization[0]  # pyright: ignore[reportAttributeAccessIssue]
        assert facts.coarseness == pytest.approx(sum(table) / 64)
        assert facts.tables != 0
    else:
        assert facts.coarseness == facts.tables == 0


def test_headers_never_raise():
    whole = bytearray(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 4)
    for cut in range(len(whole)):
        header_facts(bytes(whole[:cut]))
    for start in (
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"\xff\xd8\xff\xdb\x00\x00",
    ):
        for length in (0, 3, 9, 40):
            header_facts(start + bytes(length))


@pytest.mark.parametrize("bits", [0, 3, 6])
def test_near_pairs_are_those_of_comparing_all(bits):
    rng = np.random.default_rng(bits)
    hashes = rng.integers(0, 256, (300, 8), dtype=np.uint8)
    for row in range(0, 60, 2):  # neighbours with a few bits flipped
        flips = rng.permutation(64)[: rng.integers(0, 9)]
        mask = np.zeros(64, np.uint8)
        mask[flips] = 1
        hashes[row + 1] = hashes[row] ^ np.packbits(mask)
    first, second, apart = near_pairs(hashes, bits)
    words = hashes.view(np.uint64).ravel()
    all_apart = np.bitwise_count(words[:, None] ^ words[None])
    expected = {(a, b) for a, b in zip(*np.nonzero(np.triu(all_apart <= bits, 1)), strict=True)}
    assert {(a, b) for a, b in zip(first, second, strict=True)} == expected
    assert len(first) == len(expected) > 2
    assert (np.diff(apart.astype(int)) >= 0).all()
    assert near_pairs(np.empty((0, 8), np.uint8))[0].size == 0


def test_recompressed_pictures_stay_near():
    pixels = noise_image(3, 200, 200)
    small = np.asarray(Image.fromarray(pixels).resize((120, 120), Image.Resampling.LANCZOS))
    apart = np.unpackbits(perceptual_hash(pixels) ^ perceptual_hash(small)).sum()
    other = np.unpackbits(perceptual_hash(pixels) ^ perceptual_hash(noise_image(4, 200, 200))).sum()
    assert apart <= 4
    assert other > 15


def facts(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=n) for name in FEATURES})
    return table.assign(tables=rng.integers(0, 4, n), label=np.arange(n) % 2)


def test_shortcut_is_found_and_chance_is_not():
    table = facts(600)
    chance = check_shortcut("Train", table, np.arange(600))
    assert chance is not None
    assert chance.interval[0] < 0.5 < chance.interval[1] + 0.05
    assert chance.level == "none"
    bent = table.assign(n_bytes=np.abs(table["n_bytes"]) * np.where(table["label"] == 1, 0.3, 2))
    found = check_shortcut("Train", bent, np.arange(600))
    assert found is not None
    assert found.auc > 0.85
    assert found.level == "strong"
    assert next(iter(found.single)) == "n_bytes"


@pytest.mark.parametrize(
    ("measured", "level", "line"),
    [
        ((0.63, (0.57, 0.69), 0.61), "possible", "note"),
        ((0.58, (0.52, 0.64), 0.61), "possible", "note"),
        ((0.59, (0.53, 0.65), 0.59), "none", "good"),
        ((0.66, (0.61, 0.71), 0.61), "notable", "note"),
        ((0.85, (0.80, 0.90), 0.80), "strong", "bad"),
    ],
)
def test_nothing_barely_reveals_the_label_that_the_chart_colors(measured, level, line, flawed):
    """The chart colors what reaches 0.6; the sentence above it goes by the same number."""
    auc, interval, single = measured
    found = Shortcut("Test", 100, 100, auc, interval, 0.55, {"sharpness": single, "width": 0.5})
    assert found.level == level
    result = replace(audit(take_inventory(flawed)), shortcuts=(found,))
    ((said, sentence),) = [each for each in audit_lines(result) if "brightness and sharpness" in each[1]]
    assert said == line
    colored = ACCENT_COLOUR in shortcut_figure(found).data[0]["marker"]["color"]
    assert colored == (level != "none") == ("barely" not in sentence)
    assert ("more images" in sentence) == (level == "possible")


def test_a_clue_that_points_nowhere_on_average_is_found():
    """Fakes have all values, real ones the middle: no straight line tells them apart."""
    table = facts(800)
    middle = table["sharpness"].to_numpy() * np.where(table["label"] == 1, 1.0, 0.1)
    found = check_shortcut("Train", table.assign(sharpness=middle), np.arange(800))
    assert found is not None
    assert found.auc > 0.8
    assert found.file_auc < 0.6


def test_copies_do_not_make_a_shortcut():
    """Each content twice, with labels by chance: a classifier that met the copy would know the label."""
    table = facts(300, seed=2)
    table["label"] = np.random.default_rng(8).integers(0, 2, 300)
    twice = pd.concat([table, table], ignore_index=True)
    found = check_shortcut("Train", twice, np.tile(np.arange(300), 2))
    assert found is not None
    assert found.auc < 0.6


def test_what_is_the_same_for_all_is_no_clue():
    """A clue of one value tells nothing: 0.5, not less; and no warning of a fit that went wrong."""
    same = {"width": 256, "height": 256, "coarseness": 1.0, "tables": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_shortcut("Train", facts(601).assign(**same), np.arange(601))
    assert found is not None
    assert {found.single[name] for name in same} == {0.5}


def test_one_file_copied_many_times_is_one_image():
    """All fakes the same file: too few contents to check, and no fault."""
    table = facts(200)
    contents = np.where(table["label"] == 1, -1, np.arange(200))
    assert check_shortcut("Train", table, contents) is None


def test_shortcut_needs_both_classes():
    assert check_shortcut("Train", facts(38), np.arange(38)) is None
    assert check_shortcut("Train", facts(100).assign(label=1), np.arange(100)) is None


def test_the_interval_is_delongs_of_the_mean_of_the_folds():
    rng = np.random.default_rng(0)
    labels, folds = np.arange(1000) % 2, np.arange(1000) // 2 % 5
    scores = rng.normal(size=1000) + 0.5 * labels
    auc, variance = mean_fold_auc(labels, scores, folds)
    each = [sorted_auc(labels[folds == fold], scores[folds == fold]) for fold in range(5)]
    assert auc == pytest.approx(np.mean([one for one, _ in each]))
    _, whole = sorted_auc(labels, scores)
    assert variance == pytest.approx(whole, rel=0.15), "five folds know as much as all at once"


def sorted_auc(labels, scores):
    return auc_and_variance(np.sort(scores[labels == 1]), np.sort(scores[labels == 0]))


def inventory_of(root: Path) -> Inventory:
    return take_inventory(root)


def test_real_data_has_the_readings_of_its_readme(real_data):
    index = inventory_of(real_data)
    assert len(index) > 1000
    assert (index.table["n_bytes"] > 0).all()
