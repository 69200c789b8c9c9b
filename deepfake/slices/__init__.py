"""Where a detector does better or worse: by face size, JPEG quality, sharpness, light and age."""
