"""The same photograph in ten sizes, on its side and in a margin: ``python -m benchmarks.sizes FOLDER``.

The probability of its largest face ought to be the same each time. With ``--beside CHECKOUT`` another version
of this project judges the same pictures afterwards.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from deepfake.images.walk import list_image_files

SIZES = (256, 320, 400, 500, 640, 800, 1000, 1280, 1700, 2400)
"""Longer sides in pixels."""
LARGE_SIDE = 140
"""Long side in pixels from which a face is called large here: its square then has the 256 pixels of the
pictures that detectors learn from. Less detail is another picture."""
GOAL = 0.15

Row = tuple[float, int, float]
"""p_fake and long side of the largest face, seconds for finding faces."""


def variants(image: Image.Image) -> dict[str, Image.Image]:
    """The pictures to judge, by name."""

    def scaled(side: int) -> Image.Image:
        scale = side / max(image.size)
        size = round(image.width * scale), round(image.height * scale)
        return image.resize(size, Image.Resampling.LANCZOS)

    middle = scaled(1000)
    found = {str(side): scaled(side) for side in SIZES}
    for degrees, turn in ((90, Image.Transpose.ROTATE_90), (180, Image.Transpose.ROTATE_180)):
        found[f"turned {degrees}"] = middle.transpose(turn)
    for colour in ("white", "black"):
        page = Image.new("RGB", (middle.width * 2, middle.height * 2), colour)
        page.paste(middle, (middle.width // 2, middle.height // 2))
        found[f"{colour} margin"] = page
    return found


def judge(folder: Path, detector: str | None) -> dict[str, dict[str, Row]]:
    """Of each photograph and variant: p_fake and long side of the largest face, seconds for finding faces."""
    from deepfake.detection.detector import get_detector
    from deepfake.faces.finder import find_faces
    from deepfake.images.load import load_image

    judging = get_detector(detector)
    found: dict[str, dict[str, Row]] = {}
    for file in list_image_files(folder):
        with Image.open(file) as opened:
            pictures = variants(opened.convert("RGB"))
        rows: dict[str, Row] = {}
        for name, picture in pictures.items():
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", compress_level=1)
            image = load_image(buffer.getvalue())
            start = time.perf_counter()
            find_faces(image.pixels)
            seconds = time.perf_counter() - start
            faces = judging.check(image, whole=False).faces
            if faces:
                left, top, right, bottom = faces[0].box
                rows[name] = (faces[0].p_fake, max(right - left, bottom - top), seconds)
        if "1000" in rows:
            found[file.name] = rows
    return found


def summary(found: dict[str, dict[str, Row]]) -> list[str]:
    """Sentences about one version."""
    lines, moved, large, other = [], [], [], []
    for name, rows in found.items():
        scores = [rows[str(side)][0] for side in SIZES if str(side) in rows]
        seen = [
            rows[str(side)][0] for side in SIZES if str(side) in rows and rows[str(side)][1] >= LARGE_SIDE
        ]
        apart = {key: abs(row[0] - rows["1000"][0]) for key, row in rows.items() if not key.isdigit()}
        other += apart.values()
        moved.append(max(scores) - min(scores))
        if seen:
            large.append(max(seen) - min(seen))
        others = ", ".join(f"{key} {gap:.2f}" for key, gap in apart.items())
        lines.append(f"{name}: {min(scores):.2f} to {max(scores):.2f}; off by: {others}")
    seconds = np.median([rows["1000"][2] for rows in found.values()])
    lines += [
        f"range over {len(SIZES)} sizes: mean {np.mean(moved):.3f}, largest {max(moved):.2f}, "
        f"within {GOAL}: {sum(value <= GOAL for value in moved)} of {len(moved)}",
        f"the same where the face has {LARGE_SIDE} pixels and more: mean {np.mean(large):.3f}, "
        f"largest {max(large):.2f}, within {GOAL}: {sum(value <= GOAL for value in large)} of {len(large)}",
        f"turned or in a margin, against without: mean {np.mean(other):.3f}, largest {max(other):.2f}, "
        f"within 0.05: {sum(value <= 0.05 for value in other)} of {len(other)}",
        f"finding faces at 1000 pixels: {1000 * seconds:.0f} ms (median)",
    ]
    return lines


def main() -> None:
    """Judges and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("folder", type=Path, help="photographs, each with a face")
    parser.add_argument("--detector", help="default: the default one")
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    options = parser.parse_args()
    print("\n".join(summary(judge(options.folder, options.detector))))
    if options.beside:
        print(f"\n{options.beside}:", flush=True)
        command = [sys.executable, __file__, str(options.folder.resolve())]
        command += ["--detector", options.detector] if options.detector else []
        place = {**os.environ, "PYTHONPATH": str(options.beside.resolve())}
        subprocess.run(command, cwd=options.beside, env=place, check=True)


if __name__ == "__main__":
    main()
