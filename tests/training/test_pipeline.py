"""Batches for training and measuring: what is random follows from a sample's own seeds alone."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.data.index import index_dataset
from deepfake.images.load import ImageRefused, load_image
from deepfake.images.pixels import InputSpec, scaled, to_batch
from deepfake.networks.scoring import load_for_scoring, scoring_batches
from deepfake.perturbations import mix
from deepfake.perturbations.mix import Augmentation, augment, perturbed_copy
from deepfake.training.pipeline import Sample, training_batches, training_pixels
from deepfake.types import Pixels
from tests.support.images import encoded, noise_image

SPEC = InputSpec(32)


@pytest.fixture
def paths(tiny_dataset: Path) -> list[str]:
    """Ten images, five of each class."""
    both = index_dataset(tiny_dataset).select(split="Test").paths()
    return both[:5] + both[-5:]


def epoch_of(
    paths: list[str], augmentation: Augmentation | None = None, *, epoch: int = 0, batch_size: int = 5
) -> tuple[Any, Any]:
    """All images and targets of one epoch; a target is its image's row number."""
    samples = [Sample(path, float(row), augmentation, (3, epoch, row)) for row, path in enumerate(paths)]
    batches = list(training_batches(samples, SPEC, batch_size=batch_size))
    return np.concatenate([np.asarray(b[0]) for b in batches]), np.concatenate(
        [np.asarray(b[1]) for b in batches]
    )


def test_augmented_samples_have_the_right_form() -> None:
    strong = Augmentation(perturbed=1.0, min_area=0.2)
    for seed, shape in enumerate([(64, 64), (20, 90), (90, 20), (16, 16), (200, 150)]):
        for size in (32, 96):
            sample = augment(noise_image(seed, *shape), size, strong, np.random.default_rng(seed))
            assert sample.shape == (size, size, 3)
            assert sample.dtype == np.uint8
            assert sample.flags.c_contiguous


def test_augment_leaves_its_input_alone() -> None:
    pixels = noise_image(4, 64, 64)
    before = pixels.copy()
    for seed in range(8):
        augment(pixels, 64, Augmentation(perturbed=1.0), np.random.default_rng(seed))
    assert np.array_equal(pixels, before)


def test_augmentation_of_nothing_changes_nothing() -> None:
    off = Augmentation(perturbed=0.0, min_area=1.0, recompressed=0.0, flip=False)
    pixels = noise_image(4, 64, 64)
    assert np.array_equal(augment(pixels, 64, off, np.random.default_rng(0)), pixels)


def test_mirror_alone() -> None:
    only = Augmentation(perturbed=0.0, min_area=1.0, recompressed=0.0, flip=True)
    pixels = noise_image(4, 64, 64)
    mirrored = 0
    for seed in range(60):
        sample = augment(pixels, 64, only, np.random.default_rng(seed))
        plain = np.array_equal(sample, pixels)
        assert plain or np.array_equal(sample, pixels[:, ::-1])
        mirrored += not plain
    assert 15 < mirrored < 45


def test_crops_keep_at_least_the_smallest_area(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(mix, "resize", lambda pixels, size: seen.append(pixels.shape) or pixels)
    cropping = Augmentation(perturbed=0.0, min_area=0.45, recompressed=0.0, flip=False)
    for seed in range(200):
        augment(noise_image(0, 100, 120), 64, cropping, np.random.default_rng(seed))
    areas = [height * width / 12000 for height, width, _ in seen]
    assert min(areas) > 0.40  # a crop that the frame cuts short loses a little
    assert min(areas) < 0.55
    assert max(areas) > 0.9


def test_share_of_perturbed_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    count = {"perturb": 0, "jpeg": 0}

    def counted(name: str) -> Any:
        def call(pixels: Pixels, *_: Any) -> Pixels:
            count[name] += 1
            return pixels

        return call

    monkeypatch.setattr(mix, "perturb", counted("perturb"))
    monkeypatch.setattr(mix, "jpeg", counted("jpeg"))
    for seed in range(1000):
        augment(np.zeros((16, 16, 3), np.uint8), 16, Augmentation(), np.random.default_rng(seed))
    assert count["perturb"] == pytest.approx(650, abs=60)
    assert count["jpeg"] == pytest.approx(105, abs=40)


def test_batches_keep_the_order_given(paths: list[str]) -> None:
    images, targets = epoch_of(paths)
    assert images.shape == (10, 32, 32, 3)
    assert images.dtype == np.float32
    assert images.min() >= -1
    assert images.max() <= 1
    assert targets[:, 0].tolist() == list(range(10))


def test_two_columns_are_fake_and_real(paths: list[str]) -> None:
    samples = [Sample(path, float(row < 5), None, (row,)) for row, path in enumerate(paths)]
    batches = list(training_batches(samples, SPEC, batch_size=5, columns=2))
    columns = np.concatenate([np.asarray(batch[1]) for batch in batches])
    assert columns.tolist() == [[1, 0]] * 5 + [[0, 1]] * 5


def test_a_photograph_with_landmarks_is_blended(paths: list[str]) -> None:
    face = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.55], [0.4, 0.7], [0.6, 0.7]], np.float32)
    plain = load_for_scoring(paths[0], 32, perturbed=False)
    blends = [training_pixels(Sample(paths[0], 1.0, None, (seed,), face), 32) for seed in range(6)]
    assert np.array_equal(training_pixels(Sample(paths[0], 0.0, None, (1,)), 32), plain)
    assert sum(not np.array_equal(blend, plain) for blend in blends) >= 5
    assert np.array_equal(blends[2], training_pixels(Sample(paths[0], 1.0, None, (2,), face), 32))


