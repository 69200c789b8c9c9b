"""What perturbations and attacks cost a detector."""
