"""Stars above the limb: with pointing they tell themselves, for they stand still in inertial space.

Where the line of sight of a plot misses the Earth, its direction is turned to axes that do not turn with the Earth and
compared with the frames before (`lookdown.kernels.stars`). Something at rest at the limb's distance ``R`` moves among
the stars at the angular rate ``v / R`` of the sensor's own motion. What was seen at one place for the time in which
that makes some pixels is a star, so that what moves along with the sensor a little is none. Two ways lead there:

- the two frames before show it at the same place, if they span that time: a new star is none of the plots;
- a list of the places seen before holds it: a faint star that one frame of several shows, and a far sensor, to which
  nothing moves fast.

In view of nothing but the Earth this costs a look at each plot's line of sight.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.confirm import PARTNER_SHARE, TOGETHER
from lookdown.geo.camera import Camera
from lookdown.geo.earth import ROTATION_RATE_RAD_S, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M
from lookdown.kernels.judge import keep_plots
from lookdown.kernels.stars import STAR_DTYPE, mark_stars, mark_still
from lookdown.wire.messages import PlotFlag, SensorState

REACH_PX = 1.0
"""How far from its place a star may be seen: three sigmas of two places of SNR 5, and jitter of the pointing [px]."""

LEAST_SEEN, LEAST_FRAMES = 3, 2
"""Frames in which a star was seen, and frames since the first of them: a plot has partners in two frames before it."""

PARALLAX_PX = 3.0
"""What something at rest at the limb must have moved by [px]."""

PATIENCE_FRAMES, MOST_SEEN = 12, 64
"""Frames for which a place is kept for each frame in which it was seen, and frames that count so."""

CAPACITY = 1024
"""Places that are kept, noise included."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Where the sensor looked in a frame.

    Attributes
    ----------
    time_ns : int
        Time, TAI [ns].
    angle_rad : float
        Angle that the Earth had turned by [rad].
    position_m, attitude : ndarray of float64, shape (3,), (4,)
        Position [m] and quaternion from sensor to ECEF.
    reach_rad : float
        Angle of `REACH_PX`.
    parallax_ns : int
        Time in which something at rest at the limb moves by `PARALLAX_PX` [ns].
    """

    time_ns: int
    angle_rad: float
    position_m: NDArray[np.float64]
    attitude: NDArray[np.float64]
    reach_rad: float
    parallax_ns: int


class Stars:
    """Tells the stars among the plots of one sensor.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    reported : bool
        Stars stay among the plots.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens [1].
    """

    def __init__(self, rows: int, cols: int, reported: bool, distortion: tuple[float, float] = (0.0, 0.0)) -> None:
        self._rows, self._cols, self._reported, self._distortion = rows, cols, reported, distortion
        self._axes_m = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M])
        self._places = np.zeros(CAPACITY, STAR_DTYPE)
        self._lens = np.zeros(0)
        self._ifov_rad = 0.0
        self._frame = 0
        self._now: Sight | None = None
        self._before: Sight | None = None
        self._older: Sight | None = None

    def start(self, state: SensorState | None, time_ns: int | None) -> None:
        """Begin a frame.

        Parameters
        ----------
        state : SensorState or None
            Its pointing.
        time_ns : int or None
            Its time, TAI [ns]. Without both no star is told.
        """
        self._frame += 1
        self._now = None
        if state is None or time_ns is None or not is_finite(state):
            return
        if state.ifov_rad != self._ifov_rad:
            self._lens = Camera(self._rows, self._cols, state.ifov_rad, self._distortion).lens
            self._ifov_rad = state.ifov_rad
            self._places["seen"] = 0
            self._before = self._older = None
        self._now = Sight(
            time_ns,
            1e-9 * time_ns * ROTATION_RATE_RAD_S % (2.0 * np.pi),
            np.ascontiguousarray(state.position_m, np.float64),
            np.ascontiguousarray(state.attitude, np.float64),
            REACH_PX * state.ifov_rad,
            parallax_ns(state),
        )

    def end(self) -> None:
        """End a frame whose scores are those of the frame before from now on."""
        self._older, self._before = self._before, self._now

    def mark_still(
        self, plots: NDArray[Any], before: NDArray[np.float32] | None, older: NDArray[np.float32] | None
    ) -> None:
        """Flag the plots that the two frames before show at the same place among the stars.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots of the frame.
        before, older : ndarray of float32, shape (rows, cols), or None
            Calibrated SNR of the frame before and of the one before it, None without one.
        """
        now, past, first = self._now, self._before, self._older
        if now is None or past is None or first is None or before is None or older is None or not len(plots):
            return
        if now.time_ns - first.time_ns < now.parallax_ns:
            return
        mark_still(
            plots,
            self._lens,
            self._axes_m,
            now.position_m,
            now.attitude,
            now.angle_rad,
            before,
            past.attitude,
            past.angle_rad,
            older,
            first.attitude,
            first.angle_rad,
            REACH_PX,
            PARTNER_SHARE,
            TOGETHER,
            PlotFlag.STAR,
        )

    def mark(self, plots: NDArray[Any]) -> None:
        """Flag the stars among plots of the frame as `PlotFlag.STAR`, and learn from all of them.

        Parameters
        ----------
        plots : ndarray of PLOT_DTYPE, shape (n,)
            Plots; may be called several times a frame.
        """
        now = self._now
        if now is None or not len(plots):
            return
        mark_stars(
            plots,
            self._lens,
            self._axes_m,
            now.position_m,
            now.attitude,
            now.angle_rad,
            now.time_ns,
            self._frame,
            now.reach_rad,
            LEAST_SEEN,
            LEAST_FRAMES,
            now.parallax_ns,
            PATIENCE_FRAMES,
            MOST_SEEN,
            PlotFlag.STAR,
            self._places,
        )

    @property
    def drops(self) -> bool:
        """Whether stars are told in this frame, and left out."""
        return self._now is not None and not self._reported

    def kept(self, plots: NDArray[Any]) -> NDArray[Any]:
        """Take stars out of the plots, unless they are to be reported; those that stay move up, in their order."""
        if not self.drops:
            return plots
        return plots[: keep_plots(plots, (plots["flags"] & PlotFlag.STAR == 0).view(np.uint8))]


def is_finite(state: SensorState) -> bool:
    """Return whether all of a state is known that stars are told by."""
    known = np.isfinite(state.position_m).all() and np.isfinite(state.velocity_m_s).all()
    return bool(known and np.isfinite(state.attitude).all() and state.ifov_rad > 0)


def parallax_ns(state: SensorState) -> int:
    """Return the time in which something at rest at the limb moves by `PARALLAX_PX` among the stars [ns].

    Examples
    --------
    >>> state = SensorState(np.array([7.0e6, 0, 0]), np.array([0, 7.0e3, 0]), np.array([1.0, 0, 0, 0]), 1.0, 1e-5, 1e-4)
    >>> f"{1e-9 * parallax_ns(state):.2f} s"
    '0.12 s'
    """
    x, y, z = (float(c) for c in state.position_m)
    vx, vy, vz = (float(c) for c in state.velocity_m_s)
    # The sensor's velocity in axes that do not turn with the Earth.
    speed = float(np.hypot(np.hypot(vx - ROTATION_RATE_RAD_S * y, vy + ROTATION_RATE_RAD_S * x), vz))
    distance = max(x * x + y * y + z * z - SEMI_MAJOR_AXIS_M**2, 0.0) ** 0.5
    return int(1e9 * PARALLAX_PX * state.ifov_rad * distance / max(speed, 1.0))
