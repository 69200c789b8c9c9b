"""Makes the example images anew: ``python -m deepfake.examples.make PHOTOGRAPHS FACES``.

PHOTOGRAPHS holds ``astronaut.png`` and ``camera.png`` of scikit-image 0.26.0 (its folder ``skimage/data``).
FACES holds what ``python -m deepfake generate FACES --images 16 --seed 25`` writes. Each image that is not a
photograph says so in its file: as an IPTC digital source type in XMP, and in the JPEG comment.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from deepfake.data.synthesis.face_swap import swap_in
from deepfake.data.synthesis.self_blend import self_blend
from deepfake.errors import UserError
from deepfake.examples.images import FOLDER
from deepfake.faces.finder import find_landmarks
from deepfake.images.load import load_image
from deepfake.perturbations.graded import KINDS, altered
from deepfake.types import Landmarks, Pixels

GENERATED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
ALTERED = "algorithmicallyEnhanced"
"""Of IPTC's digital source types (cv.iptc.org/newscodes/digitalsourcetype)."""
_WORDS = {
    GENERATED: "Synthetic: a face made by MobileStyleGAN. Nobody is shown.",
    COMPOSITE: "Synthetic: parts of a generated face were put into a photograph.",
    ALTERED: "Synthetic: the face in this photograph was altered and blended back.",
    "": "A photograph.",
}
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType='
    '"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_FACE, _OTHER_FACE, _DONOR = 2, 8, 5  # numbers of the generated faces
_AROUND = 5.2  # side of the square that is altered / distance from the eyes to the mouth
_BLEND_SEED, _SWAP_SEED, _EYES_SEED = 3, 4, 3  # chosen by eye: other seeds alter other parts of the face
_SENT = 50  # per cent of each side that the messenger keeps
_DRAW = "1" * 64  # in place of a file's hash, so that the same copy is made again


def write_examples(photographs: Path, faces: Path, out: Path = FOLDER) -> list[Path]:
    """Writes all example images; the same input gives the same pixels.

    Args:
        photographs: folder with ``astronaut.png`` and ``camera.png``.
        faces: folder with ``25-00002.png`` and others.
        out: where the JPEG files go.

    Raises:
        UserError: a file is missing, or shows no single face.
    """
    astronaut, camera = (load_image(photographs / f"{name}.png").pixels for name in ("astronaut", "camera"))
    face, other, donor = (
        load_image(faces / f"25-{number:05}.png").pixels for number in (_FACE, _OTHER_FACE, _DONOR)
    )
    swapped, eyes = (
        _in_the_face(astronaut, lambda part, points, giving=giving, seed=seed: swap_in(
            part, points, giving, _landmarks(giving), np.random.default_rng(seed)
        ))
        for giving, seed in ((donor, _SWAP_SEED), (face, _EYES_SEED))
    )  # fmt: skip
    blended = _in_the_face(
        astronaut, lambda part, points: self_blend(part, points, np.random.default_rng(_BLEND_SEED))
    )
    made: dict[str, tuple[Pixels, str, int]] = {
        "astronaut": (astronaut, "", 92),
        "cameraman": (camera, "", 92),
        "generated-1": (face, GENERATED, 88),
        "generated-2": (other, GENERATED, 88),
        "blended": (blended, ALTERED, 92),
        "generated-sent": (_sent(face), GENERATED, 90),
        "astronaut-sent": (_sent(astronaut), "", 90),
        "swapped": (swapped, COMPOSITE, 92),
        "swapped-eyes": (eyes, COMPOSITE, 92),
    }
    out.mkdir(parents=True, exist_ok=True)
    return [_save(out / f"{name}.jpg", *rest) for name, rest in made.items()]


def _sent(pixels: Pixels) -> Pixels:
    kind = next(kind for kind in KINDS if kind.name == "messenger")
    return altered(pixels, _DRAW, kind, _SENT)


def _landmarks(pixels: Pixels) -> Landmarks:
    points = find_landmarks(pixels)
    if points is None:
        raise UserError(
            "no_face", "An image does not show exactly one upright face. Use the files named above."
        )
    return points


def _in_the_face(pixels: Pixels, change: Callable[[Pixels, Landmarks], Pixels]) -> Pixels:
    """The image with the square around its one face changed, and nothing else."""
    height, width = pixels.shape[:2]
    points = _landmarks(pixels) * np.array([width, height], np.float32)
    down = float(np.linalg.norm(points[:2].mean(axis=0) - points[3:].mean(axis=0)))
    side = min(int(_AROUND * down), height, width)
    corner = (points.mean(axis=0) - side / 2).clip(0, np.array([width - side, height - side]))
    left, top = (int(value) for value in corner)
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    changed = pixels.copy()
    inside = ((points - np.array([left, top])) / side).astype(np.float32)
    changed[top : top + side, left : left + side] = change(square, inside)
    return changed


def _save(path: Path, pixels: Pixels, kind: str, quality: int) -> Path:
    xmp = {"xmp": _XMP.format(kind=kind).encode()} if kind else {}
    image = Image.fromarray(pixels)
    image.save(path, "JPEG", quality=quality, subsampling=0, comment=_WORDS[kind].encode(), **xmp)
    return path


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m deepfake.examples.make", description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder with astronaut.png and camera.png")
    parser.add_argument("faces", type=Path, help="folder with generated faces")
    options = parser.parse_args()
    for path in write_examples(options.photographs, options.faces):
        print(f"{path}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
