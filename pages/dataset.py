"""Dataset: what is in a data set, what is wrong with it, and how training varies its pictures."""

from __future__ import annotations

import streamlit as st

from ui.dataset import audit, gallery, overview
from ui.page import show_tabs, start_page


def main() -> None:
    start_page("Dataset")
    st.write("What is in a dataset of faces, and what is wrong with it? A detector learns whatever is there.")
    folder = overview.ask_for_data_set()
    if folder is None:
        return
    inventory = overview.open_inventory(folder)
    if inventory is None:
        return
    overview.show_notes(inventory)
    tabs = {
        "Overview": lambda: overview.show(inventory),
        "Images": lambda: gallery.show(inventory),
        "Audit": lambda: audit.show(inventory),
        "Augmentations": lambda: overview.show_augmentations(inventory),
    }
    former = {"Pictures": "Images"}
    show_tabs(tabs, former=former)


main()
