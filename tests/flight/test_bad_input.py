"""Frames that are odd in shape, content or layout, several in a row: the chain goes through them or refuses them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookdown.flight.__main__ import main
from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.wire.messages import SensorState

N_FRAMES = 6
SHAPES = [(1, 1), (1, 2), (1, 40), (40, 1), (2, 3), (17, 33), (64, 80)]
pointings = pytest.mark.parametrize("pointing", [False, True], ids=["image alone", "with pointing"])


def staring(n: int) -> list[SensorState]:
    """Pointing of a sensor that passes over the place it looks at."""
    aim = geodetic_to_ecef(0.7, 0.2, 0.0)
    up = aim / np.linalg.norm(aim)
    east = np.array([-np.sin(0.2), np.cos(0.2), 0.0])
    positions = [aim + up * 800e3 + east * 700.0 * k for k in range(n)]
    return [
        SensorState(position, 7e3 * east, stare_attitude(position, 7e3 * east, aim), 10.0, 1e-5, 3e-5)
        for position in positions
    ]


def steps(chain: Chain, frames: list[np.ndarray], pointing: bool) -> list[bytes]:
    states = staring(len(frames)) if pointing else [None] * len(frames)
    return [chain.step(frame, state).plots.tobytes() for frame, state in zip(frames, states, strict=True)]


def noise(shape: tuple[int, int], n: int = N_FRAMES, dtype: str = "u2") -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [np.rint(rng.normal(1000, 5, shape)).astype(dtype) for _ in range(n)]


@pointings
@pytest.mark.parametrize("value", [0, 1, 16383, 65535])
@pytest.mark.parametrize("shape", SHAPES)
def test_frames_of_one_value_give_no_plots(shape: tuple[int, int], value: int, pointing: bool) -> None:
    chain = Chain(ChainParameters(), *shape, saturation_dn=16383)
    assert not any(steps(chain, [np.full(shape, value, np.uint16)] * N_FRAMES, pointing))
    steps(chain, noise(shape), pointing)  # and the chain lives on
    assert np.isfinite(chain._background.mean).all()
    assert np.isfinite(chain._background.noise).all()


@pointings
@pytest.mark.parametrize("shape", SHAPES)
def test_noise_between_frames_without_content(shape: tuple[int, int], pointing: bool) -> None:
    frames = noise(shape)
    frames[1] = np.zeros(shape, np.uint16)
    frames[3] = np.full(shape, 65535, np.uint16)
    chain = Chain(ChainParameters(), *shape, saturation_dn=16383)
    found = steps(chain, frames, pointing)
    assert not found[1]
    assert not found[3]


@pytest.mark.parametrize("shape", SHAPES)
def test_half_saturated_half_dark(shape: tuple[int, int]) -> None:
    frame = np.zeros(shape, np.uint16)
    frame[:, shape[1] // 2 :] = 65535
    chain = Chain(ChainParameters(), *shape, saturation_dn=16383)
    for result in (chain.step(np.roll(frame, k, 1)) for k in range(N_FRAMES)):
        assert np.isfinite(result.plots["snr"]).all()
        assert np.isfinite(result.plots["row"]).all()


@pytest.mark.parametrize("value", [1e30, -1e30, 3e38])
def test_numbers_at_the_end_of_float32_are_taken_or_refused(value: float) -> None:
    frames = noise((24, 30), dtype="f4")
    chain = Chain(ChainParameters(), 24, 30)
    for frame in frames[:3]:
        chain.step(frame)
    odd = frames[3].copy()
    odd[5, 6] = value
    chain.step(odd)
    for frame in frames[4:]:
        assert np.isfinite(chain.step(frame).plots["snr"]).all()


LAYOUTS = {
    "upside down": lambda frame: frame[::-1].copy()[::-1],
    "mirrored": lambda frame: frame[:, ::-1].copy()[:, ::-1],
    "columns first": np.asfortranarray,
    "every second column": lambda frame: np.repeat(frame, 2, axis=1)[:, ::2],
    "other byte order": lambda frame: frame.astype(frame.dtype.newbyteorder(">")),
    "odd address": lambda frame: np.frombuffer(b"." + frame.tobytes(), frame.dtype, offset=1).reshape(frame.shape),
}


@pytest.mark.parametrize("dtype", ["u2", "i2", "f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_a_frame_changes_no_byte(layout: str, dtype: str) -> None:
    frames = noise((40, 50), dtype=dtype)
    for k, frame in enumerate(frames):
        frame[10:13, 10 + 3 * k : 13 + 3 * k] += 400
    odd = [LAYOUTS[layout](frame) for frame in frames]
    for frame in odd:
        frame.flags.writeable = False
    kept = [frame.copy() for frame in odd]
    wanted = steps(Chain(ChainParameters(), 40, 50), frames, False)
    assert steps(Chain(ChainParameters(), 40, 50), odd, False) == wanted
    assert any(wanted)
    for frame, before in zip(odd, kept, strict=True):
        np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize("dtype", ["?", "c8", "S2", "O", "M8[s]"])
def test_what_is_no_number_is_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="samples: wanted an array of numbers, got"):
        Chain(ChainParameters(), 8, 9).step(np.zeros((8, 9), "u1").astype(dtype))


@pytest.mark.parametrize("shape", [(), (72,), (9, 8), (8, 10), (1, 8, 9), (8, 9, 1), (0, 9)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"samples: wanted shape \(8, 9\), got"):
        Chain(ChainParameters(), 8, 9).step(np.zeros(shape, np.uint16))


@pytest.mark.parametrize("field", ["position_m", "velocity_m_s", "attitude"])
def test_a_pointing_that_is_not_finite_serves_no_prediction(field: str) -> None:
    frames = noise((64, 80))
    chain = Chain(ChainParameters(), 64, 80)
    for frame, state in zip(frames, staring(N_FRAMES), strict=True):
        chain.step(frame, replace(state, **{field: np.full_like(getattr(state, field), np.nan)}))
    assert np.isfinite(chain._background.mean).all()


def test_a_calibration_of_another_shape_is_refused() -> None:
    ones = np.ones((8, 9), np.float32)
    for gain, offset, says in ((ones[:-1], ones, "gain"), (ones, ones[:, :-1], "offset")):
        with pytest.raises(ValueError, match=rf"{says}: wanted shape \(8, 9\), got"):
            Chain(ChainParameters(), 8, 9, calibration=Calibration(gain, offset, np.zeros(0, np.int32)))


def test_a_threshold_that_is_none_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "frames.npy", np.zeros((2, 8, 8), np.uint16))
    assert main(["process", str(tmp_path / "frames.npy"), "--plots", "-", "--threshold", "-1"]) == 2
    assert "--threshold: wanted above 0, got -1.0" in capsys.readouterr().err
