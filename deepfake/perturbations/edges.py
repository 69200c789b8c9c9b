"""Perturbations of edges: overdone, ringing or replaced by flat patches."""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from deepfake.perturbations.common import Perturbation, Pixels, as_pixels, between, odd, size
from deepfake.perturbations.primitives import blur

IDENTITY = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)


def sharpen(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Mix in a 3x3 sharpening filter at 0.2-0.8, of lightness 0.7-1.2 (albumentations' Sharpen)."""
    alpha, centre = between(0.2, 0.8, strength), 8 + rng.uniform(0.7, 1.2)
    kernel = np.full((3, 3), -1, np.float32)
    kernel[1, 1] = centre
    return as_pixels(cv2.filter2D(pixels, -1, (1 - alpha) * IDENTITY + alpha * kernel))


def emboss(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Mix in a diagonal relief at 0.2-0.9, of depth 0.2-1.2 (albumentations' Emboss)."""
    alpha, depth = between(0.2, 0.9, strength), between(0.2, 1.2, strength)
    kernel = np.array([[-1 - depth, -depth, 0], [-depth, 1, depth], [0, depth, 1 + depth]], np.float32)
    kernel = np.rot90(kernel, int(rng.integers(4)))
    return as_pixels(cv2.filter2D(pixels, -1, (1 - alpha) * IDENTITY + alpha * kernel))


def unsharp(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add 0.5-3 times the difference from a Gaussian blur of sigma 1-3 px."""
    amount = between(0.5, 3.0, strength)
    blurred = blur(pixels, rng.uniform(1, 3), at_least=0.5)
    return as_pixels(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0))


@lru_cache(maxsize=64)
def _sinc_kernel(side: int, step: int) -> npt.NDArray[np.float32]:
    """Return an ideal circular low-pass filter of cutoff pi / 2 (step 0) to pi / 4 (step 8)."""
    cutoff = np.pi * between(0.5, 0.25, step / 8)
    offsets = np.arange(side) - side // 2
    radius = np.hypot(offsets[:, None], offsets[None, :])
    # Bessel's J1 by its integral form, midpoint rule
    angles = (np.arange(64) + 0.5) * np.pi / 64
    bessel = np.cos(angles - cutoff * radius[..., None] * np.sin(angles)).mean(axis=-1)
    kernel = np.full_like(radius, cutoff**2 / (4 * np.pi))
    np.divide(cutoff * bessel, 2 * np.pi * radius, out=kernel, where=radius > 0)
    return (kernel / kernel.sum()).astype(np.float32)


def ringing(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Ring round edges: a truncated 2-D sinc filter of 7-15 px (Real-ESRGAN: Wang and others, 2021)."""
    kernel = _sinc_kernel(odd(pixels, between(9, 13, float(rng.random()))), round(8 * strength))
    return as_pixels(cv2.filter2D(pixels, -1, kernel))


def superpixels(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Flatten 10-70% of the Voronoi cells round jittered grid points, 8-22 px apart, to their means."""
    height, width = pixels.shape[:2]
    pitch = size(pixels, between(8, 22, strength), at_least=2)
    ys, xs = np.meshgrid(np.arange(0, height, pitch), np.arange(0, width, pitch), indexing="ij")
    ys = np.minimum(ys + rng.integers(pitch, size=ys.shape), height - 1).ravel()
    xs = np.minimum(xs + rng.integers(pitch, size=xs.shape), width - 1).ravel()
    seeds = np.ones((height, width), np.uint8)
    seeds[ys, xs] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    cells = labels.astype(np.int64)
    means = as_pixels(cv2.blur(pixels, (pitch, pitch)))  # at a seed, about its cell's mean
    places = np.empty(int(cells.max()) + 1, np.int64)
    places[cells[ys, xs]] = ys * width + xs
    chosen = rng.random(len(places)) < between(0.1, 0.7, strength)
    flat = means.reshape(-1, 3)[places[cells]]
    return np.where(chosen[cells][..., None], flat, pixels)


EDGES: dict[str, Perturbation] = {
    "sharpen": sharpen,
    "emboss": emboss,
    "unsharp": unsharp,
    "ringing": ringing,
    "superpixels": superpixels,
}
