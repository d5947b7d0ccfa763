"""Point-mass flight over the rotating Earth: gliders that bank and skip, rockets that burn out and coast.

In Earth-fixed axes ``a = g - 2 w x v - w x (w x r) + lift + drag + thrust``, with central gravity and its J2 term, the
density of `lookdown.hil.scene.signature`, drag ``rho v^2 / (2 beta)`` against the velocity, lift ``L/D`` times the drag
across it, turned from upward by the bank angle (Vinh, Busemann and Culp 1980, "Hypersonic and Planetary Entry Flight
Mechanics", chapter 2). Each rocket stage thrusts with ``v_e (f / t_b) / (1 - f t / t_b)``, its share of propellant
``f`` and exhaust speed ``v_e``; after a vertical rise and a kick the thrust follows the velocity: a gravity turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.hil.scene.signature import air_density_kg_m3
from lookdown.hil.settings import require

Float = NDArray[np.float64]

_GM_M3_S2 = 3.986004418e14
_J2 = 1.08262668e-3
_EARTH_RATE = np.array([0.0, 0.0, 7.292115e-5])
_STANDARD_GRAVITY = 9.80665
_STEP_S = 0.1  # of the spline: cubic pieces are then good to a millimetre
_TOLERANCE = 1e-9
_KICK_S = 4.0
_STEEPEST = 0.985  # sine of the steepest glide, 80 degrees


@dataclass(frozen=True)
class Bank:
    """A bank angle, positive to the right, from a time on; angles between are joined smoothly."""

    t_s: float
    bank_deg: float


@dataclass(frozen=True)
class GlideConfig:
    """Unpowered flight with lift.

    Attributes
    ----------
    lift_to_drag : float
        Lift over drag [1].
    ballistic_kg_m2 : float
        Mass over drag area ``m / (C_D A)`` [kg/m^2].
    climb_deg : float
        Angle of the velocity above the horizontal at the start [deg].
    bank : tuple of Bank
        Bank angles with rising times; level without.
    """

    lift_to_drag: float = 2.6
    ballistic_kg_m2: float = 5000.0
    climb_deg: float = 0.0
    bank: tuple[Bank, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a body that does not glide."""
        times = [bank.t_s for bank in self.bank]
        require(
            self,
            ("lift_to_drag", 0.1 <= self.lift_to_drag <= 6.0, "0.1 to 6"),
            ("ballistic_kg_m2", 100.0 <= self.ballistic_kg_m2 <= 1e5, "100 to 100000"),
            ("climb_deg", -60.0 <= self.climb_deg <= 60.0, "-60 to 60"),
            ("bank", times == sorted(set(times)), "bank angles with rising t_s"),
        )


@dataclass(frozen=True)
class Stage:
    """A rocket stage.

    Attributes
    ----------
    burn_s : float
        Time of thrust [s].
    impulse_s : float
        Specific impulse [s].
    propellant_fraction : float
        Share of the mass at ignition that burns [1].
    """

    burn_s: float = 60.0
    impulse_s: float = 250.0
    propellant_fraction: float = 0.75

    def __post_init__(self) -> None:
        """Refuse a stage that cannot burn."""
        require(
            self,
            ("burn_s", 1.0 <= self.burn_s <= 600.0, "1 to 600"),
            ("impulse_s", 100.0 <= self.impulse_s <= 500.0, "100 to 500"),
            ("propellant_fraction", 0.05 <= self.propellant_fraction <= 0.95, "0.05 to 0.95"),
        )