def test_a_photograph_with_a_donor_gets_its_face(paths: list[str]) -> None:
    face = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.55], [0.4, 0.7], [0.6, 0.7]], np.float32)

    def of(donor: str, seed: int) -> Pixels:
        return training_pixels(Sample(paths[0], 1.0, None, (seed,), face, (donor, face)), 32)

    for seed in range(4):
        assert np.array_equal(of(paths[1], seed), of(paths[1], seed))
        assert not np.array_equal(of(paths[1], seed), of(paths[2], seed)), "the donor shows"
        assert np.array_equal(of(paths[1], seed)[0], load_for_scoring(paths[0], 32, perturbed=False)[0])


def test_targets_stay_with_their_images_and_training_sees_what_serving_sees(paths: list[str]) -> None:
    images, targets = epoch_of(paths)
    for image, row in zip(images, targets[:, 0].astype(int), strict=True):
        served = load_for_scoring(paths[row], 32, perturbed=False)
        assert np.array_equal(served, to_batch([load_image(paths[row]).pixels], SPEC)[0])
        assert np.allclose(image, scaled(served[None], SPEC)[0], atol=1e-6)


def test_same_seed_and_epoch_give_the_same_samples(paths: list[str]) -> None:
    first, order = epoch_of(paths, Augmentation())
    again, order_again = epoch_of(paths, Augmentation())
    assert np.array_equal(first, again)
    assert np.array_equal(order, order_again)


def test_samples_do_not_depend_on_threads(paths: list[str]) -> None:
    images, targets = epoch_of(paths, Augmentation())
    for image, row in zip(images, targets[:, 0].astype(int), strict=True):
        alone = augment(load_image(paths[row]).pixels, 32, Augmentation(), np.random.default_rng([3, 0, row]))
        assert np.allclose(image, scaled(alone[None], SPEC)[0], atol=1e-6)


def test_another_draw_gives_another_sample(paths: list[str]) -> None:
    first, other = (epoch_of(paths, Augmentation(), epoch=epoch)[0] for epoch in (0, 1))
    assert sum(not np.array_equal(one, two) for one, two in zip(first, other, strict=True)) >= 8


def test_incomplete_last_batch_is_left_out_when_there_are_others(paths: list[str]) -> None:
    assert len(epoch_of(paths, batch_size=4)[0]) == 8
    assert len(epoch_of(paths, batch_size=64)[0]) == 10


def test_perturbed_copy_follows_from_the_content(tmp_path: Path) -> None:
    data = encoded(noise_image(5, 64, 64))
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(data)
    one, two = (load_for_scoring(str(tmp_path / name), 64, perturbed=True) for name in ("a.png", "b.png"))
    assert np.array_equal(one, two)
    pixels, sha256 = load_image(data).pixels, hashlib.sha256(data).hexdigest()
    assert np.array_equal(one, perturbed_copy(pixels, sha256))
    assert not np.array_equal(one, pixels)
    assert not np.array_equal(one, perturbed_copy(pixels, hashlib.sha256(b"other").hexdigest()))


def test_scoring_keeps_the_order_and_the_last_partial_batch(paths: list[str]) -> None:
    batches = list(scoring_batches(paths, 32, perturbed=False, batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    expected = [load_for_scoring(path, 32, perturbed=False) for path in paths]
    assert np.array_equal(np.concatenate(batches), np.stack(expected))
    assert list(scoring_batches([], 32, perturbed=False)) == []


def test_refused_files_are_told_and_become_black(paths: list[str], tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(b"no picture")
    mixed = [paths[0], str(broken), paths[1], str(missing)]
    told: dict[int, ImageRefused] = {}
    (batch,) = scoring_batches(mixed, 32, perturbed=False, on_refused=told.__setitem__)
    assert sorted(told) == [1, 3]
    assert told[3].code == "not_found"
    assert str(broken) in told[1].message
    assert not batch[[1, 3]].any()
    assert np.array_equal(batch[2], load_for_scoring(paths[1], 32, perturbed=False))
    with pytest.raises(ImageRefused, match=r"broken\.jpg"):
        list(scoring_batches(mixed, 32, perturbed=False))


def test_a_reader_that_stops_early_leaves_no_threads(paths: list[str]) -> None:
    before = threading.active_count()
    batches = scoring_batches(paths, 32, perturbed=False, batch_size=2)
    next(batches)
    batches.close()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator
    assert threading.active_count() == before


def test_broken_training_image_is_named(paths: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"broken\.jpg"):
        epoch_of([*paths, str(broken)], batch_size=11)
