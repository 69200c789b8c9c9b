"""Faces: geometry on made-up boxes; the finder on pictures without faces, and on real ones when present."""

import itertools
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepfake.faces import finder as faces
from deepfake.faces.finder import (
    MIN_CONFIDENCE_LARGE,
    FaceScan,
    crop,
    crop_box,
    face_crop_subject,
    find_faces,
    is_face,
    square_inside,
)
from deepfake.faces.mtcnn import FaceCascade
from deepfake.types import Box
from deepfake.util.files import ROOT

# Faces a person counts in each whole photograph that a finder of frontal faces should find: not the strict
# profile (107) and the back of a head (8). 120 is upside down.
PHOTOS = {
    "photo_1": 1,
    "photo_107": 0,
    "photo_120": 1,
    "photo_13": 1,
    "photo_19": 1,
    "photo_26": 1,
    "photo_33": 1,
    "photo_37": 1,
    "photo_4": 1,
    "photo_45": 1,
    "photo_7": 6,
    "photo_70": 2,
    "photo_72": 3,
    "photo_8": 0,
    "photo_82": 1,
    "photo_9": 1,
}


def centred(side: float, x: float = 0.0, y: float = 0.0, picture: int = 1000) -> Box:
    """A face whose long side and offset from the middle are parts of a square picture's side."""
    half, wide = side * picture / 2, side * picture * 0.38
    middle_x, middle_y = picture * (0.5 + x), picture * (0.5 + y)
    return round(middle_x - wide), round(middle_y - half), round(middle_x + wide), round(middle_y + half)


def assert_sound(scan: FaceScan, width: int, height: int) -> None:
    """What every scan promises."""
    assert scan.kind in {"faces", "face_crop", "no_face"}
    assert (scan.kind == "no_face") == (scan.faces == ())
    assert scan.turn == (scan.faces[0].turn if scan.faces else 0)
    areas = []
    for face in scan.faces:
        assert 0 <= face.confidence <= 1
        assert face.turn in {0, 90, 180, 270}
        assert face.long_side == max(face.box[2] - face.box[0], face.box[3] - face.box[1])
        for left, top, right, bottom in (face.box, face.crop):
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height
        assert face.crop[2] - face.crop[0] == face.crop[3] - face.crop[1]
        areas.append((face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))
    assert areas == sorted(areas, reverse=True)
    if scan.kind == "face_crop":
        (face,) = scan.faces
        assert face.crop[2] - face.crop[0] >= faces.FACE_CROP_SIDE * min(width, height) - 1


class TestSquares:
    def test_always_square_inside_and_as_large_as_fits(self):
        for width, height in itertools.product((1, 2, 3, 7, 10), repeat=2):
            for x, y in itertools.product(np.linspace(-3, 13, 17), repeat=2):
                for side in (0.2, 1, 2, 3.4, 7, 50):
                    left, top, right, bottom = square_inside(x, y, side, width, height)
                    assert right - left == bottom - top == max(1, min(round(side), width, height))
                    assert 0 <= left < right <= width
                    assert 0 <= top < bottom <= height

    def test_centred_when_there_is_room(self):
        assert square_inside(50, 40, 20, 100, 100) == (40, 30, 60, 50)

    @pytest.mark.parametrize(
        ("x", "y", "expected"),
        [
            (2, 50, (0, 40, 20, 60)),
            (99, 50, (80, 40, 100, 60)),
            (50, -5, (40, 0, 60, 20)),
            (99, 99, (80, 80, 100, 100)),
        ],
    )
    def test_shifts_at_borders_before_it_shrinks(self, x: float, y: float, expected: Box):
        assert square_inside(x, y, 20, 100, 100) == expected

    def test_crop_frames_the_face_between_the_classes(self):
        left, top, right, bottom = crop_box((460, 440, 540, 540), 1000, 1000)
        side = right - left
        assert side == bottom - top == 183
        assert 0.46 < 100 / side < 0.67
        assert (left + right) / 2 == pytest.approx(500, abs=1)
        assert (490 - (top + bottom) / 2) / side == pytest.approx(-faces.CROP_LIFT, abs=0.01)

    def test_crop_holds_the_face_wherever_it_is(self):
        for left, top in itertools.product(range(0, 241, 20), range(0, 221, 20)):
            box = (left, top, left + 60, top + 80)
            around = crop_box(box, 300, 300)
            assert around[0] <= box[0] and around[1] <= box[1] and around[2] >= box[2] and around[3] >= box[3]

    def test_face_larger_than_fits_gets_the_largest_square(self):
        assert crop_box((0, 0, 90, 100), 90, 100) == (0, 10, 90, 100)
        left, top, right, bottom = crop_box((10, 5, 290, 95), 300, 100)
        assert (right - left, top, bottom) == (100, 0, 100)

    def test_turned_boxes_return_to_where_they_were(self):
        for quarters in (1, 2, 3):
            picture = np.zeros((11, 17), np.uint8)
            picture[2:5, 4:13] = 1
            rows, columns = np.nonzero(np.rot90(picture, quarters))
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert faces.turned_back(seen, quarters, 17, 11) == (4, 2, 13, 5)
        with pytest.raises(ValueError, match="quarters"):
            faces.turned_back((0, 0, 1, 1), 4, 17, 11)


