"""The plan of photographs with several people: real, as they are, none in both splits."""

from __future__ import annotations

from collections import Counter

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
    text = PLAN.read_text(encoding="utf-8")
    for name in files:
        assert f"# github.com/{name.split('/', maxsplit=1)[0].replace('+', '/', 1)} at " in text
