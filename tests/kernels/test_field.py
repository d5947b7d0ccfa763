"""Fields of displacements: predicted from two poses, put together, measured and learnt, beside their twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.field import learn_affine, learn_field, place_field, sum_field
from lookdown.kernels.ground_shift import ground_shift
from tests.kernels import reference_field
from tests.kernels.cases import quick, seeds

AXES = np.array([6378137.0, 6378137.0, 6356752.314245]) + 1000.0
LENSES = ((0.0, 0.0, np.inf, np.inf), (-6.0, 30.0, np.inf, np.inf), (-30.0, 0.0, 0.05, 0.04625))


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def poses(rng: np.random.Generator, away: float) -> list[np.ndarray]:
    """Two poses a second apart that look down to some tenths of a radian, or beyond the limb."""
    found = []
    start, velocity = unit(rng.normal(size=3)) * 7.3e6, rng.normal(size=3) * 5e3
    for k in range(2):
        position = start + k * velocity
        down = -unit(position)
        half = unit(np.array([0, 0, 1.0]) + unit(down + away * rng.normal(size=3)))
        found += [position, unit(np.concatenate([[half[2]], np.cross([0, 0, 1.0], half)]))]
    return found


@quick
@given(seeds, st.integers(1, 5), st.integers(1, 6), st.sampled_from(LENSES), st.sampled_from([0.01, 1.0]))
def test_the_shift_of_the_ground_is_that_of_the_twin(
    seed: int, n: int, m: int, lens: tuple[float, ...], away: float
) -> None:
    rng = np.random.default_rng(seed)
    optics = np.array([1e-4, *lens, 0.1, 255.5, 319.5])
    given = (
        rng.uniform(-0.04, 0.04, (n, m, 2)), rng.uniform(0, 500, (n, m, 2)), optics, AXES, *poses(rng, away)
    )  # fmt: skip
    out = np.zeros((n, m, 2))
    ground_shift(*given, out)
    wanted = reference_field.ground_shift(*given)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(wanted))
    np.testing.assert_allclose(out, wanted, rtol=1e-7, atol=1e-4)


def test_from_inside_the_surface_the_line_leaves_it_once() -> None:
    inside, down = np.array([6e6, 0.0, 0.0]), np.array([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])
    out = np.zeros((1, 1, 2))
    lens = np.array([1e-4, 0, 0, np.inf, np.inf, 0.1, 0.0, 0.0])
    ground_shift(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), lens, AXES, inside, down, inside, down, out)
    np.testing.assert_allclose(out, 0.0, atol=1e-6)


@quick
@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_fields_are_put_together_and_measured(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    base, local, out = rng.normal(size=(n, m, 2)), rng.normal(size=(n, m, 2)), np.zeros((n, m, 2))
    extent = sum_field(base, local, 3.0, -2.0, out)
    wanted = base - [3.0, -2.0] + local
    np.testing.assert_array_equal(out, wanted)
    low, high = wanted.min((0, 1)), wanted.max((0, 1))
    assert extent == (low[0], high[0], low[1], high[1])
    placed = np.zeros((n, m, 2), np.float32)
    step, down, up = place_field(base, 0.5, -0.25, placed)
    np.testing.assert_array_equal(placed, np.float32(base + np.array([0.5, -0.25])))
    assert step == max(np.abs(np.diff(placed, axis=axis)).max(initial=0.0) for axis in (0, 1))
    assert (down, up) == (placed[..., 0].min(), placed[..., 0].max())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_displacement_that_is_not_finite_shows_in_the_range(bad: float, axis: int) -> None:
    for at in ((0, 0), (2, 3), (1, 2)):
        base = np.zeros((3, 4, 2))
        base[at][axis] = bad
        extent = sum_field(base, np.zeros_like(base), 0.0, 0.0, np.zeros_like(base))
        assert extent[2 * axis] == -np.inf
        assert extent[2 * axis + 1] == np.inf


@quick
@given(seeds)
def test_a_tile_learns_its_least_squares_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(3, 4, 6, 2)) * 50
    normals, right = np.swapaxes(roots, -1, -2) @ roots, rng.normal(size=(3, 4, 2)) * 100
    sums = np.stack([normals[..., 0, 0], normals[..., 0, 1], normals[..., 1, 1], right[..., 0], right[..., 1]], -1)
    start = rng.normal(size=(3, 4, 2))
    local = start.copy()
    learn_field(np.ascontiguousarray(sums), 0.02, local)
    wanted = start + np.linalg.solve(normals + np.eye(2) / 0.02**2, right[..., None])[..., 0]
    np.testing.assert_allclose(local, wanted, rtol=1e-9, atol=1e-12)


@quick
@given(seeds, st.integers(1, 5), st.integers(1, 6))
def test_all_tiles_learn_one_affine_step_and_each_what_is_left_of_it(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(n, m, 6, 2)) * 50
    normals, right = np.swapaxes(roots, -1, -2) @ roots, rng.normal(size=(n, m, 2)) * 100
    sums = np.stack([normals[..., 0, 0], normals[..., 0, 1], normals[..., 1, 1], right[..., 0], right[..., 1]], -1)
    down, along = np.meshgrid((np.arange(n) + 0.5) / n - 0.5, (np.arange(m) + 0.5) / m - 0.5, indexing="ij")
    basis = np.stack([np.ones((n, m)), down, along], -1)
    # d = design p, with p all elements for rows, then all for columns.
    design = np.zeros((n, m, 2, 6))
    design[..., 0, :3] = design[..., 1, 3:] = basis
    matrix = np.einsum("ijka,ijkl,ijlb->ab", design, normals, design) + np.eye(6) / 0.1**2
    step = design @ np.linalg.solve(matrix, np.einsum("ijka,ijk->a", design, right))
    start = rng.normal(size=(n, m, 2))
    local, changed = start.copy(), np.ascontiguousarray(sums)
    learn_affine(changed, 0.1, local)
    np.testing.assert_allclose(local, start + step, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(changed[..., :3], sums[..., :3])
    np.testing.assert_allclose(changed[..., 3:], right - (normals @ step[..., None])[..., 0], rtol=1e-6, atol=1e-6)


FIELD = np.zeros((2, 3, 2))
GOOD = {
    ground_shift: {
        "tangents": FIELD, "centres": FIELD, "lens": np.ones(8), "axes_m": AXES, "position_a_m": AXES,
        "attitude_a": np.ones(4), "position_b_m": AXES, "attitude_b": np.ones(4), "out": np.zeros((2, 3, 2)),
    },
    sum_field: {"base": FIELD, "local": FIELD, "row_step": 0.0, "col_step": 0.0, "out": np.zeros((2, 3, 2))},
    place_field: {"base": FIELD, "row": 0.0, "col": 0.0, "out": np.zeros((2, 3, 2), np.float32)},
    learn_field: {"normals": np.zeros((2, 3, 5)), "prior_px": 1.0, "local": np.zeros((2, 3, 2))},
    learn_affine: {"normals": np.zeros((2, 3, 5)), "prior_px": 1.0, "local": np.zeros((2, 3, 2))},
}  # fmt: skip
NO_FIELDS = (np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros((2, 3, 2), np.int32), np.zeros((2, 6, 2))[:, ::2], None)


@pytest.mark.parametrize(
    ("kernel", "name", "value"),
    [
        (kernel, name, value)
        for kernel, arguments in GOOD.items()
        for name, good in arguments.items()
        for value in (NO_FIELDS if isinstance(good, np.ndarray) else (np.nan, np.inf, "1", None))
    ]
    + [(place_field, "base", np.zeros((0, 3, 2))), (learn_field, "prior_px", 0.0)],
)
def test_what_does_not_fit_is_refused(kernel, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}: wanted"):
        kernel(*(GOOD[kernel] | {name: value}).values())
