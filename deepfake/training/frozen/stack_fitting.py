"""A data set, a frozen tower's features and a detector -> the ``stack`` of it and a head on the tower.

Both members are asked about fakes that neither was shown: those whose generator does not stand in the
detector's card, by a head that was fitted without them and without the photographs beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.data.gather import name_draw
from deepfake.data.index import DatasetIndex
from deepfake.networks.clip_vit import CLIP_B16, Shape, pooled_columns
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import extract, read_features
from deepfake.training.frozen.fit import HeadSettings, source_shares
from deepfake.training.frozen.gated import fit_gated
from deepfake.training.frozen.stack import (
    Rows,
    Stack,
    StackError,
    coverage_curve,
    fit_band,
    fit_stack,
    risk_table,
)


@dataclass(frozen=True)
class Judged:
    """Images that both members judged.

    Attributes:
        rows: their logits, out of fold where ``rows.unseen``.
        view: (N,) of each.
        sharpness: (N,) of each, what it alone would tell.
    """

    rows: Rows
    view: NDArray[np.str_]
    sharpness: NDArray[np.float32]

    def where(self, chosen: NDArray[np.bool_]) -> Judged:
        """Some of them."""
        return Judged(self.rows.where(chosen), self.view[chosen], self.sharpness[chosen])


def main_logits(data: DatasetIndex, views: NDArray[Any], detector: Any, cache: FeatureCache) -> NDArray:
    """Calibrated logits of a detector, kept like the tower's features.

    Args:
        data: a row for each image and view.
        views: (N,) of each row.
        detector: a ``Detector``.
        cache: of its logits, with a key of its own.
    """

    def engine(_network: Any, _spec: Any) -> Callable[[Any], NDArray]:
        return lambda batch: np.asarray(detector.scorer(batch)).reshape(-1, 1)

    for view in np.unique(views):
        part = data.table[views == view].reset_index(drop=True)
        extract(DatasetIndex(data.root, part), cache, [str(view)], None, detector.card.input, engine=engine)  # type: ignore[list-item]
    hashes = data.hashes()
    kept = cache.read([(sha, str(view)) for sha, view in zip(hashes, views, strict=True)], ["features"])
    return kept["features"][:, 0].astype(np.float64) / detector.card.temperature + detector.card.bias


def judge(
    data: DatasetIndex,
    cache: FeatureCache,
    logits: FeatureCache,
    detector: Any,
    settings: HeadSettings,
    *,
    seen: Sequence[str] = (),
    together: Sequence[str] = (),
    shape: Shape = CLIP_B16,
    say: Callable[[str], None] = print,
) -> Judged:
    """Both members on the validation images and on all fakes that neither was shown.

    Args:
        data: with Train and Validation, and a manifest that names generators.
        cache: the tower's features of them.
        logits: the detector's, filled here.
        detector: the main member, a ``Detector`` whose card names what it was trained on.
        settings: of the head.
        seen: generators that the detector was shown under another name.
        together: unseen generators that are left out at once, being of one family.
        shape: of the tower.
        say: takes lines for the person who waits.

    Raises:
        StackError: code ``nothing_unseen``.
    """
    data = data.without_duplicates()
    read, rows, view = read_features(data, cache, settings.views, ["features", "sharpness"])
    table = data.table.iloc[rows].reset_index(drop=True)
    fake, train = table["label"].to_numpy() == 1, table["split"].to_numpy() == "Train"
    source, generator = (table[name].to_numpy().astype(str) for name in ("source", "generator"))
    known = {*(detector.card.contents.get("data") or {}).get("generators", []), *seen}
    unseen = ~np.isin(generator, list(known))
    names = np.unique(generator[unseen & fake]).tolist()
    if not names or not (unseen & ~fake).any():
        raise StackError(
            "nothing_unseen",
            f"The detector {detector.card.name} was shown every generator, or every photo's source, in "
            f"{data.root}: nothing is left to fit a stack on.",
        )
    groups = [[name for name in names if name in together]] if together else []
    groups = [group for group in [*groups, *([name] for name in names if name not in together)] if group]
    features = read["features"][:, pooled_columns(shape, settings.blocks, settings.deviation)]
    second, gate, kind = np.full(len(table), np.nan), np.ones(len(table)), source.astype(object)

    def head_without(out: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        shown = train & ~out
        head = fit_gated(
            features[shown], fake[shown], source[shown], penalty=settings.penalty,
            shares=source_shares(settings, source[shown]), units=settings.units, gate=settings.gate,
        )  # fmt: skip
        return head.logits(features), head.gates(features)

    hashes = np.array(data.hashes())[rows]
    owner = _owners(groups, source, generator, hashes, unseen & ~fake)
    for index, group in enumerate(groups):
        fakes, real = fake & np.isin(generator, group), owner == index
        scores, gates = head_without(fakes | real)
        second[fakes | real], gate[fakes | real] = scores[fakes | real], gates[fakes | real]
        kind[fakes] = generator[fakes]
        kind[real] = [group[int(name_draw(f"kind {sha}") * len(group))] for sha in hashes[real]]
        say(f"Without {', '.join(group)}: {fakes.sum()} views of fakes, {real.sum()} of photos.")
    usual = ~train & ~unseen
    scores, gates = head_without(np.zeros(len(table), bool))
    second[usual], gate[usual] = scores[usual], gates[usual]
    chosen = np.isfinite(second)
    part = DatasetIndex(data.root, table[chosen].reset_index(drop=True))
    main = main_logits(part, view[chosen], detector, logits)
    judged = Rows(
        main,
        second[chosen],
        fake[chosen],
        np.array(kind[chosen].tolist()),
        (unseen & chosen)[chosen],
        gate[chosen],
    )
    return Judged(judged, view[chosen], read["sharpness"][chosen])


def _owners(
    groups: list[list[str]], source: NDArray, generator: NDArray, hashes: NDArray, real: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """With which group each unseen photograph is left out: one that has fakes in its source; -1 elsewhere."""
    owner = np.full(len(source), -1)
    for name in np.unique(source[real]):
        there = [n for n, group in enumerate(groups) if np.isin(generator[source == name], group).any()]
        there = there or list(range(len(groups)))
        mine = np.flatnonzero(real & (source == name))
        owner[mine] = [there[int(name_draw(f"beside {sha}") * len(there))] for sha in hashes[mine]]
    return owner


def fit(judged: Judged, *, keep: str = "openforensics") -> tuple[Stack, list[dict[str, Any]]]:
    """The stack with its rule, and what the rule does for each kind when fitted without that kind.

    Args:
        judged: by ``judge``.
        keep: the source on whose perturbed images the main member may not lose.
    """
    rows = judged.rows
    kept = rows.where((rows.kind == keep) & (judged.view == "perturbed"))
    stack = fit_band(fit_stack(rows, kept), rows)
    honest = []
    for kind in np.unique(rows.kind[rows.unseen]):
        others = rows.where(rows.unseen & (rows.kind != kind))
        if len(np.unique(others.kind)) and len(np.unique(others.fake)) == 2:
            without = fit_band(fit_stack(others, kept), others)
            honest.append(risk_table(without, rows.where(rows.kind == kind))[0])
    record = {
        **stack.fitted,
        "kinds": np.unique(rows.kind[rows.unseen]).tolist(),
        "views": int(rows.unseen.sum()),
        "by_kind": risk_table(stack, rows.where(rows.unseen)),
        "by_kind_left_out": honest,
        "known_kinds": risk_table(stack, rows.where(~rows.unseen)),
        "coverage": coverage_curve(stack, rows.where(rows.unseen)),
    }
    return replace(stack, fitted=record), honest
