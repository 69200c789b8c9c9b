"""The page and the HTTP interface in one process: ``streamlit run ui_with_api.py``.

One detector in memory serves both. The interface alone: ``python -m deepfake serve``.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from deepfake.api.app import Service, key_from_environment

service = Service(key_from_environment())
app = st.App(
    Path(__file__).resolve().parent / "streamlit_app.py", lifespan=service.lifespan, routes=service.routes()
)
