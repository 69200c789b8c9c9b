"""Drawn score tables with facts, for tests of slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from deepfake.slices.facts import FACT_COLUMNS, write_facts


def drawn_table(n: int = 900, seed: int = 0) -> pd.DataFrame:
    """Scored images of two sets with facts.

    Small faces are called by chance; fakes of ``one`` fill the frame.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    source = np.where(np.arange(n) % 3 == 0, "two", "one")
    face = rng.integers(60, 200, n).astype(float)
    face = np.where((source == "one") & (labels == 1), rng.integers(150, 240, n), face)
    skill = np.where(face < 96, 0.0, 2.5)
    logits = rng.normal(0, 1, n) + skill * (2 * labels - 1)
    facts = {
        "face": face,
        "side": np.full(n, 256.0),
        "quality": np.where(source == "one", 75.0, 88.0),
        "sharpness": rng.uniform(10, 2000, n),
        "brightness": rng.uniform(20, 230, n),
        "age": np.full(n, np.nan),
    }
    names = [
        f"{one}/Test/{('Real', 'Fake')[label]}/{k}.jpg"
        for k, (one, label) in enumerate(zip(source, labels, strict=True))
    ]
    table = pd.DataFrame({"image_id": names, "split": "Test", "source": source, "label": labels})
    table = table.assign(p_fake=1 / (1 + np.exp(-logits)), **facts)
    return table.assign(framing=table["face"] / table["side"])


def write_drawn_facts(scores: pd.DataFrame, path: Path, seed: int = 0) -> pd.DataFrame:
    """Facts for the images of a score table, as ``deepfake facts`` leaves them; the table with them."""
    drawn = drawn_table(len(scores), seed)
    facts = scores[["image_id"]].reset_index(drop=True).join(drawn[[*FACT_COLUMNS]])
    write_facts(facts, path)
    return scores.reset_index(drop=True).join(drawn[[*FACT_COLUMNS, "framing"]])
