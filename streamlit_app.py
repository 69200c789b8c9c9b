"""The front door: ``streamlit run streamlit_app.py``. Lists the pages, nothing else."""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from ui.page import NAVIGATED, PAGES

# No icons here: Streamlit fetches a page's Material icon for the browser's tab from fonts.gstatic.com.
FIRST, *OTHERS = PAGES.items()
SHOWN = [
    st.Page(FIRST[0], title=FIRST[1], url_path="home", default=True),
    *(st.Page(path, title=title, url_path=PurePath(path).stem) for path, title in OTHERS),
]
# The first page lives at /; this keeps its deep link /check alive.
ALIASES = [st.Page(FIRST[0], title=FIRST[1], url_path="check", visibility="hidden")]

st.session_state[NAVIGATED] = True
st.navigation([*SHOWN, *ALIASES], position="top").run()
