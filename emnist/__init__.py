"""Models, data and training loops of a reproducible EMNIST ByClass pipeline."""

from emnist.utils.openmp import spin_briefly

spin_briefly()
