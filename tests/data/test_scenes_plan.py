"""The plan of photographs with several people: real, as they are, none in both splits."""

from __future__ import annotations

from collections import Counter

from deepfake.data.collections import read_collections
from deepfake.data.gather import read_plan
from deepfake.util.files import ROOT

PLAN = ROOT / "models" / "scenes.toml"


def test_every_photograph_stands_in_one_split_and_its_origin_is_named() -> None:
    folders = read_plan(PLAN)
    files = Counter(name for folder in folders for name in folder.files)
    assert max(files.values()) == 1
    assert len(files) >= 150
    assert {folder.split for folder in folders} == {"Train", "Validation"}
    assert all(folder.label == "Real" and folder.as_it_is and folder.files for folder in folders)
    origins = {one.name: one for one in read_collections(PLAN)}
    for name in files:
        place = name.split("/", maxsplit=1)[0]
        origin = origins[f"scenes/{place}"]
        assert origin.repository == place.replace("+", "/", 1)
        assert origin.takes(name.removeprefix(f"{place}/"))
        assert origin.licence
