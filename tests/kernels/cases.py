"""What Hypothesis may draw for a kernel: shapes down to one pixel, texture, and values that break careless code."""

import itertools

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

settings.register_profile("kernels", deadline=None, derandomize=True, max_examples=40)
quick = settings.get_profile("kernels")

shapes = st.one_of(
    st.sampled_from([(1, 1), (1, 9), (9, 1), (2, 2), (1, 40), (3, 70)]),
    st.tuples(st.integers(1, 40), st.integers(1, 70)),
)
seeds = st.integers(0, 2**32 - 1)
odd = st.integers(0, 8).map(lambda half: 2 * half + 1)


def image(shape: tuple[int, int], seed: int, level: float = 0.0) -> np.ndarray:
    """Gaussian noise about a level, with a few strong pixels."""
    rng = np.random.default_rng(seed)
    out = rng.standard_normal(shape) + level
    out.flat[rng.integers(0, out.size, out.size // 50)] += 40
    return out.astype(np.float32)


def spoilt(shape: tuple[int, int], seed: int, level: float = 0.0) -> np.ndarray:
    """The same with NaN and infinities in about one pixel of fifty, at least one."""
    rng = np.random.default_rng(seed + 1)
    out = image(shape, seed, level)
    at = rng.integers(0, out.size, 1 + out.size // 50)
    out.flat[at] = rng.choice([np.nan, np.inf, -np.inf], at.size)
    return out


def bands_of(rows: int, unit: int) -> tuple[tuple[int, int], ...]:
    """Bands of rows that begin at multiples of ``unit``: of one unit, two, three and so on, the last one shorter."""
    cuts = [unit * n * (n + 1) // 2 for n in range(rows + 1)]
    cuts = [cut for cut in cuts if cut < rows] + [rows]
    return tuple(itertools.pairwise(cuts))
