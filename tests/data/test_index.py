"""The data index: layouts, spellings, manifests, duplicates, refusals."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from deepfake.data.index import DatasetError, DatasetIndex, index_dataset, splits_in_order
from deepfake.types import CLASS_NAMES
from tests.support.images import encoded, noise_image

SMALL = encoded(noise_image(height=40, width=40))


def grow(root: Path, files: Iterable[str], content: bytes = SMALL) -> Path:
    """Writes the same small picture under every name."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def rows(index: DatasetIndex) -> list[tuple[str, str, int, str]]:
    """path, split, label, source of each row."""
    return list(index.table[["path", "split", "label", "source"]].itertuples(index=False, name=None))


def refusal(root: Path | str) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        index_dataset(root)
    return caught.value


def write_manifest(root: Path, text: str, encoding: str = "utf-8") -> Path:
    root.mkdir(exist_ok=True)
    (root / "manifest.csv").write_text(text, encoding=encoding)
    return root


def test_fake_is_1_and_stands_first_in_folder_order() -> None:
    assert CLASS_NAMES == ("Fake", "Real")
    assert list(CLASS_NAMES) == sorted(CLASS_NAMES)


def test_splits_and_classes(tmp_path: Path) -> None:
    root = grow(
        tmp_path / "set",
        ["Train/Fake/a.jpg", "Train/Real/b.jpg", "Validation/Real/c.png", "Test/Fake/d.webp"],
    )
    index = index_dataset(root)
    assert rows(index) == [
        ("Test/Fake/d.webp", "Test", 1, "set"),
        ("Train/Fake/a.jpg", "Train", 1, "set"),
        ("Train/Real/b.jpg", "Train", 0, "set"),
        ("Validation/Real/c.png", "Validation", 0, "set"),
    ]
    assert list(index.table.columns) == ["path", "split", "label", "source", "generator"]
    assert set(index.table["generator"]) == {""}
    assert len(index) == 4
    assert all(Path(path).is_file() for path in index.paths())
    assert index_dataset(str(root)).table.equals(index.table), "a string is as good as a path"


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "Train"),
        ("TRAINING", "Train"),
        ("val", "Validation"),
        ("valid", "Validation"),
        ("Dev", "Validation"),
        ("validation", "Validation"),
        ("test", "Test"),
        ("Testing", "Test"),
    ],
)
@pytest.mark.parametrize("name", ["fake", "FAKE"])
def test_spellings(tmp_path: Path, folder: str, split: str, name: str) -> None:
    index = index_dataset(grow(tmp_path / "set", [f"{folder}/{name}/a.JPG", f"{folder}/real/b.jpeg"]))
    assert [(row[1], row[2]) for row in rows(index)] == [(split, 1), (split, 0)]


def test_classes_alone_are_split_all(tmp_path: Path) -> None:
    index = index_dataset(grow(tmp_path / "set", ["Fake/a.jpg", "Real/b.jpg"]))
    assert rows(index) == [("Fake/a.jpg", "All", 1, "set"), ("Real/b.jpg", "All", 0, "set")]


def test_one_class_alone_is_indexed(tmp_path: Path) -> None:
    assert rows(index_dataset(grow(tmp_path / "set", ["Fake/a.jpg"]))) == [("Fake/a.jpg", "All", 1, "set")]


@pytest.mark.parametrize(
    ("file", "split", "label"),
    [
        ("Train/Fake/real/x.jpg", "Train", 1),
        ("Train/Real/fake/deeper/x.jpg", "Train", 0),
        ("Train/Fake/test/x.jpg", "Train", 1),
        ("Fake/test/x.jpg", "All", 1),
        ("Real/train/x.jpg", "All", 0),
        ("Test/train/Fake/x.jpg", "Test", 1),
        ("all/Train/Fake/x.jpg", "Train", 1),
        ("Validation/camera/Real/test/fake/x.jpg", "Validation", 0),
    ],
)
def test_the_outermost_class_and_split_decide(tmp_path: Path, file: str, split: str, label: int) -> None:
    root = grow(tmp_path / "set", [file, "Train/Fake/a.jpg", "Train/Real/b.jpg"])
    index = index_dataset(root)
    found = {row[0]: row[1:3] for row in rows(index)}
    assert found[file] == (split, label)
    assert found["Train/Fake/a.jpg"] == ("Train", 1)
    told = [note for note in index.notes if "outermost" in note]
    assert bool(told) == (not file.startswith("all"))
    if told:
        assert "1 image below another class or split" in told[0]
        assert file.rpartition("/")[0] in told[0]


