"""A process of a distributed run other than 0: it takes its share of every batch and keeps nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from deepfake.dataset import DatasetIndex
from deepfake.errors import UserError
from deepfake.group import Group, check_jax, samples_digest
from deepfake.lines import JOIN_SECONDS, Line, Place, leave
from deepfake.recipes import Recipe


class Follower(Group):
    """A process other than 0.

    Raises:
        UserError: code ``no_leader``: process 0 was not found.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        deadline = time.monotonic() + JOIN_SECONDS
        while True:
            try:
                connection = socket.create_connection((place.host, place.port), timeout=10.0)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise UserError(
                        "no_leader",
                        f"Process 0 was not found at {place.host}:{place.port} within {JOIN_SECONDS:.0f} "
                        f"seconds ({error}). Start it with --process 0, and check the address.",
                    ) from error
                time.sleep(0.5)
        self._line = Line(connection)
        self._line.tell(process=place.process, processes=place.processes)
        self._epochs: list[int] = []
        self._told = threading.Condition()
        self._left = False

    def recipe(self) -> dict[str, Any]:
        """What process 0 trains by."""
        return self._word()["recipe"]

    def begin(self, digest: str) -> None:
        """Joins the others in JAX; from now on this process ends when process 0 does."""
        self._line.tell(digest=digest)
        port = self._word()["port"]
        threading.Thread(target=self._listen, daemon=True).start()
        self._start_jax(port)

    def next_epoch(self) -> int:
        """Waits until process 0 begins an epoch."""
        with self._told:
            self._told.wait_for(lambda: self._epochs)
            return self._epochs.pop(0)

    def leave(self, sentence: str) -> None:
        """Tells process 0 why this one ends."""
        self._left = True
        self._line.tell(end=sentence)
        self._line.close()

    def _word(self) -> dict[str, Any]:
        word = self._line.hear() or {}
        if not {"recipe", "port"} & word.keys():
            raise UserError("no_leader", word.get("end", "Process 0 has ended, so this process ends too."))
        return word

    def _listen(self) -> None:
        while "epoch" in (word := self._line.hear() or {}):
            with self._told:
                self._epochs.append(word["epoch"])
                self._told.notify()
        if self._left:
            return
        # It keeps nothing, and its main thread may be waiting for others that are gone.
        sentence = word.get("end", "Process 0 has ended without a word, so this process ends too.")
        leave(sentence, 0 if word.get("well") else 1)


def follow(data: DatasetIndex, place: Place, say: Callable[[str], None]) -> None:
    """Trains along with process 0, whose recipe it takes, until that one ends; then ends this process.

    Args:
        data: the same data set as that of process 0, wherever it lies.
        place: of this process.
        say: takes lines for the person who waits.

    Raises:
        UserError: what process 0 says against it, and what ``training.train`` raises.
    """
    check_jax()
    from deepfake.epochs import epoch_batches, fit_epoch, networks
    from deepfake.landmarks import read_landmarks
    from deepfake.sampling import epoch_samples
    from deepfake.training_data import prepared

    follower = Follower(place)
    try:
        recipe = Recipe.from_dict(follower.recipe())
        training, _ = prepared(data, recipe)
        landmarks = read_landmarks(training.root) if recipe.blended else {}
        follower.begin(samples_digest(epoch_samples(training, recipe, 0, landmarks), training.root))
        model, _, _, steps = networks(training, recipe, resume=True, group=follower)
        follower.spread(model)
        say(f"Process {place.process} follows {place.host}:{place.port}: {steps} steps an epoch.")
        while True:
            epoch = follower.next_epoch()
            say(f"epoch {epoch + 1}/{recipe.epochs}")
            batches = epoch_batches(training, recipe, epoch, landmarks, follower)
            fit_epoch(model, batches, [], follower)
    except BaseException as error:
        if not isinstance(error, UserError | KeyboardInterrupt):
            time.sleep(5.0)  # an error because process 0 has ended is said, and ends this one, meanwhile
        follower.leave(
            f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else error.message
        )
        raise
