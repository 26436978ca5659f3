"""Lines of text: marks of ink joined and cut into characters, as the network finds them likeliest."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from emnist.reading.ink import MIN_SIDE, find_contrast, is_light_on_dark, remove_lines, running, union
from emnist.reading.pictures import MAX_SIDE, convert_ink
from emnist.reading.strokes import Regions, find_regions

PAGE_SIDE = 1700  # pixels, of the page in which text is first looked for
HEIGHT = 48  # pixels, to which characters are enlarged or reduced
MIN_HEIGHT = 7  # pixels of the picture; what is lower is dust
MAX_TILT = np.tan(np.radians(3.5))
SLANTS = (-0.35, 0.0, 0.35)  # of cuts: columns to the right for each row up
CUTS_APART, MOST_CUTS, MOST_INK = (
    0.12,
    6,
    0.6,
)  # distance, number a height of width, ink crossed; in heights of the line
SURE = np.log(0.95)  # a region that is a character with this probability is not cut
MAX_PIECES = 10  # of one character
MAX_MARKS = 120  # in a line that is cut and joined; more are rather dust
MAX_REGIONS = 2000  # in a picture; of more, the largest are read
BLANK = 0.28  # of a capital's height, and twice the median gap: gaps between words are wider

# Of a run of pieces: 1; the gaps within it; the number of cuts within it, and the ink that they cross; the same of the
# cuts at its ends; its width and its height; the cuts at its ends, if the line has few wide marks; the log-likelihood
# of its likeliest character; the logarithm of how unsure that is. Lengths are in heights of the line.
# `python -m benchmarks.lines FOLDER --fit --count 100` learns the weights.
WEIGHTS = np.array([-2.33, -22.33, 0.14, 0.25, -1.55, -1.79, -6.0, 3.6, -0.74, 1.23, -0.62])
MIXED = -2.5  # logarithm of how much seldomer a letter follows a digit, or a capital a small letter, within a word

# Top and bottom in heights of a capital above the base line, means of eight of the handwriting typefaces of
# `emnist.sources.sample`; of a character in none of these, nothing is assumed.
HEIGHTS = {
    "0123456789ABCDEFGHIKLMNOPQRSTUVWXYZbdfhiklt": (1.0, 0.0),
    "acemnorsuvwxz": (0.64, 0.0),
    "gpqy": (0.64, -0.46),
    "j": (0.9, -0.48),
}
SPREAD = 0.11  # standard deviation of both in handwriting


@dataclass(frozen=True)
class Character:
    """A character of a line.

    Attributes
    ----------
    probabilities : list of (str, float)
        Each class with its probability, given its height and place in the line, the most probable first.
    box : tuple of int
        Left, top, right and bottom in pixels of the picture; right and bottom are exclusive.
    image : numpy.ndarray of uint8, shape (28, 28)
        The image that the network was given.
    follows_blank : bool
        Whether a blank is before it.
    """

    probabilities: list[tuple[str, float]]
    box: tuple[int, int, int, int]
    image: np.ndarray
    follows_blank: bool = False


@dataclass(frozen=True)
class Line:
    """A line of text, or what is written in a field of a form.

    Attributes
    ----------
    characters : list of Character
        From left to right.
    field : str
        The field's name; empty where there are no fields.
    min_probability : float
        Below which a character is unknown.
    """

    characters: list[Character]
    field: str = ""
    min_probability: float = 0

    @property
    def text(self) -> str:
        """The characters, ``?`` for those that are unknown, with blanks between words."""
        likeliest = [(each.follows_blank, *each.probabilities[0]) for each in self.characters]
        known = [(blank, character if value >= self.min_probability else "?") for blank, character, value in likeliest]
        return "".join(" " * (blank and number > 0) + each for number, (blank, each) in enumerate(known))

    @property
    def probability(self) -> float:
        """The least of the characters' probabilities; 1 where nothing is written."""
        return min((each.probabilities[0][1] for each in self.characters), default=1.0)

    def values(self, top: int = 3) -> dict:
        """Return JSON values: ``field``, ``text``, ``probability``, and ``characters``, each with its `top` guesses."""
        characters = [
            {
                "box": each.box,
                "guesses": [{"character": c, "probability": value} for c, value in each.probabilities[:top]],
            }
            for each in self.characters
        ]
        return {"field": self.field, "text": self.text, "probability": self.probability, "characters": characters}


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
    remove_lines(mask)
    removed = before & ~mask
    if removed.any():
        mask |= removed & (contrast > 1.5 * np.median(contrast[removed]))


