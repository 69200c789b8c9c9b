"""The shipped detectors: ``models/NAME/`` with their networks, ``card.json`` and score tables.

Only a file whose SHA-256 stands in the detector's card is loaded, Keras' with its safe mode on: a model file
can carry code.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import tempfile
import threading
import weakref
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.detection.rules import Rules, read_rules
from deepfake.errors import EvaluationError, UserError
from deepfake.images.pixels import INTERPOLATIONS, InputSpec
from deepfake.networks.served import ServedNetwork
from deepfake.types import Thresholds
from deepfake.util.cache import folder_named
from deepfake.util.files import PACKED_MODELS, ROOT, read_json
from deepfake.util.tensorflow import import_tensorflow


def calibrated_probability(logits: ArrayLike, temperature: float, bias: float = 0.0) -> NDArray[np.float64]:
    """sigmoid(logits / temperature + bias): p_fake in [0, 1], of the shape of `logits`.

    Raises:
        EvaluationError: ``bad_setting`` for a temperature not above 0, or a bias that is not a number.
    """
    if not (math.isfinite(temperature) and temperature > 0 and math.isfinite(bias)):
        raise EvaluationError(
            "bad_setting",
            f"The temperature must be above 0 and the bias a number. Received {temperature} and {bias}.",
        )
    # Not SciPy's expit, whose import costs more than a verdict; this form overflows nowhere.
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        return np.exp(-np.logaddexp(0.0, -(np.asarray(logits, dtype=np.float64) / temperature + bias)))


KERAS, SERVED, SECOND = "model.keras", "model.tflite", "second.tflite"
"""Files of a detector: its network, the same as it is served, and a second one beside another detector's."""
BESIDE = " + "
"""Between the architectures of networks that stand side by side in one detector."""


class ModelError(UserError):
    """A detector is missing, damaged or not to be trusted."""


@dataclass(frozen=True)
class SecondOpinion:
    """A second network whose logit is added to that of another detector.

    Attributes:
        main: name of the other detector, whose network is asked first.
        share: what the second logit is multiplied by before it is added.
        served_sha256: of ``second.tflite``, the second network.
        alone: what the first logit is multiplied by where the second network has no say.
    """

    main: str
    share: float
    served_sha256: str
    alone: float = 1.0

    def added(self, first: ArrayLike, second: ArrayLike, gates: ArrayLike) -> NDArray[np.float32]:
        """(N,) logits of both networks, of those of each and the second's gates."""
        main, said, other = (np.asarray(each, np.float64) for each in (first, gates, second))
        return (main * (said + (1 - said) * self.alone) + self.share * other).astype(np.float32)


