"""The plain twin of the fit of spots: SciPy's least squares on the whole frame, from where the sources are."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import erf

Array = NDArray[np.float64]


def model(parameters: Array, shape: tuple[int, ...], sigma_px: float) -> Array:
    """Spots of (row, column, light) and a level, as they fall on pixels."""
    out = np.full(shape, parameters[-1])
    for row, col, light in parameters[:-1].reshape(-1, 3):
        down, along = (
            np.diff(erf((np.arange(n + 1) - 0.5 - at) / sigma_px / np.sqrt(2))) / 2
            for n, at in zip(shape, (row, col), strict=True)
        )
        out += light * np.outer(down, along)
    return out


def fit_spots(frame: Array, places: list[tuple[float, float]], sigma_px: float) -> tuple[Array, Array]:
    """Parameters and covariance at unit noise of spots in the window that the kernel takes about them."""
    reach = int(np.ceil(3 * sigma_px))
    at = np.array(places)
    low = np.maximum(np.rint(at.min(0)).astype(int) - reach, 0)
    high = np.minimum(np.rint(at.max(0)).astype(int) + reach + 1, frame.shape)
    window = frame[low[0] : high[0], low[1] : high[1]].astype(np.float64)
    start = np.append(np.column_stack([at - low, np.full(len(at), 50.0)]).ravel(), 0.0)
    found = least_squares(lambda p: (model(p, window.shape, sigma_px) - window).ravel(), start, xtol=1e-10)
    parameters = found.x.copy()
    parameters[:-1:3] += low[0]
    parameters[1:-1:3] += low[1]
    return parameters, np.linalg.inv(found.jac.T @ found.jac)
