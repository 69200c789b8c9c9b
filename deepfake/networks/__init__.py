"""Architectures, their weights, and scoring with them."""
