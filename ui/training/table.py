"""The page Training's table: all runs, overlaid curves, differing settings, rename and delete."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.figures import overlay_figure
from deepfake.runs.runs import Run
from deepfake.runs.table import differing_settings, runs_table
from ui.charts import chart, download_later
from ui.page import escape_markdown, main_button
from ui.training.run import COMPLAINT, attempt

TITLES = {
    "run": "Run",
    "state": "State",
    "recipe": "Recipe",
    "data": "Data",
    "started": "Started (UTC)",
    "minutes": "Minutes",
    "epochs": "Epochs",
    "best_epoch": "Best epoch",
    "roc_auc": "ROC AUC, clean",
    "roc_auc_perturbed": "ROC AUC, perturbed",
    "accuracy": "Accuracy, clean",
    "accuracy_perturbed": "Accuracy, perturbed",
}
FIRST = ("run", "state", "roc_auc", "accuracy")
"""What a phone shows of the table, which scrolls."""
OVERLAYS = {
    "Training loss": "train_loss",
    "Validation loss": "loss",
    "Validation accuracy": "accuracy",
    "Validation ROC AUC": "roc_auc",
}


def show(runs: list[Run]) -> None:
    """The table; picked rows are compared, one picked row can be renamed or deleted."""
    table = runs_table(runs)
    shares = st.column_config.NumberColumn(format="%.3f", width=90)
    event = st.dataframe(
        table.rename(columns=TITLES),
        hide_index=True,
        placeholder="-",
        on_select="rerun",
        selection_mode="multi-row",
        key="picked",
        column_order=[TITLES[name] for name in (*FIRST, *(name for name in TITLES if name not in FIRST))],
        column_config={
            TITLES["state"]: st.column_config.TextColumn(width=90),
            **{TITLES[name]: shares for name in TITLES if name.startswith(("roc_auc", "accuracy"))},
            TITLES["started"]: st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )
    rows = [row for row in event["selection"]["rows"] if row < len(runs)]
    picked = [runs[row] for row in rows]
    st.caption("Select runs to compare curves and settings.")
    download_later("All runs as CSV", lambda: table, "runs")
    complaint = st.session_state.get(COMPLAINT)
    if complaint:
        st.error(escape_markdown(complaint), icon=":material/error:")
    if len(picked) == 1:
        show_one(picked[0])
    if picked:
        show_overlay(picked)


def show_one(run: Run) -> None:
    """What can be done with a single run."""
    with st.container(horizontal=True):
        st.button("Open", icon=":material/visibility:", on_click=watch, args=(run.name,), key="open")
        if not runs.training_allowed() or run.state.active or run.recorded:
            return
        with st.popover("Rename", icon=":material/edit:"):
            name = st.text_input("New name", run.name, max_chars=80, key=f"rename-{run.name}")
            main_button("Rename", on_click=rename, args=(run.name, name), key="rename")
        if st.button("Delete", icon=":material/delete:", key="delete"):
            ask_before_deleting(run.name)


def watch(name: str) -> None:
    st.session_state["run"], st.session_state["tab"] = name, "Watch"


def rename(name: str, new: str) -> None:
    attempt(runs.rename, name, new)
    if st.session_state.get("run") == name:
        st.session_state["run"] = new


@st.dialog("Delete this run?")
def ask_before_deleting(name: str) -> None:
    """Asks; nothing is brought back afterwards."""
    st.write(
        f"The run {escape_markdown(name)} with its curves and its saved network will be deleted permanently. "
        f"Detectors published from it stay."
    )
    with st.container(horizontal=True):
        if main_button("Delete", key="delete-sure"):
            attempt(runs.delete, name)
            st.rerun()
        if st.button("Keep the run", key="delete-not"):
            st.rerun()


def show_overlay(picked: list[Run]) -> None:
    """Curves of the picked runs in one chart, and their differing settings."""
    choice = st.segmented_control(
        "Compare", list(OVERLAYS), default="Validation ROC AUC", key="overlay", required=True
    )
    histories = {run.name: run.history for run in picked}
    names = ", ".join(histories)
    chart(overlay_figure(histories, OVERLAYS[str(choice)], 0.9), f"overlay {choice}", f"{choice} of {names}")
    st.caption("Validation numbers are for perturbed images where measured, otherwise for clean ones.")
    if len(picked) < 2:
        return
    differing = differing_settings([run.folder for run in picked])
    st.markdown("**Settings that differ**")
    if differing.empty:
        st.write("None.")
        return
    shown = differing.rename_axis("Setting").reset_index()
    st.dataframe(shown, hide_index=True)
    download_later("Differing settings as CSV", lambda: pd.DataFrame(shown), "settings")


def opened_runs() -> list[Run]:
    """All runs that can be opened; one that vanishes meanwhile is left out."""
    found = []
    for name in runs.shown_names():
        try:
            found.append(runs.open_run(name))
        except UserError:
            continue
    return found
