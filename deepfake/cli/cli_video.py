"""The command ``python -m deepfake video``: short videos, judged frame by frame."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import EMPTY_PATH, add_verdict_options, operating_point, printable
from deepfake.detection.text import video_headline
from deepfake.errors import UserError
from deepfake.types import OperatingPoint

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.video import VideoVerdict


def add_video(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    video = commands.add_parser(
        "video", help="judge short videos frame by frame; the median decides, or a stretch that looks fake"
    )
    video.add_argument("paths", nargs="+", metavar="PATH")
    video.add_argument("--json", action="store_true", help="one JSON object a line, with every frame")
    add_verdict_options(video)
    video.set_defaults(command=run_video)


def run_video(options: argparse.Namespace) -> int:
    """Judge every file, each printed as it comes; returns 1 where one was refused, else 0.

    Raises:
        UserError: there is no such detector, or it is damaged.
    """
    from deepfake.detection.detector import get_detector

    detector, refused = get_detector(options.model), False
    point = operating_point(options)
    for path in options.paths:
        result = _judged(detector, path, point)
        refused |= isinstance(result, UserError)
        (_print_json if options.json else _print_words)(path, result)
    return 1 if refused else 0


def _judged(detector: Detector, path: str, point: OperatingPoint) -> VideoVerdict | UserError:
    from deepfake.detection.video import check_video
    from deepfake.images.video import VideoRefused, read_video

    if not path:
        return UserError("no_path", EMPTY_PATH)
    try:
        return check_video(detector, read_video(Path(path)), point)
    except VideoRefused as refusal:
        return refusal


def _print_json(path: str, result: VideoVerdict | UserError) -> None:
    if isinstance(result, UserError):
        fields: dict[str, Any] = {"error": {"code": result.code, "message": result.message}}
    else:
        fields = result.to_dict()
    print(json.dumps({"file": path, "path": path, **fields}), flush=True)


def _print_words(path: str, result: VideoVerdict | UserError) -> None:
    name = printable(path) or "(no path)"
    if isinstance(result, UserError):
        print(f"refused    {name}: {result.message}", file=sys.stderr)
        return
    faces = f"{len(result.with_face)} of {len(result.frames)} frames show a face"
    notes = " ".join(result.warnings)
    number = "  -  " if result.p_fake is None else f"{result.p_fake:.3f}"
    print(
        f"{result.verdict:9}  p_fake {number}  {video_headline(result)}  {faces}  {name}  ({notes})",
        flush=True,
    )
