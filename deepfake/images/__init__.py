"""From bytes to pixels and facts: formats, limits, walking folders and archives, video frames."""