@dataclass(frozen=True)
class BoostConfig:
    """A rocket's ascent from the ground.

    Attributes
    ----------
    ignition_s : float
        Time of ignition; before it the rocket stands [s].
    vertical_s : float
        Time of vertical rise [s].
    kick_deg : float
        Angle from the vertical, towards the start's heading, to which the thrust then turns [deg].
    stages : tuple of Stage
        Stages, one after the other.
    ballistic_kg_m2 : float
        Mass over drag area [kg/m^2].
    """

    ignition_s: float = 0.0
    vertical_s: float = 6.0
    kick_deg: float = 6.0
    stages: tuple[Stage, ...] = field(default_factory=lambda: (Stage(),))
    ballistic_kg_m2: float = 20e3

    def __post_init__(self) -> None:
        """Refuse a rocket that does not leave the ground."""
        require(
            self,
            ("ignition_s", self.ignition_s >= 0.0, "0 or more"),
            ("vertical_s", 1.0 <= self.vertical_s <= 60.0, "1 to 60"),
            ("kick_deg", 0.0 <= self.kick_deg <= 45.0, "0 to 45"),
            ("stages", len(self.stages) >= 1, "one stage or more"),
            ("ballistic_kg_m2", 500.0 <= self.ballistic_kg_m2 <= 1e6, "500 to 1000000"),
        )
        first = self.stages[0]
        thrust = first.impulse_s * first.propellant_fraction / first.burn_s
        if thrust < 1.2:
            raise ValueError(
                f"stages: the first thrusts with {thrust:.2f} times its weight, wanted 1.2 or more; "
                "burn more propellant in less time"
            )

    @property
    def burn_out_s(self) -> float:
        """Time at which the last stage ends [s]."""
        return self.ignition_s + sum(stage.burn_s for stage in self.stages)


def gravity(position_m: Float) -> Float:
    """Gravity of the Earth with its J2 term at a position, shape (3,) ECEF [m/s^2]."""
    radius = float(np.sqrt(position_m @ position_m))
    z_share = 5.0 * (position_m[2] / radius) ** 2
    oblate = 1.5 * _J2 * (SEMI_MAJOR_AXIS_M / radius) ** 2
    factors = np.array([1.0 - z_share, 1.0 - z_share, 3.0 - z_share])
    return np.asarray(-_GM_M3_S2 / radius**3 * position_m * (1.0 + oblate * factors), np.float64)


def _free_fall(position: Float, velocity: Float) -> Float:
    return (
        gravity(position)
        - 2.0 * np.cross(_EARTH_RATE, velocity)
        - np.cross(_EARTH_RATE, np.cross(_EARTH_RATE, position))
    )


def _height_m(position: Float) -> float:
    return float(ecef_to_geodetic(position)[2])


def _solve(
    acceleration: Callable[[float, Float, Float], Float], state: Float, begin_s: float, end_s: float, lifts: bool
) -> tuple[Float, Float]:
    """Integrate to the end, or until it meets the ground or (if it lifts) flies upright; times and states."""

    def rate(t_s: float, values: Float) -> Float:
        return np.concatenate([values[3:], acceleration(t_s, values[:3], values[3:])])

    def ground(_: float, values: Float) -> float:
        return _height_m(values[:3]) + 1.0

    def upright(_: float, values: Float) -> float:
        # Straight up or down there is no side to which a bank angle could turn the lift.
        sizes = float(np.linalg.norm(values[:3]) * np.linalg.norm(values[3:]))
        return 1.0 if not lifts else _STEEPEST - abs(float(values[:3] @ values[3:])) / sizes

    ground.terminal, ground.direction = True, -1.0  # type: ignore[attr-defined]
    upright.terminal = True  # type: ignore[attr-defined]
    times = np.append(np.arange(begin_s, end_s, _STEP_S), end_s)
    solution = solve_ivp(
        rate, (begin_s, end_s), state, method="DOP853", t_eval=times, rtol=_TOLERANCE, atol=1e-4, max_step=2.0,
        events=(ground, upright),
    )  # fmt: skip
    return solution.t, solution.y.T


def _spline(times: Float, states: Float) -> CubicHermiteSpline:
    return CubicHermiteSpline(times, states[:, :3], states[:, 3:])


