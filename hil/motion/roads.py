"""Roads, and vehicles that drive on them: speed by bends, stops and what driver and lorry put up with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import convolve1d

from lookdown.geo.earth import ecef_to_geodetic, geodetic_to_ecef
from lookdown.hil.settings import Place, require

Float = NDArray[np.float64]

_STEP_M = 2.0
_LINE_M = 10.0  # between the points of its drawn line
_STEP_S = 0.1
_SMOOTH_S = 2.0
_SLOWEST_M_S = 0.5


@dataclass(frozen=True)
class RoadConfig:
    """A road: a smooth curve through points.

    Attributes
    ----------
    name : str
        Identity.
    points : tuple of Place
        Two points or more; heights and times are not used.
    width_m : float
        Width [m].
    contrast : float
        Its radiance over that of the ground beside it, less 1 [1].
    """

    name: str
    points: tuple[Place, ...]
    width_m: float = 12.0
    contrast: float = -0.1

    def __post_init__(self) -> None:
        """Refuse a road that leads nowhere."""
        require(
            self,
            ("points", len(self.points) >= 2, "two points or more"),
            ("width_m", self.width_m > 0.0, "above 0"),
            ("contrast", -1.0 <= self.contrast <= 10.0, "-1 to 10"),
        )


@dataclass(frozen=True)
class Stop:
    """A halt on a road."""

    at_m: float  # from the road's first point
    dwell_s: float


@dataclass(frozen=True)
class DriveConfig:
    """A drive along a road.

    Attributes
    ----------
    road : str
        Name of the road.
    speed_m_s : float
        Speed where nothing hinders [m/s].
    begin_m : float
        Place at the start, from the road's first point [m].
    stops : tuple of Stop
        Halts, in order.
    acceleration_m_s2, lateral_m_s2 : float
        Most along the road and across it, in bends [m/s^2].
    """

    road: str
    speed_m_s: float
    begin_m: float = 0.0
    stops: tuple[Stop, ...] = ()
    acceleration_m_s2: float = 1.0
    lateral_m_s2: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a drive that no vehicle makes."""
        places = [stop.at_m for stop in self.stops]
        require(
            self,
            ("speed_m_s", 1.0 <= self.speed_m_s <= 60.0, "1 to 60"),
            ("begin_m", self.begin_m >= 0.0, "0 or more"),
            ("stops", places == sorted(places) and all(at > self.begin_m for at in places), "in order, after begin_m"),
            ("acceleration_m_s2", 0.1 <= self.acceleration_m_s2 <= 5.0, "0.1 to 5"),
            ("lateral_m_s2", 0.1 <= self.lateral_m_s2 <= 8.0, "0.1 to 8"),
        )


class Road:
    """A road by the way along it.

    Parameters
    ----------
    config : RoadConfig
        Road.

    Attributes
    ----------
    length_m : float
        Its length [m].
    """

    def __init__(self, config: RoadConfig) -> None:
        lat, lon = (np.radians([getattr(place, name) for place in config.points]) for name in ("lat_deg", "lon_deg"))
        points = geodetic_to_ecef(lat, lon, 0.0)
        chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        curve = CubicSpline(chord, points, bc_type="natural")
        fine = np.linspace(0.0, chord[-1], max(int(chord[-1] / _STEP_M), 2) + 1)
        places = curve(fine)
        way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
        self.length_m = float(way[-1])
        self._by_way = CubicSpline(way, places)

    def place(self, way_m: Float) -> tuple[Float, Float]:
        """Latitude and longitude [rad] at ways from the first point, of shape (...) [m]; straight on beyond."""
        lat, lon, _ = ecef_to_geodetic(self._by_way(way_m))
        return lat, lon

    def middle_m(self) -> Float:
        """Points of its middle line, ECEF, shape (n, 3) [m]."""
        return np.asarray(self._by_way(np.linspace(0.0, self.length_m, int(self.length_m / _LINE_M) + 2)), np.float64)

    def curvature_per_m(self, way_m: Float) -> Float:
        """Curvature at ways, of shape (...) [1/m]."""
        return np.asarray(np.linalg.norm(self._by_way(way_m, 2), axis=-1), np.float64)


def drive(config: DriveConfig, road: Road, duration_s: float) -> CubicSpline:
    """Way along a road over time, from 0 to a little after ``duration_s``; its acceleration has no steps.

    Speeds keep to the bends' limit; braking and starting keep to the acceleration's (two passes along the road). At
    the road's end the vehicle stops.
    """
    n = max(int((road.length_m - config.begin_m) / _STEP_M), 2)
    way = np.linspace(config.begin_m, road.length_m, n + 1)
    step = way[1] - way[0]
    bend = np.sqrt(config.lateral_m_s2 / np.maximum(road.curvature_per_m(way), 1e-9))
    speed = np.minimum(config.speed_m_s, bend)
    dwell = np.zeros(n + 1)
    for stop in config.stops:
        at = min(round((stop.at_m - config.begin_m) / step), n)
        speed[at], dwell[at] = 0.0, stop.dwell_s
    speed[-1] = 0.0
    for order in (range(1, n + 1), range(n - 1, -1, -1)):
        for i in order:
            before = i - order.step
            speed[i] = min(speed[i], np.sqrt(speed[before] ** 2 + 2.0 * config.acceleration_m_s2 * step))
    took = step / np.maximum(0.5 * (speed[1:] + speed[:-1]), _SLOWEST_M_S)
    reached = np.concatenate([[0.0], np.cumsum(took + dwell[:-1])])
    # A halt is two instants at one place.
    halts = np.flatnonzero(dwell)
    times = np.insert(reached, halts + 1, reached[halts] + dwell[halts])
    ways = np.insert(way, halts + 1, way[halts])
    margin = _SMOOTH_S + _STEP_S
    grid = np.arange(-2.0 * margin, duration_s + 2.0 * margin, _STEP_S)
    rough = np.interp(grid, times, ways)
    rough = np.where(grid < 0.0, config.begin_m + speed[0] * grid, rough)
    kernel = np.hanning(int(_SMOOTH_S / _STEP_S) + 3)[1:-1]
    return CubicSpline(grid, convolve1d(rough, kernel / kernel.sum(), mode="nearest"))
