"""Connected regions and widths of strokes. SciPy has both, but is larger and slower to import than all else here."""

import numpy as np


def label_regions(mask):
    """Find the regions of pixels that touch each other, at corners too.

    Parameters
    ----------
    mask : numpy.ndarray of bool, shape (height, width)

    Returns
    -------
    numpy.ndarray of int, shape (pixels,)
        For each pixel of the mask, as ``image[mask]`` orders them, the number of its region. Not all numbers are used.

    References
    ----------
    Shiloach, Y. and Vishkin, U. (1982). An O(log n) parallel connectivity algorithm. Journal of Algorithms 3. Here of
    runs, which are the pixels that lie side by side in a row.

    Examples
    --------
    >>> label_regions(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)).tolist()
    [0, 1, 0, 1]
    """
    width = mask.shape[1] + 2
    changes = np.flatnonzero(np.diff(np.pad(mask, ((0, 0), (1, 1))).ravel()))  # row * width + column - 1
    starts, ends = changes[::2], changes[1::2]
    # In the next row, a run touches those from the first that ends after its start to the last that starts at its end.
    first = np.searchsorted(ends, starts + width)
    counts = np.searchsorted(starts, ends + width, side="right") - first
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) + np.repeat(first - np.cumsum(counts) + counts, counts)
    region = np.arange(len(starts))
    while len(upper):
        np.minimum.at(region, np.maximum(upper, lower), np.minimum(upper, lower))
        while (region != region[region]).any():
            region = region[region]
        upper, lower = region[upper], region[lower]
        apart = upper != lower
        upper, lower = upper[apart], lower[apart]
    return np.repeat(region, ends - starts)


def largest_distance(mask, limit):
    """Compute the largest distance from a pixel of a mask to the nearest pixel outside it, up to a limit.

    Parameters
    ----------
    mask : numpy.ndarray of bool, shape (height, width)
        Each row begins and ends outside the mask.
    limit : int
        In pixels. Larger distances are given as this.

    Returns
    -------
    float
        In pixels; 0 if the mask is empty.

    References
    ----------
    Felzenszwalb, P. and Huttenlocher, D. (2012). Distance transforms of sampled functions. Theory of Computing 8: a
    transform of each row, then one of each column.
    """
    columns = np.arange(mask.shape[1], dtype=np.int32)
    left = np.maximum.accumulate(np.where(mask, 0, columns), axis=1)
    right = np.minimum.accumulate(np.where(mask, columns[-1], columns)[:, ::-1], axis=1)[:, ::-1]
    within_row = np.minimum(columns - left, right - columns) ** 2
    squares = within_row.copy()
    for apart in range(1, limit):
        for near, far in ((squares[apart:], within_row[:-apart]), (squares[:-apart], within_row[apart:])):
            np.minimum(near, far + apart**2, out=near)
    return min(np.sqrt(squares.max()), limit)
