"""Lines of text: connected components of ink, joined and cut into the most probable characters."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from emnist.data.convert import extent
from emnist.reading.ink import LEAST_SHARE, MIN_SIDE, STRIP, find_ink, gaps_to, is_blob, is_light_on_dark, usual_height
from emnist.reading.pictures import MAX_SIDE, convert_ink
from emnist.reading.segmentation import (
    best_path,
    doubt_narrow_gaps,
    draw_boundaries,
    draw_candidate,
    list_candidates,
    oversegment,
    split_probabilities,
)

PAGE_SIDE = 1700  # pixels, of the page in which text is first looked for
HEIGHT = 48  # pixels, to which characters are enlarged or reduced
MIN_HEIGHT = 7  # pixels of the picture; what is lower is dust
BAR = 0.3  # usual heights; a low stroke, such as the bar of a J that is broken off, is lower
MAX_TILT = np.tan(np.radians(3.5))
MAX_REGIONS = 2000  # in a picture; of more, the largest are read
# Mean probability of the three likeliest characters together, in light writing. Lines of EMNIST's training images have at
# least 0.9; the edges of an empty sheet have 0.5 to 0.8.
LEAST_CERTAIN = 0.8
SPACE = 0.28  # cap heights; a gap between words is wider than this and than twice the median gap

# In the score of a path, a character's log-likelihood counts LIKELIHOOD times, and OFFSET is added to it first. Both were
# chosen on lines of training images.
LIKELIHOOD = 1.4
OFFSET = 1.25
# Within a word, a letter follows a digit, or a capital a small letter, less often by this factor (a logarithm).
LOG_CLASS_CHANGE = -2.5

# Vertical extents: top and bottom above the baseline, in cap heights. They are means of eight of the handwriting typefaces
# of `emnist.sources.sample`. Nothing is assumed of a character that is not listed.
EXTENTS = {
    "0123456789ABCDEFGHIKLMNOPQRSTUVWXYZbdfhiklt": (1.0, 0.0),
    "acemnorsuvwxz": (0.64, 0.0),
    "gpqy": (0.64, -0.46),
    "j": (0.9, -0.48),
}
EXTENT_OF_GROUP = np.array([*EXTENTS.values(), (np.nan, np.nan)])
EXTENT_DEVIATION = 0.11  # cap heights; standard deviation of a top or a bottom in handwriting
EXTENT_TAIL = np.exp(-4)  # likelihood of any other extent


@dataclass(frozen=True)
class Character:
    """A character of a line.

    Attributes
    ----------
    probabilities : list of (str, float)
        Each class with its probability, given its height and position in the line, the most probable first.
    box : tuple of int
        Left, top, right and bottom in pixels of the picture; right and bottom are exclusive.
    image : numpy.ndarray of uint8, shape (28, 28)
        The image that the network was given.
    follows_space : bool
        Whether a space is before it.
    """

    probabilities: list[tuple[str, float]]
    box: tuple[int, int, int, int]
    image: np.ndarray
    follows_space: bool = False


def guesses(probabilities, top):
    """Return the `top` most probable characters as JSON values: a list of dict, ``character`` and ``probability``."""
    return [{"character": character, "probability": value} for character, value in probabilities[:top]]


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
        """The characters, ``?`` for those that are unknown, with spaces between words."""
        likeliest = [(each.follows_space, *each.probabilities[0]) for each in self.characters]
        known = [(space, character if value >= self.min_probability else "?") for space, character, value in likeliest]
        return "".join(" " * (space and number > 0) + each for number, (space, each) in enumerate(known))

    @property
    def probability(self) -> float:
        """The least of the characters' probabilities; 1 where nothing is written."""
        return min((each.probabilities[0][1] for each in self.characters), default=1.0)

    def values(self, top: int = 3) -> dict:
        """Return JSON values: ``field``, ``text``, ``probability``, and ``characters``, each with its `top` guesses."""
        characters = [{"box": each.box, "guesses": guesses(each.probabilities, top)} for each in self.characters]
        return {"field": self.field, "text": self.text, "probability": self.probability, "characters": characters}


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
    height = usual_height(regions)
    sizes = boxes[:, 2:] - boxes[:, :2]
    sides = sizes.max(axis=1)
    # A low stroke that is no longer than a character is high is a part of a broken one, such as the bar of a J or a 5.
    is_part = (sides < 0.4 * height) | (sizes[:, 1] < BAR * height) & (sides < height)
    main = ~is_part & (sizes[:, 1] < 3 * height) & (regions.areas >= 6)
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
    small = is_part & (sides >= 0.06 * height) & (regions.areas >= 3)
    for number in np.flatnonzero(small)[:MAX_REGIONS]:
        across, down = gaps_to(boxes[number], boxes[main])
        is_dot = boxes[main, 1] >= boxes[number, 3]
        near = (across < 0.12 * height) & (down < np.where(is_dot, 0.6, 0.15) * height)
        if near.any():
            nearest = np.where(near, across + down, np.inf).argmin()
            lines[place[nearest]][int(main[nearest])].append(int(number))
    return [list(line.items()) for line in lines], slope


