"""Finding what is written in grey levels: ink apart from paper, its light, its lines and what lies around it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from emnist.reading.strokes import Regions, find_regions, largest_distance, run_lengths

REACHES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)  # of the longer side, at which valleys and ridges are compared
LEAST_SHARE = 0.2  # of the weight at the best reach, which valleys or ridges of the reach that decides have
MIN_STEP = 15  # grey levels of a valley's depth
MIN_CONTRAST = 20 / 255  # of the paper's level, between paper and ink
NOISE = 5  # standard deviations of the paper's noise below which nothing is ink
FAINT = 0.25  # of a character's darkness: lighter parts do not belong to it
NEAR = 0.35  # of a character's longer side: how far apart its parts may be
MIN_AREA = 0.02  # of its largest part's area: what is smaller is dust, unless it lies like the dot of an i
MIN_SIDE = 0.008  # of the picture's longer side: what is smaller is no character
STRIP = 0.4  # of the longer side: across a picture that is narrower, strokes are as long as ruled lines and desks


def find_contrast(levels, light_on_dark=None):
    """Measure how much darker each pixel is than the paper around it.

    Parameters
    ----------
    levels : numpy.ndarray of uint8, shape (height, width)
        Grey levels, dark on light or light on dark, in any light.
    light_on_dark : bool, optional
        Default: as it looks.

    Returns
    -------
    contrast : numpy.ndarray of float32, shape (height, width)
        Parts of the paper's level, about 0 on paper and up to 1.
    least : numpy.ndarray of float32, shape (height, width)
        The contrast above which a pixel is more than noise.

    Notes
    -----
    The paper's level is the grey closing: what is left of dark places into which a square fits that is half as wide as
    the picture. Strokes go; a desk, a dark edge and shadows, which reach the edges of the picture, stay.

    References
    ----------
    Soille, P. (2003). Morphological Image Analysis, section 4.3: top-hats.
    """
    levels = levels.astype(np.float32)
    smooth = _smooth(levels)
    grain = np.median(np.abs(levels[::4, ::4] - smooth[::4, ::4]))
    if grain > 0.7:
        levels = smooth
    if light_on_dark is None:
        light_on_dark = is_light_on_dark(levels.astype(np.uint8))
    if light_on_dark:
        levels = 255 - levels
    coarse = max(1, max(levels.shape) // 300)  # which takes less time
    small = Image.fromarray(levels.astype(np.uint8)).reduce(coarse)
    paper = Image.fromarray(_close(np.asarray(small), max(small.size) // 2 + 1))
    paper = np.asarray(paper.resize(levels.shape[::-1], Image.Resampling.BILINEAR) if coarse > 1 else paper, np.float32)
    darker = paper - levels
    # Of normally distributed noise, by quantiles that ink does not reach where it covers less than three quarters.
    low, middle = np.quantile(darker[::4, ::4], (0.1, 0.25))
    noise = max(1.65 * (middle - low), 0.8 * grain)
    usual = middle + 0.67 * noise
    # In a shadow, ink and paper are darker by the same factor. Of light ink on dark paper, only the difference counts.
    reference = 255 if light_on_dark else np.maximum(paper - usual, 0.1 * paper.max() + 1)
    return (darker - usual) / reference, np.maximum(MIN_CONTRAST, NOISE * noise / reference)


def _smooth(levels):
    """Filter by weights of 1/4, 1/2 and 1/4 in both directions."""
    sums = np.pad(levels, 1, mode="edge")
    sums = sums[:-2] + 2 * sums[1:-1] + sums[2:]
    return (sums[:, :-2] + 2 * sums[:, 1:-1] + sums[:, 2:]) / 16


def is_light_on_dark(levels, least_share=LEAST_SHARE):
    """Tell whether the picture has more ridges than valleys.

    Both are weighed at the least width at which one of them has `least_share` of the weight at the best width. Strokes
    are narrower than the gaps between them. A shadow's edge and a desk are neither ridge nor valley.
    """
    small = np.asarray(Image.fromarray(levels).reduce(max(1, max(levels.shape) // 200))).astype(np.int16)
    padded = np.pad(small, 2, mode="edge")
    steps = running(np.maximum, padded, 5) - running(np.minimum, padded, 5)
    steps -= int(np.median(steps))
    weights = np.array(
        [_weigh_strokes(small, steps, max(2, round(max(small.shape) * reach))) for reach in REACHES], float
    )
    has_strokes = (weights.max(axis=1) > least_share * weights.max()) & (
        weights.max(axis=1) > 1.5 * weights.min(axis=1)
    )
    valleys, ridges = weights[has_strokes.argmax()]
    return ridges > valleys


def _weigh_strokes(levels, steps, reach):
    """Sum the squared depths of valleys and heights of ridges that are narrower than two reaches.

    Those that are much higher than the steps near them come from a light that falls off on all sides.
    """
    padded = np.pad(levels, reach, mode="edge")
    rows, columns = padded[:, reach:-reach], padded[reach:-reach]
    (above, below), (left, right) = ((side[: -2 * reach], side[2 * reach :]) for side in (rows, columns.T))
    left, right = left.T, right.T
    depth = np.maximum(np.minimum(above, below), np.minimum(left, right)) - levels
    rise = levels - np.minimum(np.maximum(above, below), np.maximum(left, right))
    highest = 2 * running(np.maximum, np.pad(steps, reach), 2 * reach + 1)
    counted = [part[(part > MIN_STEP) & (part < highest)].astype(float) for part in (depth, rise)]
    return [np.dot(each, each) for each in counted]


def _close(levels, size):
    """Compute the grey closing by a square of `size` pixels; beyond its edges, the picture goes on as at the edge."""
    levels = np.pad(levels, size - 1, mode="edge")
    return running(np.minimum, running(np.maximum, levels, size), size)


def running(extreme, levels, size):
    """Compute the extreme of each square of `size` pixels: one less of these than of pixels, for each pixel of it."""
    for _ in range(2):
        width = 1
        while width < size:  # of the window whose extreme each pixel holds
            step = min(width, size - width)
            levels = extreme(levels[:-step], levels[step:])
            width += step
        levels = np.ascontiguousarray(levels.T)
    return levels


@dataclass(frozen=True)
class Ink:
    """What is written in a picture.

    Attributes
    ----------
    strength : numpy.ndarray of float32, shape (height, width)
        0 to 1, of the darkest ink near.
    regions : emnist.reading.strokes.Regions
    place : tuple of float
        Left, top and scale: where it lies in the picture, and how many of its pixels one is.
    """

    strength: np.ndarray
    regions: Regions
    place: tuple[float, float, float] = (0, 0, 1)

    def keep(self, chosen):
        """Return the same without the regions that are not chosen, bool (regions,)."""
        regions = self.regions
        kept = chosen[regions.labels]
        areas, boxes = regions.areas * chosen, np.where(chosen[:, None], regions.boxes, 0)
        return Ink(np.where(kept, self.strength, 0), Regions(regions.labels * kept, boxes, areas), self.place)


def _clear_rules(mask, contrast):
    """Clear ruled lines from a mask, in place, but for what is much darker: writing that crosses them."""
    before = mask.copy()
    remove_lines(mask, STRIP)
    removed = before & ~mask
    if removed.any():
        mask |= removed & (contrast > 1.5 * np.median(contrast[removed]))


def find_ink(levels, place=(0, 0, 1), light_on_dark=None, clear=_clear_rules):
    """Find the `Ink` in grey levels, uint8 (height, width), which lie at a `place`.

    `clear` is called with a mask and the contrast, and removes from the mask what is no writing.
    """
    contrast, least = find_contrast(levels, light_on_dark)
    mask = contrast > least
    clear(mask, contrast)
    contrast = np.where(mask, contrast, 0).astype(np.float32)
    rough = find_regions(mask)
    reach = max(2, int(0.2 * usual_height(rough)))
    strength = contrast / np.maximum(running(np.maximum, np.pad(contrast, reach), 2 * reach + 1), 1e-3)
    return Ink(strength, find_regions(strength > 0.4), place)


def usual_height(regions):
    """Compute the median height of the regions, each weighted by its square, so that dust does not count."""
    heights = (regions.boxes[:, 3] - regions.boxes[:, 1]).astype(float)
    return weighted_median(heights, heights**2)


def weighted_median(values, weights):
    """Compute the median of values (N,), each of which counts by its weight (N,)."""
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return values[order[np.searchsorted(sums, sums[-1] / 2)]]


def find_character(levels):
    """Find the ink of one character.

    Parameters
    ----------
    levels : numpy.ndarray of uint8, shape (height, width)
        Grey levels, dark on light or light on dark.

    Returns
    -------
    ink : numpy.ndarray of float32, shape (height, width)
        0 to 1, cut to the character; or None if there is none.
    box : tuple of int
        Left, top, right and bottom of the cut; right and bottom are exclusive.
    """
    contrast, least = find_contrast(levels)
    mask = contrast > least
    remove_lines(mask)
    contrast = np.where(mask, contrast, 0)
    regions = find_regions(mask)
    darkness = _darkness(contrast, regions)
    main, is_other = _find_main(darkness, regions)
    if main is None:
        return None, None
    contrast, darkness = np.where(is_other[regions.labels], 0, contrast), darkness[main]
    parts = find_regions(contrast > FAINT * darkness)
    core = np.unique(parts.labels[regions.labels == main])
    belongs, dots, stem = _find_near(parts, core[core > 0])
    ink = np.where(belongs[parts.labels], contrast, 0)
    boxes = parts.boxes[belongs]
    for left, top, right, bottom in parts.boxes[dots]:  # drawn as wide as the stem: a finer dot would vanish in 28x28
        more = int(np.ceil(max(0, stem - min(right - left, bottom - top)) / 2))
        box = max(0, left - more), max(0, top - more), right + more, bottom + more
        ink[box[1] : box[3], box[0] : box[2]] = ink[top:bottom, left:right].max()
        boxes = np.vstack([boxes, box])
    left, top, right, bottom = box = union(boxes)
    ink = ink[top:bottom, left:right]
    reach = max(ink.shape) // 10 + 1
    local = running(np.maximum, np.pad(ink, reach), 2 * reach + 1)
    return np.minimum(ink / np.maximum(local, FAINT * darkness), 1), box


def _darkness(contrast, regions):
    """Compute each region's mean contrast, weighted by the contrast itself, so that soft edges count less."""
    mask = regions.labels > 0
    labels, values = regions.labels[mask], contrast[mask]
    sums, squares = (np.bincount(labels, each, len(regions.areas)) for each in (values, values * values))
    return squares / np.maximum(sums, 1e-9)


