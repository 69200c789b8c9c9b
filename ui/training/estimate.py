"""What a run will take on this machine, in four numbers and a sentence."""

from __future__ import annotations

import streamlit as st

from deepfake.runs.estimate import Estimate
from deepfake.util.text import format_duration
from ui.charts import card_places


def show_estimate(found: Estimate) -> None:
    """Images, steps, time and memory."""
    with st.container(border=True):
        images, steps, time, memory = card_places(4)
        images.metric("Images", f"{found.train_images:,}", help="For training, without exact duplicates.")
        steps.metric("Steps", f"{found.steps_per_epoch * found.epochs:,}")
        time.metric("Time, about", format_duration(found.seconds))
        memory.metric("Memory", f"{found.memory_mb / 1024:.1f} GB")
        st.caption(
            f"{found.epochs} epochs of {found.steps_per_epoch:,} steps at {found.seconds_per_step:.2f} s, "
            f"each followed by {found.validation_images:,} validation images "
            f"({format_duration(found.seconds_per_validation)}); {found.parameters:,} parameters; the run's "
            f"folder will take {found.disk_mb:,.0f} MB. Measured under the machine's current load."
        )
