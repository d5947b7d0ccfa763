"""How each kind of target moves and shines: regimes of flight as ranges, and their densities.

A regime is a product of ranges over height, speed, climb, acceleration and radiant intensity; a kind is one regime or
more. Inside a range every value is as likely as another. An estimate with sigma ``s`` of a quantity whose range is
``[a, b]`` has the density ``(Phi((b - x) / s) - Phi((a - x) / s)) / (b - a)``, the uniform one folded with the error.

Sources of the ranges:

- aircraft: ICAO Doc 8643 and EUROCONTROL's Aircraft Performance Database (cruise, climb and descent of transport
  aircraft); United States Air Force fact sheets of fighters (to Mach 2, 18 km).
- cruise: CSIS, *Missile Threat* (missilethreat.csis.org): Tomahawk, Kalibr (240 m/s, 20 to 3000 m), BrahMos (Mach 2.8),
  Kh-22 (Mach 4, 27 km); fact sheets of the United States Air Force and of NASA for scramjets (X-51A: Mach 5, 18 km;
  X-43A: Mach 7 to 10, 29 to 33 km); Heiser and Pratt (1994), *Hypersonic Airbreathing Propulsion*: engines that breathe
  at such speeds work at dynamic pressures of 24 to 96 kPa, over 9.3 m/s^2 the range of their loading.
- glider: Acton (2015), "Hypersonic boost-glide weapons", Science & Global Security 23, 191-219; Tracy and Wright
  (2020), "Modeling the performance of hypersonic boost-glide missiles", Science & Global Security 28, 135-170: speeds,
  heights, and lift over drag of 2 to 3, so that drag is a third to a half of what lift must carry of gravity, and
  more in a bank. A glide that holds itself has ``rho v^2 C_L S / 2 = m (g - v^2 / r)``: its loading is its ballistic
  coefficient (some 1,000 to 20,000 kg/m^2) over lift over drag.
- ballistic: American Physical Society (2004), "Report of the study group on boost-phase intercept systems for national
  missile defense", Reviews of Modern Physics 76, S1 (burn-out speeds, accelerations, times); free fall from Newton.
- surface: heights of roads from the Dead Sea (-430 m) to the Khardung La (5,360 m); geoid within -107 and +86 m of the
  ellipsoid (EGM2008); ships to 25 m/s.
- intensities, 3 to 5 micrometres: Hudson (1969), *Infrared System Engineering*, ch. 2; Mahulikar, Sonawane and Rao
  (2007), "Infrared signature studies of aerospace vehicles", Progress in Aerospace Sciences 43, 218-245; for plumes as
  ballistic; skin of gliders by Planck's law at 1,000 to 2,000 K over 0.3 to 3 m^2.

The ranges are wider than the sources' single figures: they are ours, and what they give is measured, not claimed.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from lookdown.wire.messages import Float, Kind

_DENSITY_KG_M3, _SCALE_HEIGHT_M = 1.225, 7.2e3  # of air at sea level, and height in which it falls to a share of 1/e
_LEAST_CARRIED_M_S2 = 1.0  # beyond, at orbital speed, nothing needs lift
_LEAST = 1e-9  # of a range's density: what lies outside is unlikely, not impossible

Range = tuple[float, float]


@dataclass(frozen=True)
class Regime:
    """One way in which a kind moves.

    Attributes
    ----------
    kind : Kind
        Whose it is.
    weight : float
        Its share of the kind; those of a kind sum to one.
    height_m, speed_m_s, climb_m_s : tuple of float
        Ranges of height above the ellipsoid, speed over the turning Earth and vertical rate.
    lift_m_s2, thrust_m_s2 : tuple of float
        Ranges of the change of climb and of speed with time; with ``falls``, of what free fall leaves of them.
    falls : bool
        Whether gravity alone bends the path.
    intensity_w_sr : tuple of float
        Range of radiant intensity in 3 to 5 micrometres over what the target hides; its logarithm is uniform [W/sr].
    fixed : bool
        Whether it stands still among the stars as its sensor sees it.
    loading_kg_m2 : tuple of float or None
        Range of dynamic pressure over the acceleration that lift must carry, ``rho v^2 / 2 (g - v^2 / r)``; its
        logarithm is uniform within ``height_m``: what flies by lift flies higher the faster it is.
    drag_over_lift : tuple of float or None
        Range of drag over the weight that lift must carry, in the place of ``thrust_m_s2``.
    """

    kind: Kind
    weight: float
    height_m: Range
    speed_m_s: Range
    climb_m_s: Range
    lift_m_s2: Range
    thrust_m_s2: Range
    intensity_w_sr: Range
    falls: bool = False
    fixed: bool = False
    loading_kg_m2: Range | None = None
    drag_over_lift: Range | None = None


REGIMES = (
    # transport aircraft in cruise; climb, descent and light aircraft; combat aircraft
    Regime(Kind.AIRCRAFT, 0.5, (6e3, 13.5e3), (170, 280), (-10, 10), (-3, 3), (-1, 1), (10, 2e3)),
    Regime(Kind.AIRCRAFT, 0.3, (0, 9e3), (35, 230), (-25, 25), (-5, 5), (-3, 3), (10, 2e3)),
    Regime(Kind.AIRCRAFT, 0.2, (0, 18e3), (120, 600), (-200, 200), (-40, 40), (-15, 15), (20, 2e4)),
    # subsonic close to the ground, supersonic, scramjet
    Regime(Kind.CRUISE, 0.5, (-50, 3e3), (200, 300), (-30, 30), (-15, 15), (-5, 5), (3, 300)),
    Regime(Kind.CRUISE, 0.3, (0, 27e3), (600, 1300), (-200, 200), (-30, 30), (-15, 15), (50, 5e3)),
    Regime(
        Kind.CRUISE,
        0.2,
        (18e3, 33e3),
        (1400, 2800),
        (-100, 100),
        (-20, 20),
        (-15, 15),
        (200, 2e4),
        loading_kg_m2=(2.5e3, 1.05e4),
    ),
    # a glide that holds itself; one that turns hard, skips or dives
    Regime(
        Kind.GLIDER,
        0.7,
        (20e3, 80e3),
        (1500, 7000),
        (-300, 300),
        (-30, 30),
        (-25, 1),
        (200, 1e5),
        loading_kg_m2=(500, 8e3),
        drag_over_lift=(0.25, 0.8),
    ),
    Regime(Kind.GLIDER, 0.3, (25e3, 80e3), (1500, 7000), (-600, 600), (-30, 30), (-25, 1), (200, 1e5)),
    # boost; free fall before and after the peak; the way back into the air, braked by drag
    Regime(Kind.BALLISTIC, 0.5, (0, 100e3), (30, 6500), (30, 4500), (0, 80), (5, 80), (1e4, 1e7)),
    Regime(Kind.BALLISTIC, 0.3, (40e3, 100e3), (700, 7000), (-4500, 4500), (-3, 3), (-3, 3), (10, 1e4), falls=True),
    Regime(Kind.BALLISTIC, 0.2, (0, 50e3), (300, 6500), (-4500, -100), (-3, 250), (-300, 0), (100, 1e6), falls=True),
    # ships, vehicles
    Regime(Kind.SURFACE, 0.4, (-110, 90), (0, 25), (-1, 1), (-1, 1), (-1, 1), (5, 5e3)),
    Regime(Kind.SURFACE, 0.6, (-440, 5.4e3), (0, 50), (-6, 6), (-3, 3), (-5, 5), (5, 5e3)),
    Regime(Kind.STAR, 1.0, (-1e3, 100e3), (2e3, 8e3), (-4e3, 4e3), (-100, 100), (-100, 100), (1, 1e5), fixed=True),
    Regime(Kind.ARTEFACT, 1.0, (-1e3, 100e3), (0, 8e3), (-4e3, 4e3), (-200, 200), (-200, 200), (1, 1e7)),
)
"""All regimes; the first number of a range lies below the second."""

KIND_OF = np.array([regime.kind for regime in REGIMES])
PRIOR = np.array([0.3, 0.1, 0.1, 0.15, 0.2, 0.05, 0.1])
"""Share of each kind among tracks before anything is known; wars and seas differ."""

_TURN_RATE_RAD_S = (0.0, 0.03)  # range of the rate of a line of sight to a mover; 7 km/s at 230 km


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What of tracks tells their kind; all arrays of shape (n,), nan where it is not known.

    Attributes
    ----------
    height_m, speed_m_s, climb_m_s : ndarray of float64
        Of the estimate.
    lift_m_s2, thrust_m_s2 : ndarray of float64
        Change of climb and of speed with time.
    gravity_lift_m_s2, gravity_thrust_m_s2 : ndarray of float64
        What free fall would make of them.
    turn_rad_s : ndarray of float64
        Rate at which the line of sight turns against the stars.
    log_intensity : ndarray of float64
        Natural logarithm of the radiant intensity [W/sr].
    sigma : dict of str to ndarray of float64
        One sigma of each of these (not of gravity's), by name.
    """

    height_m: Float
    speed_m_s: Float
    climb_m_s: Float
    lift_m_s2: Float
    thrust_m_s2: Float
    gravity_lift_m_s2: Float
    gravity_thrust_m_s2: Float
    turn_rad_s: Float
    log_intensity: Float
    sigma: dict[str, Float]


