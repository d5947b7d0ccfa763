"""Registration to a hundredth of a pixel: shifts without pointing, a turning and nearing view with it; failures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.flight.registration import TILE_PX, TILE_STEP_PX, Registration
from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.geo.ground_shift import shift_field
from lookdown.geo.rotation import from_rotation_vector, multiply
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.kernels.score import MOST_REACH_PX
from lookdown.wire.messages import ReportFlag, SensorState
from tests.bench.scenes import textured
from tests.flight.disturbed import DISTURBANCES, FULL_SCALE_DN, View


@pytest.mark.parametrize(
    ("name", "drift"),
    [
        ("none", (0.37, -0.61)),
        ("none", (-3.3, 4.2)),
        ("cloud edges", (0.37, -0.61)),
        ("cloud edges", (-3.3, 4.2)),
        ("limb and stars", (0.37, -0.61)),
    ],
)
def test_shifts_of_the_ground_are_found_to_a_hundredth_of_a_pixel(name: str, drift: tuple[float, float]) -> None:
    """Cloud and limb move otherwise than the ground, and are brighter; most of the tiles show ground."""
    view = View(3, drift=drift)
    disturb = DISTURBANCES[name](view)
    chain = Chain(ChainParameters(), *view.shape, FULL_SCALE_DN)
    errors = []
    for k in range(50):
        result = chain.step(disturb(view, k))
        if k >= 10 and not result.flags:
            errors.append(np.array(result.shift) + view.place(k) - view.place(k - 1))
    assert len(errors) >= 38
    assert np.median(np.hypot(*np.array(errors).T)) <= 0.01


def test_an_estimate_that_runs_along_the_limb_does_not_cost_the_background() -> None:
    """One frame of this view leads the estimate 4.5 px astray, with a tenfold error, where the prediction fits."""
    view = View(5)
    disturb = DISTURBANCES["limb and stars"](view)
    chain = Chain(ChainParameters(), *view.shape, FULL_SCALE_DN)
    for k in range(50):
        result = chain.step(disturb(view, k))
        if k >= 6:
            assert not result.flags
            assert np.hypot(*(np.array(result.shift) + view.place(k) - view.place(k - 1))) <= 0.05


ROWS, COLS, IFOV_RAD, NOISE_DN = 160, 192, 3e-4, 2.0


def test_rotation_and_scale_across_the_frame_are_followed_to_a_hundredth_of_a_pixel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An orbiting, yawing sensor whose pointing is known to 0.3 px: the field of tiles against the geometry."""
    rng = np.random.default_rng(8)
    camera = Camera(ROWS, COLS, IFOV_RAD)
    aim = geodetic_to_ecef(0.7, 0.2, 0.0)
    up, east = aim / np.linalg.norm(aim), np.array([-np.sin(0.2), np.cos(0.2), 0.0])
    north = np.cross(up, east)
    ground = textured(900, 900, 9, spread=200.0)
    r, c = np.indices((ROWS, COLS), dtype=float)
    places = []
    locate = Registration.locate

    def noted(self: Registration, *arguments: object) -> object:
        found = replace(locate(self, *arguments), outgrown=False)  # type: ignore[arg-type]
        places.append(found)  # one grid, so that the truth is a difference
        return found

    monkeypatch.setattr(Registration, "locate", noted)
    chain = Chain(ChainParameters(), ROWS, COLS)
    grid, first, errors = np.zeros(2), None, []
    for k in range(24):
        position = aim + up * (800e3 - 60.0 * k) + east * 700.0 * k
        exact = stare_attitude(position, 7e3 * east, aim + 100.0 * k * north)
        exact = multiply(exact, from_rotation_vector(np.array([0.0, 0.0, 5e-4 * k])))
        points = intersect_ellipsoid(position, camera.sight_ecef(*camera.tangent_from_pixel(r, c), exact), 0.0)
        offset = (points - aim) / 240.0
        x, y = (offset @ east + 450).astype(np.float32), (offset @ north + 450).astype(np.float32)
        frame = cv2.remap(ground, x, y, cv2.INTER_LANCZOS4) + rng.normal(0, NOISE_DN, (ROWS, COLS))
        stated = multiply(exact, from_rotation_vector(rng.normal(0, 0.3 * IFOV_RAD, 3) * (1.0, 1.0, 0.02)))
        state = SensorState(position, 7e3 * east, stated, 10.0, 1e-4, IFOV_RAD)
        result = chain.step(np.rint(frame).astype(np.uint16), state)
        first = first or (position, exact)
        found = places[-1]
        if k >= 4 and not result.flags:
            tiles = -(-ROWS // 16), -(-COLS // 16)
            truth = shift_field(camera, *first, position, exact, 0.0, *tiles)
            error = np.broadcast_to(found.field, truth.shape) + grid - truth
            errors.append(np.hypot(error[..., 0], error[..., 1]))
        grid += found.step
    assert len(errors) >= 18
    spread = shift_field(camera, *first, position, exact, 0.0, *tiles)
    assert np.ptp(spread, axis=(0, 1)).max() > 1.0  # the field is no plain shift
    assert np.median(errors) <= 0.01


def test_without_texture_it_says_so_and_takes_the_prediction() -> None:
    rng = np.random.default_rng(5)
    chain = Chain(ChainParameters(), 128, 128)
    flags = [chain.step(np.rint(rng.normal(1000, 5, (128, 128))).astype(np.uint16)).flags for _ in range(8)]
    assert all(flag & ReportFlag.REGISTRATION_FAILED for flag in flags[2:])


def test_a_field_beyond_what_the_pass_keeps_of_rows_is_laid_on_a_new_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tile by tile it changes little, over a tall frame by more than the score's pass can reach."""
    rows, cols = 6800, 48
    tiles = -(-rows // TILE_PX)
    ramp = np.zeros((tiles, -(-cols // TILE_PX), 2))
    ramp[..., 0] = (0.9 * TILE_STEP_PX * (np.arange(tiles) - tiles // 2))[:, None]
    assert ramp[..., 0].max() > MOST_REACH_PX + 1
    monkeypatch.setattr(Registration, "_predicted_field", lambda *_: ramp)
    monkeypatch.setattr(Registration, "_estimate", lambda *_: (np.zeros(2), True))
    laid = []
    lay_anew = Registration.lay_anew
    monkeypatch.setattr(Registration, "lay_anew", lambda *given: laid.append(lay_anew(*given)) or laid[-1])
    rng = np.random.default_rng(6)
    chain = Chain(ChainParameters(), rows, cols)
    aim = geodetic_to_ecef(0.7, 0.2, 0.0)
    state = SensorState(1.1 * aim, np.array([0.0, 7e3, 0.0]), np.array([1.0, 0.0, 0.0, 0.0]), 10.0, 1e-4, IFOV_RAD)
    for _ in range(3):
        result = chain.step(np.rint(rng.normal(1000, 5, (rows, cols))).astype(np.uint16), state)
    assert len(laid) == 2
    assert not result.flags & ReportFlag.WARM_UP
