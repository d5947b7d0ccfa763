"""The radar's own motion: what it adds to the range rate of what stands still in a direction."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.rotation import rotate
from lookdown.wire.messages import SensorState

Real = NDArray[np.float64]


class Motion(NamedTuple):
    """Velocity of a radar against the ground along its array and along its boresight [m/s].

    The boresight is across the array, and the velocity lies in the plane of both.
    """

    along_m_s: float
    ahead_m_s: float = 0.0

    def toward(self, u: Real) -> tuple[Real, Real]:
        """Speed toward directions of cosine u to the array [m/s], and how it changes with u [m/s]."""
        across = np.sqrt(np.maximum(1.0 - u * u, 1e-6))
        return self.along_m_s * u + self.ahead_m_s * across, self.along_m_s - self.ahead_m_s * u / across


def motion_of(state: SensorState) -> Motion:
    """Return the motion of a radar in its own axes: +x along the array, +z the boresight."""
    axes = (rotate(state.attitude, axis) for axis in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
    return Motion(*(float(np.asarray(state.velocity_m_s) @ axis) for axis in axes))