def test_a_class_within_itself_is_no_news(tmp_path: Path) -> None:
    index = index_dataset(grow(tmp_path / "set", ["Train/Fake/fake/a.jpg", "train/train/real/b.jpg"]))
    assert [row[1:3] for row in rows(index)] == [("Train", 1), ("Train", 0)]
    assert index.notes == ()


def test_folders_that_name_no_class_are_named_with_their_count(tmp_path: Path) -> None:
    files = [f"Train/generated/{number}.jpg" for number in range(3)]
    files += ["Train/Reals/a.jpg", "cover.jpg", "Train/Fake/a.jpg", "Train/Real/b.jpg"]
    index = index_dataset(grow(tmp_path / "set", files))
    assert len(index) == 2
    (note,) = index.notes
    assert note.startswith("5 images in no folder called Fake or Real, left out: ")
    assert "Train/generated (3), Train/Reals (1), the folder itself (1)" in note
    nothing = refusal(grow(tmp_path / "other", [f"{place}/a.jpg" for place in "abcdefghij"])).message
    assert "10 image files" in nothing
    assert "a (1), b (1)" in nothing
    assert "and 2 more" in nothing


def test_folder_between_is_the_source(tmp_path: Path) -> None:
    root = grow(
        tmp_path / "set", ["stylegan/Test/Fake/a.jpg", "Test/camera/Real/b.jpg", "Train/Real/deeper/c.jpg"]
    )
    assert rows(index_dataset(root)) == [
        ("Test/camera/Real/b.jpg", "Test", 0, "camera"),
        ("Train/Real/deeper/c.jpg", "Train", 0, "set"),
        ("stylegan/Test/Fake/a.jpg", "Test", 1, "stylegan"),
    ]


def test_names_with_spaces_and_other_scripts(tmp_path: Path) -> None:
    names = [
        "Train/Fake/a picture, (1).jpg",
        "Train/Real/Müller 東京 \U0001f600.png",
        "Train/Real/it's #1 %20.jpg",
    ]
    index = index_dataset(grow(tmp_path / "my set", names))
    assert sorted(index.table["path"]) == sorted(names)
    assert len(set(index.hashes())) == 1


def test_other_files_hidden_files_and_unlabelled_images_are_left_out(tmp_path: Path) -> None:
    root = grow(
        tmp_path / "set",
        ["Fake/a.jpg", "Fake/notes.txt", "Fake/.hidden.jpg", ".cache/Fake/x.jpg", "fakes/y.jpg", "cover.jpg"],
    )
    assert [row[0] for row in rows(index_dataset(root))] == ["Fake/a.jpg"]


def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    missing = refusal(tmp_path / "nothing")
    assert missing.code == "not_found"
    assert "nothing" in missing.message
    file = tmp_path / "a.jpg"
    file.write_bytes(SMALL)
    assert refusal(file).code == "not_a_folder"
    unlabelled = refusal(grow(tmp_path / "set", ["cats/a.jpg", "dogs/b.jpg"]))
    assert unlabelled.code == "no_images"
    assert "2 image files" in unlabelled.message
    assert ".jpg" in unlabelled.message
    assert "Train/Fake" in unlabelled.message
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").code == "no_images"


def test_select_by_spelling_and_source(tmp_path: Path) -> None:
    index = index_dataset(
        grow(tmp_path / "set", ["one/Train/Fake/a.jpg", "two/Val/Real/b.jpg", "two/Train/Real/c.jpg"])
    )
    for spelling in ("Validation", "val", "DEV"):
        assert [row[0] for row in rows(index.select(split=spelling))] == ["two/Val/Real/b.jpg"]
    part = index.select(split="train", source="two")
    assert [row[0] for row in rows(part)] == ["two/Train/Real/c.jpg"]
    assert list(part.table.index) == [0]
    assert len(index.select()) == 3
    with pytest.raises(DatasetError) as caught:
        index.select(split="Test")
    assert caught.value.code == "no_such_split"
    assert "Found: Train, Validation" in caught.value.message
    with pytest.raises(DatasetError) as caught:
        index.select(source="three")
    assert caught.value.code == "no_such_source"
    assert "one, two" in caught.value.message


