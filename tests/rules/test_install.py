"""``pip install .``: the package, its command and its detectors stand by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image

NOTEBOOK = """
from deepfake import Detector, load_image
detector = Detector.load()
verdict = detector.check(load_image("photo.png"))
print(verdict.verdict, verdict.p_fake, detector.card.name)
"""


def run(*words: str, cwd: Path, **environment: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPFAKE_")}
    done = subprocess.run(
        words, cwd=cwd, env={**env, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_way_into_a_notebook(use_tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(encoded(noise_image(1)))
    models = str(use_tiny_models)
    out = run(sys.executable, "-c", NOTEBOOK, cwd=tmp_path, PYTHONPATH=str(ROOT), DEEPFAKE_MODELS=models)
    assert out.split() == ["uncertain", "None", "tiny"], "drawn blotches show no face"


def test_names_of_the_package_come_late() -> None:
    heavy = "print(sorted({'numpy', 'keras', 'tensorflow', 'cv2'} & set(sys.modules)))"
    assert run(sys.executable, "-c", f"import sys, deepfake; {heavy}", cwd=ROOT).strip() == "[]"
    import deepfake

    for name in deepfake.__all__:
        assert getattr(deepfake, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Detektor'"):
        _ = deepfake.Detektor


@pytest.mark.slow
def test_installed_elsewhere_it_finds_its_detectors(tmp_path: Path) -> None:
    target = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(ROOT))
    run(*pip, cwd=tmp_path)
    program = "import deepfake.detection.card as c, deepfake.runs.runs as r; print(c.models_folder()); "
    program += "print(c.model_names(), r.runs_folder())"
    found = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(target)).splitlines()
    shipped = sorted(path.name for path in (ROOT / "models").iterdir() if path.is_dir())
    assert found == [str(target / "deepfake" / "_models"), f"{shipped} {tmp_path / 'runs'}"]
    command = str(target / "bin" / "deepfake")
    assert "predict" in run(command, "--help", cwd=tmp_path, PYTHONPATH=str(target))
