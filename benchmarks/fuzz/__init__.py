"""Hostile images, and the two doors they are fed to."""
