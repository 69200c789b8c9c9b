"""What the file itself tells: metadata, credentials, pixels."""
