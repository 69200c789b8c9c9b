"""The page Check many: the work beside it, its table, and one image in full."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from deepfake.detection import text
from deepfake.detection.batch import Batch
from deepfake.detection.card import Card, ModelError, detector_title, load_card
from deepfake.detection.figures import draw_verdict
from deepfake.detection.outcome import Outcome, by_suspicion, outcome_line, outcomes_csv
from deepfake.detection.text import CALL_WORDS, NO_FACE
from deepfake.images.encode import jpeg_bytes
from deepfake.images.load import load_image
from deepfake.types import OperatingPoint
from deepfake.util.text import format_percent
from ui.batch_session import IN_BATCH, batch_session
from ui.check.copies import show_copies
from ui.links import link_to_check
from ui.page import CALL_STYLES, COUNT_STYLES, escape_markdown, section

ALL, NOT_JUDGED = "All", "Not checked"
STYLES = {
    CALL_WORDS["fake"]: COUNT_STYLES["fake"],
    CALL_WORDS["uncertain"]: COUNT_STYLES["uncertain"],
    CALL_WORDS["real"]: COUNT_STYLES["real"],
    NO_FACE: COUNT_STYLES["no_face"],
    NOT_JUDGED: COUNT_STYLES[None],
}
"""What a row may say, with its colour and icon, the most suspicious first."""
WORDS = (*STYLES,)


@st.fragment(run_every=2.0)
def follow(point: OperatingPoint) -> None:
    """Progress, a way to stop, and the rows as they come; the whole page is drawn anew when it is over."""
    job, batch = batch_session().job, batch_session().batch
    if job is None or batch is None or not job.running:
        st.rerun()
    share = min(job.done / job.total, 1.0) if job.total else 0.0
    st.progress(share, text=escape_markdown(job.line("images")))
    st.button(
        "Stop", key=f"stop-{batch_session().key}", on_click=job.stop, disabled=job.stopping,
        icon=":material/stop_circle:", help="Finished results are kept",
    )  # fmt: skip
    try:
        card = load_card(batch.detector)
    except ModelError:  # the work meets it too, and says so when it is over
        return
    if rows := [row.at(point, card.thresholds) for row in list(batch.rows)]:
        show_counts(rows)
        st.dataframe(
            row_table(by_suspicion(rows)), **TABLE_LOOK, alt="Images checked so far with their verdicts"
        )


def show_results(batch: Batch, card: Card, point: OperatingPoint) -> None:
    """Counts, the table, downloads, and the chosen image."""
    show_end(batch)
    rows = [row.at(point, card.thresholds) for row in list(batch.rows)]
    if not rows:
        return
    show_counts(rows)
    wanted = st.segmented_control(
        "Show", (ALL, *WORDS), default=ALL, key="show", bind="query-params", required=True, wrap=True
    )
    chosen = [row for row in by_suspicion(rows) if wanted in (ALL, word(row))]
    if not chosen:
        st.info("No images match this filter.", icon=":material/info:")
    else:
        picked = show_rows(chosen, wanted)
        if picked is None:
            st.caption("Select a row for details. Click a column header to sort.")
        else:
            show_picture(chosen[picked], card, point)
    show_copies(rows)
    show_downloads(rows)


def show_counts(rows: Sequence[Outcome]) -> None:
    """How many images are what, in one line."""
    counts = Counter(map(word, rows))
    with st.container(horizontal=True, gap="medium"):
        for each, (colour, icon) in STYLES.items():
            if counts[each]:
                st.markdown(f":{colour}[{icon} **{counts[each]:,}** {each.lower()}]", width="content")


def show_end(batch: Batch) -> None:
    """How the work ended, and the button that forgets it."""
    job = batch_session().job
    if job is not None and job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    done, total = len(batch.rows), batch.total
    if done < total and job is not None and job.state == "stopped":
        st.info(
            f"Stopped after {done:,} of {total:,} images. The rest were discarded.", icon=":material/info:"
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        title = escape_markdown(detector_title(batch.detector))
        checked = sum(row.error is None for row in batch.rows)
        st.markdown(f"**{checked:,} of {total:,} images checked** (detector: {title})")
        st.button("Clear results", icon=":material/delete:", on_click=batch_session().clear)


def word(row: Outcome) -> str:
    """The verdict in words."""
    return text.short_words(row.verdict) if row.verdict else NOT_JUDGED


def row_table(rows: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each image: thumbnail, file, verdict, probability, faces, notes."""
    return pd.DataFrame(
        {
            "Image": [data_url(row.thumbnail) for row in rows],
            "Verdict": [word(row) for row in rows],  # what counts comes first: a phone shows three columns
            "Probability of fake": [row.verdict.p_fake if row.verdict else None for row in rows],
            "File": [row.file for row in rows],
            "Faces": pd.array([len(row.verdict.faces) if row.verdict else None for row in rows], "Int64"),
            "Notes": [notes(row) for row in rows],
        }
    )


