"""What ships to be tried at once: images with a known truth, and the record of a training run."""
