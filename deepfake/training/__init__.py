"""Inside a training run: recipe, samples, pipeline, epochs, checkpoint, publishing."""
