"""Perceptual hashes of images, and pairs that differ in few bits, without comparing all with all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels

LIKE_BITS = 6  # perceptual hashes this near (of 64 bits) are taken for the same picture
FACE_BITS = 4  # those of faces must be nearer: faces cut out alike look alike


def perceptual_hash(pixels: Pixels) -> NDArray[np.uint8]:
    """(8,) uint8: 64 bits that a change of size or compression hardly moves.

    The sign of the 64 lowest frequencies of a 32 x 32 grey copy against their median (DCT hash; Zauner 2010,
    "Implementation and benchmarking of perceptual image hash functions").
    """
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low: Any = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return np.packbits(low > np.median(low[1:]))


@dataclass(frozen=True)
class ImagePrint:
    """What an image is known again by, of which no image can be made.

    Attributes:
        whole: its perceptual hash, 8 bytes.
        faces: those of its faces, each cut out by its own box. They find an image again that was cropped,
            which moves every bit of ``whole``: of 243 photographs cropped by 5 to 10% of each side and
            recompressed, 96 to 98% were found, and no pair of different ones among 29,000.
    """

    whole: bytes
    faces: tuple[bytes, ...] = ()

    def like(self, other: ImagePrint) -> Likeness | None:
        """Whether both are of one image: as a ``whole``, or by a face alone (``cropped``); else None."""
        if bits_apart(self.whole, other.whole) <= LIKE_BITS:
            return "whole"
        near = (bits_apart(one, two) <= FACE_BITS for one in self.faces for two in other.faces)
        return "cropped" if any(near) else None


Likeness = Literal["whole", "cropped"]


def image_print(pixels: Pixels, faces: Sequence[Pixels] = ()) -> ImagePrint:
    """The print of an image.

    Args:
        pixels: (H, W, 3) uint8.
        faces: each face, upright, cut out by its own box.
    """
    whole, *others = (perceptual_hash(np.ascontiguousarray(each)).tobytes() for each in (pixels, *faces))
    return ImagePrint(whole, tuple(others))


def bits_apart(one: bytes, two: bytes) -> int:
    """By how many bits two perceptual hashes differ."""
    return (int.from_bytes(one) ^ int.from_bytes(two)).bit_count()


_BITS = 64
_CELLS = 4_000_000  # of one block of comparisons: 32 MB


def near_pairs(
    hashes: NDArray[np.uint8], most_bits: int = LIKE_BITS
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """All pairs of rows at most ``most_bits`` apart.

    Two hashes that differ in k bits agree wholly in one of k + 1 bands, so only rows that share a band's
    value are compared (Manku, Jain and Das Sarma, Detecting near-duplicates for web crawling, WWW 2007).

    Args:
        hashes: (N, 8) uint8, from ``perceptual_hash``.
        most_bits: 0 to 16.

    Returns:
        First rows and second rows (first < second), each pair once, and the bits by which they differ,
        nearest first.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64).ravel()
    edges = np.linspace(0, _BITS, most_bits + 2).round().astype(int)
    bits = np.unpackbits(hashes, axis=1)
    found: list[NDArray[np.int64]] = []
    for low, high in itertools.pairwise(edges):
        keys = bits[:, low:high] @ (1 << np.arange(high - low, dtype=np.int64))
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
        for rows in np.split(order, starts[1:]):
            if rows.size > 1:
                found.append(_pairs_within(words, rows, most_bits))
    pairs = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    distances = np.bitwise_count(words[pairs[:, 0]] ^ words[pairs[:, 1]]).astype(np.uint8)
    nearest = np.lexsort((pairs[:, 1], pairs[:, 0], distances))
    return pairs[nearest, 0], pairs[nearest, 1], distances[nearest]


def _pairs_within(words: NDArray[np.uint64], rows: NDArray[np.int64], most_bits: int) -> NDArray[np.int64]:
    """(K, 2) pairs of these rows, smaller row first."""
    mine, found = words[rows], []
    step = max(1, _CELLS // rows.size)
    for start in range(0, rows.size, step):
        apart = np.bitwise_count(mine[start : start + step, None] ^ mine[None, start:])
        first, second = np.nonzero(apart <= most_bits)
        later = second > first
        found.append(np.stack([rows[start + first[later]], rows[start + second[later]]], axis=1))
    return np.sort(np.concatenate(found), axis=1)


def alike_groups(prints: Sequence[ImagePrint]) -> list[tuple[int, ...]]:
    """Which of many images are forms of one image: those like each other, and those like one of these.

    Returns:
        places in ``prints``, rising; groups of two or more, by their first.
    """
    owners = [(place, False) for place in range(len(prints))]
    owners += [(place, True) for place, each in enumerate(prints) for _ in each.faces]
    words = [each.whole for each in prints] + [face for each in prints for face in each.faces]
    group = list(range(len(prints)))

    def root(index: int) -> int:
        while group[index] != index:
            index = group[index]
        return index

    for faces, bits in ((False, LIKE_BITS), (True, FACE_BITS)):
        rows = [row for row, (_, is_face) in enumerate(owners) if is_face == faces]
        if len(rows) < 2:
            continue
        hashes = np.frombuffer(b"".join(words[row] for row in rows), np.uint8).reshape(-1, 8)
        first, second, _ = near_pairs(hashes, bits)
        for one, two in zip(first.tolist(), second.tolist(), strict=True):
            left, right = sorted((root(owners[rows[one]][0]), root(owners[rows[two]][0])))
            group[right] = left
    found: dict[int, list[int]] = {}
    for place in range(len(prints)):
        found.setdefault(root(place), []).append(place)
    return [tuple(places) for places in found.values() if len(places) > 1]
