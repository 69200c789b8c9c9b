"""Rules that the whole package keeps."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake.util.files import ROOT

MODULES = sorted((ROOT / "deepfake").rglob("*.py"))
APP = [
    *MODULES,
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted((ROOT / "ui").rglob("*.py")),
    *sorted(path for path in ROOT.glob("*.py") if path.name != "conftest.py"),
]
DISTRIBUTIONS = {
    "ai_edge_litert": "ai-edge-litert",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "fpdf": "fpdf2",
    "pillow_heif": "pillow-heif",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "sklearn": "scikit-learn",
}
BROUGHT_BY = {"pyarrow": "streamlit", "starlette": "streamlit"}
"""Imports whose version another requirement chooses; the test checks that it does."""

LIGHT = (
    "deepfake",
    "deepfake.cli",
    "deepfake.data.index",
    "deepfake.detection.detector",
    "deepfake.evaluation.statistics.metrics",
    "deepfake.faces.finder",
    "deepfake.images.load",
    "deepfake.training.pipeline",
    "deepfake.images.pixels",
    "deepfake.training.publish",
    "deepfake.detection.card",
    "deepfake.runs.estimate",
    "deepfake.runs.options",
    "deepfake.runs.runs",
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Top-level names of everything that a file imports, wherever in the file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


def requirements() -> set[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {re.split(r"[<>=!~;\[ ]", line)[0].lower() for line in lines if line and not line.startswith("#")}


def test_there_is_something_to_check() -> None:
    assert len(MODULES) > 15
    assert any(path.parent.name == "pages" for path in APP)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_package_module(path: Path) -> None:
    """It says what it is for, and draws nothing."""
    assert ast.get_docstring(parsed(path)), f"{path} has no docstring"
    assert not {"streamlit", "pages", "ui"} & set(imports(path))


def test_every_public_thing_of_the_package_is_described() -> None:
    bare = [
        f"{place(path)}: {node.name}"
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_requirements_list_what_is_imported() -> None:
    ours = {"deepfake", "ui", *(path.stem for path in ROOT.glob("*.py")), *(path.stem for path in APP)}
    names = {name for path in APP for name in imports(path)} - set(sys.stdlib_module_names) - ours
    assert {"numpy", "keras", "streamlit"} <= names
    needed = {DISTRIBUTIONS.get(name, name) for name in names} - set(BROUGHT_BY)
    assert needed - requirements() == set()


def test_what_is_brought_along_is_brought_along() -> None:
    from importlib.metadata import requires

    for name, distribution in BROUGHT_BY.items():
        assert any(re.match(rf"{name}\b", line) for line in requires(distribution) or [])


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    code = (
        f"import sys, {', '.join(LIGHT)}\n"
        "print(sorted({'tensorflow', 'keras', 'mtcnn', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_tables() -> None:
    """``deepfake --help`` and a refusal need neither pandas nor SciPy: half a second each time."""
    code = "import sys, deepfake.cli, deepfake.detection.card\n"
    code += "print(sorted({'pandas', 'scipy', 'sklearn', 'plotly'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_page_is_painted_with_scikit_learn() -> None:
    """Importing it would double what a page takes to come up."""
    rooms = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "ui").rglob("*.py")]
    code = f"import sys, {', '.join(room.removesuffix('.__init__') for room in rooms)}\n"
    code += "print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(rooms) > 20
    assert done.stdout.strip() == "False"


def test_no_image_is_shrunk_by_streamlit() -> None:
    """Which it does to a file given a width, coarse on a fine screen: see ``ui.page.show_image``."""
    calls = [
        (path, call)
        for path in APP
        for call in ast.walk(parsed(path))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "image"
    ]
    widths = [
        (path, keyword.lineno, keyword.value)
        for path, call in calls
        for keyword in call.keywords
        if keyword.arg == "width"
    ]
    assert len(widths) > 5
    assert not [
        f"{path.relative_to(ROOT)}:{line}"
        for path, line, value in widths
        if not (isinstance(value, ast.Constant) and isinstance(value.value, str))
    ]


def test_no_file_names_a_place_of_one_machine() -> None:
    texts = [*APP, *sorted((ROOT / "tests").rglob("*.py")), *ROOT.glob("*.md"), *ROOT.glob("*.t*")]
    homes = re.compile("/" + r"(home|Users|root|work)/\w|C:" + r"\\Users")
    found = [place(path) for path in texts if homes.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_only_a_card_turns_logits_into_probabilities() -> None:
    """``Card.probability`` is the only way where there is a card: another one would drop the bias."""
    fitted_there = {"training/publish.py"}  # fits the numbers of a card that is still to be written
    callers = {
        place(path)
        for path in APP
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.ImportFrom) and "calibrated_probability" in {a.name for a in node.names})
        or (isinstance(node, ast.Attribute) and node.attr == "calibrated_probability")
    }
    assert callers == fitted_there
    without_logits_of_a_detector = {
        "detection/card.py": "defines it",
        "evaluation/statistics/calibration.py": "the loss it is fitted by; takes it back out of p_fake",
        "detection/figures.py": "edges of bars, evenly spaced on the scale of odds",
        "networks/clip_vit.py": "an activation inside the network",
        "evaluation/compare.py": "the mean of detectors' calibrated scores",
        "training/frozen/gated.py": "how much a head has its say",
        "training/frozen/heads.py": "the slope of the loss that a head is fitted by",
        "training/frozen/stack.py": "the slope of the loss that a stack is fitted by",
        "util/statistics.py": "an interval of ROC AUC on the logit scale",
        "detection/rules.py": "between shares of calibrated scores, on the scale of odds",
        "slices/shortcuts.py": "a regression on facts of images; asks no network",
        "training/train.py": "a run under way has no card yet",
    }
    by_hand = re.compile(r"\bexpit\b|\bsigmoid\(|1 */ *\(1(\.0)? *\+ *(np|math)\.exp|exp\(-np\.logaddexp")
    found = {place(path) for path in APP if by_hand.search(without_texts(path))}
    assert found == set(without_logits_of_a_detector)


def test_one_word_for_an_uncertain_verdict() -> None:
    """Every sentence takes it from ``detection/words.py``; elsewhere the bare word is a label, as in JSON."""
    typed = {
        f"{place(path)}: {node.value}"
        for path in APP
        for node in ast.walk(ast.parse(without_texts(path)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"\buncertain\b", node.value, re.IGNORECASE) and node.value != "uncertain"
    }
    assert not typed
    assert without_texts(ROOT / "deepfake" / "detection" / "words.py").count("'uncertain'") == 1


def test_files_are_written_whole() -> None:
    """By ``util.files``, so that no reader sees half of one; the others write what nobody reads meanwhile."""
    on_their_own = {
        "util/files.py": "writes whole",
        "cli/options.py": "the file that a person named, which may be a pipe",
        "cli/judge.py": "the same",
        "data/collections.py": "into a folder that is put in its place when all is there",
        "data/demo.py": "a new set, into an empty folder",
        "detection/feedback.py": "answers, beside a lock",
        "examples/verdicts.py": "a document of the repository",
        "networks/onnx_file.py": "into a folder of its own for a moment",
        "runs/process.py": "bytes that only take room",
    }
    writers = {
        place(path)
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes")
    }
    assert writers == set(on_their_own)


def place(path: Path) -> str:
    """A file below the package, or of the pages; several rooms have a file of one name."""
    return path.relative_to(ROOT).as_posix().removeprefix("deepfake/")


def without_texts(path: Path) -> str:
    """A file's code with docstrings and comments left out."""
    tree = parsed(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return ast.unparse(tree)


def test_no_folder_of_the_program_holds_more_than_fifteen_modules() -> None:
    modules = [*APP, *(ROOT / "benchmarks").rglob("*.py")]
    counted = Counter(path.parent for path in modules if path.name != "__init__.py")
    crowded = {place(folder): number for folder, number in counted.items() if number > 15}
    assert not crowded