def test_duplicates_leave_the_training_side(tmp_path: Path) -> None:
    root = tmp_path / "set"
    contents = {key: encoded(noise_image(number, 40, 40)) for number, key in enumerate("abcd")}
    grow(root, ["Train/Fake/a.png", "Validation/Fake/a.png", "Test/Fake/a.png"], contents["a"])
    grow(root, ["Train/Real/b.png", "Validation/Real/b.png"], contents["b"])
    grow(root, ["Train/Real/c1.png", "Train/Real/c2.png"], contents["c"])
    grow(root, ["extra/Real/c3.png"], contents["c"])  # no split: trusted least
    grow(root, ["Validation/Fake/d.png"], contents["d"])
    index = index_dataset(root)
    kept = index.without_duplicates()
    assert [row[0] for row in rows(kept)] == [
        "Test/Fake/a.png",
        "Train/Real/c1.png",
        "Validation/Fake/d.png",
        "Validation/Real/b.png",
    ]
    assert list(kept.table.columns) == list(index.table.columns)
    assert len(index) == 9, "the index itself is not changed"
    assert kept.without_duplicates().table.equals(kept.table)


def test_manifest_wins_over_folders(tmp_path: Path) -> None:
    root = grow(tmp_path / "set", ["Train/Fake/a.jpg", "pictures/b.jpg"])
    write_manifest(
        root,
        "label,path,split,source,generator,sha256\n"
        "REAL,pictures/b.jpg,valid,camera,,00\n"
        'fake,"odd, name.jpg",Cross,NA,007,00\n',
    )
    index = index_dataset(root)
    assert rows(index) == [("odd, name.jpg", "Cross", 1, "NA"), ("pictures/b.jpg", "Validation", 0, "camera")]
    assert list(index.table["generator"]) == ["007", ""]
    assert len(index.select(split="Cross", source="NA")) == 1


def test_manifest_without_source_takes_the_folder_name(tmp_path: Path) -> None:
    root = write_manifest(tmp_path / "set", "path,split,label\na.jpg,train,Fake\n")
    assert rows(index_dataset(root)) == [("a.jpg", "Train", 1, "set")]
    assert list(index_dataset(root).table["generator"]) == [""]


def test_manifest_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    root = write_manifest(tmp_path / "set", "path,split,label\r\na.jpg,train,Fake\r\n", "utf-8-sig")
    assert rows(index_dataset(root)) == [("a.jpg", "Train", 1, "set")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,label\na.jpg,Fake\n", "split"),
        ("path,split,label\na.jpg,Train,cat\n", "'cat'"),
        ("path,split,label\na.jpg,Train,\n", "''"),
        ("path,split,label\na.jpg,Train,1\n", "'1'"),
        ("path,split,label\n../secret.jpg,Train,Fake\n", "../secret.jpg"),
        ("path,split,label\nTrain/../../secret.jpg,Train,Fake\n", "leads out"),
        ("path,split,label\n/etc/passwd,Train,Fake\n", "/etc/passwd"),
        ("", "cannot be read"),
        ('path,split,label\n"a.jpg,Train,Fake\n', "cannot be read"),
        ("path,split,label\na.jpg,Train,Fake,x,y\n", "more cells"),
        ("path,split,label\na.jpg,Train,Fake\n\nb.jpg,Train,cat\n", "row 4 ('cat')"),
        ("path,split,label\n,Train,Fake\n", "empty in row 2"),
        ("path,split,label\n./,Train,Fake\n", "empty in row 2"),
        ("path,split,label\nb.jpg,Train,Real\na\0.jpg,Train,Fake\n", "null character in row 3"),
        ("path,split,label\n..\\secret.jpg,Train,Fake\n", "leads out"),
        ("path,split,label\nC:\\secret.jpg,Train,Fake\n", "leads out"),
        ("path,split,label\n\\\\host\\secret.jpg,Train,Fake\n", "leads out"),
        (
            "path,split,label\na.jpg,Train,Fake\nb.jpg,Train,Fake\na.jpg,Train,Fake\n",
            "row 2 ('a.jpg'), row 4 ('a.jpg')",
        ),
        ("path,split,label\na/b.jpg,Train,Fake\na//b.jpg,Test,Real\n", "row 2 ('a/b.jpg'), row 3"),
        ("path,split,label\na/b.jpg,Train,Fake\na\\b.jpg,Test,Real\n", "row 2 ('a/b.jpg'), row 3"),
    ],
)
def test_bad_manifests(tmp_path: Path, text: str, told: str) -> None:
    error = refusal(write_manifest(tmp_path / "set", text))
    assert error.code == "bad_manifest"
    assert told in error.message
    assert "manifest.csv" in error.message


