"""Connected regions, runs and widths of strokes. SciPy has them, but takes longer to import than a picture to predict."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Regions:
    """The regions of a mask: pixels that touch each other, at corners too.

    Attributes
    ----------
    labels : numpy.ndarray of int, shape (height, width)
        The number of each pixel's region, from 1; 0 outside the mask.
    boxes : numpy.ndarray of int, shape (N + 1, 4)
        Left, top, right and bottom of each region; right and bottom are exclusive. Row 0, of no region, is zeros.
    areas : numpy.ndarray of int, shape (N + 1,)
        In pixels.
    """

    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray


def find_regions(mask):
    """Find the regions of a mask, bool (height, width).

    Returns
    -------
    Regions

    References
    ----------
    Shiloach, Y. and Vishkin, U. (1982). An O(log n) parallel connectivity algorithm. Journal of Algorithms 3. Here of
    runs, which are the pixels that lie side by side in a row.

    Examples
    --------
    >>> find_regions(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)).labels.tolist()
    [[1, 0, 0, 2], [0, 1, 0, 2]]
    """
    width = mask.shape[1] + 2
    starts, ends = find_runs(mask)  # row * width + column
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
    region = np.cumsum(region == np.arange(len(starts)))[region]
    lengths, count = ends - starts, region.max(initial=0) + 1
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(region, lengths)
    rows, left = np.divmod(starts, width)
    boxes = np.zeros((count, 4), int)
    boxes[1:, :2] = max(mask.shape)
    for column, place, extreme in ((0, left, np.minimum), (1, rows, np.minimum), (2, left + lengths, np.maximum)):
        extreme.at(boxes[:, column], region, place)
    np.maximum.at(boxes[:, 3], region, rows + 1)
    return Regions(labels, boxes, np.bincount(region, lengths, minlength=count).astype(int))


def find_runs(mask):
    """Find where the runs of a mask's rows start and end, as row * (width + 2) + column."""
    changes = np.flatnonzero(np.diff(np.pad(mask, ((0, 0), (1, 1))).ravel()))
    return changes[::2], changes[1::2]


def run_lengths(mask):
    """Compute for each pixel of a mask the length of its run in the row; 0 outside the mask."""
    starts, ends = find_runs(mask)
    lengths = np.zeros(mask.shape, np.int32)
    lengths[mask] = np.repeat(ends - starts, ends - starts)
    return lengths


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