class TestCrop:
    def test_copies_the_region(self):
        pixels = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
        part = crop(pixels, (1, 2, 4, 6))
        assert np.array_equal(part, pixels[2:6, 1:4])
        part[:] = 0
        assert pixels[2, 1, 0] == 33

    @pytest.mark.parametrize("box", [(-1, 0, 2, 2), (0, 0, 6, 2), (0, 0, 5, 7), (2, 2, 2, 4), (3, 0, 2, 2)])
    def test_refuses_boxes_outside_or_empty(self, box: Box):
        with pytest.raises(ValueError, match="box must lie inside"):
            crop(np.zeros((6, 5, 3), np.uint8), box)


class TestFaceCropDecision:
    @pytest.mark.parametrize(
        "box",
        [
            centred(0.46),
            centred(0.67, y=-0.09),
            centred(0.72, y=0.05),
            centred(1.0),
            centred(0.38),
            centred(0.42, x=0.19),
        ],
    )
    def test_framings_of_the_data_sets_are_crops(self, box: Box):
        assert face_crop_subject([box], 1000, 1000) == 0

    @pytest.mark.parametrize(
        "box", [centred(0.31), centred(0.4, x=0.22), centred(0.4, y=-0.22), centred(0.06)]
    )
    def test_small_or_off_centre_faces_are_not(self, box: Box):
        assert face_crop_subject([box], 1000, 1000) is None

    def test_two_people_side_by_side_are_not(self):
        assert face_crop_subject([centred(0.4, x=-0.25), centred(0.4, x=0.25)], 1000, 1000) is None

    def test_the_middle_face_decides_among_larger_ones(self):
        assert (
            face_crop_subject([centred(0.45, x=-0.3), centred(0.42), centred(0.36, x=0.15)], 1000, 1000) == 1
        )

    def test_pictures_that_are_not_square_need_a_larger_face(self):
        assert face_crop_subject([centred(0.4)], 1000, 1020) == 0
        assert face_crop_subject([centred(0.4)], 1000, 1150) is None
        assert face_crop_subject([centred(0.6)], 1000, 1150) == 0
        assert face_crop_subject([centred(0.6)], 1000, 1300) is None

    def test_crops_of_the_data_sets_are_scored_whole(self):
        """They are evaluated whole; the classes' framings are 0.46 and 0.67 (medians)."""
        for size, down in itertools.product((0.39, 0.46, 0.55, 0.67, 0.8), (-0.15, 0.0, 0.1)):
            assert crop_box(centred(size, y=down, picture=256), 256, 256) == (0, 0, 256, 256)

    def test_the_square_changes_little_with_anything(self):
        """No hard edge: a step of half a per cent of the picture moves the square by a few."""

        def side(size: float, x: float, y: float, height: int) -> float:
            short = min(1000, height)
            half, wide = size * short / 2, size * short * 0.38
            middle_x, middle_y = 500 + x * short, height / 2 + y * short
            box = tuple(
                round(v) for v in (middle_x - wide, middle_y - half, middle_x + wide, middle_y + half)
            )
            left, _, right, _ = crop_box(box, 1000, height)  # pyright: ignore[reportArgumentType]
            return (right - left) / short

        sizes = np.arange(0.05, 1.0, 0.005)
        offsets = np.arange(-0.35, 0.35, 0.005)
        heights = range(700, 1500, 5)
        for walk in (
            [side(size, 0, 0, 1000) for size in sizes],
            [side(size, 0, 0, 1060) for size in sizes],
            [side(0.36, x, 0, 1000) for x in offsets],
            [side(0.42, 0, y, 1000) for y in offsets],
            *([side(size, 0.05, 0, height) for height in heights] for size in (0.33, 0.36, 0.4, 0.5)),
        ):
            assert np.abs(np.diff(walk)).max() < 0.05

    def test_no_faces_no_crop(self):
        assert face_crop_subject([], 100, 100) is None

    def test_small_boxes_need_more_confidence_than_large_ones(self):
        assert is_face(120, 256, 0.85)
        assert not is_face(120, 256, 0.75)
        assert not is_face(40, 256, 0.95)
        assert is_face(40, 256, 0.97)