def find_ink(levels, place=(0, 0, 1), light_on_dark=None, clear=_clear_rules):
    """Find ink in grey levels, uint8 (height, width), at a `place`; `clear` removes from a mask, given the contrast,
    what is no writing."""
    contrast, least = find_contrast(levels, max(1, max(levels.shape) // 300), light_on_dark)
    mask = contrast > least
    clear(mask, contrast)
    contrast = np.where(mask, contrast, 0).astype(np.float32)
    rough = find_regions(mask)
    reach = max(2, int(0.2 * _usual_height(rough)))
    strength = contrast / np.maximum(running(np.maximum, np.pad(contrast, reach), 2 * reach + 1), 1e-3)
    return Ink(strength, find_regions(strength > 0.4), place)


def _usual_height(regions):
    """Compute the median height of the regions, each weighted by its square, so that dust does not count."""
    heights = (regions.boxes[:, 3] - regions.boxes[:, 1])[1:].astype(float)
    if not len(heights):
        return 0.0
    return weighted_median(heights, heights**2)


def weighted_median(values, weights):
    """Compute the median of values (N,), each of which counts by its weight (N,)."""
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return values[order[np.searchsorted(sums, sums[-1] / 2)]]


def find_lines(regions, box_height=None):
    """Divide regions into lines of text.

    Returns
    -------
    lines : list of list of (int, list of int)
        For each line, from top to bottom, its main regions, each with its dots and other small parts.
    slope : float
        By how many rows the lines fall a column.
    """
    boxes = regions.boxes.astype(float)
    boxes[0] = 0
    height = _usual_height(regions)
    sizes = boxes[:, 2:] - boxes[:, :2]
    sides = sizes.max(axis=1)
    main = (sides >= 0.4 * height) & (sizes[:, 1] < 3 * height) & (regions.areas >= 6)
    main[0] = False
    main = np.flatnonzero(main)
    main = main[np.argsort(-sides[main], kind="stable")[:MAX_REGIONS]]
    if not len(main):
        return [], 0.0
    middle, bottom = (boxes[main, 0] + boxes[main, 2]) / 2, boxes[main, 3]
    slope = _slope(middle, bottom, height)
    centre = (boxes[main, 1] + bottom) / 2 - slope * middle
    order = np.argsort(centre, kind="stable")
    if box_height and box_height < 2.2 * height:
        centre[:] = 0  # one line
    starts = np.flatnonzero(np.diff(centre[order], prepend=-np.inf) > 0.45 * height)
    lines, place = [], np.zeros(len(main), int)
    for number, members in enumerate(np.split(order, starts[1:])):
        place[members] = number
        lines.append({int(main[m]): [] for m in members[np.argsort(middle[members], kind="stable")]})
    small = (sides < 0.4 * height) & (sides >= 0.06 * height) & (regions.areas >= 3)
    small[0] = False
    for number in np.flatnonzero(small)[:MAX_REGIONS]:
        left, top, right, low = boxes[number]
        across = np.maximum(np.maximum(boxes[main, 0] - right, left - boxes[main, 2]), 0)
        down = np.maximum(np.maximum(boxes[main, 1] - low, top - boxes[main, 3]), 0)
        is_dot = boxes[main, 1] >= low
        near = (across < 0.12 * height) & (down < np.where(is_dot, 0.6, 0.15) * height)
        if near.any():
            nearest = np.where(near, across + down, np.inf).argmin()
            lines[place[nearest]][int(main[nearest])].append(int(number))
    return [list(line.items()) for line in lines], slope


def _slope(x, y, height):
    """Find the slope at which the most points are in few rows."""
    if len(x) < 3:
        return 0.0
    slopes = MAX_TILT * np.linspace(-1, 1, 57)
    scores = []
    for slope in slopes:
        rows = (y - slope * x) / (0.08 * height)
        counts = np.bincount((rows - rows.min()).astype(int) + 3)
        counts = np.convolve(counts, [1, 2, 3, 2, 1])
        scores.append((counts.astype(float) ** 2).sum() * (1 - 2 * abs(slope)))
    best = np.flatnonzero(np.array(scores) >= 0.999 * max(scores))
    return float(slopes[best[len(best) // 2]])


@dataclass(frozen=True)
class Piece:
    """A part of a line that no character parts any further.

    Attributes
    ----------
    strength : numpy.ndarray of float32, shape (height, width)
        Its ink.
    left, top : int
    mark : int
        The number of the region that it is, or is cut from.
    is_cut : bool
        Whether a cut parts it from the piece before it.
    crossed : float
        The ink on that cut, in heights of the line.
    is_sure : bool
        Whether it is a character by itself.
    """

    strength: np.ndarray
    left: int
    top: int
    mark: int
    is_cut: bool
    crossed: float
    is_sure: bool

    @property
    def box(self):
        height, width = self.strength.shape
        return np.array([self.left, self.top, self.left + width, self.top + height])


def cut_line(ink, line, height, is_sure):
    """Cut a line's marks, but those sure to be characters, into pieces: a list of `Piece` from left to right."""
    pieces = []
    for mark, (main, parts) in enumerate(line):
        left, top, right, bottom = union(ink.regions.boxes[[main, *parts]])
        own = np.isin(ink.regions.labels[top:bottom, left:right], [main, *parts])
        cuts = [] if is_sure[mark] else _find_cuts(own, height)
        y, x = np.indices(own.shape)
        which = sum((x - slant * (len(own) / 2 - y) >= column for column, slant, _ in cuts), np.zeros(own.shape, int))
        for number, crossed in enumerate([0.0, *(ink for *_, ink in cuts)]):
            piece = own & (which == number)
            rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
            if len(rows):
                part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
                strength = np.where(piece, ink.strength[top:bottom, left:right], 0)[part]
                pieces.append(
                    Piece(strength, left + columns[0], top + rows[0], mark, number > 0, crossed, is_sure[mark])
                )
    return sorted(pieces, key=lambda piece: 2 * piece.left + piece.strength.shape[1])


def list_spans(pieces, height):
    """List the runs of pieces that may be characters, (first, the one after the last), and features as of `WEIGHTS`."""
    spans, features = [], []
    for first in range(len(pieces)):
        box, gaps = pieces[first].box, 0.0
        for end in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            run, after = pieces[first:end], pieces[end : end + 1]
            gap = max(0, pieces[end - 1].box[0] - box[2]) / height
            gaps += gap
            box = union(np.array([box, pieces[end - 1].box]))
            width, tall = (box[2:] - box[:2]) / height
            inner = [piece.crossed for piece in run[1:] if piece.is_cut]
            outer = [piece.crossed for piece in (*run[:1], *after) if piece.is_cut]
            is_mark = not outer and len(inner) == len(run) - 1
            if len(run) > 1 and (gap > 0.3 or width > 1.5 or sum(piece.is_sure for piece in run) > 1):
                break
            if len(run) == 1 or is_mark or (tall >= 0.4 and width <= 1.2):
                spans.append((first, end))
                features.append((1, gaps, len(inner), sum(inner), len(outer), sum(outer), width, tall))
    return spans, np.array(features, float)


def _find_cuts(mask, height):
    """Find where a region may be cut: a list of (column at half its height, slant, cost), from left to right."""
    rows, width = mask.shape
    if width < 0.55 * height:
        return []
    found = []
    for slant in SLANTS:
        shifts = np.rint(slant * (rows / 2 - np.arange(rows))).astype(int)
        y, x = np.nonzero(mask)
        profile = np.bincount(np.maximum(x - shifts[y] + rows, 0), minlength=width + 2 * rows)[rows : rows + width]
        smooth = np.convolve(np.pad(profile, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
        lowest = np.minimum(smooth, np.minimum(np.roll(smooth, 1), np.roll(smooth, -1)))
        edge = max(2, int(0.12 * height))
        for column in range(edge, width - edge):
            if smooth[column] <= lowest[column] and smooth[column] < MOST_INK * height:
                found.append((profile[column] / height, column, slant))
    kept, most = [], MOST_CUTS * width / height
    for ink, column, slant in sorted(found, key=lambda each: (each[0], abs(each[2]), each[1])):
        if all(abs(column - other) >= CUTS_APART * height for other, _, _ in kept) and len(kept) < most:
            kept.append((column, slant, ink))
    return sorted(kept)


def _draw(pieces):
    """Draw pieces together as the networks see a character, uint8 (28, 28), and give their box."""
    left, top, right, bottom = box = union(np.array([piece.box for piece in pieces]))
    sheet = np.zeros((bottom - top, right - left), np.float32)
    for piece in pieces:
        x0, y0, x1, y1 = piece.box - (left, top, left, top)
        np.maximum(sheet[y0:y1, x0:x1], piece.strength, out=sheet[y0:y1, x0:x1])
    return convert_ink(sheet), box


def best_path(count, spans, scores):
    """Choose the spans that follow each other from the first piece to the last with the largest sum of scores."""
    best, back = np.full(count + 1, -np.inf), [None] * (count + 1)
    best[0] = 0
    for number, (first, end) in enumerate(spans):  # in order of their first pieces
        value = best[first] + scores[number]
        if value > best[end]:
            best[end], back[end] = value, number
    path, end = [], count
    while end:
        path.append(back[end])
        end = spans[back[end]][0]
    return path[::-1]


def place_in_line(tops, bottoms, logs, groups, height):
    """Find the base line and the height of capitals that make the characters likeliest.

    Parameters
    ----------
    tops, bottoms : numpy.ndarray of float, shape (N,)
        Rows; the line's slope is taken off.
    logs : numpy.ndarray, shape (N, characters)
        Logarithms of probabilities.
    groups : numpy.ndarray of float, shape (characters, 2)
        Of `HEIGHTS`; NaN where nothing is assumed.
    height : float
        About a capital's.

    Returns
    -------
    base, capital : float
    """
    if len(np.unique(groups, axis=0)) == 1:
        return np.median(bottoms), height
    best = (-np.inf, 0, height)
    for capital in height * np.geomspace(0.7, 1.7, 19):
        for base in np.median(bottoms) + capital * np.linspace(-0.5, 0.2, 15):
            fits = fit_heights(tops, bottoms, groups, base, capital)
            value = np.logaddexp.reduce(logs + fits, axis=1).sum() - 2 * np.log(capital / height) ** 2
            if value > best[0]:
                best = (value, base, capital)
    return best[1:]


def fit_heights(tops, bottoms, groups, base, capital):
    """Compute the log-likelihood of each character's height and place, float (N, characters)."""
    measured = (base - np.stack([tops, bottoms], axis=1)) / capital
    apart = np.nan_to_num(((measured[:, None] - groups[None]) / SPREAD) ** 2, nan=2.0)
    return np.logaddexp(-0.5 * apart, -4.0).sum(axis=2)  # a heavy tail, for those who write otherwise


def groups_of(characters):
    """List the top and bottom of each character by `HEIGHTS`, float (characters, 2); NaN where nothing is assumed."""
    known = {character: place for group, place in HEIGHTS.items() for character in group}
    return np.array([known.get(character, (np.nan, np.nan)) for character in characters], float)


def read_marks(ink, network, alphabet):
    """Read all ink as one `Character`."""
    rows, columns = (np.flatnonzero((ink.strength > 0.2).any(axis=axis)) for axis in (1, 0))
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    image = convert_ink(ink.strength[box[1] : box[3], box[0] : box[2]])
    (row,) = alphabet.restrict(network.probabilities(image[None]))
    return _character(alphabet, row, box, image, ink.place)


def _character(alphabet, row, box, image, place, follows_blank=False):
    left, top, scale = place
    box = tuple(round(scale * side + shift) for side, shift in zip(box, (left, top, left, top)))
    guesses = [(alphabet.characters[i], float(row[i])) for i in np.argsort(-row, kind="stable")]
    return Character(guesses, box, image, bool(follows_blank))


@dataclass(frozen=True)
class Candidates:
    """What the characters of a line may be.

    Attributes
    ----------
    pieces : list of Piece
    spans : list of (int, int)
        Runs of pieces: the first, and the one after the last.
    features : numpy.ndarray of float, shape (spans, features)
        As of `WEIGHTS`.
    images : numpy.ndarray of uint8, shape (spans, 28, 28)
    boxes : numpy.ndarray of int, shape (spans, 4)
    logs : numpy.ndarray of float, shape (spans, characters)
        Log-likelihoods, given the height and place in the line.
    capital : float
        The height of a capital.
    """

    pieces: list
    spans: list
    features: np.ndarray
    images: np.ndarray
    boxes: np.ndarray
    logs: np.ndarray
    capital: float


def rate_line(ink, line, slope, network, alphabet):
    """List the `Candidates` for the characters of a line that `find_lines` has found."""
    mains = ink.regions.boxes[[main for main, _ in line]]
    heights = mains[:, 3] - mains[:, 1]
    is_high = heights >= 0.6 * heights.max()
    height = np.median(heights[is_high])
    is_loose = np.median(mains[:, 2] - mains[:, 0]) < 0.9 * height
    is_sure = np.ones(len(line), bool)
    while True:
        pieces = cut_line(ink, line, height, is_sure)
        spans, features = list_spans(pieces, height)
        images, boxes = map(np.stack, zip(*(_draw(pieces[first:end]) for first, end in spans)))
        logs = np.log(alphabet.restrict(network.probabilities(images)) + 1e-6)
        if not is_sure.all() or len(line) > MAX_MARKS:
            break
        is_sure[[piece.mark for piece in pieces]] = (logs.max(axis=1) > SURE) & (features[:, 6] < 0.9)
        if is_sure.all():
            break
    doubt = np.log(1.001 - np.exp(logs.max(axis=1)))
    shift = slope * (boxes[:, 0] + boxes[:, 2]) / 2
    tops, bottoms = boxes[:, 1] - shift, boxes[:, 3] - shift
    groups = groups_of(alphabet.characters)
    base, capital = np.median((mains[:, 3] - slope * (mains[:, 0] + mains[:, 2]) / 2)[is_high]), height
    for _ in range(2):
        placed = logs + fit_heights(tops, bottoms, groups, base, capital)
        rated = np.column_stack([features, features[:, 4] * is_loose, placed.max(axis=1), doubt])
        path = best_path(len(pieces), spans, rated @ WEIGHTS)
        base, capital = place_in_line(tops[path], bottoms[path], logs[path], groups, height)
    return Candidates(pieces, spans, rated, images, boxes, placed, capital)


def read_line(ink, line, slope, network, alphabet):
    """Read a line that `find_lines` has found: a list of `Character`."""
    found = rate_line(ink, line, slope, network, alphabet)
    path = best_path(len(found.pieces), found.spans, found.features @ WEIGHTS)
    boxes = found.boxes[path]
    gaps = np.append(0, boxes[1:, 0] - boxes[:-1, 2])
    is_wide = gaps > max(BLANK * found.capital, 2 * np.median(gaps[1:]) if len(gaps) > 2 else 0)
    rows = heed_neighbours(found.logs[path], is_wide, alphabet.characters)
    return [
        _character(alphabet, row, box, image, ink.place, blank and alphabet.blank)
        for row, box, image, blank in zip(rows, boxes, found.images[path], is_wide)
    ]


def read_lines(ink, network, alphabet, box_height=None):
    """Read the lines of ink, as `find_lines` finds them: a list of lists of `Character`, from top to bottom."""
    lines, slope = find_lines(ink.regions, box_height)
    return [read_line(ink, line, slope, network, alphabet) for line in lines]


def heed_neighbours(logs, starts_word, characters):
    """Compute probabilities given that digits, capitals and small letters seldom stand side by side in a word.

    Parameters
    ----------
    logs : numpy.ndarray, shape (N, characters)
        Log-likelihoods.
    starts_word : numpy.ndarray of bool, shape (N,)
    characters : sequence of str

    Returns
    -------
    numpy.ndarray, shape (N, characters)
        By the forward-backward algorithm (Rabiner 1989, A tutorial on hidden Markov models).
    """
    kinds = np.array([each[0].isdigit() + 2 * each[0].isupper() + 3 * each[0].islower() for each in characters])
    before, after = kinds[:, None], kinds[None]
    seldom = (before != after) & (np.minimum(before, after) > 0) & ~((before == 2) & (after == 3))
    change = np.where(seldom, MIXED, 0.0)
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    forward, backward = likely.copy(), np.ones_like(likely)
    transitions = [np.ones_like(change) if start else np.exp(change) for start in starts_word]
    for n in range(1, len(logs)):
        forward[n] *= forward[n - 1] @ transitions[n]
        forward[n] /= forward[n].sum()
    for n in range(len(logs) - 1, 0, -1):
        backward[n - 1] = transitions[n] @ (likely[n] * backward[n])
        backward[n - 1] /= backward[n - 1].sum()
    product = forward * backward
    return product / product.sum(axis=1, keepdims=True)


def read_text(image, network, alphabet):
    """Read the lines of a picture.

    Parameters
    ----------
    image : PIL.Image.Image
        Grey levels.
    network : emnist.reading.network.Network
    alphabet : emnist.reading.alphabet.Alphabet

    Returns
    -------
    list of list of Character
        From top to bottom.
    """
    levels = np.asarray(image.reduce(max(1, max(image.size) // 300)))
    found = []
    for light_on_dark in {bool(is_light_on_dark(levels, many)) for many in (0.02, 0.12)}:  # mostly one
        ink = find_writing(image, light_on_dark)
        if ink is not None:
            found.append(read_lines(ink, network, alphabet))
    return max(
        found, key=lambda lines: sum(each.probabilities[0][1] - 0.5 for line in lines for each in line), default=[]
    )


def shows_several(image):
    """Tell whether a picture, grey levels of Pillow, seems to show several characters side by side."""
    small = image.copy()
    small.thumbnail((200, 200))
    ink = _drop_surroundings(find_ink(np.asarray(small)))
    for line in find_lines(ink.regions)[0]:
        boxes = ink.regions.boxes[[main for main, _ in line]]
        heights = boxes[:, 3] - boxes[:, 1]
        boxes = boxes[heights > 0.5 * heights.max()]
        widths = boxes[:, 2] - boxes[:, 0]
        apart = boxes[1:, 0] - boxes[:-1, 2] > -0.2 * np.minimum(widths[1:], widths[:-1])
        if 1 < len(boxes) < 200 and apart.any():
            return True
    return False


def find_writing(image, light_on_dark):
    """Find ink in a picture, enlarged or reduced to characters of about `HEIGHT` pixels; None if there is none."""
    side = min(PAGE_SIDE, max(image.size))
    for _ in range(2):
        scale = max(image.size) / side
        levels = image.resize(
            [max(1, round(length / scale)) for length in image.size], Image.Resampling.BICUBIC, reducing_gap=2
        )
        ink = _drop_surroundings(find_ink(np.asarray(levels), (0, 0, scale), light_on_dark))
        height = _usual_height(ink.regions)
        if scale * height < max(MIN_HEIGHT, MIN_SIDE * max(image.size)):
            return None
        if 0.6 < HEIGHT / height < 1.7:
            break
        side = min(MAX_SIDE, side * HEIGHT / height)
    return ink


def _drop_surroundings(ink):
    """Leave out frames, and what reaches in from the edge of the picture, such as a desk."""
    height, width = ink.strength.shape
    left, top, right, bottom = ink.regions.boxes.T
    is_large = (right - left > 0.5 * width) | (bottom - top > 0.5 * height)
    at_edge = (left == 0) | (top == 0) | (right == width) | (bottom == height)
    hollow = ink.regions.areas < 0.12 * (right - left) * (bottom - top)
    frame = (right - left > 0.5 * width) & (bottom - top > 0.5 * height) & hollow
    return ink.keep(~(frame | is_large & at_edge))
