"""What verdicts do on every recorded score table: ``python -m benchmarks.verdict_rule [--write]``.

No network runs: the numbers follow from the score tables beside the cards and the cards' thresholds. With
``--write`` each card gets them (``verdict_rule`` of an evaluation), which ``evaluate --record`` does by
itself: it is for tables recorded earlier, and after a change of thresholds.
"""

from __future__ import annotations

import argparse
from typing import Any

from deepfake.detection.card import Card, load_card, model_names
from deepfake.evaluation.scores import read_scores
from deepfake.evaluation.statistics.thresholds import (
    Rate,
    RuleMetrics,
    at_every_point,
    rules_to_dict,
    sort_scores,
)
from deepfake.util.files import write_json


def main() -> None:
    """Prints a row an evaluation for each detector, at the operating point Balanced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdict_rule", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the numbers into the cards")
    options = parser.parse_args()
    for name in model_names():
        card = load_card(name)
        print(f"{name}: fake from {card.thresholds.fake_from():.3f}, real below ", end="")
        print(f"{card.thresholds.uncertain_low:.3f}, uncertain between")
        print(f"{'':52} {'n':>6} decided correct     FPR  recall  forced-choice accuracy")
        entries = [with_rule(card, entry) for entry in card.evaluations]
        for entry, rule in entries:
            title = " ".join(filter(None, (entry["data"], entry["split"], entry.get("source"))))
            title += ", perturbed" if entry["perturbed"] else ""
            numbers = (rule.decided, rule.correct, rule.false_positive_rate, rule.recall)
            shares = " ".join(f"{shown(number):>7}" for number in numbers)
            print(f"{title[:52]:52} {entry['n']:6} {shares}  {entry['accuracy']:.3f}")
        if options.write:
            contents = {**card.contents, "evaluations": [entry for entry, _ in entries]}
            write_json(card.folder / "card.json", contents)


def with_rule(card: Card, entry: dict[str, Any]) -> tuple[dict[str, Any], RuleMetrics]:
    """An entry of a card with its ``verdict_rule``, and that of the operating point Balanced."""
    table = read_scores(card.folder / entry["scores"])
    rules = at_every_point(sort_scores(table["label"], table["p_fake"]), card.thresholds)
    return {**entry, "verdict_rule": rules_to_dict(rules)}, rules["balanced"]


def shown(rate: Rate) -> str:
    return "-" if rate.share is None else f"{rate.share:.3f}"


if __name__ == "__main__":
    main()
