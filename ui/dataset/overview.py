"""The page Dataset: its data set and what is kept of it, the overview, and how training varies a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from deepfake.data.audit import Audit, audit_version, kept_audit
from deepfake.data.contact_sheet import (
    KIND_WORDS,
    STRENGTHS,
    contact_sheet,
    function_title,
    readable,
    sample_rows,
    strengths,
    training_samples,
)
from deepfake.data.figures import bytes_figure, counts_figure, counts_table, sizes_table
from deepfake.data.image_stats import Measures, kept_measures, measures_version
from deepfake.data.inventory import Inventory, take_inventory
from deepfake.data.sets import demo_set
from deepfake.data.text import balance_lines
from deepfake.errors import UserError
from deepfake.images.encode import shrink
from deepfake.images.load import ImageRefused, load_image
from deepfake.perturbations.mix import KIND_WEIGHTS, PERTURBATIONS
from deepfake.types import class_name
from deepfake.util.text import format_bytes
from ui import choose
from ui.charts import ask_for_format, card_places, chart, download
from ui.page import escape_markdown, section


def ask_for_data_set() -> Path | None:
    """The folder to look at; None where there is none yet, or the one named is refused."""
    if typed := st.query_params.get("folder"):  # in links of before, when a path had a field of its own
        del st.query_params["folder"]
        st.session_state["set"] = typed
    folder = choose.ask_for_folder(
        st.container(), "set", on_change=forget_filters, empty_state=choose.show_first_set
    )
    if folder is not None:
        if folder == demo_set():
            st.caption(
                "This set was drawn by the app: cartoon faces, not photos. It shows what the pages can "
                "do; a detector trained on it does not work on photos."
            )
        choose.offer_others()
    return folder


def forget_filters() -> None:
    """Callback: another data set has other splits, sources and pictures."""
    for name in ("split", "source", "text", "page", "by", "list"):
        st.session_state.pop(name, None)
    st.query_params.pop("picture", None)


def open_inventory(folder: Path, *, refresh: bool = False) -> Inventory | None:
    """The data set's files; None where the folder is refused, which is said."""
    slot = st.empty()

    def report(done: int, total: int) -> None:
        slot.progress(done / max(total, 1), text=f"Opening for the first time: {done:,} of {total:,} files")

    try:
        inventory = take_inventory(folder, refresh=refresh, on_progress=report)
    except UserError as error:
        slot.empty()
        st.error(escape_markdown(error.message), icon=":material/error:")
        return None
    slot.empty()
    return inventory


def measures_of(inventory: Inventory) -> Measures | None:
    """What the audit measured, read once for all visitors; None before an audit."""
    version = measures_version(inventory)
    return _measures(inventory.fingerprint, version, inventory) if version else None


@st.cache_resource(max_entries=3, show_spinner=False)
def _measures(fingerprint: str, version: int, _inventory: Inventory) -> Measures | None:
    return kept_measures(_inventory)


def audit_of(inventory: Inventory) -> Audit | None:
    """The audit kept, read once for all visitors."""
    version = audit_version(inventory)
    return _audit(inventory.fingerprint, version, inventory) if version else None


@st.cache_resource(max_entries=3, show_spinner=False)
def _audit(fingerprint: str, version: int, _inventory: Inventory) -> Audit | None:
    return kept_audit(_inventory)


def show_notes(inventory: Inventory) -> None:
    for note in (*inventory.notes, *balance_lines(inventory)):
        st.warning(escape_markdown(note), icon=":material/info:")


def show(inventory: Inventory) -> None:
    """Counts, nine pictures of each class, balance and sizes."""
    table = inventory.table
    n_fake = int((table["label"] == 1).sum())
    weight = int(table["n_bytes"].clip(lower=0).sum())
    numbers = {
        "Images": f"{len(table):,}",
        "Fake": f"{n_fake:,}",
        "Real": f"{len(table) - n_fake:,}",
        "On disk": format_bytes(weight) if weight < 1e9 else f"{weight / 1e9:.1f} GB",
    }
    for place, (label, value) in zip(card_places(len(numbers)), numbers.items(), strict=True):
        place.metric(label, value, border=True)
    show_grids(inventory)
    st.caption(
        "Label 1 is Fake, 0 is Real. Loaders that number folders alphabetically, such as Keras, give Fake "
        "class index 0 and Real class index 1."
    )
    ask_for_format()
    by = ask_for_grouping(table)
    counts = counts_table(table, by)
    left, right = st.columns([3, 2], gap="large")
    with left:
        section(f"Images by {by}")
        chart(counts_figure(counts, by), f"counts by {by}", f"Fake and real images of each {by}")
        show_counts(counts, by)
    with right:
        section("Size of the files")
        chart(bytes_figure(table), "file sizes", "How large the files of each class are")
        st.caption("Where the two curves differ, file size alone reveals the label.")
        sizes = sizes_table(table)
        st.dataframe(
            sizes.rename(columns={"size": "Pixels", "format": "Format"}), hide_index=True, height="content",
            alt="Image sizes and formats of each class",
            column_config=dict.fromkeys(("Fake", "Real"), st.column_config.NumberColumn(format="localized")),
        )  # fmt: skip
        download("Sizes as CSV", sizes, "sizes")


