"""Ctrl-C, where a module in C turned it into an error of its own."""

from __future__ import annotations


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C stands behind an error: a module that it stops while it loads raises ImportError."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
