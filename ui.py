"""What every page shares: its set-up, and text that is never markup.

A deep link on a fresh server runs a file of ``pages/`` without ``streamlit_app.py``, so each page sets
itself up through this module.
"""

from __future__ import annotations

import re

import streamlit as st
from starlette.formparsers import MultiPartParser

from deepfake.images import MAX_BYTES

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&\"'/=^@])")
ABOUT = (
    "Tells photographs of real faces from deepfakes, and shows how sure it is. "
    "A verdict is a hint from a statistical detector, not a proof."
)


def start_page(title: str) -> None:
    """Sets the browser's title and the layout, and draws the heading; the first call of every page."""
    st.set_page_config(
        page_title=f"{title} - deepfake detector",
        page_icon=":material/frame_inspect:",
        layout="wide",
        menu_items={"About": ABOUT},
    )
    keep_uploads_in_memory()
    st.header(title, anchor=False)


def keep_uploads_in_memory() -> None:
    """Stops the web server from spooling uploads above 1 MB to a temporary file while they arrive."""
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, MAX_BYTES + 2**20)


def plain(text: str) -> str:
    """The text with all markup escaped, for elements that take Markdown.

    Not for what a stranger typed, such as a file's name: addresses and ``:shortcodes:`` are found after
    escaping. ``st.text`` shows those.
    """
    return _MARKUP.sub(r"\\\1", text)
