"""Below the table of Check many, on demand: forms of one image, and how differently they were scored."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from deepfake.detection import text
from deepfake.detection.outcome import Outcome
from deepfake.images.hashing import alike_groups
from ui.batch_session import batch_session

MEANING = (
    "Images that look like the same image, cropped, resized or recompressed; edited copies may be among "
    "them. Where copies get different verdicts, the verdict depends on how the image was saved. Found by "
    "perceptual hashes, which are kept with this batch and nowhere else."
)


@st.fragment  # opening it draws this part anew, not the page
def show_copies(rows: Sequence[Outcome]) -> None:
    """An expander with the near-duplicates of a batch; looked for once it is opened."""
    box = st.expander(
        "Near-duplicates in this batch",
        icon=":material/content_copy:",
        key=f"copies-{batch_session().key}",
        on_change="rerun",
    )
    if not box.open:
        return
    with box:
        table = copies_table(rows)
        if table.empty:
            st.write("No two images in this batch look alike.")
            return
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={
                "Probability of fake": st.column_config.ProgressColumn(
                    format="percent", min_value=0.0, max_value=1.0, width=150
                ),
            },
            alt="Near-duplicates, group by group, with their verdicts",
        )
        st.caption(MEANING)


def copies_table(rows: Sequence[Outcome]) -> pd.DataFrame:
    """A row for each image that has a near-duplicate, by group; first the groups whose scores differ most."""
    printed = [row for row in rows if row.verdict is not None and row.image_print is not None]
    groups = alike_groups([row.image_print for row in printed if row.image_print is not None])
    found = [[printed[place] for place in places] for places in groups]
    found.sort(key=_spread, reverse=True)
    return pd.DataFrame(
        [
            {
                "Group": number,
                "File": row.file,
                "Verdict": text.short_words(row.verdict),
                "Probability of fake": row.verdict.p_fake,
            }
            for number, group in enumerate(found, start=1)
            for row in group
            if row.verdict is not None
        ]
    )


def _spread(group: Sequence[Outcome]) -> float:
    scores = [row.verdict.p_fake for row in group if row.verdict and row.verdict.p_fake is not None]
    return max(scores) - min(scores) if scores else 0.0
