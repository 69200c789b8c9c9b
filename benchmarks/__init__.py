"""What is measured: each module prints a ratio against the baseline's way, in one run."""
