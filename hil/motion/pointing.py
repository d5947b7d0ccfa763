"""Pointing: the laws by which a satellite turns its sensor.

- ``stare``: at the scheduled aim, which moves linearly between its places.
- ``target``: at a mover.
- ``nadir``: straight down, columns along the inertial velocity.
- ``yaw_steering``: straight down, columns along the ground's motion.
- ``step_stare``: at the places in turn, ``dwell_s`` each, then a slew of ``slew_s`` to the next, the last to the first.
- ``scan``: the boresight swings across the track by ``amplitude_deg`` to both sides in ``period_s``, about the aim if
  there is one, else about nadir (yaw steered); at each side it turns round within ``slew_s``.

Slews follow ``10 s^3 - 15 s^4 + 6 s^5``, whose rate and acceleration vanish at both ends; a scan has constant rate but
in its turns, which have constant acceleration. So the rate is continuous everywhere. The laws are followed exactly;
errors of pointing and jitter are added elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.attitude import nadir_attitude, stare_attitude, turned, yaw_steering_attitude
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.geo.rotation import slerp
from lookdown.hil.settings import Place, require

Float = NDArray[np.float64]
Time = NDArray[np.int64]
PositionAt = Callable[[Time], Float]

_NEEDED: dict[str, tuple[str, ...]] = {
    "stare": (),
    "target": ("mover",),
    "nadir": (),
    "yaw_steering": (),
    "step_stare": ("dwell_s", "slew_s"),
    "scan": ("amplitude_deg", "period_s", "slew_s"),
}


@dataclass(frozen=True)
class PointingConfig:
    """How a satellite points its sensor; see the laws above.

    Attributes
    ----------
    law : str
        Law.
    mover : str
        Name of the mover, for ``target``.
    dwell_s, slew_s : float
        Time at a place and time to get to the next, for ``step_stare``; ``slew_s`` also the time of a scan's turn [s].
    amplitude_deg, period_s : float
        Largest angle off the middle [deg] and time of a whole swing there and back [s], for ``scan``.
    roll_deg, pitch_deg, yaw_deg : float
        Turns after the law: the boresight to the left, ahead, and the columns to the right [deg].
    """

    law: Literal["stare", "target", "nadir", "yaw_steering", "step_stare", "scan"] = "stare"
    mover: str = ""
    dwell_s: float = 0.0
    slew_s: float = 0.0
    amplitude_deg: float = 0.0
    period_s: float = 0.0
    roll_deg: float = 0.0
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what the law lacks, or would be without effect."""
        needed = _NEEDED[self.law]
        common = ("law", "roll_deg", "pitch_deg", "yaw_deg")
        for field in fields(self):
            given = getattr(self, field.name) != field.default
            if field.name in needed and not given:
                raise ValueError(f"pointing: {field.name} wanted with law = {self.law!r}, got none; give it")
            if given and field.name not in (*needed, *common):
                raise ValueError(f"pointing: {field.name} is without effect with law = {self.law!r}; leave it out")
        times = [name for name in needed if name.endswith("_s")]
        require(
            self,
            *((name, 0.0 < getattr(self, name) < np.inf, "a number above 0") for name in times),
            ("amplitude_deg", 0.0 <= self.amplitude_deg <= 60.0, "above 0, at most 60"),
            ("slew_s", self.law != "scan" or self.slew_s <= 0.5 * self.period_s, "at most half the period of a scan"),
            *((name, abs(getattr(self, name)) <= 180.0, "-180 to 180") for name in common[1:]),
        )


def check_pointing(config: PointingConfig, aim: tuple[Place, ...], movers: tuple[str, ...]) -> None:
    """Refuse a law without the places or the mover it points at.

    Raises
    ------
    ValueError
        If ``stare`` has no place, ``step_stare`` fewer than two, places are given to a law without use for them, their
        times do not rise, or ``target`` names no mover.
    """
    times = [place.t_s for place in aim]
    if config.law == "stare" and not aim:
        raise ValueError("aim: law 'stare' wanted one aim point or more, got none; add one or choose another law")
    if config.law == "step_stare" and len(aim) < 2:
        raise ValueError(f"aim: law 'step_stare' wanted two aim points or more, got {len(aim)}; add some or stare")
    if config.law in ("target", "nadir", "yaw_steering") and aim:
        raise ValueError(f"aim: without effect with law {config.law!r}; leave it out")
    if config.law == "step_stare" and any(times):
        raise ValueError("aim: t_s is without effect with law 'step_stare' (dwell_s and slew_s rule); leave it out")
    if config.law != "step_stare" and times != sorted(set(times)):
        raise ValueError(f"aim: wanted aim points each later than the last, got t_s {times}; change t_s")
    if config.law == "target" and config.mover not in movers:
        raise ValueError(f"pointing: wanted the name of a mover ({', '.join(movers)}), got {config.mover!r}")


