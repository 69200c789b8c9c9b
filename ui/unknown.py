"""Links that name what is not here: said in a line, where a widget would show its first option in silence."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st


def say_unknown(key: str, options: Collection[str], what: str) -> None:
    """Says that the address names no option; call it before the widget, which takes the name out.

    Args:
        key: the widget's, in the address.
        options: what can be named.
        what: is chosen, with its article; what the link says is not repeated, as a stranger may have made it.
    """
    asked = st.query_params.get_all(key)
    if any(each not in options for each in asked):
        st.info(f"The link names {what} that is not here; the default is shown.", icon=":material/link_off:")
