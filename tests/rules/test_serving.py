"""A verdict comes without TensorFlow and SciPy, by whichever door: command line, page, batch, HTTP. The first
paint of the check page comes without tables too, and without what shows verdicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image

DOORS = {
    "command line": """
from deepfake.cli import main
assert main(["predict", picture, "--json"]) == 0
assert main(["predict", picture, "--csv"]) == 0
""",
    "page": """
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("pages/check.py", default_timeout=120).run()
app.file_uploader[0].set_value([("a.png", content, "image/png")]).run()
assert not app.exception and app.header, app
""",
    "batch": """
from deepfake.detection.batch import judge_source, sources_below
from deepfake.detection.detector import get_detector
from pathlib import Path
assert all(judge_source(get_detector(), source).verdict for source in sources_below(Path(picture)))
""",
    "HTTP": """
from starlette.testclient import TestClient
from deepfake.api.app import Service, create_api
with TestClient(create_api(Service())) as client:
    answer = client.post("/api/v1/predict", files={"files": ("a.png", content)})
assert answer.status_code == 200 and answer.json()["results"][0]["verdict"], answer.text
""",
}
AFTER = """
import sys
print("HEAVY", sorted({"tensorflow", "keras", "sklearn", "scipy"} & set(sys.modules)))
"""


@pytest.mark.parametrize("door", DOORS)
def test_no_door_loads_tensorflow_or_scipy(door: str, tiny_models: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encoded(noise_image(1, 96, 96)))
    before = f"picture = {str(picture)!r}\ncontent = open(picture, 'rb').read()\n"
    done = subprocess.run(
        [sys.executable, "-c", before + DOORS[door] + AFTER],
        cwd=ROOT,
        env={"PATH": "", "DEEPFAKE_MODELS": str(tiny_models), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout, done.stdout


PAINT = """
import sys
import ui.page
from streamlit.testing.v1 import AppTest
before = set(sys.modules)  # Streamlit itself loads Plotly
ui.page.load_everything = lambda: None  # which a person does not wait for
app = AppTest.from_file("streamlit_app.py", default_timeout=120).run()
assert not app.exception and app.file_uploader and app.button, app
tables = {"pandas", "pyarrow", "scipy", "sklearn", "tensorflow", "keras", "ai_edge_litert"}
verdicts = {"ui.check.verdict", "deepfake.detection.detector", "deepfake.faces.finder", "deepfake.forensics"}
print("HEAVY", sorted((tables | verdicts) & set(sys.modules) | {"plotly"} & (set(sys.modules) - before)))
"""


def test_first_paint_needs_no_tables_and_no_verdicts(tiny_models: Path, tmp_path: Path) -> None:
    """Importing pandas alone is a third of what the first paint takes."""
    done = subprocess.run(
        [sys.executable, "-c", PAINT],
        cwd=ROOT,
        env={"PATH": "", "DEEPFAKE_MODELS": str(tiny_models), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout, done.stdout
