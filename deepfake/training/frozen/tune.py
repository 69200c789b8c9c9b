"""Tuning a frozen tower a little: the LayerNorms of its later blocks, on tokens that the earlier ones made.

Some 12,000 numbers of 57 million change, so that few images teach much without spoiling what the tower knows
(Yermakov et al., Unlocking the Hidden Potential of CLIP in Generalizable Deepfake Detection, 2025). The
earlier blocks run once: their tokens are kept on disk as ``cache`` keeps features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from deepfake.data.index import DatasetIndex
from deepfake.networks.clip_vit import CLIP_B16, Block, PatchStatistics, Shape, norms_of, pooled_columns
from deepfake.training.frozen.cache import SHARD_ROWS, FeatureCache
from deepfake.training.frozen.features import BATCH, read_features
from deepfake.training.frozen.heads import balanced_weights, fit_logistic
from deepfake.training.frozen.views import VIEWS, View
from deepfake.training.optimise import multiplies_bfloat16
from deepfake.util.files import replacing

FIRST = 4
"""The first block that is tuned, where nothing else is said; the tokens before it are kept."""
STARTING_ROWS = 1536
"""Rows on which the head is fitted before anything is tuned."""


@dataclass(frozen=True)
class TuneSettings:
    """How the LayerNorms are tuned.

    Attributes:
        first: the first block that is tuned; the kept tokens are what it reads.
        images: shown in all, with repetition.
        batch: images a step; half of them Fake.
        rate: of Adam for the LayerNorms at its highest, after a short rise and before a cosine's fall.
        head_rate: the same for the head.
        tokens: share of the patch tokens shown of an image, drawn anew each step: half the work.
        shares: how much a source counts, 1 where it is not named.
        leave_out: generators that are not shown, to measure on.
        penalty: of the head that is fitted first.
        seed: of every random draw.
    """

    first: int = FIRST
    images: int = 24_000
    batch: int = 32
    rate: float = 3e-4
    head_rate: float = 3e-4
    tokens: float = 0.5
    shares: Mapping[str, float] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    penalty: float = 0.03
    seed: int = 0


class LaterBlocks:
    """The tower from its kept tokens on, with a head: what is tuned.

    Attributes:
        model: (N, tokens, width) -> pooled patch tokens of the tuned blocks (N, D).
        kernel, bias: of the head on standardised features.
        norms: what is tuned beside the head.
    """

    def __init__(self, tower: keras.Model, shape: Shape = CLIP_B16, first: int = FIRST) -> None:
        self.model = later_blocks(tower, shape, first, precision())
        width = shape.width * (shape.blocks - first)
        self.kernel, self.bias = keras.Variable(np.zeros(width, np.float32)), keras.Variable(0.0)
        self.centre, self.deviation = tf.zeros((width,)), tf.ones((width,))
        self.norms = [
            weight
            for layer in self.model.layers
            if isinstance(layer, Block)
            for norm in (layer.norm1, layer.norm2)
            for weight in norm.trainable_weights
        ]

    def start(
        self, tokens: NDArray[np.float16], fake: NDArray[Any], weights: NDArray, penalty: float
    ) -> None:
        """Fits the head on the blocks as they are; features are standardised from now on."""
        features = _in_batches(_pooling(self.model), tokens)
        centre, deviation = features.mean(0), np.maximum(features.std(0), 1e-4)
        head = fit_logistic((features - centre) / deviation, fake, weights, penalty)
        self.centre, self.deviation = tf.constant(centre), tf.constant(deviation)
        self.kernel.assign(head.kernel)
        self.bias.assign(head.bias)

    def logits(self, batch: Any) -> Any:
        """(N,) logits of Fake, to be differentiated."""
        features = (self.model(batch, training=True) - self.centre) / self.deviation
        return tf.linalg.matvec(features, self.kernel.value) + self.bias.value


def later_blocks(tower: keras.Model, shape: Shape, first: int, precision: str = "float32") -> keras.Model:
    """The tower's blocks from ``first`` on: (N, tokens, width) -> the means of their patch tokens (N, D)."""
    tokens = keras.Input((None, shape.width))
    inner, pooled = tokens, []
    for index in range(first, shape.blocks):
        name = f"block{index}"
        block = Block(shape.heads, name=name, dtype=precision)
        inner = block(inner)
        block.set_weights(tower.get_layer(name).get_weights())
        pooled.append(PatchStatistics(False, dtype="float32", name=f"pooled{index}")(inner))
    return keras.Model(tokens, layers.Concatenate(dtype="float32")(pooled) if len(pooled) > 1 else pooled[0])


