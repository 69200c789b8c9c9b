"""What is measured on the validation images after an epoch, and by what the best epoch is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

from deepfake.data.index import DatasetIndex
from deepfake.training.recipe import Recipe


def validation_numbers(table: pd.DataFrame, logits: NDArray[np.float32]) -> dict[str, Any]:
    """Accuracy, loss, ROC AUC, by source too; confusion matrix (rows true, columns called).

    Args:
        table: of the images, as in ``DatasetIndex``; both classes.
        logits: (N,) of Fake, in the same order.
    """
    labels = table["label"].to_numpy()
    called = (logits >= 0).astype(int)
    return {
        "accuracy": float((called == labels).mean()),
        "loss": float(np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()),
        "roc_auc": float(roc_auc_score(labels, logits)),
        "confusion_matrix": confusion_matrix(labels, called, labels=[1, 0]).tolist(),
        "source_roc_auc": source_aucs(table, logits),
    }


def source_aucs(table: pd.DataFrame, logits: NDArray[np.float32]) -> dict[str, float]:
    """ROC AUC of each source that has both classes."""
    groups = table.assign(logit=logits).groupby("source")
    return {
        str(source): float(roc_auc_score(group["label"], group["logit"]))
        for source, group in groups
        if group["label"].nunique() == 2
    }


def strip_of(validation: DatasetIndex, each: int = 4) -> pd.DataFrame:
    """Rows of a few images of each class, spread over the table, whose p_fake is told after each epoch."""
    table = validation.table
    chosen: list[Any] = []
    for label in (1, 0):
        rows = table.index[table["label"] == label]
        chosen += rows[np.unique(np.linspace(0, len(rows) - 1, each).round().astype(int))].tolist()
    return table.loc[chosen]


def merit(measured: dict[str, Any], recipe: Recipe) -> float:
    """What the best epoch has most of: see ``Recipe.shares``."""
    if not recipe.shares:
        return measured.get("perturbed", measured["clean"])["roc_auc"]
    return float(np.mean([auc for part in measured.values() for auc in part["source_roc_auc"].values()]))
