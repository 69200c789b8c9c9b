"""Fitting and measuring what kind of fake an image is most like: ``detection.kinds`` serves it.

The head is a multinomial logistic regression on the features of the second network, brought to length 1 as
they are served. Each kind counts the same, and each generator of a kind: its probabilities are those of a
world where all kinds are equally common. From which probability each is named is chosen on families of
generators that the head was fitted without, for few fakes that a person brings are by one of these programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.data.index import DatasetIndex
from deepfake.data.sample import draw_evenly
from deepfake.detection.embedding.kinds import KindHead
from deepfake.errors import UserError
from deepfake.evaluation.kinds import CANNOT_TELL
from deepfake.networks.clip_vit import CLIP_B16, Shape, pooled_columns
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import read_features
from deepfake.types import FAKE_KINDS, FakeKind

FAMILIES: Mapping[FakeKind, tuple[tuple[str, ...], ...]] = {
    "gan": (
        ("stylegan", "stylegan-zoya"),
        ("stylegan2", "stylegan2-512", "generated-photos", "mobilestylegan"),
        ("pggan",),
    ),
    "diffusion": (
        ("flux", "flux-face", "flux-politicians-face", "sdxl-flux-face", "sdxl-flux-face-small"),
        (
            "sd15-clock", "sd15-clock-face", "sd15-santy", "sd15-santy-face", "sd15-varun", "sd15-varun-face",
            "sd1-woman-face",
        ),
        ("sd3",),
        ("diffusion", "diffusion-face"),
    ),
    "swap": (
        ("openforensics",),
        ("faceswap",),
        ("dfdc",),
        ("face2face", "neuraltextures", "ff++-deepfakes", "ff++-faceswap"),
        ("faceswap-gan",),
        ("video-swap",),
    ),
    "edit": (("photoshop",), ("stargan",)),
}  # fmt: skip
"""Generators of ``models/faces.toml`` by kind; those of one family share a program or clips, and are left out
together. ``real-or-ai`` does not say what made it, so it stands in none."""
RIGHT = 0.8
"""Of the fakes of left-out families that are called by a kind's name, at least this share is of it."""
LEAST = 0.4
"""No kind is named that is less probable, however often it would be right."""
MOST = 40
"""Views of each generator that are measured: one with many must not be all that is measured."""
EACH = 100
"""Images of each generator and class in every split and source that are read: kinds are balanced anyway."""
COMPONENTS, COMPONENT_ROWS = 256, 2000
"""Principal components that the regression sees in place of 3,072 numbers, and of how many views they are: a
family left out then costs seconds."""
PENALTY = 0.001
"""The ``C`` of scikit-learn, on components of variance 1."""
_LEAST_NAMED = 0.005
"""Of all left-out fakes, below which a kind's share is too few to tell."""
VIEWS = ("clean", "mixed")
Say = Callable[[str], None]


class KindsError(UserError):
    """Kinds of fakes cannot be fitted; code ``too_few_kinds``, ``cannot_be_told`` or ``other_features``."""


@dataclass(frozen=True)
class Samples:
    """Views of images with their kinds.

    Attributes:
        features: (N, D) float32, each of length 1.
        kind: (N,) of ``FAKE_KINDS``.
        generator: (N,) of each; a photo's is the source of photos.
        view: (N,) of ``VIEWS``.
        train: (N,) whether it is a training image; the others are of Validation.
    """

    features: NDArray[np.float32]
    kind: NDArray[np.str_]
    generator: NDArray[np.str_]
    view: NDArray[np.str_]
    train: NDArray[np.bool_]

    def where(self, chosen: NDArray[Any]) -> Samples:
        """Some of them, by a mask or by row numbers."""
        return Samples(
            self.features[chosen],
            self.kind[chosen],
            self.generator[chosen],
            self.view[chosen],
            self.train[chosen],
        )


def kind_of(generator: str, label: int) -> FakeKind | None:
    """The kind of a data set's images; None for a generator that no family names.

    Args:
        generator: as in the manifest.
        label: 1 Fake, 0 Real.
    """
    if not label:
        return "photo"
    for kind, families in FAMILIES.items():
        if any(generator in family for family in families):
            return kind
    return None


def read_samples(
    data: DatasetIndex,
    cache: FeatureCache,
    blocks: Sequence[int],
    *,
    deviation: bool,
    shape: Shape = CLIP_B16,
    say: Say = print,
) -> Samples:
    """What a cache holds of a data set's Train and Validation whose kind is known.

    Args:
        data: with a manifest that names generators.
        cache: of the second network's tower.
        blocks, deviation: what the second network reads of it.
        shape: of the tower.
        say: takes a line about generators that are left out.

    Raises:
        NoFeatures: as ``read_features``.
    """
    part = draw_evenly(data, EACH)
    read, rows, view = read_features(part, cache, VIEWS, ["features"])
    table = part.table.iloc[rows].reset_index(drop=True)
    kinds = [kind_of(str(g), int(y)) for g, y in zip(table["generator"], table["label"], strict=True)]
    known = np.array([kind is not None for kind in kinds]) & table["split"].isin(["Train", "Validation"])
    if unknown := sorted({str(g) for g, k in zip(table["generator"], kinds, strict=True) if k is None}):
        say(f"Left out, as their kind is not known: {', '.join(unknown)}.")
    features = read["features"][known][:, pooled_columns(shape, blocks, deviation)].astype(np.float32)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return Samples(
        features,
        np.array([str(kind) for kind in kinds])[known],
        table["generator"].to_numpy().astype(str)[known],
        view[known],
        (table["split"] == "Train").to_numpy()[known],
    )


