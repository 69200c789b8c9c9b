"""A slider that buttons can set too, without Streamlit's warning of two values for one slider."""

from __future__ import annotations

import streamlit as st

_SET = "set-by-button"


def set_value(key: str, value: float) -> None:
    """Gives a slider that is drawn later in this run another value."""
    st.session_state[key] = value
    st.session_state[f"{key}-{_SET}"] = True


def start_value(key: str, value: float) -> float | None:
    """What to pass as the slider's ``value``: nothing in the run in which ``set_value`` gave it one."""
    return None if st.session_state.pop(f"{key}-{_SET}", False) else value
