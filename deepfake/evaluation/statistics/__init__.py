"""Numbers of scores and labels, without files or detectors."""
