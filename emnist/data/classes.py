"""The 62 classes of EMNIST ByClass and the 47 of ByMerge."""

import numpy as np

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Letters whose two cases look alike, so that ByMerge has one class for both (Cohen et al., 2017, arXiv:1702.05373).
MERGED_LETTERS = "CIJKLMOPSUVWXYZ"

# BYMERGE[label] is the label itself, or that of the capital letter if ByMerge merges the two cases.
BYMERGE = np.array([CHARACTERS.index(c.upper() if c.upper() in MERGED_LETTERS else c) for c in CHARACTERS])
