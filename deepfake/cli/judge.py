"""``deepfake predict``, ``video``, ``report`` and ``index``: verdicts on images and videos."""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.bulk import (
    NOTHING,
    add_input_options,
    add_run_options,
    check_run_options,
    given_paths,
    predict_to_folder,
)
from deepfake.cli.options import (
    EMPTY_PATH,
    add_verdict_options,
    card_title,
    detector_name,
    input_path,
    operating_point,
    output_path,
    printable,
    progress,
    writing,
)
from deepfake.detection.outcome import Outcome, outcome_line, video_fields, write_outcomes_csv
from deepfake.detection.text import crowd_line, headline, stress_line, video_headline
from deepfake.detection.words import UNCERTAIN
from deepfake.errors import UserError
from deepfake.types import OperatingPoint

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.video import VideoVerdict
    from deepfake.images.archives import Source
    from deepfake.report.document import Report


def add_predict(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    predict = commands.add_parser(
        "predict", help="check images (folders and zip archives are searched recursively)"
    )
    predict.add_argument("paths", nargs="*", metavar="PATH", help="an image, folder, zip archive or address")
    add_input_options(predict)
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="a CSV table, a row a file")
    add_verdict_options(predict)
    predict.add_argument(
        "--stress",
        action="store_true",
        help="also score edited copies of each face (compressed, resized, ...); verdicts that do not survive "
        f"become {UNCERTAIN}",
    )
    add_run_options(predict, "write Parquet files into this folder instead of printing lines")
    predict.set_defaults(command=run_predict, usage_error=predict.error)


def run_predict(options: argparse.Namespace) -> int:
    """Judge every file, each printed as it comes; returns 1 where one was refused, else 0.

    With ``--output`` the rows go into a folder, see ``bulk.predict_to_folder``.

    Raises:
        UserError: there is no such detector, or it is damaged.
    """
    if not options.paths and not options.files_from:
        options.usage_error("the following arguments are required: PATH, or --files-from FILE")
    check_run_options(options)
    if options.output:
        return predict_to_folder(options)
    rows = refused = 0

    def counted() -> Iterator[Outcome]:
        nonlocal rows, refused
        for row in _judged(options):
            rows += 1
            refused += row.error is not None
            yield row

    if options.csv:
        write_outcomes_csv((_as_text(row) for row in counted()), sys.stdout)
    else:
        for row in counted():
            (_print_json if options.json else _print_words)(row)
    if not rows:
        print(f"deepfake: {NOTHING}", file=sys.stderr)
    return 1 if refused or not rows else 0


def _judged(options: argparse.Namespace) -> Iterator[Outcome]:
    """Every file with its verdict or the reason why there is none; an empty folder counts as a file."""
    from deepfake.bulk.items import sources_at
    from deepfake.detection.batch import AT_ONCE, judge_source
    from deepfake.detection.detector import get_detector
    from deepfake.report.evidence import with_evidence
    from deepfake.util.jobs import in_order

    detector = get_detector(detector_name(options))
    point = operating_point(options)

    def judge(source: Source) -> Outcome:
        row = judge_source(detector, source, point, stress=options.stress)
        return with_evidence(row, source, detector.card) if options.json else row

    for given in given_paths(options):
        if not given:  # Path("") is the folder one stands in
            yield Outcome(given, error=UserError("no_path", EMPTY_PATH))
            continue
        yield from in_order(judge, sources_at(given), AT_ONCE)


def _as_text(row: Outcome) -> Outcome:
    name = os.fsencode(row.file).decode(errors="replace")  # names on Linux are bytes, not always text
    return replace(row, file=name)


def _print_json(row: Outcome) -> None:
    print(outcome_line(row), flush=True)


def _print_words(row: Outcome) -> None:
    name = printable(row.file)
    if row.verdict is None:
        print(f"refused    {name or '(no path)'}: {row.error.message if row.error else ''}", file=sys.stderr)
        return
    verdict = row.verdict
    faces = f"{len(verdict.faces)} face{'s' * (len(verdict.faces) != 1)}"
    crowd = crowd_line(verdict) if len(verdict.deciding) > 1 else ""
    rests = headline(verdict) if verdict.basis == "whole" else ""
    said = " ".join(filter(None, [*verdict.warnings, crowd, rests, stress_line(verdict)]))
    notes = f"  ({said})" if said else ""
    number = "  -  " if verdict.p_fake is None else f"{verdict.p_fake:.3f}"
    print(f"{verdict.verdict:9}  p_fake {number}  {faces:8}  {name}{notes}", flush=True)


