"""The pages as a person walks them: upload, replace, clear, switch; and everything that may be wrong."""

from __future__ import annotations

import ast
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anyio
import numpy as np
import pytest
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec
from streamlit.testing.v1 import AppTest

from deepfake.detection.rules import Rules, WholeRule
from deepfake.detection.stress import CHANGES
from deepfake.errors import UserError
from deepfake.faces.finder import Face, FaceScan
from deepfake.images.load import MAX_BYTES
from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image
from ui import page as ui
from ui.uploads import IMAGES, SHELVES, Shelf, Upload

HOSTILE = [
    "<b>*x*</b>.png",
    "[a](http://example.com).png",
    ":smile: $x$ www.example.com.png",
    "![i](x.png).png",
]
PNG = encoded(noise_image(1))
BROKEN = b"this is no picture"


def page(path: str = "pages/check.py") -> AppTest:
    return AppTest.from_file(str(ROOT / path), default_timeout=120)


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content in files]).run()
    return app


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()


def headings(app: AppTest) -> list[str]:
    return [element.value for element in app.header]


def shown(app: AppTest) -> str:
    """Everything on the page that is rendered as Markdown."""
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.header, app.title)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def texts(app: AppTest) -> list[str]:
    return [element.value for element in app.text]


@pytest.fixture
def fixed(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Fixes the faces found and their scores; the list returned grows by one per picture scored."""

    def fix(scores: list[float], kind: str = "faces") -> list[int]:
        calls: list[int] = []
        faces = tuple(
            Face((10 * n, 10, 10 * n + 30, 60), (8 * n, 8, 8 * n + 48, 56), 0.99) for n in range(len(scores))
        )
        scan = FaceScan(faces if kind != "no_face" else (), kind)  # pyright: ignore[reportArgumentType]
        monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: scan)
        monkeypatch.setattr("deepfake.detection.detector.looks_drawn", lambda crop: False)

        def p_fake(self, crops):
            calls.append(len(crops))
            return np.resize(np.array(scores), len(crops))

        monkeypatch.setattr("deepfake.detection.detector.Detector.p_fake", p_fake)
        return calls

    return fix


@pytest.mark.parametrize("path", ["streamlit_app.py", "pages/check.py"])
def test_every_script_stands_alone(use_tiny_models, path):
    app = page(path).run()
    assert not app.exception
    assert app.title[0].value == "Check an image"
    assert "Nothing to check yet" in shown(app)
    assert "Nothing is stored" in shown(app)
    assert "nothing" in shown(app)  # what the card says the detector knows
    assert "everything" in shown(app)  # and does not
    assert "Clear all" not in [button.label for button in app.button]
    assert not app.camera_input  # the browser asks for the camera only when a person wants it
    assert not app.selectbox  # one detector is no choice


def test_first_paint_imports_no_tensorflow(use_tiny_models):
    """Only the thread behind the page's back may import it; here it fails there, and the page stands."""
    script = """
import sys, threading
asked = []
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'tensorflow', 'keras', 'mtcnn'}:
            asked.append(threading.current_thread().name)
            raise ImportError('not here')
sys.meta_path.insert(0, Spy())
from streamlit.testing.v1 import AppTest
app = AppTest.from_file('streamlit_app.py', default_timeout=60).run()
assert not app.exception, app.exception
assert any('Nothing to check yet' in element.value for element in app.markdown)
[thread.join() for thread in threading.enumerate() if thread.name == 'warm-up']
assert asked, 'nothing was warmed up'
assert set(asked) == {'warm-up'}, asked
assert 'tensorflow' not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_the_warm_up_loads_is_no_longer_gone_through_for_garbage(use_tiny_models):
    gc.unfreeze()
    try:
        ui.load_everything()
        assert gc.get_freeze_count() > 100_000
    finally:
        gc.unfreeze()


def test_a_picture_gets_a_verdict_from_the_real_network(use_tiny_models):
    app = upload(page().run(), ("noise.png", PNG))
    assert not app.exception
    assert not app.error
    assert headings(app) == [":gray[:material/help: No face found: not analyzed]"]  # coloured blotches
    assert "Probability of fake: **" not in shown(app)
    assert "Raw score, for the record" in shown(app).replace("\\", "")
    assert "No face was found" in app.info[0].value
    assert "96 x 96 pixels, PNG" in shown(app)
    assert texts(app) == ["noise.png"]
    assert "Nothing to check yet" not in shown(app)


@pytest.mark.parametrize("whole", [0.97, 0.2])
def test_the_whole_picture_has_a_row_of_its_own(tiny_models, tmp_path, monkeypatch, fixed, whole):
    fixed([0.03])
    monkeypatch.setattr(
        "deepfake.detection.detector.Detector.p_fake",
        lambda self, crops: np.array([0.03, whole])[: len(crops)],
    )
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    card = tmp_path / "models/tiny/card.json"
    rule = Rules(whole=WholeRule(2, 0.1, 0.9, 300, 2))
    rules = {"whole_pictures": True, "rules": rule.to_dict()}
    card.write_text(json.dumps({**json.loads(card.read_text()), **rules}))
    app = upload(page().run(), ("a.png", PNG))
    assert not app.exception
    assert ("Likely fake: the whole image" in headings(app)[0]) == (whole > 0.9)
    assert ("Probability that the whole image is fake: **97%**" in shown(app)) == (whole > 0.9)
    rows = [line for line in shown(app).splitlines() if line.startswith(("Face 1:", "Whole image:"))]
    assert [line.split(":")[0] for line in rows] == ["Face 1", "Whole image"]
    assert ("material/warning" if whole > 0.9 else "no sign of AI generation") in rows[1]


@pytest.mark.parametrize(
    ("score", "words"), [(0.97, "Likely fake"), (0.03, "Likely real"), (0.5, "Uncertain")]
)
def test_words_come_first_then_the_probability(fixed, score, words):
    fixed([score])
    app = upload(page().run(), ("a.png", PNG))
    assert words in headings(app)[0]
    assert f"Probability of fake: **{score:.0%}**" in shown(app)
    limit = "does not rule out what the detector can miss: everything"
    assert (limit in shown(app).replace("\\", "")) == (score < 0.4)


def test_each_face_has_its_own_words_and_the_worst_decides(fixed):
    fixed([0.02, 0.95, 0.5])
    app = upload(page().run(), ("a.png", PNG))
    assert "Likely fake" in headings(app)[0]
    faces = [element.value for element in app.markdown if element.value.startswith("Face ")]
    assert [face.split(":")[0] for face in faces] == ["Face 2", "Face 3", "Face 1"], "most suspicious first"
    assert ["Likely fake" in faces[0], "Uncertain" in faces[1], "Likely real" in faces[2]] == [True] * 3
    assert ["95%" in faces[0], "50%" in faces[1], "2%" in faces[2]] == [True] * 3


def test_of_many_faces_the_six_most_suspicious_are_open(fixed):
    fixed([0.02, 0.95, 0.5, 0.01, 0.03, 0.04, 0.05, 0.06])
    app = upload(page().run(), ("a.png", encoded(noise_image(1, 200, 200))))
    assert not app.exception
    (rest,) = [box for box in app.expander if "less suspicious" in box.label]
    assert rest.label == "2 more, less suspicious"
    folded = [element.value.split(":")[0] for element in rest.markdown]
    assert folded == ["Face 1", "Face 4"]
    faces = [element.value.split(":")[0] for element in app.markdown if element.value.startswith("Face ")]
    assert faces[:2] == ["Face 2", "Face 3"]
    assert len(faces) == 8


def charts(app: AppTest, key: str) -> list:
    """The charts whose key begins so."""
    return [chart for chart in app.get("plotly_chart") if f"-{key}-" in chart.proto.id]


@pytest.mark.parametrize("score", [0.97, 0.03])
def test_where_the_score_lies_is_drawn_between_words_and_one_sentence(fixed, score):
    fixed([score])
    app = upload(page().run(), ("a.png", PNG))
    (strip,) = charts(app, "strip")
    assert f"The score of this image, {score:.0%}, lies in the band" in strip.proto.alt
    box = next(box for box in app.expander if box.label == "Details")
    assert not box.proto.expanded
    assert "Fake from 60%" in "".join(element.value for element in box.markdown)


def test_several_images_are_counted_with_a_way_to_each(fixed):
    fixed([0.97])
    app = upload(page().run(), ("a.png", PNG), ("broken.png", BROKEN), ("c.png", encoded(noise_image(3))))
    lines = [element.value for element in app.markdown if "#image-" in element.value]
    assert ["**2 fake**" in lines[0], "**1 not checked**" in lines[1]] == [True, True]
    assert "[image 1](#image-1), [image 3](#image-3)" in lines[0]
    places = [element.proto.body for element in app.get("html")]
    assert [f'id="image-{n}"' in "".join(places) for n in (1, 2, 3)] == [True] * 3
    assert any('role="status"' in place and "2 fake, 1 not checked" in place for place in places)
    boxes = [label for label in expanders(app) if "image" in label]
    assert len(boxes) == len(set(boxes)) > 4, "no two controls have one name"


def test_the_verdict_on_one_image_is_read_out(fixed):
    fixed([0.97])
    app = upload(page().run(), ("a.png", PNG))
    spoken = [e.proto.body for e in app.get("html") if 'role="status"' in e.proto.body]
    assert len(spoken) == 1
    assert "Likely fake. Probability of fake: 97%" in spoken[0]
    assert not [element for element in app.markdown if "#image-" in element.value]


def test_one_broken_file_spoils_nothing(fixed):
    fixed([0.97])
    app = upload(page().run(), ("broken.png", BROKEN), ("good.png", PNG), ("empty.png", b""))
    assert not app.exception
    assert len(headings(app)) == 1
    assert texts(app) == ["broken.png", "good.png", "empty.png"]
    assert len(app.error) == 2
    assert "not an image" in app.error[0].value
    assert "Traceback" not in shown(app)


def test_a_fault_in_one_picture_is_a_sentence_and_no_more(fixed, monkeypatch, caplog):
    fixed([0.97])
    from deepfake.detection.detector import Detector

    check = Detector.check

    def faulty(self, image, **more):
        if image.facts.width == 40:
            raise RuntimeError("secret detail")
        return check(self, image, **more)

    monkeypatch.setattr(Detector, "check", faulty)
    app = upload(page().run(), ("odd.png", encoded(noise_image(2, 40, 40))), ("good.png", PNG))
    assert not app.exception
    assert len(headings(app)) == 1
    assert "fault in the program" in app.error[0].value
    assert "secret detail" not in shown(app)
    assert "secret detail" in caplog.text


def test_replacing_shows_the_new_picture_only(fixed):
    calls = fixed([0.97])
    app = upload(page().run(), ("first.png", PNG))
    upload(app, ("second.png", encoded(noise_image(7))))
    assert texts(app) == ["second.png"]
    assert len(headings(app)) == 1
    assert len(calls) == 2


def test_removing_the_last_file_brings_the_empty_state_back(fixed):
    fixed([0.97])
    app = upload(page().run(), ("first.png", PNG))
    app.file_uploader[0].set_value(None).run()
    assert "Nothing to check yet" in shown(app)
    assert not headings(app)


def test_clear_all_empties_uploads_and_camera(fixed):
    fixed([0.97])
    app = upload(page().run(), ("first.png", PNG))
    app.toggle[0].set_value(True).run()
    press(app, "Clear all")
    assert not app.exception
    assert "Nothing to check yet" in shown(app)
    assert not headings(app)
    assert not app.camera_input
    upload(app, ("again.png", PNG))
    assert len(headings(app)) == 1


def test_camera_picture_is_judged(fixed):
    fixed([0.97])
    app = page().run()
    app.toggle[0].set_value(True).run()
    app.camera_input[0].upload("camera.jpg", encoded(noise_image(1), "JPEG")).run()
    assert "Likely fake" in headings(app)[0]


def test_threshold_rejudges_without_another_upload(fixed):
    calls = fixed([0.7])
    app = upload(page().run(), ("a.png", PNG))
    assert "Likely fake" in headings(app)[0]
    app.radio[0].set_value("few_false_alarms").run()
    assert "Uncertain" in headings(app)[0]
    before = len(calls)
    app.radio[0].set_value("balanced").run()
    assert "Likely fake" in headings(app)[0]
    assert len(calls) == before  # remembered, not computed again


@pytest.mark.parametrize(("asked", "got"), [("Few false alarms", "few_false_alarms"), ("<b>", "balanced")])
def test_threshold_from_the_address(use_tiny_models, asked, got):
    app = page()
    app.query_params["threshold"] = asked
    app.run()
    assert not app.exception
    assert app.radio[0].value == got


def test_choice_of_detector(fixed, tiny_models, tmp_path, monkeypatch):
    fixed([0.7])
    for name in ("one", "two"):
        shutil.copytree(tiny_models / "tiny", tmp_path / name)
    card = json.loads((tmp_path / "two" / "card.json").read_text())
    card["thresholds"]["uncertain_high"] = 0.8
    (tmp_path / "two" / "card.json").write_text(json.dumps(card))
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = upload(page().run(), ("a.png", PNG))
    assert app.selectbox[0].value == "one"
    assert "Likely fake" in headings(app)[0]
    app.selectbox[0].set_value("two").run()
    assert "Uncertain" in headings(app)[0]


def test_no_detector_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = page().run()
    assert not app.exception
    assert "There is no detector in" in app.error[0].value
    assert not app.file_uploader


@pytest.mark.parametrize("damage", ["model.tflite", "card.json"])
def test_damaged_detector_is_a_sentence(tiny_models, tmp_path, monkeypatch, damage):
    shutil.copytree(tiny_models / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / damage).write_bytes(b"{}")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = upload(page().run(), ("a.png", PNG))
    assert not app.exception
    assert len(app.error) == 1
    assert "Restore" in app.error[0].value
    assert not headings(app)


@pytest.mark.parametrize("content", [PNG, BROKEN])
def test_file_names_are_never_markup(fixed, content):
    fixed([0.02])
    app = upload(page().run(), *((name, content) for name in HOSTILE))
    assert not app.exception
    assert texts(app) == HOSTILE
    assert not any(name[:6] in shown(app) for name in HOSTILE)


def test_more_files_than_it_takes(fixed):
    calls = fixed([0.97])
    small = encoded(noise_image(3, 64, 64))
    app = upload(page().run(), *((f"{n}.png", small) for n in range(22)))
    assert "first 20 of 22 images are checked here" in app.warning[0].value
    assert "Check many" in app.warning[0].value
    assert len(headings(app)) == len(calls) == 20


def links(app: AppTest) -> list[str]:
    return [element.proto.label for element in app.get("page_link")]


def test_a_file_of_the_wrong_type_gets_its_reason_and_the_right_page(fixed):
    fixed([0.97])
    video = b"\0\0\0\x18ftypmp42" + bytes(100)
    app = upload(
        page("streamlit_app.py").run(),
        ("a.pdf", b"%PDF-1.4"), ("a.mp4", video), ("a.zip", b"PK\3\4" + bytes(40)), ("good.png", PNG),
    )  # fmt: skip
    assert not app.exception
    assert [word in error.value for word, error in zip(("PDF", "video", "ZIP"), app.error, strict=True)] == [
        True, True, True,
    ]  # fmt: skip
    assert len(headings(app)) == 1
    assert "Nothing to check yet" not in shown(app)
    assert "The page Check many opens zip archives of images" in links(app)
    assert [b.label for b in app.button].count("Check it on the page Check a video") == 1


def test_the_empty_page_names_the_pages_for_other_files(use_tiny_models):
    assert [link for link in links(page("streamlit_app.py").run()) if "Check" in link] == [
        "A folder or archive: Check many",
        "A video: Check a video",
    ]


def test_no_page_shows_a_string_by_accident():
    """Streamlit writes every bare string of a page's file to the page, but for the first."""
    for path in sorted((ROOT / "pages").glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        bare = [
            node.lineno
            for node in module.body[1:]
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ]
        assert not bare, path


def stored(file_id: str, n_bytes: int = 3) -> UploadedFile:
    return UploadedFile(UploadedFileRec(file_id, f"{file_id}.png", "image/png", bytes(n_bytes)), None)  # pyright: ignore


def ids(shelf: Shelf) -> list[str]:
    return [upload.file_id for upload in shelf.uploads]


def test_uploads_outlive_the_widget_that_brought_them():
    shelf = Shelf()
    shelf.take("box", [stored("a"), stored("b")], is_new=True)
    shelf.take("box", [stored("b"), stored("c")], is_new=False)
    assert ids(shelf) == ["b", "c"], "what is taken out of the box is gone"
    shelf.leave()
    shelf.take("box", [], is_new=True)
    assert ids(shelf) == ["b", "c"], "a box that is drawn anew is empty, which takes nothing away"
    assert not shelf.is_listed("b")
    shelf.take("box", [stored("d")], is_new=False)
    shelf.remove("b")
    assert ids(shelf) == ["c", "d"]
    shelf.take("box", [], is_new=False)
    assert ids(shelf) == ["c"]
    shelf.clear()
    assert not shelf.uploads


def test_streamlit_holds_no_file_that_no_widget_lists(monkeypatch):
    """It keeps a file until the session ends, unless a person takes it out of the widget."""
    manager = MemoryUploadedFileManager("/files")
    context = SimpleNamespace(session_id="mine", uploaded_file_mgr=manager)
    monkeypatch.setattr("ui.uploads.get_script_run_ctx", lambda: context)
    held = manager.file_storage["mine"]
    for end in (Shelf.clear, Shelf.leave):
        shelf, files = Shelf(), [stored("a"), stored("b")]
        for session in ("mine", "another's"):
            for file in files:
                manager.add_file(session, UploadedFileRec(file.file_id, file.name, file.type, b"123"))
        shelf.take("box", files, is_new=True)
        assert sorted(held) == ["a", "b"]
        end(shelf)
        assert not held
    assert sorted(manager.file_storage["another's"]) == ["a", "b"]
    assert ids(shelf) == ["a", "b"], "the shelf has its own"


def test_uploads_are_kept_within_the_limit_of_a_batch(monkeypatch):
    monkeypatch.setattr("ui.uploads.MAX_KEPT_BYTES", 10)
    shelf = Shelf()
    shelf.take("box", [stored("a", 6), stored("b", 6), stored("c", 4)], is_new=True)
    assert all(upload.content is not None for upload in shelf.uploads), "as long as the page is open"
    shelf.leave()
    assert [upload.content is None for upload in shelf.uploads] == [False, True, False]
    assert shelf.n_bytes == 10
    with pytest.raises(UserError, match="Upload it again"):
        shelf.uploads[1].getvalue()


def test_a_file_that_was_let_go_keeps_its_verdict(fixed):
    calls = fixed([0.97])
    app = upload(page().run(), ("a.png", PNG))
    before = len(calls)
    shelf = app.session_state[SHELVES][IMAGES]
    shelf.put(replace(shelf.uploads[0], content=None))
    app.run()
    assert not app.exception
    assert not app.error
    assert "Likely fake" in headings(app)[0]
    assert len(calls) == before
    assert "Upload it again for a closer look" in shown(app)
    assert "Details" in expanders(app)
    assert "Explain this verdict" not in expanders(app), "nothing that needs the file"
    assert "File forensics" not in expanders(app)


def test_uploads_stay_in_memory_while_they_arrive(use_tiny_models, monkeypatch):
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 2**20)
    page().run()
    boundary = b"--b\r\nContent-Disposition: form-data; name=f; filename=f.jpg\r\n\r\n"
    body = boundary + bytes(MAX_BYTES) + b"\r\n--b--\r\n"

    async def on_disk() -> bool:
        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        form = await Request({"type": "http", "headers": headers}, receive).form()
        return form["f"].file._rolled  # pyright: ignore[reportAttributeAccessIssue]

    assert anyio.run(on_disk) is False


def explained(app: AppTest) -> AppTest:
    return open_box(app, "explain", opened=True)


def open_box(app: AppTest, name: str, *, opened: bool) -> AppTest:
    """Opens or closes one of the expanders of the first upload, which the tests cannot click on."""
    app.session_state[f"{name}-{app.session_state[SHELVES][IMAGES].uploads[0].file_id}"] = opened
    app.run()
    assert not app.exception
    return app


def expanders(app: AppTest) -> list[str]:
    return [box.label for box in app.expander]


def open_tab(app: AppTest, number: int) -> None:
    file_id = app.session_state[SHELVES][IMAGES].uploads[0].file_id
    app.session_state[f"explain-tab-{file_id}"] = app.tabs[number].label
    app.run()
    assert not app.exception


def test_a_verdict_is_explained_on_request(use_tiny_models):
    app = explained(upload(page().run(), ("a.png", PNG)))
    assert [tab.label for tab in app.tabs] == [
        "Stability",
        "Heat maps",
        "Similar training images",
    ]
    (table,) = [frame.value for frame in app.dataframe if "Change" in frame.value]
    assert len(table) == 1 + len(CHANGES)
    assert table["Probability of fake"].between(0, 1).all()
    assert "toward fake" not in shown(app), "a tab is worked out when it is opened"
    open_tab(app, 1)
    assert "toward fake" in shown(app)
    assert "rank correlation" in shown(app)
    assert len([c for c in app.caption if "chance" in c.value]) == 2
    assert [image.proto.imgs[0].alt for image in app.get("image")][-2:] == [
        "Grad-CAM over whole image",
        "Occlusion over whole image",
    ]
    open_tab(app, 2)
    assert "no index of its training images" in shown(app)


@pytest.fixture
def flipping(fixed, monkeypatch):
    """One face that scores 0.97, and 0.03 after any change."""
    fixed([0.97])
    monkeypatch.setattr(
        "deepfake.detection.detector.Detector.p_fake",
        lambda self, crops: np.array([0.97] + [0.03] * (len(crops) - 1)),
    )


def test_a_verdict_that_flips_becomes_uncertain_and_stays_so(flipping):
    app = upload(page().run(), ("a.png", PNG))
    assert "Likely fake" in headings(app)[0]
    explained(app)
    assert headings(app) == [":gray[:material/help: Uncertain]"]
    assert "Uncertain after the stress test" in shown(app)
    assert "would be called likely fake by its score alone" in shown(app)
    open_box(app, "explain", opened=False)
    assert "Uncertain" in headings(app)[0], "what is known stays known"
    press(app, "Clear all")
    upload(app, ("b.png", PNG))
    assert "Likely fake" in headings(app)[0]


def test_a_report_is_made_on_request_and_agrees_with_the_page(flipping):
    app = upload(page().run(), ("a.png", PNG))
    assert not [b for b in app.get("download_button") if "Report" in b.proto.label]
    next(button for button in app.button if button.label == "Make a report").click().run()
    assert not app.exception
    assert not app.error
    assert "Uncertain" in headings(app)[0], "the report holds the stress test"
    labels = [button.proto.label for button in app.get("download_button")]
    assert [label for label in labels if "Report" in label] == ["Report as PDF", "Report as HTML"]
    assert "Receipt as JSON" in labels


def test_explanation_of_one_of_several_faces(fixed):
    fixed([0.2, 0.9])
    app = explained(upload(page().run(), ("a.png", encoded(noise_image(1, 200, 200)))))
    choice = next(box for box in app.selectbox if box.label == "Which face")
    assert choice.value == 1, "the face most likely fake comes first"
    choice.set_value(0).run()
    assert not app.exception


def test_explanation_starts_with_a_face_that_was_not_left_out(fixed, monkeypatch):
    fixed([0.9, 0.2])
    drawn = iter([True])
    monkeypatch.setattr("deepfake.detection.detector.looks_drawn", lambda crop: next(drawn, False))
    app = explained(upload(page().run(), ("a.png", encoded(noise_image(1, 200, 200)))))
    assert not app.exception
    choice = next(box for box in app.selectbox if box.label == "Which face")
    assert choice.value == 1, "the first scored higher, but is no photo"


def test_explanation_of_the_whole_picture_where_it_counts(fixed, use_tiny_models, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_MODELS", str(shutil.copytree(use_tiny_models, tmp_path / "models")))
    card = tmp_path / "models" / "tiny" / "card.json"
    rules = {"whole_pictures": True, "rules": Rules(whole=WholeRule(2, 0.1, 0.7, 300, 2)).to_dict()}
    card.write_text(json.dumps({**json.loads(card.read_text()), **rules}))
    fixed([0.2])
    monkeypatch.setattr(
        "deepfake.detection.detector.Detector.p_fake", lambda self, crops: np.resize([0.2, 0.9], len(crops))
    )
    app = explained(upload(page().run(), ("a.png", encoded(noise_image(1, 200, 200)))))
    assert not app.exception
    choice = next(box for box in app.selectbox if box.label == "Which part")
    assert (choice.options, choice.value) == (["Face 1", "Whole image"], 1)


def test_a_fault_in_an_explanation_leaves_the_verdict(fixed, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("deepfake.detection.detector.stress_test", broken)
    fixed([0.9])
    app = explained(upload(page().run(), ("a.png", PNG)))
    assert any("could not be worked out" in error.value for error in app.error)
    assert "no memory" not in shown(app)
    assert "Likely fake" in headings(app)[0]


def test_an_upload_is_decoded_once(fixed, monkeypatch):
    from deepfake.images import load

    decoded: list[int] = []
    decode = load._decode
    monkeypatch.setattr(load, "_decode", lambda data, *rest: decoded.append(len(data)) or decode(data, *rest))
    fixed([0.97])
    app = upload(page().run(), ("a.png", PNG))
    assert "Likely fake" in headings(app)[0]
    assert decoded == [len(PNG)], "the preview, the verdict and the marked faces share it"
    app.radio[0].set_value("few_false_alarms").run()
    assert not app.exception
    upload(app, ("a.png", PNG), ("b.png", OTHER := encoded(noise_image(2))))
    assert decoded == [len(PNG), len(PNG), len(OTHER)], "three uploads"


def test_pictures_held_for_their_verdicts_fit_into_memory(monkeypatch):
    from ui.check import checked

    decoder = checked.Decoder()
    monkeypatch.setattr(checked, "HELD_BYTES", 64 * 64 * 3)  # one picture
    uploads = [Upload(name, name, encoded(noise_image(1))) for name in "abc"]
    images = [decoder.open(each) for each in uploads]
    assert decoder.take(uploads[0])[0] is images[0]
    assert decoder.take(uploads[1])[0] is not images[1]


@pytest.mark.parametrize("reason", ["out_of_scope", "too_small", "not_a_photograph"])
def test_a_face_that_was_left_out_has_no_dots_but_a_reason(fixed, monkeypatch, reason):
    fixed([0.97])
    monkeypatch.setattr("deepfake.detection.detector._reason", lambda *_: reason)
    app = explained(upload(page().run(), ("a.png", PNG)))
    for tab in (0, 1):
        open_tab(app, tab)
        assert "Face 1 was left out: " in shown(app).replace("\\", "")
        assert not charts(app, "stress")
        assert not [frame for frame in app.dataframe if "Change" in frame.value]
        assert "likely fake" not in shown(app).lower()
