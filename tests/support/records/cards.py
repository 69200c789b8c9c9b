"""The card of a detector for tests."""

from __future__ import annotations

from typing import Any


def drawn_card(balanced: float = 0.5, **changes: Any) -> dict[str, Any]:
    """What ``card.json`` holds; ``changes`` replace its fields."""
    card = {
        "architecture": "compact",
        "input": {"size": 64, "scale": 1 / 127.5, "offset": -1.0},
        "temperature": 1.5,
        "bias": -0.25,  # neither is neutral, so that a number which leaves one out is another number
        "thresholds": {
            "balanced": balanced,
            "few_false_alarms": 0.9,
            "uncertain_low": 0.4,
            "uncertain_high": 0.6,
        },
        "sha256": "",
        "description": "For tests.",
        "knows": ["nothing"],
        "does_not_know": ["everything"],
        "evaluations": [],
    }
    return {**card, **changes}
