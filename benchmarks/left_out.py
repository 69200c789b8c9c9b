"""What a head on the frozen tower tells of generators it was not fitted on: a table, one left out at a time.

    python -m benchmarks.left_out DATA FEATURES [--blocks 4 5 6 7] [--penalty 0.3] [--kinds] [--mean-only]

DATA has a manifest with sources and generators, FEATURES is what ``python -m deepfake features`` made of it.
A left-out generator's fakes of both splits are unseen; real images are those of Validation. Beside every ROC
AUC stands that of sharpness alone, and the mean over fifths of sharpness: what is left where it cannot help.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from deepfake.data.index import index_dataset
from deepfake.networks.clip_vit import CLIP_B16, pooled_columns
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import read_features
from deepfake.training.frozen.heads import Moments, balanced_weights
from deepfake.training.frozen.views import VIEWS

MIN_CLASS_IMAGES = 8
"""Of each class, where an AUC is given."""


def auc(scores: np.ndarray, fake: np.ndarray) -> float:
    """ROC AUC; NaN with fewer than ``MIN_CLASS_IMAGES`` of a class."""
    if min(fake.sum(), (~fake).sum()) < MIN_CLASS_IMAGES:
        return float("nan")
    return float(roc_auc_score(fake, scores))


def within_fifths(scores: np.ndarray, fake: np.ndarray, sharp: np.ndarray) -> float:
    """Mean of the AUCs within fifths of sharpness, each counting by its smaller class."""
    fifth = pd.qcut(pd.Series(sharp).rank(method="first"), 5, labels=False).to_numpy()
    parts = [(scores[fifth == n], fake[fifth == n]) for n in range(5)]
    counted = [
        (auc(s, f), min(f.sum(), (~f).sum()))
        for s, f in parts
        if min(f.sum(), (~f).sum()) >= MIN_CLASS_IMAGES
    ]
    if not counted:
        return float("nan")
    return float(np.average([value for value, _ in counted], weights=[count for _, count in counted]))


def interval(scores: np.ndarray, fake: np.ndarray) -> str:
    """95% bootstrap interval of the AUC over images."""
    rng, values = np.random.default_rng(0), []
    for _ in range(300):
        rows = rng.integers(len(fake), size=len(fake))
        values.append(auc(scores[rows], fake[rows]))
    low, high = np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return f"{low:.2f} to {high:.2f}"


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description="Leave-one-out over generators, or over sources.")
    parser.add_argument("data", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("--blocks", nargs="+", type=int, default=[4, 5, 6, 7])
    parser.add_argument("--penalty", type=float, default=0.3)
    parser.add_argument("--mean-only", action="store_true")
    parser.add_argument("--kinds", action="store_true", help="leave out whole sources, their photographs too")
    options = parser.parse_args()
    data = index_dataset(options.data).without_duplicates()
    key = json.loads((options.features / "features.json").read_text(encoding="utf-8"))
    cache = FeatureCache(options.features, key)
    read, rows, view = read_features(data, cache, VIEWS, ["features", "sharpness"])
    table = data.table.iloc[rows].reset_index(drop=True)
    fake, train = table["label"].to_numpy() == 1, table["split"].to_numpy() == "Train"
    columns = pooled_columns(CLIP_B16, options.blocks, not options.mean_only)
    features, sharp = read["features"][:, columns].astype(np.float32), read["sharpness"]
    print(f"{train.sum()} training views, {(~train).sum()} validation views; blocks {options.blocks}, "
          f"{'mean' if options.mean_only else 'mean and deviation'}, penalty {options.penalty}; "
          f"data {hashlib.sha256(''.join(sorted(data.hashes())).encode()).hexdigest()[:12]}\n")  # fmt: skip
    source, generator = table["source"].to_numpy().astype(str), table["generator"].to_numpy().astype(str)
    weights = np.zeros(len(table))
    weights[train] = balanced_weights(source[train], fake[train])
    centre = features[train].mean(0)
    whole = Moments(features[train], fake[train], weights[train], centre)
    groups = source if options.kinds else generator
    print(
        "| left out | view | fakes | real | ROC AUC | interval | in fifths of sharpness | sharpness alone "
        "| against all photographs |"
    )
    print("| --- | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for name in sorted(set(groups[fake])):
        mine = groups == name
        out = train & mine
        kept = whole if not out.any() else whole + Moments(
            features[out], fake[out], weights[out], centre
        ).scaled(-1)  # fmt: skip
        (head,) = kept.ridge([options.penalty])
        scores = head.logits(features)
        for clean in (True, False):
            shown = (view == "clean") == clean
            fakes = mine & fake & shown & ((~train) | (not options.kinds))
            real = ~fake & ~train & shown
            own = fakes | (real & np.isin(source, list(set(source[mine]))))
            every = fakes | real
            if fakes.sum() < MIN_CLASS_IMAGES or (own & ~fake).sum() < MIN_CLASS_IMAGES:
                continue
            fifths = within_fifths(scores[own], fake[own], sharp[own])
            print(
                f"| {name} | {'clean' if clean else 'perturbed'} | {fakes.sum()} | {(own & ~fake).sum()} "
                f"| {auc(scores[own], fake[own]):.2f} | {interval(scores[own], fake[own])} "
                f"| {fifths:.2f} | {auc(sharp[own], fake[own]):.2f} "
                f"| {auc(scores[every], fake[every]):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
