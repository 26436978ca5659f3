import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emnist.data import idx
from emnist.utils.errors import UserError

IMAGES = np.zeros((3, 28, 28), np.uint8)
IMAGES[:, 8:16, 10:18] = np.random.default_rng(0).integers(0, 256, (3, 8, 8))
LABELS = np.array([0, 61, 7], np.uint8)


def packed(*header, body=b""):
    """The bytes of a gzipped IDX file, right or wrong."""
    return gzip.compress(struct.pack(f">{len(header)}I", *header) + body, mtime=0)


GOOD_IMAGES = packed(0x803, 3, 28, 28, body=IMAGES.tobytes())
GOOD_LABELS = packed(0x801, 3, body=LABELS.tobytes())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "file.gz"


@pytest.fixture
def pair(tmp_path):
    idx.write_images(tmp_path / "images.gz", IMAGES)
    idx.write_labels(tmp_path / "labels.gz", LABELS)
    return tmp_path / "images.gz", tmp_path / "labels.gz"


def test_what_is_written_is_read_back(pair):
    images, labels = idx.load_pair(*pair, classes=62)
    assert images.dtype == labels.dtype == np.uint8
    assert np.array_equal(images, IMAGES) and np.array_equal(labels, LABELS)


def test_transposed_files_are_read_upright(tmp_path):
    many = np.random.default_rng(1).integers(0, 256, (2 * idx.BLOCK_ITEMS + 5, 28, 28), np.uint8)
    idx.write_images(tmp_path / "images.gz", many, transposed=True)
    assert np.array_equal(idx.load_images(tmp_path / "images.gz"), many.swapaxes(1, 2))
    assert np.array_equal(idx.load_images(tmp_path / "images.gz", transposed=True), many)


def test_equal_arrays_give_equal_bytes_free_of_time_and_name(tmp_path):
    for name in ("one.gz", "two.gz"):
        idx.write_images(tmp_path / name, IMAGES)
    content = (tmp_path / "one.gz").read_bytes()
    assert content == (tmp_path / "two.gz").read_bytes()
    assert content[3:10] == bytes([0, 0, 0, 0, 0, 0, 255])  # no name, no time, no operating system


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "cut short"),
        (b"plain text, no gzip at all", "gzip"),
        (packed(0x803, 3, 28, 28, body=IMAGES.tobytes()[:-1]), "cut short"),
        (packed(0x803, 3, 28, 28, body=IMAGES.tobytes() + b"x"), "more bytes follow the 3 items"),
        (GOOD_IMAGES + b"garbage", "gzip"),
        (packed(0x801, 3, body=LABELS.tobytes() * 9), "magic number is 0x00000801, not 0x00000803"),
        (packed(0x803, 3, 14, 56, body=IMAGES.tobytes()), "its images are 14x56"),
        (packed(0x803, 0, 28, 28), "declares 0 items"),
        (packed(0x803, 2**32 - 1, 28, 28, body=IMAGES.tobytes()), "declares 4,294,967,295 items"),
        (packed(0x803, idx.MAX_ITEMS, 28, 28), "too small for the 2,000,000 items"),
    ],
)
def test_unusable_images_end_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} .*({reason})"):
        idx.load_images(path)


def test_a_label_that_is_no_class_is_refused(pair):
    with pytest.raises(UserError, match="it holds 61, not only 0 to 9"):
        idx.load_labels(pair[1], classes=10)


def test_counts_that_disagree_are_refused(pair):
    idx.write_labels(pair[1], LABELS[:2])
    with pytest.raises(UserError, match="it has 2 for the 3 images of .*images.gz"):
        idx.load_pair(*pair, classes=62)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.gz is missing"):
        idx.load_images(tmp_path / "nowhere.gz")
    with pytest.raises(UserError, match="directory"):
        idx.load_images(tmp_path)


def test_memory_peaks_at_one_copy(scratch):
    images = np.zeros((20_000, 28, 28), np.uint8)
    images[::2] = 200
    idx.write_images(scratch, images)
    assert peak_memory(lambda: idx.load_images(scratch, transposed=True)) < 1.1 * images.nbytes + 8 * 2**20


def test_a_gzip_bomb_is_left_compressed(scratch):
    scratch.write_bytes(packed(0x803, 3, 28, 28, body=bytes(2**26)))
    assert peak_memory(lambda: pytest.raises(UserError, idx.load_images, scratch)) < 2**22


def peak_memory(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


READERS = [
    (GOOD_IMAGES, idx.load_images, IMAGES),
    (GOOD_LABELS, lambda path: idx.load_labels(path, 62), LABELS),
]
each_kind = pytest.mark.parametrize("content, read, expected", READERS, ids=["images", "labels"])


@each_kind
def test_every_truncation_is_refused(scratch, content, read, expected):
    for length in range(len(content)):
        scratch.write_bytes(content[:length])
        with pytest.raises(UserError):
            read(scratch)
    scratch.write_bytes(content)
    assert np.array_equal(read(scratch), expected)


@each_kind
@pytest.mark.parametrize("inside", [False, True], ids=["file", "inside sound gzip"])
@given(data=st.data())
@settings(max_examples=100)
def test_mutated_bytes_give_a_user_error_or_the_right_array(scratch, content, read, expected, inside, data):
    mutated = bytearray(gzip.decompress(content) if inside else content)
    header = 16 if expected.ndim == 3 else 8
    # Half of the changes of a file fall on the headers, where they mean most.
    places = st.integers(0, header - 1) if inside else st.integers(0, 25) | st.integers(0, len(mutated) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        mutated[place] = data.draw(st.integers(0, 255))
    scratch.write_bytes(gzip.compress(mutated) if inside else mutated)
    try:
        array = read(scratch)
    except UserError:
        return
    assert np.array_equal(array, expected)
