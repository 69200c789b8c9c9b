"""What is measured: each module prints a ratio against the starting document's way, in one run."""
