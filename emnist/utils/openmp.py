"""Settings of OpenMP, whose threads PyTorch computes with."""

import os


def spin_briefly():
    """Set how often a thread of libgomp that waits for the others spins before it sleeps.

    libgomp reads this when torch is first imported. Two trainings of vggnet side by side on two cores do 393 images a
    second together with libgomp's default of 300,000, and 611 with this value. A single training is equally fast with
    both.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
