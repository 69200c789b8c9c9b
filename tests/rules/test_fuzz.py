"""A slice of ``python -m benchmarks.fuzz``: hostile files at both doors. Run that for all 20,000."""

from __future__ import annotations

import random

import pytest

from benchmarks.fuzz.corpus import hostile, seed_files
from benchmarks.fuzz.doors import Report, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning:PIL")


def test_nothing_but_a_refusal_escapes_from_hostile_files() -> None:
    numbers = random.Random(20240229).sample(range(1_000_000), 300)
    report = run(numbers, seed=1)
    assert [fault[:3] for fault in report.faults] == []
    assert report.outcomes["loaded"] > 50
    assert report.outcomes["unreadable"] + report.outcomes["truncated"] > 80
    assert sum(report.outcomes.values()) > 300  # some went through the form too


def test_the_same_number_is_the_same_file() -> None:
    seeds = seed_files()
    assert hostile(17, seeds) == hostile(17, seed_files.__wrapped__())
    assert len({hostile(number, seeds)[1] for number in range(200)}) > 190


def test_a_broken_rule_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report()
    report.note(1, "slow", b"", 3.0, 0.0)
    report.note(2, "large", b"", 0.0, 5000.0)
    assert [fault[0] for fault in report.faults] == [1, 2]

    sound = set(seed_files().values())

    def fail(data: bytes) -> None:
        if data not in sound:
            raise RecursionError

    monkeypatch.setattr("benchmarks.fuzz.doors.load_image", fail)
    found = run([3, 4])
    assert found.outcomes["ESCAPED"] == 2
    assert "RecursionError" in found.faults[0][2]