TABLE_LOOK: dict[str, Any] = {
    "hide_index": True,
    "row_height": 48,
    "placeholder": "",
    "column_config": {
        "Image": st.column_config.ImageColumn(width=72),
        "File": st.column_config.TextColumn(width="medium"),
        "Verdict": st.column_config.TextColumn(width=110),
        "Probability of fake": st.column_config.ProgressColumn(
            format="percent", min_value=0.0, max_value=1.0, width=150
        ),
        "Faces": st.column_config.NumberColumn(width=64),
        "Notes": st.column_config.TextColumn(width="large"),
    },
}


def show_rows(rows: Sequence[Outcome], wanted: str) -> int | None:
    """The table; gives the place of the chosen row."""
    table = row_table(rows)
    event = st.dataframe(
        table[["File", "Notes"]] if wanted == NOT_JUDGED else table,  # the others are empty
        **TABLE_LOOK,
        height="content" if len(rows) <= 10 else 560,
        on_select="rerun",
        selection_mode="single-row",
        key=f"rows-{batch_session().key}-{wanted}-{len(rows)}",  # a choice means nothing in another list
        alt="Images with their verdicts",
    )
    picked = event["selection"]["rows"]
    return picked[0] if picked and picked[0] < len(rows) else None


def notes(row: Outcome) -> str:
    """Why there is no verdict, or what to know of it."""
    if row.error is not None:
        return row.error.message
    return " ".join(row.verdict.warnings) if row.verdict else ""


def data_url(jpeg: bytes | None) -> str | None:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else None


def show_downloads(rows: Sequence[Outcome]) -> None:
    """All rows, whatever the filter, as ``predict --csv`` and ``predict --json`` write them."""
    with st.container(horizontal=True):
        st.download_button(
            f"All {len(rows):,} as CSV",
            lambda: outcomes_csv(rows).encode("utf-8-sig"),
            "verdicts.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            f"All {len(rows):,} as JSON",
            lambda: "".join(f"{outcome_line(row)}\n" for row in rows),
            "verdicts.jsonl",
            "application/jsonl",
            on_click="ignore",
            icon=":material/download:",
            help="One JSON object a line",
        )


def show_picture(row: Outcome, card: Card, point: OperatingPoint) -> None:
    """One image in full: its faces, its verdict, and the way to the page that explains it."""
    with st.container(border=True):
        st.text(row.file)  # as text: a name may hold markup
        if row.verdict is None:
            st.error(escape_markdown(notes(row)), icon=":material/image_not_supported:")
            return
        left, right = st.columns([2, 3], gap="medium")
        left.image(large_picture(row), alt="The image with the faces marked")
        left.caption(escape_markdown(text.judged_by_line(row.verdict, card.thresholds)))
        with right:
            colour, icon = CALL_STYLES[row.verdict.verdict]
            section(f":{colour}[{icon} {text.headline(row.verdict)}]")
            if number := text.number_line(row.verdict):
                st.markdown(number)
            if row.verdict.scope != "no_face":  # a warning says it
                st.caption(escape_markdown(text.scope_line(row.verdict)))
            for warning in row.verdict.warnings:
                st.warning(escape_markdown(warning), icon=":material/info:")
            if len(row.verdict.faces) > 1:
                lines = [
                    f"- {part.name}: {escape_markdown(part.words)}"
                    + ("" if part.p_fake is None else f", {format_percent(part.p_fake)}")
                    for part in text.part_rows(row.verdict, card.thresholds)
                ]
                st.markdown("\n".join(lines))
            if row.content is None:
                st.caption(
                    "The file was discarded to save memory on the server. Upload it on the page Check an "
                    "image for a closer look."
                )
            else:
                link_to_check(
                    "Explain it on the page Check an image",
                    {IN_BATCH: row.verdict.sha256},
                    card.name,
                    point,
                )


def large_picture(row: Outcome) -> bytes:
    """A JPEG of the picture with its faces marked; the thumbnail where the file was let go."""
    if row.content is None or row.verdict is None:
        return row.thumbnail or b""
    return jpeg_bytes(draw_verdict(load_image(row.content).pixels, row.verdict))
