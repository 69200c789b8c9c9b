"""From scores to numbers, curves, thresholds and comparisons."""
