"""Recorded trajectories: rows of time, place and height as ADS-B receivers write them, cleaned and smoothed.

Column names of the OpenSky Network are known: ``time`` (or ``timestamp``), ``lat``/``latitude``, ``lon``/``longitude``,
``geoaltitude``/``baroaltitude``/``altitude`` [m] or ``altitude_ft``, ``icao24``. Rows that cannot be used are counted
by reason, never guessed at.
"""

import csv
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline

from lookdown.hil.settings import require

Float = NDArray[np.float64]

_FEET_M = 0.3048
_COLUMNS = {
    "time": ("time", "timestamp", "lastposupdate"),
    "lat": ("lat", "latitude", "lat_deg"),
    "lon": ("lon", "longitude", "lon_deg"),
    "height": ("geoaltitude", "altitude_m", "height_m", "altitude", "baroaltitude"),
    "height_ft": ("altitude_ft",),
    "icao24": ("icao24", "hex", "address"),
}
_FASTEST_M_S = 1500.0
_FEWEST = 5


@dataclass(frozen=True)
class RecordedConfig:
    """A recorded trajectory.

    Attributes
    ----------
    file : Path
        CSV file with a head line.
    icao24 : str
        Address of the aircraft, if the file holds several.
    begin_s : float
        Time after the file's first good row that is the scenario's start [s].
    """

    file: Path
    icao24: str = ""
    begin_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a beginning before the file's."""
        require(self, ("begin_s", self.begin_s >= 0.0, "0 or more"))


@dataclass
class Track:
    """Good rows of a recorded trajectory, and how many were refused for which reason."""

    t_s: Float
    lat_rad: Float
    lon_rad: Float
    height_m: Float
    refused: Counter[str] = field(default_factory=Counter)


def read_track(config: RecordedConfig) -> Track:
    """Read the rows of one aircraft.

    Raises
    ------
    ValueError
        One line: no such file, columns that are not there, several aircraft to choose from, or too few good rows.
    """
    try:
        with config.file.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = _find_columns(config.file, reader.fieldnames or [])
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{config.file}: cannot be read as CSV text ({error}); check recorded.file") from None
    refused: Counter[str] = Counter()
    if "icao24" in columns:
        known = sorted({(row[columns["icao24"]] or "").strip().lower() for row in rows})
        wanted = config.icao24.lower()
        if wanted not in known and (wanted or len(known) > 1):
            raise ValueError(
                f"{config.file}: wanted icao24 {config.icao24!r}, the file has {', '.join(known[:8])}"
                f"{' and more' if len(known) > 8 else ''}; set recorded.icao24"
            )
        if wanted:
            rows = [row for row in rows if (row[columns["icao24"]] or "").strip().lower() == wanted]
    good: list[tuple[float, float, float, float]] = []
    for row in rows:
        values = _values(row, columns)
        reason = "no number" if values is None else _refusal(values, good[-1] if good else None)
        if reason or values is None:
            refused[reason] += 1
        else:
            good.append(values)
    if len(good) < _FEWEST:
        raise ValueError(
            f"{config.file}: wanted {_FEWEST} good rows or more, got {len(good)} of {len(rows)}"
            f"{_list(refused)}; check the file"
        )
    table = np.array(good)
    return Track(
        table[:, 0] - table[0, 0], np.radians(table[:, 1]), np.unwrap(np.radians(table[:, 2])), table[:, 3], refused
    )


@lru_cache(maxsize=256)
def _read_and_smooth(config: RecordedConfig, changed_ns: int) -> tuple[Track, list[Callable[[Float], Float]]]:
    track = read_track(config)
    return track, smoothed(track)


def smooth_track(config: RecordedConfig) -> tuple[Track, list[Callable[[Float], Float]]]:
    """Rows of one aircraft and their smoothing splines; a file is read again when it has changed.

    Raises
    ------
    ValueError
        As `read_track`.
    """
    try:
        changed_ns = config.file.stat().st_mtime_ns
    except OSError:
        changed_ns = 0  # reading says what is wrong
    return _read_and_smooth(config, changed_ns)


def smoothed(track: Track) -> list[Callable[[Float], Float]]:
    """Smoothing splines of latitude, longitude [rad] and height [m] over time [s].

    Their smoothness is chosen by generalised cross-validation (Wahba 1990, "Spline Models for Observational Data").
    """
    return [make_smoothing_spline(track.t_s, values) for values in (track.lat_rad, track.lon_rad, track.height_m)]


def describe(track: Track) -> str:
    """Say how many rows were refused and why; empty if none."""
    return _list(track.refused).removeprefix(": ")


def _list(refused: Counter[str]) -> str:
    return (": refused " + ", ".join(f"{n} ({reason})" for reason, n in refused.most_common())) if refused else ""


def _find_columns(path: Path, names: Sequence[str]) -> dict[str, str]:
    by_name = {name.strip().lower(): name for name in names}
    found = {
        key: by_name[choice] for key, choices in _COLUMNS.items() for choice in reversed(choices) if choice in by_name
    }
    missing = [key for key in ("time", "lat", "lon") if key not in found]
    if not {"height", "height_ft"} & set(found):
        missing.append("height")
    if missing:
        wanted = ", ".join(f"{key} ({' or '.join(_COLUMNS[key])})" for key in missing)
        raise ValueError(f"{path}: wanted columns {wanted}; the file has {', '.join(names) or 'none'}")
    return found


def _values(row: dict[str, str], columns: dict[str, str]) -> tuple[float, float, float, float] | None:
    """Time [s], latitude, longitude [deg] and height [m] of a row; None if one is no number."""
    try:
        height = float(row[columns["height"]]) if "height" in columns else float(row[columns["height_ft"]]) * _FEET_M
        values = (_seconds(row[columns["time"]]), float(row[columns["lat"]]), float(row[columns["lon"]]), height)
    except (TypeError, ValueError):
        return None
    return values if all(map(math.isfinite, values)) else None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text.strip()).timestamp()


def _refusal(values: tuple[float, float, float, float], last: tuple[float, float, float, float] | None) -> str:
    """Why a row cannot be used after the last good one; empty if it can."""
    t_s, lat_deg, lon_deg, height_m = values
    if not (-90.0 <= lat_deg <= 90.0 and -180.0 <= lon_deg <= 360.0 and -500.0 <= height_m <= 100e3):
        return "off the globe"
    if last is None:
        return ""
    if t_s == last[0]:
        return "duplicate time"
    if t_s < last[0]:
        return "out of order"
    east = (lon_deg - last[2] + 180.0) % 360.0 - 180.0
    way_m = 111.2e3 * math.hypot(lat_deg - last[1], east * math.cos(math.radians(lat_deg)))
    return "jump" if way_m > _FASTEST_M_S * max(t_s - last[0], 1.0) else ""
