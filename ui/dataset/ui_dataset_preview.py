"""The page Dataset's augmentations: one picture, as training varies it."""

from __future__ import annotations

import streamlit as st

from deepfake.data.contact_sheet import KIND_WORDS, STRENGTHS, sample_rows, strengths, training_samples
from deepfake.data.inventory import Inventory
from deepfake.images.encode import shrink
from deepfake.images.load import ImageRefused, load_image
from deepfake.perturbations.mix import KIND_WEIGHTS, PERTURBATIONS
from ui.page import plain

SIDE = 256


def show_augmentations(inventory: Inventory) -> None:
    """What the recipe `compact` shows of one picture, and every perturbation at rising strength."""
    st.write(
        "Photographs reach people resized, recompressed, filtered and cropped. The recipe *compact* "
        "therefore varies every picture before the network sees it, never twice alike."
    )
    draw = int(st.session_state.get("variation", 0))
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        label = st.segmented_control(
            "Picture of the class", [1, 0], format_func=lambda value: "Fake" if value else "Real", default=1,
            key="example", bind="query-params", required=True,
        )  # fmt: skip
    with right:
        st.button(
            "Another picture", icon=":material/shuffle:",
            on_click=lambda: st.session_state.update(variation=draw + 1),
        )  # fmt: skip
    rows = sample_rows(inventory.table, label, draw, most=1)
    if not rows.size:
        st.info("There is no picture of this class.", icon=":material/info:")
        return
    name = str(inventory.table["path"].iloc[int(rows[0])])
    st.text(name)
    try:
        pixels = shrink(load_image(inventory.root / name, min_side=1).pixels, SIDE)
    except ImageRefused as refusal:
        st.error(plain(refusal.message), icon=":material/error:")
        return
    st.subheader("As eight rounds of training see it", anchor=False)
    st.caption(
        "A random part of the picture, mirrored half of the time; two of three are perturbed, some of the "
        "others recompressed."
    )
    st.image(training_samples(pixels, draw), alt="The picture as eight epochs of training see it")
    kind = st.segmented_control(
        "Perturbation", list(PERTURBATIONS), format_func=KIND_WORDS.__getitem__, default="colour", key="kind",
        bind="query-params", required=True,
    )  # fmt: skip
    share = KIND_WEIGHTS[kind] / sum(KIND_WEIGHTS.values())
    st.caption(
        f"One in {1 / share:.0f} perturbations is of this kind. From left to right the strength is "
        f"{', '.join(f'{value:g}' for value in STRENGTHS)} of the range that training draws from evenly; "
        "each is followed by a JPEG pass of quality 75."
    )
    columns = st.columns(2, gap="large")
    for place, (function, apply) in enumerate(PERTURBATIONS[kind].items()):
        with columns[place % 2]:
            meaning = (apply.__doc__ or "").strip().split("\n")[0]
            st.markdown(f"**{plain(function.replace('_', ' ').capitalize())}.** {plain(meaning)}")
            st.image(strengths(pixels, kind, function, seed=draw), alt=f"{function} at rising strength")
