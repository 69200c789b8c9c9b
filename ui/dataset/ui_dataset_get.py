"""The page Dataset's ways to a data set where there is none: drawn, pointed to, or fetched."""

from __future__ import annotations

import streamlit as st

from deepfake.data.sets import fetch_kaggle, make_demo
from deepfake.settings import DEMO_EXPLANATION, VARIABLE, is_demo
from deepfake.util.jobs import start_job
from ui.jobs import show_job
from ui.page import plain

DEMO_JOB, KAGGLE_JOB = "demo", "kaggle"


def show_empty_state() -> None:
    if is_demo():
        st.info(plain(DEMO_EXPLANATION), icon=":material/info:")
        return
    with st.container(border=True):
        st.markdown("**There is no data set yet.** Three ways to one:")
        offer_demo()
        st.markdown(
            f"**Point to a folder.** Whoever runs the app starts it with the environment variable "
            f"`{VARIABLE}` set to the folder that holds the data sets (several, separated as in `PATH`). "
            "Understood are `Train`, `Validation` and `Test` with `Fake` and `Real` inside, `Fake` and "
            "`Real` alone, and a `manifest.csv` with path, split and label."
        )
        offer_kaggle()


def offer_demo() -> None:
    st.markdown(
        "**Draw a small one.** 480 drawn faces, plainly no photographs; a small network learns them in "
        "about a minute. On the command line:"
    )
    st.code("python -m deepfake demo DIR", language="bash")
    if st.button("Draw the demo set", icon=":material/draw:", key="draw-demo"):
        start_job(DEMO_JOB, "Drawing", lambda report, stopped: make_demo(report))
    show_job(DEMO_JOB, "drawings", can_stop=False)


def offer_kaggle() -> None:
    st.markdown(
        "**Fetch the set from Kaggle** (manjilkarki/deepfake-and-real-images, close to 2 GB; research use). "
        "It needs a connection and the package `kagglehub`."
    )
    if st.button("Fetch from Kaggle", icon=":material/download:", key="fetch-kaggle"):
        start_job(KAGGLE_JOB, "Fetching from Kaggle", lambda report, stopped: fetch_kaggle())
    show_job(KAGGLE_JOB, "files", can_stop=False)
