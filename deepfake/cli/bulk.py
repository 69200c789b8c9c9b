"""``--output``, ``--resume``, ``--shard`` and ``--engine``: runs over more images than one sitting takes."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import EMPTY_PATH, detector_name, operating_point, positive
from deepfake.errors import UserError
from deepfake.util.text import counted, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepfake.bulk.engines import Engine
    from deepfake.bulk.items import Item, Shard
    from deepfake.bulk.results import Results
    from deepfake.bulk.run import Summary
    from deepfake.bulk.tasks import Task
    from deepfake.data.index import DatasetIndex
    from deepfake.detection.card import Card
    from deepfake.evaluation.measure import Score

NOTHING = "There is no image in what was named. Check the paths, or the list."
_SAY_SECONDS = 60.0
"""Between two lines of progress in a log."""


def add_run_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Where results go, and who does the work; ``output`` says what the first option does."""
    group = parser.add_argument_group("many images")
    group.add_argument("--output", metavar="DIR", help=f"{output}; or an address, such as s3://bucket/folder")
    group.add_argument(
        "--resume", action="store_true", help="continue in DIR: images whose content has a row are skipped"
    )
    group.add_argument(
        "--part-rows",
        type=positive,
        metavar="N",
        help="images of one file in DIR (default: 2000; a file is also written once a minute)",
    )
    group.add_argument(
        "--engine",
        choices=("process", "ray"),
        default="process",
        help="who does the work: this process, or the workers of Ray (default: process)",
    )
    group.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="workers of Ray (default: one a processor of the cluster)",
    )
    group.add_argument(
        "--address", metavar="HOST:PORT", help="join this Ray cluster instead of starting one on this machine"
    )


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Which images, beside the paths given."""
    parser.add_argument(
        "--files-from", metavar="FILE", help="also check the paths in FILE, one a line; - for standard input"
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="with --output: only part I of N equal parts, by the hash of each name"
    )


def check_run_options(options: argparse.Namespace) -> None:
    """Refuses options that mean nothing without others.

    Raises:
        UserError: code ``bad_option``.
    """
    if not options.output:
        for name in ("resume", "shard", "part_rows", "workers", "address"):
            if getattr(options, name, None):
                flag = name.replace("_", "-")
                raise UserError("bad_option", f"--{flag} goes with --output DIR, which is missing.")
        if options.engine != "process":
            raise UserError("bad_option", "--engine ray goes with --output DIR, which is missing.")
    if options.engine != "ray" and (options.workers or options.address):
        raise UserError("bad_option", "--workers and --address go with --engine ray, which is missing.")


def given_paths(options: argparse.Namespace) -> Iterator[str]:
    """The paths of the command line, then those of ``--files-from``.

    Raises:
        UserError: ``no_list``.
    """
    yield from options.paths
    if options.files_from:
        from deepfake.bulk.items import paths_in

        yield from paths_in(options.files_from)


def predict_to_folder(options: argparse.Namespace) -> int:
    """Checks everything into ``--output``; returns 0 where every image has its row, refused ones too.

    Without any image it returns 1.

    Raises:
        UserError: no detector, a folder that cannot be used or written, no engine.
    """
    from deepfake.bulk.items import Shard
    from deepfake.bulk.tasks import Predict, detector_version
    from deepfake.detection.card import load_card

    if options.csv:
        raise UserError(
            "bad_option", "--csv prints a table; with --output the table is Parquet. Leave one out."
        )
    card = load_card(detector_name(options))
    task = Predict(card.name, detector_version(card), operating_point(options), options.stress)
    shard = Shard.parse(options.shard) if options.shard else Shard()
    named = 0

    def items() -> Iterator[Item]:
        nonlocal named
        for item in _items(options, shard):
            named += item.refusal is None or item.refusal[0] != "no_images"
            yield item

    try:
        summary = run_to_folder(options, task, items(), shard)
    except UserError as error:
        if options.json:
            print(json.dumps({"error": {"code": error.code, "message": error.message}}))
        raise
    print(json.dumps(summary.to_dict()) if options.json else _in_words(summary, options.output), flush=True)
    if not named and shard.count == 1:  # of several parts one may well be empty
        print(f"deepfake: {NOTHING}", file=sys.stderr)
        return 1
    return 0


def run_to_folder(
    options: argparse.Namespace,
    task: Task,
    items: Iterator[Item],
    shard: Shard | None = None,
    *,
    read: Callable[[Results], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Runs a task into ``--output``.

    Args:
        options: of the command line, with those of ``add_run_options``.
        task: what to do.
        items: to what.
        shard: the part of this process.
        read: given the finished results, while no other process may write them.
        on_progress: told how many images are dealt with; by default a line on standard error.

    Raises:
        UserError: as ``run.run_bulk`` and ``results.open_results``.
    """
    from deepfake.bulk.items import Shard
    from deepfake.bulk.locations import open_folder
    from deepfake.bulk.results import PART_ROWS, open_results
    from deepfake.bulk.run import run_bulk

    folder, part_rows = open_folder(options.output), options.part_rows or PART_ROWS
    with (
        _stopped_by_sigterm(),
        open_results(
            folder, task.spec, shard=shard or Shard(), resume=options.resume, rows_a_part=part_rows
        ) as results,
    ):
        if results.counts.damaged:
            _say(
                f"Cut short or changed in {folder.name}: {counted(results.counts.damaged, 'part file')}. "
                "Removed; the images in question are checked again."
            )
        summary = run_bulk(task, items, results, _engine(options), on_progress or _progress())
        if read is not None:
            read(results)
    return summary


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM, a scheduler's notice, stops as Ctrl-C does: what is there is written."""
    if threading.current_thread() is not threading.main_thread():  # signals arrive in the main thread only
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def scores_in_folder(options: argparse.Namespace, card: Card, data: DatasetIndex) -> Score:
    """The logits of a data set by way of ``--output``: a run that goes on where it was."""
    import numpy as np

    from deepfake.bulk import tasks
    from deepfake.bulk.items import Item, row_name

    task = tasks.Score(card.name, tasks.detector_version(card), options.perturbed)
    names = [row_name(path) for path in data.table["path"]]
    files = (Path(path).absolute() for path in data.paths())

    def score(
        *, on_refused: Callable[[int, UserError], None], on_progress: Callable[[int], None] | None
    ) -> NDArray[np.float32]:
        rows: dict[str, dict[str, Any]] = {}

        def read(results: Results) -> None:
            for table in results.tables(["file", "logit", "error"]):
                rows.update((row["file"], row) for row in table.to_pylist())

        items = (Item(name, str(file)) for name, file in zip(names, files, strict=True))
        run_to_folder(options, task, items, read=read, on_progress=on_progress)
        logits = np.full(len(names), np.nan, np.float32)
        for number, name in enumerate(names):
            if error := rows[name]["error"]:
                on_refused(number, UserError(error["code"], error["message"]))
            else:
                logits[number] = rows[name]["logit"]
        return logits

    return score


