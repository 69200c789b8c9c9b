"""Charts on a page: how they are saved, what screen readers say, and the table behind each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.plotting import SaveFormat, file_stem, plot_config
from deepfake.util import text
from ui.page import escape_markdown, presenting


def ask_for_format() -> None:
    """As what the button at a chart saves it."""
    if presenting():
        return
    st.segmented_control(
        "Save charts as", ["png", "svg"], format_func=str.upper, default="png", key="save-as", required=True,
        help="The camera icon at the top right of a chart saves it.",
    )  # fmt: skip


def chart(figure: go.Figure, name: str, alt: str, *, on_choice: Callable[[str], None] | None = None) -> None:
    """A figure in the page's theme, with a name for screen readers.

    Args:
        figure: what to draw.
        name: of the file it is saved as; unique on the page.
        alt: what it is, for those who do not see it.
        on_choice: called with the last custom datum of a bar or point that is clicked.
    """
    kind: SaveFormat = st.session_state.get("save-as", "png")
    key = f"chart-{name}"

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and on_choice is not None:
            on_choice(str(points[-1]["customdata"][-1]))

    if on_choice is not None:  # Streamlit lets a chart that can be clicked be dragged; a finger should scroll
        figure.update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
    st.plotly_chart(
        figure,
        theme="streamlit",
        config=plot_config(name, kind),
        alt=alt,
        key=key,
        on_select="ignore" if on_choice is None else choose,
        selection_mode="points",
    )


def number_table(
    table: pd.DataFrame,
    *,
    shades: pd.DataFrame | None = None,
    words: Sequence[str] = (),
    width: Literal["content", "stretch"] = "content",
    height: int | None = None,
    alt: str | None = None,
) -> None:
    """A table: words in its index, in several lines on a phone; numbers, to the right, in its columns.

    Names may come from strangers, and Streamlit reads cells as Markdown: index and words are escaped.

    Args:
        table: of texts.
        shades: the style of each of its cells.
        words: columns that hold words, too.
        width: 'stretch' for one as wide as the page, with long names.
        height: in pixels, of a long one that scrolls; None for all of it.
        alt: what it shows, for those who cannot see it.
    """
    names = pd.Index([escape_markdown(str(name)) for name in table.index], name=table.index.name)
    plain = table.assign(**{name: table[name].map(escape_markdown) for name in words}).set_axis(names)
    shown = plain.style
    if shades is not None:
        styled = shades.set_axis(names)
        shown.apply(lambda _: styled, axis=None)
    numbers = shown.columns.difference(list(words))
    shown.set_properties(subset=numbers, **{"text-align": "right !important"})
    shown.set_properties(subset=list(words), **{"min-width": "12rem"})
    # Streamlit sets texts to the left, cell by cell; a phone would break long names after each word.
    styles: list[Any] = [{"selector": "th.col_heading", "props": "text-align: right !important"}]
    if width == "stretch":
        styles.append({"selector": "th.row_heading", "props": "min-width: 8rem"})
    shown.set_table_styles(styles)
    st.table(shown, border="horizontal", width=width, height=height or "content", alt=alt)


def card_places(number: int, in_a_row: int = 4) -> list[DeltaGenerator]:
    """Places for headline numbers (``st.metric``): some in a row, two in a row on a phone.

    Columns would stand one below the other there.
    """
    places = []
    for _ in range(0, number, in_a_row):
        row = st.container(horizontal=True)
        places += [row.container() for _ in range(in_a_row)]  # the last row's cards are as wide as the others
    return places[:number]


def download(label: str, table: pd.DataFrame, name: str) -> None:
    download_later(label, lambda: table, name)


def download_later(label: str, table: Callable[[], pd.DataFrame], name: str) -> None:
    """A button that makes a CSV when it is pressed."""
    st.download_button(
        label,
        lambda: text.csv_bytes(table()),
        f"{file_stem(name)}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key=f"download-{name}",
    )