@dataclass(frozen=True)
class Card:
    """What a detector is and how it did; ``models/NAME/card.json``.

    Attributes:
        name: the folder's name.
        title: what pages call it; its name, where the card has none.
        architecture: see ``architectures.build``; of several networks all, joined by ``BESIDE``.
        input: what the network takes.
        temperature: logits are divided by it before the sigmoid (Guo et al., 2017).
        bias: is then added to them (Platt, 1999).
        thresholds: where a score becomes a verdict.
        sha256: of ``model.keras``.
        served_sha256: of ``model.tflite``, made of it; empty where there is none and TensorFlow scores.
        second: the second network, where ``model.keras`` and ``model.tflite`` are those of another detector.
        description: one sentence.
        knows, does_not_know: kinds of fakes it was, and was not, trained on.
        evaluations: one entry a data set and split: ``data``, ``split``, ``perturbed``, ``command``,
            ``scores`` (file name) and the metrics of ``metrics.Evaluation.to_dict``.
        folder: where it lies.
        contents: the whole JSON object.
        false_alarms: which real pictures it tends to call fake, in a sentence; may be empty.
        whole_pictures: it was trained on whole pictures of people too, so that one which a generator made is
            judged as a whole beside its faces, where ``rules.whole`` says so.
        rules: what its scores may decide; see ``rules.Rules``.
    """

    name: str
    architecture: str
    input: InputSpec
    temperature: float
    thresholds: Thresholds
    sha256: str
    description: str
    knows: tuple[str, ...]
    does_not_know: tuple[str, ...]
    evaluations: tuple[dict[str, Any], ...]
    folder: Path
    contents: dict[str, Any]
    false_alarms: str = ""
    bias: float = 0.0
    whole_pictures: bool = False
    rules: Rules = field(default_factory=Rules)
    served_sha256: str = ""
    second: SecondOpinion | None = None
    title: str = ""

    @property
    def networks(self) -> list[str]:
        """The architectures of its networks: one, or those that it combines."""
        return self.architecture.split(BESIDE)

    @property
    def network_folder(self) -> Path:
        """Where the files of its first network lie."""
        return self.folder.parent / self.second.main if self.second else self.folder

    @property
    def sources(self) -> list[str]:
        """Of the data it was trained on; empty where the card does not say."""
        data = self.contents.get("data")
        sources = data.get("sources") if isinstance(data, dict) else None
        return [str(source) for source in sources] if isinstance(sources, list) else []

    def probability(self, logits: ArrayLike) -> NDArray[np.float64]:
        """The calibrated probability of Fake: the only way from this detector's logits to ``p_fake``.

        Args:
            logits: of any shape; NaN stays NaN.

        Returns:
            float64 in 0..1, of the same shape.
        """
        return calibrated_probability(logits, self.temperature, self.bias)

    @cached_property
    def score_version(self) -> str:
        """Changes with anything that ``p_fake`` of an image follows from: network, input, calibration.

        The key of every score that is kept, so that none outlives a new calibration.
        """
        facts: list[Any] = [self.sha256, self.input.to_dict(), float(self.temperature), float(self.bias)]
        if self.second:
            facts += [self.second.share, self.second.served_sha256]
            facts += [self.second.alone] if self.second.alone != 1 else []
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def version(self) -> str:
        """Changes with anything that a verdict follows from: all but the card's title and evaluations."""
        facts = {key: value for key, value in self.contents.items() if key not in ("title", "evaluations")}
        text = json.dumps([self.score_version, asdict(self.thresholds), facts], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def models_folder() -> Path:
    """``$DEEPFAKE_MODELS``; else those of the installed package, or ``models`` of the checkout."""
    if named := folder_named("DEEPFAKE_MODELS"):
        return named
    return PACKED_MODELS if PACKED_MODELS.is_dir() else ROOT / "models"


def model_names() -> list[str]:
    """Names of all detectors that have a card and a network."""
    folder = models_folder()
    if not folder.is_dir():
        return []
    return sorted(
        each.name
        for each in folder.iterdir()
        if (each / "card.json").is_file() and any((each / name).is_file() for name in (KERAS, SECOND))
    )


def default_name() -> str:
    """The detector used where none is named: the one in ``models/default.txt``; without that file, the first.

    Raises:
        ModelError: codes ``no_models``; ``bad_default``: that file names no detector; ``missing_file``: it
            names one that lacks a file.
    """
    names, chosen = model_names(), models_folder() / "default.txt"
    try:
        name = chosen.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        name = None
    except (OSError, ValueError) as error:
        raise ModelError("bad_default", f"{chosen} cannot be read ({error}). {_NAME_ONE}") from error
    if name and name not in names:
        _check_files(name)
    if not names:
        raise ModelError(
            "no_models",
            f"There is no detector in {models_folder()}. Train one with 'python -m deepfake train' and "
            "--publish, or set DEEPFAKE_MODELS to a folder that holds one.",
        )
    if name is None:
        return names[0]
    if name not in names:
        named = f"names '{name[:80]}', and there is no such detector" if name else "is empty"
        raise ModelError("bad_default", f"{chosen} {named}. {_NAME_ONE} Found: {', '.join(names)}.")
    return name


_NAME_ONE = "Write the name of the default detector into it."


def _check_files(name: str) -> None:
    """Of a detector that ``model_names`` leaves out; nothing is said where there is no such folder.

    Raises:
        ModelError: code ``missing_file``.
    """
    there = models_folder()
    folder = next((each for each in there.iterdir() if each.name == name), None) if there.is_dir() else None
    if folder is None or not folder.is_dir():
        return
    card = folder / "card.json"
    network = SECOND if read_json(card).get("second") else KERAS
    for path in (card, folder / network):
        if not path.is_file():
            raise ModelError("missing_file", f"The detector '{name}' lacks the file {path}. Restore it.")


def load_card(name: str | None = None) -> Card:
    """Reads a detector's card.

    Raises:
        ModelError: codes ``no_models``, ``bad_default``, ``unknown_model``, ``missing_file``, ``bad_card``.
    """
    name = default_name() if name is None else name
    if name not in model_names():
        _check_files(name)
        there = ", ".join(model_names()) or "none"
        raise ModelError("unknown_model", f"There is no detector called '{name}'. Found: {there}.")
    folder = models_folder() / name
    try:
        contents = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        return Card(
            name=name,
            architecture=_checked(contents, "architecture", str),
            input=_input(contents["input"]),
            temperature=_numbers(contents, "temperature")["temperature"],
            thresholds=Thresholds(**_numbers(contents, "thresholds")),
            sha256=_checked(contents, "sha256", str),
            description=_checked(contents, "description", str),
            knows=tuple(_checked(contents, "knows", list)),
            does_not_know=tuple(_checked(contents, "does_not_know", list)),
            evaluations=tuple(_checked(contents, "evaluations", list)),
            folder=folder,
            contents=contents,
            false_alarms=str(contents.get("false_alarms", "")),
            bias=_numbers({"bias": 0.0} | contents, "bias")["bias"],
            whole_pictures=_checked({"whole_pictures": False} | contents, "whole_pictures", bool),
            rules=read_rules(_checked({"rules": {}} | contents, "rules", dict)),
            served_sha256=_checked({"served_sha256": ""} | contents, "served_sha256", str),
            second=_second(contents.get("second")),
            title=_checked({"title": name} | contents, "title", str).strip() or name,
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        why = f"the field {error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise ModelError(
            "bad_card",
            f"The card of the detector '{name}' cannot be read: {why}. Restore {folder}/card.json.",
        ) from error


def detector_title(name: str) -> str:
    """What pages call a detector; commands, files and links call it by its name.

    Args:
        name: of any detector, also of one that is gone or whose card cannot be read: that is its title then.
    """
    titles = {each: _title(each) for each in model_names()}
    title = titles.get(name, name)
    alike = [each for each, other in titles.items() if other == title and each != name]
    return f"{title} ({name})" if alike else title


def _title(name: str) -> str:
    stamp = (models_folder() / name / "card.json").stat()
    return _title_of(str(models_folder()), name, stamp.st_mtime_ns, stamp.st_size)


@functools.cache
def _title_of(folder: str, name: str, modified: int, n_bytes: int) -> str:
    try:
        return load_card(name).title
    except ModelError:  # whoever asks for the detector meets it again
        return name


def quick_name(name: str | None = None) -> str:
    """The name of the detector that asks the first network alone, where one has two; else its own.

    Raises:
        ModelError: as ``load_card``.
    """
    card = load_card(name)
    return card.second.main if card.second else card.name


def _checked(contents: dict[str, Any], key: str, kind: type) -> Any:
    if not isinstance(contents[key], kind):
        raise TypeError(f"{key}: expected {kind.__name__}, received {contents[key]!r}")
    return contents[key]


def _second(given: Any) -> SecondOpinion | None:
    if given is None:
        return None
    second = SecondOpinion(**given)
    numbers = _numbers({"second": {"share": second.share, "alone": second.alone}}, "second")
    if min(numbers.values()) < 0 or Path(second.main).name != second.main:
        raise ValueError(f"second: {given!r}")
    return second


def _input(given: Any) -> InputSpec:
    """A network's input; one that does not name its interpolation has the usual one."""
    fields = dict(given)
    interpolation = fields.pop("interpolation", "area")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"input: interpolation is {interpolation!r}")
    return InputSpec(**_numbers({"input": fields}, "input"), interpolation=interpolation)


