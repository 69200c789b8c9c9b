"""Two detectors, one answer: their logits added up, and when the sum is too small to decide.

    logit = scale * (main + share * second) + bias,    where the second one has its say
    logit = scale * alone * main + bias,               where it has none; alone is 1 / scale

The second one knows kinds of fakes that the main one does not, and is worse at those that it does: so it gets
a share, no more than leaves the main one's own kind as it was. An image is undecided where the sum is small;
that one member contradicts the other says nothing more. All of it is fitted on logits out of fold, of
generators that neither member was shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from deepfake.errors import UserError

WRONG = 0.10
"""Of the images that are decided, at most this share is wrong."""
DECIDED = 0.50
"""Of all images, at least this share is decided, where ``WRONG`` allows it."""
FALSE_ALARMS = 0.03
"""Of photos of kinds that neither member was shown, at most this share is called Fake."""
FEW_FALSE_ALARMS = 0.01
"""The same where few false alarms are asked for."""
SHARES = tuple(np.round(np.arange(0, 2.01, 0.1), 2).tolist())
"""Shares of the second member that are tried, in standard deviations of each member's logits."""
NEAR = 0.01
"""How far above the least log loss on unseen kinds a share may lie: known kinds want a small one."""
MOST_ALONE = 4.0
"""The main logit, where it stands alone, is multiplied by no more."""
KEPT = 0.01
"""How much of its accuracy on its own kind the main member may lose."""

Floats = NDArray[np.float64]


class StackError(UserError):
    """Detectors cannot be stacked."""


@dataclass(frozen=True)
class Stack:
    """How two detectors' logits become one, and when it decides.

    Attributes:
        share: how much the second logit counts beside the main one.
        scale: of the sum, above 0: so that the logit is calibrated.
        bias: added.
        margin: below this distance from 0 the stacked logit decides nothing.
        fake_from: nor between ``margin`` and this, where it is higher.
        few_from: nor below this, where few false alarms are asked for.
        alone: what the main logit is multiplied by where the second one has no say.
        fitted: what it was fitted on, for people.
    """

    share: float
    scale: float = 1.0
    bias: float = 0.0
    margin: float = 0.0
    fake_from: float = 0.0
    few_from: float = 0.0
    alone: float = 1.0
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least_0 = (self.share, self.margin, self.fake_from, self.few_from, self.alone)
        numbers = (*least_0, self.scale, self.bias)
        if not np.isfinite(numbers).all() or self.scale <= 0 or min(least_0) < 0:
            raise StackError(
                "bad_stack",
                "A stack needs finite numbers, a scale above 0, and a share and margins of at least 0. "
                f"Received: {', '.join(map(str, numbers))}.",
            )

    def logits(self, main: ArrayLike, second: ArrayLike, gate: ArrayLike = 1.0) -> Floats:
        """Logits of Fake of images, from those of the members; NaN where one is NaN.

        Args:
            main, second: (N,) of the members.
            gate: (N,) how much the second one has its say, in [0, 1]; its logit is that much smaller already.
        """
        first, other = _pair(main, second)
        return self.scale * (_alone(first, gate, self.alone) + self.share * other) + self.bias

    def decided(self, main: ArrayLike, second: ArrayLike, gate: ArrayLike = 1.0) -> NDArray[np.bool_]:
        """Whether the stack calls an image Fake or Real at all; never where a logit is NaN."""
        logits = self.logits(main, second, gate)
        return (logits <= -self.margin) | (logits >= max(self.margin, self.fake_from))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Stack:
        """From ``to_dict``.

        Raises:
            StackError: code ``bad_stack``.
        """
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise StackError("bad_stack", f"This is no stack of detectors: {error}.") from error

    @classmethod
    def read(cls, file: Path) -> Stack:
        """From a file of ``to_dict``.

        Raises:
            StackError: code ``bad_stack``.
        """
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StackError("bad_stack", f"{file} cannot be read as a stack: {error}.") from error
        if not isinstance(values, dict):
            raise StackError("bad_stack", f"{file} holds no stack of detectors.")
        return cls.from_dict(values)


