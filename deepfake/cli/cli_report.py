"""The command ``python -m deepfake report``: one picture's verdict as an HTML or PDF file to hand on."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import add_verdict_options, input_path, operating_point, output_path, printable
from deepfake.detection.text import headline
from deepfake.errors import UserError

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.heatmaps import Explanation
    from deepfake.detection.verdict import Verdict
    from deepfake.images.load import LoadedImage


def add_report(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("report", help="judge one picture and write a report to hand on")
    parser.add_argument("image", type=input_path, metavar="IMAGE")
    parser.add_argument(
        "--html", type=output_path, metavar="FILE", help="the report as HTML; replaced if there"
    )
    parser.add_argument(
        "--pdf", type=output_path, metavar="FILE", help="the report as PDF; replaced if there"
    )
    add_verdict_options(parser)
    parser.set_defaults(command=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Write the report; returns the exit status 0.

    Raises:
        UserError: no file asked for, no such detector, a picture that is refused, or a file that cannot be
            written.
    """
    files = [file for file in (options.html, options.pdf) if file]
    if not files:
        raise UserError("no_file", "No file was named for the report. Give --html FILE, --pdf FILE or both.")
    _check_files(options.image, files)
    from deepfake.detection.detector import get_detector
    from deepfake.images.load import ImageRefused, load_image
    from deepfake.report.document import make_report

    try:
        image = load_image(options.image)
        content = options.image.read_bytes()
    except ImageRefused as refusal:
        raise ImageRefused(refusal.code, f"{str(options.image)!r}: {refusal.message}") from refusal
    detector = get_detector(options.model)
    verdict = detector.stressed(image, detector.check(image, operating_point(options)))
    today = datetime.datetime.now(datetime.UTC).date()
    report = make_report(
        options.image.name,
        content,
        image,
        verdict=verdict,
        card=detector.card,
        date=today,
        explanations=_explanations(detector, image, verdict),
    )
    if options.html:
        from deepfake.report.html import report_html

        _write(options.html, report_html(report).encode("utf-8", errors="replace"))
    if options.pdf:
        from deepfake.report.pdf import report_pdf

        _write(options.pdf, report_pdf(report, today))
    number = headline(verdict) if verdict.p_fake is None else f"p_fake {verdict.p_fake:.3f}"
    print(f"{verdict.verdict}, {number}: {' '.join(printable(str(file)) for file in files)}", flush=True)
    return 0


def _check_files(image: Path, files: list[Path]) -> None:
    """Refuses a report in place of the image, or of the other report; said now, not after the work."""
    if len(files) == 2 and _same(*files):
        raise UserError("same_file", "--html and --pdf name the same file. Give each a file of its own.")
    for file in files:
        if _same(file, image):
            raise UserError("same_file", f"{file} is the image itself. Give the report another name.")
        if str(file) == "-":
            raise UserError("no_file", "A report cannot go to the terminal. Give the name of a file.")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, RuntimeError):  # one of them is not there yet
        return False


def _explanations(detector: Detector, image: LoadedImage, verdict: Verdict) -> dict[int, Explanation]:
    from deepfake.detection.detector import scored_parts
    from deepfake.detection.heatmaps import explain
    from deepfake.report.document import explained_parts

    crops = scored_parts(image.pixels, verdict)
    card, parts = detector.card, verdict.parts
    return {
        place: explain(
            detector.network,
            detector.scorer,
            card.input,
            crops[place],
            probability=card.probability,
            fake=parts[place].p_fake >= card.thresholds.balanced,
        )
        for place in explained_parts(verdict)
    }


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise UserError("not_written", f"{file} cannot be written: {error.strerror}.") from error
