"""Training a head on the kept features of a frozen network."""
