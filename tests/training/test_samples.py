"""What an epoch shows: shares of sources, classes in balance, no image twice before all came once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.training.recipe import RECIPES, Recipe, with_perturbed, without_sources
from deepfake.training.samples import (
    SamplingError,
    augmentation_of,
    check_shares,
    epoch_samples,
    images_per_epoch,
)

FACE = np.zeros((5, 2), np.float32)


def data_of(**counts: tuple[int, int]) -> DatasetIndex:
    """(Fake, Real) images of each source; files are not needed."""
    rows = [
        (f"{source}/{label}/{number}.png", "Train", label, source, "")
        for source, numbers in counts.items()
        for label, count in zip((1, 0), numbers, strict=True)
        for number in range(count)
    ]
    return DatasetIndex(
        Path("data"), pd.DataFrame(rows, columns=["path", "split", "label", "source", "generator"])
    )


def recipe(**changes: object) -> Recipe:
    return replace(RECIPES["faces"], shares={"a": 3, "b": 1}, epoch_images=80, blended=0.0, **changes)


def names(samples: list, *words: str) -> list[str]:
    return [sample.path for sample in samples if all(word in sample.path for word in words)]


def test_without_shares_every_image_comes_once_and_shuffled() -> None:
    data, plain = data_of(a=(7, 5)), RECIPES["compact"]
    samples = epoch_samples(data, plain, 0, {})
    assert sorted(sample.path for sample in samples) == sorted(data.paths())
    assert [sample.path for sample in samples] != data.paths()
    assert all(sample.fake == ("/1/" in sample.path) for sample in samples)
    assert images_per_epoch(data, plain) == 12


def test_shares_and_classes() -> None:
    data = data_of(a=(50, 200), b=(9, 4))
    samples = epoch_samples(data, recipe(), 0, {})
    assert images_per_epoch(data, recipe()) == len(samples) == 80
    assert [len(names(samples, f"{source}/{label}/")) for source in "ab" for label in (1, 0)] == [
        30,
        30,
        10,
        10,
    ]
    assert sum(sample.fake for sample in samples) == 40


def test_no_image_comes_again_before_all_came() -> None:
    data = data_of(a=(45, 45), b=(7, 7))
    shown: Counter[str] = Counter()
    for epoch in range(4):
        shown.update(names(epoch_samples(data, recipe(), epoch, {}), "a/1/"))
        assert max(shown.values()) - min([shown[path] for path in names_of(data, "a/1/")]) <= 1
    assert sum(shown.values()) == 120


def names_of(data: DatasetIndex, word: str) -> list[str]:
    return [path for path in data.paths() if word in path]


def test_an_epoch_follows_from_seed_and_number() -> None:
    data = data_of(a=(45, 45), b=(7, 7))
    first = epoch_samples(data, recipe(), 1, {})
    assert first == epoch_samples(data, recipe(), 1, {})
    assert first != epoch_samples(data, recipe(), 2, {})
    assert first != epoch_samples(data, recipe(seed=5), 1, {})
    assert len({sample.draw for sample in first}) == 80, "an image shown twice is varied twice"


def test_blended_photographs_are_fakes_of_their_source() -> None:
    data = data_of(a=(40, 40), b=(10, 10))
    found = {f"a/0/{number}.png": FACE for number in range(5)}
    samples = epoch_samples(data, replace(recipe(), blended=0.2), 0, found)
    blended = [sample for sample in samples if sample.landmarks is not None]
    assert len(blended) == 6
    assert all(sample.fake == 1 and "a/0/" in sample.path for sample in blended)
    assert len(names(samples, "a/1/")) == 24
    assert len(names(samples, "b/1/")) == 10, "no landmarks, no blends"
    assert sum(sample.fake for sample in samples) == 40
    more = epoch_samples(data, replace(recipe(), blended=0.2, source_blended={"a": 0.5}), 0, found)
    assert sum(sample.landmarks is not None for sample in more) == 15


def test_part_of_the_blends_take_another_photographs_face() -> None:
    data = data_of(a=(200, 200), b=(10, 10))
    found = {f"a/0/{number}.png": FACE + number for number in range(150)}
    mixed = replace(recipe(), blended=0.8, swapped=0.5, epoch_images=400)
    samples = epoch_samples(data, mixed, 0, found)
    assert samples == epoch_samples(data, mixed, 0, found)
    blended = [sample for sample in samples if sample.landmarks is not None]
    donors = [sample.donor for sample in blended if sample.donor is not None]
    assert len(blended) == 120
    assert 35 < len(donors) < 85
    assert all("a/0/" in path for path, _ in donors)
    assert all(landmarks[0, 0] == int(Path(path).stem) for path, landmarks in donors), (
        "landmarks of the donor"
    )
    assert len({path for path, _ in donors}) > 20
    assert all(sample.donor is None for sample in samples if sample.landmarks is None)
    assert all(sample.donor is None for sample in epoch_samples(data, replace(mixed, swapped=0), 0, found))


def test_sources_have_their_own_augmentation() -> None:
    own = recipe(perturbed=0.3, source_perturbed={"b": 0.9})
    kinds = [augmentation_of(own, source) for source in "ab"]
    assert [kind.perturbed for kind in kinds if kind] == [0.3, 0.9]
    assert augmentation_of(RECIPES["seed"], "a") is None
    samples = epoch_samples(data_of(a=(3, 3), b=(3, 3)), own, 0, {})
    assert {(s.path.split("/")[1], s.augmentation.perturbed) for s in samples if s.augmentation} == {
        ("a", 0.3),
        ("b", 0.9),
    }


@pytest.mark.parametrize("share", [0.0, None])
def test_another_share_of_perturbed_images_holds_for_every_source(share: float | None) -> None:
    faces = RECIPES["faces"]
    changed = with_perturbed(faces, share)
    kinds = {source: augmentation_of(changed, source) for source in faces.shares or {}}
    assert {kind.perturbed if kind else None for kind in kinds.values()} == {share}
    assert with_perturbed(faces, faces.perturbed) == faces


@pytest.mark.parametrize("counts", [{"a": (3, 3)}, {"a": (3, 3), "b": (3, 0)}])
def test_shares_that_do_not_fit(counts: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(SamplingError) as caught:
        check_shares(data_of(**counts), recipe())
    assert caught.value.code == "bad_shares"
    assert " b," in caught.value.message
    check_shares(data_of(a=(1, 1), b=(1, 1), c=(1, 0)), recipe())


def test_a_source_can_be_left_out_of_a_recipe() -> None:
    recipe = RECIPES["faces"]
    left = without_sources(recipe, ["celeba", "video"])
    assert set(recipe.shares or {}) - set(left.shares or {}) == {"celeba", "video"}
    assert replace(left, shares=recipe.shares) == recipe
    for wrong in (["celebb"], ["celeba", "celebb"], list(recipe.shares or {})):
        with pytest.raises(UserError, match="cannot be left out"):
            without_sources(recipe, wrong)
    with pytest.raises(UserError, match=r"no sources \(faces does\)"):
        without_sources(RECIPES["compact"], ["celeba"])
