"""Sections of the pages that check images and videos."""
