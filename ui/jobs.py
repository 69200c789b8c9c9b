"""Work that takes longer than a moment: how far it is, and a way to stop it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from deepfake.util.jobs import find_job, forget_job
from ui.page import escape_markdown

LEAVE = "Continues if you leave or reload this page."


def show_job(key: str, unit: str, *, can_stop: bool = True) -> None:
    """How far work is; draws the page anew when it is over. A failure stays until the next start."""
    job = find_job(key)
    if job is None:
        return
    if job.running:
        follow_job(key, unit, verb="Stop" if can_stop else None)
    elif job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    elif job.state == "stopped":
        st.info(
            f"Stopped after {job.done:,} of {job.total:,} {unit}. Finished work is saved; start again to "
            f"continue.",
            icon=":material/info:",
        )
    else:
        forget_job(key)


@st.fragment(run_every=1.0)
def follow_job(
    key: str,
    unit: str,
    *,
    verb: Literal["Stop", "Cancel"] | None = "Cancel",
    note: str = "",
) -> None:
    """How far work under way is, and only this part of the page; the page is drawn anew when it is over.

    Args:
        key: the job's.
        unit: what is counted, in the plural.
        verb: on the button that ends it: ``Stop`` keeps what is done, ``Cancel`` drops it.
        note: a sentence below.
    """
    job = find_job(key)
    if job is None or not job.running:
        st.rerun()
    st.progress(min(job.done / job.total, 1.0) if job.total else 0.0, text=escape_markdown(job.line(unit)))
    if note:
        st.caption(note)
    with st.container(horizontal=True):
        if verb is not None:
            st.button(
                verb, key=f"stop-{key}", on_click=job.stop, disabled=job.stopping,
                icon=":material/close:" if verb == "Cancel" else ":material/stop_circle:",
                help="Finished work is saved" if verb == "Stop" else None,
            )  # fmt: skip
