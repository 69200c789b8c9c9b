"""Sections of the page Evaluation."""
