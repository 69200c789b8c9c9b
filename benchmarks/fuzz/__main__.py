"""``python -m benchmarks.fuzz [--files 20000]``: hostile pictures, and what came of them."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.fuzz import doors


def main() -> int:
    """Prints what came of the files; exit status 1 where a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=doors.__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first number (to go on, or to repeat one)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="writes the files that broke a rule there")
    options = parser.parse_args()
    start = time.perf_counter()
    report = doors.run(range(options.first, options.first + options.files), options.seed)
    print(f"{options.files:,} hostile files in {time.perf_counter() - start:.0f} s, seed {options.seed}")
    for outcome, count in report.outcomes.most_common():
        print(f"{count:9,} {outcome}")
    print(f"slowest: {report.slowest[0]:.2f} s of processor time ({report.slowest[1]})")
    print(f"largest: {report.largest[0]:.0f} MB ({report.largest[1]})")
    for number, how, what, data in report.faults:
        print(f"FAULT {number} ({how}): {what}")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / str(number)).write_bytes(data)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
