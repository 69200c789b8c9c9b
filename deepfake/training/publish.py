"""From a finished run to a detector in ``models/``: calibration, thresholds, card."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepfake import __version__
from deepfake.data.gather import name_draw
from deepfake.data.index import DatasetIndex
from deepfake.detection.card import (
    KERAS,
    SERVED,
    Card,
    calibrated_probability,
    load_card,
    load_model,
    models_folder,
    read_network,
)
from deepfake.errors import UserError
from deepfake.evaluation.measure import Measurement
from deepfake.evaluation.records import CALIBRATION_SCORES, record_entry
from deepfake.evaluation.scores import write_scores
from deepfake.evaluation.statistics.calibration import (
    fit_temperature_and_bias,
    threshold_at_fpr,
    threshold_balanced,
    uncertain_band,
)
from deepfake.images.pixels import InputSpec
from deepfake.networks.scoring import Scorer, score_files
from deepfake.networks.served import ServedNetwork
from deepfake.training.log import read_settings
from deepfake.training.recipe import Recipe
from deepfake.training.samples import augmentation_of
from deepfake.training.target import check_free, needed_by
from deepfake.types import Thresholds
from deepfake.util.files import ROOT, read_json, write_json, write_whole

RELIABILITY = 0.95
"""Outside the uncertain band at least this share of verdicts is right, on the images calibrated on."""
FALSE_ALARMS = 0.01
MAX_IMAGES = 6000
"""Of a calibration on several sources."""


@dataclass(frozen=True)
class Calibration:
    """Fitted on validation images.

    Attributes:
        temperature, bias: sigmoid(logit / temperature + bias) is p_fake.
        thresholds: where p_fake becomes a verdict.
        images: how many were used.
        perturbed: share of them that were perturbed copies, 0..1.
        by_source: images of each source.
        scores: the images with their calibrated scores, a score table (``scores.check_table``).
    """

    temperature: float
    bias: float
    thresholds: Thresholds
    images: int
    perturbed: float
    by_source: dict[str, int]
    scores: pd.DataFrame

    def probability(self, logits: ArrayLike) -> NDArray[np.float64]:
        """As ``Card.probability`` of the card that is still to be written."""
        return calibrated_probability(logits, self.temperature, self.bias)

    def to_dict(self) -> dict[str, Any]:
        """What a card says of it beside the fitted numbers."""
        return {
            "split": "Validation",
            "perturbed": self.perturbed,
            "images": self.images,
            "by_source": self.by_source,
            "reliability_outside_band": RELIABILITY,
        }

    def fitted(self) -> dict[str, Any]:
        """The fitted numbers as a card holds them."""
        return {
            "temperature": self.temperature,
            "bias": self.bias,
            "thresholds": asdict(self.thresholds),
        }


def calibrate(
    scorer: Scorer, spec: InputSpec, validation: DatasetIndex, recipe: Recipe, most: int | None = None
) -> Calibration:
    """Fits temperature and bias, thresholds and the uncertain band.

    A recipe without ``shares`` is calibrated on the perturbed copies of all validation images: the proxy of
    the official Test. One with ``shares`` is calibrated on its sources in these shares, as many perturbed as
    in its training, half of each class: the proxy of what people bring.

    Args:
        scorer: from ``scoring.compiled_scorer``.
        spec: the network's input.
        validation: the validation images, both classes.
        recipe: what the network was trained by.
        most: images, where the recipe has shares; None: ``MAX_IMAGES``.

    Raises:
        ImageRefused: an image cannot be used.
    """
    sample = _in_shares(validation, recipe, most or MAX_IMAGES) if recipe.shares else validation
    perturbed = _perturbed(sample, recipe)
    paths = np.array(sample.paths(), dtype=object)
    logits = np.empty(len(sample), np.float32)
    for form in (False, True):
        mine = perturbed == form
        logits[mine] = score_files(scorer, spec, paths[mine].tolist(), perturbed=form)
    labels = sample.table["label"].to_numpy()
    temperature, bias = fit_temperature_and_bias(logits, labels)
    p_fake = calibrated_probability(logits, temperature, bias)
    low, high = uncertain_band(labels, p_fake, RELIABILITY)
    thresholds = Thresholds(
        balanced=threshold_balanced(labels, p_fake),
        few_false_alarms=threshold_at_fpr(labels, p_fake, FALSE_ALARMS),
        uncertain_low=low,
        uncertain_high=high,
    )
    scores = sample.table[["split", "source", "label"]].assign(
        image_id=sample.table["path"].to_numpy(), p_fake=p_fake
    )
    counts = {str(source): int(n) for source, n in sample.table["source"].value_counts().sort_index().items()}
    return Calibration(temperature, bias, thresholds, len(sample), float(perturbed.mean()), counts, scores)


def _in_shares(validation: DatasetIndex, recipe: Recipe, most: int) -> DatasetIndex:
    """Each source's share of ``most`` images, half of each class, or as much of it as there is."""
    shares = recipe.shares or {}
    each = {source: round(most * share / sum(shares.values()) / 2) for source, share in shares.items()}
    parts = [
        group.sample(min(len(group), each[str(source)]), random_state=0)
        for (source, _), group in validation.table.groupby(["source", "label"])
        if source in each
    ]
    return DatasetIndex(validation.root, pd.concat(parts).sort_values("path").reset_index(drop=True))


