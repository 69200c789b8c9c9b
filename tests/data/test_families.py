"""Families of a collection: one split, both sides, nothing that is kept for measuring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from deepfake.data.families import FamilyError, Member, read_metadata, read_names, whole_families
from deepfake.data.gather import GatheringError, SourceFolder, gather, read_plan
from tests.support.images import encoded, noise_image

HEADER = "videoname,original_width,original_height,label,original\n"


def quiet(_: str) -> None:
    pass


def row(name: str, original: str = "", side: int = 200) -> str:
    return (
        f"{name}.mp4,{side},{side + 20},{'FAKE' if original else 'REAL'},{original and original + '.mp4'}\n"
    )


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """Thirty originals o0 to o29 with two fakes each, aN and bN."""
    root = tmp_path / "collections"
    (root / "crops").mkdir(parents=True)
    table = HEADER
    for number in range(30):
        for index, name in enumerate((f"o{number}", f"a{number}", f"b{number}")):
            (root / "crops" / f"{name}.png").write_bytes(encoded(noise_image(100 * index + number, 64, 64)))
            table += row(name, f"o{number}" if index else "")
    (root / "metadata.csv").write_text(table)
    return root


def folders(**settings: Any) -> list[SourceFolder]:
    known: dict[str, Any] = {"metadata": "metadata.csv", "validation": 0.4} | settings
    return [
        SourceFolder("crops", "swaps", name, label, **known)
        for name, label in (("swap", "Fake"), ("camera", "Real"))
    ]


def numbers(paths: Iterable[object]) -> set[str]:
    return {"".join(sign for sign in Path(str(path)).stem if sign.isdigit()) for path in paths}


def test_a_family_stays_in_one_split_and_is_told_in_the_manifest(collections: Path, tmp_path: Path) -> None:
    table = gather(folders(), collections, tmp_path / "out", say=quiet)
    assert table.groupby("label").size().to_dict() == {"Fake": 60, "Real": 30}
    assert set(table["split"]) == {"Train", "Validation"}
    assert table.groupby("group")["split"].nunique().eq(1).all()
    assert set(table["group"]) == {f"o{number}" for number in range(30)}
    assert table.groupby("group")["label"].nunique().eq(2).all()


def test_a_few_of_each_folder_are_both_sides_of_the_same_families(collections: Path, tmp_path: Path) -> None:
    few = gather(folders(per_family=1), collections, tmp_path / "few", each=5, say=quiet)
    assert few.groupby("label")["group"].agg(set).map(len).tolist() == [5, 5]
    assert few.groupby("group")["label"].nunique().eq(2).all()
    source = str(few["source"].iloc[0])
    whole = gather(folders(per_family=1), collections, tmp_path / "all", each=5, whole=[source], say=quiet)
    assert len(whole) > len(few)


def test_a_part_of_the_families_is_the_same_part_of_both_classes(collections: Path, tmp_path: Path) -> None:
    table = gather(folders(part=(0.0, 0.5), per_family=1), collections, tmp_path / "out", say=quiet)
    fakes, reals = (numbers(table.loc[table["label"] == label, "path"]) for label in ("Fake", "Real"))
    assert 5 < len(fakes) < 25
    assert fakes == reals
    assert table.groupby(["group", "label"]).size().eq(1).all()


def test_what_is_kept_for_measuring_goes_with_its_family(collections: Path, tmp_path: Path) -> None:
    (collections / "left_out.txt").write_text("o3\na5.mp4\n\n")
    table = gather(folders(left_out="left_out.txt"), collections, tmp_path / "out", say=quiet)
    names = {Path(str(path)).stem.split("-")[1] for path in table["path"]}
    everything = {f"{letter}{number}" for letter in "oab" for number in range(30)}
    assert everything - names == {"o3", "a3", "b3", "a5"}, "all of o3; of o5 the one fake that is named"


def test_small_crops_and_those_left_alone_go(collections: Path, tmp_path: Path) -> None:
    text = (collections / "metadata.csv").read_text()
    text = (
        text.replace("o1.mp4,200", "o1.mp4,149")
        .replace("a2.mp4,200", "a2.mp4,149")
        .replace("b4.mp4,200", "b4.mp4,150")
    )
    (collections / "metadata.csv").write_text(text)
    lines: list[str] = []
    table = gather(folders(min_side=150), collections, tmp_path / "out", say=lines.append)
    names = {Path(str(path)).stem.split("-")[1] for path in table["path"]}
    everything = {f"{letter}{number}" for letter in "oab" for number in range(30)}
    assert everything - names == {"o1", "a1", "b1", "a2"}
    assert "1 of 30 families were left out" in lines[0]


def test_the_list_and_the_least_side_hold_without_a_table(collections: Path, tmp_path: Path) -> None:
    (collections / "left_out.txt").write_text("a1\n")
    plain = SourceFolder("crops", "s", "g", "Fake", left_out="left_out.txt")
    assert len(gather([plain], collections, tmp_path / "out", say=quiet)) == 89
    wide = SourceFolder("crops", "s", "g", "Fake", min_side=65)
    (collections / "crops" / "large.png").write_bytes(encoded(noise_image(7, 70, 80)))
    assert len(gather([wide], collections, tmp_path / "large", say=quiet)) == 1


def test_a_family_of_one_side_is_no_family() -> None:
    members = [
        Member("o1", "Real", "o1"),
        Member("a1", "Fake", "o1"),
        Member("o2", "Real", "o2"),
        Member("a3", "Fake", "o3"),
    ]
    taken = whole_families(members, ["o1", "a1", "o2", "a3"], say=quiet)
    assert [member.name for member in taken] == ["a1", "o1"]
    for there in (["o1", "o2"], ["a1", "a3"], []):
        with pytest.raises(FamilyError) as refused:
            whole_families(members, there, say=quiet)
        assert refused.value.code == "one_sided"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("videoname,label\na,FAKE\n", "lacks the column original"),
        (HEADER + "a.mp4,200,200,FAKE,\n", "Line 2"),
        (HEADER + row("o1") + "a.mp4,200,200,SWAP,o1.mp4\n", "Line 3"),
        (HEADER + "a.mp4,200,?,FAKE,o1.mp4\n", "whole pixels"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(FamilyError, match=told) as refused:
        read_metadata(tmp_path / "metadata.csv", sizes=True)
    assert refused.value.code == "bad_metadata"


def test_what_is_missing_is_refused_before_anything_is_written(collections: Path, tmp_path: Path) -> None:
    (collections / "empty.txt").write_text("\n")
    for settings, code in (
        ({"metadata": "gone.csv"}, "no_metadata"),
        ({"left_out": "gone.txt"}, "no_list"),
        ({"left_out": "empty.txt"}, "no_list"),
        ({"min_side": 999}, "one_sided"),
    ):
        with pytest.raises(FamilyError) as refused:
            gather(folders(**settings), collections, tmp_path / "out", say=quiet)
        assert refused.value.code == code
        assert not (tmp_path / "out").exists()
    with pytest.raises(FamilyError):
        read_names(tmp_path)
    plan = tmp_path / "plan.toml"
    plan.write_text("[[folder]]\npath = 'a'\nsource = 's'\ngenerator = 'g'\nlabel = 'Fake'\nper_family = 1\n")
    with pytest.raises(GatheringError, match="per_family") as bad:
        read_plan(plan)
    assert bad.value.code == "bad_plan"
