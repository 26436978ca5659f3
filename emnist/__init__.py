"""Models, data and training loops of a reproducible EMNIST ByClass pipeline."""

import os

# A thread that waits for the others spins this often before it sleeps; libgomp reads it when torch is first imported.
# Its own choice, 300,000, costs a third of the speed as soon as two runs share the cores (python -m benchmarks.speed).
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
