"""Tabs whose titles changed: older links still lead to them."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from ui.page import show_tabs

    show_tabs(
        {"Overview": lambda: st.write("first"), "Images": lambda: st.write("second")},
        former={"Pictures": "Images"},
    )


@pytest.mark.parametrize(
    ("tab", "drawn"), [("", "first"), ("Images", "second"), ("Pictures", "second"), ("Nothing", "first")]
)
def test_a_link_opens_its_tab(tab: str, drawn: str) -> None:
    app = AppTest.from_function(page)
    if tab:
        app.query_params["tab"] = tab
    app.run(timeout=30)
    assert not app.exception
    assert [text.value for text in app.markdown] == [drawn]
    assert len(app.info) == (tab == "Nothing")
