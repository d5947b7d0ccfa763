"""Movers: what a scenario says of them, and the path that follows from it.

A path is one of: a great circle at constant speed with sines sideways and in height, at a height or at a clearance over
the terrain; cubic splines through waypoints; a glide or a boost by the laws of flight; a drive along a road; a recorded
trajectory. All but the ends of thrust have continuous second derivatives. The great circle runs in geodetic normals
(n-vectors, Gade 2010, J. of Navigation 63) on the sphere that fits the ellipsoid in the start's direction, so height is
geodetic height; over 200 km the speed is exact to 1e-3.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from lookdown.geo.earth import ECCENTRICITY_SQUARED, SEMI_MAJOR_AXIS_M, enu_axes, geodetic_to_ecef
from lookdown.hil.motion.dynamics import BoostConfig, GlideConfig, boost, glide
from lookdown.hil.motion.path import MoverPath
from lookdown.hil.motion.recorded import RecordedConfig, describe, smooth_track
from lookdown.hil.motion.roads import DriveConfig, Road, drive
from lookdown.hil.motion.terrain import Terrain, TerrainConfig
from lookdown.hil.settings import Place, require

Float = NDArray[np.float64]

Curve = Callable[[Float], tuple[Float, Float, Float]]
"""Geodetic latitude, longitude [rad] and height [m] at seconds from the start."""

MoverKind = Literal[
    "airliner", "fighter", "cruise_missile", "hypersonic_glider", "ballistic", "vehicle", "ship", "recorded"
]

_LEVEL = Terrain(TerrainConfig(), 0)
_LOOK_AHEAD_S = (1.5, 2.0, 3.0, 4.5, 7.0, 10.0)
"""A terrain follower keeps its clearance over all that lies within this time ahead and behind; it takes the first."""

_MOST_VERTICAL_M_S2 = 20.0
"""with which its vertical acceleration stays below this."""

_PROFILE_STEP_S = 0.1
_MARGIN_S = 5.0


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
class Roll:
    """A ship's motion in the sea: roll, and a third of it in pitch at three quarters of the period."""

    amplitude_deg: float = 5.0
    period_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a period that is none."""
        require(self, ("period_s", self.period_s > 0.0, "above 0"))


@dataclass(frozen=True)
class MoverConfig:
    """A mover: what it is, how bright, and how it moves: ``start``, ``waypoints``, ``drive`` or ``recorded``.

    Attributes
    ----------
    name : str
        Identity.
    kind : str
        What it is; ``recorded`` is taken for an airliner. It names the signature.
    intensity_w_sr : float or None
        Radiant intensity in the band less that of the background it hides; negative if darker [W/sr]. None takes it
        from the table of signatures by aspect, height, speed and background.
    signature_scale : float
        Factor of the table's value [1].
    rcs_m2 : float or None
        Mean radar cross-section; None takes that of its kind [m^2].
    start : Start or None
        Great circle at constant speed, or where a glide or a boost begins.
    weave, skip : Oscillation or None
        Sideways (to the left first) and vertical manoeuvre about the great circle.
    terrain_clearance_m : float or None
        Fly at least so high over the terrain, as low as may be, in place of the start's height [m].
    roll : Roll or None
        How a ship rolls and pitches.
    glide : GlideConfig or None
        From the start on, fly by the laws of gliding flight.
    boost : BoostConfig or None
        From the start on, rise by rocket; the start's speed does not count.
    waypoints : tuple of Place
        Places with rising ``t_s`` that cover the scenario; joined by cubic splines.
    drive : DriveConfig or None
        Drive along a road.
    recorded : RecordedConfig or None
        Follow a recorded trajectory.
    """

    name: str
    kind: MoverKind
    intensity_w_sr: float | None = None
    signature_scale: float = 1.0
    rcs_m2: float | None = None
    start: Start | None = None
    weave: Oscillation | None = None
    skip: Oscillation | None = None
    terrain_clearance_m: float | None = None
    roll: Roll | None = None
    glide: GlideConfig | None = None
    boost: BoostConfig | None = None
    waypoints: tuple[Place, ...] = ()
    drive: DriveConfig | None = None
    recorded: RecordedConfig | None = None

    def __post_init__(self) -> None:
        """Refuse a mover without a path, or with two."""
        paths = [name for name in ("start", "waypoints", "drive", "recorded") if getattr(self, name) not in (None, ())]
        if len(paths) != 1:
            raise ValueError(
                f"mover {self.name!r}: wanted either 'start', 'waypoints', 'drive' or 'recorded', got "
                f"{' and '.join(paths) or 'none'}; give one of them"
            )
        if paths != ["start"]:
            for name in ("weave", "skip", "glide", "boost"):
                if getattr(self, name) is not None:
                    raise ValueError(f"mover {self.name!r}: {name} goes with 'start'; move the {paths[0]} instead")
        flights = [
            name for name in ("skip", "terrain_clearance_m", "glide", "boost") if getattr(self, name) is not None
        ]
        if len(flights) > 1 or (self.weave and (self.glide or self.boost)):
            raise ValueError(
                f"mover {self.name!r}: {' and '.join(['weave'] * (self.weave is not None) + flights)} do not go "
                "together; leave one out"
            )
        times = [place.t_s for place in self.waypoints]
        if self.waypoints and (len(times) < 2 or times != sorted(set(times))):
            raise ValueError(f"mover {self.name!r}: wanted two waypoints or more with rising t_s, got t_s {times}")
        require(
            self,
            ("signature_scale", 0.0 <= self.signature_scale <= 1e6, "0 to 1e6"),
            ("rcs_m2", self.rcs_m2 is None or 0.0 < self.rcs_m2 <= 1e7, "above 0, at most 1e7"),
            (
                "terrain_clearance_m",
                self.terrain_clearance_m is None or 5.0 <= self.terrain_clearance_m <= 20e3,
                "5 to 20000",
            ),
        )


def _sine(oscillation: Oscillation | None, t_s: Float) -> Float:
    if oscillation is None:
        return np.zeros_like(t_s)
    return np.asarray(oscillation.amplitude_m * np.sin(2.0 * np.pi / oscillation.period_s * t_s), np.float64)


def _great_circle(start: Start, weave: Oscillation | None, skip: Oscillation | None) -> Curve:
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


def mover_path(
    mover: MoverConfig,
    start_ns: int,
    duration_s: float = 60.0,
    terrain: Terrain = _LEVEL,
    roads: Mapping[str, Road] | None = None,
) -> MoverPath:
    """Path of a mover.

    Parameters
    ----------
    mover : MoverConfig
        Mover.
    start_ns : int
        Instant of the scenario's start, TAI [ns].
    duration_s : float
        Length of the scenario [s].
    terrain : Terrain
        Ground that terrain followers and vehicles keep to.
    roads : mapping of str to Road, optional
        Roads by name.

    Raises
    ------
    ValueError
        One line: a road or a recording that is not there or too short.
    """
    burns = (0.0, 0.0) if mover.glide is not None else None
    if mover.boost is not None:
        burns = (mover.boost.ignition_s, mover.boost.burn_out_s)
    where = _where(mover, duration_s, terrain, roads or {})
    sway = None if mover.roll is None else _sway(mover.roll)
    on_ground = mover.kind in ("vehicle", "ship")
    return MoverPath(mover.name, start_ns, duration_s, where, terrain, burns, not on_ground, sway)


def _where(
    mover: MoverConfig, duration_s: float, terrain: Terrain, roads: Mapping[str, Road]
) -> Callable[[Float], Float]:
    """Position ECEF over seconds from the start."""
    if mover.start is not None and (mover.glide is not None or mover.boost is not None):
        start = mover.start
        place = (start.lat_deg, start.lon_deg, start.height_m, start.heading_deg)
        if mover.glide is not None:
            flight = glide(mover.glide, *place, start.speed_m_s, duration_s + _MARGIN_S)
        else:
            assert mover.boost is not None
            flight = boost(mover.boost, *place, duration_s + _MARGIN_S)
        first, last = flight.x[0], flight.x[-1]
        if last < duration_s:
            raise ValueError(
                f"mover {mover.name!r} goes below ground or upright: its flight ends after {last:.0f} s of "
                f"{duration_s:g}; set it out faster or higher, bank less, or end the scenario"
            )
        setting_out = flight(first, 1)

        def flown(t_s: Float) -> Float:
            # Light that arrives at the start left before it: a glider came straight on, a rocket stood.
            before = np.minimum(t_s - first, 0.0)[..., None]
            return np.asarray(flight(np.clip(t_s, first, last)) + before * setting_out, np.float64)

        return flown
    if mover.start is not None:
        curve = _great_circle(mover.start, mover.weave, mover.skip)
    elif mover.waypoints:
        curve = _through(mover.waypoints)
    elif mover.drive is not None:
        curve = _driven(mover, mover.drive, duration_s, terrain, roads)
    else:
        assert mover.recorded is not None
        curve = _followed(mover, mover.recorded, duration_s)
    if mover.terrain_clearance_m is not None:
        curve = _over_terrain(curve, mover.terrain_clearance_m, duration_s, terrain)
    return lambda t_s: geodetic_to_ecef(*curve(np.asarray(t_s, np.float64)))


def _through(places: tuple[Place, ...]) -> Curve:
    """Cubic splines through waypoints."""
    table = np.array([(p.t_s, np.radians(p.lat_deg), np.radians(p.lon_deg), p.height_m) for p in places])
    table[:, 2] = np.unwrap(table[:, 2])
    spline = CubicSpline(table[:, 0], table[:, 1:], bc_type="natural")

    def curve(t_s: Float) -> tuple[Float, Float, Float]:
        values = np.asarray(spline(t_s), np.float64)
        return values[..., 0], values[..., 1], values[..., 2]

    return curve


def _over_terrain(curve: Curve, clearance_m: float, duration_s: float, terrain: Terrain) -> Curve:
    """Replace the height of a curve by one that keeps a clearance over the terrain.

    The highest ground within a time ahead and behind, smoothed over no longer a time: every value of the mean lies
    above the ground at its middle, so that the clearance is kept, and the height has no corners.
    """
    t_s = np.arange(-_MARGIN_S, duration_s + _MARGIN_S, _PROFILE_STEP_S)
    lat, lon, _ = curve(t_s)
    ground = terrain.height_m(lat, lon)
    for ahead_s in _LOOK_AHEAD_S:
        reach = round(ahead_s / _PROFILE_STEP_S)
        highest = maximum_filter1d(ground, 2 * reach + 1, mode="nearest")
        height = CubicSpline(t_s, clearance_m + gaussian_filter1d(highest, 0.4 * reach, mode="nearest", truncate=2.5))
        if np.abs(height(t_s, 2)).max() < _MOST_VERTICAL_M_S2:
            break

    def over(t: Float) -> tuple[Float, Float, Float]:
        north, east, _ = curve(t)
        return north, east, np.asarray(height(t), np.float64)

    return over


def _driven(
    mover: MoverConfig, config: DriveConfig, duration_s: float, terrain: Terrain, roads: Mapping[str, Road]
) -> Curve:
    if config.road not in roads:
        known = ", ".join(roads) or "none"
        raise ValueError(
            f"mover {mover.name!r}: wanted a road of the scenario, got {config.road!r}; there are: {known}"
        )
    road = roads[config.road]
    if config.begin_m >= road.length_m:
        raise ValueError(
            f"mover {mover.name!r}: begin_m wanted below the road's {road.length_m:.0f} m, got {config.begin_m:g}"
        )
    way = drive(config, road, duration_s)
    t_s = way.x
    lat, lon = road.place(way(t_s))
    profile = CubicSpline(t_s, gaussian_filter1d(terrain.height_m(lat, lon), 5.0, mode="nearest"))

    def curve(t: Float) -> tuple[Float, Float, Float]:
        north, east = road.place(np.asarray(way(t), np.float64))
        return north, east, np.asarray(profile(t), np.float64)

    return curve


def _followed(mover: MoverConfig, config: RecordedConfig, duration_s: float) -> Curve:
    track, splines = smooth_track(config)
    if track.refused:
        logging.getLogger(__name__).warning("mover %r: %s: %s", mover.name, config.file, describe(track))
    last = float(track.t_s[-1])
    if config.begin_s + duration_s > last:
        raise ValueError(
            f"mover {mover.name!r}: recorded for {last:.0f} s, wanted {config.begin_s + duration_s:g} s; begin earlier "
            "or shorten the scenario"
        )

    def curve(t_s: Float) -> tuple[Float, Float, Float]:
        at = t_s + config.begin_s
        lat, lon, height = (np.asarray(spline(at), np.float64) for spline in splines)
        return lat, lon, height

    return curve


def _sway(roll: Roll) -> Callable[[Float], tuple[Float, Float]]:
    amplitude, rate = np.radians(roll.amplitude_deg), 2.0 * np.pi / roll.period_s
    return lambda t_s: (amplitude * np.sin(rate * t_s), amplitude / 3.0 * np.sin(rate / 0.75 * t_s))
