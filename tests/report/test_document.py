"""A verdict as a document: complete, self-contained, harmless, the same every time."""

from __future__ import annotations

import base64
import datetime
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from deepfake.cli import main
from deepfake.detection.card import load_card
from deepfake.detection.figures import strip_place
from deepfake.detection.heatmaps import Explanation, Faithfulness
from deepfake.detection.stress import CHANGES, StressTest, stress_test
from deepfake.detection.verdict import FaceVerdict, Verdict
from deepfake.forensics.credentials import Credentials
from deepfake.images.load import load_image
from deepfake.plotting import FAKE_COLOUR, REAL_COLOUR
from deepfake.report import evidence
from deepfake.report.chart import WIDTH, stress_chart, strip_chart
from deepfake.report.document import (
    MAX_EXPLAINED,
    Folded,
    Report,
    Rows,
    Table,
    explained_parts,
    make_report,
)
from deepfake.report.html import report_html
from deepfake.report.pdf import report_pdf
from tests.support.camera import camera_file, with_preview
from tests.support.images import encoded, noise_image
from tests.support.marked import png

DAY = datetime.date(2026, 1, 2)
HOSTILE = '<script>alert(1)</script>"><img src=http://x/y onerror=z>\u202egpj.exe\n'
NAMES = "фото 写真 \u202e🙂 ü.jpg"


def stressed(score: float, mild: float) -> StressTest:
    scores = np.array([score, *(mild if change.mild else score for change in CHANGES)])
    return stress_test(lambda _: scores, noise_image(1, 64, 64), load_card("tiny").thresholds)


def verdict_of(content: bytes, mild: float = 0.8765) -> Verdict:
    facts = load_image(content).facts
    faces = (
        FaceVerdict((10, 10, 60, 60), (0, 0, 80, 80), 0.8765, "fake", 0.99),
        FaceVerdict((70, 10, 90, 60), (50, 0, 96, 60), 0.123, "real", 0.97),
    )
    verdict = Verdict(
        0.8765, "fake", faces, ("A <b>warning</b>.",), "tiny", facts.sha256, facts.width, facts.height,
        "faces", "balanced",
    )  # fmt: skip
    tests = (stressed(0.8765, mild), stressed(0.123, 0.123))
    return replace(verdict, stress=tests).at("balanced", load_card("tiny").thresholds)


def explanation() -> Explanation:
    ramp = np.linspace(-1, 1, 144, dtype=np.float32).reshape(12, 12)
    worth = (Faithfulness(0.31, 0.82, 0.5, 0.52), Faithfulness(0.5, 0.5, 0.5, 0.52))
    return Explanation(noise_image(1, 80, 80), ramp, -ramp, *worth, -0.25, fake=True)


def report(content: bytes, name: str = "a.jpg", **changes: Any) -> Report:
    given = {"verdict": verdict_of(content), "explanations": {0: explanation()}, **changes}
    return make_report(name, content, load_image(content), card=load_card("tiny"), date=DAY, **given)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data + " "


def test_everything_is_in_it(use_tiny_models: Path) -> None:
    content = camera_file()
    words = Tags(report_html(report(content))).words
    card, facts = load_card("tiny"), load_image(content).facts
    wanted = ["Likely fake", "88%", "0.8765", "Face 1", "Face 2", "0.1230", "10, 10, 60, 60", facts.sha256]
    wanted += [
        card.sha256,
        "300 x 200 pixels, JPEG",
        "75 of 100",
        "2024:05:06 07:08:09",
        "from a probability of 0.6000",
    ]
    wanted += [
        "below a probability of 0.4000",
        "everything",
        "2026-01-02",
        "not proof",
        "A <b>warning</b>.",
    ]
    wanted += [
        f"Stable: all {len(CHANGES)} changes keep the verdict",
        "Grad-CAM",
        "Occlusion",
        "Better than chance",
        "gap +0.51",
    ]
    wanted += ["do not rely on it", "The two maps disagree", "Face 2: no heat map could be computed"]
    assert [each for each in wanted if each not in words] == []
    assert "left out here, as it is private" in words
    assert "10.51" not in words


