"""What several benchmarks and tests use: images, a server, a person at the check page."""
