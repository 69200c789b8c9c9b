"""Fakes made here from photographs or by a generator."""
