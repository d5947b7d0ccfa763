"""Quaternions: properties that any rotation algebra must have."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lookdown.geo import rotation

VECTORS = arrays(np.float64, 3, elements=st.floats(-3.0, 3.0, allow_subnormal=False))


@given(VECTORS, VECTORS)
def test_rotating_keeps_lengths_and_the_conjugate_undoes_it(turn: np.ndarray, vector: np.ndarray) -> None:
    q = rotation.from_rotation_vector(turn)
    turned = rotation.rotate(q, vector)
    np.testing.assert_allclose(np.linalg.norm(turned), np.linalg.norm(vector), atol=1e-13)
    np.testing.assert_allclose(rotation.rotate(rotation.conjugate(q), turned), vector, atol=1e-13)


@given(VECTORS, VECTORS, VECTORS)
def test_the_product_applies_the_second_rotation_first(a: np.ndarray, b: np.ndarray, vector: np.ndarray) -> None:
    p, q = rotation.from_rotation_vector(a), rotation.from_rotation_vector(b)
    np.testing.assert_allclose(
        rotation.rotate(rotation.multiply(p, q), vector), rotation.rotate(p, rotation.rotate(q, vector)), atol=1e-13
    )


@given(VECTORS)
def test_matrix_and_quaternion_are_the_same_rotation(turn: np.ndarray) -> None:
    q = rotation.from_rotation_vector(turn)
    matrix = rotation.to_matrix(q)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(matrix) > 0.0
    again = rotation.from_matrix(matrix)
    np.testing.assert_allclose(again if again @ q > 0 else -again, q, atol=1e-14)


def test_half_turns_survive_the_matrix() -> None:
    for axis in np.eye(3):
        q = rotation.from_rotation_vector(np.pi * axis)
        np.testing.assert_allclose(np.abs(rotation.from_matrix(rotation.to_matrix(q))), np.abs(q), atol=1e-15)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    q = rotation.from_rotation_vector([0.0, 0.0, np.pi / 2])
    np.testing.assert_allclose(rotation.rotate(q, [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(rotation.rotate(np.stack([q, q]), np.eye(3)[:2]), [[0, 1, 0], [-1, 0, 0]], atol=1e-15)


@given(VECTORS)
def test_rotation_vectors_come_back(vector: np.ndarray) -> None:
    angle = np.linalg.norm(vector)
    shorter = vector * (min(1.0, 3.0 / angle) if angle else 1.0)
    np.testing.assert_allclose(rotation.to_rotation_vector(rotation.from_rotation_vector(shorter)), shorter, atol=1e-12)
    np.testing.assert_allclose(
        rotation.to_rotation_vector(-rotation.from_rotation_vector(shorter)), shorter, atol=1e-12
    )


def test_slerp_turns_evenly_on_the_shorter_way() -> None:
    first = rotation.from_rotation_vector([0.3, -0.2, 0.9])
    second = rotation.multiply(first, rotation.from_rotation_vector([0.0, 1.2, 0.0]))
    for sign in (1.0, -1.0):
        part = rotation.slerp(first, sign * second, np.array([0.0, 0.25, 1.0]))
        turn = rotation.to_rotation_vector(rotation.multiply(rotation.conjugate(first), part))
        np.testing.assert_allclose(turn, [[0.0, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 1.2, 0.0]], atol=1e-12)
