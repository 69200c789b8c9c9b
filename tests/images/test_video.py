"""Videos: evenly spaced upright frames, the median, and every refusal; clips are drawn and encoded here."""

from __future__ import annotations

import io
import json
import struct
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from deepfake.cli import main
from deepfake.detection.detector import get_detector
from deepfake.detection.figures import video_figure, video_table
from deepfake.detection.outcome import video_fields
from deepfake.detection.text import video_headline
from deepfake.detection.video import (
    FRAME_WISE,
    NO_FACE_IN_VIDEO,
    Stretch,
    VideoVerdict,
    as_picture,
    check_video,
)
from deepfake.faces.finder import Face, FaceScan
from deepfake.images import video as video_frames
from deepfake.images.video import Video, VideoRefused
from tests.support.videos import clip


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def with_cover(mp4: bytes) -> bytes:
    """The film with cover art, whose place is before the tracks: so it is the first stream of pictures."""
    image = io.BytesIO()
    Image.fromarray(np.full((64, 48, 3), 255, np.uint8)).save(image, "JPEG")
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    cover = box(b"covr", box(b"data", struct.pack(">II", 13, 0), image.getvalue()))
    art = box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", cover)))
    start = mp4.rindex(b"moov") - 4  # behind the pictures, whose places stay as they are
    header = start + 8 + int.from_bytes(mp4[start + 8 : start + 12], "big")
    return mp4[:start] + box(b"moov", mp4[start + 8 : header], art, mp4[header:])


def index_first(mp4: bytes) -> bytes:
    """The film as it is put on the web: what of it has arrived can be shown."""
    at = mp4.index(b"mdat") - 4
    moov = bytearray(mp4[mp4.rindex(b"moov") - 4 :])
    table = moov.index(b"stco") + 8
    for entry in range(table + 4, table + 4 + 4 * struct.unpack_from(">I", moov, table)[0], 4):
        struct.pack_into(">I", moov, entry, struct.unpack_from(">I", moov, entry)[0] + len(moov))
    return mp4[:at] + bytes(moov) + mp4[at : mp4.rindex(b"moov") - 4]


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


ONE = 1 << 16
MATRICES = {  # a, b, c, d of a display matrix; where the red that is above, and the white at its left, go
    "as it is": ((ONE, 0, 0, ONE), "top", "left"),
    "mirrored": ((-ONE, 0, 0, ONE), "top", "right"),
    "upside down": ((-ONE, 0, 0, -ONE), "bottom", "right"),
    "upside down and mirrored": ((ONE, 0, 0, -ONE), "bottom", "left"),
    "to the right": ((0, ONE, -ONE, 0), "right", "top"),
    "to the left": ((0, -ONE, ONE, 0), "left", "bottom"),
    "to the right and mirrored": ((0, ONE, ONE, 0), "left", "top"),
    "to the left and mirrored": ((0, -ONE, -ONE, 0), "right", "bottom"),
}


