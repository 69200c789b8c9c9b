"""Work that takes longer than a moment: how far it is, and a way to stop it."""

from __future__ import annotations

import streamlit as st

from deepfake.util.jobs import find_job, forget_job, job_line
from ui.page import plain


def show_job(key: str, unit: str, *, can_stop: bool = True) -> None:
    """How far work is; draws the page anew when it is over. A failure stays until the next start."""
    job = find_job(key)
    if job is None:
        return
    if job.state == "running":
        follow_job(key, unit, can_stop)
    elif job.state == "failed":
        st.error(plain(job.message), icon=":material/error:")
    elif job.state == "stopped":
        st.info(
            f"Stopped after {job.done:,} of {job.total:,} {unit}. What was done is kept: start again.",
            icon=":material/info:",
        )


@st.fragment(run_every=1.0)
def follow_job(key: str, unit: str, can_stop: bool) -> None:
    job = find_job(key)
    if job is None or job.state != "running":
        if job is not None and job.state == "finished":
            forget_job(key)
        st.rerun()
    st.progress(job.done / job.total if job.total else 0.0, text=job_line(job, unit))
    if can_stop:
        st.button("Stop", icon=":material/stop_circle:", key=f"stop-{key}", on_click=job.stop)
