"""The rows of `make bench`: the program beside the baseline."""
