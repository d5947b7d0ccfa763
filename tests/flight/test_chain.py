"""The chain on made scenes: what moves is found, what does not is not, and every frame it cannot take is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lookdown.flight import process
from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import CalibrationFiles, ChainParameters, FlightConfig
from lookdown.flight.factory import make_chain
from lookdown.flight.psf import psf_taps
from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.geo.rotation import from_rotation_vector, multiply
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import ReportFlag, SensorState

ROWS, COLS, NOISE = 128, 160, 6.0
CONFIG = Path(__file__).resolve().parents[2] / "config" / "flight.toml"


def texture(rng: np.random.Generator, rows: int, cols: int, contrast: float, scale_px: float = 4.0) -> np.ndarray:
    ground = cv2.GaussianBlur(rng.standard_normal((rows, cols)).astype(np.float32), (0, 0), scale_px)
    return ground / ground.std() * contrast + 3000


def add_spot(frame: np.ndarray, row: float, col: float, peak: float) -> None:
    r, c = np.indices(frame.shape)
    frame += peak * np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * 0.9**2))


def drifting(n: int, drift: tuple[float, float], contrast: float = 60.0, seed: int = 1) -> np.ndarray:
    """Ground that drifts with jitter under noise; float, without movers."""
    rng = np.random.default_rng(seed)
    ground = texture(rng, ROWS + 120, COLS + 120, contrast)
    frames = []
    for k in range(n):
        at = np.array([60.0, 60.0]) + np.array(drift) * k + rng.normal(0, 0.1, 2)
        move = np.array([[1, 0, at[1]], [0, 1, at[0]]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frames.append(cv2.warpAffine(ground, move, (COLS, ROWS), flags=flags) + rng.normal(0, NOISE, (ROWS, COLS)))
    return np.array(frames)


def digital(frames: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(frames), 0, 16383).astype(np.uint16)


@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.7, -1.3)])
def test_movers_of_both_polarities_are_found_over_drifting_ground(drift: tuple[float, float]) -> None:
    frames = drifting(30, drift)
    for k, frame in enumerate(frames):
        add_spot(frame, 30 + 0.8 * k, 40 + 1.5 * k, 45)
        add_spot(frame, 100 - 0.6 * k, 120 - 1.1 * k, -45)
    found = {1: 0, -1: 0}
    false = 0
    for k, plots in enumerate(process(digital(frames), threshold=5.0)):
        assert (np.diff(plots["snr"]) <= 0).all()
        if k < 6:
            continue
        bright = np.hypot(plots["row"] - 30 - 0.8 * k, plots["col"] - 40 - 1.5 * k) < 1
        dark = np.hypot(plots["row"] - 100 + 0.6 * k, plots["col"] - 120 + 1.1 * k) < 1
        found[1] += bool((bright & (plots["amplitude"] > 0)).any())
        found[-1] += bool((dark & (plots["amplitude"] < 0) & (plots["flags"] & 1 > 0)).any())
        false += int((~bright & ~dark).sum())
    assert found[1] >= 23
    assert found[-1] >= 23
    assert false <= 1


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 900.0), (40.0, 8000.0)])
def test_the_threshold_means_the_same_rate_of_false_pixels_on_noise_of_any_strength(
    scale: float, offset: float
) -> None:
    """A plot of white noise holds more than one filtered pixel, so plots are a little rarer than pixels beyond."""
    rng = np.random.default_rng(7)
    count = pixels = 0
    chain = Chain(ChainParameters(threshold=4.0), 256, 256)
    for k in range(40):
        plots = chain.step(digital(rng.normal(offset, scale, (256, 256)))).plots
        if k >= 5:
            count += len(plots)
            pixels += 256 * 256
    nominal = 6.33e-5  # both sides of a Gaussian beyond 4
    assert nominal / 3 < count / pixels < 2 * nominal


def test_one_threshold_serves_heavy_tails_too() -> None:
    rng = np.random.default_rng(8)
    count = 0
    chain = Chain(ChainParameters(threshold=5.0), 200, 200)
    for k in range(40):
        frame = 2000 + 8 * rng.standard_t(4, (200, 200))
        count += len(chain.step(digital(frame)).plots) if k >= 5 else 0
    assert count / (35 * 200 * 200) < 2e-5


def test_the_same_frames_give_the_same_bytes() -> None:
    frames = digital(drifting(8, (0.4, 0.9)))
    first, second = ([plots.tobytes() for plots in process(frames, threshold=3.5)] for _ in range(2))
    assert first == second
    assert len(b"".join(first)) > 0


def test_bad_pixels_that_no_map_names_and_single_hits_make_no_plots() -> None:
    rng = np.random.default_rng(3)
    frames = digital(drifting(25, (0.6, 0.5), contrast=20.0))
    bad = rng.integers(5, 120, (12, 2))
    for k, frame in enumerate(frames):
        frame[bad[:, 0], bad[:, 1]] = 16000 if k % 2 else 200
        frame[tuple(rng.integers(5, 120, (2, 3)))] += 500
    false = [len(plots) for plots in process(frames)]
    assert sum(false[1:]) <= 2


def test_movers_slower_than_the_memory_are_found_after_it_saw_them_move() -> None:
    rng = np.random.default_rng(4)
    ground = texture(rng, ROWS, COLS, 100.0)
    hits = 0
    for k, plots in enumerate(process(digital(moving_slowly(ground, rng)), threshold=5.0)):
        hits += bool((np.hypot(plots["row"] - 60, plots["col"] - 30 - 0.2 * k) < 2).any()) if k >= 20 else 0
    assert hits >= 50


def moving_slowly(ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    frames = []
    for k in range(80):
        frame = ground + rng.normal(0, 2.0, ground.shape)
        add_spot(frame, 60, 30 + 0.2 * k, 60)
        frames.append(frame)
    return np.array(frames)


def test_the_first_frame_has_space_alone_and_a_cut_starts_anew() -> None:
    chain = Chain(ChainParameters(), ROWS, COLS)
    first, second = digital(drifting(10, (0.3, 0.3), seed=1)), digital(drifting(6, (0.3, 0.3), seed=9))
    flags = [chain.step(frame).flags for frame in (*first, *second)]
    assert flags[0] & ReportFlag.WARM_UP
    assert not any(flags[1:10])
    assert flags[10] & ReportFlag.WARM_UP
    assert not any(flags[11:])


def test_a_jump_of_the_camera_is_followed() -> None:
    frames = digital(drifting(12, (0.0, 0.0)))
    chain = Chain(ChainParameters(), ROWS, COLS)
    for frame in frames[:10]:
        chain.step(frame)
    result = chain.step(np.roll(frames[10], (14, -9), (0, 1)))
    assert result.flags == 0
    assert np.hypot(result.shift[0] + 14, result.shift[1] - 9) < 0.5


def test_without_texture_the_prediction_stands_and_says_so() -> None:
    rng = np.random.default_rng(5)
    chain = Chain(ChainParameters(), 96, 96)
    flags = [chain.step(digital(rng.normal(1000, 5, (96, 96)))).flags for _ in range(8)]
    assert all(flag & ReportFlag.REGISTRATION_FAILED for flag in flags[2:])
    assert not any(flag & ReportFlag.WARM_UP for flag in flags[1:])


def orbiting(n: int) -> tuple[list[np.ndarray], list[SensorState]]:
    """Frames of textured ground from an orbit, the view turning about its boresight; pointing known."""
    rng = np.random.default_rng(6)
    camera = Camera(ROWS, COLS, 3e-4)
    aim = geodetic_to_ecef(0.7, 0.2, 0.0)
    up = aim / np.linalg.norm(aim)
    east = np.array([-np.sin(0.2), np.cos(0.2), 0.0])
    north = np.cross(up, east)
    ground = texture(rng, 700, 700, 60.0)
    r, c = np.indices((ROWS, COLS), dtype=float)
    frames, states = [], []
    for k in range(n):
        position = aim + up * 800e3 + east * 7e3 * 0.1 * k
        attitude = stare_attitude(position, 7e3 * east, aim + 120.0 * k * north)
        attitude = multiply(attitude, from_rotation_vector(np.array([0.0, 0.0, 1.5e-3 * k])))
        points = intersect_ellipsoid(position, camera.sight_ecef(*camera.tangent_from_pixel(r, c), attitude), 0.0)
        offset = (points - aim) / 240.0  # one cell of the ground is one pixel at the start
        x, y = (offset @ east + 350).astype(np.float32), (offset @ north + 350).astype(np.float32)
        frames.append(cv2.remap(ground, x, y, cv2.INTER_CUBIC) + rng.normal(0, NOISE, (ROWS, COLS)))
        states.append(SensorState(position, 7e3 * east, attitude, 10.0, 1e-5, 3e-4))
    return frames, states


def test_known_pointing_beats_the_image_alone_when_the_view_turns() -> None:
    frames, states = orbiting(30)
    false = {}
    for pointed in (True, False):
        chain = Chain(ChainParameters(threshold=4.5), ROWS, COLS)
        spread, count, failed = 0.0, 0, 0
        for k, (frame, state) in enumerate(zip(frames, states, strict=True)):
            result = chain.step(digital(frame), state if pointed else None)
            if k >= 10:
                spread += float(chain._background.filtered.std()) / 20
                count += len(result.plots)
                failed += bool(result.flags)
        false[pointed] = spread, count
        assert failed <= 2
    assert false[True][0] < 0.5 * false[False][0]
    assert false[True][1] <= 12


def test_gain_offset_and_bad_pixels_of_the_factory_are_applied(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    gain, offset = rng.uniform(0.8, 1.2, (ROWS, COLS)), rng.uniform(-40, 40, (ROWS, COLS))
    bad = np.zeros((ROWS, COLS), bool)
    bad[20, 30] = bad[21, 30] = bad[60, 61] = True
    for name, array in (("gain", gain), ("offset", offset), ("bad", bad)):
        np.save(tmp_path / f"{name}.npy", array)
    files = CalibrationFiles(tmp_path / "gain.npy", tmp_path / "offset.npy", tmp_path / "bad.npy")
    frames = digital((drifting(12, (0.9, 0.4), contrast=10.0)) / gain + offset)
    frames[:, bad] = 9000
    calibrated = make_chain(FlightConfig(calibration=files), ROWS, COLS)
    raw = make_chain(FlightConfig(), ROWS, COLS)
    for frame in frames:
        calibrated.step(frame)
        raw.step(frame)
    noise = NOISE * float(np.square(psf_taps(ChainParameters().psf_sigma_px)).sum())  # after the filter
    assert calibrated._background.filtered.std() < 1.25 * noise
    assert raw._background.filtered.std() > 1.5 * noise
    with pytest.raises(ConfigError, match=r"\.npy: wanted finite 12 x 13"):
        make_chain(FlightConfig(calibration=files), 12, 13)
    with pytest.raises(ConfigError, match=r"nothing\.npy: wanted a whole"):
        make_chain(FlightConfig(calibration=CalibrationFiles(gain=tmp_path / "nothing.npy")), ROWS, COLS)


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8", ">u2"])
def test_every_type_of_sample_means_the_same_number(kind: str) -> None:
    frames = digital(drifting(6, (0.3, 0.2), contrast=25.0) - 2880)
    for k, frame in enumerate(frames):
        frame[40:43, 20 + 3 * k : 23 + 3 * k] = 250
    assert frames.max() < 256
    wanted, came = (list(process(part, threshold=4.0)) for part in (frames, frames.astype(kind)))
    for want, got in zip(wanted[1:], came[1:], strict=True):
        assert len(got) > 0
        np.testing.assert_allclose(got["row"][0], want["row"][0], atol=1e-3)
        np.testing.assert_allclose(got["snr"][0], want["snr"][0], rtol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (7, 300)])
def test_frames_of_any_size_go_through(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for plots in process(digital(rng.normal(1000, 5, (4, *shape)))):
        assert len(plots) <= 3


@pytest.mark.parametrize("value", [0, 1000, 65535])
def test_frames_without_content_give_no_plots_and_spoil_nothing(value: int) -> None:
    frames = digital(drifting(20, (0.2, 0.1)))
    frames[8] = value
    add = [len(plots) for plots in process(frames)]
    assert add[8] == 0
    assert sum(add[10:]) <= 2


def test_what_the_chain_cannot_take_is_refused_and_leaves_it_as_it_was() -> None:
    frames = drifting(6, (0.2, 0.1))
    spoilt = frames[3].copy()
    spoilt[4, 5] = np.nan
    chain, whole = Chain(ChainParameters(), ROWS, COLS), Chain(ChainParameters(), ROWS, COLS)
    for bad, says in (
        (spoilt, "finite"),
        (frames[0, :-1], "start a new chain"),
        (frames[0].astype(complex), "array of numbers"),
        (None, "array of numbers"),
    ):
        with pytest.raises(ValueError, match=says):
            chain.step(bad)
    for frame in frames:
        chain.step(frame)
        whole.step(frame)
        with pytest.raises(ValueError, match="finite"):
            chain.step(spoilt)
    assert chain._background.mean.tobytes() == whole._background.mean.tobytes()
    with pytest.raises(ValueError, match=r"wanted arrays \[rows, cols\]"):
        list(process(np.zeros(5)))
    with pytest.raises(ValueError, match=r"rows, cols: wanted at least 1"):
        Chain(ChainParameters(), 0, 4)


def test_more_plots_than_fit_keep_the_strongest() -> None:
    rng = np.random.default_rng(1)
    frame = rng.normal(1000, 4, (ROWS, COLS))
    for k in range(24):
        add_spot(frame, 20 + 24 * (k // 6), 15 + 25 * (k % 6), 60 + 10 * k)
    result = Chain(ChainParameters(max_plots=10, threshold=2.0), ROWS, COLS).step(digital(frame))
    assert len(result.plots) == 10
    assert result.n_left_out >= 10
    assert result.flags & ReportFlag.TRUNCATED
    assert result.plots["amplitude"].min() > 0.4 * result.plots["amplitude"].max()


def test_the_example_configuration_holds_the_defaults() -> None:
    config = load_config(CONFIG, FlightConfig)
    assert config.chain == ChainParameters()
    with pytest.raises(ConfigError, match=r"rows: the configuration wants 512, the frames have 8"):
        make_chain(config, 8, 640)


@pytest.mark.parametrize("change", [{"threshold": 0.0}, {"guard_px": 17}, {"window_px": 8}, {"background_frames": 1}])
def test_parameters_out_of_range_are_refused(change: dict[str, float]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        ChainParameters(**change)


def test_a_factory_map_alone_is_enough() -> None:
    ones = np.ones((ROWS, COLS), np.float32)
    with pytest.raises(ValueError, match="gain: wanted shape"):
        Chain(ChainParameters(), 4, 4, calibration=Calibration(ones, ones, np.zeros(0, np.int32)))
