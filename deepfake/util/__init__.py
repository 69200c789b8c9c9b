"""Helpers that know nothing about faces: files, cache, jobs, processes, text."""
