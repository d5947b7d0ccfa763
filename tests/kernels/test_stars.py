"""Stars among plots: what the kernels flag against plain NumPy, and what they refuse."""

import numpy as np
import pytest

from lookdown.geo.camera import Camera
from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M
from lookdown.geo.rotation import from_matrix, from_rotation_vector, multiply
from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.stars import STAR_DTYPE, mark_stars, mark_still
from tests.kernels import reference_stars

ROWS, COLS = 96, 128
STAR = 64
AXES_M = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M])
POSITION_M = np.array([SEMI_MAJOR_AXIS_M + 700e3, 0.0, 0.0])
DIP_RAD = np.arccos(SEMI_MAJOR_AXIS_M / POSITION_M[0])
RATE_RAD = 4e-5  # by which the Earth turns a frame
PARTS = (2e-4, 3, 2, 150_000_000, 4, 8)
"""Reach, least seen, least frames, least time, patience, most seen."""


def camera(distortion: tuple[float, float] = (0.0, 0.0)) -> Camera:
    return Camera(ROWS, COLS, 150e-6, distortion)


def across_the_limb(k: int) -> np.ndarray:
    """Attitude of a frame that looks north across the limb and nods."""
    boresight = np.array([-np.sin(DIP_RAD), 0.0, np.cos(DIP_RAD)])
    right = np.array([0.0, 1.0, 0.0])
    still = from_matrix(np.stack([right, np.cross(boresight, right), boresight], axis=-1))
    return multiply(still, from_rotation_vector([1e-4 * k, -7e-5 * k, 2e-4 * k]))


def some_plots(rng: np.random.Generator, n: int = 40) -> np.ndarray:
    plots = np.zeros(n, PLOT_DTYPE)
    plots["row"], plots["col"] = rng.uniform(0, ROWS - 1, n), rng.uniform(0, COLS - 1, n)
    plots["snr"], plots["amplitude"] = rng.uniform(4, 12, n), rng.choice([-5.0, 5.0], n)
    return plots


@pytest.mark.parametrize("distortion", [(0.0, 0.0), (-5.0, 30.0)])
def test_places_are_learnt_and_stars_flagged_as_the_plain_twin_says(distortion: tuple[float, float]) -> None:
    rng, lens = np.random.default_rng(2), camera(distortion)
    stars, twin = np.zeros(600, STAR_DTYPE), reference_stars.Places()
    sky = some_plots(rng, 30)
    n_stars = n_sky = 0
    for k in range(12):
        attitude, angle = across_the_limb(k), RATE_RAD * k
        # Half of the plots stand among the stars of the first frame, now and then; the rest is noise.
        if k == 0:
            fixed = reference_stars.directions(sky, lens, POSITION_M, attitude, angle)
        plots = some_plots(rng, 50)
        sights = reference_stars.rotate(
            reference_stars.conjugate(attitude), reference_stars.turned(np.nan_to_num(fixed, nan=1.0), -angle)
        )
        rows, cols = lens.pixel_from_tangent(sights[:, 0] / sights[:, 2], sights[:, 1] / sights[:, 2])
        shown = np.isfinite(fixed).all(-1) & (rng.random(30) < 0.7)
        plots["row"][:30][shown] = rows[shown] + rng.normal(0, 0.1, shown.sum())
        plots["col"][:30][shown] = cols[shown] + rng.normal(0, 0.1, shown.sum())
        seen = reference_stars.directions(plots, lens, POSITION_M, attitude, angle)
        wanted = twin.stars(seen, 100_000_000 * k, k, *PARTS)
        n = mark_stars(
            plots, lens.lens, AXES_M, POSITION_M, attitude, angle, 100_000_000 * k, k, *PARTS, STAR, stars
        )  # fmt: skip
        np.testing.assert_array_equal((plots["flags"] & STAR) > 0, wanted)
        assert n == wanted.sum()
        n_stars += n
        n_sky += int(np.isfinite(seen).all(-1).sum())
    assert n_stars > 40
    assert n_stars < n_sky < 12 * 50