def found(box: Box, sureness: float) -> faces._Found:
    return faces._Found(box, 0.97, 0, sureness)


class TestFragments:
    FACE, MOUTH = (100, 100, 200, 230), (130, 180, 170, 228)

    def test_the_face_stays_and_its_mouth_goes(self):
        face, mouth = found(self.FACE, 0.98), found(self.MOUTH, 0.99)
        assert faces._without_fragments([mouth, face]) == [face]

    def test_a_surer_face_within_what_is_none_stays(self):
        body, face = found(self.FACE, 0.6), found(self.MOUTH, 0.99)
        assert faces._without_fragments([body, face]) == [face]

    def test_several_faces_within_what_is_none_stay(self):
        crowd = [found((0, 0, 40, 40), 0.99), found((60, 0, 100, 40), 0.99), found((0, 60, 40, 100), 0.99)]
        kept = faces._without_fragments([*crowd, found((0, 0, 100, 100), 0.5)])
        assert sorted(face.box for face in kept) == sorted(face.box for face in crowd)

    def test_neighbours_stay(self):
        pair = [found((0, 0, 100, 120), 0.99), found((80, 0, 180, 120), 0.95)]
        assert len(faces._without_fragments(pair)) == 2


class TestEnough:
    """Of a search for faces of 40 pixels in a picture of 600, where 24 pixels count."""

    @pytest.mark.parametrize(
        ("rows", "size", "expected"),
        [
            ([], 40, False),
            ([], 30, True),
            ([(60, 0.97)], 40, True),
            ([(60, 0.97), (70, 0.93)], 40, False),
            ([(60, 0.97), (70, 0.91)], 40, True),
            ([(60, 0.97), (90, 0.93)], 40, True),
            ([(250, 0.85)], 40, True),
            ([(50, 0.95)], 20, True),
            ([(30, 0.95)], 20, False),
        ],
    )
    def test_a_face_and_none_nearly(self, rows: list[tuple[float, float]], size: float, expected: bool):
        boxes = np.array([[0, 0, side * 0.8, side, sure] for side, sure in rows]).reshape(-1, 5)
        assert faces._enough(boxes, 600, size, 24) is expected