def _slope(x, y, height):
    """Find the slope at which the most points are in few rows."""
    if len(x) < 3:
        return 0.0
    slopes = MAX_TILT * np.linspace(-1, 1, 57)[:, None]
    rows = (y - slopes * x) / (0.08 * height)
    rows = (rows - rows.min(axis=1, keepdims=True)).astype(int)
    shape = len(slopes), rows.max() + 5  # so that counts of different slopes do not mix
    places = np.ravel_multi_index((np.indices(rows.shape)[0], rows + 2), shape)
    counts = np.bincount(places.ravel(), minlength=np.prod(shape))
    counts = np.convolve(counts, [1, 2, 3, 2, 1], "same").reshape(shape).astype(float)
    scores = (counts**2).sum(axis=1) * (1 - 2 * np.abs(slopes[:, 0]))
    best = np.flatnonzero(scores >= 0.999 * scores.max())
    return float(slopes[best[len(best) // 2], 0])


def measure_line(ink, line, slope):
    """Measure the median height of a line's higher components, and their baseline, less the slope: two float."""
    boxes = ink.regions.boxes[[main for main, _ in line]]
    heights = boxes[:, 3] - boxes[:, 1]
    is_high = heights >= 0.6 * heights.max()
    bottoms = boxes[:, 3] - slope * (boxes[:, 0] + boxes[:, 2]) / 2
    return np.median(heights[is_high]), np.median(bottoms[is_high])


def fit_baseline(tops, bottoms, probabilities, groups, height):
    """Find the baseline and the cap height that make the characters likeliest.

    Parameters
    ----------
    tops, bottoms : numpy.ndarray of float, shape (N,)
        Rows; the line's slope is taken off.
    probabilities : numpy.ndarray, shape (N, characters)
    groups : numpy.ndarray of int, shape (characters,)
        Which of `EXTENT_OF_GROUP` is each character's.
    height : float
        A first estimate of the cap height.

    Returns
    -------
    baseline, cap_height : float
    """
    baseline = np.median(bottoms)
    if len(set(groups)) == 1:
        return baseline, height
    sums = np.stack([probabilities[:, groups == group].sum(axis=1) for group in range(len(EXTENT_OF_GROUP))], axis=1)
    capitals = height * np.geomspace(0.7, 1.7, 19)[:, None, None]
    bases = baseline + capitals * np.linspace(-0.5, 0.2, 15)[:, None]
    likelihoods = (sums * fit_heights(tops, bottoms, bases, capitals)).sum(axis=-1)
    scores = np.log(likelihoods).sum(axis=-1, keepdims=True) - 2 * np.log(capitals / height) ** 2
    best = np.unravel_index(scores.argmax(), scores.shape)
    return bases[best], capitals[best[0], 0, 0]


def fit_heights(tops, bottoms, baseline, cap_height):
    """Compute the likelihood of tops and bottoms, given each of `EXTENT_OF_GROUP`: float (..., N, groups)."""
    likelihood = 1.0
    for sides, extents in zip((tops, bottoms), EXTENT_OF_GROUP.T):
        apart = (((baseline - sides) / cap_height)[..., None] - extents) / EXTENT_DEVIATION
        likelihood = likelihood * (np.exp(-0.5 * np.nan_to_num(apart**2, nan=2.0)) + EXTENT_TAIL)
    return likelihood


def extent_groups(characters):
    """List which of `EXTENT_OF_GROUP` is each character's, int (characters,)."""
    known = {character: number for number, group in enumerate(EXTENTS) for character in group}
    return np.array([known.get(character, len(EXTENTS)) for character in characters])


def read_as_character(ink, network, alphabet):
    """Read all ink as one `Character`."""
    rows, columns = part = extent(ink.strength > 0.2)
    box = columns.start, rows.start, columns.stop, rows.stop
    image = convert_ink(ink.strength[part])
    (row,) = alphabet.restrict(network.probabilities(image[None]))
    return _character(alphabet, row, box, image, ink.place)


def _character(alphabet, row, box, image, place, follows_space=False):
    left, top, scale = place
    box = tuple(round(scale * side + shift) for side, shift in zip(box, (left, top, left, top)))
    return Character(alphabet.rank(row), box, image, bool(follows_space))


def read_line(ink, line, slope, network, alphabet):
    """Read a line that `find_lines` has found: a list of `Character`."""
    height, baseline = measure_line(ink, line, slope)
    cap_height = height
    pieces = oversegment(ink, line, height)
    split = split_probabilities(draw_boundaries(pieces, height, baseline, slope))
    candidates, logs = list_candidates(doubt_narrow_gaps(split, pieces, height))
    images, boxes = map(np.stack, zip(*(draw_candidate(pieces[first:end]) for first, end in candidates)))
    # Not restricted to the alphabet: what looks like none of its characters is probably cut in the wrong place.
    probabilities = alphabet.gather(network.probabilities(images)) + 1e-6
    shift = slope * (boxes[:, 0] + boxes[:, 2]) / 2
    tops, bottoms = boxes[:, 1] - shift, boxes[:, 3] - shift
    groups = extent_groups(alphabet.characters)
    for _ in range(2):
        likely = probabilities * fit_heights(tops, bottoms, baseline, cap_height)[:, groups]
        path = best_path(len(pieces), candidates, logs + LIKELIHOOD * (np.log(likely.max(axis=1)) + OFFSET))
        baseline, cap_height = fit_baseline(tops[path], bottoms[path], probabilities[path], groups, height)
    boxes = boxes[path]
    gaps = np.append(0, boxes[1:, 0] - boxes[:-1, 2])
    is_wide = gaps > max(SPACE * cap_height, 2 * np.median(gaps[1:]) if len(gaps) > 2 else 0)
    rows = rescore_in_context(likely[path], is_wide, alphabet.characters)
    return [
        _character(alphabet, row, box, image, ink.place, space and alphabet.allows_space)
        for row, box, image, space in zip(rows, boxes, images[path], is_wide)
    ]


def read_lines(ink, network, alphabet, box_height=None):
    """Read the lines of ink, as `find_lines` finds them: a list of lists of `Character`, from top to bottom."""
    lines, slope = find_lines(ink.regions, box_height)
    return [read_line(ink, line, slope, network, alphabet) for line in lines]


def rescore_in_context(likely, starts_word, characters):
    """Compute probabilities given that digits, capitals and small letters seldom stand side by side in a word.

    Parameters
    ----------
    likely : numpy.ndarray of float, shape (N, characters)
        Likelihoods.
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
    change = np.where(seldom, LOG_CLASS_CHANGE, 0.0)
    forward, backward = likely.copy(), np.ones_like(likely)
    transitions = [np.ones_like(change) if start else np.exp(change) for start in starts_word]
    for n in range(1, len(likely)):
        forward[n] *= forward[n - 1] @ transitions[n]
        forward[n] /= forward[n].sum()
    for n in range(len(likely) - 1, 0, -1):
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
    for light_on_dark in {bool(is_light_on_dark(levels, share)) for share in (0.02, LEAST_SHARE)}:  # mostly one
        ink = find_writing(image, light_on_dark)
        if ink is not None:
            lines = read_lines(ink, network, alphabet)
            # An empty sheet on a dark desk looks like light writing, of which its edges would be the strokes.
            if not light_on_dark or _mean_certainty(lines) >= LEAST_CERTAIN:
                found.append(lines)
    return max(
        found, key=lambda lines: sum(each.probabilities[0][1] - 0.5 for line in lines for each in line), default=[]
    )


def _mean_certainty(lines):
    """Compute the mean probability of the three likeliest characters together; 0 without characters."""
    return np.mean([sum(value for _, value in each.probabilities[:3]) for line in lines for each in line] or [0])


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
        if len(boxes) < 200 and apart.any():
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
        height = usual_height(ink.regions)
        if scale * height < max(MIN_HEIGHT, MIN_SIDE * max(image.size)):
            return None
        if 0.6 < HEIGHT / height < 1.7:
            break
        side = min(MAX_SIDE, side * HEIGHT / height)
    return ink


def _drop_surroundings(ink):
    """Leave out blobs, frames, and what reaches in from the edge of the picture, if there is more than that.

    Punch holes and thumbs are blobs, and so are dots, which stay; a desk reaches in from the edge.
    """
    height, width = ink.strength.shape
    left, top, right, bottom = ink.regions.boxes.T
    blob = np.maximum(right - left, bottom - top) >= 0.4 * usual_height(ink.regions)
    blob[blob] = [is_blob(ink.regions, number) for number in np.flatnonzero(blob)]
    wide, tall = right - left > 0.5 * width, bottom - top > 0.5 * height
    is_large = wide & (width > STRIP * height) | tall & (height > STRIP * width)
    at_edge = (left == 0) | (top == 0) | (right == width) | (bottom == height)
    hollow = ink.regions.areas < 0.12 * (right - left) * (bottom - top)
    surroundings = blob | wide & tall & hollow
    inner = ink.keep(~(surroundings | is_large & at_edge))
    return inner if usual_height(inner.regions) > MIN_SIDE * max(height, width) else ink.keep(~surroundings)
