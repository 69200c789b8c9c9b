"""State that a link carries into a page with widgets bound to the address: the link wins.

On the way from page to page Streamlit drops those parts of a link that are named like a widget bound on the
page being left, and keeps the value that the widget had there. So a link carries each value twice: under the
widget's own name, which a new browser tab reads and keeps, and under one that is no widget's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

PREFIX = "open-"
"""Before a widget's key: the part of the address that no widget is bound to."""


def carry(values: Mapping[str, str], shown: Mapping[str, str] | None = None) -> dict[str, str]:
    """The parts of a link's address that set widgets.

    Args:
        values: the option to choose, by the widget's key.
        shown: the same as the widget shows it, where that differs (``format_func``).
    """
    return {**values, **(shown or {}), **{f"{PREFIX}{key}": value for key, value in values.items()}}


def take_carried(key: str, options: Sequence[str]) -> None:
    """Gives the widget that is drawn next what the link carries for it, once; call it just before.

    Args:
        key: the widget's.
        options: what can be chosen; anything else in the address is passed over.
    """
    value = st.query_params.get(f"{PREFIX}{key}")
    if value is None:
        return
    del st.query_params[f"{PREFIX}{key}"]  # else it would undo what the person chooses next
    if value in options:
        st.session_state[key] = value
