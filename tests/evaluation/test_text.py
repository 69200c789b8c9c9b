"""Sentences about evaluations."""

from __future__ import annotations

from dataclasses import replace

from deepfake.detection.card import load_card
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.titles import readable_part, readable_title, readable_titles


def test_a_title_says_what_the_images_are() -> None:
    evaluations, _ = recorded_evaluations(load_card("faces"))
    one = next(each for each in evaluations if each.title == "sdfd, Cross")
    assert readable_title(one) == "Faces by Stable Diffusion 2.1 (250 fakes)"
    assert readable_title(replace(one, perturbed=True, here=True), count=False) == (
        "Faces by Stable Diffusion 2.1, perturbed copies, run here"
    )
    assert readable_title(replace(one, data="mine", source="")) == "mine, Cross"
    assert readable_title(replace(one, data="Mine")) == "Mine, Cross, sdfd (faces by Stable Diffusion 2.1)"
    held_out = replace(one, data="held out", split="Validation", source="celeba", n=9, n_fake=4, n_real=5)
    assert readable_title(held_out) == "Face swaps in portraits of celebrities, Validation (9 images)"


def test_no_two_evaluations_of_a_detector_have_one_title() -> None:
    for name in ("faces", "faces-clip", "openforensics"):
        evaluations, _ = recorded_evaluations(load_card(name))
        shown = readable_titles(evaluations)
        assert len(set(shown.values())) == len(shown) == len(evaluations) > 10
        assert "Cross" not in str(list(shown.values()))
    one = evaluations[0]
    twice = (
        replace(one, data="ciplab", source="ciplab", split="Test"),
        replace(one, data="photoshop", source="photoshop", split="Test"),
    )
    assert set(readable_titles(twice).values()) == {f"{readable_title(each)}: {each.title}" for each in twice}


def test_parts_are_named_in_words() -> None:
    evaluations, _ = recorded_evaluations(load_card("faces"))
    one = next(each for each in evaluations if each.title == "sdfd, Cross")
    assert readable_part("sdfd, Cross", one) == "Faces by Stable Diffusion 2.1"
    assert readable_part("sdfd, Cross: source celeba", one) == (
        "Faces by Stable Diffusion 2.1: source face swaps in portraits of celebrities"
    )
    assert readable_part("sdfd, Cross: generator not named", one).endswith(": generator not named")
