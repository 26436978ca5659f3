"""The 62 classes of EMNIST ByClass and how ByMerge joins them to 47."""

import numpy as np

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Letters whose two cases look alike and are one class in ByMerge (Cohen et al., 2017, arXiv:1702.05373).
MERGED_LETTERS = "CIJKLMOPSUVWXYZ"

# BYMERGE[label] is the label itself, or that of the capital letter it is merged with.
BYMERGE = np.array([CHARACTERS.index(c.upper() if c.upper() in MERGED_LETTERS else c) for c in CHARACTERS])
