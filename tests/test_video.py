"""Videos: evenly spaced upright frames, the median, and every refusal; clips are drawn and encoded here."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import pytest

from deepfake import video_frames
from deepfake.cli import main
from deepfake.detector import get_detector
from deepfake.faces import Face, FaceScan
from deepfake.presentation import video_headline
from deepfake.video import FRAME_WISE, NO_FACE, Stretch, VideoVerdict, as_picture, check_video
from deepfake.video_figure import video_figure, video_table
from deepfake.video_frames import Video, VideoRefused


def clip(
    seconds: float = 2, *, codec: str = "libx264", container: str = "mp4", width: int = 128, rate: int = 25
) -> bytes:
    """A drawn clip: red above, growing brighter from frame to frame, blue below."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, 96, "yuv420p"
        n = round(seconds * rate)
        for number in range(n):
            pixels = np.zeros((96, width, 3), np.uint8)
            pixels[:48, :, 0] = 40 + round(200 * number / n)
            pixels[48:, :, 2] = 200
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())
    return buffer.getvalue()


def refused(content: bytes) -> str:
    with pytest.raises(VideoRefused) as caught:
        list(Video(content).frames())
    return caught.value.code


@pytest.fixture(scope="module")
def mp4() -> bytes:
    return clip()


@pytest.mark.parametrize(("codec", "container"), [("libx264", "mov"), ("libvpx", "webm")])
def test_frames_are_evenly_spaced_and_in_order(codec: str, container: str) -> None:
    video = Video(clip(codec=codec, container=container))
    assert (video.facts.frames, video.facts.width, video.facts.height) == (50, 128, 96)
    assert video.facts.seconds == pytest.approx(2, abs=0.05)
    assert not video.facts.has_sound
    frames = list(video.frames(5))
    assert [frame.second for frame in frames] == pytest.approx([0.2, 0.6, 1.0, 1.4, 1.8], abs=0.01)
    for frame in frames:
        assert frame.pixels.shape == (96, 128, 3)
        assert int(frame.pixels[20, 60, 0]) == pytest.approx(40 + 100 * frame.second, abs=12)
    assert len(list(video.frames(1000))) == 50


