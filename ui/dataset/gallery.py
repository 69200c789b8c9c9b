"""The page Dataset's pictures: filtered, sorted, a page at a time; and one of them in full."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from deepfake.data.gallery import MEASURED, SORTS, Query, SortName, gallery_table, neighbours, select
from deepfake.data.inventory import Inventory, cache_name
from deepfake.detection.card import Card, detector_title, load_card, model_names
from deepfake.detection.text import CALL_WORDS, facts_line
from deepfake.errors import UserError
from deepfake.evaluation.measure import Scores, compute_scores, kept_scores, recorded_scores
from deepfake.images.encode import PREVIEW_SIDE, shrink
from deepfake.images.load import ImageRefused, load_image
from deepfake.images.thumbnails import thumbnail
from deepfake.types import VerdictLabel, class_name
from deepfake.util.jobs import find_job, start_job
from deepfake.util.text import format_bytes
from ui.address import one_in_address
from ui.charts import download_later
from ui.choose import ALL, ask_for_source, ask_for_split
from ui.dataset.overview import measures_of
from ui.jobs import show_job
from ui.page import escape_markdown, section

PER_PAGE = 24
SHOWN_SIDE = 150
PICTURE = "picture"
"""Query parameter: the picture shown in full."""
VERDICTS: dict[str, VerdictLabel | None] = {
    ALL: None,
    "Called fake": "fake",
    "Called real": "real",
    CALL_WORDS["uncertain"]: "uncertain",
    "Called wrongly": None,
}


def show(inventory: Inventory) -> None:
    """The gallery, or the one picture that the address names."""
    card, scores = ask_for_scores(inventory)
    table = gallery_table(inventory, measures_of(inventory), scores)
    opened = st.query_params.get(PICTURE)
    if opened is not None:
        found = np.flatnonzero((table["path"] == opened).to_numpy())
        if found.size:
            show_picture(inventory, table, int(found[0]), card)
            return
        st.warning("The image that this link names is not in the dataset.", icon=":material/info:")
    query = ask_for_query(table, scored=scores is not None)
    rows = select(table, query, card.thresholds if card else None)
    if not rows.size:
        st.info("No images match. Remove a filter.", icon=":material/info:")
        return
    pages = -(-rows.size // PER_PAGE)
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    start = (min(page, pages) - 1) * PER_PAGE
    st.caption(f"{start + 1:,} to {min(start + PER_PAGE, rows.size):,} of {rows.size:,} images")
    show_thumbnails(inventory, table, rows[start : start + PER_PAGE])
    download_later(
        f"All {rows.size:,} as CSV", lambda: table.iloc[rows].drop(columns=["modified", "tables"]), "images"
    )


def first_page() -> None:
    st.session_state.pop("page", None)


def ask_for_query(table: pd.DataFrame, *, scored: bool) -> Query:
    """The filters and the order; all in the address."""
    bound: dict[str, Any] = {"bind": "query-params", "on_change": first_page}
    columns = st.columns(4)
    label = columns[0].selectbox("Class", [ALL, "Fake", "Real"], key="class", **bound)
    with columns[1]:
        split = ask_for_split(table, "split", on_change=first_page)
    with columns[2]:
        source = ask_for_source(table, "source", on_change=first_page)
    verdict = ALL
    if scored:
        verdict = columns[3].selectbox("Verdict", list(VERDICTS), key="verdict", **bound)
    columns = st.columns([2, 1, 1], vertical_alignment="bottom")
    text = columns[0].text_input("File name contains", key="text", type="search", **bound)
    there = [name for name in SORTS if name == "name" or name in table]
    sort: SortName = columns[1].selectbox(
        "Sort by", there, format_func=lambda name: SORTS[name], key="sort", **bound,
        help=None if set(MEASURED) <= set(there) else "Run an audit to sort by brightness and sharpness.",
    )  # fmt: skip
    descending = columns[2].toggle("Descending", key="down", **bound)
    return Query(
        split=split or "",
        source=source or "",
        label=None if label == ALL else int(label == "Fake"),
        text=text or "",
        verdict=VERDICTS[verdict],
        wrong=verdict == "Called wrongly",
        sort=sort,
        descending=descending,
    )


def ask_for_scores(inventory: Inventory) -> tuple[Card | None, Scores | None]:
    """A detector and its scores of these pictures, recorded or computed here; none unless asked for."""
    names = model_names()
    if not names:
        return None, None
    none = "No detector"
    options = [none, *names]
    name = one_in_address(
        "detector", options, none,
        lambda: st.selectbox(
            "Scores from", options, format_func=detector_title, key="detector", on_change=first_page,
            width=320,
        ),
    )  # fmt: skip
    if name == none:
        return None, None
    try:
        card = load_card(name)
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return None, None
    scores = kept_scores(inventory, card)
    if scores is not None:
        return card, scores
    scores = recorded_scores(inventory, card)
    key = f"scores-{card.score_version[:12]}-{cache_name(inventory.root)}"
    job = find_job(key)
    if job is None or job.state != "running":
        if scores is not None:
            st.caption(
                "Scores recorded in the detector's card, matched by file name, of "
                f"{int((~np.isnan(scores)).sum()):,} of {len(scores):,} images."
            )
        st.button(
            f"Score all {len(inventory):,} images", icon=":material/speed:", on_click=begin_scoring,
            args=(key, inventory, card),
            help="Scores them as face crops, as training and evaluation do. Results are cached.",
        )  # fmt: skip
    show_job(key, "images")
    return (card, scores) if scores is not None else (None, None)


def begin_scoring(key: str, inventory: Inventory, card: Card) -> None:
    """Callback: scores all pictures beside the page."""
    start_job(
        key,
        "Scoring",
        lambda report, stopped: compute_scores(inventory, card, on_progress=report, stopped=stopped),
    )


def open_picture(path: str | None) -> None:
    """Callback: puts a picture into the address and its tab in front, or takes it out."""
    if path is None:
        st.query_params.pop(PICTURE, None)
    else:
        st.query_params[PICTURE] = path
        st.session_state["tab"] = "Images"


def show_picture_button(path: str, caption: str, key: str) -> None:
    """Below a thumbnail: what is said of it, and a press opens it in full."""
    st.button(
        escape_markdown(caption), key=key, type="tertiary", icon=":material/open_in_full:",
        on_click=open_picture, args=(path,),
    )  # fmt: skip


def show_thumbnails(inventory: Inventory, table: pd.DataFrame, rows: NDArray[np.int64]) -> None:
    """Small pictures, each with a button that opens it."""
    with st.container(horizontal=True, gap="small"):
        for row, item in zip(rows.tolist(), table.iloc[rows].to_dict("records"), strict=True):
            path = str(item["path"])
            small = thumbnail(inventory.root / path)
            with st.container(width=SHOWN_SIDE, gap="xxsmall"):
                if small is None:
                    st.caption("Cannot be read")
                else:
                    st.image(small, width="stretch", alt=f"{class_name(item['label'])} image")
                score = item.get("p_fake")
                said = f" {score:.3f}" if score is not None and not np.isnan(score) else ""
                show_picture_button(path, f"{class_name(item['label'])}{said}", f"open-{row}")
                st.text(PurePosixPath(path).name, width=SHOWN_SIDE)


def show_picture(inventory: Inventory, table: pd.DataFrame, row: int, card: Card | None) -> None:
    """One picture at full size with its facts, verdict and neighbours."""
    item = table.iloc[row]
    path = str(item["path"])
    st.button("All images", icon=":material/arrow_back:", on_click=open_picture, args=(None,))
    left, right = st.columns([3, 2], gap="large")
    try:
        image = load_image(inventory.root / path, min_side=1)
    except ImageRefused as refusal:
        image = None
        left.error(escape_markdown(refusal.message), icon=":material/error:")
    if image is not None:
        left.image(shrink(image.pixels, PREVIEW_SIDE), alt=f"{class_name(item['label'])} image at full size")
    with right:
        section(class_name(item["label"]))
        st.text(path)
        facts = [f"Split {item['split']}, source {item['source']}"]
        if image is not None:
            facts.append(facts_line(image.facts))
            facts += list(image.notes)
        else:
            facts.append(format_bytes(max(int(item["n_bytes"]), 0)))
        if "brightness" in table and not np.isnan(item["brightness"]):
            facts.append(f"Mean gray {item['brightness']:.0f} of 255, sharpness {item['sharpness']:.0f}")
        if card is not None and "p_fake" in table and not np.isnan(item["p_fake"]):
            call: VerdictLabel = card.thresholds.decide_all(np.array([item["p_fake"]]))[0]
            facts.append(
                f"{detector_title(card.name)}: {CALL_WORDS[call].lower()}, probability of fake "
                f"{item['p_fake']:.3f}"
            )
        for fact in facts:
            st.text(fact)
        if image is not None:
            st.caption(f"SHA-256 {image.facts.sha256}")
    show_neighbours(inventory, table, row)


def show_neighbours(inventory: Inventory, table: pd.DataFrame, row: int) -> None:
    """The pictures that look most alike, after an audit; else those beside it in the folder."""
    measures = measures_of(inventory)
    if measures is not None:
        near = neighbours(measures, row)
        section("Similar images")
        st.caption("By how many of 64 bits the perceptual hash differs: 0 to 6 is nearly the same image.")
    else:
        places = range(max(0, row - 3), min(len(table), row + 4))
        near = [(index, -1) for index in places if index != row]
        section("Neighbors")
        st.caption("In order of names. Run an audit to see similar images here.")
    with st.container(horizontal=True, gap="small"):
        for index, bits in near:
            item = table.iloc[index]
            small = thumbnail(inventory.root / str(item["path"]))
            with st.container(width=SHOWN_SIDE, gap="xxsmall"):
                if small is not None:
                    st.image(small, width="stretch", alt=f"{class_name(item['label'])} image")
                said = str(item["split"]) if bits < 0 else f"{bits} bits"
                show_picture_button(
                    str(item["path"]), f"{class_name(item['label'])}, {said}", f"near-{index}"
                )
                st.text(PurePosixPath(str(item["path"])).name, width=SHOWN_SIDE)