def test_a_place_counts_once_a_frame_and_is_forgotten_in_time() -> None:
    lens, stars = camera(), np.zeros(4, STAR_DTYPE)
    plot = np.zeros(1, PLOT_DTYPE)
    plot["row"], plot["col"], plot["snr"] = 10.0, 60.0, 8.0

    def stars_at(frame: int) -> int:
        return mark_stars(
            plot, lens.lens, AXES_M, POSITION_M, across_the_limb(0), 0.0, 100_000_000 * frame, frame, *PARTS, STAR,
            stars,
        )  # fmt: skip

    assert [stars_at(frame) for frame in (0, 0, 0, 1, 2, 3)] == [0, 0, 0, 0, 1, 1]
    assert stars_at(40) == 0  # four frames of patience for each of four sights are over
    assert [stars_at(frame) for frame in (41, 42)] == [0, 1]


def test_plots_that_the_frames_before_show_among_the_stars_are_flagged_as_the_plain_twin_says() -> None:
    rng, lens = np.random.default_rng(3), camera((-5.0, 30.0))
    attitudes, angles = [across_the_limb(k) for k in range(3)], [RATE_RAD * k for k in range(3)]
    flagged = 0
    for _ in range(8):
        maps = [rng.normal(0, 3.0, (ROWS, COLS)).astype(np.float32) for _ in range(2)]
        plots = some_plots(rng, 80)
        seen = reference_stars.directions(plots, lens, POSITION_M, attitudes[2], angles[2])
        wanted = np.zeros(len(plots), bool)
        for k, u in enumerate(seen):
            if np.isfinite(u).all():
                sign, least = np.sign(plots["amplitude"][k]), 0.4 * float(plots["snr"][k])
                first, second = (
                    reference_stars.peak(maps[i], lens, attitudes[1 - i], angles[1 - i], u, 1.5, sign) for i in (0, 1)
                )
                wanted[k] = first >= least and second >= 0.5 * least and first + second >= 3.0 * least
        mark_still(
            plots, lens.lens, AXES_M, POSITION_M, attitudes[2], angles[2], maps[0], attitudes[1], angles[1],
            maps[1], attitudes[0], angles[0], 1.5, 0.4, 3.0, STAR,
        )  # fmt: skip
        np.testing.assert_array_equal((plots["flags"] & STAR) > 0, wanted)
        flagged += int(wanted.sum())
    assert flagged > 10


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, np.zeros(3), "plots"),
        (1, np.zeros(7), "lens"),
        (4, np.zeros(3), "attitude"),
        (5, np.nan, "earth_angle_rad"),
        (8, 0.0, "reach_rad"),
        (9, 0, "least_seen"),
        (15, np.zeros(3, PLOT_DTYPE), "stars"),
    ],
)
def test_wrong_arguments_are_refused_by_name(at: int, value: object, message: str) -> None:
    given = [
        np.zeros(3, PLOT_DTYPE), camera().lens, AXES_M, POSITION_M, across_the_limb(0), 0.0, 0, 0, *PARTS, STAR,
        np.zeros(4, STAR_DTYPE),
    ]  # fmt: skip
    given[at] = value
    with pytest.raises(ValueError, match=message):
        mark_stars(*given)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [(6, np.zeros((4, 4)), "before"), (9, np.zeros((4, 5), np.float32), "older"), (12, 3.0, "reach_px")],
)
def test_wrong_maps_are_refused_by_name(at: int, value: object, message: str) -> None:
    maps = np.zeros((4, 4), np.float32)
    given = [
        np.zeros(3, PLOT_DTYPE), camera().lens, AXES_M, POSITION_M, across_the_limb(0), 0.0, maps, across_the_limb(0),
        0.0, maps, across_the_limb(0), 0.0, 1.0, 0.4, 3.0, STAR,
    ]  # fmt: skip
    given[at] = value
    with pytest.raises(ValueError, match=message):
        mark_still(*given)
