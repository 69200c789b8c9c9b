"""The front door: ``streamlit run streamlit_app.py``. Lists the pages, nothing else."""

from __future__ import annotations

import streamlit as st

# No icons here: Streamlit fetches a page's Material icon for the browser's tab from fonts.gstatic.com.
PAGES = [
    st.Page("pages/check.py", title="Check an image", url_path="home", default=True),
    st.Page("pages/batch.py", title="Check many", url_path="batch"),
    st.Page("pages/video.py", title="Check a video", url_path="video"),
    st.Page("pages/dataset.py", title="Dataset", url_path="dataset"),
    st.Page("pages/training.py", title="Training", url_path="training"),
    st.Page("pages/evaluation.py", title="Evaluation", url_path="evaluation"),
    st.Page("pages/robustness.py", title="Robustness", url_path="robustness"),
    st.Page("pages/about.py", title="About", url_path="about"),
]
# The first page lives at /; this keeps its deep link /check alive.
ALIASES = [st.Page("pages/check.py", title="Check an image", url_path="check", visibility="hidden")]

st.session_state["navigated"] = True  # see ui.start_page
st.navigation([*PAGES, *ALIASES], position="top").run()
