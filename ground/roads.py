"""Roads as lines through points: where along a road a place is, and where a place along a road lies."""

from dataclasses import dataclass

import numpy as np

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.wire.messages import Float

_STEP_M = 20.0  # between the points at which a place is held against a road


@dataclass(frozen=True)
class RoadConfig:
    """A road, as a configuration tells it.

    Attributes
    ----------
    points : tuple of tuple of float
        Latitude and longitude [deg] and height over the ellipsoid [m] of two points or more.
    name : str
        For people.
    width_m : float
        Width, and how far the points may be off [m].
    """

    points: tuple[tuple[float, float, float], ...]
    name: str = ""
    width_m: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what is no road."""
        values = np.array(self.points, np.float64)
        if len(values) < 2 or not np.isfinite(values).all() or (np.abs(values[:, 0]) > 90).any():
            raise ValueError("points: wanted two or more of latitude and longitude [deg] and height [m], all finite")
        if not 0.0 < self.width_m < 1e4:
            raise ValueError(f"width_m: wanted 0 to 10000, got {self.width_m}")


class Road:
    """A line in ECEF, measured from its first point; it goes on straight beyond its ends.

    Parameters
    ----------
    config : RoadConfig
        The road.
    """

    def __init__(self, config: RoadConfig) -> None:
        lat, lon, height = np.array(config.points, np.float64).T
        vertices = geodetic_to_ecef(np.radians(lat), np.radians(lon), height)
        length = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
        keep = np.concatenate([[True], length > 1e-3])
        self.width_m = config.width_m
        self._vertices = vertices[keep]
        self._at_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self._vertices, axis=0), axis=1))])
        self.length_m = float(self._at_m[-1])
        self._samples_m = np.linspace(0.0, self.length_m, max(2, int(self.length_m / _STEP_M) + 1))
        self._samples = np.stack([self.at(s)[0] for s in self._samples_m])

    def at(self, along_m: float) -> tuple[Float, Float]:
        """Place and unit direction at a distance from the first point, ECEF, shapes (3,)."""
        last = len(self._at_m) - 2
        leg = int(np.clip(np.searchsorted(self._at_m, along_m, side="right") - 1, 0, last))
        step = self._vertices[leg + 1] - self._vertices[leg]
        direction = step / np.linalg.norm(step)
        return self._vertices[leg] + (along_m - self._at_m[leg]) * direction, direction

    def nearest(self, place_m: Float, information: Float) -> tuple[float, float, float]:
        """Find the point of the road that a place with a covariance most likely is.

        Parameters
        ----------
        place_m : ndarray of float64, shape (3,)
            The place, ECEF [m].
        information : ndarray of float64, shape (3, 3)
            Inverse of its covariance [1/m^2].

        Returns
        -------
        along_m, variance_m2, square : float
            Where along the road, its variance, and the squared distance from it, in sigmas.
        """
        away = place_m - self._samples
        squares = np.einsum("ni,ij,nj->n", away, information, away)
        best = float(self._samples_m[int(np.argmin(squares))])
        point, direction = self.at(best)
        weight = float(direction @ information @ direction)
        step = float(direction @ information @ (place_m - point)) / weight
        along = best + float(np.clip(step, -_STEP_M, _STEP_M))
        off = place_m - self.at(along)[0]
        return along, 1.0 / weight, float(off @ information @ off)
