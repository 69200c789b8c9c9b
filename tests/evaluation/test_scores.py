"""Score tables to disk and back, refusals, Wilson intervals, and the images that scored alike."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, binomtest

from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import (
    SCORE_COLUMNS,
    read_scores,
    verdict_context,
    wilson_interval,
    write_scores,
)


def table(n: int = 6, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return pd.DataFrame(
        {
            "image_id": [f"Test/{i}.jpg" for i in range(n)],
            "split": "test",
            "source": "simulated",
            "label": (rng.random(n) < p).astype(int),
            "p_fake": p,
        }
    )


def refused(call, *args) -> EvaluationError:
    with pytest.raises(EvaluationError) as refusal:
        call(*args)
    return refusal.value


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (50, 200), (9999, 10000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_interval_equals_scipy(k, n, confidence):
    expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_covers_and_stays_inside():
    for share in (0.02, 0.3, 0.97):
        intervals = [wilson_interval(k, 60) for k in range(61)]
        assert all(0 <= low <= k / 60 <= high <= 1 for k, (low, high) in enumerate(intervals))
        weights = binom.pmf(np.arange(61), 60, share)
        covered = sum(w for w, (low, high) in zip(weights, intervals, strict=True) if low <= share <= high)
        assert covered > 0.88


@pytest.mark.parametrize("args", [(1, 0), (-1, 5), (6, 5), (1, 5, 1.0), (1, 5, 0.0)])
def test_wilson_interval_refuses(args):
    assert refused(wilson_interval, *args).code == "bad_setting"


def test_a_table_survives_the_disk_exactly(tmp_path):
    written = table(50)
    written.loc[0, "image_id"] = "NA"
    written.loc[1, "image_id"] = "007"
    written.loc[2, "image_id"] = 'face, "left" \u00e9.jpg'
    written["generator"] = "StyleGAN2"
    path = tmp_path / "scores.csv"
    write_scores(written.loc[:, ["generator", *SCORE_COLUMNS]], path)
    read = read_scores(path)
    assert list(read.columns) == [*SCORE_COLUMNS, "generator"]
    assert read["image_id"].tolist() == written["image_id"].tolist()
    assert read["label"].tolist() == written["label"].tolist()
    assert (read["p_fake"].to_numpy() == written["p_fake"].to_numpy()).all()
    assert set(pd.read_csv(path)["label"]) == {"Fake", "Real"}
    assert [file.name for file in tmp_path.iterdir()] == ["scores.csv"]


def test_label_words_are_accepted_in_memory(tmp_path):
    words = table().assign(label=["Fake", "Real"] * 3)
    write_scores(words, tmp_path / "s.csv")
    assert read_scores(tmp_path / "s.csv")["label"].tolist() == [1, 0] * 3
    assert verdict_context(words, 0.5).n == 1


@pytest.mark.parametrize(
    ("cell", "value", "code", "named"),
    [
        (("image_id", 3), "Test/1.jpg", "duplicate_ids", "Test/1.jpg"),
        (("image_id", 3), " ", "bad_ids", "image_id"),
        (("image_id", 3), None, "bad_ids", "image_id"),
        (("label", 2), "fake", "bad_labels", "fake"),
        (("label", 2), 2, "bad_labels", "2"),
        (("p_fake", 4), float("nan"), "bad_scores", "row 4"),
        (("p_fake", 4), 1.5, "bad_scores", "1.5"),
        (("p_fake", 4), "high", "bad_scores", "high"),
    ],
)
def test_unsound_tables_are_neither_written_nor_read(tmp_path, cell, value, code, named):
    unsound = table().astype(object)
    column, row = cell
    unsound.loc[row, column] = value
    error = refused(write_scores, unsound, tmp_path / "s.csv")
    assert error.code == code
    assert named in error.message
    assert not list(tmp_path.iterdir())
    words = unsound.assign(label=unsound["label"].replace({1: "Fake", 0: "Real"}))
    words.to_csv(tmp_path / "by_hand.csv", index=False)
    assert refused(read_scores, tmp_path / "by_hand.csv").code == code


def test_missing_columns_rows_and_files_are_named(tmp_path):
    error = refused(write_scores, table().drop(columns=["label", "source"]), tmp_path / "s.csv")
    assert error.code == "missing_columns"
    assert "lacks source, label" in error.message
    assert refused(write_scores, table().iloc[:0], tmp_path / "s.csv").code == "empty"
    assert refused(read_scores, tmp_path / "absent.csv").code == "not_found"
    (tmp_path / "nothing.csv").write_text("")
    assert refused(read_scores, tmp_path / "nothing.csv").code == "unreadable"
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    assert refused(read_scores, tmp_path / "picture.csv").code == "unreadable"
    (tmp_path / "no_score.csv").write_text("image_id,split,source,label,p_fake\na,t,s,Fake,\n")
    assert refused(read_scores, tmp_path / "no_score.csv").code == "bad_scores"


def test_context_counts_the_nearest_scores():
    scores = table(5000)
    context = verdict_context(scores, 0.7, window=300)
    nearest = scores.assign(d=(scores["p_fake"] - 0.7).abs()).nsmallest(300, "d")
    assert (context.n, context.n_fake) == (300, nearest["label"].sum())
    assert context.share_fake == context.n_fake / 300
    assert context.interval == wilson_interval(context.n_fake, 300)
    assert (context.low, context.high) == (nearest["p_fake"].min(), nearest["p_fake"].max())
    low, high = context.interval
    assert low < 0.7 < high  # the table is calibrated by construction


def test_context_takes_ties_whole_and_ignores_row_order():
    scores = table(1000).assign(p_fake=lambda t: t["p_fake"].round(1))
    context = verdict_context(scores, 0.9, window=20)
    alike = scores[scores["p_fake"] == 0.9]
    assert (context.n, context.n_fake) == (len(alike), alike["label"].sum())
    assert verdict_context(scores.sample(frac=1, random_state=1), 0.9, window=20) == context


def test_context_of_a_small_table_is_at_most_a_fifth_of_it():
    assert verdict_context(table(50), 0.5).n == 10
    assert verdict_context(table(1), 0.5).n == 1


@pytest.mark.parametrize(("p", "window", "code"), [(1.2, 10, "bad_scores"), (0.5, 0, "bad_setting")])
def test_context_refuses(p, window, code):
    assert refused(verdict_context, table(), p, window).code == code
