"""An image and a map of it in one figure: at one scale, zoomed together where both show the same places."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepfake.forensics.figures import compare_config, compare_figure
from deepfake.forensics.pixels import PixelMap, error_level, middle, spectrum
from deepfake.images.encode import shrink
from tests.support.images import noise_image


def test_both_zoom_together() -> None:
    image = noise_image(1, 80, 120)
    figure: Any = compare_figure(image, error_level(image), "Error level")
    assert [axis.matches for axis in (figure.layout.xaxis, figure.layout.xaxis2)] == ["x", "x"]
    assert [axis.matches for axis in (figure.layout.yaxis, figure.layout.yaxis2)] == ["y", "y"]
    assert all(trace.source.startswith("data:image/jpeg;base64,") for trace in figure.data)
    assert [note.text for note in figure.layout.annotations] == ["Image", "Error level"]


def test_a_coarser_map_is_drawn_at_the_scale_of_the_image() -> None:
    image = noise_image(1, 80, 120)
    half = PixelMap(shrink(image, 60), 1.0, "gray levels", "this", "that")
    drawn: Any = compare_figure(image, half, "Half")
    one, other = drawn.data
    assert (one.dx, other.dx, other.dy) == (1, 2, 2)


def test_a_spectrum_has_no_places_in_common_with_the_image() -> None:
    image = noise_image(1, 80, 120)
    assert middle(image).shape == (80, 80, 3)
    assert np.array_equal(middle(image, 20), image[30:50, 50:70])
    figure: Any = compare_figure(middle(image), spectrum(image), "Spectrum", together=False)
    assert [axis.matches for axis in (figure.layout.xaxis, figure.layout.xaxis2)] == [None, None]


def test_on_a_phone_the_map_stands_below_the_image() -> None:
    image = noise_image(1, 80, 120)
    figure: Any = compare_figure(image, error_level(image), "Noise", stacked=True)
    one, other = figure.layout.yaxis, figure.layout.yaxis2
    assert one.domain[0] > other.domain[1]
    assert figure.layout.xaxis.domain == figure.layout.xaxis2.domain
    assert (other.matches, figure.layout.xaxis2.matches) == ("y", "x")


def test_a_zoomed_place_is_kept_by_another_map_of_the_same_image() -> None:
    image = noise_image(1, 80, 120)
    figures: list[Any] = [
        compare_figure(image, error_level(image), name) for name in ("Error level", "Noise")
    ]
    one, other = figures
    assert one.layout.uirevision == other.layout.uirevision
    assert "resetScale2d" in compare_config("Noise")["modeBarButtons"][0]  # pyright: ignore[reportIndexIssue]
