"""Height of the ground: an elevation grid from a file, where lines of sight meet it, and what is known without one.

The file is an ESRI ASCII grid (``.asc``) in degrees of latitude and longitude: six lines of header and rows of heights
from north to south, which every geographic tool writes (``gdal_translate -of AAIGrid``) and a person can read. Between
its points heights are bilinear. Heights of maps are over the geoid; ``terrain_geoid_m``, the geoid's height over the
ellipsoid there, is added. Off the grid, and where it has no value, the ground lies at ``surface_height_m``.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.wire.messages import Float

_HEADER = {"ncols", "nrows", "cellsize", "nodata_value", "xllcorner", "yllcorner", "xllcenter", "yllcenter"}
_MOST_POINTS = 100_000_000
_LOWEST_M, _HIGHEST_M = -12e3, 10e3  # ocean trenches, the Himalaya
_STEP_M = 20.0  # horizontal, over which slopes are taken
_MOST_STEPS = 2000  # along a line of sight
_HALVINGS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Terrain:
    """Heights over the ellipsoid.

    Attributes
    ----------
    first_deg : tuple of float
        Latitude and longitude of the grid's south-western point [deg].
    cell_deg : float
        Distance of its points [deg].
    height_m : ndarray of float64, shape (rows, cols)
        Heights, southern row first; nan where there is none [m].
    elsewhere_m : float
        Height off the grid [m].
    """

    first_deg: tuple[float, float]
    cell_deg: float
    height_m: Float
    elsewhere_m: float = 0.0

    def heights(self, lat_rad: Float, lon_rad: Float) -> Float:
        """Heights at places, shape (n,) [m]."""
        rows, cols = self.height_m.shape
        row = (np.degrees(lat_rad) - self.first_deg[0]) / self.cell_deg
        col = (np.degrees(lon_rad) - self.first_deg[1]) % 360.0 / self.cell_deg
        on = (row >= 0.0) & (row <= rows - 1) & (col <= cols - 1)
        i = np.clip(np.nan_to_num(row).astype(np.int64), 0, rows - 2)
        j = np.clip(np.nan_to_num(col).astype(np.int64), 0, cols - 2)
        u, v, h = row - i, col - j, self.height_m
        south = (1.0 - v) * h[i, j] + v * h[i, j + 1]
        north = (1.0 - v) * h[i + 1, j] + v * h[i + 1, j + 1]
        found = (1.0 - u) * south + u * north
        return np.asarray(np.where(on & np.isfinite(found), found, self.elsewhere_m), np.float64)

    def under(self, position_m: Float) -> tuple[Float, Float]:
        """Find the ground under places.

        Parameters
        ----------
        position_m : ndarray of float64, shape (n, 3)
            ECEF [m].

        Returns
        -------
        height_m : ndarray of float64, shape (n,)
            Height of the ground [m].
        rise : ndarray of float64, shape (n, 3)
            Derivative of the height over the ground by the place: up, less the slope of the ground [1].
        """
        lat, lon, _ = ecef_to_geodetic(position_m)
        axes = enu_axes(lat, lon)
        rise = axes[:, 2].copy()
        for axis in (0, 1):
            ahead, behind = (
                self.heights(*ecef_to_geodetic(position_m + way * _STEP_M * axes[:, axis])[:2]) for way in (1.0, -1.0)
            )
            rise -= ((ahead - behind) / (2.0 * _STEP_M))[:, None] * axes[:, axis]
        return self.heights(lat, lon), np.asarray(rise, np.float64)

    def meet(self, origin_m: Float, direction: Float) -> Float:
        """Find where lines of sight from above meet the ground first.

        Parameters
        ----------
        origin_m : ndarray of float64, shape (3,)
            Sensor, ECEF [m].
        direction : ndarray of float64, shape (n, 3)
            Unit lines of sight.

        Returns
        -------
        ndarray of float64, shape (n, 3)
            Points [m]; nan where a line misses the ground.
        """
        known = self.height_m[np.isfinite(self.height_m)]
        low = min(float(known.min(initial=self.elsewhere_m)), self.elsewhere_m) - 1.0
        high = max(float(known.max(initial=self.elsewhere_m)), self.elsewhere_m) + 1.0
        ends = intersect_ellipsoid(origin_m, direction[:, None, :], np.array([high, low]))
        near = np.linalg.norm(ends[:, 0] - origin_m, axis=1)
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        found = np.full((len(direction), 3), np.nan)
        cell_m = np.radians(self.cell_deg) * 6.37e6
        for k in np.flatnonzero(np.isfinite(ends).all(axis=(1, 2))).tolist():
            steps = int(np.clip(np.ceil(2.0 * length[k] / cell_m), 2, _MOST_STEPS))
            share = np.linspace(0.0, 1.0, steps + 1)
            over = self._over(origin_m + np.outer(near[k] + share * length[k], direction[k]))
            first = int(np.argmax(over <= 0.0))
            a, b = share[max(first - 1, 0)], share[first]
            for _ in range(_HALVINGS):
                middle = 0.5 * (a + b)
                above = self._over(origin_m + (near[k] + middle * length[k]) * direction[k][None])[0] > 0.0
                a, b = (middle, b) if above else (a, middle)
            found[k] = origin_m + (near[k] + 0.5 * (a + b) * length[k]) * direction[k]
        return found

    def _over(self, position_m: Float) -> NDArray[np.float64]:
        """Heights of places over the ground, shape (n,)."""
        lat, lon, height = ecef_to_geodetic(position_m)
        return np.asarray(height - self.heights(lat, lon), np.float64)


@lru_cache(maxsize=4)
def terrain_of(path: Path | None, geoid_m: float = 0.0, elsewhere_m: float = 0.0) -> Terrain:
    """Read an elevation grid.

    Parameters
    ----------
    path : Path or None
        An ESRI ASCII grid; None: flat ground at ``elsewhere_m``.
    geoid_m : float
        Added to its heights [m].
    elsewhere_m : float
        Height off the grid, over the ellipsoid [m].

    Raises
    ------
    ValueError
        If the file cannot be read or is no such grid; the message says what was wanted and what came.
    """
    if path is None:
        return Terrain((0.0, 0.0), 1.0, np.full((2, 2), elsewhere_m), elsewhere_m)
    try:
        with path.open(encoding="ascii") as file:
            header, first = _read_header(path, file)
            rows, cols = _whole(path, header, "nrows"), _whole(path, header, "ncols")
            heights = np.array([*first.split(), *file.read().split()], np.float64)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"terrain: cannot read {path} ({error}); wanted an ESRI ASCII grid") from None
    except ValueError as error:
        wrong = str(error)
        raise ValueError(wrong if wrong.startswith("terrain") else f"terrain: {path}, heights: {wrong}") from None
    if len(heights) != rows * cols:
        raise ValueError(f"terrain: {path} wanted nrows * ncols = {rows * cols} heights, got {len(heights)}")
    cell = header["cellsize"]
    heights[heights == header.get("nodata_value", -9999.0)] = np.nan
    if not np.nanmin(heights, initial=0.0) >= _LOWEST_M or not np.nanmax(heights, initial=0.0) <= _HIGHEST_M:
        raise ValueError(
            f"terrain: {path} wanted heights from {_LOWEST_M:.0f} to {_HIGHEST_M:.0f} m, got "
            f"{np.nanmin(heights)} to {np.nanmax(heights)}; is NODATA_value right?"
        )
    half = 0.5 * cell
    west = header["xllcenter"] if "xllcenter" in header else header["xllcorner"] + half
    south = header["yllcenter"] if "yllcenter" in header else header["yllcorner"] + half
    north = south + (rows - 1) * cell
    if not (cell > 0.0 and south >= -90.0 and north <= 90.0 and abs(west) <= 360.0 and cols * cell <= 360.0 + cell):
        raise ValueError(
            f"terrain: {path} wanted degrees of latitude and longitude, got points from ({south:g}, {west:g}) on every "
            f"{cell:g}; grids in metres are to be warped first (gdalwarp -t_srs EPSG:4326)"
        )
    grid = np.ascontiguousarray(heights.reshape(rows, cols)[::-1]) + geoid_m
    grid.flags.writeable = False
    return Terrain((south, west), cell, grid, elsewhere_m)


def _read_header(path: Path, file: object) -> tuple[dict[str, float], str]:
    """Read the header; its values by name, and the first line of heights."""
    header: dict[str, float] = {}
    for line in file:  # type: ignore[attr-defined]
        words = line.split()
        if not words or words[0].lower() not in _HEADER:
            break
        if len(words) != 2:
            raise ValueError(f"terrain: {path}, header: wanted a name and a number, got {line.strip()!r}")
        header[words[0].lower()] = float(words[1])
    else:
        line = ""
    for name, other in (("ncols",) * 2, ("nrows",) * 2, ("cellsize",) * 2, ("xllcorner", "xllcenter"),
                        ("yllcorner", "yllcenter")):  # fmt: skip
        if name not in header and other not in header:
            raise ValueError(f"terrain: {path}, header: wanted {name}, got {sorted(header)}")
    if not np.isfinite(list(header.values())).all():
        raise ValueError(f"terrain: {path}, header: wanted finite numbers, got {header}")
    return header, line


def _whole(path: Path, header: dict[str, float], name: str) -> int:
    value = header[name]
    if value != int(value) or not 2 <= value <= _MOST_POINTS or header["nrows"] * header["ncols"] > _MOST_POINTS:
        raise ValueError(f"terrain: {path}, {name}: wanted a whole number of 2 or more, at most {_MOST_POINTS} points")
    return int(value)
