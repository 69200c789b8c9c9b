"""What a score meant on images with known answers, in a sentence; light enough for a page's first paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from deepfake.evaluation.scores import verdict_context
from deepfake.util.text import format_percent

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    from deepfake.detection.rules import Rules
    from deepfake.detection.verdict import Verdict


def context_sentence(scores: pd.DataFrame | None, verdict: Verdict, rules: Rules | None = None) -> str:
    """What the probability meant on images with known answers; empty without a table or a probability.

    They are not called test images: the thresholds were chosen on them. They show one face each, so the
    highest of many faces is not set beside them.

    Args:
        scores: from ``records.validation_scores``.
        verdict: any.
        rules: of the detector, for what it said of other whole images.
    """
    if verdict.p_fake is None:
        return ""
    if verdict.basis == "whole":
        whole = rules and rules.whole
        if not whole:
            return ""
        found = f" and {whole.found:,} of {whole.generated:,} generated images" if whole.generated else ""
        return (
            f"Among validation images, it called {whole.called_fake:,} of {whole.scenes:,} photos of "
            f"scenes fake by the whole image{found}."
        )
    if scores is None or len(verdict.deciding) > 1:
        return ""
    context = verdict_context(scores, verdict.p_fake)
    count = {0: "none", context.n: "all"}.get(context.n_fake, f"{context.n_fake:,}")
    were = "was" if context.n_fake == 1 else "were"
    return f"Of {context.n:,} validation images with a similar score, {count} {were} fake."


def context_remark(scores: pd.DataFrame | None, verdict: Verdict) -> str:
    """How far ``context_sentence`` holds; empty where it counts no images."""
    if scores is None or verdict.p_fake is None or verdict.basis == "whole" or len(verdict.deciding) > 1:
        return ""
    context = verdict_context(scores, verdict.p_fake)
    low, high = (round(100 * bound) for bound in context.interval)
    return (
        f"Share of fakes among validation images with a similar score: {format_percent(context.share_fake)} "
        f"({context.confidence:.0%} interval {low} to {high}%). Of all {len(scores):,} validation images "
        f"{format_percent(scores['label'].to_numpy().mean())} are fake; expect other odds where fakes are "
        "rarer or more common."
    )


def context_example(scores: pd.DataFrame | None, p_fake: float = 0.8) -> str:
    """How images that scored about this turned out; empty without a table."""
    if scores is None:
        return ""
    context = verdict_context(scores, p_fake)
    return (
        f"Of the {context.n:,} validation images that scored nearest to {format_percent(p_fake)} "
        f"({format_percent(context.low)} to {format_percent(context.high)}), {context.n_fake:,} were fake, "
        f"that is {format_percent(context.share_fake)}."
    )
