"""The page Dataset's audit: what is wrong with the data, most serious first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from deepfake.data.audit import NOTABLE_AUC, Audit, audit
from deepfake.data.figures import shortcut_figure, shortcut_table
from deepfake.data.gallery import SUSPECT, suspects
from deepfake.data.inventory import Inventory, cache_name
from deepfake.data.text import audit_lines, shown_pairs
from deepfake.detection.card import detector_title, load_card
from deepfake.errors import UserError
from deepfake.evaluation.measure import known_scores
from deepfake.images.thumbnails import thumbnail
from deepfake.types import class_name
from deepfake.util.jobs import find_job, start_job
from ui.charts import chart, download
from ui.dataset.gallery import SHOWN_SIDE, show_picture_button
from ui.dataset.overview import audit_of, open_inventory
from ui.jobs import show_job
from ui.page import escape_markdown, main_button, section

STYLES = {
    "bad": (":material/error:", "red"),
    "note": (":material/info:", "gray"),
    "good": (":material/check_circle:", "green"),
}
PAIRS_SHOWN, SHOWN = 6, 14


def show(inventory: Inventory) -> None:
    """A button that starts it, its progress, and what it found."""
    st.write(
        "Reads every image once and looks for what makes results misleading: copies, leaks between splits, "
        "wrong labels, broken images, outliers, and shortcuts that reveal the label without looking at the "
        "face."
    )
    key = f"audit-{cache_name(inventory.root)}"
    result = audit_of(inventory)
    job = find_job(key)
    running = job is not None and job.state == "running"
    if not running:
        begin: dict[str, Any] = {"on_click": begin_audit, "args": (key, inventory, result is not None)}
        if result is None:
            main_button("Start the audit", **begin)
        else:
            st.button("Audit again", icon=":material/fact_check:", **begin)
    show_job(key, "images")
    if result is None:
        if not running:
            st.caption("About 500 images per second. Results are cached.")
        return
    show_findings(result)
    show_shortcuts(result)
    show_lists(inventory, result)
    show_suspects(inventory)


def begin_audit(key: str, inventory: Inventory, refresh: bool) -> None:
    """Looks at every file again where there was an audit before."""
    fresh = open_inventory(inventory.root, refresh=True) if refresh else inventory
    if fresh is None:
        return
    work = fresh
    start_job(key, "Auditing", lambda report, stopped: audit(work, on_progress=report, stopped=stopped))


def show_findings(result: Audit) -> None:
    section("Findings")
    st.caption(f"Of {result.images:,} images.")
    for level, text in audit_lines(result):
        icon, colour = STYLES[level]
        st.markdown(f":{colour}[{icon}] {escape_markdown(text)}")


def show_shortcuts(result: Audit) -> None:
    """How far the label can be told without a look at the face."""
    section("Shortcuts")
    if not result.shortcuts:
        st.caption("Each class needs 20 readable images in a split for this check.")
        return
    st.caption(
        "A classifier that sees only the properties below, not the face, is trained on four fifths of a "
        "split and tested on the rest. ROC AUC is the chance that it ranks a random fake above a random "
        f"real image: 0.5 is guessing. From {NOTABLE_AUC:g} (dotted, in color) a detector may learn these "
        "shortcuts instead of the fakes; it is certain where the whole 95% interval lies above. Face framing "
        "is not among the properties; on OpenForensics it alone reaches 0.96: "
        "python -m benchmarks.framing DATA measures it."
    )
    names = [one.split for one in result.shortcuts]
    chosen = names[0]
    if len(names) > 1:
        chosen = st.segmented_control("Split", names, default=names[0], key="shortcut-split", required=True)
    one = next(each for each in result.shortcuts if each.split == chosen)
    chart(
        shortcut_figure(one),
        f"shortcuts {chosen}",
        f"How well each property alone reveals the label in {chosen}",
    )
    table = shortcut_table(result.shortcuts)
    with st.expander("All splits as a table"):
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "split": "Split",
                "clue": "Clue",
                "auc": st.column_config.NumberColumn("ROC AUC", format="%.3f"),
                "low": st.column_config.NumberColumn("95% from", format="%.3f"),
                "high": st.column_config.NumberColumn("95% to", format="%.3f"),
            },
            alt="ROC AUC of each property in each split",
        )
        download("Shortcuts as CSV", table, "shortcuts")


def show_lists(inventory: Inventory, result: Audit) -> None:
    """The files behind the findings."""
    copies = result.duplicates.assign(label=[class_name(label) for label in result.duplicates["label"]])
    pairs = shown_pairs(result.near)
    lists = {
        "Copies": copies,
        "Leaks": copies[copies["group"].isin(result.leaks()["group"])],
        "Near-duplicates": pairs,
        "Near-duplicates across splits": pairs[pairs["first_split"] != pairs["second_split"]],
        "Near-duplicates, both labels": shown_pairs(result.near_conflicts()),
        "Conflicting labels": copies[copies["group"].isin(result.conflicts()["group"])],
        "Unreadable": result.unreadable,
        "Outliers": result.out_of_line,
    }
    section("Files")
    filled = {name: table for name, table in lists.items() if len(table)}
    if not filled:
        st.caption("No outliers found.")
        return
    chosen = st.segmented_control(
        "List", list(filled), default=next(iter(filled)), key="list", bind="query-params", required=True
    )
    table = filled.get(chosen, next(iter(filled.values())))
    if "first" in table:
        show_pairs(inventory, table)
    elif chosen != "Unreadable":
        first = table.head(SHOWN).to_dict("records")
        show_strip(
            inventory,
            [
                (str(row["path"]), f"{row['split']} {row['label']}" if "split" in row else row["reason"])
                for row in first
            ],
            "listed",
        )
    st.dataframe(table, hide_index=True, height=360, column_config=column_names(), alt=f"List: {chosen}")
    download("This list as CSV", table, f"audit {chosen}")


def show_suspects(inventory: Inventory) -> None:
    """Pictures whose label the default detector contradicts most surely."""
    section("Suspected label errors")
    try:
        card = load_card()
    except UserError as error:
        st.caption(escape_markdown(error.message))
        return
    scores, who = known_scores(inventory, card), escape_markdown(detector_title(card.name))
    if scores is None:
        st.caption(
            "Images on which a detector is confident but wrong may be mislabeled. "
            f"{who} has no scores of this dataset yet: choose it under Images and score them."
        )
        return
    table = suspects(inventory.table, scores)
    st.caption(
        f"Where {who} is confident but wrong (score at least {SUSPECT:g} for a Real, "
        f"at most {1 - SUSPECT:g} for a Fake): {len(table):,} of {int((~np.isnan(scores)).sum()):,} scored. "
        "Some are wrong labels, most are mistakes of the detector: look at each."
    )
    if table.empty:
        return
    first = table.head(SHOWN).to_dict("records")
    show_strip(
        inventory,
        [(str(row["path"]), f"{class_name(row['label'])}, score {row['p_fake']:.3f}") for row in first],
        "suspect",
    )
    shown = table.assign(label=[class_name(label) for label in table["label"]])
    st.dataframe(
        shown, hide_index=True, height=240, alt="Suspected label errors",
        column_config={**column_names(), "p_fake": st.column_config.NumberColumn("Score", format="%.4f")},
    )  # fmt: skip
    download("Suspects as CSV", shown, "suspected label errors")


def show_strip(inventory: Inventory, pictures: list[tuple[str, str]], kind: str) -> None:
    """Thumbnails of files, each with what is said of it on a button that opens it."""
    with st.container(horizontal=True, gap="small"):
        for number, (path, said) in enumerate(pictures):
            small = thumbnail(inventory.root / path)
            with st.container(width=SHOWN_SIDE, gap="xxsmall"):
                if small is None:
                    st.caption("Cannot be read")
                else:
                    st.image(small, width="stretch", alt=f"Image: {said}")
                show_picture_button(path, said, f"{kind}-{number}")


def column_names() -> dict[str, Any]:
    return {
        "group": "Group",
        "path": "File",
        "split": "Split",
        "label": "Label",
        "reason": "Why",
        "value": "Found",
        "first": "First file",
        "second": "Second file",
        "bits": "Bits that differ (of 64)",
        "first_split": "Split of the first",
        "second_split": "Split of the second",
        "first_label": "Label of the first",
        "second_label": "Label of the second",
    }


def show_pairs(inventory: Inventory, pairs: pd.DataFrame) -> None:
    """The nearest pairs, side by side."""
    st.caption(
        "Perceptual hashes that differ in at most 6 of 64 bits. This includes a fake and the photo it was "
        "made from."
    )
    with st.container(horizontal=True, gap="medium"):
        for number, row in enumerate(pairs.head(PAIRS_SHOWN).to_dict("records")):
            with st.container(width=2 * SHOWN_SIDE + 16, gap="xxsmall"):
                show_strip(
                    inventory,
                    [
                        (str(row[which]), f"{row[f'{which}_split']} {row[f'{which}_label']}")
                        for which in ("first", "second")
                    ],
                    f"pair-{number}",
                )
                st.caption(f"{row['bits']} bits apart")
