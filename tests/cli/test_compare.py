"""The command `compare`, in process; one test starts it as a person would."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from deepfake.cli import main
from deepfake.evaluation.scores import write_scores
from deepfake.util.files import ROOT
from tests.support.records.cards import drawn_card

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    capsys.readouterr()
    status = main(["compare", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def scores(seed: int, gain: float) -> pd.DataFrame:
    labels = np.repeat([1, 0], 150)
    p = expit(np.random.default_rng(seed).normal(gain * (2 * labels - 1), 1))
    ids = [f"Test/{row}.jpg" for row in range(300)]
    return pd.DataFrame({"image_id": ids, "split": "Test", "source": "made", "label": labels, "p_fake": p})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The score files of a good and of a weaker detector, stored as the shipped ones are."""
    paths = []
    for seed, (name, gain) in enumerate((("good", 1.5), ("weak", 0.7))):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "scores-test.csv")
        write_scores(scores(seed, gain), paths[-1])
    return paths[0], paths[1]


def test_json_has_every_number(files: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    out_file = tmp_path / "out.json"
    status, out, err = call(capsys, *files, "--names", "A", "B", "--threshold", 0.5, 0.6, "--json", out_file)
    assert (status, err) == (0, "")
    numbers = json.loads(out_file.read_text())
    assert numbers["names"] == ["A", "B"]
    assert numbers["thresholds"] == {"A": 0.5, "B": 0.6}
    assert numbers["n"] == 300
    auc = [roc_auc_score(table["label"], table["p_fake"]) for table in (scores(0, 1.5), scores(1, 0.7))]
    difference = numbers["pairs"][0]["differences"]["roc_auc"]
    assert difference["value"] == pytest.approx(auc[0] - auc[1])
    low, high = difference["interval"]
    assert low < difference["value"] < high
    assert f"ROC AUC            {difference['value']:+.4f}  [{low:+.4f}, {high:+.4f}]" in out
    assert "A minus B" in out
    assert "chi-square with continuity correction" in out
    assert "1000 resamples" in out
    status, shown, _ = call(capsys, *files, "--names", "A", "B", "--threshold", 0.5, 0.6, "--json", "-")
    assert status == 0
    assert json.loads(shown) == numbers


def test_results_are_shown_before_they_are_written(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    status, out, err = call(capsys, *files, "--json", tmp_path / "out.json")
    assert (status, "No space left" in err) == (1, True)
    assert "McNemar's test" in out


def test_names_come_from_what_tells_the_files_apart(files: tuple[Path, Path], capsys: Capture) -> None:
    _, out, _ = call(capsys, *files)
    assert "good minus weak" in out
    other = files[0].with_name("other.csv")
    write_scores(scores(2, 1), other)
    _, out, _ = call(capsys, files[0], other)
    assert "scores-test minus other" in out
    _, out, _ = call(capsys, files[0], files[1], other)
    assert f"{files[0]} minus {files[1]}" in out


def test_each_detector_has_its_own_threshold(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    _, out, _ = call(capsys, *files)
    assert out.count("fake at p_fake >= 0.500 (no card beside the file)") == 2
    for name, balanced in (("good", 0.3), ("weak", 0.7)):
        (tmp_path / name / "card.json").write_text(json.dumps(drawn_card(balanced)))
        (tmp_path / name / "model.keras").write_bytes(b"")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    status, out, _ = call(capsys, *files, "--ensemble")
    assert status == 0
    assert "fake at p_fake >= 0.300 (forced choice, of the card of good)" in out
    assert "fake at p_fake >= 0.700 (forced choice, of the card of weak)" in out
    assert "fake at p_fake >= 0.500 (mean of the thresholds' logits)" in out
    _, shown, _ = call(capsys, *files, "--ensemble", "--json", "-")
    numbers = json.loads(shown)
    assert numbers["names"] == ["good", "weak", "ensemble"]
    assert numbers["thresholds"]["good"] == 0.3
    assert numbers["threshold_origins"]["weak"] == "forced choice, of the card of weak"
    mean = (logit(scores(0, 1.5)["p_fake"]) + logit(scores(1, 0.7)["p_fake"])) / 2
    auc = roc_auc_score(scores(0, 1.5)["label"], mean)
    assert numbers["metrics"]["ensemble"]["roc_auc"] == pytest.approx(auc)
    _, out, _ = call(capsys, *files, "--threshold", 0.6)
    assert out.count("fake at p_fake >= 0.600 (given)") == 2
    (tmp_path / "good" / "card.json").write_text("{")
    status, _, err = call(capsys, *files)
    assert (status, "card of the detector 'good' cannot be read" in err) == (1, True)


def test_left_out_images_are_said(files: tuple[Path, Path], capsys: Capture) -> None:
    write_scores(scores(1, 0.7).iloc[20:], files[1])
    status, out, _ = call(capsys, *files)
    assert status == 0
    assert out.startswith("280 common images (130 fake, 150 real)")
    assert "Left out 20 of 300 images of good" in out


def test_one_class_is_said(files: tuple[Path, Path], capsys: Capture) -> None:
    for path, seed in zip(files, (0, 1), strict=True):
        write_scores(scores(seed, 1).iloc[:150], path)
    status, out, _ = call(capsys, *files)
    assert status == 0
    assert "ROC AUC            undefined" in out
    assert "All 150 common images are Fake" in out


def test_one_file_is_wrong_usage(files: tuple[Path, Path], capsys: Capture) -> None:
    for more in ([], ["--ensemble"]):
        status, out, err = call(capsys, files[0], *more)
        assert (status, out, "two or more score files" in err) == (2, "", True)


def test_what_is_refused(files: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    for words, complaint in (
        ([files[0], files[0]], "do not tell the files apart"),
        ([files[0], tmp_path / "none.csv"], "There is no score file"),
        ([*files, "--names", "A"], "one name for each of 2 files"),
        ([*files, "--names", "A", "A"], "do not tell the files apart"),
        ([*files, "--threshold", 0.5, 0.5, 0.5], "one for each of 2 files"),
        ([*files, "--threshold", 1.5], "must lie in 0 to 1"),
        ([*files, "--threshold", "nan"], "must lie in 0 to 1"),
        ([*files, "--json", tmp_path / "none" / "x.json"], "There is no folder"),
        ([*files, "--json", tmp_path], "cannot be written"),
        ([*files, "--names", "A", "ensemble", "--ensemble"], "called ensemble too"),
    ):
        status, out, err = call(capsys, *words)
        assert (status, out) == (1, "")
        assert complaint in err
    with pytest.raises(SystemExit) as caught:
        call(capsys, *files, "--threshold", "high")
    assert caught.value.code == 2


def test_a_bad_table_is_named(files: tuple[Path, Path], capsys: Capture) -> None:
    text = files[1].read_text().splitlines()
    files[1].write_text("\n".join([*text[:5], text[5].rsplit(",", 1)[0] + ",nan", *text[6:]]))
    status, _, err = call(capsys, *files)
    assert status == 1
    assert str(files[1]) in err
    assert "not finite" in err
    files[1].write_text("image_id,p_fake\na,0.5\n")
    status, _, err = call(capsys, *files)
    assert (status, "lacks split, source, label" in err) == (1, True)
    write_scores(scores(1, 1).assign(label=1 - scores(1, 1)["label"]), files[1])
    status, _, err = call(capsys, *files)
    assert (status, "300 of 300 common images have another label" in err) == (1, True)


def test_a_name_cannot_steer_the_terminal(files: tuple[Path, Path], capsys: Capture) -> None:
    status, out, _ = call(capsys, *files, "--names", "a\x1b[31m\nb", "c")
    assert status == 0
    assert "\x1b" not in out
    assert "a?[31m?b minus c" in out


def test_no_network_library_is_loaded(files: tuple[Path, Path]) -> None:
    code = (
        "import sys\nfrom deepfake.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "loaded = sorted({'tensorflow', 'keras', 'streamlit'} & set(sys.modules))\n"
        "print(status, loaded)"
    )
    words = [sys.executable, "-c", code, "compare", *map(str, files)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0 []"


def test_help_describes_it(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compare", "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: python -m deepfake compare" in shown
    assert "--threshold" in shown
