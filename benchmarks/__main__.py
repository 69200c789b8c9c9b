"""``python -m benchmarks [--json FILE]``: all comparisons in one run, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> None:
    """Runs all comparisons; the table is the one in README.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    options = parser.parse_args()
    from benchmarks.table import browser, folder, shell

    results = [*shell.run(), *browser.run(), *folder.run()]
    for result in results:
        print(f"{result.name}: {result.details}")
    print("\n| what | ours | baseline | ratio | images a second |\n| --- | --- | --- | --- | --- |")
    for result in results:
        rate = f"{result.images / result.ours:.1f}" if result.images else ""
        print(
            f"| {result.name} | {result.ours:.2f} s | {result.theirs:.2f} s | {result.ratio:.1f} | {rate} |"
        )
    print(
        f"\nMemory of the server: {browser.memory['first']:.0f} MB after its first verdict, "
        f"{browser.memory['last']:.0f} MB after {browser.UPLOADS}."
    )
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
