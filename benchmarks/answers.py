"""Whether two versions of the program answer alike: what commands, report and HTTP say to the same inputs.

``python -m benchmarks.answers record CHECKOUT FOLDER DATA`` keeps the answers of the version in CHECKOUT, to
24 images of each class of DATA's Validation split; ``compare OLD NEW`` lists what differs and ends with 1
where something does. What may differ between two runs of one version (dates, seconds, folders, commits) is
left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

IMAGES = 24
ALTERNATING = re.compile(
    r"\b[0-9a-f]{40}\b|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?"
    r"|\d+(\.\d+)? (s|seconds|minutes|a second)\b"
)
"""Commits, dates and times."""


def main() -> int:
    """Records or compares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("record")
    one.add_argument("checkout", type=Path)
    one.add_argument("folder", type=Path)
    one.add_argument("data", type=Path)
    two = kinds.add_parser("compare")
    two.add_argument("old", type=Path)
    two.add_argument("new", type=Path)
    options = parser.parse_args()
    if options.kind == "record":
        record(options.checkout.resolve(), options.folder.resolve(), options.data.resolve())
        return 0
    return compare(options.old, options.new)


def record(checkout: Path, folder: Path, data: Path) -> None:
    """Writes one text file for each question into ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        sample, pictures = Path(temporary) / "sample", Path(temporary) / "photos"
        draw_sample(data, sample, pictures)

        def ask(name: str, *words: str) -> str:
            out = run(checkout, Path(temporary), *words)
            (folder / f"{name}.txt").write_text(plain(out, temporary, str(checkout)), encoding="utf-8")
            return out

        photos = sorted(map(str, pictures.iterdir()))
        helps = ask("help", "--help")
        for command in re.findall(r"^    (\w+)\b", helps, re.MULTILINE):
            ask(f"help {command}", command, "--help")
        for name, words in {
            "predict json": ["predict", *photos, "--json"],
            "predict csv": ["predict", *photos, "--csv"],
            "predict stress": ["predict", *photos[:3], "--stress", "--json"],
            "predict refused": ["predict", str(sample / "manifest.csv"), "nothing-here.jpg", "--json"],
            "data json": ["data", str(sample), "--json"],
            "data audit": ["data", str(sample), "--audit", "--json"],
            "robustness": ["robustness", str(sample), "--images", "16", "--kind", "blur", "--kind", "jpeg"],
        }.items():
            ask(name, *words)
        for model in ("faces", "openforensics"):
            place = str(Path(temporary) / f"{model}.json")
            scores = str(Path(temporary) / f"{model}.csv")
            ask(f"evaluate {model}", *("evaluate", str(sample), "--model", model, "--json", place))
            (folder / f"evaluate {model} json.txt").write_text(
                plain(Path(place).read_text(encoding="utf-8"), temporary, str(checkout)), encoding="utf-8"
            )
            run(checkout, Path(temporary), *("evaluate", str(sample), "--model", model, "--scores", scores))
        files = [str(Path(temporary) / f"{model}.csv") for model in ("faces", "openforensics")]
        ask("compare", "compare", *files)
        report = Path(temporary) / "report.html"
        ask("report", "report", photos[0], "--html", str(report))
        (folder / "report html.txt").write_text(
            plain(report.read_text(encoding="utf-8"), temporary, str(checkout)), encoding="utf-8"
        )
        (folder / "openapi.txt").write_text(openapi(checkout, Path(temporary)), encoding="utf-8")


def draw_sample(data: Path, sample: Path, pictures: Path) -> None:
    """A small data set with a manifest-free layout, and the photographs that lie beside it."""
    for label in ("Fake", "Real"):
        files = [
            file
            for file in (data / "openforensics" / "Validation" / label).rglob("*")
            if file.suffix.lower() in (".jpg", ".png")
        ]
        chosen = sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).hexdigest())[:IMAGES]
        (sample / "Validation" / label).mkdir(parents=True)
        for file in chosen:
            shutil.copy(file, sample / "Validation" / label / file.name)
    pictures.mkdir()
    for file in sorted((data / "photos").glob("*.jpg"))[:8]:
        shutil.copy(file, pictures / file.name)


def run(checkout: Path, temporary: Path, *words: str) -> str:
    """Both streams of a command, and its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "deepfake", *words],
        cwd=checkout,
        env=environment(temporary),
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {done.returncode}\n{done.stdout}\n--- errors\n{done.stderr}"


def environment(temporary: Path) -> dict[str, str]:
    """The process's own, with caches that start empty and lines of one width."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEEPFAKE_")}
    return {**own, "DEEPFAKE_CACHE": str(temporary / "cache"), "COLUMNS": "100"}


def openapi(checkout: Path, temporary: Path) -> str:
    """The document that a server of this version hands out."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "deepfake", "serve", "--port", str(port)],
        cwd=checkout,
        env=environment(temporary),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1500):
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/api/v1/openapi.json", timeout=5
                ) as answer:
                    return json.dumps(json.load(answer), indent=1, sort_keys=True)
            except OSError:
                time.sleep(0.2)
        raise SystemExit("The server did not come up.")
    finally:
        server.terminate()
        server.wait(20)


def plain(text: str, *folders: str) -> str:
    """A text without what differs from run to run."""
    for place in folders:
        text = text.replace(place, "FOLDER")
    return ALTERNATING.sub("VARYING", text)


def compare(old: Path, new: Path) -> int:
    """Prints, file by file, what is only in one of two records; 1 where anything is."""
    names = sorted({path.name for path in (*old.glob("*.txt"), *new.glob("*.txt"))})
    differing = 0
    for name in names:
        before, after = (read(place / name) for place in (old, new))
        if same(before, after):
            continue
        differing += 1
        print(f"== {name.removesuffix('.txt')}")
        first, second = before.splitlines(), after.splitlines()
        for line in [line for line in first if line not in second][:20]:
            print(f"- {line[:300]}")
        for line in [line for line in second if line not in first][:20]:
            print(f"+ {line[:300]}")
    print(f"{len(names) - differing} of {len(names)} answers are the same.")
    return 1 if differing else 0


def read(path: Path) -> str:
    """A recorded answer; empty where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def same(before: str, after: str) -> bool:
    """Equal, numbers within a millionth (sums in another order)."""
    if before == after:
        return True
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    if number.sub("N", before) != number.sub("N", after):
        return False
    pairs: list[tuple[Any, Any]] = list(zip(number.findall(before), number.findall(after), strict=True))
    return all(abs(float(a) - float(b)) <= 1e-6 + 1e-6 * abs(float(a)) for a, b in pairs)


if __name__ == "__main__":
    sys.exit(main())
