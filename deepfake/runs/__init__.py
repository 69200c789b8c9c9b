"""A training run seen from outside: start, queue, follow, stop, compare."""