def union(boxes):
    """Return the box around boxes (N, 4): left, top, right and bottom."""
    return np.append(boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0))


def gaps_to(box, boxes):
    """Compute how far boxes (N, 4) are from a box (4,), across and down: (2, N), 0 where they overlap."""
    return np.maximum(np.maximum(box[:2] - boxes[:, 2:], boxes[:, :2] - box[2:]), 0).T


def _sides(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1)


def _find_main(darkness, regions):
    """Choose the region that is a character, or the largest part of one, and tell which cannot belong to it (a mask)."""
    height, width = regions.labels.shape
    boxes, sides = regions.boxes, _sides(regions.boxes)
    able = (sides >= max(3, MIN_SIDE * max(height, width))) & (regions.areas >= 6)
    if min(height, width) > 200:
        able &= (boxes[:, 2:] - boxes[:, :2]).min(axis=1) > 1  # not what is left of a line
    weight = np.where(able, sides * darkness**2, 0)
    at_edge = (boxes[:, 0] == 0) | (boxes[:, 1] == 0) | (boxes[:, 2] == width) | (boxes[:, 3] == height)
    inside = able & ~at_edge
    if inside.any() and (sides[inside].max() > 0.3 * sides[able].max() or weight[inside].max() == weight.max()):
        weight[at_edge] = 0  # a table around the sheet may be longer, but is paler
    is_other = able & (weight == 0)
    for main in np.argsort(-weight, kind="stable"):
        if not weight[main]:
            break
        if not is_blob(regions, main) and not _surrounded_by(regions, main, sides, weight):
            around = (boxes[:, :2] < boxes[main, :2]).all(axis=1) & (boxes[:, 2:] > boxes[main, 2:]).all(axis=1)
            for frame in np.flatnonzero(around & (weight > 0)):
                is_other[frame] |= main in _surrounded_by(regions, frame, sides, weight)
            return main, is_other
        is_other[main] = True
    return None, is_other


