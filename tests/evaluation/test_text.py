"""Sentences about evaluations."""

from __future__ import annotations

from dataclasses import replace

from deepfake.detection.card import load_card
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.text import readable_title


def test_a_title_says_what_the_images_are() -> None:
    evaluations, _ = recorded_evaluations(load_card("faces"))
    one = next(each for each in evaluations if each.title == "sdfd, Cross")
    assert readable_title(one) == "Faces by Stable Diffusion 2.1 (sdfd, Cross)"
    assert readable_title(replace(one, data="mine", source="")) == "mine, Cross"
