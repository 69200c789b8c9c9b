"""A detector's held-out images with their facts, read once for all visitors and pages."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from deepfake.detection.card import Card

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    from deepfake.evaluation.records import Recorded
    from deepfake.slices.held_out import HeldOut
    from deepfake.slices.table import Slice


def held_out_of(card: Card, evaluations: Sequence[Recorded]) -> tuple[HeldOut, list[Slice]]:
    """A detector's held-out images with their facts, and their slices; read once for all visitors."""
    from deepfake.slices.held_out import facts_path, kept_facts_path

    def changed(recorded: Recorded) -> tuple[Any, ...]:
        places = [facts_path(recorded)]
        with contextlib.suppress(OSError):
            places.append(kept_facts_path(recorded))
        return tuple(map(written, (recorded.scores, *places)))

    return _held_out(tuple(evaluations), tuple(changed(each) for each in evaluations), card.version)


# Shared, not copied; never changed.
@st.cache_resource(
    max_entries=12, show_spinner="Reading scores", hash_funcs={"deepfake.evaluation.records.Recorded": repr}
)
def _held_out(
    evaluations: tuple[Recorded, ...], changed: tuple[Any, ...], card_version: str
) -> tuple[HeldOut, list[Slice]]:
    from deepfake.slices.held_out import held_out
    from deepfake.slices.table import slices_of

    held = held_out(evaluations)
    return held, slices_of(held.table) if len(held) else []


def written(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