def _items(options: argparse.Namespace, shard: Shard) -> Iterator[Item]:
    from deepfake.bulk.items import Item, listed

    for path in given_paths(options):
        if path:
            yield from listed([path], shard)
        elif shard.holds(path):
            yield Item(path, refusal=("no_path", EMPTY_PATH))


def _engine(options: argparse.Namespace) -> Engine:
    if options.engine == "ray":
        from deepfake.bulk.ray_workers import RayWorkers

        return RayWorkers(options.workers or 0, options.address or "", _say)
    from deepfake.bulk.engines import OneProcess

    return OneProcess()


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def _progress() -> Callable[[int], None]:
    """Tells how many images are dealt with: on a terminal at once, in a log once a minute."""
    start = last = time.monotonic()
    terminal = sys.stderr.isatty()

    def tell(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if not terminal and now - last < _SAY_SECONDS:
            return
        last = now
        line = f"{counted(done, 'image')}, {done / max(now - start, 1e-3):.1f} a second"
        print(f"\r{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    return tell


def _in_words(summary: Summary, folder: str) -> str:
    rows = ", ".join(f"{count:,} {what}" for what, count in summary.rows.items()) or "none"
    images, parts = counted(summary.images, "image"), counted(summary.parts, "part")
    lines = [f"{images} ({rows}) in {parts}: {printable(folder)}"]
    if summary.skipped:
        lines.append(f"Checked now: {summary.checked:,}. With a row already: {summary.skipped:,}.")
    if summary.named_twice:
        lines.append(f"Named twice, counted once: {summary.named_twice:,}.")
    rate = summary.checked / max(summary.seconds, 1e-3)
    speed = f", {rate:.1f} images a second" if rate >= 0.05 else ""
    lines.append(f"{summary.seconds:.0f} s{speed}.")
    return "\n".join(lines)
