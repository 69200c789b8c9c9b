"""The tables of kinds that Evaluation shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepfake.detection.card import load_card
from deepfake.detection.text import KIND_WORDS
from deepfake.errors import EvaluationError
from deepfake.evaluation.figures.cells import kinds_figure
from deepfake.evaluation.kinds import CALLED, NamedRightly, named_rightly, read_kinds
from deepfake.evaluation.text.kinds import families_sentence, kinds_sentence, real_images_sentence
from deepfake.training.frozen.kinds import CANNOT_TELL
from tests.support.records.kinds import drawn_kinds


def test_the_card_says_how_often_a_kind_is_right(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    card = load_card("tiny")
    assert read_kinds(card) is None
    kinds = read_kinds(replace(card, contents={**card.contents, "kinds": drawn_kinds()}))
    assert kinds is not None
    assert list(kinds.tables) == ["clean", "mixed", "left_out"]
    matrix = kinds.tables["clean"]
    assert CALLED[-1] == CANNOT_TELL
    assert matrix.loc["swap", "swap"] == 8
    # Four kinds of fakes, 15 views each: 3 not named, 8 right.
    assert named_rightly(matrix) == NamedRightly(60, 48, 32)
    said = "A kind is named for 80% of 60 fakes by generators that it was trained on; "
    assert kinds_sentence(named_rightly(matrix), "clean") == f"{said}67% of these names are correct."
    almost = kinds_sentence(NamedRightly(1030, 698, 697), "clean")
    assert "over 99% of these names are correct" in almost, "one of them is wrong"
    real = matrix.loc["photo"].to_dict()
    named = sum(real.values()) - real["photo"] - real[CANNOT_TELL]
    assert real_images_sentence(matrix).startswith(f"Of {sum(real.values())} real images, {named} (")
    assert real_images_sentence(matrix.drop(index="photo")) == ""
    assert "No kind is named" in kinds_sentence(NamedRightly(3, 0, 0), "left_out")
    said = families_sentence(kinds.families)
    assert "Edit or composite: no fake, a photo 53%" in said
    figure: Any = kinds_figure(matrix, {**KIND_WORDS, CANNOT_TELL: "cannot tell"})
    assert figure.data[0].z[2][2] == pytest.approx(8 / 15)
    assert figure.data[0].text[2][2] == "8<br>53%"


@pytest.mark.parametrize("bad", [3, {}, {**drawn_kinds(), "left_out": {"swap": {}}}])
def test_kinds_that_cannot_be_read_are_said(
    bad: object, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    card = load_card("tiny")
    with pytest.raises(EvaluationError) as caught:
        read_kinds(replace(card, contents={**card.contents, "kinds": bad}))
    assert caught.value.code == "bad_kinds"
