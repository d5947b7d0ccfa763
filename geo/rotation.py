"""Unit quaternions, scalar first, as active rotations: ``rotate(q, v) = q v q*``.

An attitude turns sensor components into ECEF components. Source: Markley and Crassidis (2014), "Fundamentals of
Spacecraft Attitude Determination and Control", section 2.9, with the Hamilton product. Vectorised over leading axes.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def multiply(first: ArrayLike, second: ArrayLike) -> Float:
    """Hamilton product: the rotation by ``second``, then by ``first``.

    Parameters
    ----------
    first, second : array_like of float, shape (..., 4)
        Quaternions; leading shapes broadcast.

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Product.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    a0, a1, a2, a3 = (a[..., i] for i in range(4))
    b0, b1, b2, b3 = (b[..., i] for i in range(4))
    return np.stack(
        [
            a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3,
            a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
            a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1,
            a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
        ],
        axis=-1,
    )


def conjugate(quaternion: ArrayLike) -> Float:
    """Inverse rotation of unit quaternions, shape (..., 4)."""
    return np.asarray(np.asarray(quaternion, np.float64) * np.array([1.0, -1.0, -1.0, -1.0]), np.float64)


def rotate(quaternion: ArrayLike, vector: ArrayLike) -> Float:
    """Vectors turned by unit quaternions, ``v + 2 q0 (u x v) + 2 u x (u x v)``.

    Parameters
    ----------
    quaternion : array_like of float, shape (..., 4)
        Unit quaternions.
    vector : array_like of float, shape (..., 3)
        Vectors; leading shapes broadcast.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        Turned vectors.
    """
    q, v = np.asarray(quaternion, np.float64), np.asarray(vector, np.float64)
    axis = q[..., 1:]
    twice = 2.0 * np.cross(axis, v)
    return np.asarray(v + q[..., :1] * twice + np.cross(axis, twice), np.float64)


def to_matrix(quaternion: ArrayLike) -> Float:
    """Rotation matrices of unit quaternions: columns are the turned axes.

    Parameters
    ----------
    quaternion : array_like of float, shape (..., 4)
        Unit quaternions.

    Returns
    -------
    ndarray of float64, shape (..., 3, 3)
        ``to_matrix(q) @ v`` equals ``rotate(q, v)``.
    """
    q = np.asarray(quaternion, np.float64)
    # Of one quaternion, plain numbers: NumPy takes ten times as long over its scalars.
    w, x, y, z = q.tolist() if q.ndim == 1 else np.moveaxis(q, -1, 0)
    matrix = np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )
    return matrix if q.ndim == 1 else np.ascontiguousarray(np.moveaxis(matrix, (0, 1), (-2, -1)))


def from_matrix(matrix: ArrayLike) -> Float:
    """Quaternions of rotation matrices (Shepperd 1978: divide by the largest component).

    Parameters
    ----------
    matrix : array_like of float, shape (..., 3, 3)
        Proper rotation matrices.

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternions with scalar part >= 0.
    """
    m = np.asarray(matrix, np.float64)
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 2, 0] + m[..., 0, 2], m[..., 2, 1] + m[..., 1, 2]
    # Row k is 4 q_k (q0, q1, q2, q3): each is the quaternion up to a factor, the one of largest q_k the most exact.
    rows = np.stack(
        [
            np.stack([1.0 + m00 + m11 + m22, a, b, c], axis=-1),
            np.stack([a, 1.0 + m00 - m11 - m22, d, e], axis=-1),
            np.stack([b, d, 1.0 - m00 + m11 - m22, f], axis=-1),
            np.stack([c, e, f, 1.0 - m00 - m11 + m22], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] < 0.0, -q, q), np.float64)


def from_rotation_vector(rotation_rad: ArrayLike) -> Float:
    """Quaternions of rotation vectors (axis times angle).

    Parameters
    ----------
    rotation_rad : array_like of float, shape (..., 3)
        Rotation vectors [rad].

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternions.
    """
    vector = np.asarray(rotation_rad, np.float64)
    half = 0.5 * np.linalg.norm(vector, axis=-1, keepdims=True)
    # np.sinc(x / pi) is sin(x) / x, exact at zero.
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * vector], axis=-1)


def to_rotation_vector(quaternion: ArrayLike) -> Float:
    """Rotation vectors of unit quaternions, the shorter way round; inverse of `from_rotation_vector`.

    Parameters
    ----------
    quaternion : array_like of float, shape (..., 4)
        Unit quaternions.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        Axis times angle of 0 to pi [rad].
    """
    q = np.asarray(quaternion, np.float64)
    q = np.where(q[..., :1] < 0.0, -q, q)
    sine = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(sine, q[..., :1])
    return np.asarray(2.0 / np.sinc(half / np.pi) * q[..., 1:], np.float64)


def slerp(first: ArrayLike, second: ArrayLike, share: ArrayLike) -> Float:
    """Attitudes on the shortest way between two (Shoemake 1985, "Animating rotation with quaternion curves").

    Parameters
    ----------
    first, second : array_like of float, shape (..., 4)
        Unit quaternions at shares 0 and 1.
    share : array_like of float, shape (...)
        Share of the way [1].

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Unit quaternions.
    """
    way = to_rotation_vector(multiply(conjugate(first), second))
    return multiply(first, from_rotation_vector(np.asarray(share, np.float64)[..., None] * way))