def test_manifest_that_is_not_text(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (root / "manifest.csv").write_bytes(SMALL)
    assert refusal(root).code == "bad_manifest"


def test_manifest_of_no_rows_is_no_data_set(tmp_path: Path) -> None:
    assert refusal(write_manifest(tmp_path / "set", "path,split,label\n")).code == "no_images"


def test_manifest_written_on_windows(tmp_path: Path) -> None:
    root = grow(tmp_path / "set", ["Train/Fake/a.jpg", "Train/Real/b.jpg"])
    write_manifest(
        root, "path,split,label\r\nTrain\\Fake\\a.jpg,Train,Fake\r\n.\\Train/Real\\b.jpg,Train,Real\r\n"
    )
    index = index_dataset(root)
    assert [row[0] for row in rows(index)] == ["Train/Fake/a.jpg", "Train/Real/b.jpg"]
    assert index.notes == ()
    index.check_files()


@pytest.mark.skipif(os.sep != "/", reason="a backslash is a letter of file names on POSIX only")
def test_a_backslash_in_a_name_stays(tmp_path: Path) -> None:
    root = grow(tmp_path / "set", ["odd\\name.jpg"])
    write_manifest(root, "path,split,label\nodd\\name.jpg,Train,Fake\n")
    index = index_dataset(root)
    assert [row[0] for row in rows(index)] == ["odd\\name.jpg"]
    index.check_files()


def test_manifest_that_names_missing_files(tmp_path: Path) -> None:
    root = grow(tmp_path / "set", ["here.jpg", "folder/x.jpg"])
    write_manifest(
        root,
        "path,split,label\nhere.jpg,train,Fake\ngone.jpg,train,Fake\n\nfolder,test,Real\nlost.jpg,test,Real\n",
    )
    index = index_dataset(root)
    assert "3 images" in index.notes[0]
    assert "row 3 ('gone.jpg'), row 5 ('folder'), row 6 ('lost.jpg')" in index.notes[0]
    for refused, told in (
        (index.without_duplicates, "gone.jpg"),
        (index.check_files, "gone.jpg"),
        (index.select(split="Test").check_files, "row 5 ('folder'), row 6 ('lost.jpg')"),
    ):
        with pytest.raises(DatasetError) as caught:
            refused()
        assert caught.value.code == "missing_file"
        assert told in caught.value.message
    assert "gone.jpg" not in caught.value.message, "rows that are not used do not matter"


def test_many_wrong_rows_are_counted(tmp_path: Path) -> None:
    text = "path,split,label\n" + "".join(f"{number}.jpg,Train,Fake\n" for number in range(20))
    (note,) = index_dataset(write_manifest(tmp_path / "set", text)).notes[:1]
    assert "20 images" in note
    assert "row 9 ('7.jpg') and 12 more" in note


def test_a_file_that_went_since_the_folder_was_read(tmp_path: Path) -> None:
    index = index_dataset(grow(tmp_path / "set", ["Fake/a.jpg", "Real/b.jpg"]))
    (tmp_path / "set/Fake/a.jpg").unlink()
    with pytest.raises(DatasetError) as caught:
        index.check_files()
    assert caught.value.code == "missing_file"
    assert "a.jpg" in caught.value.message
    assert "manifest" not in caught.value.message


def test_real_manifest(real_data: Path) -> None:
    index = index_dataset(real_data)
    assert len(index) == 13163
    folder = index.table["path"].str.split("/").str[-2]
    assert (folder.map({"Fake": 1, "Real": 0}) == index.table["label"]).all()
    assert set(index.table["split"]) == {"Train", "Validation", "Test", "Cross"}
    counts = index.table.groupby(["source", "split"]).size()
    assert counts["openforensics", "Train"] == 6000
    assert counts["openforensics", "Validation"] == 2500
    assert index.select(split="val", source="faces140k").table["label"].sum() == 100


def test_real_folders(real_data: Path) -> None:
    forensics = index_dataset(real_data / "openforensics")
    assert forensics.table.groupby(["split", "label"]).size().to_dict() == {
        ("Test", 0): 493,
        ("Test", 1): 500,
        ("Train", 0): 3000,
        ("Train", 1): 3000,
        ("Validation", 0): 1250,
        ("Validation", 1): 1250,
    }
    cross = index_dataset(real_data / "cross")
    assert set(cross.table["split"]) == {"All"}
    assert {"celeba", "dfdc", "hardfaces", "sdfd"} <= set(cross.table["source"])
    assert cross.select(source="sdfd").table["label"].tolist() == [1] * 250


def test_splits_in_order() -> None:
    assert splits_in_order(["Test", "Cross", "All", "Train", "Test"]) == ["Train", "Test", "All", "Cross"]
