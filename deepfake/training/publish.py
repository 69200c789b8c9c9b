"""A finished run -> a detector in ``models/``, calibrated, with its card."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake import __version__
from deepfake.data.index import DatasetIndex
from deepfake.detection.card import Card, load_card, models_folder, read_network
from deepfake.errors import UserError
from deepfake.evaluation.measure import Measurement
from deepfake.evaluation.records import CALIBRATION_SCORES
from deepfake.evaluation.scores import write_scores
from deepfake.networks.scoring import compiled_scorer
from deepfake.training.calibrating import calibrate
from deepfake.training.log import read_settings
from deepfake.util.files import write_json

if TYPE_CHECKING:
    pass
from deepfake.evaluation.records import record_entry


@dataclasses.dataclass(frozen=True)
class CardTexts:
    """What a card says in words; no number is written by hand.

    Attributes:
        description: one sentence: what the detector is for.
        knows, does_not_know: kinds of fakes it was, and was not, trained on.
        licence: of the training data, and what follows for the model.
        false_alarms: which real pictures it tends to call fake.
        whole_pictures: see ``registry.Card``.
    """

    description: str = ""
    knows: tuple[str, ...] = ()
    does_not_know: tuple[str, ...] = ()
    licence: str = ""
    false_alarms: str = ""
    whole_pictures: bool = False


def publish(
    run: Path, name: str, data: DatasetIndex, texts: CardTexts, *, say: Callable[[str], None] = print
) -> Card:
    """Calibrates a run's best network on Validation (``calibrating``) and puts it into the models folder.

    A detector of the same name is replaced, its evaluations dropped.

    Args:
        run: a run's folder with ``best.keras``.
        name: the detector's name.
        data: the data set the run was trained on.
        texts: the card's words; empty ones get a plain default.
        say: takes lines for the person who waits.

    Raises:
        UserError: code ``no_run`` or ``nothing_to_publish``.
    """
    recipe = read_settings(run)
    kept = run / "best.keras"
    outcome = run / "result.json"  # missing where the run was killed
    result = json.loads(outcome.read_text(encoding="utf-8")) if outcome.is_file() else {"state": "killed"}
    if not kept.is_file() or result.get("best_epoch") == 0:
        raise UserError(
            "nothing_to_publish", f"{run} holds no network of a whole epoch. Train at least one epoch first."
        )
    network: Any = read_network(kept)
    data = data.without_duplicates()
    validation, training = data.select(split="Validation"), data.select(split="Train")
    say("Calibrating on validation images.")
    spec = recipe.serve_input
    calibration = calibrate(compiled_scorer(network, spec), spec, validation, recipe)
    sources, generators = (sorted(set(training.table[key]) - {""}) for key in ("source", "generator"))
    sources = sources or [data.root.resolve().name]
    folder = models_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("scores-*.csv"):
        old.unlink()
    write_scores(calibration.scores, folder / CALIBRATION_SCORES)
    waiting = folder / "model.part"
    shutil.copyfile(kept, waiting)
    waiting.replace(folder / "model.keras")
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
            "sha256": hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest(),
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
            "commit": _commit(),
            "version": __version__,
            "evaluations": [],
        },
    )
    if not (models_folder() / "default.txt").exists():
        (models_folder() / "default.txt").write_text(f"{name}\n", encoding="utf-8")
    return load_card(name)


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
        measurement: from ``measuring.measure`` with this detector.
        data: the data set's name, as it shall be shown.
        split: the split measured, or None for all.
        perturbed: whether perturbed copies were scored.
        command: what was typed, with the data set's place left general.
        source: the source measured, or None for all.
        folder: the data set's folder below one of ``data_roots.allowed_roots``; empty where it is in none.
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


def _commit() -> str:
    """The commit of the code that runs, or "unknown" outside a checkout."""
    where = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=where, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
