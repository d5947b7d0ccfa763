"""Samples of any layout become the same frame; a calibration that does not fit is refused when the chain is made."""

import numpy as np
import pytest

from lookdown.flight.bands import Bands
from lookdown.flight.calibration import Calibration, Intake
from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters

ROWS, COLS = 12, 16


def calibration(**change: np.ndarray) -> Calibration:
    ones = np.ones((ROWS, COLS), np.float32)
    return Calibration(**{"gain": ones, "offset": 3 * ones, "bad_pixels": np.array([4, 20], np.int32)} | change)


def flat(first: int, second: int) -> dict[str, np.ndarray]:
    return {"bad_pixels": np.array([first, second], np.int32)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gain": np.ones((ROWS, COLS))}, "gain: wanted C-contiguous float32, got float64"),
        ({"offset": np.ones((ROWS, COLS + 1), np.float32)}, r"offset: wanted shape \(12, 16\)"),
        ({"offset": np.ones((COLS, ROWS), np.float32).T}, "offset: wanted C-contiguous"),
        ({"gain": np.full((ROWS, COLS), np.nan, np.float32)}, "gain: wanted finite"),
        (flat(4, ROWS * COLS), "bad_pixels: .*from 0 to 191, got 4 to 192"),
        (flat(-1, 4), "bad_pixels: .*got -1 to 4"),
        (flat(9, 4), "bad_pixels: .*1 not above the one before"),
        (flat(4, 4), "bad_pixels: .*numpy.unique"),
        ({"bad_pixels": np.array([1, 2])}, "bad_pixels: wanted int32"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_when_the_chain_is_made(
    change: dict[str, np.ndarray], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Chain(ChainParameters(), ROWS, COLS, calibration=calibration(**change))


@pytest.mark.parametrize("saturation_dn", [0, -5, 65537])
def test_a_saturation_that_no_sample_has_is_refused(saturation_dn: int) -> None:
    with pytest.raises(ValueError, match=f"saturation_dn: wanted 1 to 65536, got {saturation_dn}"):
        Chain(ChainParameters(), ROWS, COLS, saturation_dn)


def at_odd_address(samples: np.ndarray) -> np.ndarray:
    memory = np.zeros(samples.nbytes + 1, np.uint8)
    view = memory[1:].view(np.uint16).reshape(samples.shape)
    view[...] = samples
    assert not view.flags.aligned
    return view


@pytest.mark.parametrize("layout", ["odd address", "byte order", "strides", "read-only"])
def test_uint16_of_any_layout_gives_the_same_frame_and_reaches_the_kernels_aligned(layout: str) -> None:
    samples = np.random.default_rng(1).integers(0, 16384, (ROWS, COLS)).astype(np.uint16)
    laid = {
        "odd address": at_odd_address(samples),
        "byte order": samples.astype(">u2"),
        "strides": np.repeat(samples, 2, axis=1)[:, ::2],
        "read-only": samples.copy(),
    }[layout]
    laid.flags.writeable = layout != "read-only"
    intake, wanted, frame = (
        Intake(ROWS, COLS, calibration(), Bands()),
        np.zeros((ROWS, COLS), np.float32),
        np.zeros((ROWS, COLS), np.float32),
    )
    intake.take(samples, wanted)
    intake.take(laid, frame)
    np.testing.assert_array_equal(frame, wanted)
    assert intake.raw is not None
    assert intake.raw.flags.aligned
    assert intake.raw.flags.c_contiguous
    np.testing.assert_array_equal(intake.raw, samples)


def test_floats_beyond_float32_are_refused_as_infinite() -> None:
    samples = np.ones((ROWS, COLS))
    samples[3, 4] = 1e300
    with pytest.raises(ValueError, match="wanted finite numbers"):
        Intake(ROWS, COLS, None, Bands()).take(samples, np.zeros((ROWS, COLS), np.float32))
