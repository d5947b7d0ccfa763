"""Top-hats against SciPy's and OpenCV's, borders and frames smaller than the square included, and what they find."""

import cv2
import numpy as np
import pytest
from hypothesis import given

from lookdown.kernels.tophat import black_top_hat, top_hat_scratch_size, white_top_hat
from tests.kernels import reference
from tests.kernels.cases import image, quick, seeds, shapes

TOP_HATS = {"white": white_top_hat, "black": black_top_hat}


def top_hat(kind: str, frame: np.ndarray) -> np.ndarray:
    scratch = np.full(top_hat_scratch_size(frame.shape[1]), np.nan, np.float32)
    out = np.full(frame.shape, np.nan, np.float32)
    TOP_HATS[kind](frame, scratch, out)
    return out


@pytest.mark.parametrize("kind", TOP_HATS)
@quick
@given(shapes, seeds)
def test_top_hat_equals_its_twin_and_opencv_bit_for_bit(kind: str, shape: tuple[int, int], seed: int) -> None:
    frame = image(shape, seed, 100.0)
    out = top_hat(kind, frame)
    np.testing.assert_array_equal(out, getattr(reference, f"{kind}_top_hat")(frame))
    how = cv2.MORPH_TOPHAT if kind == "white" else cv2.MORPH_BLACKHAT
    np.testing.assert_array_equal(out, cv2.morphologyEx(frame, how, np.ones((5, 5), np.uint8)))


@pytest.mark.parametrize(("kind", "sign"), [("white", 1), ("black", -1)])
def test_a_small_spot_stays_and_slopes_and_large_areas_go(kind: str, sign: int) -> None:
    ground = np.add.outer(np.arange(40), 2 * np.arange(50)).astype(np.float32)
    ground[20:, :20] += 300
    for of_spot, expected in ((sign, 50), (-sign, 0)):
        frame = ground.copy()
        frame[10:13, 30:33] += of_spot * 50
        out = top_hat(kind, frame)
        inside = out[11, 31]
        assert abs(inside - expected) <= 12  # what the slope does over four pixels
        out[6:17, 26:37] = 0
        assert out.max() <= 12


@pytest.mark.parametrize("kind", TOP_HATS)
def test_it_is_never_negative_and_a_flat_frame_gives_nothing(kind: str) -> None:
    assert top_hat(kind, image((30, 40), 7)).min() >= 0
    assert (top_hat(kind, np.full((9, 9), 7, np.float32)) == 0).all()