@dataclass(frozen=True)
class Rows:
    """Images with the logits of both members, out of fold.

    Attributes:
        main, second: (N,) logits.
        fake: (N,) whether the image is.
        kind: (N,) names; each counts alike, half of it each class.
        unseen: (N,) whether neither member was shown the kind: what the stack is fitted on.
        gate: (N,) how much the second one has its say, or 1 everywhere.
    """

    main: Floats
    second: Floats
    fake: NDArray[np.bool_]
    kind: NDArray[np.str_]
    unseen: NDArray[np.bool_]
    gate: Floats = field(default_factory=lambda: np.ones(()))

    def __len__(self) -> int:
        return len(self.fake)

    def where(self, rows: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        gate = np.broadcast_to(self.gate, self.main.shape)[rows]
        return Rows(
            self.main[rows], self.second[rows], self.fake[rows], self.kind[rows], self.unseen[rows], gate
        )

    def weights(self) -> Floats:
        """(N,) how much each image counts: 1 in all, kinds alike, half of a kind each class it has."""
        weights = np.zeros(len(self))
        for kind in np.unique(self.kind):
            for fake in (False, True):
                mine = (self.kind == kind) & (self.fake == fake)
                if mine.any():
                    weights[mine] = 1 / mine.sum()
        return weights / max(weights.sum(), 1e-12)


def fit_stack(rows: Rows, kept: Rows, *, shares: Sequence[float] = SHARES, loss: float = KEPT) -> Stack:
    """Share, scale and bias, without a rule of what is decided.

    Of the shares that cost the main member at most ``loss`` of its accuracy on ``kept``, the smallest whose
    log loss on the unseen kinds of ``rows`` is within ``NEAR`` of the least.

    Args:
        rows: with both classes among the unseen ones.
        kept: images of the main member's own kind, as it meets them.
        shares: tried, in standard deviations of the members' logits.
        loss: of accuracy, at most.

    Raises:
        StackError: code ``one_class``.
    """
    unseen = rows.where(rows.unseen)
    if min(unseen.fake.sum(), (~unseen.fake).sum()) == 0 or min(kept.fake.sum(), (~kept.fake).sum()) == 0:
        raise StackError(
            "one_class", "Fakes and photos are needed of kinds that neither detector was shown, and of "
            "the kind that is to be kept.",
        )  # fmt: skip
    weights = unseen.weights()
    ratio = float(np.std(unseen.main) / max(np.std(unseen.second), 1e-9))
    before = best_accuracy(kept.main, kept.fake)
    tried, fitting = [], []
    for share in shares:
        scale, bias, log_loss = _fitted(unseen, share * ratio, 1.0, weights)
        alone = min(1 / scale, MOST_ALONE)  # once is enough: on unseen images the second has its say
        scale, bias, log_loss = _fitted(unseen, share * ratio, alone, weights)
        accuracy = best_accuracy(_alone(kept.main, kept.gate, alone) + share * ratio * kept.second, kept.fake)
        fits = accuracy >= before - loss
        tried.append({"share": share, "log_loss": log_loss, "kept_accuracy": accuracy, "fits": bool(fits)})
        if fits:
            fitting.append((share, log_loss, scale, bias, alone))
    if not fitting:
        raise StackError("no_share", "No share that was tried keeps the main detector's own kind.")
    least = min(log_loss for _, log_loss, *_ in fitting)
    share, _, scale, bias, alone = min(row for row in fitting if row[1] <= least + NEAR)
    return Stack(
        share=share * ratio, scale=scale, bias=bias, alone=alone,
        fitted={"ratio": ratio, "kept_accuracy_before": before, "tried": tried},
    )  # fmt: skip


def _fitted(rows: Rows, share: float, alone: float, weights: Floats) -> tuple[float, float, float]:
    """``fit_scale`` of the sum."""
    return fit_scale(_alone(rows.main, rows.gate, alone) + share * rows.second, rows.fake, weights)


def _alone(main: Floats, gate: ArrayLike, alone: float) -> Floats:
    """The main logit, so much larger as it stands alone."""
    said = np.asarray(gate, np.float64)
    return main * (said + (1 - said) * alone)


def fit_scale(logits: ArrayLike, fake: ArrayLike, weights: ArrayLike) -> tuple[float, float, float]:
    """Scale and bias that make logits calibrated (Platt), and the log loss with them.

    Args:
        logits: (N,).
        fake: (N,) whether each is.
        weights: (N,) how much each counts, 1 in all.

    Returns:
        The scale, kept above 0; the bias; the weighted mean log loss.
    """
    values, counted = np.asarray(logits, np.float64), np.asarray(weights, np.float64)
    signs = np.where(np.asarray(fake, bool), 1.0, -1.0)
    deviation = max(float(np.std(values)), 1e-9)
    design = np.stack([values / deviation, np.ones_like(values)], axis=1)
    found = np.zeros(2)
    penalty = np.diag([1e-6, 1e-9])

    def log_loss(parameters: Floats) -> float:
        return float(counted @ np.logaddexp(0, -signs * (design @ parameters)))

    for _ in range(50):  # Newton's steps, halved until they help
        chance = 1 / (1 + np.exp(np.clip(signs * (design @ found), -500, 500)))
        slope = -(counted * signs * chance) @ design + penalty @ found
        curve = (design * (counted * chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(curve, slope)
        while log_loss(found - step) > log_loss(found) + 1e-12 and np.abs(step).max() > 1e-9:
            step = step / 2
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    scale = max(float(found[0]), 1e-3)
    return scale / deviation, float(found[1]), log_loss(np.array([scale, found[1]]))


def best_accuracy(logits: ArrayLike, fake: ArrayLike) -> float:
    """Accuracy at the threshold that suits the logits best, the classes alike."""
    values, truth = np.asarray(logits, np.float64), np.asarray(fake, bool)
    order = np.argsort(values, kind="stable")
    sorted_values, sorted_fake = values[order], truth[order]
    real_below = np.concatenate([[0], np.cumsum(~sorted_fake)]) / max((~truth).sum(), 1)
    fake_above = 1 - np.concatenate([[0], np.cumsum(sorted_fake)]) / max(truth.sum(), 1)
    between = np.concatenate([[True], np.diff(sorted_values) > 0, [True]])  # equal logits stay together
    return float(((real_below + fake_above) / 2)[between].max())


def fit_band(
    stack: Stack, rows: Rows, *, wrong: float = WRONG, false_alarms: float = FALSE_ALARMS, steps: int = 60
) -> Stack:
    """The stack with the rule of what is decided: as much as leaves at most ``wrong`` of it wrong.

    Fake is called only from where at most ``false_alarms`` of the photos lie, and at the other operating
    point from where at most ``FEW_FALSE_ALARMS`` lie. Kinds count alike. Where no
    rule leaves so little wrong, the one that is wrong least often while ``DECIDED`` is decided, or what
    comes nearest to that.

    Args:
        stack: from ``fit_stack``.
        rows: unseen kinds; the others are passed over.
        wrong: share of what is decided.
        false_alarms: share of photos.
        steps: margins tried.
    """
    unseen = rows.where(rows.unseen)
    weights = unseen.weights()
    logits = stack.logits(unseen.main, unseen.second, unseen.gate)
    missed = ((logits >= 0) != unseen.fake).astype(float)
    photos = ~unseen.fake
    fake_from, few_from = (
        max(_exceeded_by(share, logits[photos], weights[photos]), 0.0)
        for share in (false_alarms, FEW_FALSE_ALARMS)
    )
    margins = np.unique(np.concatenate([[0.0], np.quantile(np.abs(logits), np.linspace(0, 0.95, steps))]))
    fitting, others = [], []
    for margin in margins:
        kept = (logits <= -margin) | (logits >= max(margin, fake_from))
        covered = float(weights[kept].sum())
        risk = float((weights * missed)[kept].sum() / covered) if covered > 0 else 1.0
        if risk <= wrong:
            fitting.append((covered, -risk, margin))
        others.append((min(covered, DECIDED), -risk, margin))
    best = max(fitting) if fitting and max(fitting)[0] >= DECIDED else max(others)
    return replace(stack, margin=float(best[2]), fake_from=fake_from, few_from=few_from)


def _exceeded_by(share: float, logits: Floats, weights: Floats) -> float:
    """The least number that at most a share of the logits, each counting its weight, reaches or exceeds."""
    order = np.argsort(-logits, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum() > share
    last = int(np.argmax(reached)) if reached.any() else len(order) - 1
    return float(np.nextafter(logits[order][last], np.inf))


def risk_table(stack: Stack, rows: Rows) -> list[dict[str, Any]]:
    """For each kind: how much is decided, and how much of that is wrong.

    Returns:
        A row a kind: ``kind``, ``fakes``, ``real``, ``decided`` and ``wrong`` (None where nothing is),
        ``fakes_decided``, ``fakes_wrong``, ``real_wrong``, ``wrong_if_all_decided``; ``roc_auc`` and
        ``main_roc_auc`` of the stack and of the main member alone, None with one class. The last row is of
        all kinds alike. Classes count alike within a kind.
    """
    kinds = [*np.unique(rows.kind).tolist(), None]
    return [_risk(kind, stack, rows if kind is None else rows.where(rows.kind == kind)) for kind in kinds]


def _risk(kind: str | None, stack: Stack, rows: Rows) -> dict[str, Any]:
    weights = rows.weights()
    decided = stack.decided(rows.main, rows.second, rows.gate)
    logits = stack.logits(rows.main, rows.second, rows.gate)
    missed = (logits >= 0) != rows.fake
    both = 0 < rows.fake.sum() < len(rows)

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
        total = weights[among].sum()
        return float(weights[among & of].sum() / total) if total > 0 else None

    every = np.ones(len(rows), bool)
    return {
        "kind": kind or "all",
        "fakes": int(rows.fake.sum()),
        "real": int((~rows.fake).sum()),
        "decided": share(decided, every),
        "wrong": share(missed, decided),
        "fakes_decided": share(decided, rows.fake),
        "fakes_wrong": share(missed, decided & rows.fake),
        "real_wrong": share(missed, decided & ~rows.fake),
        "wrong_if_all_decided": share(missed, every),
        "roc_auc": float(roc_auc_score(rows.fake, logits, sample_weight=weights)) if both else None,
        "main_roc_auc": float(roc_auc_score(rows.fake, rows.main, sample_weight=weights)) if both else None,
    }


def coverage_curve(
    stack: Stack, rows: Rows, parts: Sequence[float] = (0.3, 0.5, 0.7, 0.9, 1.0)
) -> list[dict[str, float]]:
    """What is wrong among the surest part of images, by distance of the stacked logit from 0.

    Args:
        stack: its rule of what is decided is passed over.
        rows: kinds count alike.
        parts: of all, to be decided.
    """
    logits, weights = stack.logits(rows.main, rows.second, rows.gate), rows.weights()
    order = np.argsort(-np.abs(logits), kind="stable")
    missed = (((logits >= 0) != rows.fake) * weights)[order]
    covered = np.cumsum(weights[order])
    curve = []
    for part in parts:
        last = min(int(np.searchsorted(covered, part - 1e-9)), len(order) - 1)
        wrong = float(missed[: last + 1].sum() / covered[last])
        curve.append({"decided": float(covered[last]), "wrong": wrong})
    return curve


def _pair(main: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    first, other = np.asarray(main, np.float64), np.asarray(second, np.float64)
    if first.shape != other.shape:
        raise StackError(
            "unlike_members", f"Both members judge the same images. Received {first.shape} and {other.shape}."
        )
    return first, other