def _perturbed(sample: DatasetIndex, recipe: Recipe) -> NDArray[np.bool_]:
    """(N,) which images are scored as their perturbed copy; follows from their names."""
    if not recipe.shares:
        return np.ones(len(sample), bool)
    kinds = {source: augmentation_of(recipe, str(source)) for source in sample.table["source"].unique()}
    share = np.array([kind.perturbed if (kind := kinds[s]) else 0.0 for s in sample.table["source"]])
    return np.array([name_draw(path) for path in sample.table["path"]]) < share


@dataclasses.dataclass(frozen=True)
class CardTexts:
    """What a card says in words; no number is written by hand.

    Attributes:
        description: one sentence: what the detector is for.
        knows, does_not_know: kinds of fakes it was, and was not, trained on.
        licence: of the training data, and what follows for the model.
        false_alarms: which real pictures it tends to call fake.
        whole_pictures: see ``card.Card``.
    """

    description: str = ""
    knows: tuple[str, ...] = ()
    does_not_know: tuple[str, ...] = ()
    licence: str = ""
    false_alarms: str = ""
    whole_pictures: bool = False


def publish(
    run: Path,
    name: str,
    data: DatasetIndex,
    texts: CardTexts,
    *,
    replace: bool = False,
    say: Callable[[str], None] = print,
) -> Card:
    """Calibrates a run's best network on Validation (``calibrate``) and puts it into the models folder.

    Args:
        run: a run's folder with ``best.keras``.
        name: the detector's name.
        data: the data set the run was trained on.
        texts: the card's words; empty ones get a plain default.
        replace: a detector of that name may go, and its evaluations with it.
        say: takes lines for the person who waits.

    Raises:
        UserError: code ``no_run`` or ``nothing_to_publish``, and as ``target.check_free``.
    """
    from deepfake.networks.conversion import served_file

    check_free(name, replace=replace)
    recipe = read_settings(run)
    kept = run / "best.keras"
    outcome = run / "result.json"  # missing where the run was killed
    result = json.loads(outcome.read_text(encoding="utf-8")) if outcome.is_file() else {"state": "killed"}
    if not kept.is_file() or result.get("best_epoch") == 0:
        raise UserError(
            "nothing_to_publish", f"{run} holds no network of a whole epoch. Train at least one epoch first."
        )
    content = kept.read_bytes()
    network: Any = read_network(kept)
    data = data.without_duplicates()
    validation, training = data.select(split="Validation"), data.select(split="Train")
    spec = recipe.serve_input
    served = served_file(network, spec)
    say("Calibrating on validation images.")
    calibration = calibrate(ServedNetwork(served, spec).logits, spec, validation, recipe)
    sources, generators = (sorted(set(training.table[key]) - {""}) for key in ("source", "generator"))
    sources = sources or [data.root.resolve().name]
    folder = models_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("scores-*.csv"):
        old.unlink()
    write_scores(calibration.scores, folder / CALIBRATION_SCORES)
    write_whole(folder / KERAS, content)
    write_whole(folder / SERVED, served)
    write_json(
        folder / "card.json",
        {
            "name": name,
            "description": texts.description
            or f"Trained with the recipe {recipe.name} on {', '.join(sources)}.",
            "knows": list(texts.knows) or [f"fakes like those of {source}" for source in sources],
            "does_not_know": list(texts.does_not_know) or ["every other kind of fake"],
            "false_alarms": texts.false_alarms,
            "whole_pictures": texts.whole_pictures,
            "classes": ["Fake", "Real"],
            "positive": "Fake",
            "architecture": recipe.architecture,
            "parameters": int(network.count_params()),
            "input": recipe.serve_input.to_dict(),
            **calibration.fitted(),
            "calibrated_on": calibration.to_dict(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "served_sha256": hashlib.sha256(served).hexdigest(),
            "recipe": recipe.to_dict(),
            "result": result,
            "data": {
                "sources": sources,
                "generators": generators,
                "train_images": len(training),
                "validation_images": len(validation),
                "licence": texts.licence or "Not stated.",
            },
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": commit(),
            "version": __version__,
            "evaluations": [],
        },
    )
    if not (models_folder() / "default.txt").exists():
        write_whole(models_folder() / "default.txt", f"{name}\n".encode())
    return load_card(name)


def convert(card: Card) -> Card:
    """Makes a detector's served file anew from its Keras file, and names it in the card.

    The cards of detectors that use the same file name it too.

    Raises:
        UserError: code ``not_its_own``: its first network is that of another detector.
        ConversionError, ModelError: the network cannot be served, or its file is not the card's.
    """
    from deepfake.networks.conversion import served_file

    if card.second:
        raise UserError(
            "not_its_own",
            f"The first network of {card.name} is that of {card.second.main}. Convert that one: "
            f"python -m deepfake convert {card.second.main}",
        )
    served = served_file(load_model(card), card.input)
    write_whole(card.folder / SERVED, served)
    sha256 = hashlib.sha256(served).hexdigest()
    for name in (card.name, *needed_by(card.name)):
        path = models_folder() / name / "card.json"
        contents = read_json(path)
        if contents.get("sha256") == card.sha256:  # else it was made beside an older one, which is gone
            write_json(path, {**contents, "served_sha256": sha256})
    return load_card(card.name)


def evaluation_entry(
    measurement: Measurement,
    *,
    data: str,
    split: str | None,
    perturbed: bool,
    command: str,
    source: str | None = None,
    folder: str = "",
) -> dict[str, Any]:
    """A measurement as an entry of its detector's card, without the name of its score file.

    Args:
        measurement: from ``measure.measure`` with this detector.
        data: the data set's name, as it shall be shown.
        split: the split measured, or None for all.
        perturbed: whether perturbed copies were scored.
        command: what was typed, with the data set's place left general.
        source: the source measured, or None for all.
        folder: the data set's folder below one of ``settings.allowed_roots``; empty where it is in none.
    """
    return {
        "data": data,
        "split": split or "all",
        "source": source or "",
        "folder": folder,
        "perturbed": perturbed,
        "command": command,
        "refused": len(measurement.refused),
        **measurement.to_dict(),
    }


def record(card: Card, measurement: Measurement, **about: Any) -> Path:
    """``record_entry`` of a measurement; ``about`` is what ``evaluation_entry`` takes."""
    return record_entry(card, evaluation_entry(measurement, **about), measurement.table)


def commit() -> str:
    """The commit of the code that runs, or "unknown" outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
