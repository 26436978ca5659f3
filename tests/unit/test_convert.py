import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from emnist.data.convert import PADDING, _blur, convert
from emnist.utils.errors import UserError


def stroke(height, width, box):
    image = np.zeros((height, width), np.uint8)
    image[box] = 255
    return image


def extent(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_the_longer_side_fills_all_but_a_two_pixel_border():
    tall = convert(stroke(128, 128, np.s_[20:100, 30:50]))
    wide = convert(stroke(128, 128, np.s_[30:50, 20:100]))
    assert extent(tall)[:2] == (2, 25)
    assert extent(wide)[2:] == (2, 25)


def test_the_character_is_centred_and_keeps_its_proportions():
    top, bottom, left, right = extent(convert(stroke(128, 128, np.s_[5:85, 90:110])))
    assert left == 27 - right
    # 20 of 80 pixels wide, and the blur's edges: 6 to 8 of 24.
    assert 6 <= right - left + 1 <= 8


def test_place_and_size_in_the_frame_make_no_difference():
    image = convert(stroke(128, 128, np.s_[10:70, 10:40]))
    np.testing.assert_array_equal(image, convert(stroke(200, 90, np.s_[120:180, 45:75])))
    larger = convert(stroke(400, 400, np.s_[20:260, 20:140]))
    assert np.abs(larger.astype(int) - image).mean() < 6


def test_ink_at_the_frames_edge_is_not_cut():
    image = stroke(60, 30, np.s_[:, :])
    np.testing.assert_array_equal(convert(image), convert(np.pad(image, 20)))


def test_edges_are_soft_and_faint_ink_is_stretched_to_the_full_range():
    image = convert(stroke(128, 128, np.s_[20:100, 40:80]) // 5)
    assert image.max() == 255
    assert ((image > 0) & (image < 255)).any()


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_image_with_ink_converts(image):
    if image.any():
        converted = convert(image)
        assert converted.dtype == np.uint8
        assert converted.shape == (28, 28)
        assert converted.max() == 255
        np.testing.assert_array_equal(converted, np.pad(converted[2:-2, 2:-2], 2))


@pytest.mark.parametrize("shape", [(128, 128), (0, 0), (0, 5)])
def test_a_blank_image_is_refused(shape):
    with pytest.raises(UserError, match="blank"):
        convert(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("image", [np.ones((8, 8, 3), np.uint8), np.ones((8, 8)), np.ones(8, np.uint8)])
def test_anything_but_grey_levels_is_refused(image):
    with pytest.raises(UserError, match="two-dimensional uint8"):
        convert(image)


@settings(derandomize=True)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_the_blur_is_that_of_scipy_to_the_last_bit(image):
    image = image.astype(np.float32)
    blurred = _blur(_blur(np.pad(image, PADDING)).T).T
    assert np.array_equal(blurred, gaussian_filter(image, 1, mode="constant"))
