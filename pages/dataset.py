"""Dataset: what is in a data set, what is wrong with it, and how training varies its pictures."""

from __future__ import annotations

import streamlit as st

from ui.dataset.audit import show_audit
from ui.dataset.gallery import show_pictures
from ui.dataset.overview import (
    ask_for_data_set,
    open_inventory,
    show_augmentations,
    show_notes,
    show_overview,
)
from ui.page import show_tabs, start_page


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
    show_tabs(
        {
            "Overview": lambda: show_overview(inventory),
            "Pictures": lambda: show_pictures(inventory),
            "Audit": lambda: show_audit(inventory),
            "Augmentations": lambda: show_augmentations(inventory),
        }
    )


main()
