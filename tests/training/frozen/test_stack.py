"""Two detectors' logits as one, and when it decides."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.training.frozen.stack import (
    NEAR,
    Rows,
    Stack,
    StackError,
    best_accuracy,
    coverage_curve,
    fit_band,
    fit_scale,
    fit_stack,
    risk_table,
)


def drawn(
    main_apart: float, second_apart: float, kinds: tuple[str, ...] = ("gan", "swap"), *,
    unseen: bool = True, each: int = 400, seed: int = 0,
) -> Rows:  # fmt: skip
    """Logits about +-apart / 2, with a deviation of 1; of each kind and class ``each``."""
    rng, count = np.random.default_rng(seed), 2 * each * len(kinds)
    fake = np.tile(np.repeat([True, False], each), len(kinds))
    side = np.where(fake, 0.5, -0.5)
    return Rows(
        side * main_apart + rng.standard_normal(count), side * second_apart + rng.standard_normal(count),
        fake, np.repeat(np.array(kinds), 2 * each), np.full(count, unseen),
    )  # fmt: skip


def joined(*parts: Rows) -> Rows:
    names = ("main", "second", "fake", "kind", "unseen")
    return Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def test_the_sum_is_what_it_says() -> None:
    stack = Stack(share=0.5, scale=2.0, bias=-1.0)
    assert stack.logits([1.0, -3.0], [2.0, 2.0]).tolist() == [3.0, -5.0]
    assert math.isnan(stack.logits([float("nan")], [1.0])[0])
    assert Stack(share=0.0).logits([0.3, -0.2], [9.0, 9.0]).tolist() == [0.3, -0.2]


def test_where_the_second_has_no_say_the_first_stands_as_it_was() -> None:
    rows, kept = drawn(1.0, 3.0), drawn(4.0, 1.0, ("own",), unseen=False, seed=1)
    silent = replace(kept, second=np.zeros(len(kept)), gate=np.zeros(len(kept)))
    stack = fit_stack(rows, silent)
    assert stack.share > 0.5 and stack.alone == pytest.approx(1 / stack.scale)
    assert np.allclose(stack.logits(silent.main, silent.second, silent.gate), silent.main + stack.bias)
    half = stack.logits([2.0], [1.0], [0.5])
    assert half[0] == pytest.approx(
        stack.scale * (2.0 * (0.5 + 0.5 * stack.alone) + stack.share) + stack.bias
    )
    assert (
        np.allclose(silent.where(silent.fake).gate, 0) and len(rows.where(rows.fake).gate) == rows.fake.sum()
    )


def test_nothing_is_decided_near_zero() -> None:
    stack = Stack(share=0.1, margin=1.0)
    main, second = [3.0, 0.5, -2.0, -2.0, float("nan")], [1.0, 1.0, 0.3, 0.6, 1.0]
    assert stack.decided(main, second).tolist() == [True, False, True, True, False]
    higher = Stack(share=0.1, margin=1.0, fake_from=3.2)
    assert higher.decided(main, second).tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(
    "wrong",
    [{"share": -0.1}, {"share": float("nan")}, {"share": 1, "scale": 0}, {"share": 1, "margin": -1},
     {"share": 1, "fake_from": -1}, {"share": 1, "few_from": -1},
     {"share": 1, "bias": float("nan")}],
)  # fmt: skip
def test_numbers_that_make_no_stack_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(StackError) as refused:
        Stack(**wrong)
    assert refused.value.code == "bad_stack"


def test_members_that_judge_different_images_are_refused() -> None:
    with pytest.raises(StackError) as refused:
        Stack(share=1).logits([1.0, 2.0], [1.0])
    assert refused.value.code == "unlike_members" and "(2,)" in refused.value.message


def test_a_stack_is_the_same_after_its_file(tmp_path: Path) -> None:
    for stack in (Stack(0.2, 1.5, -0.1, 0.7, 0.9, 1.3, 1.6, {"kinds": ["gan"]}), Stack(0.2)):
        file = tmp_path / "stack.json"
        file.write_text(json.dumps(stack.to_dict(), allow_nan=False), encoding="utf-8")
        assert Stack.read(file) == stack


@pytest.mark.parametrize("text", ["", "[1]", '{"share": 1, "sharpe": 2}', '{"share": "much"}', "{}"])
def test_a_file_that_holds_no_stack_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "stack.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StackError) as refused:
        Stack.read(file)
    assert refused.value.code == "bad_stack"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError):
        Stack.read(tmp_path / "none.json")


def test_kinds_and_classes_count_alike_however_many_images_they_have() -> None:
    rows = joined(drawn(1, 1, ("gan",), each=10), drawn(1, 1, ("swap",), each=90))
    weights = rows.weights()
    assert weights.sum() == pytest.approx(1)
    for kind in ("gan", "swap"):
        for fake in (True, False):
            assert weights[(rows.kind == kind) & (rows.fake == fake)].sum() == pytest.approx(0.25)


def test_scale_and_bias_make_logits_calibrated() -> None:
    rng = np.random.default_rng(3)
    true = rng.normal(0, 2, 40_000)
    fake = rng.random(true.size) < 1 / (1 + np.exp(-true))
    scale, bias, loss = fit_scale((true - 1.0) / 3.0, fake, np.full(true.size, 1 / true.size))
    assert scale == pytest.approx(3.0, rel=0.05) and bias == pytest.approx(1.0, abs=0.05)
    assert loss == pytest.approx(np.logaddexp(0, np.where(fake, -true, true)).mean(), abs=1e-3)


def test_scale_stays_finite_where_the_classes_lie_apart() -> None:
    scale, bias, loss = fit_scale([-2.0, -1.0, 1.0, 2.0], [False, False, True, True], np.full(4, 0.25))
    assert np.isfinite([scale, bias]).all() and scale > 0 and 0 <= loss < 0.01


def test_scale_of_logits_that_are_the_wrong_way_round_stays_above_zero() -> None:
    scale, _, loss = fit_scale([2.0, 1.0, -1.0, -2.0], [False, False, True, True], np.full(4, 0.25))
    assert scale > 0 and loss == pytest.approx(math.log(2), abs=0.01)


def test_best_accuracy_keeps_equal_logits_together() -> None:
    assert best_accuracy([0.0, 0.0, 0.0, 0.0], [True, False, True, False]) == 0.5
    assert best_accuracy([-1.0, 3.0, 4.0], [False, True, True]) == 1.0
    assert best_accuracy([1.0, 2.0, 3.0, 4.0], [False, True, False, True]) == 0.75


def test_a_member_that_knows_more_gets_a_share_as_far_as_the_main_one_keeps_its_kind() -> None:
    rows = drawn(0.5, 3.0)
    harmless = drawn(4.0, 4.0, ("own",), unseen=False, seed=1)
    harmful = drawn(4.0, -4.0, ("own",), unseen=False, seed=1)
    free, bound = fit_stack(rows, harmless), fit_stack(rows, harmful)
    parts = [stack.share / stack.fitted["ratio"] for stack in (free, bound)]
    tried = free.fitted["tried"]
    near = min(row["log_loss"] for row in tried) + NEAR
    first = next(row["share"] for row in tried if row["log_loss"] <= near)
    assert parts[0] == pytest.approx(first) and first > 1 and 0 <= parts[1] <= 0.5
    lost = best_accuracy(harmful.main, harmful.fake) - best_accuracy(
        bound.logits(harmful.main, harmful.second), harmful.fake
    )
    assert lost <= 0.01 + 1e-9
    refused = [row for row in bound.fitted["tried"] if not row["fits"]]
    assert refused and min(row["share"] for row in refused) > parts[1]


def test_a_member_that_knows_nothing_gets_no_share() -> None:
    stack = fit_stack(drawn(2.0, 0.0, seed=5), drawn(4.0, 0.0, ("own",), unseen=False, seed=6))
    assert stack.share <= 0.1


def test_kinds_that_a_member_was_shown_are_no_part_of_the_fit() -> None:
    rows, kept = drawn(1.0, 2.0), drawn(4.0, 1.0, ("own",), unseen=False, seed=1)
    strange = drawn(9.0, -9.0, ("known",), unseen=False, seed=2)
    shares = (0.4,)
    alone, beside = (
        fit_band(fit_stack(part, kept, shares=shares), part) for part in (rows, joined(rows, strange))
    )
    assert alone == beside and alone.share > 0


def test_one_class_is_refused() -> None:
    rows = drawn(1.0, 1.0)
    for one in (rows.where(rows.fake), rows.where(~rows.fake)):
        with pytest.raises(StackError) as refused:
            fit_stack(one, rows)
        assert refused.value.code == "one_class"


def test_the_band_decides_as_much_as_is_right_nine_times_of_ten() -> None:
    rows = drawn(2.0, 1.5, seed=8)
    stack = fit_band(fit_stack(rows, drawn(4.0, 1.0, ("own",), unseen=False)), rows)
    table = risk_table(stack, rows)[-1]
    assert table["kind"] == "all" and table["decided"] >= 0.5 and table["wrong"] <= 0.10
    wider = stack.__class__(**{**stack.to_dict(), "margin": 0.0, "fake_from": 0.0})
    assert risk_table(wider, rows)[-1]["wrong"] > 0.10  # the rule was needed
    assert table["wrong"] > 0.08  # and no wider than needed


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2])
def test_no_more_photos_are_called_fake_than_allowed(share: float) -> None:
    rows = joined(drawn(1.0, 1.5, ("gan",), seed=8), drawn(1.0, 1.5, ("swap",), each=40, seed=9))
    fitted = fit_stack(rows, drawn(4.0, 1.0, ("own",), unseen=False))
    stack = fit_band(fitted, rows, false_alarms=share)
    logits, photos = stack.logits(rows.main, rows.second), ~rows.fake
    weights = rows.weights()[photos] / rows.weights()[photos].sum()
    called = logits[photos] >= max(stack.margin, stack.fake_from)
    assert weights @ called <= share + 1e-12
    few = weights @ (logits[photos] >= stack.few_from)
    assert few <= 0.01 < weights @ (logits[photos] >= stack.few_from - 0.3)
    if stack.fake_from > stack.margin:
        lower = logits[photos] >= stack.fake_from - 0.2
        assert weights @ lower > share  # and no fewer fakes than needed are let go
        assert (stack.decided(rows.main, rows.second) & (np.abs(logits) < stack.fake_from)).sum() > 0


def test_where_no_rule_is_good_enough_half_is_decided_all_the_same() -> None:
    rows = drawn(0.2, 0.2, seed=9)
    stack = fit_band(fit_stack(rows, drawn(4.0, 1.0, ("own",), unseen=False)), rows)
    table = risk_table(stack, rows)[-1]
    assert table["decided"] >= 0.5 and table["wrong"] > 0.10


def test_the_table_tells_kinds_and_classes_apart() -> None:
    rows = Rows(
        np.array([3.0, 0.1, -3.0, 2.0]), np.zeros(4), np.array([True, True, False, False]),
        np.array(["gan"] * 3 + ["swap"]), np.ones(4, bool),
    )  # fmt: skip
    gan, swap, every = risk_table(Stack(share=0, margin=1.0), rows)
    assert (gan["kind"], gan["fakes"], gan["real"]) == ("gan", 2, 1)
    assert gan["decided"] == 0.75 and gan["wrong"] == 0 and gan["fakes_decided"] == 0.5
    assert (swap["wrong"], swap["real_wrong"], swap["fakes_wrong"]) == (1.0, 1.0, None)
    assert gan["roc_auc"] == 1 and swap["roc_auc"] is None and every["main_roc_auc"] == pytest.approx(0.75)
    assert every["kind"] == "all" and every["wrong_if_all_decided"] == pytest.approx(1 / 3)


def test_a_kind_of_which_nothing_is_decided_has_no_share_of_wrong() -> None:
    rows = drawn(1, 1, ("gan",), each=5)
    (gan, _) = risk_table(Stack(share=0, margin=99.0), rows)
    assert gan["decided"] == 0 and gan["wrong"] is None


def test_the_surest_are_wrong_least_often() -> None:
    curve = coverage_curve(Stack(share=1.0), drawn(1.5, 1.5, seed=12))
    assert [round(point["decided"], 2) for point in curve] == [0.3, 0.5, 0.7, 0.9, 1.0]
    wrong = [point["wrong"] for point in curve]
    assert wrong == sorted(wrong) and wrong[0] < wrong[-1] / 3