def even_weights(samples: Samples) -> NDArray[np.float64]:
    """(N,) how much each view counts: all kinds the same, all generators of a kind too; 1 on average."""
    weights = np.zeros(len(samples.kind))
    for kind in np.unique(samples.kind):
        generators = np.unique(samples.generator[samples.kind == kind])
        for generator in generators:
            mine = (samples.kind == kind) & (samples.generator == generator)
            weights[mine] = 1 / (len(generators) * mine.sum())
    return weights * len(weights) / weights.sum()


def fit_head(samples: Samples, *, penalty: float = PENALTY) -> KindHead:
    """The head on some views, which names no kind yet.

    Args:
        samples: of at least two kinds.
        penalty: the ``C`` of scikit-learn: smaller is flatter.

    Raises:
        KindsError: code ``too_few_kinds``.
    """
    model = _regression(samples, penalty)
    components, regression = model.steps[0][1], model.steps[1][1]
    weights, offset = regression.coef_.astype(np.float64), regression.intercept_.astype(np.float64)
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference
        weights, offset = np.concatenate([0 * weights, weights]), np.concatenate([[0.0], offset])
    scaled = components.components_ / np.sqrt(components.explained_variance_)[:, None]
    kernel = (weights @ scaled).T
    kernel -= kernel.mean(axis=1, keepdims=True)  # says the same, in smaller numbers
    small = kernel.astype(np.float16)
    # What rounding takes from the middle of the features goes into the bias.
    bias = offset - components.mean_ @ small.astype(np.float64)
    return KindHead(small, bias.astype(np.float32), tuple(regression.classes_.tolist()), {})


