"""Training: start a run, watch it learn, stop, resume, compare runs. Nothing is trained in this process."""

from __future__ import annotations

import streamlit as st

from deepfake.errors import UserError
from deepfake.runs.runs import run_names, shown_names
from ui.address import say_unknown
from ui.page import escape_markdown, section, show_tabs, start_page
from ui.training import first, form, run, table


def main() -> None:
    start_page("Training")
    st.write(
        "Train a detector and watch it learn. Runs continue in the background, even if you close this page "
        "or restart the server."
    )
    if started := first.started_run():
        st.session_state["run"], st.session_state["tab"] = started, "Watch"
    names = shown_names()
    tabs = {"Watch": lambda: show_watch(names), "New run": show_new, "All runs": lambda: show_all(names)}
    say_unknown("run", names, "a run")
    show_tabs(tabs)


def show_watch(names: list[str]) -> None:
    if not run_names():
        first.show()
    if not names:
        show_empty_state()
        return
    if st.session_state.get("run") not in (None, *names):
        st.session_state["run"] = names[0]  # renamed or deleted
    name = st.selectbox("Run", names, key="run", bind="query-params", on_change=forget_complaint)
    try:
        run.show(name)
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")


def show_new() -> None:
    first.show()
    section("Choose every setting yourself")
    form.show()


def show_all(names: list[str]) -> None:
    if names:
        table.show(table.opened_runs())
    else:
        show_empty_state()


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**No run yet.** Start one under New run, or in a terminal:")
        st.code("python -m deepfake train DATA --run my-first-run", language="bash", wrap_lines=True)


def forget_complaint() -> None:
    st.session_state.pop(run.COMPLAINT, None)


main()
