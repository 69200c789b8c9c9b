"""Whole faces by MobileStyleGAN, whose weights come inside a package: fakes of a generator, made on the spot.

The weights are those of PyPI's ``random-face`` (Belousov 2021, "MobileStyleGAN: A Lightweight Convolutional
Neural Network for High-Fidelity Image Synthesis", trained on FFHQ; Apache 2.0). Only its files are read: its
code asks for an interface that OpenVINO no longer has.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deepfake.errors import UserError
from deepfake.util.files import replacing

STYLE = 512  # numbers that a face is made of
MEAN_OF = 4096  # styles that the mean style is taken over
TRUNCATION = (
    0.5,
    0.9,
)  # how far from the mean style a face lies, drawn uniformly: less is smoother, more is odder
STORED_SIDE = 512  # pixels a face is stored at; the network draws 1024
PACKAGES = "pip install random-face openvino"


class RandomFacesError(UserError):
    """Faces cannot be made."""


def make_faces(
    out: Path,
    images: int,
    *,
    seed: int = 0,
    networks: tuple[Callable[[Any], Any], Callable[[Any], Any]] | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes ``out/SEED-NUMBER.png``; those that are there already stay, so that it can be stopped and go on.

    Args:
        out: the folder, made where it is missing.
        images: how many faces there shall be, at least 1.
        seed: of every draw; each face follows from it and from its number.
        networks: noise (N, 512) to styles (N, 512), and a style (1, 512) to a picture (1, 3, H, W),
            RGB in [-1, 1]; those of the package where None.
        on_progress: told how many there are.

    Returns:
        How many faces were made now.

    Raises:
        RandomFacesError: ``no_images``: fewer than 1 is asked; ``no_package``: a package is absent.
    """
    if images < 1:
        raise RandomFacesError("no_images", f"At least 1 image is needed. Received: {images}.")
    mapping, synthesis = networks or _load()
    out.mkdir(parents=True, exist_ok=True)
    mean = np.asarray(
        mapping(np.random.default_rng(seed).standard_normal((MEAN_OF, STYLE)).astype(np.float32))
    )
    mean = mean.mean(axis=0, keepdims=True)
    made = 0
    for number in range(images):
        file = out / f"{seed}-{number:05d}.png"
        if not file.exists():
            draw = np.random.default_rng((seed, number))
            style = np.asarray(mapping(draw.standard_normal((1, STYLE)).astype(np.float32)))
            picture = np.asarray(synthesis(mean + draw.uniform(*TRUNCATION) * (style - mean)))[0]
            pixels = ((np.clip(picture, -1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)
            small = cv2.resize(
                np.ascontiguousarray(pixels[:, :, ::-1]),
                (STORED_SIDE, STORED_SIDE),
                interpolation=cv2.INTER_AREA,
            )
            with replacing(file) as partial:  # a face cut short by a kill would stay
                cv2.imwrite(str(partial), small)
            made += 1
        on_progress(number + 1)
    return made


def _load() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    spec = importlib.util.find_spec("random_face")
    try:
        openvino = importlib.import_module("openvino")  # optional, so not among the requirements
    except ImportError:
        openvino = None
    if openvino is None or spec is None or not spec.submodule_search_locations:
        raise RandomFacesError(
            "no_package",
            f"The packages random-face and openvino are needed to make faces: {PACKAGES}, in an environment "
            "of its own, for they need much else.",
        )
    data = Path(spec.submodule_search_locations[0]) / "data"
    core = openvino.Core()

    def network(name: str, free: bool) -> Callable[[Any], Any]:
        model = core.read_model(str(data / f"{name}.xml"))
        if free:
            model.reshape([-1, STYLE])
        compiled = core.compile_model(model, "CPU")
        return lambda numbers: compiled([numbers])[0]

    return network("MappingNetwork", True), network("SynthesisNetwork", False)
