"""Plain twins of the kernels on fields of displacements."""

import numpy as np


def turn(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """``q v q*`` by the rotation matrix of a unit quaternion (Markley and Crassidis 2014, eq. 2.125)."""
    w, u = q[0], q[1:]
    cross = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    return v @ ((w * w - u @ u) * np.eye(3) + 2 * np.outer(u, u) + 2 * w * cross).T


def ground_shift(tangents, centres, lens, axes, position_a, attitude_a, position_b, attitude_b):
    ifov, k1, k2, end, end_image, slope, *middle = lens
    sight = turn(attitude_b, np.concatenate([tangents, np.ones((*tangents.shape[:2], 1))], -1))
    start, step = position_b / axes, sight / axes
    a, b, c = (step**2).sum(-1), (step @ start), start @ start - 1
    with np.errstate(invalid="ignore"):
        root = np.sqrt(b * b - a * c)
    distance = (root - b) / a if c < 0 else np.where(b < 0, (-root - b) / a, np.nan)
    conjugate = attitude_a * [1, -1, -1, -1]
    seen = turn(conjugate, position_b + distance[..., None] * sight - position_a)
    with np.errstate(invalid="ignore"):
        seen = np.where(seen[..., 2:] > 0, seen / seen[..., 2:], np.nan)[..., :2]
    radius = np.hypot(*np.moveaxis(seen, -1, 0))
    image = radius * (1 + radius**2 * (k1 + radius**2 * k2))
    if np.isfinite(end):
        image = np.where(radius > end, end_image + slope * (radius - end), image)
    seen = seen * np.where(radius > 0, image / np.where(radius > 0, radius, 1), 1)[..., None]
    return seen[..., ::-1] / ifov + middle - centres
