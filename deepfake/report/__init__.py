"""A verdict as a document: HTML and PDF."""
