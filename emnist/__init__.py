"""Models, data and training loops of a reproducible EMNIST ByClass pipeline."""
