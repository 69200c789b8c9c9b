"""What follows from an image's embedding: look-alikes and the kind of fake."""
