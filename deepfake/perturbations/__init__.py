"""Single image perturbations, one module per kind; `deepfake.perturbations.mix` composes them.

Every perturbation has the signature `(pixels, strength, rng) -> pixels`: uint8 (H, W, 3) RGB in, a new
contiguous array of the same shape out, `strength` in [0, 1] from the mildest to the strongest of its range,
and all randomness from `rng`. Sizes in pixels are meant for a shorter side of 256 px and are scaled with the
image.
"""
