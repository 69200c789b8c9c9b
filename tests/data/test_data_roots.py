"""Which folders may be opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deepfake.settings import DataRootError, allowed_roots, own_sets_folder, resolve_in_roots


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    one, two = tmp_path / "one", tmp_path / "two two"
    for folder in (one, two, tmp_path / "secret"):
        (folder / "set").mkdir(parents=True)
    monkeypatch.setenv("DEEPFAKE_DATA", os.pathsep.join([str(one), str(two), str(tmp_path / "none"), ""]))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    return one, two


def test_several_roots_in_their_order(roots):
    assert allowed_roots() == list(roots)


def test_own_sets_are_a_root_once_there_is_one(roots):
    (own_sets_folder() / "demo").mkdir()
    assert allowed_roots() == [*roots, own_sets_folder()]
    assert resolve_in_roots("demo") == own_sets_folder() / "demo"


def test_paths_inside(roots):
    one, two = roots
    assert resolve_in_roots(str(two / "set")) == two / "set"
    assert resolve_in_roots(" set ") == one / "set"
    assert resolve_in_roots(str(one)) == one
    assert resolve_in_roots(str(one / "set" / "..")) == one


@pytest.mark.parametrize("name", ["../secret", "/etc", "../secret/set", "~", "../missing", "../one2"])
def test_paths_outside_are_refused_whether_there_or_not(roots, name):
    with pytest.raises(DataRootError, match="lies outside") as caught:
        resolve_in_roots(name)
    assert caught.value.code == "outside_roots"


def test_a_link_that_leads_out_is_refused(roots, tmp_path):
    (roots[0] / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(DataRootError) as caught:
        resolve_in_roots("link/set")
    assert caught.value.code == "outside_roots"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "no_folder_named"), ("  ", "no_folder_named"), ("sets", "not_found"), ("a\0b", "outside_roots")],
)
def test_other_refusals(roots, text, code):
    with pytest.raises(DataRootError) as caught:
        resolve_in_roots(text)
    assert caught.value.code == code


def test_circle_of_links(roots):
    (roots[0] / "loop").symlink_to(roots[0] / "loop")
    with pytest.raises(DataRootError):
        resolve_in_roots("loop")


def test_no_roots_at_all(roots, monkeypatch):
    monkeypatch.delenv("DEEPFAKE_DATA")
    assert allowed_roots() == []
    with pytest.raises(DataRootError, match="DEEPFAKE_DATA"):
        resolve_in_roots("/etc")