def precision() -> str:
    """bfloat16 where the processor multiplies it itself; elsewhere it would be emulated."""
    return "mixed_bfloat16" if multiplies_bfloat16() else "float32"


def tune(
    data: DatasetIndex,
    cache: FeatureCache,
    tower: keras.Model,
    settings: TuneSettings,
    *,
    shape: Shape = CLIP_B16,
    on_step: Callable[[int, int, float], None] | None = None,
) -> LaterBlocks:
    """Tunes the LayerNorms of the later blocks on the training images whose tokens are kept.

    Args:
        data: with the split Train and a manifest that names generators.
        cache: of tokens (``features`` with ``keep_tokens``).
        tower: whose weights are taken; it stays as it is.
        settings: of the training.
        shape: of the tower.
        on_step: told now and then how many images were shown, of how many, and the mean loss since.

    Raises:
        NoFeatures: as ``read_features``.
    """
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    data = data.select(split="Train")
    kept = ~data.table["generator"].isin(settings.leave_out).to_numpy()
    data = DatasetIndex(data.root, data.table[kept].reset_index(drop=True)).without_duplicates()
    read, rows, _ = read_features(data, cache, VIEWS, ["tokens"])
    table = data.table.iloc[rows].reset_index(drop=True)
    fake, tokens = table["label"].to_numpy() == 1, read["tokens"]
    sources = table["source"].to_numpy().astype(str)
    shares = {name: settings.shares.get(name, 1.0) for name in np.unique(sources).tolist()}
    weights = balanced_weights(sources, fake, shares)
    later = LaterBlocks(tower, shape, settings.first)
    first = rng.choice(len(fake), min(STARTING_ROWS, len(fake)), replace=False)
    later.start(tokens[first], fake[first], weights[first], settings.penalty)
    steps = settings.images // settings.batch
    train = _training_step(later, settings, steps)
    pairs = _pairs(fake, sources, _groups(data.root, table["path"]), weights, rng)
    patches = tokens.shape[1] - 1
    shown = max(1, round(settings.tokens * patches))
    losses: list[float] = []
    for step in range(1, steps + 1):
        chosen = np.array([next(pairs) for _ in range(settings.batch // 2)]).ravel()
        places = np.concatenate([[0], 1 + rng.permutation(patches)[:shown]])
        batch = tokens[chosen][:, places].astype(np.float32)
        losses.append(float(train(tf.constant(batch), tf.constant(fake[chosen].astype(np.float32)))))
        if on_step is not None and (step % 25 == 0 or step == steps):
            on_step(step * settings.batch, steps * settings.batch, float(np.mean(losses)))
            losses = []
    return later


def _groups(root: Path, paths: pd.Series[str]) -> NDArray[np.str_]:
    """(N,) the family or video of each image as the manifest tells, else its own path."""
    manifest = root / "manifest.csv"
    if manifest.is_file():
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False, index_col="path")
        if "group" in table:
            return table["group"].reindex(paths).to_numpy().astype(str)
    return paths.to_numpy().astype(str)


def _training_step(later: LaterBlocks, settings: TuneSettings, steps: int) -> Any:
    """From tokens and labels of a batch to its mean loss, the weights changed."""
    rise, head = max(1, steps // 20), [later.kernel, later.bias]

    def optimizer(rate: float) -> keras.optimizers.Optimizer:
        schedule: Any = keras.optimizers.schedules.CosineDecay(
            0.0, steps - rise, alpha=0.02, warmup_target=rate, warmup_steps=rise
        )
        return keras.optimizers.Adam(schedule)

    optimizers = [optimizer(rate) for rate in (settings.rate, settings.head_rate)]
    for each, variables in zip(optimizers, (later.norms, head), strict=True):
        each.build(variables)
    values = [variable.value for variable in (*later.norms, *head)]

    @tf.function
    def step(batch: Any, fake: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(fake, later.logits(batch)))
        slopes: Any = tape.gradient(loss, values)
        optimizers[0].apply(slopes[: len(later.norms)], later.norms)
        optimizers[1].apply(slopes[len(later.norms) :], head)
        return loss

    return step


def _pairs(
    fake: NDArray[np.bool_], sources: NDArray, groups: NDArray, weights: NDArray, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Rows of a fake and of a photograph, without end: of one family or video where both are there.

    Otherwise of one source, and of a source with one class only with any of the other. What tells the pair
    apart is then the forgery, not the collection.
    """
    chance = weights / weights.sum()
    others: dict[tuple[str, str, bool], NDArray[np.intp]] = {}
    for level, names in (("group", groups), ("source", sources)):
        for name in np.unique(names):
            there = names == name
            if fake[there].any() and not fake[there].all():
                for label in (True, False):
                    others[level, str(name), label] = np.flatnonzero(there & (fake == label))
    every = {label: np.flatnonzero(fake == label) for label in (True, False)}
    while True:
        for row in rng.choice(len(fake), 256, p=chance).tolist():
            wanted = not bool(fake[row])
            among = others.get(("group", str(groups[row]), wanted))
            if among is None:
                among = others.get(("source", str(sources[row]), wanted), every[wanted])
            other = int(rng.choice(among))
            yield (row, other) if fake[row] else (other, row)


def save_norms(later: LaterBlocks, base: str, file: Path) -> None:
    """Writes the tuned LayerNorms, 50 kB, and what they were tuned from: a tower's ``weights``.

    Args:
        later: by ``tune``.
        base: ``"clip"`` or the path that the tower was loaded from.
        file: ends in ``.npz``.
    """
    with replacing(file) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, base=np.array(base), **norms_of(later.model))


def pool_tokens(
    rows: Sequence[tuple[str, View]],
    tokens: FeatureCache,
    out: FeatureCache,
    tower: keras.Model,
    *,
    shape: Shape = CLIP_B16,
    first: int = FIRST,
    engine: Callable[[Any], Callable[[Any], Any]] = lambda function: function,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Makes features of kept tokens: half the work of making them of the images.

    Args:
        rows: hash and view of each; what is in ``out`` already, or not in ``tokens``, is passed over.
        tokens: the cache to read.
        out: of the tower's features; statistics of the blocks before ``first``, and deviations, are 0 in it.
        tower: whose later blocks are run.
        shape: of the tower.
        first: the block that reads the tokens.
        engine: from a ``tf.function`` of float16 tokens to what runs it.
        on_progress: told after each shard how many rows are done, of how many.
    """
    model = later_blocks(tower, shape, first)
    run = engine(_pooling(model))
    missing = [row for row in rows if row in tokens and row not in out]
    columns = pooled_columns(shape, tuple(range(first, shape.blocks)), deviation=False)
    for start in range(0, len(missing), SHARD_ROWS):
        part = missing[start : start + SHARD_ROWS]
        read = tokens.read(part, ["tokens", "sharpness"])
        features = np.zeros((len(part), len(shape.pooled) * shape.width * (1 + shape.deviation)), np.float16)
        features[:, columns] = _in_batches(run, read["tokens"])
        out.add(
            [sha for sha, _ in part], [view for _, view in part],
            {"features": features, "sharpness": read["sharpness"]},
        )  # fmt: skip
        if on_progress is not None:
            on_progress(start + len(part), len(missing))


def _pooling(model: keras.Model) -> Any:
    """A ``tf.function`` from kept tokens, float16, to what ``later_blocks`` makes of them."""
    kept = tf.TensorSpec((None, None, model.inputs[0].shape[-1]), tf.float16)
    return tf.function(
        lambda batch: model(tf.cast(batch, tf.float32), training=False), input_signature=[kept]
    )


def _in_batches(run: Callable[[Any], Any], tokens: NDArray[np.float16]) -> NDArray[np.float32]:
    return np.concatenate([np.asarray(run(tokens[at : at + BATCH])) for at in range(0, len(tokens), BATCH)])