def log_likelihoods(features: Features) -> tuple[Float, Float]:
    """Log-density of features under each regime, shapes (n, regimes).

    Returns
    -------
    standing : ndarray of float64
        Of what hardly changes from one look to the next: height, speed, climb, intensity, turn of the line of sight.
    fresh : ndarray of float64
        Of the accelerations, which are measured anew each time.
    """
    sigma = np.stack([features.sigma[name] for name in _NAMES], axis=1)[:, None, :]
    value = np.stack([getattr(features, name) for name in _NAMES], axis=1)[:, None, :]
    gravity = np.stack([features.gravity_lift_m_s2, features.gravity_thrust_m_s2], axis=1)[:, None, :]
    value = np.repeat(value, len(REGIMES), axis=1)
    value[:, :, _STANDING:] -= _FALLS[:, None] * gravity
    sigma = np.repeat(sigma, len(REGIMES), axis=1)
    scale = _by_lift(features, value, sigma)
    # An estimate with an error, uniform between bounds.
    inside = ndtr((_HIGH - value) / sigma) - ndtr((_LOW - value) / sigma)
    logs = np.log(np.maximum(inside, _LEAST)) - _LOG_WIDTH - scale
    turn, spread = features.turn_rad_s, features.sigma["turn_rad_s"]
    half_normal = 0.5 * np.log(2.0 / np.pi) - np.log(spread) - 0.5 * (turn / spread) ** 2
    floor = np.log(_LEAST / _TURN_RATE_RAD_S[1])
    logs[:, _FIXED, _NAMES.index("turn_rad_s")] = np.maximum(half_normal, floor)[:, None]
    logs[np.isnan(logs)] = 0.0  # what is not known tells nothing
    return logs[:, :, :_STANDING].sum(axis=2), logs[:, :, _STANDING:].sum(axis=2)


