"""Even parts of data sets, engines, and the stack that is fitted on them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake.data.gather import SourceFolder, gather
from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.data.sample import draw_evenly
from deepfake.images.pixels import InputSpec
from deepfake.networks.clip_vit import Shape
from deepfake.training.frozen import features
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import NoEngine, by_openvino, extract
from deepfake.training.frozen.fit import HeadSettings
from deepfake.training.frozen.stack import StackError
from deepfake.training.frozen.stack_fitting import Judged, fit, judge
from tests.support.images import encoded, noise_image

SHAPE = Shape(given=32, size=32, patch=8, width=4, heads=2, blocks=1, pooled=(0,), deviation=False)
SETTINGS = HeadSettings(blocks=(0,), deviation=False, penalty=0.01, views=("clean", "perturbed"))
SPEC = InputSpec(8)


def data_set(root: Path, parts: dict[tuple[str, str, str, str], int]) -> DatasetIndex:
    """Noise of (source, generator, split, label), so many images each."""
    rows = []
    for (source, generator, split, label), count in parts.items():
        for number in range(count):
            path = f"{source}-{generator}-{split}-{label}-{number}.png"
            (root / path).write_bytes(encoded(noise_image(len(rows), 40, 40)))
            rows.append(
                {"path": path, "source": source, "generator": generator, "split": split, "label": label}
            )
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return index_dataset(root)


def sizes(data: DatasetIndex) -> dict[tuple[str, str], int]:
    counts = data.table.groupby(["generator", "split"]).size()
    return {(str(key[0]), str(key[1])): int(count) for key, count in counts.items()}  # pyright: ignore


def test_a_generator_with_many_images_does_not_crowd_out_the_others(tmp_path: Path) -> None:
    data = data_set(
        tmp_path,
        {("a", "gan", "Train", "Fake"): 9, ("a", "camera", "Train", "Real"): 2,
         ("b", "camera", "Train", "Real"): 9, ("a", "gan", "Validation", "Fake"): 5},
    )  # fmt: skip
    part = draw_evenly(data, 4)
    assert sizes(part) == {("gan", "Train"): 4, ("camera", "Train"): 6, ("gan", "Validation"): 4}
    assert list(part.table["path"]) == sorted(part.table["path"])


def test_a_larger_draw_holds_the_smaller_and_another_seed_is_another_draw(tmp_path: Path) -> None:
    data = data_set(tmp_path, {("a", "gan", "Train", "Fake"): 30, ("a", "camera", "Train", "Real"): 30})
    small, large, other = (
        set(draw_evenly(data, each, seed).table["path"]) for each, seed in ((5, 0), (9, 0), (5, 1))
    )
    assert small < large and len(small) == 10 and len(large) == 18 and other != small
    fewer = DatasetIndex(data.root, data.table[data.table["path"].isin(small)].reset_index(drop=True))
    assert set(draw_evenly(fewer, 5).table["path"]) == small, "other images do not matter"


def test_an_image_that_stands_there_twice_is_drawn_once(tmp_path: Path) -> None:
    data = data_set(tmp_path, {("a", "gan", "Train", "Fake"): 2})
    (tmp_path / "a-gan-Train-Fake-1.png").write_bytes((tmp_path / "a-gan-Train-Fake-0.png").read_bytes())
    assert len(draw_evenly(data, 5)) == 1


def test_gather_takes_so_many_files_of_each_folder(tmp_path: Path) -> None:
    folders = [
        SourceFolder("many", "m", "gan", "Fake"),
        SourceFolder("few", "f", "camera", "Real", skip=("x",)),
    ]
    for name, count in (("many", 12), ("few", 3)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "in" / name / f"{number}.png").write_bytes(encoded(noise_image(number, 40, 40)))
    (tmp_path / "in" / "few" / "x.png").write_bytes(encoded(noise_image(77, 40, 40)))

    def taken(out: str, each: int | None) -> pd.DataFrame:
        return gather(folders, tmp_path / "in", tmp_path / out, each=each, say=lambda _: None)

    four, all_of_them = taken("four", 4), taken("all", None)
    assert four.groupby("generator").size().to_dict() == {"camera": 3, "gan": 4}
    assert len(all_of_them) == 15 and set(four["path"]) < set(all_of_them["path"])
    assert set(taken("two", 2)["path"]) < set(four["path"])


def test_openvino_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(features.importlib, "import_module", missing)
    with pytest.raises(NoEngine, match="pip install openvino"):
        by_openvino(None, SPEC)


def test_an_engine_runs_the_network(tmp_path: Path) -> None:
    data = data_set(tmp_path, {("a", "gan", "Train", "Fake"): 3})
    cache = FeatureCache(tmp_path / "features", {})
    batches = []

    def engine(network: Any, spec: InputSpec) -> Any:
        assert network == "network" and spec is SPEC

        def run(batch: np.ndarray) -> np.ndarray:
            batches.append(batch.shape)
            return batch.reshape(len(batch), -1)[:, :2].astype(np.float32)

        return run

    assert extract(data, cache, ["clean"], "network", SPEC, engine=engine) == 3
    assert batches == [(3, 8, 8, 3)] and cache.read([(data.hashes()[0], "clean")], ["features"])[
        "features"
    ].shape == (1, 2)


PARTS = {
    ("open", "swap", "Train", "Fake"): 20, ("open", "camera", "Train", "Real"): 20,
    ("open", "swap", "Validation", "Fake"): 12, ("open", "camera", "Validation", "Real"): 12,
    ("new", "gan", "Train", "Fake"): 15, ("new", "phone", "Train", "Real"): 15,
    ("new", "gan2", "Validation", "Fake"): 15, ("new", "phone", "Validation", "Real"): 10,
    ("video", "frames", "Train", "Fake"): 15, ("video", "originals", "Validation", "Real"): 15,
}  # fmt: skip


@pytest.fixture
def known(tmp_path: Path) -> tuple[DatasetIndex, FeatureCache, FeatureCache, Any]:
    """A data set, features in which fakes lie apart, a place for logits, a detector that knows ``open``."""
    (tmp_path / "data").mkdir()
    data = data_set(tmp_path / "data", PARTS)
    cache, rng = FeatureCache(tmp_path / "features", {}), np.random.default_rng(0)
    for view in ("clean", "perturbed"):
        table = rng.standard_normal((len(data), SHAPE.width)) + data.table["label"].to_numpy()[:, None]
        cache.add(
            data.hashes(), [view] * len(data),
            {"features": table.astype(np.float16), "sharpness": np.ones(len(data), np.float32)},
        )  # fmt: skip
    card = SimpleNamespace(
        name="main", contents={"data": {"generators": ["swap", "camera"]}}, temperature=2.0, bias=0.5,
        input=SPEC,
    )  # fmt: skip
    detector = SimpleNamespace(card=card, scorer=lambda batch: batch.mean((1, 2, 3)) - 127)
    return data, cache, FeatureCache(tmp_path / "logits", {}), detector


def judged(known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any], **options: Any) -> Judged:
    return judge(*known, SETTINGS, shape=SHAPE, say=lambda _: None, **options)


def test_members_are_asked_about_fakes_that_neither_was_shown(
    known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any],
) -> None:
    both = judged(known)
    rows = both.rows
    counts = pd.Series(rows.kind[rows.unseen & rows.fake]).value_counts().to_dict()
    assert counts == {"gan": 30, "gan2": 30, "frames": 30}, "of both splits, two views each"
    assert set(rows.kind[~rows.unseen]) == {"open"} and (~rows.unseen).sum() == 48, "validation only"
    photographs = rows.unseen & ~rows.fake
    assert photographs.sum() == 2 * (15 + 10 + 15)
    assert (photographs & (rows.kind == "frames")).sum() == 30, "a video's originals stand beside its fakes"
    assert np.isfinite(rows.main).all() and np.isfinite(rows.second).all()


def test_the_detector_speaks_in_calibrated_logits_and_is_asked_once(
    known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any],
) -> None:
    data, _, logits, detector = known
    first = judged(known).rows.main
    detector.scorer = lambda batch: 1 / 0
    assert (judged(known).rows.main == first).all()
    assert len(logits) == len(first)
    kept = logits.read([(sha, "clean") for sha in data.hashes()[:1]], ["features"])["features"]
    assert np.isclose(first, float(kept[0, 0]) / 2.0 + 0.5).any()


def test_a_head_does_not_see_what_it_is_asked_about(
    known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepfake.training.frozen import stack_fitting

    shown = []

    def noted(values: np.ndarray, fake: np.ndarray, *rest: Any, **settings: Any) -> Any:
        shown.append((len(fake), int(fake.sum())))
        return SimpleNamespace(
            logits=lambda table: table[:, 0].astype(np.float32), gates=lambda table: np.ones(len(table))
        )

    monkeypatch.setattr(stack_fitting, "fit_gated", noted)
    judged(known, together=["gan", "gan2"])
    everything = 2 * (20 + 20 + 15 + 15 + 15), 2 * (20 + 15 + 15)
    assert shown[-1] == everything
    assert shown[0] == (everything[0] - 2 * (15 + 15), everything[1] - 2 * 15), "without gan, gan2, phone"
    assert shown[1] == (everything[0] - 2 * 15, everything[1] - 2 * 15), "without frames"
    assert len(shown) == 3


def test_what_the_detector_saw_under_another_name_is_not_unseen(
    known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any],
) -> None:
    assert "gan" not in judged(known, seen=["gan"]).rows.kind
    with pytest.raises(StackError) as refused:
        judged(known, seen=["gan", "gan2", "frames"])
    assert refused.value.code == "nothing_unseen" and "main" in refused.value.message


def test_a_fitted_stack_tells_each_kind_twice(
    known: tuple[DatasetIndex, FeatureCache, FeatureCache, Any],
) -> None:
    stack, honest = fit(judged(known), keep="open")
    assert stack.share > 0, "the features tell, the detector does not"
    assert [row["kind"] for row in honest] == ["frames", "gan", "gan2"]
    assert [row["kind"] for row in stack.fitted["by_kind"]] == ["frames", "gan", "gan2", "all"]
    assert stack.fitted["by_kind"][-1]["decided"] >= 0.5
    assert [row["kind"] for row in stack.fitted["known_kinds"]] == ["open", "all"]
