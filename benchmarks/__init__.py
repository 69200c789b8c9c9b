"""What is measured, a command each; see README.md for the folders."""