def ask_for_grouping(table: pd.DataFrame) -> str:
    if table["source"].nunique() < 2:
        return "split"
    return st.segmented_control(
        "Count by", ["split", "source"], format_func=str.capitalize, default="split", key="by",
        bind="query-params", required=True,
    )  # fmt: skip


def show_counts(counts: pd.DataFrame, by: str) -> None:
    shown = counts.assign(share_fake=100 * counts["share_fake"], n_bytes=counts["n_bytes"] / 1e6)
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(shown) < 12 else 400,
        column_config={
            by: st.column_config.TextColumn(by.capitalize()),
            "Fake": st.column_config.NumberColumn(format="localized"),
            "Real": st.column_config.NumberColumn(format="localized"),
            "images": st.column_config.NumberColumn("Images", format="localized"),
            "share_fake": st.column_config.NumberColumn("Share fake", format="%.1f%%"),
            "n_bytes": st.column_config.NumberColumn("Size in MB", format="%.1f"),
        },
        alt=f"Images of each {by}",
    )
    download("Counts as CSV", counts, f"counts by {by}")


def show_grids(inventory: Inventory) -> None:
    """Nine pictures of each class, drawn at random."""
    section("Sample images")
    draw = int(st.session_state.get("grid", 0))
    paths = inventory.index().paths()
    for column, (label, name) in zip(st.columns(2, gap="large"), ((1, "Fake"), (0, "Real")), strict=True):
        with column:
            st.markdown(f"**{name}**")
            pictures = readable([paths[row] for row in sample_rows(inventory.table, label, draw)])
            if pictures:
                st.image(contact_sheet(pictures, 3), alt=f"{len(pictures)} {name.lower()} images at random")
            else:
                st.caption("None of them can be read.")
    st.button("Shuffle", icon=":material/shuffle:", on_click=lambda: st.session_state.update(grid=draw + 1))


PREVIEW_SIDE = 256


def show_augmentations(inventory: Inventory) -> None:
    """What the recipe `compact` shows of one picture, and every perturbation at rising strength."""
    st.write(
        "Photos on the web are resized, recompressed, filtered and cropped. The recipe *compact* therefore "
        "augments every image differently each time."
    )
    draw = int(st.session_state.get("variation", 0))
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        label = st.segmented_control(
            "Image of the class", [1, 0], format_func=class_name, default=1,
            key="example", bind="query-params", required=True,
        )  # fmt: skip
    with right:
        st.button(
            "Another image", icon=":material/shuffle:",
            on_click=lambda: st.session_state.update(variation=draw + 1),
        )  # fmt: skip
    rows = sample_rows(inventory.table, label, draw, most=1)
    if not rows.size:
        st.info("There is no image of this class.", icon=":material/info:")
        return
    name = str(inventory.table["path"].iloc[int(rows[0])])
    st.text(name)
    try:
        pixels = shrink(load_image(inventory.root / name, min_side=1).pixels, PREVIEW_SIDE)
    except ImageRefused as refusal:
        st.error(escape_markdown(refusal.message), icon=":material/error:")
        return
    section("Eight augmented versions")
    st.caption(
        "A random crop, flipped half of the time; two in three are perturbed, some of the others "
        "recompressed."
    )
    st.image(training_samples(pixels, draw), alt="Eight augmented versions of the image")
    kind = st.segmented_control(
        "Perturbation", list(PERTURBATIONS), format_func=KIND_WORDS.__getitem__, default="colour", key="kind",
        bind="query-params", required=True,
    )  # fmt: skip
    share = KIND_WEIGHTS[kind] / sum(KIND_WEIGHTS.values())
    st.caption(
        f"One in {1 / share:.0f} perturbations is of this kind. From left to right the strength is "
        f"{', '.join(f'{value:g}' for value in STRENGTHS)} of the range that training draws from; each is "
        "followed by JPEG compression at quality 75."
    )
    columns = st.columns(2, gap="large")
    for index, (function, apply) in enumerate(PERTURBATIONS[kind].items()):
        with columns[index % 2]:
            meaning = (apply.__doc__ or "").strip().split("\n")[0]
            title = function_title(function)
            st.markdown(f"**{escape_markdown(title)}.** {escape_markdown(meaning)}")
            st.image(strengths(pixels, kind, function, seed=draw), alt=f"{title} at rising strength")
