"""Process 0 of a distributed run: it brings the others together and notices when one ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deepfake.errors import UserError
from deepfake.group import Group, check_jax, jax_module
from deepfake.lines import JOIN_SECONDS, Line, Place, free_port, leave

GRACE_SECONDS = 20.0
"""How long process 0 may stay blocked after another has ended before it ends itself."""


class Leader(Group):
    """Process 0.

    Args:
        place: where it listens.
        say: takes lines for the person who waits.

    Attributes:
        last_word: called with what happened where this process has to be ended from outside its main thread.
    """

    def __init__(self, place: Place, say: Callable[[str], None]) -> None:
        super().__init__(place)
        self.last_word: Callable[[UserError], None] = lambda failure: None
        self._say = say
        self._lines: dict[int, Line] = {}
        self._lost: UserError | None = None
        self._noticed = threading.Event()
        self._closed = False
        self._depends = 0
        """1 while the main thread waits for others, 0 while it works alone."""

    def begin(self, recipe: dict[str, Any], digest: str, batch_size: int) -> None:
        """Waits for the others, gives them the recipe and joins them.

        Args:
            recipe: of the run, as JSON.
            digest: of this process's samples; see ``group.samples_digest``.
            batch_size: of the whole batch.

        Raises:
            UserError: codes ``port_taken``, ``nobody_came``, ``different_data``, ``uneven_devices``,
                ``uneven_batch``, ``process_lost``.
        """
        self._gather()
        for line in self._lines.values():
            line.tell(recipe=recipe)
        for number, line in self._lines.items():
            answer = line.hear()
            if answer is None or "digest" not in answer:
                raise _lost(number, answer)
            if answer["digest"] != digest:
                raise UserError(
                    "different_data",
                    f"Process {number} does not have the same training images, or has another version of "
                    "this program. Give every process the same data set and version.",
                )
        for number, line in self._lines.items():
            threading.Thread(target=self._watch, args=(number, line), daemon=True).start()
        port = free_port(self.place.host)
        for line in self._lines.values():
            line.tell(port=port)
        with self._depending():
            self._start_jax(port)
        self._check_devices(batch_size)

    @contextlib.contextmanager
    def epoch(self, number: int) -> Iterator[None]:
        """Around what all do in an epoch (from 0); the others begin it too.

        Raises:
            UserError: code ``process_lost``: another process has ended.
        """
        if self._lost:
            raise self._lost
        for line in self._lines.values():
            line.tell(epoch=number)
        with self._depending():
            yield

    def spread(self, model: Any) -> None:
        """As ``Group.spread``."""
        with self._depending():
            super().spread(model)

    def loss(self) -> UserError | None:
        """The other process that has ended, after an error that its end may be the reason of."""
        self._noticed.wait(5.0)  # the error may be there before the connection's end is
        return self._lost

    def end(self, sentence: str, *, well: bool) -> None:
        """Tells the others why it is over, and that they end too."""
        self._closed = True
        for line in self._lines.values():
            line.tell(end=sentence, well=well)
            line.close()

    def _gather(self) -> None:
        place, wanted = self.place, self.place.processes - 1
        try:
            server = socket.create_server((place.host, place.port))
        except OSError as error:
            raise UserError(
                "port_taken",
                f"Process 0 cannot listen at {place.host}:{place.port} ({error.strerror}). Give an "
                "address of the machine that it runs on and a free port.",
            ) from error
        deadline = time.monotonic() + JOIN_SECONDS
        if wanted:
            self._say(
                f"Waiting for {wanted} more of {place.processes} processes at {place.host}:{place.port}."
            )
        with server:
            while len(self._lines) < wanted:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    connection, _ = server.accept()
                except TimeoutError as error:
                    raise UserError(
                        "nobody_came",
                        f"Only {len(self._lines)} of {wanted} other processes came to "
                        f"{place.host}:{place.port} within {JOIN_SECONDS:.0f} seconds. Start the same "
                        "command with --process 1 and up.",
                    ) from error
                self._welcome(connection)

    def _welcome(self, connection: socket.socket) -> None:
        """Takes in a process that says who it is; a stranger does not keep the others waiting."""
        line = Line(connection)
        connection.settimeout(10.0)
        word = line.hear() or {}
        connection.settimeout(None)
        number = word.get("process")
        number = number if isinstance(number, int) else 0
        if word.get("processes") != self.place.processes or not 0 < number < self.place.processes:
            line.tell(end=f"Process 0 expects --processes {self.place.processes}, numbered from 0.")
            line.close()
        elif number in self._lines:
            line.tell(end=f"There is a process {number} already. Each needs a --process of its own.")
            line.close()
        else:
            self._lines[number] = line
            self._say(f"Process {number} has come.")

    def _check_devices(self, batch_size: int) -> None:
        each = np.bincount([device.process_index for device in jax_module().devices()])
        if len(set(each.tolist())) > 1:
            raise UserError(
                "uneven_devices",
                f"The processes have {', '.join(map(str, each))} devices. Each needs the same number.",
            )
        if batch_size % each.sum():
            raise UserError(
                "uneven_batch",
                f"A batch of {batch_size} images cannot be shared evenly among {each.sum()} devices. "
                "Choose another --batch-size.",
            )

    @contextlib.contextmanager
    def _depending(self) -> Iterator[None]:
        self._depends = 1
        try:
            yield
        finally:
            self._depends = 0

    def _watch(self, number: int, line: Line) -> None:
        word = line.hear()
        if self._closed:
            return
        self._lost = self._lost or _lost(number, word)
        self._noticed.set()
        blocked = 0.0
        while blocked < GRACE_SECONDS:  # what the main thread waits for mostly fails by itself
            time.sleep(1.0)
            blocked = blocked + 1.0 if self._depends else 0.0
            if self._closed:
                return
        self.last_word(self._lost)
        self.end(self._lost.message, well=False)
        leave(f"deepfake: {self._lost.message}", 1)


@contextlib.contextmanager
def leading(place: Place | None, say: Callable[[str], None]) -> Iterator[Leader | None]:
    """Process 0 of a distributed run, or None for a run of one process; at its end the others end.

    Raises:
        UserError: codes ``no_jax``, ``not_jax``.
    """
    if place is None:
        yield None
        return
    check_jax()
    leader = Leader(place, say)
    well, sentence = False, "Process 0 was ended by an error, so this process ends too."
    try:
        yield leader
        well, sentence = True, "The run has ended; its folder lies where process 0 ran."
    except UserError as error:
        sentence = error.message
        raise
    except KeyboardInterrupt:
        sentence = "Process 0 was stopped, so this process ends too."
        raise
    finally:
        leader.end(sentence, well=well)


def _lost(number: int, word: dict[str, Any] | None) -> UserError:
    reason = str((word or {}).get("end", "it was killed, or its machine is gone"))
    return UserError(
        "process_lost",
        f"Process {number} has ended ({reason.rstrip('.')}), so the run could not go on. Start all processes "
        "again with --resume to go on after the last whole epoch.",
    )
