"""Gzipped IDX files, the format in which MNIST and EMNIST are published, read without trusting them."""

import gzip
import io
import math
import os
import struct
import zlib

import numpy as np

from emnist.utils.atomic import write_bytes
from emnist.utils.errors import UserError

SIDE = 28
UNSIGNED_BYTES = 0x0800  # magic number of IDX, to which the number of dimensions is added
MOST_ITEMS = 2_000_000  # EMNIST ByClass has 814,255
BLOCK_ITEMS = 1024
DEFLATE_RATIO = 1032  # no deflate stream grows more than this when it is decompressed


def read_images(path, transposed=False):
    """Read a file of images.

    Parameters
    ----------
    path : path-like
        Gzipped IDX file of 28x28 images.
    transposed : bool
        Whether the file holds each image with rows and columns swapped, as EMNIST's official files do.

    Returns
    -------
    ndarray of uint8, shape (N, 28, 28)
        Upright images. Memory peaks at this one array.

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds anything else.
    """
    blocks = _blocks(path, "images", (SIDE, SIDE))
    images = np.empty((next(blocks), SIDE, SIDE), np.uint8)
    start = 0
    for block in blocks:
        images[start : start + len(block)] = block.swapaxes(1, 2) if transposed else block
        start += len(block)
    return images


def read_labels(path, classes):
    """Read a file of labels.

    Parameters
    ----------
    path : path-like
        Gzipped IDX file of labels.
    classes : int
        Every label must be below it.

    Returns
    -------
    ndarray of uint8, shape (N,)

    Raises
    ------
    UserError
        As `read_images` does.
    """
    _, *blocks = _blocks(path, "labels", ())
    labels = np.concatenate(blocks)
    if labels.max() >= classes:
        raise _unusable(path, "labels", f"it holds {labels.max()}, not only 0 to {classes - 1}")
    return labels


def read_pair(images_path, labels_path, classes, transposed=False):
    """Read images and their labels, and check that there are as many of the one as of the other.

    Parameters are those of `read_images` and `read_labels`, as are the two arrays returned; a `UserError` is
    raised if either file is unusable or their counts disagree.
    """
    labels = read_labels(labels_path, classes)
    images = read_images(images_path, transposed)
    if len(images) != len(labels):
        raise _unusable(
            labels_path, "labels", f"it has {len(labels):,} for the {len(images):,} images of {images_path}"
        )
    return images, labels


def write_images(path, images, transposed=False):
    """Write upright images (uint8, shape (N, 28, 28)) for `read_images`; equal arrays give equal bytes."""
    _write(path, images.swapaxes(1, 2) if transposed else images)


def write_labels(path, labels):
    """Write labels (uint8, shape (N,)) for `read_labels`; equal arrays give equal bytes."""
    _write(path, labels)


def _write(path, array):
    compressed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=compressed, mtime=0) as file:
        file.write(struct.pack(f">{1 + array.ndim}I", UNSIGNED_BYTES | array.ndim, *array.shape))
        file.write(np.ascontiguousarray(array, np.uint8))
    write_bytes(path, compressed.getbuffer())


def _blocks(path, kind, shape):
    """Yield the number of items, then the items in blocks; raise `UserError` at the first thing wrong."""
    item_size = math.prod(shape)
    expected_magic = UNSIGNED_BYTES | 1 + len(shape)
    header = struct.Struct(f">{2 + len(shape)}I")
    try:
        with gzip.open(path) as file:
            magic, count, *found_shape = header.unpack(_read(file, header.size))
            if magic != expected_magic:
                raise _unusable(path, kind, f"its magic number is {magic:#010x}, not {expected_magic:#010x}")
            if tuple(found_shape) != shape:
                raise _unusable(path, kind, f"its images are {'x'.join(map(str, found_shape))}")
            if not 1 <= count <= MOST_ITEMS:
                raise _unusable(path, kind, f"it declares {count:,} items, not 1 to {MOST_ITEMS:,}")
            if count * item_size > DEFLATE_RATIO * os.path.getsize(path):
                raise _unusable(path, kind, f"it is too small for the {count:,} items it declares")
            yield count
            for start in range(0, count, BLOCK_ITEMS):
                items = min(BLOCK_ITEMS, count - start)
                yield np.frombuffer(_read(file, items * item_size), np.uint8).reshape(items, *shape)
            if file.read(1):  # also makes gzip compare its checksum
                raise _unusable(path, kind, f"more bytes follow the {count:,} items it declares")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: put the {kind} there") from None
    except EOFError:
        raise _unusable(path, kind, "it is cut short") from None
    except (OSError, zlib.error) as error:
        raise _unusable(path, kind, getattr(error, "strerror", None) or str(error)) from None


def _read(file, size):
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _unusable(path, kind, reason):
    shape = f"{SIDE}x{SIDE} images" if kind == "images" else kind
    return UserError(f"{path} should hold {shape} in gzipped IDX format, but {reason}: get the file again")
