"""What scores may decide: rules with numbers, from a card, and measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm

from deepfake.detection.card import ModelError, load_card
from deepfake.detection.rules import (
    MIN_FACE_SIDE,
    OverlayRule,
    RealScores,
    Rules,
    SizeRow,
    WholeRule,
    read_rules,
)
from deepfake.training.rules import HELD, MIN_SCENES, SIZES, Scene, size_rows, whole_rule
from deepfake.types import Thresholds

THRESHOLDS = Thresholds(0.5, 0.9, 0.4, 0.6)


def drawn(n: int = 4000, seed: int = 0) -> np.ndarray:
    """Scores of real faces: most are low, some high."""
    return np.random.default_rng(seed).beta(0.3, 3, n)


def test_a_card_without_rules_has_the_defaults_and_one_with_them_reads_back() -> None:
    assert read_rules({}) == Rules()
    assert Rules().fake_from(40) == 0
    full = Rules(
        smallest_face=48,
        by_face_size=(SizeRow(48, 10, 10, 0.5, None, 0.5, 0.1, 0.9, 0.7),),
        real_scores=RealScores.of(drawn(500).tolist()),
        whole=WholeRule(2, 0.3, 0.9, 300, 2, 80, 60),
        overlay=OverlayRule(100, 3, 9),
        command="python -m deepfake rules DATA",
    )
    assert read_rules(json.loads(json.dumps(full.to_dict()))) == full


@pytest.mark.parametrize(
    "rules",
    [
        {"smallest_face": "many"},
        {"by_face_size": [{"face": 3}]},
        {"real_scores": {"p_fake": [0.1, 0.1], "share": [0.5, 0.4], "n": 2}},
        {"real_scores": {"p_fake": [0.1], "share": [0.0], "n": 2}},
        {"whole": {"most_faces": 1}},
        [],
    ],
)
def test_unsound_rules_are_a_bad_card(
    rules: object, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = json.loads((tiny_models / "tiny" / "card.json").read_text())
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.keras").write_bytes(b"")
    (tmp_path / "tiny" / "card.json").write_text(json.dumps({**card, "rules": rules}))
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        load_card("tiny")
    assert caught.value.code == "bad_card"


def test_the_table_of_real_scores_is_the_share_at_or_above() -> None:
    scores = drawn()
    table = RealScores.of(scores.tolist())
    assert table.n == len(scores)
    assert len(table.p_fake) <= 80
    for p in (0.05, 0.3, 0.6):
        seen = (scores >= p).mean()
        assert seen < table.at_least(p) < seen + 2 * (seen / len(scores)) ** 0.5 + 0.001
        assert table.score_of(table.at_least(p)) == pytest.approx(p, abs=1e-6)
    assert table.at_least(1.0) == table.at_least(float(scores.max())) < 0.001


def test_one_face_is_its_own_score() -> None:
    table = RealScores.of(drawn().tolist())
    for p in (0.0, 0.2, 0.77, 1.0):
        assert table.of_several([p]) == p


@pytest.mark.parametrize("n", [2, 5, 20, 49])
@pytest.mark.parametrize("alike", [False, True])
def test_many_real_faces_are_called_fake_no_more_often_than_one(n: int, alike: bool) -> None:
    """Whether the scores of a picture have nothing to do with each other, or are all about the same."""
    table, fake_from = RealScores.of(drawn().tolist()), 0.6
    rng = np.random.default_rng(n)
    if alike:
        together = 0.95**0.5 * rng.normal(size=(600, 1)) + 0.05**0.5 * rng.normal(size=(600, n))
        pictures = beta.ppf(norm.cdf(together), 0.3, 3)
    else:
        pictures = rng.beta(0.3, 3, (600, n))
    one = (drawn(seed=9) >= fake_from).mean()
    highest = (pictures.max(axis=1) >= fake_from).mean()
    rule = np.mean([table.of_several(list(faces)) >= fake_from for faces in pictures])
    assert rule <= one + 3 * (one / 600) ** 0.5
    if not alike and n >= 20:
        assert highest > 5 * one, "without the rule"


def test_all_faces_fake_are_fake() -> None:
    table = RealScores.of(drawn().tolist())
    assert table.of_several([0.7] * 20) == pytest.approx(0.7, abs=1e-6)
    assert table.of_several([0.7] + [0.01] * 19) < 0.4
    assert table.of_several([0.7] * 10 + [0.01] * 10) > table.of_several([0.7] + [0.01] * 19)


def scores_by_size(false_alarms: dict[int, float]) -> pd.DataFrame:
    """Two sources of 100 fakes and 100 real faces; of one, a share of the real ones scores high."""
    rows = []
    for source, hard in (("easy", False), ("hard", True)):
        for size in (0, *SIZES):
            share = false_alarms.get(size, 0.0) if hard else 0.0
            high = round(100 * share)
            rows += [(source, 0, size, 0.99 if n < high else 0.1) for n in range(100)]
            rows += [(source, 1, size, 0.9) for _ in range(100)]
    return pd.DataFrame(rows, columns=["source", "label", "size", "p_fake"])


def test_the_smallest_face_is_where_fakes_can_still_be_told() -> None:
    smallest, rows = size_rows(scores_by_size({24: 0.3, 32: 0.2, 40: 0.0, 48: 0.2}), THRESHOLDS)
    assert smallest == 56, "what goes wrong at 48 px is not forgiven at 40"
    assert [row.face for row in rows] == list(SIZES)
    by_size = {row.face: row for row in rows}
    assert by_size[48].false_positive_rate == pytest.approx(0.1)
    assert by_size[48].fake_from == pytest.approx(0.99)
    assert by_size[24].fake_from >= by_size[48].fake_from, "never lower for a smaller face"
    assert by_size[64].fake_from < 0.6
    assert by_size[64].found == by_size[64].accuracy == 1
    easy = size_rows(scores_by_size(dict.fromkeys(SIZES, HELD / 2)), THRESHOLDS)
    assert easy[0] == SIZES[0]
    none = pd.DataFrame(columns=["source", "label", "size", "p_fake"])
    assert size_rows(none, THRESHOLDS) == (MIN_FACE_SIDE, ())


def scenes(n: int, whole: float, *, faces: int = 1, share: float = 0.5) -> list[Scene]:
    return [Scene((0.1,), (100,) * faces, share, whole) for _ in range(n)]


def test_the_whole_image_counts_where_photographs_of_scenes_do_not_score_so() -> None:
    made = scenes(50, 0.97)
    photographs = [*scenes(200, 0.3), *scenes(100, 0.99, faces=6), *scenes(60, 0.99, share=0.1)]
    rule = whole_rule(photographs, made, THRESHOLDS)
    assert rule is not None
    assert (rule.scenes, rule.called_fake, rule.generated, rule.found) == (360, 0, 50, 50)
    assert not rule.covers(6, 0.5)
    assert rule.covers(1, 0.5)
    assert rule.fake_from >= THRESHOLDS.fake_from()
    assert whole_rule([*photographs, *scenes(20, 0.98)], made, THRESHOLDS) is None, "they look the same to it"
    assert whole_rule(scenes(MIN_SCENES - 1, 0.3), made, THRESHOLDS) is None, "too few to tell"
    assert whole_rule(photographs, [], THRESHOLDS) is None
