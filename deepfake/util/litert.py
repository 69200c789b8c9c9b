"""LiteRT, the engine that networks are served on: a few megabytes that start in a tenth of a second.

Where it has no wheel for the processor or the Python, TensorFlow carries the same engine.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from deepfake.util.interrupts import was_interrupted
from deepfake.util.tensorflow import import_tensorflow, without_notes

logger = logging.getLogger(__name__)
_engines: list[Any] = []
_lock = threading.Lock()


T = TypeVar("T")
MAX_THREADS = 4
"""Of the processor for one call: more hardly help. Other calls take the other processors."""


class Pool(Generic[T]):
    """As many of what holds an interpreter as there are processors for, each made when it is first needed."""

    def __init__(self, make: Callable[[int], T]) -> None:
        """
        Args:
            make: makes one, told how many threads its interpreter may use.
        """
        count = processors()
        self._make, self._threads = make, min(count, MAX_THREADS)
        self.size = -(-count // self._threads)
        self._free: queue.LifoQueue[T | None] = queue.LifoQueue()
        for _ in range(self.size):
            self._free.put(None)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[T]:
        """One of them, for this thread alone; waits where all are at work."""
        held = self._free.get()
        try:
            held = held or self._make(self._threads)
            yield held
        finally:
            self._free.put(held)


def processors() -> int:
    """Processors that this process may use: all, or as many as ``OMP_NUM_THREADS`` says, which Ray sets."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(here, int(limit)) if limit.isdecimal() and int(limit) else here


def interpreter(content: bytes, threads: int = 1) -> Any:
    """An interpreter of a ``.tflite`` model with its memory allocated; not to be used by two threads at once.

    Args:
        content: the model file's bytes.
        threads: of the processor, for one call.

    Raises:
        ValueError: the bytes are no model.
        RuntimeError: the engine cannot run it.
    """
    with _lock:
        if not _engines:
            engine = _engine()
            with without_notes():  # the engine introduces itself on standard error, once
                made = _allocated(engine, content, threads)
            _engines.append(engine)
            return made
    return _allocated(_engines[0], content, threads)


def _allocated(engine: Any, content: bytes, threads: int) -> Any:
    made = engine(model_content=content, num_threads=threads)
    made.allocate_tensors()
    return made


def _engine() -> Any:
    """The class ``Interpreter``: LiteRT's own, or TensorFlow's."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        logger.warning(
            "LiteRT cannot be used here (%s), so TensorFlow runs the networks: starting takes seconds more. "
            "Where there is a wheel for this machine, 'pip install ai-edge-litert' mends it.",
            error,
        )
        import_tensorflow()
        import tensorflow as tf

        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        return tf.lite.Interpreter
    return Interpreter
