"""The page Training's views of a run's settings and of what its process said."""

from __future__ import annotations

import streamlit as st

from deepfake.runs import runs
from deepfake.runs.runs import Run
from deepfake.runs.table import settings_table
from deepfake.util.process import log_tail
from deepfake.util.text import format_duration
from ui.page import escape_markdown


def show_settings(run: Run) -> None:
    """The recipe and data set, and what the network is."""
    start = run.history.start
    if start:
        st.markdown(
            f"{start.get('parameters', 0):,} parameters, precision "
            f"{escape_markdown(str(start.get('precision')))}, {start.get('train_images', 0):,} training and "
            f"{start.get('validation_images', 0):,} validation images, {start.get('steps_per_epoch', 0):,} "
            f"steps an epoch. Started {run.history.sessions} "
            f"{'time' if run.history.sessions == 1 else 'times'}, {format_duration(run.history.seconds)} of "
            "work."
        )
    table = settings_table(run.folder)  # values are no Markdown: "-" would be a bullet
    st.dataframe(table, hide_index=True, height="content", alt="The settings of this run")
    summary = run.folder / "summary.txt"
    if summary.is_file():
        with st.expander("Layers of the network"):
            st.code(summary.read_text(encoding="utf-8", errors="replace"), language=None)


def show_log(run: Run) -> None:
    """What the process said, the latest last."""
    text = log_tail(run.folder / runs.LOG_FILE)
    if not text:
        st.info("This run was started in a terminal; its output went there.", icon=":material/terminal:")
        return
    st.code(text, language=None, wrap_lines=True)
    if run.history.damaged:
        st.caption(f"{run.history.damaged} damaged lines of events.jsonl were skipped.")
