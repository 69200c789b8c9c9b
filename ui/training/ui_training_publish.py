"""The page Training's button that makes a run a detector, and how that goes."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from deepfake.detection.card import model_names
from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.run_publishing import publishing_state
from deepfake.runs.runs import Run
from deepfake.util.run_spawn import log_tail
from deepfake.util.text import plain_name
from ui.page import plain


def show_publish_button(run: Run, attempt: Callable[..., None]) -> None:
    """Asks for a name; ``attempt`` starts the publishing and keeps what is refused."""
    going_on = publishing_state(run.folder).code == "going_on"
    with st.popover("Publish as detector", icon=":material/publish:", disabled=going_on):
        st.write(
            "The kept network is calibrated on the validation images and can then be chosen on every page."
        )
        name = st.text_input("Name of the detector", run.name, key="publish-name", max_chars=80)
        description = st.text_input(
            "What it is for", key="publish-words", max_chars=300, placeholder="One sentence for its card"
        )
        try:
            plain_name(name)
            sound = True
        except UserError as error:
            st.error(plain(error.message))
            sound = False
        if name in model_names():
            st.warning(f"There is a detector {plain(name)} already; it will be replaced.")
        st.button(
            "Publish", type="primary", key="publish", disabled=not sound,
            on_click=attempt, args=(runs.launch_publishing, run.name, name, description),
        )  # fmt: skip


def show_publishing(run: Run) -> None:
    """How the publishing goes, or which of the run's networks is a detector."""
    state = publishing_state(run.folder)
    if state.code == "going_on":
        tail = log_tail(run.folder / runs.PUBLISH_LOG_FILE, 1)
        st.info(f"Publishing as {plain(state.detector)}. {plain(tail)}", icon=":material/hourglass_top:")
    elif state.code == "done":
        words = f"Published as the detector {plain(state.detector)}"
        later = [epoch for epoch in run.history.epochs if epoch["time"] > state.time]
        if later or run.state.active:
            after = later[0]["epoch"] - 1 if later else len(run.history.epochs)
            st.caption(f"{words} after epoch {after}. What the run learns from then on is not in it.")
        else:
            st.success(f"{words}. It can be chosen on every page.", icon=":material/check:")
    elif state.code == "failed":
        st.error(f"Publishing failed. {plain(state.message)}", icon=":material/error:")
