"""The cascade: its networks against those of the mtcnn package, its arithmetic at the edges, its engine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deepfake.faces import mtcnn, stages
from deepfake.faces.boxes import Boxes, inside, shifted, squared, surest_first, without_overlaps
from deepfake.faces.mtcnn import FaceCascade
from deepfake.faces.patches import Cutter
from deepfake.faces.pyramid import STEP, Pyramid, scales
from deepfake.util.files import ROOT
from tests.support.images import noise_image


@pytest.fixture(scope="module")
def cascade() -> FaceCascade:
    return FaceCascade(0.8)


def plain(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random pixels, smoothed: something at every size."""
    rough = np.random.default_rng(seed).integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


class TestEngine:
    def test_faces_are_found_without_tensorflow(self):
        code = (
            "import sys, numpy as np; from deepfake.faces.finder import find_faces;"
            "find_faces(np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8));"
            "sys.exit(bool({'tensorflow', 'keras', 'mtcnn'} & {*sys.modules}))"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(ModuleNotFoundError, match="mtcnn"):
            stages.proposal_network()

    def test_several_threads_at_once_see_what_one_sees(self, cascade: FaceCascade):
        pictures = [plain(90 + 7 * number, 160 - 9 * number, number) for number in range(6)]
        expected = [cascade._proposals(Pyramid(p), scales(p.shape[1], p.shape[0], 20, 12)) for p in pictures]
        seen: list[Boxes | None] = [None] * 12

        def look(place: int) -> None:
            picture = pictures[place % 6]
            sizes = scales(picture.shape[1], picture.shape[0], 20, 12)
            seen[place] = cascade._proposals(Pyramid(picture), sizes)

        threads = [threading.Thread(target=look, args=(place,)) for place in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for place, boxes in enumerate(seen):
            assert boxes is not None
            assert np.array_equal(boxes, expected[place % 6])

    def test_an_engine_that_fails_is_given_back(self):
        network = stages.proposal_network()
        for _ in range(20):
            with pytest.raises((ValueError, RuntimeError)):
                network(np.zeros((40, 40, 4), np.float32))
        assert network(np.zeros((40, 40, 3), np.float32)).shape == (15, 15, 6)


@pytest.fixture(scope="module")
def package() -> Callable[[str], Any]:
    pytest.importorskip("mtcnn")
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    models = {"pnet": StagePNet().model, "rnet": StageRNet().model, "onet": StageONet().model}
    return lambda name: models[name]


@pytest.mark.slow
class TestAgainstThePackage:
    """The package's own networks, which Keras runs."""

    @pytest.mark.parametrize(
        ("height", "width"), [(12, 12), (13, 12), (24, 31), (137, 138), (139, 270), (141, 300), (301, 400)]
    )
    def test_sliding(self, package: Callable[[str], Any], height: int, width: int):
        picture = np.random.default_rng(height).uniform(-1, 1, (height, width, 3)).astype(np.float32)
        offsets, scores = (part.numpy()[0] for part in package("pnet")(picture[None]))
        said = stages.proposal_network()(picture)
        assert said.shape[:2] == offsets.shape[:2]
        assert np.allclose(said[:, :, :4], offsets, atol=1e-5)
        assert np.allclose(stages.face_share(said[:, :, 4:]), scores[:, :, 1], atol=1e-5)

    @pytest.mark.parametrize("count", [1, 2, 33, 70])
    @pytest.mark.parametrize("name", ["rnet", "onet"])
    def test_patches(self, package: Callable[[str], Any], name: str, count: int):
        side, make = {"rnet": (24, stages.refining_network), "onet": (48, stages.deciding_network)}[name]
        batch = np.random.default_rng(count).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)
        parts = [part.numpy() for part in package(name)(batch)]
        said = make()(batch)
        assert np.allclose(said[:, :-2], np.concatenate(parts[:-1], axis=1), atol=1e-5)
        assert np.allclose(stages.face_share(said[:, -2:]), parts[-1][:, 1], atol=1e-5)

    def test_cutting(self):
        import tensorflow as tf

        pixels = plain(70, 90)
        rng = np.random.default_rng(1)
        corner, side = rng.uniform(-15, 80, (40, 2)), rng.uniform(3, 60, (40, 1))
        boxes = np.concatenate([corner, corner + side], axis=1)
        image = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        shares = boxes[:, [1, 0, 3, 2]] / [70, 90, 70, 90]
        for side in (24, 48):
            expected = tf.image.crop_and_resize(image[None], shares, np.zeros(40, np.int32), (side, side))
            assert np.allclose(Cutter(pixels).patches(boxes, side), expected.numpy(), atol=1e-5)


class TestSearch:
    @pytest.mark.parametrize("shape", [(12, 12), (24, 24), (24, 300), (25, 26), (300, 24)])
    def test_pictures_with_room_for_no_face(self, cascade: FaceCascade, shape: tuple[int, int]):
        for pixels in (plain(*shape), np.full((*shape, 3), 128, np.uint8)):
            assert cascade(pixels).shape == (0, 15)

    def test_grey_and_noise_hold_none(self, cascade: FaceCascade):
        assert cascade(np.full((240, 320, 3), 128, np.uint8)).shape == (0, 15)
        assert cascade(np.asarray(noise_image(3, 240, 320))).shape == (0, 15)

    def test_no_proposals(self, cascade: FaceCascade):
        look = mtcnn._Looks(cascade._refine, cascade._decide, Cutter(plain(60, 60)))
        found, trace = cascade._faces(look, np.empty((0, 5)))
        assert found.shape == (0, 15)
        assert trace == np.inf

    def test_a_finer_search_follows_only_where_it_must(self, monkeypatch: pytest.MonkeyPatch):
        """After a trace of a small face, or as long as nothing is found that counts."""
        cascade, pixels = FaceCascade(0.8), plain(400, 400)
        sizes = scales(400, 400, mtcnn.MIN_FACE_SIDE, 12)
        levels: list[int] = []
        traces: list[float] = []
        face = np.array([[10.0, 10, 90, 90, 0.99, *range(10)]])

        def propose(_: Pyramid, wanted: list[float]) -> Boxes:
            levels.extend(sizes.index(scale) for scale in wanted)
            return np.empty((0, 5))

        monkeypatch.setattr(cascade, "_proposals", propose)
        monkeypatch.setattr(cascade, "_faces", lambda *_: (face, traces.pop(0)))

        def search(*seen: float, **options: Any) -> list[int]:
            levels.clear()
            traces[:] = seen
            cascade(pixels, **options)
            assert not traces
            return levels

        every = list(range(len(sizes)))
        assert search(np.inf) == every
        assert search(np.inf, surely=40, smallest=24) == every[3:]
        assert search(60.0, 60.0, surely=40, smallest=24) == [*every[3:], 2]
        assert search(60.0, 59.0, 12.0, surely=40, smallest=24) == [*every[3:], 2, 1]
        sizes_asked: list[float] = []

        def enough(rows: Boxes, size: float) -> bool:
            assert len(rows) == 1
            sizes_asked.append(size)
            return size < 30

        assert search(*[np.inf] * 3, surely=40, smallest=24, enough=enough) == [*every[3:], 2, 1]
        assert np.allclose(sizes_asked, [20 / STEP**3, 20 / STEP**2, 20 / STEP])
        assert search(*[np.inf] * 4, surely=40, smallest=24, enough=lambda *_: False) == [*every[3:], 2, 1, 0]


class TestPyramid:
    @pytest.mark.parametrize("shape", [(24, 24), (97, 31), (200, 333), (1000, 40), (601, 600)])
    def test_means_of_areas(self, shape: tuple[int, int]):
        pixels = plain(*shape)
        pyramid = Pyramid(pixels)
        image = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        for scale in scales(shape[1], shape[0], 20, 12):
            size = int(shape[1] * scale), int(shape[0] * scale)
            expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            assert np.allclose(pyramid.level(scale), expected, atol=1e-5)

    def test_a_white_picture_stays_white(self):
        """Sums of many lines exceed 16 bits; what is between two of them does not."""
        pyramid = Pyramid(np.full((1000, 30, 3), 255, np.uint8))
        for scale in (0.6, 0.4, 12 / 1000 * 1.01, 2 / 1000):
            if int(30 * scale):
                assert np.allclose(pyramid.level(scale), 127.5 / 128, atol=1e-5)

    def test_sizes(self):
        sizes = scales(100, 200, 20, 12)
        assert sizes[0] == 0.6
        assert np.allclose(np.divide(sizes[1:], sizes[:-1]), STEP)
        assert min(int(100 * scale) for scale in sizes) >= 12
        assert scales(20, 20, 20, 12) == []


def boxes(*rows: tuple[float, float, float, float, float]) -> Boxes:
    return np.array(rows, np.float64).reshape(-1, 5)


class TestBoxes:
    def test_none_and_one(self):
        none, one = boxes(), boxes((3, 4, 10, 20, 0.9))
        for change in (squared, surest_first, lambda rows: without_overlaps(rows, 0.5)):
            assert change(none).shape == (0, 5)
            assert change(one).shape == (1, 5)
        assert shifted(none, np.empty((0, 4), np.float32)).shape == (0, 5)
        assert inside(none, 10, 10).shape == (0, 5)
        assert Cutter(plain(30, 30)).patches(none, 24).shape == (0, 24, 24, 3)

    def test_squares_keep_their_middle(self):
        assert np.allclose(squared(boxes((0, 0, 10, 20, 0.9))), boxes((-5, 0, 15, 20, 0.9)))
        assert np.allclose(squared(boxes((0, 0, 30, 20, 0.9))), boxes((0, -5, 30, 25, 0.9)))

    def test_sides_move_by_shares_of_their_length(self):
        moved = shifted(boxes((0, 0, 9, 19, 0.9)), np.array([[0.1, 0.1, -0.1, 0.2]], np.float32))
        assert np.allclose(moved, boxes((1, 2, 8, 23, 0.9)))

    def test_the_picture_ends_them(self):
        assert np.allclose(inside(boxes((-4, 3, 40, 50, 0.9)), 30, 20), boxes((0, 3, 29, 19, 0.9)))

    def test_overlapping_boxes_go(self):
        rows = boxes((0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8), (30, 0, 40, 10, 0.7), (0, 0, 10, 10, 0.6))
        assert np.array_equal(without_overlaps(rows, 0.5), rows[[0, 2]])

    def test_a_box_that_goes_takes_others_with_it(self):
        """As the weights were chosen with: 0 removes 1, and 1 removes 2."""
        chain = boxes((0, 0, 10, 10, 0.9), (3, 0, 13, 10, 0.8), (6, 0, 16, 10, 0.7))
        assert np.array_equal(without_overlaps(chain, 0.5), chain[[0]])

    def test_boxes_without_an_area(self):
        rows = boxes((5, 5, 5, 5, 0.9), (5, 5, 5, 5, 0.8))
        assert np.array_equal(without_overlaps(rows, 0.5), rows)

    @pytest.mark.parametrize("count", [2, 255, 256, 257, 700])
    def test_every_pair_is_compared(self, count: int):
        rng = np.random.default_rng(count)
        corner, side = rng.uniform(0, 150, (count, 2)), rng.uniform(5, 40, (count, 1))
        rows = surest_first(np.concatenate([corner, corner + side, rng.uniform(0, 1, (count, 1))], axis=1))
        kept = []
        for index, row in enumerate(rows):
            least = np.maximum(row[:2], rows[:index, :2])
            most = np.minimum(row[2:4], rows[:index, 2:4])
            shared = np.prod(np.maximum(most - least, 0), axis=1)
            areas = np.prod(rows[:index, 2:4] - rows[:index, :2], axis=1)
            both = np.prod(row[2:4] - row[:2]) + areas - shared
            if not (shared / both > 0.3).any():
                kept.append(index)
        assert np.array_equal(without_overlaps(rows, 0.3), rows[kept])


class TestCutter:
    def test_a_box_of_pixels_comes_out_as_it_is(self):
        pixels = plain(64, 64)
        # Sides of a box are shares of the picture's, whose last pixel lies at its end.
        box = np.array([[8.0, 16.0, 8 + 23, 16 + 23]]) * 64 / 63
        levels = Cutter(pixels).patches(box, 24)[0] * 128 + 127.5
        assert np.allclose(levels, pixels[16:40, 8:32], atol=0.01)

    def test_grey_beyond_the_edge(self):
        white = np.full((40, 40, 3), 255, np.uint8)
        (patch,) = Cutter(white).patches(np.array([[-20.0, -20, 20, 20]]), 24)
        assert (patch[:11] == 0).all()
        assert (patch[:, :11] == 0).all()
        assert np.allclose(patch[13:, 13:], 127.5 / 128)
