"""Forms: the boxes of a page, the fields that a table describes, and what is written in them."""

import csv
import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from emnist.reading.alphabet import Alphabet
from emnist.reading.ink import find_contrast, find_ink, is_light_on_dark, running, thicken, union, weighted_median
from emnist.reading.strokes import find_regions, find_runs, run_lengths
from emnist.reading.text import MAX_TILT, PAGE_SIDE, read_as_character, read_lines
from emnist.utils.errors import UserError

COLUMNS = ("field", "left", "top", "width", "height", "characters")
FIELD_HEIGHT = 100  # pixels, to which higher fields are reduced
MARGIN = 0.4  # of a field's height, around it: what is written reaches over its lines
EDGE = 0.16  # of a field's height, on both sides of its edges: where its lines are


class TextWarning(UserWarning):
    """About a picture whose text may be read wrongly."""


@contextmanager
def collect_warnings(notes):
    """Append the text of each `TextWarning` of a ``with`` statement to a list, and show no warning."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", TextWarning)
        yield
    notes += [str(each.message) for each in found if each.category is TextWarning]


@dataclass(frozen=True)
class Field:
    """A field of a form.

    Attributes
    ----------
    name : str
    cells : numpy.ndarray of float, shape (N, 4)
        Left, top, right and bottom of its box, or of each box of a comb.
    characters : str or None
        That are possible.
    """

    name: str
    cells: np.ndarray
    characters: str | None = None


def load_fields(path):
    """Load a table of fields: CSV with the columns `COLUMNS`."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
        header = text.partition("\n")[0]
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if header.count(";") > header.count(",") else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UserError(
            f"{path} should be a table of fields in CSV, but cannot be read ({reason}): save it again"
        ) from None
    form = f"{path} should have the columns {','.join(COLUMNS)}"
    if not rows or (lacking := [column for column in COLUMNS[:5] if column not in rows[0]]):
        raise UserError(f"{form}, but {'lacks ' + ', '.join(lacking) if rows else 'has no row'}: write one row a field")
    fields = {}
    for row in rows:
        try:
            left, top, width, height = (float(row[column]) for column in COLUMNS[1:5])
        except (TypeError, ValueError):
            raise UserError(
                f"{form} with numbers of pixels, but has others in the field {row['field']}: write numbers"
            ) from None
        if not (0 <= left < np.inf and 0 <= top < np.inf and 4 <= width < np.inf and 4 <= height < np.inf):
            raise UserError(
                f"{path} should have fields within the picture, of 4 pixels or more, but the field {row['field']} has "
                f"other numbers: give left, top, width and height in pixels of the picture"
            )
        if row["field"] in fields:
            raise UserError(f"{path} should name each field once, but names {row['field']} twice: rename one")
        box = np.array([[left, top, left + width, top + height]])
        fields[row["field"]] = Field(row["field"], box, row.get("characters") or None)
    return list(fields.values())


