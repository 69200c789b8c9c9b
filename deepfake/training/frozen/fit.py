"""A run that fits a head on features of a frozen network: minutes, where training it would take days.

Its folder is a run's as any other (``settings.json``, ``best.keras``, ``result.json``), so it is published,
combined and measured as any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.images.pixels import InputSpec
from deepfake.networks.clip_vit import CLIP_B16, NAME, Shape, pooled_columns, with_head
from deepfake.networks.int8_weights import quantise
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import INPUT, read_features
from deepfake.training.frozen.gated import GatedHead, fit_gated
from deepfake.training.frozen.hidden import HiddenHead
from deepfake.training.frozen.views import VIEWS, View
from deepfake.training.recipe import Recipe
from deepfake.training.train import validation_numbers
from deepfake.util.files import write_json


class FrozenError(UserError):
    """A head cannot be fitted as asked."""


@dataclass(frozen=True)
class HeadSettings:
    """What a head reads and how it is fitted.

    Attributes:
        blocks: of the tower whose pooled tokens it reads, from 0.
        deviation: it reads their standard deviation beside their mean.
        units: of a hidden layer, see ``gated.fit_gated``; 0: logistic regression alone.
        penalty: see ``heads.fit_logistic``.
        views: what it is shown of each image, where the features are there.
        shares: how much some sources count, each of the others 1.
        leave_out: sources left out.
        gate: a source that the detector beside this network knows better: the network has no say there.
        weights: what the tower was given, for the card.
    """

    blocks: tuple[int, ...] = (4, 5, 6, 7)
    deviation: bool = True
    units: int = 0
    penalty: float = 0.01
    views: tuple[View, ...] = VIEWS
    shares: Mapping[str, float] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    gate: str | None = None
    weights: str = "clip"
    input: InputSpec = field(default=INPUT)


@dataclass(frozen=True)
class FittedHead:
    """A head and what it was fitted on.

    Attributes:
        head: on the columns of ``HeadSettings.blocks``.
        columns: where these stand in the cache's features.
        views: (view, images) it was fitted on.
    """

    head: GatedHead
    columns: NDArray[np.intp]
    views: dict[str, int]


def fit_head(
    training: DatasetIndex, cache: FeatureCache, settings: HeadSettings, shape: Shape = CLIP_B16
) -> FittedHead:
    """Fits a head on the training images whose features are there.

    Raises:
        FrozenError: codes ``bad_block``, ``bad_source``, ``one_class``.
        NoFeatures: as ``features.read_features``.
    """
    _check(settings, shape, sorted(training.table["source"].unique()))
    read, rows, views = read_features(training, cache, settings.views, ["features"])
    labels = training.table["label"].to_numpy()[rows]
    sources = training.table["source"].to_numpy()[rows].astype(str)
    shares = source_shares(settings, sources)
    kept = np.isin(sources, list(shares))
    if len(np.unique(labels[kept])) < 2:
        raise FrozenError(
            "one_class",
            f"The features of {training.root} are of one class only, with what is left out. Both Fake and "
            "Real are needed: go on with 'python -m deepfake features'.",
        )
    columns = pooled_columns(shape, settings.blocks, settings.deviation)
    head = fit_gated(
        read["features"][kept][:, columns], labels[kept], sources[kept], penalty=settings.penalty,
        shares=shares, units=settings.units, gate=settings.gate,
    )  # fmt: skip
    counts = {str(view): int((views[kept] == view).sum()) for view in np.unique(views[kept])}
    return FittedHead(head, columns, counts)


def _check(settings: HeadSettings, shape: Shape, sources: Sequence[str]) -> None:
    unknown = [block for block in settings.blocks if block not in shape.pooled]
    if unknown or not settings.blocks:
        raise FrozenError(
            "bad_block",
            f"The features are of blocks {', '.join(map(str, shape.pooled))}, received: "
            f"{', '.join(map(str, settings.blocks)) or 'none'}.",
        )
    named = {*settings.leave_out, *settings.shares, *filter(None, [settings.gate])}
    strange = sorted(named - set(sources))
    if strange:
        raise FrozenError(
            "bad_source",
            f"The training images have no source {', '.join(strange)}. They have: {', '.join(sources)}.",
        )


def fit_run(
    data: DatasetIndex,
    cache: FeatureCache,
    tower: Any,
    folder: Path,
    settings: HeadSettings,
    *,
    shape: Shape = CLIP_B16,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Makes the folder of a run whose network is the tower with a head fitted on a data set.

    Args:
        data: with the splits Train and Validation.
        cache: with features of its images.
        tower: the network that made them, of ``clip_vit.backbone(shape)``.
        folder: the run's, made if missing.
        settings: of the head.
        shape: of the tower.
        say: takes lines for the person who waits.

    Returns:
        What is written as ``result.json``: the validation numbers of each view among it.

    Raises:
        FrozenError: code ``run_exists``, and as ``fit_head``.
        NoFeatures: as ``features.read_features``.
    """
    if (folder / "settings.json").exists():
        raise FrozenError("run_exists", f"{folder} already holds a run. Give another name.")
    data = data.without_duplicates()
    training, validation = data.select(split="Train"), data.select(split="Validation")
    fitted = fit_head(training, cache, settings, shape)
    say(f"Fitted on {', '.join(f'{count} {view}' for view, count in fitted.views.items())} views.")
    measured = {}
    read, rows, views = read_features(validation, cache, settings.views, ["features"])
    logits = fitted.head.logits(read["features"][:, fitted.columns])
    for view in np.unique(views):
        mine = views == view
        table = validation.table.iloc[rows[mine]].reset_index(drop=True)
        if table["label"].nunique() == 2:
            measured[str(view)] = validation_numbers(table, logits[mine])
    for view, numbers in measured.items():
        by_source = ", ".join(f"{source} {auc:.3f}" for source, auc in numbers["source_roc_auc"].items())
        say(f"Validation, {view}: ROC AUC {numbers['roc_auc']:.3f} ({by_source})")
    folder.mkdir(parents=True, exist_ok=True)
    head, gate = fitted.head.head, fitted.head.gate
    network = with_head(
        tower, shape, blocks=settings.blocks, deviation=settings.deviation, kernel=head.kernel,
        bias=head.bias, hidden=(head.hidden, head.hidden_bias) if isinstance(head, HiddenHead) else None,
        gate=(gate.kernel, gate.bias) if gate else None,
    )  # fmt: skip
    network.save(folder / "best.keras")
    error = quantise(folder / "best.keras")
    spec = settings.input
    recipe = Recipe(
        NAME, NAME, spec, spec, epochs=1, weights=settings.weights, perturbed=0.5,
        shares=source_shares(settings, training.table["source"]),
    )  # fmt: skip
    write_json(folder / "settings.json", {"recipe": recipe.to_dict(), "data": str(data.root.resolve())})
    result = {
        "state": "fitted",
        "head": {**asdict(settings), "input": spec.to_dict(), "views": fitted.views},
        "features": json.loads((cache.folder / "features.json").read_text(encoding="utf-8")),
        "data_sha256": data_digest(data),
        "int8_rounding": error,
        "validation": measured,
    }
    write_json(folder / "result.json", result)
    return result


def source_shares(settings: HeadSettings, sources: ArrayLike) -> dict[str, float]:
    """How much each source that is not left out counts, 1 in all."""
    names = np.unique(np.asarray(sources).astype(str)).tolist()
    kept = {name: settings.shares.get(name, 1.0) for name in names if name not in settings.leave_out}
    return {source: share / sum(kept.values()) for source, share in kept.items()}


def data_digest(data: DatasetIndex) -> str:
    """SHA-256 over the content, split, label and source of every image: what exactly was trained on."""
    lines = sorted(
        f"{sha} {row.split} {row.label} {row.source}"
        for sha, row in zip(data.hashes(), data.table.itertuples(), strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
