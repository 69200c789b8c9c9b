"""Every way to alter one image. What is done stands in `primitives`; how much is drawn or graded elsewhere.

`primitives` holds JPEG, blur, noise, rescale, crop, shift, turn and the like, each by a number in plain
units. Of them are made training's draws (one module per kind, composed by `mix` and `sharing`), the
robustness sweep's kinds (`graded`) and the stress test's changes (`deepfake.detection.stress`).

Every perturbation of training and of the sweep has the signature `(pixels, strength, rng) -> pixels`: uint8
(H, W, 3) RGB in, a new contiguous array of the same shape out, `strength` in [0, 1] from the mildest to the
strongest of its range, and all randomness from `rng`. Sizes in pixels are meant for a shorter side of 256 px
and are scaled with the image.
"""
