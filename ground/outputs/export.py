"""Files of standard formats from a history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookdown.geo.timescale import tai_ns_from_utc
from lookdown.ground.outputs.asterix import AsterixOptions, asterix_blocks
from lookdown.ground.outputs.cot import CotOptions, cot_events
from lookdown.ground.outputs.czml import czml_document
from lookdown.ground.outputs.geojson import geojson_collection
from lookdown.ground.outputs.gmti import GmtiOptions, GmtiWriter
from lookdown.ground.outputs.points import Platform, Points, is_believed, points_of_updates
from lookdown.ground.query import HistoryReader
from lookdown.wire.errors import ConfigError


@dataclass(frozen=True)
class Choice:
    """What of a history is exported.

    Attributes
    ----------
    since_ns, until_ns : int
        Times, both ends included, TAI [ns].
    tracks : frozenset of int
        Identities; empty for all.
    every_s : float
        Least time between two points of a track; 0 for all. A change of status is always told [s].
    tentative : bool
        Whether updates from before a track was confirmed are told too.
    """

    since_ns: int = 0
    until_ns: int = 2**63 - 1
    tracks: frozenset[int] = frozenset()
    every_s: float = 0.0
    tentative: bool = False


def instant(text: str) -> int:
    """TAI [ns] of a UTC instant in ISO 8601, for options of commands; ConfigError if it is none."""
    try:
        return tai_ns_from_utc(text)
    except ValueError as error:
        raise ConfigError(f"{text!r}: wanted a UTC instant such as 2027-01-15T08:00:00Z ({error})") from None


def points_of_history(folder: Path, choice: Choice) -> Points:
    """Read points out of a history, in order of time; of tracks that were confirmed alone.

    Parameters
    ----------
    folder : Path
        Folder of a ground process.
    choice : Choice
        What is wanted.

    Raises
    ------
    ConfigError
        If there is no history, or nothing in it fits.
    """
    history = HistoryReader(folder)
    updates = history.updates()
    if not choice.tentative:
        updates = updates[is_believed(updates["status"])]
    wanted = (updates["time_ns"] >= choice.since_ns) & (updates["time_ns"] <= choice.until_ns)
    if choice.tracks:
        wanted &= np.isin(updates["track_id"], list(choice.tracks))
    updates = updates[wanted]
    updates = updates[np.argsort(updates["time_ns"], kind="stable")]
    if choice.every_s > 0.0:
        updates = updates[_spaced(updates, round(choice.every_s * 1e9))]
    if not len(updates):
        raise ConfigError(f"{folder}: nothing to export; widen --from, --to and --track, or add --tentative")
    names = ("sensor_id", "time_ns", "x_m", "y_m", "z_m", "position_sigma_m")
    columns = [column.to_numpy() for column in history.table("reports", names).columns]
    place = {key: row for row, key in enumerate(zip(columns[0].tolist(), columns[1].tolist(), strict=True))}
    keys = zip(updates["sensor_id"].tolist(), updates["time_ns"].tolist(), strict=True)
    found = np.array([place.get(key, -1) for key in keys], np.int64)
    known = np.column_stack([*columns[2:], np.zeros(len(columns[0]))])[:, :4]
    known = np.concatenate([known, np.full((1, 4), np.nan)])[found]
    return points_of_updates(updates, Platform(updates["sensor_id"].astype(np.int64), known[:, :3], known[:, 3]))


def _spaced(
    updates: "np.ndarray[tuple[int], np.dtype[np.void]]", step_ns: int
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Rows that lie a step after the last one told of their track, or tell another status."""
    last: dict[int, tuple[int, int]] = {}
    rows = []
    names = ("track_id", "time_ns", "status")
    for row, (track, time_ns, status) in enumerate(zip(*(updates[name].tolist() for name in names), strict=True)):
        told = last.get(track)
        if told is None or time_ns - told[0] >= step_ns or status != told[1]:
            last[track] = (time_ns, status)
            rows.append(row)
    return np.array(rows, np.int64)


def _asterix(points: Points, simulated: bool) -> bytes:
    _, first = np.unique(points.track_id, return_index=True)
    options = AsterixOptions(simulated=simulated)
    return b"".join(asterix_blocks(points, options, frozenset(first.tolist())))


def _cot(points: Points, simulated: bool) -> bytes:
    return b"".join(event + b"\n" for event in cot_events(points, CotOptions(simulated=simulated)))


def _gmti(points: Points, simulated: bool) -> bytes:
    packets = b"".join(GmtiWriter(GmtiOptions(simulated=simulated)).packets(points))
    if not packets:
        raise ConfigError("stanag4607: no surface mover among what was chosen; the format tells these alone")
    return packets


FORMATS: Mapping[str, Callable[[Points, bool], bytes]] = {
    "asterix": _asterix,
    "cot": _cot,
    "stanag4607": _gmti,
    "czml": lambda points, _: czml_document(points),
    "geojson": lambda points, _: geojson_collection(points),
}
"""Formats of `export`: from points, and whether they are marked as simulated, to the octets of a file."""


def export(folder: Path, name: str, choice: Choice, simulated: bool = False) -> tuple[bytes, Points]:
    """Return the octets of a file in a format of `FORMATS`, and the points that stand in it.

    Parameters
    ----------
    folder : Path
        Folder of a ground process.
    name : str
        Name of the format.
    choice : Choice
        What of the history.
    simulated : bool
        Whether the format's mark for simulated data is set, where it has one.
    """
    points = points_of_history(folder, choice)
    return FORMATS[name](points, simulated), points
