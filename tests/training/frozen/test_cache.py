"""Features on disk: rows come back as they were, a killed extraction goes on, other weights are refused."""

from pathlib import Path

import numpy as np
import pytest

from deepfake.training.frozen.cache import FeatureCache, FeatureCacheError

KEY = {"network": "tiny", "weights": "abc", "blocks": [1, 2]}


def add(cache: FeatureCache, names: list[str], view: str = "clean") -> None:
    values = np.array([[len(name), index] for index, name in enumerate(names)], np.float16)
    cache.add(names, [view] * len(names), {"features": values, "sharpness": values[:, 0].astype(np.float32)})


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "features", KEY)
    add(cache, ["a", "bb", "ccc"])
    add(cache, ["dddd"], "perturbed")
    read = FeatureCache(tmp_path / "features", KEY).read(
        [("dddd", "perturbed"), ("bb", "clean"), ("a", "clean")], ["features", "sharpness"]
    )
    assert read["features"].tolist() == [[4, 0], [2, 1], [1, 0]] and read["features"].dtype == np.float16
    assert read["sharpness"].tolist() == [4, 2, 1]
    with pytest.raises(KeyError):
        cache.read([("dddd", "clean")], ["features"])


def test_an_extraction_goes_on_where_it_was(tmp_path: Path) -> None:
    """What a killed process left half written is no row; a shard cut short is made again."""
    cache = FeatureCache(tmp_path, KEY)
    add(cache, ["a"])
    add(cache, ["bb"])
    (tmp_path / "shard-half.123.part").write_bytes(b"PK\x03\x04half")
    (tmp_path / "shard-cut.npz").write_bytes(next(tmp_path.glob("shard-*.npz")).read_bytes()[:200])
    again = FeatureCache(tmp_path, KEY)
    assert len(again) == 2 and ("a", "clean") in again and ("a", "perturbed") not in again
    assert not (tmp_path / "shard-cut.npz").exists()


def test_what_another_process_wrote_is_taken_up(tmp_path: Path) -> None:
    cache, other = FeatureCache(tmp_path, KEY), FeatureCache(tmp_path, KEY)
    add(other, ["a"])
    assert ("a", "clean") not in cache
    cache.refresh()
    assert ("a", "clean") in cache


def test_features_of_other_weights_are_refused(tmp_path: Path) -> None:
    FeatureCache(tmp_path, KEY)
    with pytest.raises(FeatureCacheError, match=r"other weights.*different: blocks, weights") as refused:
        FeatureCache(tmp_path, {**KEY, "weights": "xyz", "blocks": [1]})
    assert refused.value.code == "other_features"


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_damaged_key_is_no_match(tmp_path: Path, content: str) -> None:
    FeatureCache(tmp_path, KEY)
    (tmp_path / "features.json").write_text(content)
    with pytest.raises(FeatureCacheError):
        FeatureCache(tmp_path, KEY)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(FeatureCacheError, match="no folder of features"):
        FeatureCache(tmp_path, KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
