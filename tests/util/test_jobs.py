"""A queue with an end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deepfake.api.app import judge
from deepfake.detection import detector
from deepfake.images.archives import Source
from deepfake.util import jobs
from deepfake.util.jobs import BoundedQueue, Busy, Job, in_order
from tests.support.images import encoded, noise_image


def test_more_than_it_holds_are_told_at_once_and_places_are_freed() -> None:
    queue = BoundedQueue(at_once=2, waiting=3)
    gate, working, most = threading.Event(), [], []

    def work(number: int) -> int:
        with queue.slot():
            working.append(number)
            most.append(len(working))
            gate.wait(20)
            working.remove(number)
        return number

    with ThreadPoolExecutor(5) as threads:
        tasks = [threads.submit(work, number) for number in range(5)]
        while queue._inside < 5 or len(working) < 2:
            pass
        with pytest.raises(Busy, match="5 images") as caught, queue.slot():
            pass
        assert caught.value.code == "busy"
        gate.set()
        assert sorted(task.result(20) for task in tasks) == list(range(5))
    assert max(most) == 2
    with queue.slot():
        assert queue._inside == 1


def test_a_failure_frees_its_place() -> None:
    queue = BoundedQueue(at_once=1, waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), queue.slot():
            raise ValueError("x")


def test_many_in_a_row_fill_one_place_and_a_thread_enters_once() -> None:
    queue, gate, inside = BoundedQueue(at_once=2, waiting=0), threading.Event(), []

    def row() -> None:
        with queue.slot(background=True), queue.slot():
            inside.append(queue._inside)
            gate.wait(20)

    with ThreadPoolExecutor(3) as threads:
        rows = [threads.submit(row) for _ in range(3)]
        while not inside:
            pass
        with queue.slot():  # for who waits: the rows hold one place, and none is refused
            assert queue._inside == 2
        gate.set()
        assert [each.result(20) for each in rows] == [None] * 3
    assert inside == [1, 1, 1]


def test_time_left_goes_by_the_pace_since_the_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now)
    job = Job("Estimating", "building the network", started=0.0)
    assert job.line("steps") == "Estimating: building the network, 2 min so far"
    job._report(1, 11)
    assert job.line("steps") == "Estimating: 1 of 11 steps"
    now = 102.0
    job._report(3, 11)
    assert job.line("steps") == "Estimating: 3 of 11 steps, about 8 s left"
    job._report(2, 4)  # the next stage counts anew
    assert job.line("files") == "Estimating: 2 of 4 files"


def test_a_full_queue_is_a_sentence_beside_the_picture(
    use_tiny_models: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "JUDGING", BoundedQueue(0, 0))
    got = judge(Source("a.png", encoded(noise_image(1))), "tiny", "balanced")
    assert got["error"]["code"] == "busy"
    assert "upload the image again" in got["error"]["message"]


def test_work_in_several_threads_comes_in_order_and_takes_little_ahead() -> None:
    taken, both = [], threading.Barrier(2)

    def numbers():
        for number in range(6):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number < 2:
            both.wait(20)  # two are at work at once
        return number * number

    given = in_order(work, numbers(), 2)
    assert next(given) == 0
    assert len(taken) <= 3
    assert list(given) == [1, 4, 9, 16, 25]


def test_a_failure_comes_at_its_turn_and_the_rest_is_left_undone() -> None:
    done = []

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        done.append(number)
        return number

    given = in_order(work, range(1000), 2)
    assert next(given) == 0
    with pytest.raises(ValueError, match="one"):
        next(given)
    assert len(done) < 10
