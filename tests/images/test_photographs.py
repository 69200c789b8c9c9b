"""Drawings are told from photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from deepfake.data.demo import DRAWN_SIDE, draw_face
from deepfake.images.load import load_image
from deepfake.images.photographs import drawing_score, looks_drawn
from deepfake.perturbations.primitives import jpeg


def test_drawn_faces_are_no_photographs() -> None:
    rng = np.random.default_rng(0)
    faces = [draw_face(rng).pixels for _ in range(20)]
    assert all(looks_drawn(face) for face in faces)
    assert all(looks_drawn(jpeg(face, 75)) for face in faces)
    large = cv2.resize(faces[0], (3 * DRAWN_SIDE, 3 * DRAWN_SIDE), interpolation=cv2.INTER_CUBIC)
    assert looks_drawn(np.asarray(large, np.uint8))


def test_camera_noise_and_shading_are_a_photograph() -> None:
    rng = np.random.default_rng(1)
    shaded = np.add.outer(np.linspace(40, 200, 120), np.linspace(-30, 30, 120))[..., None]
    for sigma in (4, 12):
        pixels = np.clip(shaded + rng.normal(0, sigma, (120, 120, 3)), 0, 255).astype(np.uint8)
        assert not looks_drawn(pixels)
    assert drawing_score(np.full((50, 60, 3), 128, np.uint8)) > 0, "one colour is no photograph"


def test_few_photographs_and_few_fakes_are_taken_for_drawings(real_data: Path) -> None:
    for label in ("Fake", "Real"):
        files = sorted((real_data / "openforensics" / "Validation" / label).iterdir())[::6]
        share = np.mean([looks_drawn(load_image(file).pixels) for file in files])
        assert share <= 0.01