def add_index(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("index", help="index training images, to show those most similar to a face")
    parser.add_argument(
        "data", type=input_path, metavar="DATA", help="the dataset that the detector was trained on"
    )
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument(
        "--images", type=int, default=2500, metavar="N", help="maximum number of images (default: 2500)"
    )
    parser.add_argument(
        "--title", type=card_title, metavar="TEXT", help="the dataset's name (default: its folder's)"
    )
    parser.set_defaults(command=run_index)


def run_index(options: argparse.Namespace) -> int:
    """Write ``lookalikes.npz`` beside the model; returns the exit status 0.

    Raises:
        UserError: no such detector or data set, or a file that cannot be written.
    """
    from deepfake.errors import UserError

    if options.images < 1:
        raise UserError("bad_images", f"--images must be at least 1, received {options.images}.")
    from deepfake.data.index import index_dataset
    from deepfake.detection.detector import get_detector
    from deepfake.detection.embedding.neighbours import INDEX_FILE, write_index
    from deepfake.detection.neighbour_index import make_index
    from deepfake.evaluation.records import below_roots

    data = index_dataset(options.data)
    data.check_files()
    detector = get_detector(options.model)
    file = output_path(detector.card.folder / INDEX_FILE)  # said now, not after the work
    held = set(data.select(split="Train").table["source"])
    if missing := [source for source in detector.card.sources if source not in held]:
        print(
            f"It was also trained on {', '.join(missing)}, of which DATA holds nothing: faces like those "
            "will look out of scope. Give the whole training set if you have it.",
            file=sys.stderr,
        )

    index = make_index(
        detector,
        data,
        name=options.title or data.root.resolve().name,
        folder=below_roots(options.data),
        images=options.images,
        on_progress=progress("images"),
    )
    with writing(file):
        write_index(index, file)
    size = file.stat().st_size / 1e6
    counts = f"{len(index)} training images of {len(set(index.sources))} sources"
    print(f"{counts}, {len(index.reference)} validation images, {size:.1f} MB: {file}", flush=True)
    return 0


def add_report(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("report", help="check one image and write a report to share")
    parser.add_argument("image", type=input_path, metavar="IMAGE", help="the image file")
    parser.add_argument(
        "--html", type=output_path, metavar="FILE", help="the report as HTML; replaced if there"
    )
    parser.add_argument(
        "--pdf", type=output_path, metavar="FILE", help="the report as PDF; replaced if there"
    )
    parser.add_argument(
        "--receipt",
        type=output_path,
        metavar="FILE",
        help="the receipt for 'verify' as JSON; replaced if there (default: beside the report, as "
        "NAME.receipt.json)",
    )
    add_verdict_options(parser)
    parser.set_defaults(command=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Write the report and its receipt; returns the exit status 0.

    Raises:
        UserError: no file asked for, no such detector, a picture that is refused, or a file that cannot be
            written.
    """
    reports = [file for file in (options.html, options.pdf) if file]
    receipt = options.receipt or _receipt_beside(reports)
    files = [*reports, *([receipt] if receipt else [])]
    if not files:
        raise UserError(
            "bad_option",
            "No file was named for the report. Give --html FILE, --pdf FILE or both, or --receipt FILE for "
            "its receipt alone.",
        )
    _check_files(options.image, files)
    from deepfake.detection.detector import get_detector
    from deepfake.images.load import ImageRefused, load_image

    try:
        image = load_image(options.image)
        content = options.image.read_bytes()
    except ImageRefused as refusal:
        raise ImageRefused(refusal.code, f"{str(options.image)!r}: {refusal.message}") from refusal
    detector = get_detector(detector_name(options))
    verdict = detector.stressed(image, detector.check(image, operating_point(options)))
    today = datetime.datetime.now(datetime.UTC).date()
    if reports:
        from deepfake.report.make import report_on

        report = report_on(detector, options.image.name, content, image, verdict=verdict, date=today)
        _write_report(report, options.html, options.pdf, today)
    if receipt:
        from deepfake.report.receipt import make_receipt, receipt_json

        _write(receipt, receipt_json(make_receipt(options.image.name, verdict, detector.card, today)))
    number = headline(verdict) if verdict.p_fake is None else f"p_fake {verdict.p_fake:.3f}"
    print(f"{verdict.verdict}, {number}: {' '.join(printable(str(file)) for file in files)}", flush=True)
    return 0


def _write_report(report: Report, html: Path | None, pdf: Path | None, today: datetime.date) -> None:
    if html:
        from deepfake.report.html import report_html

        _write(html, report_html(report).encode("utf-8", errors="replace"))
    if pdf:
        from deepfake.report.pdf import report_pdf

        _write(pdf, report_pdf(report, today))


def _receipt_beside(reports: list[Path]) -> Path | None:
    """Where the receipt goes that nobody named a file for; None where the report goes to no ordinary file."""
    file = next((file for file in reports if str(file) != "-"), None)
    if file is None or (file.exists() and not file.is_file()):
        return None
    return output_path(file.with_name(f"{file.stem}.receipt.json"))


def _check_files(image: Path, files: list[Path]) -> None:
    """Refuses a report in place of the image, or of another file; said now, not after the work."""
    if any(_same(*pair) for pair in itertools.combinations(files, 2)):
        raise UserError(
            "bad_option", "--html, --pdf and --receipt name the same file twice. Give each a file of its own."
        )
    for file in files:
        if _same(file, image):
            raise UserError("same_file", f"{file} is the image itself. Give the report another name.")
        if str(file) == "-":
            raise UserError("bad_option", "A report cannot go to the terminal. Give the name of a file.")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, RuntimeError):  # one of them is not there yet
        return False


def _write(file: Path, content: bytes) -> None:
    with writing(file):
        file.write_bytes(content)


def add_video(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    video = commands.add_parser(
        "video", help="check short videos frame by frame; the median decides, or a stretch that looks fake"
    )
    video.add_argument("paths", nargs="+", metavar="PATH", help="a video file")
    video.add_argument("--json", action="store_true", help="one JSON object a line, with every frame")
    add_verdict_options(video)
    video.set_defaults(command=run_video)


def run_video(options: argparse.Namespace) -> int:
    """Judge every file, each printed as it comes; returns 1 where one was refused, else 0.

    Raises:
        UserError: there is no such detector, or it is damaged.
    """
    from deepfake.detection.detector import get_detector

    detector, refused = get_detector(detector_name(options)), False
    point = operating_point(options)
    for path in options.paths:
        result = _judge_video(detector, path, point)
        refused |= isinstance(result, UserError)
        (_print_video_json if options.json else _print_video_words)(path, result)
    return 1 if refused else 0


def _judge_video(detector: Detector, path: str, point: OperatingPoint) -> VideoVerdict | UserError:
    from deepfake.detection.video import check_video
    from deepfake.images.video import VideoRefused, read_video

    if not path:
        return UserError("no_path", EMPTY_PATH)
    if what := _no_file(Path(path)):
        return UserError("not_found", f"{what} Give the path of one video file.")
    try:
        return check_video(detector, read_video(Path(path)), point)
    except VideoRefused as refusal:
        return refusal


def _no_file(path: Path) -> str:
    """What there is at a path in place of an ordinary file; empty where nothing else is there."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # reading it says so
        return ""
    if stat.S_ISDIR(mode):
        return "This is a folder."
    return "" if stat.S_ISREG(mode) else "This is not an ordinary file."


def _print_video_json(path: str, result: VideoVerdict | UserError) -> None:
    if isinstance(result, UserError):
        fields: dict[str, Any] = {"error": {"code": result.code, "message": result.message}}
    else:
        fields = video_fields(result)
    print(json.dumps({"file": path, "path": path, **fields}), flush=True)


def _print_video_words(path: str, result: VideoVerdict | UserError) -> None:
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
