"""How often photographs, fakes and drawings are called drawings: ``python -m benchmarks.drawings DATA``.

DATA holds labelled face crops; of Validation every image is looked at as it is, as its perturbed copy, and
shrunk and compressed. Drawings are those of the demo set, as they are and compressed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from deepfake.data.demo import draw_face, draw_fake
from deepfake.data.index import index_dataset
from deepfake.images.encode import shrink
from deepfake.images.load import load_image
from deepfake.images.photographs import looks_drawn
from deepfake.perturbations.mix import perturb
from deepfake.perturbations.primitives import jpeg

MAX_IMAGES = 400
"""Images of each class, and drawings of each kind."""


def main(folder: Path) -> None:
    """Prints a line a kind: how many, and how many of them are called drawings."""
    rng = np.random.default_rng(0)
    data = index_dataset(folder).select(split="Validation")
    table = data.table.assign(file=data.paths())
    for label, name in ((0, "real"), (1, "fake")):
        group = table[table["label"] == label]
        pixels = [
            load_image(f).pixels for f in group.sample(min(len(group), MAX_IMAGES), random_state=0)["file"]
        ]
        _line(f"{name} faces", [looks_drawn(each) for each in pixels])
        _line(f"{name} faces, perturbed", [looks_drawn(perturb(each, rng)) for each in pixels])
        small = [jpeg(shrink(each, int(rng.integers(40, 200))), int(rng.integers(40, 95))) for each in pixels]
        _line(f"{name} faces, shrunk", [looks_drawn(each) for each in small])
    drawn = [draw_face(rng).pixels for _ in range(MAX_IMAGES)]
    _line("drawn faces", [looks_drawn(each) for each in drawn])
    _line("drawn faces, compressed", [looks_drawn(jpeg(each, int(rng.integers(40, 95)))) for each in drawn])
    _line("drawn faces with a drawn inside", [looks_drawn(draw_fake(rng)) for _ in range(MAX_IMAGES)])


def _line(kind: str, called: list[bool]) -> None:
    print(f"{kind:34} {sum(called):4} of {len(called):4}: {np.mean(called):.2%}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m benchmarks.drawings DATA")
    main(Path(sys.argv[1]))
