"""Several runs side by side: a table, and the settings in which they differ."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake.runs.history import number
from deepfake.runs.process import PROCESS_FILE
from deepfake.runs.runs import Run
from deepfake.util.files import read_json

RUN_COLUMNS = (
    "run", "state", "recipe", "data", "started", "minutes", "epochs", "best_epoch",
    "roc_auc", "roc_auc_perturbed", "accuracy", "accuracy_perturbed",
)  # fmt: skip


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run.

    Returns:
        Columns ``RUN_COLUMNS``: ``started`` is a UTC time without zone or None, ``minutes`` of work,
        ``epochs`` completed, the others measured after ``best_epoch`` on validation images, clean or
        perturbed.
    """
    return pd.DataFrame([_row(run) for run in runs], columns=list(RUN_COLUMNS))


SETTING_TITLES = {
    "data": "Dataset",
    "name": "Recipe",
    "architecture": "Network",
    "train size": "Image size in training (pixels)",
    "serve size": "Image size in use (pixels)",
    "schedule": "Learning rate schedule",
    "warmup": "Warm-up of the learning rate (epochs)",
    "perturbed": "Share of images perturbed",
    "min area": "Smallest part of an image that a crop keeps",
    "ema": "Averaging of weights, decay a step",
    "validation images": "Validation images, at most",
    "shares": "Share of each source in an epoch",
    "epoch images": "Images an epoch, where sources have shares",
    "source perturbed": "Share perturbed, by source",
    "blended": "Share of fakes that are self-blended",
    "source blended": "Share self-blended, by source",
    "swapped": "Share of those that are face swaps",
    "patience": "Stop early after (epochs)",
    "seed": "Random seed",
    "precision": "Arithmetic",
    "weights": "Pretrained weights",
}
"""What settings are called on a page, by their names of ``run_settings``; the others by those."""


def setting_title(name: str) -> str:
    """What a setting is called on a page.

    >>> setting_title("validation images"), setting_title("batch size")
    ('Validation images, at most', 'Batch size')
    """
    return SETTING_TITLES.get(name, name.capitalize())


def settings_table(folder: Path) -> pd.DataFrame:
    """The settings of a run as text: columns Setting, Value."""
    rows = [(setting_title(name), _shown(name, value)) for name, value in run_settings(folder).items()]
    return pd.DataFrame(rows, columns=["Setting", "Value"])


def _shown(name: str, value: Any) -> str:
    """A value for a page: of a path its last part, as visitors need not know the server's folders."""
    if name in ("data", "weights") and isinstance(value, str):
        value = Path(value).name
    return setting_words(value)


def run_settings(folder: Path) -> dict[str, Any]:
    """The recipe and data set of a run, by one flat name each, unchecked; empty where unreadable."""
    stored = read_json(folder / "settings.json") or read_json(folder / PROCESS_FILE)
    recipe = stored.get("recipe")
    if not isinstance(recipe, dict):
        return {}
    flat: dict[str, Any] = {"data": str(stored.get("data") or "")}
    for name, value in recipe.items():
        if name in ("train_input", "serve_input") and isinstance(value, dict):
            flat[f"{name.removesuffix('_input')} size"] = value.get("size")
        else:
            flat[name.replace("_", " ")] = value
    return flat


def setting_words(value: Any) -> str:
    """A setting's value for a person.

    >>> setting_words(None), setting_words(0.0010), setting_words({"celeba": 0.5})
    ('-', '0.001', 'celeba 0.5')
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting_words(part)}" for name, part in value.items())
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def differing_settings(folders: Sequence[Path]) -> pd.DataFrame:
    """A row for each setting that is not the same in all runs, a column a run, as text."""
    settings = {folder.name: run_settings(folder) for folder in folders}
    names = list(dict.fromkeys(name for values in settings.values() for name in values))
    rows = {
        setting_title(name): [_shown(name, values.get(name)) for values in settings.values()]
        for name in names
        if len({setting_words(values.get(name)) for values in settings.values()}) > 1
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(settings))


def _row(run: Run) -> tuple[Any, ...]:
    settings, history = run_settings(run.folder), run.history
    best = next((epoch for epoch in history.epochs if epoch["epoch"] == history.best_epoch), None)
    validation = best["validation"] if best else {}
    clean, perturbed = validation.get("clean") or {}, validation.get("perturbed") or {}
    started = None
    if history.first_time:
        started = datetime.datetime.fromtimestamp(history.first_time, datetime.UTC).replace(tzinfo=None)
    return (
        run.name,
        run.state.word,
        str(settings.get("name", "unreadable")),
        Path(str(settings.get("data", ""))).name,
        started,
        round(history.seconds / 60, 1),
        len(history.epochs),
        history.best_epoch or None,
        number(clean.get("roc_auc")),
        number(perturbed.get("roc_auc")),
        number(clean.get("accuracy")),
        number(perturbed.get("accuracy")),
    )
