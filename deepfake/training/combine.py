"""Several detectors -> one network: the mean of their logits, or of their weights.

Networks of different kinds err on different pictures, so the mean of their logits errs less (Hansen and
Salamon, Neural network ensembles, 1990); it takes the time of all of them. Networks of which one went on
from the other can be averaged weight by weight, at the cost of one (Wortsman et al., Robust fine-tuning of
zero-shot models, 2022).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

from deepfake.detection.card import BESIDE, Card, load_card, load_model, quick_name
from deepfake.errors import UserError
from deepfake.networks.int8_weights import WEIGHTS, write_archive
from deepfake.training.recipe import Recipe
from deepfake.util.files import write_json


def halve(file: Path) -> None:
    """Rewrites a ``.keras`` file with its float32 weights stored as float16.

    Args:
        file: saved without the state of an optimizer.

    Raises:
        ValueError: a weight is beyond what float16 holds (65,504); the file is left as it was.
    """
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[WEIGHTS] = _halved(contents[WEIGHTS])
    write_archive(contents, file)


def _halved(weights: bytes) -> bytes:
    out = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(out, "w") as target:

        def copy(name: str, item: Any) -> None:
            group = isinstance(item, h5py.Group)
            made = (
                target.require_group(name) if group else target.create_dataset(name, data=_rounded(item[()]))
            )
            made.attrs.update(item.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return out.getvalue()


def _rounded(values: Any) -> Any:
    if np.asarray(values).dtype != np.float32:
        return values
    with np.errstate(over="ignore"):  # said below
        half = np.asarray(values).astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError("A weight is too large for 16 bits.")
    return half


class CombiningError(UserError):
    """Detectors cannot be combined."""


def combined_network(
    networks: Sequence[Any], temperatures: Sequence[float], weights: Sequence[float] | None = None
) -> Any:
    """One network in place of several: their features side by side under one last layer.

    Args:
        networks: each from (N, size, size, 3), alike for all, to (N, 1): a logit of Fake by a dense layer.
        temperatures: what each one's logits are divided by before the mean is taken.
        weights: how much each one counts in the mean, above 0; None: all alike.

    Returns:
        A model with the same input and output; its logit is the mean.
    """
    inputs = keras.Input(networks[0].input_shape[1:])
    shares = np.ones(len(networks)) if weights is None else np.array(weights)
    scales = shares / shares.sum() / np.array(temperatures)
    features, kernels, bias = [], [], 0.0
    for place, (network, scale) in enumerate(zip(networks, scales, strict=True)):
        last = network.layers[-1]
        body = keras.Model(network.inputs, [last.input])

        def named(layer: Any, place: int = place) -> Any:
            settings = {**layer.get_config(), "name": f"network{place}_{layer.name}"}
            return type(layer).from_config(settings)

        copy: Any = keras.models.clone_model(body, input_tensors=[inputs], clone_function=named)
        copy.set_weights(body.get_weights())
        features.append(copy.outputs[0])
        kernels.append(np.asarray(last.kernel) * scale)
        bias += np.asarray(last.bias) * scale
    logit = layers.Dense(1, name="logit")
    outputs = logit(layers.Concatenate(name="features")(features))
    logit.set_weights([np.concatenate(kernels), bias])
    return keras.Model(inputs, outputs, name="combined")


def averaged_network(networks: Sequence[Any], weights: Sequence[float]) -> Any:
    """One network whose every weight is the mean of theirs.

    Args:
        networks: with weights of the same shapes.
        weights: how much each one counts, above 0.

    Raises:
        ValueError: the shapes differ.
    """
    tables = [network.get_weights() for network in networks]
    if len({tuple(values.shape for values in table) for table in tables}) > 1:
        raise ValueError("The networks' weights have different shapes.")
    average: Any = keras.models.clone_model(networks[0])
    average.set_weights([np.average(values, 0, weights) for values in zip(*tables, strict=True)])
    return average


def combine(
    names: Sequence[str],
    folder: Path,
    weights: Sequence[float] | None = None,
    *,
    average: bool = False,
    half: bool = False,
) -> None:
    """Makes the folder of a run whose network is the mean of detectors, ready for ``publish.publish``.

    Args:
        names: two detectors or more, all with the same input and one logit.
        folder: the run's, made if missing.
        weights: how much each one counts in the mean, a number above 0 each; None: all alike.
        average: the mean of their weights, not of their logits; for networks of one architecture, one of
            which was trained on from the other.
        half: store the weights in 16 bits, see ``halve``.

    Raises:
        CombiningError: codes ``too_few``, ``bad_weights``, ``unlike``, ``run_exists``, ``too_large``.
        ModelError: a detector is missing or damaged.
    """
    if len(set(names)) < 2:
        raise CombiningError("too_few", f"Two different detectors or more are needed, received: {names}.")
    weights = [1.0] * len(names) if weights is None else list(weights)
    if len(weights) != len(names) or not all(0 < weight < math.inf for weight in weights):
        raise CombiningError(
            "bad_weights",
            f"Expected a weight above 0 for each of {len(names)} detectors, received: {weights}.",
        )
    if (folder / "settings.json").exists():
        raise CombiningError("run_exists", f"{folder} already holds a run. Give another name.")
    cards = [load_card(name) for name in names]
    if two := next((card for card in cards if card.second), None):
        raise CombiningError(
            "unlike",
            f"{two.name} has two networks and cannot be combined. Combine {quick_name(two.name)} instead.",
        )
    networks = [load_model(card) for card in cards]
    for card, network in zip(cards, networks, strict=True):
        if card.input != cards[0].input or network.output_shape[-1] != 1:
            raise CombiningError(
                "unlike",
                f"{card.name} ({card.input}, {network.output_shape[-1]} outputs) does not go with "
                f"{cards[0].name} ({cards[0].input}). Combine detectors with one logit and the same input.",
            )
    recipe = Recipe.from_dict(cards[0].contents["recipe"])
    if average:
        try:
            network = averaged_network(networks, weights)
        except ValueError as error:
            raise CombiningError("unlike", f"{error} Leave out --average to average their logits.") from error
    else:
        recipe = replace(recipe, architecture=BESIDE.join(card.architecture for card in cards))
        network = combined_network(networks, [card.temperature for card in cards], weights)
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "best.keras")
    if half:
        try:
            halve(folder / "best.keras")
        except ValueError as error:
            raise CombiningError("too_large", f"{error} Combine without storing them so.") from error
    write_json(folder / "settings.json", {"recipe": recipe.to_dict(), "data": None})
    members = [_member(card, weight) for card, weight in zip(cards, weights, strict=True)]
    write_json(folder / "result.json", {"state": "combined", "average": average, "members": members})


def _member(card: Card, weight: float) -> dict[str, Any]:
    """What a card says of its own training, for the card of the combination."""
    told = {key: card.contents.get(key) for key in ("name", "architecture", "sha256", "date", "recipe")}
    return {
        **told,
        "temperature": card.temperature,
        "weight": weight,
        "result": card.contents.get("result"),
    }