def _regression(samples: Samples, penalty: float) -> Any:
    """Components and regression as scikit-learn fits them."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if len(np.unique(samples.kind)) < 2:
        raise KindsError(
            "too_few_kinds",
            f"The training images are of one kind: {', '.join(np.unique(samples.kind)) or 'none'}. "
            f"Expected at least two of {', '.join(FAKE_KINDS)}.",
        )
    some = np.random.default_rng(0).permutation(len(samples.kind))[:COMPONENT_ROWS]
    count = min(COMPONENTS, samples.features.shape[1], len(some) - 1)
    components: Any = PCA(count, whiten=True, svd_solver="randomized", random_state=0)
    components.set_params(iterated_power=2).fit(samples.features[some])
    kept = components.explained_variance_ > 1e-12
    components.components_ = components.components_[kept]
    components.explained_variance_ = components.explained_variance_[kept]
    regression = LogisticRegression(C=penalty, max_iter=300)
    regression.fit(components.transform(samples.features), samples.kind, sample_weight=even_weights(samples))
    return make_pipeline(components, regression)


def confusion(
    samples: Samples,
    probabilities: NDArray[np.float64],
    names: Sequence[str],
    named_from: Mapping[str, float],
) -> dict[str, dict[str, int]]:
    """How many views of each kind are called what, ``CANNOT_TELL`` among it.

    Args:
        samples: N views.
        probabilities: (N, K).
        names: of the K kinds.
        named_from: as of ``KindHead``.
    """
    called = np.array(names)[probabilities.argmax(axis=1)].astype(object)
    needed = np.array([named_from.get(name, np.inf) for name in called])
    called[probabilities.max(axis=1) < needed] = CANNOT_TELL
    columns = [*FAKE_KINDS, CANNOT_TELL]
    return {
        kind: {column: int((called[samples.kind == kind] == column).sum()) for column in columns}
        for kind in FAKE_KINDS
        if (samples.kind == kind).any()
    }


def few_of_each(samples: Samples, most: int = MOST) -> NDArray[np.intp]:
    """Rows of at most ``most`` views of each generator, view and split, the first ones."""
    keys = zip(samples.kind, samples.generator, samples.view, samples.train, strict=True)
    seen: dict[Any, int] = {}
    rows = []
    for row, key in enumerate(keys):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most:
            rows.append(row)
    return np.array(rows, np.intp)


@dataclass(frozen=True)
class LeftOut:
    """What views are called by a head that was fitted without their family, or without their photos.

    Attributes:
        samples: the views.
        family: (N,) number of each fake's family; -1 for photos.
        probabilities: (N, K).
        names: of the K kinds.
    """

    samples: Samples
    family: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    names: tuple[FakeKind, ...]


def _folds(samples: Samples) -> Iterator[tuple[tuple[str, ...], NDArray[np.bool_]]]:
    """Each family with a mask of what is left out with it: it, and its share of the sources of photos."""
    families = [family for of_kind in FAMILIES.values() for family in of_kind]
    there = [family for family in families if np.isin(samples.generator, family).any()]
    photos = np.unique(samples.generator[samples.kind == "photo"])
    for number, family in enumerate(there):
        beside = photos[number :: len(there)]
        fakes = np.isin(samples.generator, family) & (samples.kind != "photo")
        yield family, fakes | (np.isin(samples.generator, beside) & (samples.kind == "photo"))


def leave_families_out(samples: Samples, *, penalty: float = PENALTY, say: Say = print) -> LeftOut:
    """Each family of generators, and each source of photos, called by a head that was shown none of it.

    Args:
        samples: Train and Validation; the heads are fitted on the rest of Train.
        penalty: as of ``fit_head``.
        say: takes a line a family.
    """
    names: tuple[FakeKind, ...] = tuple(
        kind for kind in FAKE_KINDS if (samples.kind[samples.train] == kind).any()
    )
    probabilities = np.zeros((len(samples.kind), len(names)))
    number = np.full(len(samples.kind), -1)
    measured = np.zeros(len(samples.kind), bool)
    for index, (family, out) in enumerate(_folds(samples)):
        head = fit_head(samples.where(samples.train & ~out), penalty=penalty)
        columns = [names.index(name) for name in head.names]  # a kind may be left out wholly
        probabilities[np.ix_(np.flatnonzero(out), np.array(columns, int))] = head.probabilities(
            samples.features[out]
        )
        number[out & (samples.kind != "photo")] = index
        measured |= out
        say(f"Without {', '.join(family)}: {int(out.sum())} views.")
    chosen = np.flatnonzero(measured)
    chosen = chosen[few_of_each(samples.where(chosen))]
    return LeftOut(samples.where(chosen), number[chosen], probabilities[chosen], names)


def choose_thresholds(left_out: LeftOut, right: float = RIGHT) -> dict[str, float]:
    """By kind, the lowest probability from which left-out fakes that are called so are so often enough.

    Families count the same. A kind for which there is none is left out, and never named. Photos are not
    asked, so that ``photo`` is never named: beside a verdict of fake or uncertain that would mostly be a fake
    of a kind that the head does not know.

    Raises:
        KindsError: code ``cannot_be_told``: no kind is left.
    """
    fakes = left_out.family >= 0
    best = left_out.probabilities[fakes].max(axis=1)
    named = np.array(left_out.names)[left_out.probabilities[fakes].argmax(axis=1)]
    correct, family = named == left_out.samples.kind[fakes], left_out.family[fakes]
    weights = 1.0 / np.bincount(family)[family]
    weights /= weights.sum()
    chosen: dict[str, float] = {}
    for name in left_out.names:
        for threshold in np.arange(LEAST, 0.996, 0.01).round(2):
            shown = weights * ((named == name) & (best >= threshold))
            if shown.sum() >= _LEAST_NAMED and shown @ correct >= right * shown.sum():
                chosen[name] = float(threshold)
                break
    if not chosen:
        raise KindsError(
            "cannot_be_told",
            f"Of no kind are {right:.0%} right of the fakes by unseen generators that are called so, "
            "so nothing is written.",
        )
    return chosen


def family_rows(left_out: LeftOut, named_from: Mapping[str, float]) -> list[dict[str, Any]]:
    """What each left-out family is called: ``generators``, ``kind``, ``n`` and ``called`` by kind."""
    rows = []
    for number in np.unique(left_out.family[left_out.family >= 0]):
        mine = np.flatnonzero(left_out.family == number)
        samples = left_out.samples.where(mine)
        table = confusion(samples, left_out.probabilities[mine], left_out.names, named_from)
        kind = str(samples.kind[0])
        generators = np.unique(samples.generator).tolist()
        rows.append({"generators": generators, "kind": kind, "n": len(mine), "called": table[kind]})
    return rows


def fit_kinds(
    samples: Samples, *, penalty: float = PENALTY, say: Say = print
) -> tuple[KindHead, dict[str, Any]]:
    """The head with its threshold, and what was measured of it, for the card.

    Args:
        samples: Train and Validation.
        penalty: as of ``fit_head``.
        say: takes lines for the person who waits.

    Raises:
        KindsError: as ``fit_head`` and ``choose_thresholds``.
    """
    left_out = leave_families_out(samples, penalty=penalty, say=say)
    named_from = choose_thresholds(left_out)
    fitted = fit_head(samples.where(samples.train), penalty=penalty)
    head = KindHead(fitted.kernel, fitted.bias, fitted.names, named_from)
    held_out = samples.where(~samples.train)
    held_out = held_out.where(few_of_each(held_out))
    views = {}
    for view in VIEWS:
        part = held_out.where(held_out.view == view)
        if len(part.kind):
            views[view] = confusion(part, head.probabilities(part.features), head.names, named_from)
    measured = {
        "named_from": named_from,
        "right": RIGHT,
        "views": int(samples.train.sum()),
        "held_out": views,
        "left_out": confusion(left_out.samples, left_out.probabilities, left_out.names, named_from),
        "left_out_families": family_rows(left_out, named_from),
    }
    return head, measured
