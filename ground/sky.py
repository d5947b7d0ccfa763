"""Stars that tell where satellites point: the catalogue, and the plots of a report that are stars of it.

A plot whose line of sight misses the Earth and its air can be no mover. Near a star of the catalogue it is that star,
whose direction is known to a microradian at any time (`geo.celestial`): it measures both angles of the pointing error
at once, without any target. The stars of a report are made one measurement, since all tell of the same two angles.
"""

import csv
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.geo.celestial import ecef_from_icrs, star_directions, years_since_j2000
from lookdown.ground.associate import assign, gate_pairs
from lookdown.ground.measure import Look
from lookdown.wire.messages import Float

_MAS_RAD = np.pi / 180.0 / 3600e3
_MARGIN_RAD = 5e-3  # about a field of view: errors of pointing, aberration
_ANY = -1e6  # log-likelihood of a miss: any plot in the gate of a star is better than none
_MOST_STARS = 1_000_000
_COLUMNS = ("ra_deg", "dec_deg", "pm_ra_mas_yr", "pm_dec_mas_yr")


@dataclass(frozen=True)
class Star:
    """A star of the catalogue.

    Attributes
    ----------
    ra_deg, dec_deg : float
        Right ascension and declination, ICRS, at J2000 [deg].
    pm_ra_mas_yr, pm_dec_mas_yr : float
        Proper motion, that in right ascension times the cosine of declination [mas/yr].
    name : str
        For people.
    """

    ra_deg: float
    dec_deg: float
    pm_ra_mas_yr: float = 0.0
    pm_dec_mas_yr: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        moves = max(abs(self.pm_ra_mas_yr), abs(self.pm_dec_mas_yr))
        if not (abs(self.ra_deg) <= 360.0 and abs(self.dec_deg) <= 90.0 and moves <= 20e3):
            raise ValueError(f"star: wanted ra_deg within 360, dec_deg within 90, motions within 20000, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class StarsSeen:
    """What the stars in a report tell, made one measurement of the pointing error.

    Attributes
    ----------
    away : ndarray of float64, shape (2,)
        Mean of measured less foreseen tangents [1].
    noise : ndarray of float64, shape (2, 2)
        Its covariance from the centroids alone.
    plots : ndarray of int64, shape (q,)
        Plots that are stars.
    """

    away: Float
    noise: Float
    plots: NDArray[np.int64]


@lru_cache(maxsize=4)
def catalogue(stars: tuple[Star, ...], path: Path | None) -> tuple[Float, Float]:
    """Directions of all stars, and how these move.

    Parameters
    ----------
    stars : tuple of Star
        Those of the configuration.
    path : Path or None
        A file of comma-separated values with columns ``ra_deg``, ``dec_deg`` and, if wanted, ``pm_ra_mas_yr``,
        ``pm_dec_mas_yr``; others are passed over, as are lines that begin with ``#``.

    Returns
    -------
    direction : ndarray of float64, shape (n, 3)
        Unit vectors at J2000, ICRS.
    motion : ndarray of float64, shape (n, 3)
        Their change in a year [1/yr].

    Raises
    ------
    ValueError
        If the file cannot be read or a line of it is no star.
    """
    every = [*stars, *_read(path)] if path is not None else list(stars)
    numbers = np.array([[getattr(star, name) for name in _COLUMNS] for star in every]).reshape(-1, 4)
    ra, dec = np.radians(numbers[:, 0]), np.radians(numbers[:, 1])
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=1)
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    motion = _MAS_RAD * (numbers[:, 2:3] * east + numbers[:, 3:4] * north)
    direction.flags.writeable = motion.flags.writeable = False
    return direction, motion


def _read(path: Path) -> list[Star]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"star_catalogue: cannot read {path} ({error}); wanted a file of stars") from None
    rows = csv.DictReader(lines)
    if not {"ra_deg", "dec_deg"} <= set(rows.fieldnames or ()):
        raise ValueError(f"star_catalogue: {path} wanted columns ra_deg and dec_deg, got {rows.fieldnames}")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            ra, dec, pm_ra, pm_dec = (float(row.get(name) or 0.0) for name in _COLUMNS)
            found.append(Star(ra, dec, pm_ra, pm_dec))
        except ValueError as error:
            raise ValueError(f"star_catalogue: {path}, star {number}: {error}") from None
        if number > _MOST_STARS:
            raise ValueError(f"star_catalogue: {path} wanted at most {_MOST_STARS} stars; leave faint ones out")
    return found


def find_stars(
    known: tuple[Float, Float],
    look: Look,
    half: Float,
    shift: Float,
    spread: Float,
    gate_probability: float,
) -> StarsSeen | None:
    """Find which plots are stars.

    Parameters
    ----------
    known : tuple of ndarray
        From `catalogue`.
    look : Look
        The plots of a report that look into space.
    half : ndarray of float64, shape (2,)
        Half the field of view in tangents.
    shift : ndarray of float64, shape (2,)
        By how much the sensor is known to point off.
    spread : ndarray of float64, shape (2, 2)
        Covariance of what is not known of it.
    gate_probability : float
        That a star's plot lies in its gate.

    Returns
    -------
    StarsSeen or None
        None if no plot is a star.
    """
    direction, motion = known
    time_ns = look.report.time_ns
    ahead = ecef_from_icrs(time_ns).T @ look.axes[:, 2]
    reach = np.arctan(np.hypot(*half)) + _MARGIN_RAD
    near = np.flatnonzero(direction @ ahead > np.cos(min(reach, 1.5)))
    seen = star_directions(direction[near] + years_since_j2000(time_ns) * motion[near], time_ns) @ look.axes
    seen = seen[seen[:, 2] > 0.0]
    foreseen = seen[:, :2] / seen[:, 2:] + shift
    foreseen = np.ascontiguousarray(foreseen[(np.abs(foreseen) < half).all(axis=1)])
    count = len(foreseen)
    if not count:
        return None
    noise = look.variance[:, :, None] * np.eye(2)
    use, gate = np.ones(count, np.bool_), float(chdtri(2, 1.0 - gate_probability))
    pairs = gate_pairs(foreseen, np.tile(spread, (count, 1, 1)), use, look.tangent, noise, gate, 0.0)
    plot_of, _ = assign(pairs, use, _ANY, tentative_share=False)
    rows = np.flatnonzero(plot_of >= 0)
    if not rows.size:
        return None
    plots = plot_of[rows]
    weight = 1.0 / look.variance[plots]
    total = weight.sum(axis=0)
    away = (weight * (look.tangent[plots] - foreseen[rows])).sum(axis=0) / total
    return StarsSeen(np.asarray(away, np.float64), np.diag(1.0 / total), plots)


def part_of(look: Look, sights: NDArray[np.void], centroid_floor_px: float) -> Look:
    """Make other plots of the same report ready."""
    return Look.of(replace(look.report, sights=sights), centroid_floor_px)
