"""Dataset: what is in a data set, what is wrong with it, and how training varies its pictures."""

from __future__ import annotations

import streamlit as st

from ui import start_page
from ui_dataset import ask_for_data_set, open_inventory, show_notes, show_overview
from ui_dataset_audit import show_audit
from ui_dataset_gallery import show_pictures
from ui_dataset_preview import show_augmentations

TABS = ["Overview", "Pictures", "Audit", "Augmentations"]


def main() -> None:
    start_page("Dataset")
    st.write(
        "What is in a data set of faces, and what is wrong with it? A detector learns whatever is there."
    )
    folder = ask_for_data_set()
    if folder is None:
        return
    inventory = open_inventory(folder)
    if inventory is None:
        return
    show_notes(inventory)
    overview, pictures, audit, augmentations = st.tabs(TABS, key="tab", bind="query-params")
    # Only the open tab is drawn: the others cost nothing.
    if overview.open:
        with overview:
            show_overview(inventory)
    if pictures.open:
        with pictures:
            show_pictures(inventory)
    if audit.open:
        with audit:
            show_audit(inventory)
    if augmentations.open:
        with augmentations:
            show_augmentations(inventory)


main()