def _by_lift(features: Features, value: Float, sigma: Float) -> Float:
    """Put loading and drag over lift in the places of height and thrust; logarithms of what turns densities back."""
    height = _NAMES.index("height_m")
    below, above = (
        ndtr((edge[_LOADED] - value[:, _LOADED, height]) / sigma[:, _LOADED, height]) for edge in _HEIGHTS.T
    )
    carried = np.maximum(-features.gravity_lift_m_s2, _LEAST_CARRIED_M_S2)
    speed = np.maximum(features.speed_m_s, 1.0)
    log_loading = np.log(0.5 * _DENSITY_KG_M3 * speed**2 / carried) - features.height_m / _SCALE_HEIGHT_M
    loose = np.hypot(features.sigma["height_m"] / _SCALE_HEIGHT_M, 2.0 * features.sigma["speed_m_s"] / speed)
    braked = (features.gravity_thrust_m_s2 - features.thrust_m_s2) / carried
    scale = np.zeros_like(value)
    for rows, name, new, spread, unit in (
        (_LOADED, "height_m", log_loading, loose, np.full_like(carried, _SCALE_HEIGHT_M)),
        (_BRAKED, "thrust_m_s2", braked, features.sigma["thrust_m_s2"] / carried, carried),
    ):
        column = _NAMES.index(name)
        value[:, rows, column], sigma[:, rows, column] = new[:, None], spread[:, None]
        scale[:, rows, column] = np.log(unit)[:, None]
    scale[:, _LOADED, height] -= np.log(np.maximum(above - below, _LEAST))
    return scale


_NAMES = ("height_m", "speed_m_s", "climb_m_s", "turn_rad_s", "log_intensity", "lift_m_s2", "thrust_m_s2")
_STANDING = 5  # of these hardly change from look to look


def _bounds(regime: Regime) -> list[Range]:
    low, high = np.log(regime.intensity_w_sr).tolist()
    height, thrust = regime.height_m, regime.drag_over_lift or regime.thrust_m_s2
    if regime.loading_kg_m2:
        height = float(np.log(regime.loading_kg_m2[0])), float(np.log(regime.loading_kg_m2[1]))
    standing = [height, regime.speed_m_s, regime.climb_m_s, _TURN_RATE_RAD_S, (low, high)]
    return [*standing, regime.lift_m_s2, thrust]


_LOW, _HIGH = np.moveaxis(np.array([_bounds(regime) for regime in REGIMES], np.float64), 2, 0)
_LOG_WIDTH = np.log(_HIGH - _LOW)
_FALLS = np.array([regime.falls for regime in REGIMES], np.float64)
_HEIGHTS = np.array([regime.height_m for regime in REGIMES])
_LOADED = np.flatnonzero([regime.loading_kg_m2 is not None for regime in REGIMES])
_BRAKED = np.flatnonzero([regime.drag_over_lift is not None for regime in REGIMES])
_FIXED = np.flatnonzero([regime.fixed for regime in REGIMES])
