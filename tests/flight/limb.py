"""A view across the limb from low orbit, with the pointing that tells its stars from what flies there."""

import numpy as np

from lookdown.geo.camera import Camera
from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M
from lookdown.geo.rotation import conjugate, from_matrix, from_rotation_vector, multiply, rotate
from lookdown.geo.sight import tangent_height
from lookdown.wire.messages import SensorState
from tests.flight.disturbed import COLS, PEAK_OF_SNR, ROWS, View, add_spots

IFOV_RAD = 150e-6
FRAME_S = 0.1
ORBIT_M = SEMI_MAJOR_AXIS_M + 700e3
LIMB_ROW = 90.0
TILT_RAD = 0.4
"""Turn of the camera about its boresight: the limb lies across the frame, and stars move along both axes."""

POINTING_PX = 0.1
"""Error of the pointing that differs from frame to frame, one sigma of an axis [px]."""

EDGE_M = 550.0
"""Height in which the limb fades [m]."""

RENEWED_FRAMES = 20
"""Frames for which the limb stays where it is: it moves by the flattening of the Earth alone."""


def turn_about_pole(vectors: np.ndarray, angle_rad: float) -> np.ndarray:
    """Turn vectors about the z axis."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.asarray(vectors @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]))


class PointedLimb:
    """A third of the view is space. The camera turns with the orbit, so the limb stays and the stars move on.

    Attributes
    ----------
    states, times_ns : list
        Pointing and time of each frame.
    """

    def __init__(self, n_frames: int, stars: int = 24, seed: int = 99) -> None:
        rng = np.random.default_rng(seed)
        self.camera = Camera(ROWS, COLS, IFOV_RAD)
        rate = float(np.sqrt(GRAVITY_PARAMETER_M3_S2 / ORBIT_M**3))
        dip = np.arccos(SEMI_MAJOR_AXIS_M / ORBIT_M) + (0.5 * ROWS - LIMB_ROW) * IFOV_RAD
        self.times_ns = [int(1e9 * FRAME_S * k) for k in range(n_frames)]
        self._attitudes, self.states = [], []
        for k in range(n_frames):
            # Inertial axes first: up, forward, and the axis of the orbit, inclined by 0.9 rad.
            angle = rate * FRAME_S * k + 0.3
            up = np.array([np.cos(angle), np.sin(angle) * np.cos(0.9), np.sin(angle) * np.sin(0.9)])
            ahead = np.array([-np.sin(angle), np.cos(angle) * np.cos(0.9), np.cos(angle) * np.sin(0.9)])
            boresight = np.cos(dip) * ahead - np.sin(dip) * up
            right = np.cross(boresight, up) / np.linalg.norm(np.cross(boresight, up))
            down = np.cross(boresight, right)
            x_axis = np.cos(TILT_RAD) * right + np.sin(TILT_RAD) * down
            axes = np.stack((x_axis, np.cross(boresight, x_axis), boresight))
            turned = -ROTATION_RATE_RAD_S * FRAME_S * k
            position = turn_about_pole(ORBIT_M * up, turned)
            velocity = turn_about_pole(ORBIT_M * rate * ahead, turned) - np.cross((0, 0, ROTATION_RATE_RAD_S), position)
            attitude = from_matrix(turn_about_pole(axes, turned).T)
            error = from_rotation_vector(np.append(rng.normal(0, POINTING_PX * IFOV_RAD, 2), 0.0))
            self._attitudes.append(attitude)
            self.states.append(SensorState(position, velocity, multiply(attitude, error), 10.0, 3e-5, IFOV_RAD))
        rows, cols = np.indices((ROWS, COLS))
        x, y = self.camera.tangent_from_pixel(rows, cols)
        self._sights = np.stack((x, y, np.ones_like(x)), -1)
        self._share = -1, np.zeros(0)
        self.peaks = rng.exponential(20.0 * PEAK_OF_SNR, stars) + 5 * PEAK_OF_SNR
        self._stars = np.zeros((stars, 3))
        for star in range(stars):
            k = int(rng.integers(n_frames))
            x, y = self.camera.tangent_from_pixel(rng.uniform(0, LIMB_ROW), rng.uniform(0, COLS))
            self._stars[star] = turn_about_pole(
                rotate(self._attitudes[k], np.array([x, y, 1.0])), ROTATION_RATE_RAD_S * FRAME_S * k
            )

    def places(self, k: int) -> np.ndarray:
        """Where the stars stand in frame k (row, col), those below the limb too [px]."""
        sights = rotate(conjugate(self._attitudes[k]), turn_about_pole(self._stars, -ROTATION_RATE_RAD_S * FRAME_S * k))
        return np.stack(self.camera.pixel_from_tangent(sights[:, 0] / sights[:, 2], sights[:, 1] / sights[:, 2]), -1)

    def _ground(self, k: int) -> np.ndarray:
        """Share of the ground in each pixel's light."""
        if self._share[0] != k:
            height = tangent_height(self.states[k].position_m, rotate(self._attitudes[k], self._sights))
            self._share = k, 1 / (1 + np.exp(np.clip(height / EDGE_M, -50, 50)))
        return self._share[1]

    def __call__(self, view: View, k: int) -> np.ndarray:
        image = view.clean(k)
        share = self._ground(k // RENEWED_FRAMES * RENEWED_FRAMES)
        sky = np.full(image.shape, 600.0)
        add_spots(sky, self.places(k), self.peaks)
        return view.samples(k, sky + share * (image - sky))