def _numbers(contents: dict[str, Any], key: str) -> dict[str, Any]:
    """A number, or an object of numbers; sizes and temperatures are above 0."""
    given = contents[key]
    values = given if isinstance(given, dict) else {key: given}
    for name, value in values.items():
        sound = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not sound or (name in ("size", "temperature") and value <= 0):
            raise ValueError(f"{key}: {name} is {value!r}")
    return values


def checked_file(path: Path, expected: str, name: str, mend: str) -> bytes:
    """The content of a file of the detector ``name``, if it is the one that its card describes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "missing_file", f"The detector '{name}' lacks the file {path} ({error.strerror}). {mend}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            "wrong_hash",
            f"The file of the detector '{name}' is not the one its card describes, so it is not loaded. "
            f"Expected SHA-256 {expected[:12]}..., received {found[:12]}.... {mend}",
        )
    return content


def load_served(card: Card) -> ServedNetwork | None:
    """Loads a detector's network for serving, without TensorFlow; None where its card names no such file.

    Raises:
        ModelError: codes ``missing_file``, ``wrong_hash`` or ``unreadable``.
    """
    if not card.served_sha256:
        return None
    path = card.network_folder / SERVED
    again = f"python -m deepfake convert {card.network_folder.name}"
    return _served(card, path, card.served_sha256, f"Restore {path}, or make it again with '{again}'.")


def load_second(card: Card) -> ServedNetwork | None:
    """Loads a detector's second network; None where it has none.

    Raises:
        ModelError: codes ``missing_file``, ``wrong_hash`` or ``unreadable``.
    """
    if card.second is None:
        return None
    path = card.folder / SECOND
    return _served(card, path, card.second.served_sha256, f"Restore {path}.")


_shared: weakref.WeakValueDictionary[tuple[str, int], ServedNetwork] = weakref.WeakValueDictionary()
"""Networks in use, by hash and input: a detector with two has the first in common with another detector."""
_sharing = threading.Lock()


def _served(card: Card, path: Path, sha256: str, mend: str) -> ServedNetwork:
    content = checked_file(path, sha256, card.name, mend)
    try:
        with _sharing:
            network = _shared.get((sha256, card.input.size)) or ServedNetwork(content, card.input)
            _shared[sha256, card.input.size] = network
            return network
    except (ValueError, RuntimeError) as error:
        raise ModelError("unreadable", f"{path} cannot be served: {error} {mend}") from error


def served_files(card: Card) -> dict[str, bytes]:
    """The served networks of a detector by their files' names: its first, then its second where it has two.

    Raises:
        ModelError: codes ``missing_file`` or ``wrong_hash``; ``not_served``, where there is no such file.
    """
    if not card.served_sha256:
        text = (
            f"The detector '{card.name}' has no served file. Make it: python -m deepfake convert {card.name}"
        )
        raise ModelError("not_served", text)
    mend = "Restore it."
    files = {SERVED: checked_file(card.network_folder / SERVED, card.served_sha256, card.name, mend)}
    if card.second:
        sha256 = card.second.served_sha256
        files[SECOND] = checked_file(card.folder / SECOND, sha256, card.name, mend)
    return files


def load_model(card: Card) -> Any:
    """Loads a detector's Keras network, to train on and for what needs gradients, and TensorFlow: seconds.

    Of a detector with two networks it is the first.

    Raises:
        ModelError: codes ``missing_file``; ``wrong_hash``: the file is not the one that the card describes;
            ``unreadable``: Keras refuses it, for instance as it carries code.
    """
    path = card.network_folder / KERAS
    checked_file(path, card.sha256, card.name, f"Restore {path}.")
    import_tensorflow()
    try:
        return read_network(path)
    except Exception as error:  # Keras raises nearly anything
        raise ModelError(
            "unreadable",
            f"The detector '{card.name}' cannot be loaded by this version of Keras, or its file carries "
            "code, which is not run. Publish it again from its run.",
        ) from error


def read_network(path: Path) -> Any:
    """The network in a ``.keras`` file, its tables stored as they are or as int8; code in it is not run.

    Raises:
        Exception: nearly anything, where Keras cannot read it.
    """
    import keras

    import deepfake.networks.clip_vit  # noqa: F401 - Keras finds its layers by name
    from deepfake.networks.int8_weights import is_quantised, restored

    if not is_quantised(path):
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        restored(path, whole)
        return keras.saving.load_model(whole, compile=False, safe_mode=True)
