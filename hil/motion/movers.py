"""Movers: smooth paths over the Earth, and where a mover is at any time.

A path is either a great circle at constant speed with sines sideways and in height (airliner, weaving fighter, skipping
glider), or cubic splines through waypoints; both have continuous second derivatives. The great circle runs in geodetic
normals (n-vectors, Gade 2010, J. of Navigation 63) on the sphere that fits the ellipsoid in the start's direction, so
height is geodetic height; over 200 km the speed is exact to 1e-3.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from lookdown.geo.earth import ECCENTRICITY_SQUARED, SEMI_MAJOR_AXIS_M, enu_axes, geodetic_to_ecef
from lookdown.hil.settings import Place, require

Float = NDArray[np.float64]

MoverKind = Literal["airliner", "fighter", "cruise_missile", "hypersonic_glider"]

_DERIVATIVE_NS = 5_000_000
"""Half step of the velocity's central difference: errors below 1e-6 m/s from rounding and from a jerk of 1 m/s^3."""


@dataclass(frozen=True)
class Start:
    """Where and how a mover sets out on a great circle at constant speed."""

    lat_deg: float
    lon_deg: float
    height_m: float
    heading_deg: float  # clockwise from north
    speed_m_s: float


@dataclass(frozen=True)
class Oscillation:
    """A sine about the path: ``amplitude_m sin(2 pi t / period_s)``."""

    amplitude_m: float
    period_s: float

    def __post_init__(self) -> None:
        """Refuse a period that is none."""
        require(self, ("period_s", self.period_s > 0.0, "above 0"))


@dataclass(frozen=True)
class MoverConfig:
    """A mover: what it is, how bright, and either ``start`` (with manoeuvres) or ``waypoints``.

    Attributes
    ----------
    name : str
        Identity.
    kind : str
        What it is; a label.
    intensity_w_sr : float
        Radiant intensity in the band less that of the background it hides; negative if darker [W/sr].
    start : Start or None
        Great circle at constant speed.
    weave, skip : Oscillation or None
        Sideways (to the left first) and vertical manoeuvre about ``start``'s path.
    waypoints : tuple of Place
        Places with rising ``t_s`` that cover the scenario; joined by cubic splines.
    """

    name: str
    kind: MoverKind
    intensity_w_sr: float
    start: Start | None = None
    weave: Oscillation | None = None
    skip: Oscillation | None = None
    waypoints: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a mover without a path, or below ground."""
        if (self.start is None) == (len(self.waypoints) == 0):
            raise ValueError(f"mover {self.name!r}: wanted either 'start' or 'waypoints'; give one of them")
        if self.waypoints and (self.weave or self.skip):
            raise ValueError(f"mover {self.name!r}: weave and skip go with 'start'; move the waypoints instead")
        times = [place.t_s for place in self.waypoints]
        if self.waypoints and (len(times) < 2 or times != sorted(set(times))):
            raise ValueError(f"mover {self.name!r}: wanted two waypoints or more with rising t_s, got t_s {times}")


class _Curve(Protocol):
    """Geodetic latitude, longitude [rad] and height [m] at seconds from the start."""

    def __call__(self, t_s: Float) -> tuple[Float, Float, Float]: ...


@dataclass(frozen=True)
class MoverPath:
    """Where a mover is at any time.

    Attributes
    ----------
    name : str
        Identity of the mover.
    start_ns : int
        Instant of the scenario's start, TAI [ns].
    curve : callable
        Latitude, longitude [rad] and height [m] at seconds from the start.
    """

    name: str
    start_ns: int
    curve: _Curve

    def position(self, time_ns: ArrayLike) -> Float:
        """Position ECEF, shape (..., 3) [m], at times of shape (...), TAI [ns]."""
        seconds = (np.asarray(time_ns, np.int64) - self.start_ns) * 1e-9
        return geodetic_to_ecef(*self.curve(np.asarray(seconds, np.float64)))

    def height_m(self, time_ns: ArrayLike) -> Float:
        """Height over the ellipsoid [m]."""
        seconds = (np.asarray(time_ns, np.int64) - self.start_ns) * 1e-9
        return self.curve(np.asarray(seconds, np.float64))[2]

    def state(self, time_ns: ArrayLike) -> tuple[Float, Float]:
        """Position and velocity.

        Parameters
        ----------
        time_ns : array_like of int64, shape (...)
            Time, TAI [ns].

        Returns
        -------
        position_m, velocity_m_s : ndarray of float64, shape (..., 3)
            ECEF position [m] and velocity in the rotating frame [m/s].
        """
        time = np.asarray(time_ns, np.int64)
        after, before = self.position(time + _DERIVATIVE_NS), self.position(time - _DERIVATIVE_NS)
        return self.position(time), (after - before) / (2e-9 * _DERIVATIVE_NS)


def _sine(oscillation: Oscillation | None, t_s: Float) -> Float:
    if oscillation is None:
        return np.zeros_like(t_s)
    return np.asarray(oscillation.amplitude_m * np.sin(2.0 * np.pi / oscillation.period_s * t_s), np.float64)


def _great_circle(start: Start, weave: Oscillation | None, skip: Oscillation | None) -> _Curve:
    lat, lon, heading = np.radians([start.lat_deg, start.lon_deg, start.heading_deg])
    east, north, up = enu_axes(lat, lon)
    # The normal turns by the way north over the meridian's radius and the way east over the prime vertical's.
    bulge = 1.0 - ECCENTRICITY_SQUARED * np.sin(lat) ** 2
    meridian = SEMI_MAJOR_AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / bulge**1.5
    vertical = SEMI_MAJOR_AXIS_M / np.sqrt(bulge)
    turn = np.cos(heading) / (meridian + start.height_m) * north + np.sin(heading) / (vertical + start.height_m) * east
    radius_m = 1.0 / np.linalg.norm(turn)
    ahead = radius_m * turn
    left = np.cross(up, ahead)

    def curve(t_s: Float) -> tuple[Float, Float, Float]:
        along = (start.speed_m_s / radius_m * t_s)[..., None]
        aside = (_sine(weave, t_s) / radius_m)[..., None]
        normal = np.cos(aside) * (np.cos(along) * up + np.sin(along) * ahead) + np.sin(aside) * left
        lat_rad = np.arctan2(normal[..., 2], np.hypot(normal[..., 0], normal[..., 1]))
        return lat_rad, np.arctan2(normal[..., 1], normal[..., 0]), start.height_m + _sine(skip, t_s)

    return curve


def mover_path(mover: MoverConfig, start_ns: int) -> MoverPath:
    """Path of a mover.

    Parameters
    ----------
    mover : MoverConfig
        Mover with ``start`` or ``waypoints``.
    start_ns : int
        Instant of the scenario's start, TAI [ns].
    """
    if mover.start is not None:
        return MoverPath(mover.name, start_ns, _great_circle(mover.start, mover.weave, mover.skip))
    places = np.array([(p.t_s, np.radians(p.lat_deg), np.radians(p.lon_deg), p.height_m) for p in mover.waypoints])
    places[:, 2] = np.unwrap(places[:, 2])
    spline = CubicSpline(places[:, 0], places[:, 1:], bc_type="natural")

    def curve(t_s: Float) -> tuple[Float, Float, Float]:
        values = np.asarray(spline(t_s), np.float64)
        return values[..., 0], values[..., 1], values[..., 2]

    return MoverPath(mover.name, start_ns, curve)
