"""IDX files, gzipped or not, the format in which MNIST and EMNIST are published.

Files are untrusted: sizes in the header are checked before memory is allocated.
"""

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
UNSIGNED_BYTES = 0x0800  # the magic number of IDX is this plus the number of dimensions
MAX_ITEMS = 2_000_000  # largest number of images in a file; EMNIST ByClass has 814,255
BLOCK_ITEMS = 1024
DEFLATE_RATIO = 1032  # largest factor by which decompression can enlarge a deflate stream


def load_images(path, transposed=False):
    """Load a file of images.

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
        If the file is missing, damaged, or holds anything but such images.
    """
    blocks = _load_blocks(path, "images", (SIDE, SIDE))
    images = np.empty((next(blocks), SIDE, SIDE), np.uint8)
    start = 0
    for block in blocks:
        images[start : start + len(block)] = block.swapaxes(1, 2) if transposed else block
        start += len(block)
    return images


def load_labels(path, classes):
    """Load a file of labels from 0 to ``classes - 1``: ndarray of uint8, shape (N,). It raises as `load_images`."""
    _, *blocks = _load_blocks(path, "labels", ())
    labels = np.concatenate(blocks)
    if labels.max() >= classes:
        raise _format_error(path, "labels", f"it holds {labels.max()}, not only 0 to {classes - 1}")
    return labels


def load_pair(images_path, labels_path, classes, transposed=False):
    """Load images and their labels, as `load_images` and `load_labels` do; `UserError` also if their numbers differ."""
    labels = load_labels(labels_path, classes)
    images = load_images(images_path, transposed)
    if len(images) != len(labels):
        numbers = f"{len(labels):,} for the {len(images):,} images of {images_path}"
        raise _format_error(labels_path, "labels", f"it has {numbers}")
    return images, labels


def write_images(path, images, transposed=False):
    """Write upright images (uint8, shape (N, 28, 28)) as gzipped IDX; equal arrays give equal bytes."""
    write_image_blocks(path, len(images), [images], transposed)


def write_image_blocks(path, count, blocks, transposed=False):
    """Write `count` upright images, given in blocks (iterable of arrays as for `write_images`), to the same bytes."""
    _write(path, (count, SIDE, SIDE), (block.swapaxes(1, 2) if transposed else block for block in blocks))


def write_labels(path, labels):
    """Write labels (uint8, shape (N,)) as gzipped IDX; equal arrays give equal bytes."""
    _write(path, labels.shape, [labels])


def _write(path, shape, blocks):
    compressed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=compressed, mtime=0) as file:
        file.write(struct.pack(f">{1 + len(shape)}I", UNSIGNED_BYTES | len(shape), *shape))
        for block in blocks:
            file.write(np.ascontiguousarray(block, np.uint8))
    write_bytes(path, compressed.getbuffer())


def _load_blocks(path, kind, shape):
    """Yield the number of items, then the items in blocks; raise `UserError` at the first fault."""
    item_size, expected = math.prod(shape), UNSIGNED_BYTES | 1 + len(shape)
    header = struct.Struct(f">{2 + len(shape)}I")
    try:
        with _open(path) as file:
            magic, count, *found_shape = header.unpack(_read_exactly(file, header.size))
            if magic != expected:
                raise _format_error(path, kind, f"its magic number is {magic:#010x}, not {expected:#010x}")
            if tuple(found_shape) != shape:
                raise _format_error(path, kind, f"its images are {'x'.join(map(str, found_shape))}")
            if not 1 <= count <= MAX_ITEMS:
                raise _format_error(path, kind, f"it declares {count:,} items, not 1 to {MAX_ITEMS:,}")
            if count * item_size > DEFLATE_RATIO * os.path.getsize(path):
                raise _format_error(path, kind, f"it is too small for the {count:,} items it declares")
            yield count
            for start in range(0, count, BLOCK_ITEMS):
                items = min(BLOCK_ITEMS, count - start)
                yield np.frombuffer(_read_exactly(file, items * item_size), np.uint8).reshape(items, *shape)
            if file.read(1):  # gzip verifies its checksum at the end.
                raise _format_error(path, kind, f"more bytes follow the {count:,} items it declares")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: put the {kind} there") from None
    except EOFError:
        raise _format_error(path, kind, "it is cut short") from None
    except (OSError, zlib.error) as error:
        raise _format_error(path, kind, getattr(error, "strerror", None) or str(error)) from None


def _open(path):
    with open(path, "rb") as file:
        is_gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_gzipped else open(path, "rb")


def _read_exactly(file, size):
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _format_error(path, kind, reason):
    shape = f"{SIDE}x{SIDE} images" if kind == "images" else kind
    return UserError(f"{path} should hold {shape} in gzipped IDX format, but {reason}: replace it by a sound copy")