def is_blob(regions, number):
    """Tell whether a region is as thick as it is long, like a punch hole."""
    left, top, right, bottom = regions.boxes[number]
    side = max(right - left, bottom - top)
    if side < 12 or regions.areas[number] < 0.4 * side**2:
        return False
    mask = np.pad(regions.labels[top:bottom, left:right] == number, 1)
    return 2 * largest_distance(mask, side // 2) > 0.6 * side


def _surrounded_by(regions, number, sides, weight):
    """List the regions around which a region is a frame; none is smaller than a quarter of it."""
    left, top, right, bottom = regions.boxes[number]
    boxes = regions.boxes
    within = (boxes[:, 0] > left) & (boxes[:, 1] > top) & (boxes[:, 2] < right) & (boxes[:, 3] < bottom)
    within &= (sides > 0.25 * sides[number]) & (weight > 0)
    found = []
    for other in np.flatnonzero(within):
        box = boxes[other]
        x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
        across = np.flatnonzero(regions.labels[y, left:right] == number) + left
        down = np.flatnonzero(regions.labels[top:bottom, x] == number) + top
        if (
            len(across)
            and len(down)
            and across[0] < box[0] < box[2] <= across[-1]
            and down[0] < box[1] < box[3] <= down[-1]
        ):
            inner = regions.labels[box[1] : box[3], box[0] : box[2]]
            if not (inner == number).any():
                found.append(other)
    return found


def _find_near(parts, core):
    """Add to the parts of a character those near it; return masks of the parts and of dots, and the stem's width."""
    belongs = np.zeros(len(parts.areas), bool)
    belongs[core] = True
    left, top, right, bottom = box = union(parts.boxes[core])
    side, area = max(right - left, bottom - top), parts.areas[core].max()
    boxes = parts.boxes
    across, down = gaps_to(box, boxes)
    near = (np.maximum(across, down) < NEAR * side) & (parts.areas > MIN_AREA * area)
    # The dot of an i may be smaller, or farther away.
    stem = area / side  # its width
    is_dot = (boxes[:, 3] <= top) & (down < 0.8 * side) & (_sides(boxes) >= 0.25 * stem) & (right - left < 0.7 * side)
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    is_dot &= (left - stem < middle) & (middle < right + stem)
    return belongs | near | is_dot, is_dot & ~belongs, stem


def remove_lines(mask, shortest=0):
    """Clear the lines of ruled and squared paper from a mask, in place; what crosses them is kept.

    `shortest` is the part of the longer side that the picture must have along the lines.
    """
    for across in (mask, mask.T):
        if across.shape[1] > shortest * max(mask.shape):
            remove_rules(across, 0.03 * len(across))


def thicken(mask):
    """Add a pixel above and below, so that the runs of a line that is not level are longer."""
    thick = mask.copy()
    thick[1:] |= mask[:-1]
    thick[:-1] |= mask[1:]
    return thick


def remove_rules(mask, max_thickness):
    """Clear lines that are nearly along the rows, in place; what crosses them is kept."""
    height, width = mask.shape
    is_long = run_lengths(thicken(mask)) >= max(16, width // 10)
    if is_long.any(axis=0).sum() <= 0.5 * width:
        return
    long = find_regions(is_long)
    spans = long.boxes[:, 2] - long.boxes[:, 0]
    for number in np.flatnonzero(spans > 0.5 * width):
        left, top, right, bottom = long.boxes[number]
        band = long.labels[top:bottom, left:right] == number
        thickness = np.median(band.sum(axis=0)) - 2
        if thickness > max_thickness or thickness < 0:
            continue
        own = mask[top:bottom, left:right] & band
        # The whole picture's rows, since what crosses the line is longer than the line is thick.
        first, last = max(0, top - 8 - int(2 * thickness)), bottom + 8 + int(2 * thickness)
        around = mask[first:last, left:right]
        tall = run_lengths(np.ascontiguousarray(around.T)).T[top - first : top - first + len(own)]
        own &= tall <= 2 * thickness + 2
        mask[top:bottom, left:right] &= ~own
