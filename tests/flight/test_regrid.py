"""A background laid on a new grid: nothing moves that should not, and no seams at tiles."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from lookdown.flight.regrid import lay_on_frame, spread
from lookdown.geo.ground_shift import tile_centres


def test_a_plane_is_spread_as_a_plane_beyond_the_outer_centres_too() -> None:
    for rows, cols, n, m in ((64, 80, 4, 5), (61, 83, 4, 6), (20, 30, 1, 2), (7, 5, 1, 1)):
        down, along = np.meshgrid(tile_centres(rows, n), tile_centres(cols, m), indexing="ij")
        slope = (0.3 if n > 1 else 0.0, -0.2 if m > 1 else 0.0)
        values = (2.0 + slope[0] * down + slope[1] * along).astype(np.float32)
        full = spread(spread(values, cols, 1), rows, 0)
        wanted = values[0, 0] + slope[0] * (np.arange(rows) - down[0, 0])[:, None]
        wanted = wanted + slope[1] * (np.arange(cols) - along[0, 0])
        np.testing.assert_allclose(full, wanted, atol=1e-4)


def test_a_background_is_resampled_to_where_the_frame_lies() -> None:
    rng = np.random.default_rng(4)
    mean = (1000 + 300 * gaussian_filter(rng.standard_normal((96, 128)), 2.0)).astype(np.float32)
    noise = np.linspace(1, 2, mean.size, dtype=np.float32).reshape(mean.shape)
    age = np.full(mean.shape, 30, np.uint8)
    down, along = np.meshgrid(tile_centres(96, 6), tile_centres(128, 8), indexing="ij")
    field = np.stack([0.4 + 0.004 * along, -0.7 + 0.003 * down], -1).astype(np.float32)
    rows, cols = np.mgrid[:96, :128]
    wanted = map_coordinates(mean, [rows + 0.4 + 0.004 * cols, cols - 0.7 + 0.003 * rows], order=5, mode="nearest")
    noise_wanted = map_coordinates(noise, [rows + 0.4 + 0.004 * cols, cols - 0.7 + 0.003 * rows], order=1)
    lay_on_frame(field, mean, noise, age)
    inside = (slice(6, -6), slice(6, -6))
    # OpenCV places samples to 1/32 px: the error is that part of the steepest slope.
    steepest = np.hypot(*np.gradient(wanted)).max()
    assert np.abs(mean - wanted)[inside].max() < steepest / 16
    assert np.abs(mean - wanted)[inside].mean() < steepest / 64
    np.testing.assert_allclose(noise[inside], noise_wanted[inside], rtol=1e-3)
    assert (age[inside] == 30).all()


def test_what_comes_from_beyond_the_grid_is_new() -> None:
    mean, noise = np.ones((40, 40), np.float32), np.ones((40, 40), np.float32)
    age = np.full((40, 40), 9, np.uint8)
    lay_on_frame(np.full((2, 2, 2), (0.0, 5.0), np.float32), mean, noise, age)
    assert (age[4:36, :30] == 9).all()
    assert (age[:, 31:] == 0).all()
    assert (age[:4] == 0).all()  # the interpolation would reach beyond the grid