def test_what_else_the_file_tells_is_in_it(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Credentials("found", (("Signed by", "A <b>Signer</b>"), ("Generative AI", "yes, it says")), "")
    monkeypatch.setattr("deepfake.report.document.read_credentials", lambda content, kind: found)
    words = Tags(report_html(report(with_preview(noise_image(1, 160, 160), noise_image(9, 160, 160))))).words
    assert "Preview in the file shows another image" in words
    assert "Credentials: Signed by A <b>Signer</b> Credentials: Generative AI yes, it says" in words


def test_the_evidence_table_is_in_it_with_its_rule(use_tiny_models: Path) -> None:
    made = report(camera_file())
    (table,) = [block for block in made.blocks if isinstance(block, Table)]
    names = [row[0] for row in table.rows]
    assert names == [name for name in evidence.NAMES if name != "Second opinion"]
    words = Tags(report_html(made)).words
    assert "EXIF Make and Model names Maker" in words or "a camera (Maker) and an editor" in words
    assert evidence.RULE in words
    assert report_pdf(made, DAY).startswith(b"%PDF-")


@pytest.mark.parametrize("asked", ["a face\n</pre><script>alert(1)</script>", "\u202ex " * 3000, "文 " * 900])
def test_a_prompt_is_folded_and_text(use_tiny_models: Path, asked: str) -> None:
    settings = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 8x8"
    content = png({"parameters": f"{asked}\n{settings}"})
    made = report(content)
    (folded,) = [block for block in made.blocks if isinstance(block, Folded)]
    uncertain = report(content, verdict=verdict_of(content, mild=0.1))
    assert "The file itself says otherwise" in Tags(report_html(uncertain)).words
    assert "The file itself says otherwise" not in Tags(report_html(made)).words, "the verdict is fake, too"
    assert folded.title == "Prompt in the file, PNG text parameters"
    text = report_html(made)
    tags = Tags(text)
    assert ("details", {}) in tags.found, "closed at first"
    assert "script" not in {tag for tag, _ in tags.found}
    assert "\u202e" not in text
    assert report_pdf(made, DAY).startswith(b"%PDF-")


def test_on_a_phone_each_cell_keeps_its_columns_title(use_tiny_models: Path) -> None:
    """The heads of tables are not shown there, and what to ignore would read as a finding."""
    made = report_html(report(encoded(noise_image(1, 160, 160))))
    assert made.count('data-title="What to ignore"') == made.count('data-title="What was found"') > 2
    assert 'content: attr(data-title) ": "' in made


def test_a_verdict_that_flips_is_uncertain_and_says_why(use_tiny_models: Path) -> None:
    content = camera_file()
    words = Tags(report_html(report(content, verdict=verdict_of(content, mild=0.1)))).words
    assert "Uncertain after the stress test. Face 1 would be called likely fake by its score alone." in words
    assert "Not stable: the verdict flips at JPEG quality 95, JPEG quality 85" in words
    assert "Likely fake" not in words


def test_the_same_input_gives_the_same_bytes(use_tiny_models: Path) -> None:
    first, second = (report(camera_file()) for _ in range(2))
    assert report_html(first) == report_html(second)
    assert report_pdf(first, DAY) == report_pdf(second, DAY)


def test_names_are_text_and_nothing_is_fetched(use_tiny_models: Path) -> None:
    text = report_html(report(camera_file(make=HOSTILE[:60]), HOSTILE))
    tags = Tags(text)
    assert "script" not in {tag for tag, _ in tags.found}
    sources = [str(attributes["src"]) for tag, attributes in tags.found if tag == "img"]
    assert len(sources) == 6  # the image, where its score lies, two charts, two maps
    for source in sources:
        head, _, data = source.partition(";base64,")
        assert head in ("data:image/jpeg", "data:image/png")
        assert f"image/{Image.open(io.BytesIO(base64.b64decode(data))).format}".lower() in head
    assert not any(name.startswith("on") or name == "href" for _, found in tags.found for name in found)
    assert "<script>alert(1)</script>" in tags.words
    assert "\u202e" not in text
    assert re.findall(r"""(?:src|url)\s*[=(]\s*["']?(?!data:)\w+""", re.sub(r"&[^;]+;", "", text)) == [
        "src=http"  # of the name, as text
    ] * text.count("src=http")


@pytest.mark.parametrize("name", [NAMES, HOSTILE, "a" * 255, ""])
def test_pdf_takes_any_name(use_tiny_models: Path, name: str) -> None:
    document = report_pdf(report(camera_file(), name), DAY)
    assert document.startswith(b"%PDF-")
    assert document.count(b"/Subtype /Image") == 6
    assert b"/URI" not in document
    assert b"/JavaScript" not in document


def test_a_crowd_is_not_a_book(use_tiny_models: Path) -> None:
    content = encoded(noise_image(1, 90, 90), "JPEG")
    few = verdict_of(content)
    faces = tuple(replace(few.faces[0], p_fake=score) for score in (0.1, 0.9, 0.5, 0.8, 0.7))
    crowd = replace(few, faces=faces, stress=tuple(stressed(face.p_fake, face.p_fake) for face in faces))
    assert explained_parts(crowd) == (1, 3, 4)
    left_out = (faces[0], replace(faces[1], verdict="uncertain", reason="too_small"), *faces[2:])
    assert explained_parts(replace(crowd, faces=left_out)) == (2, 3, 4)
    made = report(content, verdict=crowd, explanations=dict.fromkeys(range(5), explanation()))
    assert len(next(block for block in made.blocks if isinstance(block, Rows)).rows) == 5
    text = report_html(made)
    assert text.count("<img ") == 2 + 3 * MAX_EXPLAINED
    assert "the 3 of 5 parts that are most likely fake" in text
    assert explained_parts(replace(few, faces=(), scope="no_face")) == (0,)


def test_the_chart_shows_each_score_at_its_place(use_tiny_models: Path) -> None:
    """Its row's mark is where it is on the axis: dark left of the middle at 0.1, right of it at 0.9."""
    thresholds = load_card("tiny").thresholds
    low, high = (
        np.asarray(Image.open(io.BytesIO(stress_chart(stressed(score, score), thresholds))).convert("HSV"))
        for score in (0.1, 0.9)
    )
    columns = [np.flatnonzero((chart[80:600, :, 1] > 200).sum(axis=0) > 150) for chart in (low, high)]
    assert low.shape[1] == WIDTH
    assert columns[0].mean() < 0.5 * WIDTH < columns[1].mean()


def test_the_strip_shows_the_score_at_its_place(use_tiny_models: Path) -> None:
    verdict, card = verdict_of(camera_file()), load_card("tiny")
    scores = pd.DataFrame({"label": [1, 1, 0], "p_fake": [0.999, 0.6, 0.001]})
    drawn = np.asarray(Image.open(io.BytesIO(strip_chart(scores, verdict, card.thresholds))))
    assert drawn.shape[1] == WIDTH
    fake = (drawn == ImageColor.getrgb(FAKE_COLOUR)).all(axis=2)
    at = round(12 + strip_place(0.8765) * (WIDTH - 24))
    assert fake[84:234, at].all(), "a line from the top to the bottom"
    assert not fake[84:234, at - 20].all()
    bare = np.asarray(Image.open(io.BytesIO(strip_chart(None, verdict, card.thresholds))))
    real = (ImageColor.getrgb(REAL_COLOUR),)
    assert (drawn == real).all(axis=2).sum() > (bare == real).all(axis=2).sum() > 0, "a face is real"


def test_no_word_of_the_chart_is_cut_off(use_tiny_models: Path) -> None:
    """The longest words there are, 'over 99%' and the changes' names, end within the picture."""
    thresholds = load_card("tiny").thresholds
    for score in (0.001, 0.5, 0.999):
        chart = Image.open(io.BytesIO(stress_chart(stressed(score, score), thresholds))).convert("L")
        ink = np.flatnonzero((np.asarray(chart) < 200).any(axis=0))
        assert ink[0] >= 8, score
        assert ink[-1] < WIDTH - 8, score


def test_what_does_not_belong_together_is_refused(use_tiny_models: Path) -> None:
    content, other = encoded(noise_image(1)), encoded(noise_image(2))
    with pytest.raises(ValueError, match="must be of this image"):
        report(content, verdict=verdict_of(other))
    with pytest.raises(ValueError, match="after the stress test"):
        report(content, verdict=replace(verdict_of(content), stress=()))


def test_command(
    use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepfake.detection import detector
    from deepfake.faces import finder as faces

    monkeypatch.setattr(detector, "find_faces", lambda pixels: faces.FaceScan((), "no_face"))
    (tmp_path / "a.png").write_bytes(encoded(noise_image(1)))
    (tmp_path / "b.png").write_bytes(b"no picture")
    both = ["--html", str(tmp_path / "a.html"), "--pdf", str(tmp_path / "a.pdf")]
    assert main(["report", str(tmp_path / "a.png"), *both]) == 0
    assert "uncertain" in capsys.readouterr().out
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "No face found" in text
    assert text.count("<img ") == 4  # the picture, its chart, two maps
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    assert main(["report", str(tmp_path / "b.png"), "--html", str(tmp_path / "b.html")]) == 1
    assert "not an image" in capsys.readouterr().err
    assert not (tmp_path / "b.html").exists()
    assert main(["report", str(tmp_path / "a.png"), "--html", str(tmp_path / "no" / "a.html")]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "a.png")]) == 2
    assert "Give --html FILE, --pdf FILE or both" in capsys.readouterr().err
