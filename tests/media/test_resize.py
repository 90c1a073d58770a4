from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from hinode.clip import Frames
from hinode.media.resize import MAX_STRETCH, crop_box, fit, fit_image, nearest_size

SIDES = st.integers(16, 4096)
SMALL_SIDES = st.integers(1, 200)


@pytest.mark.parametrize("size", [(640, 360), (64, 36), (360, 640), (17, 31), (16, 16)])
def test_frames_have_exactly_the_asked_size(frames: Frames, size: tuple[int, int]) -> None:
    fitted = list(fit(frames[:2], size, [0, 1, 1]))
    assert [picture.shape for picture in fitted] == [(size[1], size[0], 3)] * 3
    assert all(picture.dtype == np.uint8 for picture in fitted)


def test_the_native_size_is_left_alone(frames: Frames) -> None:
    for before, after in zip(frames, fit(frames, (64, 36), range(16)), strict=True):
        np.testing.assert_array_equal(before, after)


def test_frames_come_in_the_order_asked(frames: Frames) -> None:
    order = [3, 3, 0, 5]
    for index, picture in zip(order, fit(frames, (64, 36), order), strict=True):
        np.testing.assert_array_equal(picture, frames[index])


def test_flat_colour_stays_flat() -> None:
    flat = np.full((1, 64, 112, 3), (250, 10, 128), np.uint8)
    (picture,) = fit(flat, (640, 360), [0])
    assert (picture == (250, 10, 128)).all()


@given(SIDES, SIDES, SIDES, SIDES)
def test_the_box_is_inside_centred_and_of_the_right_shape(a: int, b: int, c: int, d: int) -> None:
    left, top, right, bottom = crop_box((a, b), (c, d))
    assert left >= 0
    assert top >= 0
    assert right <= a + 1e-6
    assert bottom <= b + 1e-6
    assert (left + right, top + bottom) == pytest.approx((a, b))
    stretch = (c / d) / ((right - left) / (bottom - top))
    assert 1 / MAX_STRETCH - 1e-6 <= stretch <= MAX_STRETCH + 1e-6
    assert (left, right) == (0, a) or (top, bottom) == (0, b)


def test_close_shapes_are_not_cropped() -> None:
    # 112x64 is what the model draws for 16:9.
    assert crop_box((112, 64), (640, 360)) == (0, 0, 112, 64)


@given(SMALL_SIDES, SMALL_SIDES, SMALL_SIDES, SMALL_SIDES)
def test_an_image_is_cut_as_pillow_cuts_it(a: int, b: int, c: int, d: int) -> None:
    gradient = np.add.outer(np.arange(b) * 3, np.arange(a) * 5).astype(np.uint8)
    image = Image.fromarray(np.stack((gradient,) * 3, -1))
    expected = ImageOps.fit(image, (c, d), Image.Resampling.LANCZOS)
    assert fit_image(image, (c, d), Image.Resampling.LANCZOS).tobytes() == expected.tobytes()


def test_an_image_is_averaged_where_it_gets_smaller() -> None:
    checks = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)
    image = Image.fromarray(np.stack((checks,) * 3, -1))
    assert set(np.unique(np.asarray(fit_image(image, (16, 16))))) <= {127, 128}
    assert fit_image(image, (32, 32)) is image


def test_the_nearest_size_is_the_one_that_loses_least() -> None:
    assert nearest_size([(64, 64), (112, 64), (64, 112)], (640, 360)) == (112, 64)
    assert nearest_size([], (640, 360)) == (640, 360)
