"""Two networks, one detector: that of a detector, and beside it one of a run that knows other kinds of fakes.

The second counts as much as ``training.frozen.stack`` found. Probabilities and thresholds are set anew on the
sum; the uncertain band is at least as wide as the stack wants it for kinds that neither network was shown.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from deepfake.data.index import DatasetIndex
from deepfake.detection.card import (
    BESIDE,
    SECOND,
    Card,
    SecondOpinion,
    load_card,
    models_folder,
    read_network,
)
from deepfake.detection.detector import Detector
from deepfake.errors import UserError
from deepfake.evaluation.records import CALIBRATION_SCORES
from deepfake.evaluation.scores import write_scores
from deepfake.networks.served import ServedNetwork
from deepfake.training.frozen.stack import Stack
from deepfake.training.log import read_settings
from deepfake.training.publish import Calibration, CardTexts, calibrate, commit
from deepfake.training.recipe import Recipe
from deepfake.training.target import check_free
from deepfake.types import Pixels, Thresholds
from deepfake.util.files import write_json, write_whole

NORMS = "norms.npz"
"""The second network's LayerNorms, where they were tuned."""
MAX_IMAGES = 2000
"""Of a calibration: two networks take their time."""


def pair(
    main: Card,
    run: Path,
    stack: Stack,
    name: str,
    *,
    data: DatasetIndex,
    texts: CardTexts,
    most: int = MAX_IMAGES,
    replace: bool = False,
    say: Callable[[str], None] = print,
) -> Card:
    """Makes the detector ``name`` of the detector ``main`` and the network of a run.

    Args:
        main: stays as it is, for it alone is much faster; its files are used, not copied.
        run: a folder that ``frozen.fit.fit_run`` made, of the same input.
        stack: fitted on logits of both.
        name: the new detector's.
        data: to set probabilities and thresholds on: its Validation, in the shares of ``main``'s recipe.
        texts: the card's words; empty ones are those of ``main``.
        most: images of that.
        replace: a detector of the new name may go, and its evaluations with it.
        say: takes lines for the person who waits.

    Raises:
        UserError: code ``unlike`` or ``same_name``, and as ``publish.publish`` and ``target.check_free``.
        ModelError: a file of ``main`` is missing or another one.
    """
    from deepfake.networks.conversion import served_file

    spec = read_settings(run).serve_input
    if spec != main.input or main.second:
        raise UserError(
            "unlike",
            f"The run's network takes {spec} and the detector {main.name} {main.input}"
            f"{' with a second network already' if main.second else ''}. Both must take the same input, and "
            "the detector must have one network.",
        )
    if name == main.name:
        raise UserError("same_name", f"Give the pair another name than '{name}', the detector it needs.")
    check_free(name, replace=replace)
    content = (run / "best.keras").read_bytes()
    network: Any = read_network(run / "best.keras")
    served = served_file(network, spec, int8=True)
    share = stack.share * main.temperature  # the stack was fitted on calibrated logits
    opinion = SecondOpinion(main.name, share, hashlib.sha256(served).hexdigest(), stack.alone)
    first, second = Detector(main), ServedNetwork(served, spec)

    def scorer(batch: Pixels) -> Any:
        logits, _, gates = second.with_gates(batch)
        return opinion.added(first.scorer(batch), logits, gates)

    say("Calibrating on validation images.")
    recipe = Recipe.from_dict(main.contents["recipe"])
    validation = data.without_duplicates().select(split="Validation")
    calibration = calibrate(scorer, spec, validation, recipe, most)
    calibration = changed(calibration, thresholds=_widened(calibration, stack, main))
    folder = models_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("scores-*.csv"), *folder.glob("robustness.json")):
        old.unlink()
    write_scores(calibration.scores, folder / CALIBRATION_SCORES)
    write_whole(folder / SECOND, served)
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    tuned = Path(str((result.get("head") or {}).get("weights", "")))
    if tuned.suffix == ".npz":  # 50 kB: with it the tower can be had again
        write_whole(folder / NORMS, tuned.read_bytes())
        result["head"]["weights"] = NORMS
    write_json(
        folder / "card.json",
        {
            **{key: value for key, value in main.contents.items() if key not in ("rules", "title")},
            "name": name,
            "description": texts.description or main.description,
            "knows": list(texts.knows) or list(main.knows),
            "does_not_know": list(texts.does_not_know) or list(main.does_not_know),
            "false_alarms": texts.false_alarms or main.false_alarms,
            "architecture": BESIDE.join((main.architecture, network.name)),
            "parameters": int(main.contents["parameters"] + network.count_params()),
            "second": asdict(opinion),
            "second_network": {
                "sha256": hashlib.sha256(content).hexdigest(),
                "result": result,
                "stack": stack.to_dict(),
            },
            **calibration.fitted(),
            "calibrated_on": calibration.to_dict(),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": commit(),
            "evaluations": [],
        },
    )
    return load_card(name)


def _widened(calibration: Calibration, stack: Stack, main: Card) -> Thresholds:
    """Thresholds whose uncertain band holds all scores on which the stack does not decide."""
    found = calibration.thresholds

    def p_fake(stacked: float) -> float:
        calibrated = (stacked - stack.bias) / stack.scale  # the sum of the calibrated logits
        logit = (calibrated - main.bias) * main.temperature
        return float(calibration.probability(logit))

    return changed(
        found,
        uncertain_low=min(found.uncertain_low, p_fake(-stack.margin)),
        few_false_alarms=max(found.few_false_alarms, p_fake(stack.few_from)),
        uncertain_high=max(found.uncertain_high, p_fake(max(stack.margin, stack.fake_from))),
    )