@pytest.mark.parametrize("way", MATRICES)
def test_a_phone_held_any_way(way: str) -> None:
    def at(*sides: str) -> Any:
        """The colour at a side, or in the corner of two."""
        place = {"top": (6, None), "bottom": (-6, None), "left": (None, 6), "right": (None, -6)}
        row = next((place[side][0] for side in sides if place[side][0]), frame.pixels.shape[0] // 2)
        column = next((place[side][1] for side in sides if place[side][1]), frame.pixels.shape[1] // 2)
        return frame.pixels[row, column].astype(int)

    (a, b, c, d), red, white = MATRICES[way]
    turned = bytearray(clip(0.4, mark=True))
    matrix = turned.find(b"tkhd") + 44
    turned[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    video = Video(bytes(turned))
    (frame,) = video.frames(1)
    height, width = (96, 128) if a else (128, 96)
    assert frame.pixels.shape == (height, width, 3)
    assert (video.facts.width, video.facts.height) == (width, height)
    opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
    assert at(red)[0] > 100 > at(red)[2]
    assert at(opposite[red])[2] > 150 > at(opposite[red])[0]
    assert min(at(red, white)) > 180
    assert min(at(red, opposite[white])) < 60


@pytest.mark.parametrize(
    ("aspect", "shape"),
    [
        ((2, 1), (96, 256)),
        ((1, 2), (192, 128)),
        ((4, 3), (96, 171)),
        ((1, 1), (96, 128)),
        ((9, 1), (96, 128)),
    ],
)
def test_pixels_that_are_not_square(aspect: tuple[int, int], shape: tuple[int, int]) -> None:
    video = Video(clip(0.4, aspect=Fraction(*aspect)))
    assert (video.facts.height, video.facts.width) == shape
    assert next(video.frames(1)).pixels.shape == (*shape, 3)


def test_frames_are_spaced_by_time_not_by_number() -> None:
    times = [*range(50), *range(50, 550, 50)]  # 50 frames in the first second, then one a second for ten
    video = Video(clip(times=times))
    assert (video.facts.frames, round(video.facts.seconds)) == (60, 10)
    seconds = [frame.second for frame in video.frames(20)]
    assert seconds == pytest.approx([0.24, 0.74, *range(1, 10)], abs=0.03)
    assert video.count(20) == len(seconds) == 11
    few = [frame.second for frame in video.frames(3)]
    assert few == pytest.approx([1, 5, 8], abs=0.03)
    assert video.count(1000) == 60


def test_cover_art_is_not_the_film(mp4: bytes) -> None:
    covered = with_cover(mp4)
    with av.open(io.BytesIO(covered)) as file:
        assert file.streams.video[0].codec.name == "mjpeg"
    video = Video(covered)
    assert (video.facts.frames, video.facts.width, video.facts.codec) == (50, 128, "h264")
    assert [frame.pixels.shape for frame in video.frames(2)] == [(96, 128, 3)] * 2


def test_sound_with_cover_art_is_no_film() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream: Any = file.add_stream("aac", rate=44_100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44_100
        file.mux(stream.encode(sound))
        file.mux(stream.encode())
    song = with_cover(buffer.getvalue())
    with av.open(io.BytesIO(song)) as file:
        assert len(file.streams.video) == 1
    assert refused(song) == "no_picture"


@pytest.mark.parametrize("kind", ["mp4", "webm", "matroska"])
def test_a_film_that_was_cut_is_read_as_far_as_it_goes_and_says_so(kind: str) -> None:
    codec = "libvpx" if kind == "webm" else "libx264"
    whole = clip(codec=codec, container=kind, noise=True)
    whole = index_first(whole) if kind == "mp4" else whole
    assert Video(whole).notes == ()
    assert Video(whole + b"text behind" * (kind == "mp4")).notes == ()
    cut = Video(whole[: len(whole) * 6 // 10])
    (note,) = cut.notes
    assert note.startswith("The file is incomplete: it ends too early. Only the first ")
    assert "of 2.0 seconds" in note
    assert 0.4 < cut.facts.seconds < 1.6
    frames = list(cut.frames(1000))
    intact = {frame.second: frame.pixels for frame in Video(whole).frames(1000)}
    assert 10 < len(frames) < 40
    assert all((frame.pixels == intact[frame.second]).all() for frame in frames)


def test_a_film_without_its_index_is_called_cut(mp4: bytes) -> None:
    assert refused(mp4[:-200]) == "truncated"
    assert refused(mp4[: len(mp4) // 2]) == "truncated"


def test_the_note_reaches_the_verdict(use_tiny_models: Path) -> None:
    whole = index_first(clip(noise=True))
    result = check_video(get_detector("tiny"), whole[: len(whole) * 6 // 10], most=2)
    assert "it ends too early" in " ".join(result.warnings)


def test_what_is_refused(mp4: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"plain text") == "not_a_video"
    assert refused(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n") == "not_a_video"
    assert refused(b"ffconcat version 1.0\nfile '/etc/hostname'\n") == "not_a_video"
    assert refused(b"\x1a\x45\xdf\xa3" + bytes(200)) == "unreadable"
    damaged = bytearray(mp4)
    start = damaged.find(b"mdat") + 4
    damaged[start : start + 2000] = bytes(2000)
    assert refused(bytes(damaged)) == "unreadable"
    for name, value, code in (
        ("MAX_SECONDS", 1.5, "too_long"),
        ("_MAX_PACKETS", 20, "too_long"),
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
    monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: next(scans))
    monkeypatch.setattr("deepfake.detection.detector.looks_drawn", lambda crop: False)
    scores = iter([0.1, 0.9, 0.8, 0.7, 0.99])
    monkeypatch.setattr("deepfake.detection.detector.Detector.p_fake", lambda self, crops: [next(scores)])
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
        "No face found",
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
    monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: face)
    monkeypatch.setattr("deepfake.detection.detector.looks_drawn", lambda crop: False)

    def judged(*scores: float) -> VideoVerdict:
        given = iter(scores)
        monkeypatch.setattr("deepfake.detection.detector.Detector.p_fake", lambda self, crops: [next(given)])
        return check_video(get_detector("tiny"), mp4, most=len(scores))

    def at(stretch: Stretch | None) -> tuple[float, float] | None:
        return stretch and (stretch.start, stretch.end)

    real = [0.1] * 5
    seconds = check_video_seconds(mp4, 9)
    third = judged(*real, 0.9, 0.8, 0.9, 0.1)
    assert at(third.stretch) == (seconds[5], seconds[7])
    assert (third.p_fake, third.verdict) == (0.1, "fake"), "a third of the frames"
    assert video_headline(third) == f"Likely fake: {seconds[5]:.1f} to {seconds[7]:.1f} s looks fake"
    fields = video_fields(third)
    assert fields["stretch"] == {"start": seconds[5], "end": seconds[7], "frames": 3, "p_fake": 0.9}
    assert fields["headline"] == video_headline(third)
    short = judged(*[0.1] * 12, 0.9, 0.9, 0.9)
    assert (short.verdict, short.stretch is None) == ("uncertain", False), "a fifth is no verdict"
    assert video_headline(short).startswith("Uncertain: ")
    two = judged(*real, 0.9, 0.9, 0.1, 0.9)
    assert (two.verdict, two.stretch) == ("real", None), "two in a row are chance"
    assert judged(*[0.9] * 9).stretch is None, "the verdict says it already"


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([(3.2, 6.4)], "Likely fake: 0:03 to 0:06 looks fake"),
        ([(61.1, 61.7)], "Likely fake: 61.1 to 61.7 s looks fake"),
        ([(1, 2), (4, 5)], "Likely fake: 0:01 to 0:02 and 0:04 to 0:05 look fake"),
        (
            [(1, 2), (4, 5), (7, 8), (9, 11), (13, 15)],
            "Likely fake: 0:01 to 0:02, 0:04 to 0:05, 0:07 to 0:08 and 2 more look fake",
        ),
    ],
)
def test_stretches_in_words(times: list[tuple[float, float]], words: str) -> None:
    class Result:
        verdict, with_face = "fake", (1,)
        stretches = tuple(Stretch(start, end, 5, 0.9) for start, end in times)

    result: Any = Result()
    assert video_headline(result) == words


def check_video_seconds(content: bytes, most: int) -> list[float]:
    return [frame.second for frame in Video(content).frames(most)]


def test_without_any_face_it_is_uncertain(use_tiny_models: Path, mp4: bytes) -> None:
    detector = get_detector("tiny")
    result = check_video(detector, mp4, most=2)
    assert result.verdict == "uncertain"
    assert result.warnings == (NO_FACE_IN_VIDEO, FRAME_WISE)
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
