"""Evaluation's tab of kinds: how often the kind of a fake is named, and named rightly."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import Card
from deepfake.detection.text import KIND_WORDS
from deepfake.errors import UserError
from deepfake.evaluation.text.kinds import (
    KINDS_CAUTION,
    KINDS_VIEWS,
    families_sentence,
    kinds_sentence,
    named_sentence,
    real_images_sentence,
)
from ui.charts import ask_for_format, chart, download, number_table
from ui.page import escape_markdown, is_dark, section


def show_kinds(card: Card) -> None:
    """The confusion matrix of kinds on held-out images or left-out generators, and each family's row."""
    from deepfake.evaluation.figures.cells import kinds_figure
    from deepfake.evaluation.kinds import CALLED, CANNOT_TELL, named_rightly, read_kinds

    try:
        kinds = read_kinds(card)
    except UserError as error:
        st.warning(escape_markdown(error.message), icon=":material/info:")
        return
    if kinds is None:
        return
    section("Kind of fake")
    views = [view for view in KINDS_VIEWS if view in kinds.tables]
    view = st.segmented_control(
        "Images", views, format_func=KINDS_VIEWS.__getitem__, default=views[0], key="kinds-of",
        bind="query-params", required=True,
    )  # fmt: skip
    matrix = kinds.tables[view]
    real = real_images_sentence(matrix)
    st.markdown(f"**{escape_markdown(kinds_sentence(named_rightly(matrix), view))}** {escape_markdown(real)}")
    ask_for_format()
    chart(
        kinds_figure(matrix, {**KIND_WORDS, CANNOT_TELL: "cannot tell"}, dark=is_dark()),
        f"kinds {view}",
        f"What images of each kind are called. {kinds_sentence(named_rightly(matrix), view)}",
    )
    st.caption(escape_markdown(f"{KINDS_CAUTION} {named_sentence(kinds.named_from)}"))
    download("Kinds as CSV", matrix.rename_axis("kind").reset_index(), f"kinds {view}")
    section("Generators that were left out")
    st.markdown(escape_markdown(families_sentence(kinds.families)))
    words = {**{name: name.capitalize() for name in CALLED}, "gan": "GAN", "kind": "Kind", "n": "Images"}
    shown = kinds.families.assign(kind=kinds.families["kind"].map(KIND_WORDS.get))
    number_table(
        shown.rename(columns={**words, "generators": "Generators"})
        .set_index("Generators")[[*(words[name] for name in ("n", *CALLED)), "Kind"]]  # numbers beside names
        .astype(str),
        words=["Kind"],
        width="stretch",
        alt="What the fakes of each left-out family of generators are called",
    )
    st.caption("Generators go by the names that their datasets give them.")
    download("Left-out generators as CSV", kinds.families, "kinds left-out generators")
