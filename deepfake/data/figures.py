"""Figures of what a data set holds, and of its audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from deepfake.data.audit import FEATURES, NOTABLE_AUC, Shortcut
from deepfake.data.index import splits_in_order
from deepfake.plotting import ACCENT_COLOUR, FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, base_figure

CLASSES = ((1, "Fake", FAKE_COLOUR), (0, "Real", REAL_COLOUR))


def counts_table(table: pd.DataFrame, by: str = "split") -> pd.DataFrame:
    """Images by split or source.

    Returns:
        One row each, splits as in ``splits_in_order``: ``by``, ``Fake``, ``Real``, ``images``,
        ``share_fake`` (0-1), ``n_bytes``.
    """
    groups = table.assign(n_bytes=table["n_bytes"].clip(lower=0)).groupby(by, observed=True)
    rows = groups.agg(
        Fake=("label", "sum"), images=("label", "size"), n_bytes=("n_bytes", "sum")
    ).reset_index()
    rows["Fake"] = rows["Fake"].astype(int)
    rows["Real"] = rows["images"] - rows["Fake"]
    rows["share_fake"] = rows["Fake"] / rows["images"]
    rows[by] = rows[by].astype(str)
    if by == "split":
        rows = rows.set_index(by).loc[splits_in_order(rows[by])].reset_index()
    return rows[[by, "Fake", "Real", "images", "share_fake", "n_bytes"]]


def sizes_table(table: pd.DataFrame, most: int = 12) -> pd.DataFrame:
    """The commonest picture sizes and formats: ``size``, ``format``, ``Fake``, ``Real``."""
    words = table["width"].astype(str) + " x " + table["height"].astype(str)
    size = words.where(table["width"] > 0, "unknown")
    form = table["format"].astype(str).replace("", "unknown")
    rows = pd.DataFrame(
        {"size": size, "format": form, "Fake": table["label"] == 1, "Real": table["label"] == 0}
    )
    counts = rows.groupby(["size", "format"])[["Fake", "Real"]].sum()
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    counts = counts.loc[order]
    if len(counts) > most:
        rest = counts.iloc[most:].sum().to_frame(("all others", "")).T
        counts = pd.concat([counts.iloc[:most], rest])
    return counts.astype(int).rename_axis(["size", "format"]).reset_index()


def counts_figure(counts: pd.DataFrame, by: str) -> go.Figure:
    """Bars of Fake and Real for each split or source, side by side."""
    figure = base_figure("Images", "", height=110 + 56 * max(1, len(counts)))
    for _, name, colour in CLASSES:
        figure.add_bar(
            y=counts[by],
            x=counts[name],
            name=name,
            orientation="h",
            marker={"color": colour, "line": {"width": 0}},
            text=[f"{value:,}" for value in counts[name]],
            textposition="auto",
            textangle=0,
            hovertemplate="%{y}, " + name + ": %{x:,}<extra></extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(autorange="reversed", type="category", title=None)
    return figure


def bytes_figure(table: pd.DataFrame) -> go.Figure:
    """How the files' sizes are spread in each class; the same bins for both."""
    figure = base_figure("Size of the file (kB, log scale)", "Images", height=300)
    sizes = np.maximum(table["n_bytes"].to_numpy(float), 1) / 1000
    edges = np.geomspace(sizes.min() * 0.999, max(sizes.max() * 1.001, sizes.min() * 1.01), 41)
    labels = table["label"].to_numpy()
    for label, name, colour in CLASSES:
        counts = np.histogram(sizes[labels == label], edges)[0]
        figure.add_scatter(
            x=np.repeat(edges, 2)[1:-1],
            y=np.repeat(counts, 2),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2},
            hovertemplate=name + ", %{x:.1f} kB: %{y:,}<extra></extra>",
        )
    ticks = [step * 10.0**power for power in range(-3, 6) for step in (1, 2, 5)]
    shown = [tick for tick in ticks if edges[0] <= tick <= edges[-1]]
    figure.update_xaxes(type="log", tickvals=shown if len(shown) > 1 else None)  # one size has none of them
    return figure


def shortcut_table(shortcuts: Sequence[Shortcut]) -> pd.DataFrame:
    """One row a split and clue: ``split``, ``clue``, ``auc``, ``low``, ``high`` (of the whole only)."""
    rows = []
    for one in shortcuts:
        rows.append((one.split, "All clues together", one.auc, *one.interval))
        rows.append((one.split, "Facts of the file only", one.file_auc, np.nan, np.nan))
        rows += [(one.split, FEATURES[name], auc, np.nan, np.nan) for name, auc in one.single.items()]
    return pd.DataFrame(rows, columns=["split", "clue", "auc", "low", "high"])


def shortcut_figure(shortcut: Shortcut) -> go.Figure:
    """A bar for each clue: how well it alone tells Fake from Real; chance is 0.5."""
    table = shortcut_table([shortcut])
    values = table["auc"].clip(lower=0.5)
    colours = [ACCENT_COLOUR if value >= NOTABLE_AUC else NEUTRAL_COLOUR for value in values]
    figure = base_figure("ROC AUC (0.5 is guessing)", "", height=390)
    figure.add_bar(
        y=table["clue"],
        x=values - 0.5,
        base=0.5,
        orientation="h",
        marker={"color": colours, "line": {"width": 0}},
        text=[f"{value:.2f}" for value in table["auc"]],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(x=NOTABLE_AUC, line={"dash": "dot", "width": 1, "color": NEUTRAL_COLOUR})
    figure.update_xaxes(range=[0.5, 1.06], tickvals=[0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    figure.update_yaxes(autorange="reversed", type="category", title=None)
    return figure