class TestTurns:
    @pytest.mark.parametrize("quarters", [0, 1, 2, 3])
    def test_the_square_lies_with_the_face(self, quarters: int):
        """The square of a face on its side is the one of the same face upright, turned."""
        upright = faces.Face((300, 100, 380, 210), (0, 0, 0, 0), 1.0)
        expected = faces._square(upright, 600, 400)
        across, down = (400, 600) if quarters % 2 else (600, 400)
        # The picture lies; turned by `quarters` it is upright.
        lying = replace(
            upright,
            box=upright.box if not quarters else faces.turned_back(upright.box, quarters, across, down),
            turn=90 * quarters,
        )
        square = faces._square(lying, across, down)
        assert square == (expected if not quarters else faces.turned_back(expected, quarters, across, down))

    def test_the_turned_search_is_left_out_where_a_face_stands(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(faces, "_search", lambda *_, **__: pytest.fail("searched again"))
        pixels = np.zeros((200, 300, 3), np.uint8)
        assert faces._quarters(pixels, [found((10, 10, 60, 70), 0.99)]) == 0

    def test_the_surest_turn_wins(self, monkeypatch: pytest.MonkeyPatch):
        sure = {(200, 300): 0.5, (300, 200): 0.99}  # by height and width: of the two on its side the first

        def search(pixels: np.ndarray, longest: int) -> list[faces._Found]:
            return [found((10, 10, 60, 70), sure[pixels.shape[:2]])]

        monkeypatch.setattr(faces, "_search", search)
        pixels = np.zeros((200, 300, 3), np.uint8)
        weak = replace(found((10, 10, 60, 70), 0.6), turn=180)
        assert faces._quarters(pixels, [weak]) == 1
        assert faces._quarters(pixels, []) == 1


class TestMargins:
    def test_boxes_refer_to_the_picture_as_given(self, monkeypatch: pytest.MonkeyPatch):
        from tests.support.images import noise_image

        seen: list[tuple[int, ...]] = []

        def search(pixels: np.ndarray, longest: int, *, turns: bool = True) -> list[faces._Found]:
            seen.append(pixels.shape)
            return [found((100, 50, 190, 170), 0.99)]

        monkeypatch.setattr(faces, "_search", search)
        page = np.full((500, 700, 3), 255, np.uint8)
        page[150:390, 200:560] = noise_image(2, 240, 360)
        scan = find_faces(page)
        assert seen == [(240, 360, 3)], "the margin is not searched"
        assert scan.photo == (200, 150, 560, 390)
        plain = find_faces(page[150:390, 200:560])
        assert plain.photo is None
        for with_margin, without in zip(scan.faces, plain.faces, strict=True):
            for moved, box in ((with_margin.box, without.box), (with_margin.crop, without.crop)):
                assert np.array_equal(np.array(moved) - (200, 150, 200, 150), box)
        left, top, right, bottom = scan.faces[0].crop
        assert 200 <= left < right <= 560
        assert 150 <= top < bottom <= 390


class TestFinder:
    @pytest.mark.parametrize(
        "shape", [(1, 1, 3), (5, 400, 3), (24, 24, 3), (26, 25, 3), (30, 2000, 3), (4000, 40, 3)]
    )
    def test_odd_sizes_hold_no_face(self, shape: tuple[int, int, int]):
        assert find_faces(np.full(shape, 90, np.uint8)) == FaceScan((), "no_face")

    def test_noise_and_gradients_hold_no_face(self):
        noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
        ramp = np.tile(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], (256, 1, 3))
        for pixels in (noise, ramp):
            before = pixels.copy()
            assert find_faces(pixels) == FaceScan((), "no_face")
            assert np.array_equal(pixels, before)

    @pytest.mark.parametrize(
        "pixels",
        [
            np.zeros((9, 9, 3)),
            np.zeros((9, 9), np.uint8),
            np.zeros((9, 9, 4), np.uint8),
            np.zeros((0, 9, 3), np.uint8),
        ],
    )
    def test_refuses_other_arrays(self, pixels: np.ndarray):
        with pytest.raises(ValueError, match="Received"):
            find_faces(pixels)

    def test_networks_load_once_for_all_threads(self, monkeypatch: pytest.MonkeyPatch):
        loads, inside = [], threading.Barrier(4)

        def load(least: float):
            loads.append(least)
            threading.Event().wait(0.05)
            return object()

        def ask():
            inside.wait()
            seen.append(faces._finder())

        seen: list = []
        monkeypatch.setattr(faces, "_loaded", [])
        monkeypatch.setattr(faces, "FaceCascade", load)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(loads) == 1
        assert len({id(finder) for finder in seen}) == 1 and len(seen) == 4

    def test_import_leaves_tensorflow_alone(self):
        code = "import sys, deepfake.faces.finder; sys.exit(bool({'tensorflow', 'mtcnn'} & {*sys.modules}))"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("DEEPFAKE_DATA", ""))
    if not os.environ.get("DEEPFAKE_DATA") or not (folder / "photos").is_dir():
        pytest.skip("set DEEPFAKE_DATA to the folder of real data to measure the face finder")
    return folder


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


