"""One run on the page Training: how far it is, its views, and what to do with it: stop, resume, publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from deepfake.detection.card import model_names
from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.history import History, headline
from deepfake.runs.progress import divergence_warnings, progress
from deepfake.runs.runs import Run, open_run, publishing_state
from deepfake.runs.state import StateCode
from deepfake.runs.table import run_settings
from deepfake.util.process import log_tail
from deepfake.util.text import plain_name
from ui.charts import card_places
from ui.page import escape_markdown, main_button
from ui.training.curves import show_confusion, show_epoch_curves, show_machine, show_step_curves, show_strip
from ui.training.settings import show_log, show_settings


def show_publish_button(run: Run, attempt: Callable[..., None]) -> None:
    """Asks for a name; ``attempt`` starts the publishing and keeps what is refused."""
    going_on = publishing_state(run.folder).code == "going_on"
    with st.popover("Publish as detector", icon=":material/publish:", disabled=going_on):
        st.write(
            "Calibrates the best network on the validation images; you can then choose it on every page."
        )
        name = st.text_input("Name of the detector", run.name, key="publish-name", max_chars=80)
        description = st.text_input(
            "Description", key="publish-words", max_chars=300, placeholder="One sentence for the model card"
        )
        try:
            plain_name(name)
            sound = True
        except UserError as error:
            st.error(escape_markdown(error.message))
            sound = False
        if name in model_names():
            st.warning(f"There is a detector {escape_markdown(name)} already; it will be replaced.")
        main_button(
            "Publish", key="publish", disabled=not sound,
            on_click=attempt, args=(runs.launch_publishing, run.name, name, description),
        )  # fmt: skip


def show_publishing(run: Run) -> None:
    """How the publishing goes, or which of the run's networks is a detector."""
    state = publishing_state(run.folder)
    if state.code == "going_on":
        tail = log_tail(run.folder / runs.PUBLISH_LOG_FILE, 1)
        st.info(
            f"Publishing as {escape_markdown(state.detector)}. {escape_markdown(tail)}",
            icon=":material/hourglass_top:",
        )
    elif state.code == "done":
        words = f"Published as the detector {escape_markdown(state.detector)}"
        later = [epoch for epoch in run.history.epochs if epoch["time"] > state.time]
        if later or run.state.active:
            after = later[0]["epoch"] - 1 if later else len(run.history.epochs)
            st.caption(f"{words} after epoch {after}. Later epochs are not included.")
        else:
            st.success(f"{words}. It can be chosen on every page.", icon=":material/check:")
    elif state.code == "failed":
        st.error(f"Publishing failed. {escape_markdown(state.message)}", icon=":material/error:")


EVERY_SECONDS = 2
STATE_STYLES: dict[StateCode, tuple[str, str]] = {
    "queued": ("gray", ":material/hourglass_empty:"),
    "starting": ("gray", ":material/hourglass_top:"),
    "running": ("green", ":material/play_arrow:"),
    "stopping": ("gray", ":material/pause:"),
    "finished": ("green", ":material/check:"),
    "stopped": ("gray", ":material/stop:"),
    "diverged": ("red", ":material/trending_up:"),
    "failed": ("red", ":material/error:"),
    "killed": ("red", ":material/power_off:"),
    "damaged": ("red", ":material/broken_image:"),
    "recorded": ("blue", ":material/history:"),
    "fitted": ("green", ":material/check:"),
}
COMPLAINT = "training-complaint"
"""Key in the session's state: what was refused when a button was pressed."""
Drawer = Callable[[Run], None]
VIEWS: dict[str, tuple[Drawer | None, Drawer | None]] = {
    "Curves": (show_step_curves, show_epoch_curves),
    "Confusion matrix": (None, show_confusion),
    "Images": (None, show_strip),
    "Machine": (show_machine, None),
    "Settings": (None, show_settings),
    "Log": (show_log, None),
}
"""What a view draws again every few seconds, and what only a new epoch changes."""


