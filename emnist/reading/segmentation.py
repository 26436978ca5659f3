"""Oversegmentation of a line, and the candidates for its characters.

A small network gives the probability of a split at each boundary between two pieces.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from emnist.data.convert import extent
from emnist.reading.ink import union
from emnist.reading.network import make_session
from emnist.reading.pictures import convert_ink

SLANTS = (-0.35, 0.0, 0.35)  # of cuts: columns to the right for each row up
# In heights of the line:
CUTS_APART = 0.12  # least distance of two cuts
MOST_CUTS = 6  # in a width of one height
MOST_INK = 0.6  # that a cut crosses
BOUNDARY = 40, 48  # rows and columns of what is drawn around a boundary: 2 and 2.4 line heights
UNLIKELY = 0.02  # probability of a split, or of none, below which it is not considered
NARROW = 0.4  # of the line's usual gap: at a narrower one, a character may be broken, or cut
USUAL_GAP = 0.1  # line heights; in a line with a narrower one, characters may touch
DOUBT = 0.5  # the most probability of a split at a narrow gap
MAX_PIECES = 5  # of one character, between boundaries where a split is likely enough
MAX_COMPONENTS = 120  # in a line whose components are cut; more are probably dust


@dataclass(frozen=True)
class Piece:
    """A part of a connected component, which belongs to one character.

    Attributes
    ----------
    strength : numpy.ndarray of float32, shape (height, width)
        Its ink.
    box : numpy.ndarray of int
        Left, top, right and bottom; right and bottom are exclusive.
    """

    strength: np.ndarray
    box: np.ndarray


def oversegment(ink, line, height):
    """Cut a line's components wherever characters may touch: a list of `Piece` from left to right."""
    pieces = []
    for main, parts in line:
        left, top, right, bottom = union(ink.regions.boxes[[main, *parts]])
        labels = ink.regions.labels[top:bottom, left:right]
        own = np.logical_or.reduce([labels == number for number in (main, *parts)])
        strength = np.where(own, ink.strength[top:bottom, left:right], 0)
        cuts = _find_cuts(own, height) if len(line) <= MAX_COMPONENTS else []
        right_of, above = np.arange(right - left), (bottom - top) / 2 - np.arange(bottom - top)[:, None]
        cuts_before = sum((right_of - slant * above >= column for column, slant in cuts), np.zeros(own.shape, int))
        for number in range(len(cuts) + 1):
            piece = np.where(cuts_before == number, strength, 0)
            if piece.any():
                y, x = part = extent(piece)
                box = np.array([left + x.start, top + y.start, left + x.stop, top + y.stop])
                pieces.append(Piece(piece[part], box))
    return sorted(pieces, key=lambda piece: piece.box[0] + piece.box[2])


