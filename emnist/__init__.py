"""Models, data and training loops of a reproducible EMNIST ByClass pipeline."""

import os

# A thread that waits for the others spins this often before it sleeps; libgomp reads it when torch is first imported.
# With its own choice, 300,000, two trainings of vggnet side by side on two cores do 393 images a second together, with
# this 611; one alone does the same with either.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