class TestRealPictures:
    def test_the_same_faces_as_the_package_finds_by_itself(self, data: Path):
        import mtcnn

        package, ours = mtcnn.MTCNN(), FaceCascade(MIN_CONFIDENCE_LARGE)
        for name in ("photo_7", "photo_33", "photo_8"):
            with Image.open(data / "photos" / f"{name}.jpg") as picture:
                picture.thumbnail((600, 600))
                pixels = np.asarray(picture.convert("RGB"))
            expected: Any = package.detect_faces(
                pixels, box_format="xyxy", output_type="numpy", threshold_onet=MIN_CONFIDENCE_LARGE
            )
            assert np.allclose(ours(pixels), np.reshape(expected, (-1, 16))[:, 1:], atol=0.01)

    def test_whole_photographs(self, data: Path):
        for name, count in PHOTOS.items():
            pixels = read(data / "photos" / f"{name}.jpg")
            scan = find_faces(pixels)
            assert_sound(scan, pixels.shape[1], pixels.shape[0])
            assert (name, len(scan.faces)) == (name, count)
            assert (name, scan.kind) == (name, "faces" if count else "no_face")
            assert (name, scan.turn) == (name, 180 if name == "photo_120" else 0)

    @pytest.mark.parametrize(
        ("folder", "least"),
        [
            ("openforensics/Train/Fake", 0.9),
            ("openforensics/Train/Real", 0.9),
            ("faces140k/Validation/Fake", 0.95),
            ("faces140k/Validation/Real", 0.95),
        ],
    )
    def test_crops_are_left_whole(self, data: Path, folder: str, least: float):
        paths = sorted((data / folder).iterdir())
        paths = paths[:: len(paths) // 30][:30]
        kinds = []
        for path in paths:
            pixels = read(path)
            scan = find_faces(pixels)
            assert_sound(scan, pixels.shape[1], pixels.shape[0])
            kinds.append(scan.kind)
        assert kinds.count("face_crop") >= least * len(kinds)

    def test_our_crop_of_a_photograph_is_a_face_crop(self, data: Path):
        pixels = read(data / "photos" / "photo_33.jpg")
        (face,) = find_faces(pixels).faces
        again = find_faces(crop(pixels, face.crop))
        assert again.kind == "face_crop"
        side = face.crop[2] - face.crop[0]
        assert np.allclose(again.faces[0].crop, (0, 0, side, side), atol=0.05 * side)

    def test_a_photograph_on_its_side_is_found_and_mapped_back(self, data: Path):
        pixels = read(data / "photos" / "photo_26.jpg")
        (face,) = find_faces(pixels).faces
        scan = find_faces(np.rot90(pixels, -1))
        (turned,) = scan.faces
        assert scan.turn == turned.turn == 90
        height = pixels.shape[0]
        left, top, right, bottom = face.box
        expected = (height - bottom, left, height - top, right)
        assert np.allclose(turned.box, expected, atol=2)