def test_a_phone_held_upright(mp4: bytes) -> None:
    turned, at = bytearray(mp4), mp4.find(b"tkhd") + 44  # the track's matrix; a quarter to the right
    turned[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (frame,) = Video(bytes(turned)).frames(1)
    assert frame.pixels.shape == (128, 96, 3)
    assert frame.pixels[60, 10, 2] > 150  # what was below is on the left
    assert frame.pixels[60, 90, 0] > 80


def test_what_is_refused(mp4: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"plain text") == "not_a_video"
    assert refused(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n") == "not_a_video"
    assert refused(b"ffconcat version 1.0\nfile '/etc/hostname'\n") == "not_a_video"
    assert refused(mp4[:-200]) == "unreadable"  # its index is at the end
    assert refused(b"\x1a\x45\xdf\xa3" + bytes(200)) == "unreadable"
    damaged = bytearray(mp4)
    start = damaged.find(b"mdat") + 4
    damaged[start : start + 2000] = bytes(2000)
    assert refused(bytes(damaged)) == "unreadable"
    for name, value, code in (
        ("MAX_SECONDS", 1.5, "too_long"),
        ("_MOST_PACKETS", 20, "too_long"),
        ("MAX_VIDEO_BYTES", 500, "too_many_bytes"),
        ("MAX_FRAME_PIXELS", 12_000, "too_many_pixels"),
        ("_CODECS", frozenset(), "unsupported_codec"),
        ("_DECODING_SECONDS", -1.0, "too_slow"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(video_frames, name, value)
            assert refused(mp4) == code, name


def test_the_median_decides_and_frames_are_judged_as_pictures(
    use_tiny_models: Path, mp4: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = iter(
        [*[FaceScan((Face((0, 0, 60, 60), (0, 0, 90, 90), 0.99),), "faces")] * 4, FaceScan((), "no_face")]
    )
    monkeypatch.setattr("deepfake.detector.find_faces", lambda pixels: next(scans))
    monkeypatch.setattr("deepfake.detector.looks_drawn", lambda crop: False)
    scores = iter([0.1, 0.9, 0.8, 0.7, 0.99])
    monkeypatch.setattr("deepfake.detector.Detector.p_fake", lambda self, crops: [next(scores)])
    detector, seen = get_detector("tiny"), []
    result = check_video(detector, mp4, most=5, on_progress=lambda *step: seen.append(step))
    assert result.p_fake == median([0.1, 0.9, 0.8, 0.7])  # not the one without a face
    assert result.verdict == "fake"
    assert result.warnings[-1] == FRAME_WISE
    assert seen == [(done, 5) for done in range(1, 6)]
    assert result.at("few_false_alarms", detector.card.thresholds).verdict == "uncertain"
    table = video_table(result)
    assert table["Verdict"].tolist() == [
        "Likely real",
        "Likely fake",
        "Likely fake",
        "Likely fake",
        "No face",
    ]
    assert table["Probability of fake"].isna().tolist() == [False] * 4 + [True]
    traces: Any = video_figure(result).data
    dots = [trace for trace in traces if trace.mode == "markers"]
    assert [len(trace.x) for trace in dots] == [3, 0, 1]
    assert result.to_dict()["scope"] == "video_frames"


def test_the_headline_names_the_stretch_that_looks_fake(
    use_tiny_models: Path, mp4: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = FaceScan((Face((0, 0, 60, 60), (0, 0, 90, 90), 0.99),), "faces")
    monkeypatch.setattr("deepfake.detector.find_faces", lambda pixels: face)
    monkeypatch.setattr("deepfake.detector.looks_drawn", lambda crop: False)

    def judged(*scores: float) -> VideoVerdict:
        given = iter(scores)
        monkeypatch.setattr("deepfake.detector.Detector.p_fake", lambda self, crops: [next(given)])
        return check_video(get_detector("tiny"), mp4, most=len(scores))

    def at(stretch: Stretch | None) -> tuple[float, float] | None:
        return stretch and (stretch.start, stretch.end)

    real = [0.1] * 5
    seconds = check_video_seconds(mp4, 9)
    third = judged(*real, 0.9, 0.8, 0.9, 0.1)
    assert at(third.stretch) == (seconds[5], seconds[7])
    assert (third.p_fake, third.verdict) == (0.1, "fake"), "a third of the frames"
    assert video_headline(third) == f"Likely fake: {seconds[5]:.1f} to {seconds[7]:.1f} s looks fake"
    fields = third.to_dict()
    assert fields["stretch"] == {"start": seconds[5], "end": seconds[7], "frames": 3, "p_fake": 0.9}
    assert fields["headline"] == video_headline(third)
    short = judged(*[0.1] * 12, 0.9, 0.9, 0.9)
    assert (short.verdict, short.stretch is None) == ("uncertain", False), "a fifth is no verdict"
    assert video_headline(short).startswith("Uncertain: ")
    two = judged(*real, 0.9, 0.9, 0.1, 0.9)
    assert (two.verdict, two.stretch) == ("real", None), "two in a row are chance"
    assert judged(*[0.9] * 9).stretch is None, "the verdict says it already"


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (3.2, 6.4, "Likely fake: 0:03 to 0:06 looks fake"),
        (61.1, 61.7, "Likely fake: 61.1 to 61.7 s looks fake"),
    ],
)
def test_a_stretch_in_words(start: float, end: float, words: str) -> None:
    class Result:
        verdict, with_face, stretch = "fake", (1,), Stretch(start, end, 5, 0.9)

    result: Any = Result()
    assert video_headline(result) == words


def check_video_seconds(content: bytes, most: int) -> list[float]:
    return [frame.second for frame in Video(content).frames(most)]


def test_without_any_face_it_is_uncertain(use_tiny_models: Path, mp4: bytes) -> None:
    detector = get_detector("tiny")
    result = check_video(detector, mp4, most=2)
    assert result.verdict == "uncertain"
    assert result.warnings == (NO_FACE, FRAME_WISE)
    for frame, own in zip(Video(mp4).frames(2), result.frames, strict=True):
        assert detector.check(as_picture(frame)) == own.verdict


def test_the_command(use_tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp4").write_bytes(clip(0.2))
    assert main(["video", "--json", str(tmp_path / "a.mp4"), str(tmp_path / "gone.mp4")]) == 1
    good, gone = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert len(good["frames"]) == 5
    assert good["video"]["codec"] == "h264"
    assert gone["error"]["code"] == "not_found"
    assert main(["video", str(tmp_path / "a.mp4")]) == 0
    assert "0 of 5 frames show a face" in capsys.readouterr().out