def show(name: str) -> None:
    """One run. State, progress and what follows the steps are drawn again every few seconds while a process
    works on it; the rest of the page only when an epoch ends or the state changes."""
    run = open_run(name)
    every = EVERY_SECONDS if is_busy(run) else None
    st.fragment(show_live, run_every=every)(name, what_the_page_shows(run))
    show_numbers(run.history)
    for warning in divergence_warnings(run.history):
        st.warning(escape_markdown(warning), icon=":material/call_split:")
    if run.state.code == "fitted":  # nothing was trained in steps, so there is nothing to see
        return
    view = st.segmented_control(
        "Show", list(VIEWS), default="Curves", key="view", bind="query-params", required=True
    )
    live, still = VIEWS[str(view)]
    if live is not None:
        st.fragment(show_again, run_every=every)(name, live)
    if still is not None:
        still(run)


def is_busy(run: Run) -> bool:
    return run.state.active or publishing_state(run.folder).code == "going_on"


def what_the_page_shows(run: Run) -> tuple[Any, ...]:
    """Another value: the whole page must be drawn again."""
    return is_busy(run), run.state.code, run.history.sessions, len(run.history.epochs)


def show_live(name: str, shown: tuple[Any, ...]) -> None:
    try:
        run = open_run(name)
    except UserError as error:  # deleted in another tab
        st.info(escape_markdown(error.message), icon=":material/info:")
        return
    if shown != what_the_page_shows(run):
        st.rerun()
    show_state(run)
    show_progress(run)


def show_again(name: str, draw: Drawer) -> None:
    try:
        run = open_run(name)
    except UserError:  # show_live says so
        return
    draw(run)


def show_state(run: Run) -> None:
    """The state in words, what was refused, and the buttons that fit the state."""
    state = run.state
    colour, icon = STATE_STYLES[state.code]
    st.badge(state.word, icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
    st.write(escape_markdown(state.sentence))
    complaint = st.session_state.get(COMPLAINT)
    if complaint:
        st.error(escape_markdown(complaint), icon=":material/error:")
    if runs.training_allowed() and not run.recorded:
        with st.container(horizontal=True):
            if state.stoppable or state.code == "stopping":
                st.button(
                    "Stop", icon=":material/stop:", disabled=state.code == "stopping", key="stop",
                    on_click=attempt, args=(runs.stop, run.name),
                )  # fmt: skip
            if state.resumable:
                main_button("Resume", key="resume", on_click=attempt, args=(runs.resume, run.name))
            if run.history.epochs and not state.active:
                show_publish_button(run, attempt)
    show_publishing(run)


def attempt(action: Callable[..., Any], *arguments: Any) -> None:
    """Does it; what is refused is shown beside the run."""
    st.session_state.pop(COMPLAINT, None)
    try:
        action(*arguments)
    except UserError as error:
        st.session_state[COMPLAINT] = error.message


def show_progress(run: Run) -> None:
    epochs = run_settings(run.folder).get("epochs")
    far = progress(run.history, epochs if isinstance(epochs, int) else 0, active=run.state.active)
    if far is not None:
        st.progress(far.share, text=escape_markdown(far.sentence()))


def show_numbers(history: History) -> None:
    """The headline numbers of the kept network."""
    best = next((epoch for epoch in history.epochs if epoch["epoch"] == history.best_epoch), None)
    if best is None:
        return
    validation = best["validation"]
    shown = [
        ("Best epoch", f"{history.best_epoch}", "The epoch whose network was saved."),
        (
            "AUC, clean",
            f"{validation['clean'].get('roc_auc', float('nan')):.3f}",
            "ROC AUC: how well validation images are ranked, without any threshold. 0.5 is guessing, 1 is "
            "perfect.",
        ),
        (
            "AUC, perturbed",
            f"{headline(best, 'roc_auc'):.3f}" if validation.get("perturbed") else "-",
            "The same on copies with color shifts, noise, blur and compression, as images on the web have "
            "them.",
        ),
        (
            "Accuracy, clean",
            f"{validation['clean'].get('accuracy', float('nan')):.1%}",
            "Validation images called correctly at a threshold of 0.5.",
        ),
    ]
    for place, (title, value, meaning) in zip(card_places(len(shown)), shown, strict=True):
        place.metric(title, value, help=meaning, border=True)