def aim_point(aim: tuple[Place, ...], time_ns: ArrayLike, start_ns: int) -> Float:
    """Scheduled aim point: linear between the places in latitude, longitude and height, still before and after.

    Parameters
    ----------
    aim : tuple of Place
        One place, or several with rising ``t_s``.
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns].
    start_ns : int
        Start of the scenario, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (..., 3)
        Position ECEF [m].
    """
    t_s = (np.asarray(time_ns, np.int64) - start_ns) * 1e-9
    times = [place.t_s for place in aim]
    lat, lon, height = (
        np.interp(t_s, times, [getattr(place, name) for place in aim]) for name in ("lat_deg", "lon_deg", "height_m")
    )
    return geodetic_to_ecef(np.radians(lat), np.radians(lon), height)


def attitude(
    config: PointingConfig,
    aim: tuple[Place, ...],
    mover_position: PositionAt | None,
    position_m: ArrayLike,
    velocity_m_s: ArrayLike,
    time_ns: ArrayLike,
    start_ns: int,
) -> Float:
    """Attitude that a law asks for.

    Parameters
    ----------
    config : PointingConfig
        Law.
    aim : tuple of Place
        Places to point at; for those laws that do.
    mover_position : callable or None
        Position ECEF, shape (..., 3) [m], of the mover at times of shape (...), TAI [ns]; for ``target``.
    position_m, velocity_m_s : array_like of float, shape (..., 3)
        Sensor position [m] and its velocity in the rotating frame [m/s], ECEF.
    time_ns : array_like of int64, shape (...)
        Time, TAI [ns].
    start_ns : int
        Start of the scenario, TAI [ns].

    Returns
    -------
    ndarray of float64, shape (..., 4)
        Quaternion, sensor to ECEF.
    """
    position, velocity = np.asarray(position_m, np.float64), np.asarray(velocity_m_s, np.float64)
    time = np.asarray(time_ns, np.int64)
    t_s = np.asarray((time - start_ns) * 1e-9, np.float64)
    if config.law == "target":
        if mover_position is None:
            raise ValueError("attitude: law 'target' wanted the position of a mover, got none")
        result = stare_attitude(position, velocity, mover_position(time))
    elif config.law == "nadir":
        result = nadir_attitude(position, velocity)
    elif config.law == "step_stare":
        result = _step_stare(config, aim, position, velocity, t_s)
    elif config.law == "yaw_steering" or not aim:
        result = yaw_steering_attitude(position, velocity)
    else:
        result = stare_attitude(position, velocity, aim_point(aim, time, start_ns))
    roll = np.radians(config.roll_deg) + (scan_angle_rad(config, t_s) if config.law == "scan" else 0.0)
    if not (np.any(roll) or config.pitch_deg or config.yaw_deg):
        return result
    return turned(result, roll, np.radians(config.pitch_deg), np.radians(config.yaw_deg))


def scan_angle_rad(config: PointingConfig, t_s: ArrayLike) -> Float:
    """Angle of a scan, to the left first: a triangle with rounded ends.

    With the time ``u`` from the nearest end and half a turn ``d = slew_s / 2``: ``A - r u^2 / (2 d)`` within the turn,
    ``A + r d / 2 - r u`` outside, with the rate ``r = A / (period_s / 4 - d / 2)``.

    Parameters
    ----------
    config : PointingConfig
        Scan.
    t_s : array_like of float, shape (...)
        Time from the start [s].

    Returns
    -------
    ndarray of float64, shape (...)
        Angle off the middle [rad].
    """
    quarter_s, half_turn_s = 0.25 * config.period_s, 0.5 * config.slew_s
    amplitude = np.radians(config.amplitude_deg)
    rate = amplitude / (quarter_s - 0.5 * half_turn_s)
    # The wave starts in the middle; shifted by a quarter, each half of the period holds one end in its middle.
    half, within = np.divmod(np.asarray(t_s, np.float64), 2.0 * quarter_s)
    from_end = np.abs(within - quarter_s)
    angle = np.where(
        from_end < half_turn_s,
        amplitude - 0.5 * rate * from_end**2 / half_turn_s,
        amplitude + 0.5 * rate * half_turn_s - rate * from_end,
    )
    return np.asarray(np.where(half % 2 == 0, angle, -angle), np.float64)


def _step_stare(config: PointingConfig, aim: tuple[Place, ...], position: Float, velocity: Float, t_s: Float) -> Float:
    step, within = np.divmod(t_s, config.dwell_s + config.slew_s)
    now = step.astype(np.int64) % len(aim)
    s = np.clip((within - config.dwell_s) / config.slew_s, 0.0, 1.0)
    places = geodetic_to_ecef(
        np.radians([place.lat_deg for place in aim]),
        np.radians([place.lon_deg for place in aim]),
        [place.height_m for place in aim],
    )
    here, there = (stare_attitude(position, velocity, places[index]) for index in (now, (now + 1) % len(aim)))
    # Both stares move; blending between them keeps their rates at the ends of the slew.
    return slerp(here, there, s**3 * (10.0 + s * (6.0 * s - 15.0)))