@dataclass(frozen=True)
class Page:
    """A page with boxes.

    Attributes
    ----------
    image : PIL.Image.Image
        Grey levels.
    angle : float
        In degrees, by which the page would be turned counter-clockwise about its middle to be upright.
    boxes : numpy.ndarray of float, shape (N, 4)
        In pixels of the upright page.
    light_on_dark : bool
    """

    image: Image.Image
    angle: float
    boxes: np.ndarray
    light_on_dark: bool

    def to_picture(self, points):
        """Turn points of the upright page, float (..., 2), into points of the picture."""
        middle = np.array(self.image.size) / 2
        return (points - middle) @ _turn(np.radians(self.angle)).T + middle

    def cut(self, left, top, scale, width, height):
        """Cut grey levels, uint8 (height, width), out of the upright page; one of their pixels is `scale` of the page's."""
        first, across, down = self.to_picture(np.array([[left, top], [left + scale, top], [left, top + scale]]))
        (a, d), (b, e) = across - first, down - first
        matrix = (a, b, first[0], d, e, first[1])
        paper = 0 if self.light_on_dark else 255
        return np.asarray(
            self.image.transform(
                (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=paper
            )
        )

    def box_in_picture(self, box):
        """Move a box of the upright page to the picture; its size stays."""
        left, top, right, bottom = box
        x, y = self.to_picture(np.array([left + right, top + bottom]) / 2) - np.array([right - left, bottom - top]) / 2
        return round(x), round(y), round(x) + right - left, round(y) + bottom - top


def _turn(angle):
    """Return the matrix that turns points by an angle in radians."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def find_page(image):
    """Find the boxes of a page, grey levels of Pillow, and how it is turned: a `Page`."""
    factor = max(1, -(-max(image.size) // PAGE_SIDE))
    small = image.reduce(factor)
    dark = bool(is_light_on_dark(np.asarray(small)))
    dark_ink, ink = _page_masks(small, dark)
    least = max(12, max(ink.shape) // 40)
    gap = least // 4
    angle = float(np.degrees(np.arctan(_slope_of_lines(_long_runs(thicken(ink), least, gap), least))))
    if abs(angle) > 0.1:
        small = small.rotate(angle, Image.Resampling.BILINEAR, fillcolor=int(np.median(np.asarray(small)[::4, ::4])))
        dark_ink, ink = _page_masks(small, dark)
    else:
        angle = 0.0
    boxes = _add_boxes(_find_boxes(dark_ink, least, gap), _find_boxes(ink, least, gap))
    return Page(image, angle, factor * boxes, dark)


def _find_boxes(mask, least, gap):
    """Find the boxes of a mask that contain no others: float (N, 4)."""
    boxes = _boxes_of(mask, least, least, gap)
    if len(boxes):  # again, with sides longer than most strokes, which else part the boxes that they stand in
        height = np.median(boxes[:, 3] - boxes[:, 1])
        boxes = _add_boxes(_boxes_of(mask, least, max(least, int(0.9 * height)), gap), boxes)
    return boxes


def _add_boxes(surer, others):
    """Add boxes that have their middles in none of those that are surer; keep what contains no other."""
    boxes = np.concatenate([surer, others[~_contain(surer, others).any(axis=0)]])
    return boxes[_contain(boxes, boxes).sum(axis=1) == 1]


def _boxes_of(mask, width, height, gap):
    """Find what is enclosed by lines of at least such lengths: float (N, 4)."""
    across, down = (
        _long_runs(each, least, gap) | _long_runs(thicken(each), 4 * least, gap)
        for each, least in ((mask, width), (mask.T, height))
    )
    barrier = running(np.maximum, np.pad(across | down.T, 1), 3)  # so that a line in steps has no gaps
    regions = find_regions(~barrier)
    sizes = regions.boxes[:, 2:] - regions.boxes[:, :2]
    good = (sizes >= (0.5 * width, 0.8 * width)).all(axis=1) & (regions.areas > 0.75 * sizes.prod(axis=1))
    good &= (regions.boxes[:, :2] > 0).all(axis=1) & (regions.boxes[:, 2:] < barrier.shape[::-1]).all(axis=1)
    return regions.boxes[good].astype(float) + (-3, -3, 3, 3)


def _contain(outer, inner):
    """Tell which boxes contain the middle of which others: bool (outer, inner)."""
    middle = (inner[:, :2] + inner[:, 2:]) / 2
    return (outer[:, None, :2] < middle).all(axis=2) & (middle < outer[:, None, 2:]).all(axis=2)


def _page_masks(image, light_on_dark):
    """Find what has at least a quarter, and a tenth, of the contrast of the darkest ink."""
    contrast, least = find_contrast(np.asarray(image), light_on_dark)
    return [contrast > np.maximum(least, part * np.quantile(contrast, 0.99)) for part in (0.25, 0.1)]


def _long_runs(mask, least, gap):
    """Find the pixels of lines nearly along the rows; short gaps in them are closed."""
    long = run_lengths(mask) >= least
    gaps = run_lengths(~long)
    return long | ((gaps > 0) & (gaps < gap))


def _slope_of_lines(long, least):
    """Compute the median slope of lines, each weighted by its length."""
    regions = find_regions(long)
    slopes, weights = [], []
    for number in np.flatnonzero(regions.boxes[:, 2] - regions.boxes[:, 0] > 2 * least):
        left, top, right, bottom = regions.boxes[number]
        own = regions.labels[top:bottom, left:right] == number
        rows = np.arange(bottom - top)[:, None]
        counts = np.maximum(own.sum(axis=0), 1)
        middle = (own * rows).sum(axis=0) / counts
        x = np.arange(right - left)
        slopes.append(np.polyfit(x, middle, 1)[0])
        weights.append(right - left)
    if not slopes:
        return 0.0
    slope = weighted_median(np.array(slopes), np.array(weights))
    return slope if abs(slope) <= MAX_TILT else 0.0


def fields_of_boxes(boxes):
    """Make a field of each box and each comb, in reading order."""
    rows, fields = [], []
    for box in boxes[np.argsort((boxes[:, 1] + boxes[:, 3]) / 2, kind="stable")]:
        middle, height = (box[1] + box[3]) / 2, box[3] - box[1]
        if rows and middle - np.mean(np.array(rows[-1])[:, [1, 3]]) < 0.5 * min(
            height, rows[-1][0][3] - rows[-1][0][1]
        ):
            rows[-1].append(box)
        else:
            rows.append([box])
    for row in rows:
        row = np.array(sorted(row, key=lambda box: box[0]))
        widths, heights = (row[:, 2:] - row[:, :2]).T
        near = (row[1:, 0] - row[:-1, 2] < 0.15 * heights[1:]) & (np.abs(np.diff(row[:, 1])) < 0.2 * heights[1:])
        ratios = widths[1:] / widths[:-1]
        alike = (0.6 < ratios) & (ratios < 1.7) & (widths[1:] < 1.6 * heights[1:])
        for group in np.split(row, np.flatnonzero(~(near & alike)) + 1):
            parts = [group] if len(group) > 2 else group[:, None]
            fields += [Field(f"box{number}", part) for number, part in enumerate(parts, len(fields) + 1)]
    return fields


def register(fields, boxes):
    """Move fields to the boxes of a page that is shifted, turned or scaled against them.

    Returns
    -------
    list of Field
        Or None if the boxes do not tell.
    """
    combs = [union(field.cells) for field in fields_of_boxes(boxes) if len(field.cells) > 1]
    places = np.vstack([boxes, *combs])
    wanted = np.array([field.cells[0] for field in fields])
    moved = _move(wanted, places)
    if moved is None and len(places):
        moved = _move(_scale_between(wanted, places) * wanted, places)
    return None if moved is None else [replace(field, cells=box[None]) for field, box in zip(fields, moved)]


def _scale_between(wanted, boxes):
    """Find the factor by which most boxes are larger than wanted ones, in width and height alike."""
    ratios = np.log((boxes[:, 2:] - boxes[:, :2]) / (wanted[:, 2:] - wanted[:, :2])[:, None])
    alike = np.abs(ratios[..., 0] - ratios[..., 1]) < 0.1
    counts, edges = np.histogram(ratios.mean(axis=2)[alike], np.arange(-2, 2, 0.02))
    best = np.convolve(counts, [1, 1, 1], "same").argmax()
    return np.exp(edges[best : best + 2].mean())


def _move(wanted, boxes):
    """Move the wanted boxes, float (N, 4), to boxes of a page; None if these do not tell."""
    sizes, found = wanted[:, 2:] - wanted[:, :2], boxes[:, 2:] - boxes[:, :2]
    tolerances = 0.08 * sizes + 0.15 * sizes.min(axis=1, keepdims=True)
    first, second = np.nonzero((np.abs(sizes[:, None] - found) < tolerances[:, None]).all(axis=2))
    if not len(first):
        return None
    centres, places = (wanted[:, :2] + wanted[:, 2:]) / 2, (boxes[:, :2] + boxes[:, 2:]) / 2
    tolerance = 0.4 * np.median(sizes.min(axis=1))
    best, chosen = 0, None
    for angle in np.radians(np.linspace(-3.5, 3.5, 29)):
        shifts = places[second] - centres[first] @ _turn(angle).T
        near = (np.abs(shifts[:, None] - shifts[None]) < tolerance).all(axis=2)
        # The smaller of two shifts or turns, where both fit as many boxes, as in a regular table.
        counts = near.sum(axis=1) - 1e-4 * np.hypot(*shifts.T) / tolerance - 1e-3 * abs(angle)
        if counts.max() > best:
            best, chosen = counts.max(), near[counts.argmax()]
    if chosen.sum() < max(1, 0.4 * len(wanted)):
        return None
    first, second = first[chosen], second[chosen]
    moves, middle = places[second] - centres[first], centres[first].mean(axis=0)
    # Of boxes in a row or a column, only how they move along it is known: the solution of least norm.
    turn = np.linalg.lstsq(centres[first] - middle, moves - moves.mean(axis=0), rcond=0.1)[0]
    centres = centres + moves.mean(axis=0) + (centres - middle) @ turn
    moved = np.hstack([centres - sizes / 2, centres + sizes / 2])
    moved[first] = boxes[second]
    return moved


def divide(field, boxes):
    """Divide a field into the boxes that fill it side by side, if there are such."""
    (place,) = field.cells
    sizes = (boxes[:, 2:] - boxes[:, :2]) / (place[2:] - place[:2])
    inner = _contain(place[None], boxes)[0] & (sizes[:, 0] < 0.7) & (sizes[:, 1] > 0.6)
    cells = boxes[inner]
    return replace(field, cells=cells[cells[:, 0].argsort()]) if sizes[inner, 0].sum() > 0.8 else field


def read_field(page, field, network, alphabet):
    """Read what is written in a field of a `Page`: a list of `emnist.reading.text.Character`."""
    found, is_comb = [], len(field.cells) > 1
    for ink in filter(None, (_ink_of_cell(page, cell) for cell in field.cells)):
        lines = (
            [[read_as_character(ink, network, alphabet)]]
            if is_comb
            else read_lines(ink, network, alphabet, FIELD_HEIGHT)
        )
        for first, *others in lines:
            found += [replace(first, follows_space=alphabet.allows_space and bool(found) and not is_comb), *others]
    return [replace(each, box=page.box_in_picture(each.box)) for each in found]


def _ink_of_cell(page, cell):
    """Find the ink in a box, without the box itself; None if it is empty."""
    left, top, right, bottom = cell
    short = min(bottom - top, right - left)
    scale = short / FIELD_HEIGHT
    margin, edge = round(MARGIN * FIELD_HEIGHT), round(EDGE * FIELD_HEIGHT)
    width, height = round((right - left) / scale), round((bottom - top) / scale)
    place = left - margin * scale, top - margin * scale, scale
    levels = page.cut(*place, width + 2 * margin, height + 2 * margin)

    def clear(mask, contrast):
        for across, darkness, length in ((mask, contrast, height), (mask.T, contrast.T, width)):
            for at in (margin, margin + length):
                band = slice(at - edge, at + edge), slice(margin - edge, edge - margin)
                parts = -(-across[band].shape[1] // (2 * FIELD_HEIGHT))
                for each in zip(*(np.array_split(levels[band], parts, axis=1) for levels in (across, darkness))):
                    _clear_line(*each)

    ink = find_ink(levels, place, page.light_on_dark, clear)
    regions = ink.regions
    inside, deep = (
        np.bincount(
            regions.labels[by : by + height - 2 * (by - margin), by : by + width - 2 * (by - margin)].ravel(),
            minlength=len(regions.areas),
        )
        for by in (margin, margin + edge // 2)
    )
    keep = (inside >= 0.5 * regions.areas) & (deep >= 0.3 * regions.areas)
    keep[0] = False
    sizes = regions.boxes[:, 2:] - regions.boxes[:, :2]
    is_tick = keep & (sizes < (0.08 * FIELD_HEIGHT, 0.4 * FIELD_HEIGHT)).all(axis=1)
    is_tick &= regions.boxes[:, 3] > margin + height - edge // 2
    if is_tick.sum() > 1:  # they part the lower line into places for one character each
        keep &= ~is_tick
    if not (keep & (sizes.max(axis=1) >= 0.2 * FIELD_HEIGHT)).any():
        return None
    return ink.keep(keep)


def _clear_line(band, contrast):
    """Clear a line along the rows of a mask, in place; strokes that touch or cross it are kept."""
    if thicken(band).mean(axis=1).max() < 0.6:
        return
    row = np.convolve(band.mean(axis=1), [1, 2, 3, 2, 1], "same").argmax()
    band &= contrast > 0.25 * np.median(contrast[row, band[row]])  # not the line's rim
    columns = np.ascontiguousarray(band.T)
    starts, ends = find_runs(columns)
    lengths, tops = ends - starts, starts % (len(band) + 2)
    apart = np.maximum(tops - row, row - (tops + lengths - 1))
    thickness = np.quantile(lengths[apart <= 0], 0.4)  # since strokes touch less than half of the line
    is_line = (apart <= thickness / 2) & (lengths <= 1.4 * thickness + 1)
    columns[columns] = np.repeat(~is_line, lengths)
    band[:] = columns.T


def _check_within(fields, size, slack, path):
    """Raise a `UserError` if a field reaches beyond a picture of `size` by more than `slack` pixels."""
    for field in fields:
        if (field.cells[:, 2:] > np.array(size) + slack).any():
            raise UserError(
                f"{path} should have fields within the picture, which has {size[0]}x{size[1]} pixels, but the field "
                f"{field.name} is not: give left, top, width and height in pixels of this picture"
            )


def read_form(image, network, alphabet, name, fields=None, ignore_case=False):
    """Read a form: a list of (field's name, list of `emnist.reading.text.Character`).

    Parameters
    ----------
    image : PIL.Image.Image
        Grey levels.
    network : emnist.reading.network.Network
    alphabet : emnist.reading.alphabet.Alphabet
        Of the fields that have none of their own.
    name : str
        What errors call the picture.
    fields : path-like, optional
        As for `load_fields`. Default: the boxes are the fields.
    ignore_case : bool
        Of the fields' own alphabets.
    """
    page = find_page(image)
    if fields is None:
        if not len(page.boxes):
            raise UserError(f"{name} should show boxes, but none was found: leave out --boxes, or give --fields")
        found = fields_of_boxes(page.boxes)
    else:
        described = load_fields(fields)
        found = register(described, page.boxes)
        _check_within(found or described, image.size, 0.05 * max(image.size) if found else 1, fields)
        if not found:
            if len(page.boxes) >= max(2, len(described)):
                sentence = (
                    f"the boxes of {name} do not lie as its fields do: the fields are read where the table has them"
                )
                warnings.warn(sentence, TextWarning, stacklevel=3)
            found, page = described, replace(page, angle=0.0)
        found = [divide(field, page.boxes) for field in found]
    alphabets = [
        Alphabet(network.classes, field.characters, ignore_case) if field.characters else alphabet for field in found
    ]
    return [(field.name, read_field(page, field, network, own)) for field, own in zip(found, alphabets)]
