"""What a run will take on this machine, in four numbers and a sentence."""

from __future__ import annotations

import streamlit as st

from deepfake.runs.estimate import Estimate
from deepfake.util.text import format_duration
from ui.charts import card_places


def show_estimate(estimate: Estimate) -> None:
    """Images, steps, time and memory."""
    with st.container(border=True):
        images, steps, time, memory = card_places(4)
        images.metric("Images", f"{estimate.train_images:,}", help="For training, without exact duplicates.")
        steps.metric("Steps", f"{estimate.steps_per_epoch * estimate.epochs:,}")
        time.metric("Time, about", format_duration(estimate.seconds))
        memory.metric("Memory", f"{estimate.memory_mb / 1024:.1f} GB")
        st.caption(
            f"{estimate.epochs} epochs of {estimate.steps_per_epoch:,} steps at "
            f"{estimate.seconds_per_step:.2f} s, each followed by {estimate.validation_images:,} "
            f"validation images ({format_duration(estimate.seconds_per_validation)}); "
            f"{estimate.parameters:,} parameters; the run's folder will take {estimate.disk_mb:,.0f} MB. "
            "Measured under the machine's current load."
        )