def draw_boundaries(pieces, height, baseline, slope):
    """Draw what is left and what is right of each boundary between pieces, uint8 (pieces - 1, 2, rows, columns)."""
    boxes = np.stack([piece.box for piece in pieces])
    wide, high = round(1.2 * height), round(height)
    left, top, right, bottom = union(boxes) + np.array([-2, -2, 2, 2]) * (wide + high)
    # Two bands of a picture, which has four: what is left of the boundary, and what is right of it.
    sheet = np.zeros((bottom - top, right - left, 4), np.uint8)
    inks = [(255 * piece.strength).astype(np.uint8) for piece in pieces]
    parts = [sheet[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes - (left, top, left, top)]
    for part, ink in zip(parts, inks):
        part[..., 1] += ink  # no pixel belongs to two pieces
    picture = Image.frombuffer("RGBX", (right - left, bottom - top), sheet, "raw", "RGBX", 0, 1)  # shares its memory
    rows, columns = BOUNDARY
    drawn = Image.new("RGBX", (columns, rows * (len(pieces) - 1)))
    for number, (before, after) in enumerate(zip(boxes, boxes[1:])):
        parts[number][..., 0] += inks[number]
        parts[number][..., 1] -= inks[number]
        x = (before[2] + after[0]) / 2
        y = baseline + slope * x - 0.45 * height
        x, y = round(x) - left, min(max(round(y) - top, high), bottom - top - high)
        around = picture.crop((x - wide, y - high, x + wide, y + high))
        drawn.paste(around.resize((columns, rows), Image.Resampling.BOX), (0, number * rows))
    return np.asarray(drawn).reshape(-1, rows, columns, 4)[..., :2].transpose(0, 3, 1, 2)


@cache
def _cuts_network():
    return make_session((Path(__file__).parent / "segmentation.onnx").read_bytes())


def split_probabilities(drawn):
    """Compute the probability of a split at each boundary, float (N,), of what `draw_boundaries` gives."""
    if not len(drawn):
        return np.zeros(0)
    return _cuts_network().run(None, {"boundaries": drawn})[0].astype(float)


def doubt_narrow_gaps(probabilities, pieces, height):
    """Limit the probabilities of a split, float (pieces - 1,), to `DOUBT` at gaps much narrower than the line's others."""
    is_split = probabilities > 0.5
    if not is_split.any():
        return probabilities
    boxes = np.stack([piece.box for piece in pieces])
    gaps = boxes[1:, 0] - boxes[:-1, 2]
    usual = np.median(gaps[is_split])
    is_narrow = (usual > USUAL_GAP * height) & (gaps < NARROW * usual)
    return np.where(is_narrow, np.minimum(probabilities, DOUBT), probabilities)


def list_candidates(probabilities):
    """List the runs of pieces that may be characters, and how probable their boundaries are.

    Parameters
    ----------
    probabilities : numpy.ndarray of float, shape (pieces - 1,)
        The probability of a split between a piece and the next.

    Returns
    -------
    candidates : list of (int, int)
        The first piece, and the one after the last.
    logs : numpy.ndarray of float, shape (candidates,)
        Logarithm of the probability of a split at the candidate's end, and of none within it.
    """
    split = np.append(probabilities, 1)
    log_split, log_joined = np.log(split + 1e-9), np.append(0, np.log(1 - split[:-1] + 1e-9).cumsum())
    ends = np.flatnonzero(split > UNLIKELY) + 1
    candidates, logs = [], []
    for number, first in enumerate([0, *ends[:-1]]):
        for end in ends[number : number + MAX_PIECES]:
            candidates.append((int(first), int(end)))
            logs.append(log_joined[end - 1] - log_joined[first] + log_split[end - 1])
            if split[end - 1] > 1 - UNLIKELY:
                break
    return candidates, np.array(logs)


def _find_cuts(mask, height):
    """Find where a region may be cut: a list of (column at half its height, slant), from left to right."""
    rows, width = mask.shape
    if width < 0.55 * height:
        return []
    found, kept, (y, x) = [], [], np.nonzero(mask)
    edge = max(2, int(CUTS_APART * height))
    columns = np.arange(edge, width - edge)
    for slant in SLANTS:
        shifts = np.rint(slant * (rows / 2 - np.arange(rows))).astype(int)
        profile = np.bincount(np.maximum(x - shifts[y] + rows, 0), minlength=width + 2 * rows)[rows : rows + width]
        smooth = np.convolve(profile, [0.25, 0.5, 0.25], "same")
        is_least = smooth[columns] <= np.minimum(smooth[columns - 1], smooth[columns + 1])
        least = columns[is_least & (smooth[columns] < MOST_INK * height)]
        found += [(ink, abs(slant), column, slant) for ink, column in zip(profile[least].tolist(), least.tolist())]
    for *_, column, slant in sorted(found):
        if all(abs(column - other) >= CUTS_APART * height for other, _ in kept):
            kept.append((column, slant))
    return sorted(kept[: math.ceil(MOST_CUTS * width / height)])


def draw_candidate(pieces):
    """Draw pieces together as the networks see a character, uint8 (28, 28), and give their box."""
    left, top, right, bottom = box = union(np.array([piece.box for piece in pieces]))
    sheet = np.zeros((bottom - top, right - left), np.float32)
    for piece in pieces:
        x0, y0, x1, y1 = piece.box - (left, top, left, top)
        np.maximum(sheet[y0:y1, x0:x1], piece.strength, out=sheet[y0:y1, x0:x1])
    return convert_ink(sheet), box


def best_path(count, candidates, scores):
    """Choose the candidates that follow each other from the first piece to the last with the largest sum of scores."""
    best, back = np.full(count + 1, -np.inf), [None] * (count + 1)
    best[0] = 0
    for number, (first, end) in enumerate(candidates):  # in order of their first pieces
        value = best[first] + scores[number]
        if value > best[end]:
            best[end], back[end] = value, number
    path, end = [], count
    while end:
        path.append(back[end])
        end = candidates[back[end]][0]
    return path[::-1]
