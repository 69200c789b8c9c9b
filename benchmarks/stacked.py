"""A detector, a head on the tower and their stack on images of other collections: a table by source.

    python -m benchmarks.stacked TRAINING FEATURES LOGITS stack.json LOOK [--split Cross] [--penalty 0.03]

TRAINING and FEATURES are what the head is fitted on (its Train split); FEATURES is of LOOK too.
Sources without photographs are set against those of ``--against``. Beside every ROC AUC of the members stands
that of sharpness alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.left_out import auc, interval
from deepfake.data.index import index_dataset
from deepfake.detection.card import load_card
from deepfake.detection.detector import Detector
from deepfake.networks.clip_vit import CLIP_B16, pooled_columns
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import read_features
from deepfake.training.frozen.fit import HeadSettings, fit_head
from deepfake.training.frozen.stack import Rows, Stack, coverage_curve, risk_table
from deepfake.training.frozen.stack_fitting import main_logits


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description="Members and their stack, by source.")
    parser.add_argument("training", type=Path)
    parser.add_argument("features", type=Path)
    parser.add_argument("logits", type=Path)
    parser.add_argument("stack", type=Path)
    parser.add_argument("look", type=Path)
    parser.add_argument("--split", default="Cross")
    parser.add_argument("--model", default="faces")
    parser.add_argument("--blocks", nargs="+", type=int, default=[4, 5, 6, 7])
    parser.add_argument("--penalty", type=float, default=0.03)
    parser.add_argument("--against", default="hardfaces", help="source whose photographs stand in")
    options = parser.parse_args()
    cache = FeatureCache(
        options.features, json.loads((options.features / "features.json").read_text(encoding="utf-8"))
    )
    settings = HeadSettings(blocks=tuple(options.blocks), deviation=False, penalty=options.penalty)
    training = index_dataset(options.training).without_duplicates().select(split="Train")
    head = fit_head(training, cache, settings)
    look = index_dataset(options.look).select(split=options.split)
    read, rows, view = read_features(look, cache, ["clean"], ["features", "sharpness"])
    table = look.table.iloc[rows].reset_index(drop=True)
    columns = pooled_columns(CLIP_B16, settings.blocks, settings.deviation)
    features = read["features"][:, columns]
    second, gate = head.head.logits(features).astype(float), head.head.gates(features).astype(float)
    detector = Detector(load_card(options.model))
    logits = FeatureCache(options.logits, {"detector": detector.card.name, "sha256": detector.card.sha256})
    main_member = main_logits(type(look)(look.root, table), view, detector, logits)
    stack = Stack.read(options.stack)
    source, fake = table["source"].to_numpy().astype(str), table["label"].to_numpy() == 1
    print(f"{sum(head.views.values())} training views; {len(table)} images of {options.split}\n")
    print("| source | fakes | real | tower | " + options.model + " | stack | sharpness |")
    print("| --- | ---: | ---: | --- | --- | --- | ---: |")
    kinds = np.unique(source[fake])
    kept = []
    for kind in kinds:
        own = source == kind
        if not (own & ~fake).any():
            own |= (source == options.against) & ~fake
        scores = (second, main_member, stack.logits(main_member, second, gate))
        cells = [f"{auc(s[own], fake[own]):.3f} ({interval(s[own], fake[own])})" for s in scores]
        sharp = auc(read["sharpness"][own], fake[own])
        print(
            f"| {kind} | {(own & fake).sum()} | {(own & ~fake).sum()} | {' | '.join(cells)} | {sharp:.2f} |"
        )
        kept.append(
            Rows(
                main_member[own],
                second[own],
                fake[own],
                np.full(own.sum(), kind),
                np.ones(own.sum(), bool),
                gate[own],
            )
        )
    every = Rows(*(np.concatenate([getattr(part, name) for part in kept])
                   for name in ("main", "second", "fake", "kind", "unseen", "gate")))  # fmt: skip
    print("\n| kind | decided | wrong of it | fakes wrong | real wrong | wrong of all |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in risk_table(stack, every):
        numbers = [row[n] for n in ("decided", "wrong", "fakes_wrong", "real_wrong", "wrong_if_all_decided")]
        print(f"| {row['kind']} | " + " | ".join("-" if n is None else f"{n:.3f}" for n in numbers) + " |")
    print("\n| surest | wrong |\n| ---: | ---: |")
    for point in coverage_curve(stack, every):
        print(f"| {point['decided']:.0%} | {point['wrong']:.3f} |")


if __name__ == "__main__":
    main()