@lru_cache(maxsize=64)
def glide(
    config: GlideConfig, lat_deg: float, lon_deg: float, height_m: float, heading_deg: float, speed_m_s: float,
    duration_s: float,
) -> CubicHermiteSpline:  # fmt: skip
    """Position over time, ECEF [m], of a glider from a place; it ends at the ground, or steeper than 80 degrees.

    Parameters
    ----------
    config : GlideConfig
        Glider.
    lat_deg, lon_deg, height_m : float
        Place at time 0; geodetic [deg], [m].
    heading_deg, speed_m_s : float
        Heading clockwise from north [deg] and speed over the rotating Earth [m/s].
    duration_s : float
        Time to fly [s].
    """
    lat, lon, heading, climb = np.radians([lat_deg, lon_deg, heading_deg, config.climb_deg])
    level = np.array([np.sin(heading) * np.cos(climb), np.cos(heading) * np.cos(climb), np.sin(climb)])
    state = np.concatenate([geodetic_to_ecef(lat, lon, height_m), speed_m_s * level @ enu_axes(lat, lon)])
    angles = np.radians([bank.bank_deg for bank in config.bank] or [0.0])
    times = np.array([bank.t_s for bank in config.bank] or [0.0])
    turn = PchipInterpolator(times, angles) if len(times) > 1 else None

    def acceleration(t_s: float, position: Float, velocity: Float) -> Float:
        speed = float(np.sqrt(velocity @ velocity))
        ahead = velocity / speed
        drag = float(air_density_kg_m3(_height_m(position))) * speed**2 / (2.0 * config.ballistic_kg_m2)
        up = position / np.sqrt(position @ position)
        lift = up - (up @ ahead) * ahead
        lift = lift / np.sqrt(lift @ lift)
        bank = float(turn(np.clip(t_s, times[0], times[-1]))) if turn is not None else float(angles[0])
        lift = np.cos(bank) * lift + np.sin(bank) * np.cross(ahead, lift)
        return np.asarray(_free_fall(position, velocity) + drag * (config.lift_to_drag * lift - ahead), np.float64)

    return _spline(*_solve(acceleration, state, 0.0, duration_s, lifts=True))


@lru_cache(maxsize=64)
def boost(
    config: BoostConfig, lat_deg: float, lon_deg: float, height_m: float, heading_deg: float, duration_s: float
) -> CubicHermiteSpline:
    """Position over time, ECEF [m], of a rocket from its stand to burn-out and beyond; parameters as for `glide`."""
    lat, lon, heading = np.radians([lat_deg, lon_deg, heading_deg])
    stand = geodetic_to_ecef(lat, lon, height_m)
    axes = enu_axes(lat, lon)
    kick = np.radians(config.kick_deg)
    toward = np.array([np.sin(heading), np.cos(heading), 0.0])
    upward = axes[2]
    kicked = (np.sin(kick) * toward + np.cos(kick) * np.array([0.0, 0.0, 1.0])) @ axes

    def powered(stage: Stage, lit_s: float) -> Callable[[float, Float, Float], Float]:
        exhaust = stage.impulse_s * _STANDARD_GRAVITY
        flow = stage.propellant_fraction / stage.burn_s

        def acceleration(t_s: float, position: Float, velocity: Float) -> Float:
            thrust = exhaust * flow / (1.0 - flow * (t_s - lit_s))
            since_rise = t_s - config.ignition_s - config.vertical_s
            if since_rise < _KICK_S:
                share = np.clip(since_rise / _KICK_S, 0.0, 1.0)
                along = upward + share**2 * (3.0 - 2.0 * share) * (kicked - upward)
            else:
                along = velocity
            push = thrust * along / np.sqrt(along @ along)
            return np.asarray(_drag_and_fall(position, velocity) + push, np.float64)

        return acceleration

    def _drag_and_fall(position: Float, velocity: Float) -> Float:
        speed = float(np.sqrt(velocity @ velocity))
        drag = float(air_density_kg_m3(_height_m(position))) * speed / (2.0 * config.ballistic_kg_m2)
        return np.asarray(_free_fall(position, velocity) - drag * velocity, np.float64)

    times, states = [np.array([0.0])], [np.concatenate([stand, np.zeros(3)])[None]]
    lit_s = config.ignition_s
    if lit_s > 0.0:
        times.append(np.array([lit_s]))
        states.append(states[0])
    for stage in config.stages:
        if lit_s >= duration_s:
            break
        t, y = _solve(powered(stage, lit_s), states[-1][-1], lit_s, min(lit_s + stage.burn_s, duration_s), lifts=False)
        times.append(t[1:])
        states.append(y[1:])
        lit_s += stage.burn_s
    if lit_s < duration_s:
        t, y = _solve(lambda _, r, v: _drag_and_fall(r, v), states[-1][-1], lit_s, duration_s, lifts=False)
        times.append(t[1:])
        states.append(y[1:])
    return _spline(np.concatenate(times), np.concatenate(states))
