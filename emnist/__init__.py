"""Models, data and training loops of a reproducible EMNIST ByClass pipeline."""

from emnist.utils.environment import set_environment

set_environment()
