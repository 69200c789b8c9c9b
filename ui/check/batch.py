"""The page Check many: the work beside it, its table, and one picture in full."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from deepfake.detection import text
from deepfake.detection.batch import Batch
from deepfake.detection.card import Card
from deepfake.detection.figures import draw_verdict
from deepfake.detection.outcome import Outcome, outcome_line, outcomes_csv
from deepfake.detection.text import CALL_WORDS, NO_FACE
from deepfake.images.encode import jpeg_bytes
from deepfake.images.load import load_image
from deepfake.types import OperatingPoint
from deepfake.util.text import format_percent
from ui.desk import IN_BATCH, desk
from ui.jobs import follow_job
from ui.links import link_to_check
from ui.page import CALL_STYLES, escape_markdown

ALL, NOT_JUDGED = "All", "Could not be checked"
WORDS = (CALL_WORDS["fake"], CALL_WORDS["uncertain"], CALL_WORDS["real"], NO_FACE, NOT_JUDGED)


def follow() -> None:
    """Progress and a way to stop; the whole page is drawn anew when the work is over."""
    follow_job(desk().key, "files", verb="Stop", beside=show_refresh)


def show_refresh() -> None:
    batch = desk().batch
    if batch is not None and batch.rows and st.button("Show results so far", icon=":material/refresh:"):
        st.rerun()


def show_results(batch: Batch, card: Card, point: OperatingPoint) -> None:
    """Counts, the table, downloads, and the chosen picture."""
    show_end(batch)
    rows = [row.at(point, card.thresholds) for row in list(batch.rows)]
    if not rows:
        return
    counts = Counter(map(word, rows))
    with st.container(horizontal=True):
        for each in WORDS:
            st.metric(each, f"{counts[each]:,}", border=True)
    wanted = st.segmented_control(
        "Show", (ALL, *WORDS), default=ALL, key="show", bind="query-params", required=True, wrap=True
    )
    chosen = [row for row in rows if wanted in (ALL, word(row))]
    show_downloads(rows)
    if not chosen:
        st.info("There is none among these pictures.", icon=":material/info:")
        return
    picked = show_rows(chosen, wanted)
    if picked is None:
        st.caption("Choose a row to see the picture with its faces. A click on a heading sorts.")
    else:
        show_picture(chosen[picked], card, point)


def show_end(batch: Batch) -> None:
    """How the work stands or ended, and the button that forgets it."""
    job = desk().job
    if job is not None and job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    done, total = len(batch.rows), batch.total
    if done < total and job is not None and job.state == "stopped":
        st.info(f"Stopped after {done:,} of {total:,} files. The others were let go.", icon=":material/info:")
    if desk().running and not done:
        return  # the bar above says so
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{done:,} of {total:,} files done** (detector: {escape_markdown(batch.detector)})")
        if not desk().running:
            st.button("Clear results", icon=":material/delete:", on_click=desk().clear)


def word(row: Outcome) -> str:
    """The verdict in words."""
    return text.short_words(row.verdict) if row.verdict else NOT_JUDGED


def show_rows(rows: Sequence[Outcome], wanted: str) -> int | None:
    """The table; gives the place of the chosen row."""
    table = pd.DataFrame(
        {
            "Picture": [data_url(row.thumbnail) for row in rows],
            "File": [row.file for row in rows],
            "Verdict": [word(row) for row in rows],
            "Probability of fake": [row.verdict.p_fake if row.verdict else None for row in rows],
            "Faces": pd.array([len(row.verdict.faces) if row.verdict else None for row in rows], "Int64"),
            "Notes": [notes(row) for row in rows],
        }
    )
    event = st.dataframe(
        table,
        hide_index=True,
        row_height=48,
        height="content" if len(rows) <= 10 else 560,
        on_select="rerun",
        selection_mode="single-row",
        key=f"rows-{desk().key}-{wanted}-{len(rows)}",  # a choice in one list means nothing in another
        column_config={
            "Picture": st.column_config.ImageColumn(width=72),
            "File": st.column_config.TextColumn(width="medium"),
            "Verdict": st.column_config.TextColumn(width=110),
            "Probability of fake": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0, width=150
            ),
            "Faces": st.column_config.NumberColumn(width=64),
            "Notes": st.column_config.TextColumn(width="large"),
        },
        placeholder="",
        alt="Files with their verdicts",
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
    """One picture in full: its faces, its verdict, and the way to the page that explains it."""
    with st.container(border=True):
        st.text(row.file)  # as text: a name may hold markup
        if row.verdict is None:
            st.error(escape_markdown(notes(row)), icon=":material/image_not_supported:")
            return
        left, right = st.columns([2, 3], gap="medium")
        left.image(large_picture(row), alt="The picture with the faces marked")
        left.caption(escape_markdown(text.judged_by_line(row.verdict, card.thresholds)))
        with right:
            colour, icon = CALL_STYLES[row.verdict.verdict]
            st.subheader(f":{colour}[{icon} {text.headline(row.verdict)}]", anchor=False)
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
                    "The file was let go to keep the server's memory small. "
                    "Upload it on the page Check an image to look closer."
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
