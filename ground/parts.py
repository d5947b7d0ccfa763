"""The tables of the history and their closed parts: Parquet files, a folder a day.

``history/<table>/date=2027-01-15/part-000007.parquet`` holds the rows of one part of one table whose data time falls on
that day (UTC). A file is written under another name, given to the disk and only then renamed: whoever reads the folder
sees whole files alone. Any reader of Parquet can read them; ``date`` is a partition in the manner of Hive.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.geo.timescale import tai_ns_from_utc, unix_ns_from_tai_ns
from lookdown.wire.messages import Kind

_FIRST_NS = tai_ns_from_utc("1972-01-01")
_INT, _REAL, _TEXT = ("INTEGER", pa.int64()), ("REAL", pa.float64()), ("TEXT", pa.string())
_COVARIANCE = ("BLOB", pa.list_(pa.float64(), 36))

TABLES: Mapping[str, Mapping[str, tuple[str, pa.DataType]]] = {
    "track_updates": {
        "track_id": _INT,
        "time_ns": _INT,
        **dict.fromkeys(("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "vz_m_s"), _REAL),
        "covariance": _COVARIANCE,
        "status": _INT,
        "score": _REAL,
        **dict.fromkeys(("hits", "misses", "sensor_id", "n_sensors"), _INT),
        **dict.fromkeys((f"p_{kind.name.lower()}" for kind in Kind), _REAL),
    },
    "reports": {
        **dict.fromkeys(("sensor_id", "frame_id", "time_ns", "n_plots", "n_left_out", "flags"), _INT),
        **dict.fromkeys(("origin_ns", "arrival_ns", "fused_ns"), _INT),
        **dict.fromkeys(("x_m", "y_m", "z_m", "vx_m_s", "vy_m_s", "vz_m_s", "position_sigma_m"), _REAL),
    },
    "plot_links": dict.fromkeys(("sensor_id", "frame_id", "time_ns", "plot_index", "track_id"), _INT),
    "pointing": {
        "sensor_id": _INT,
        "time_ns": _INT,
        **dict.fromkeys(("x_rad", "y_rad", "sigma_x_rad", "sigma_y_rad", "stated_rad"), _REAL),
        **dict.fromkeys(("plots_of_tracks", "plots_of_landmarks", "plots_of_stars"), _INT),
    },
    "events": {"time_ns": _INT, "kind": _TEXT, "sensor_id": _INT, "text": _TEXT},
}
"""Columns of each table, in order: their type in SQLite and in Parquet. Derived columns come from `as_arrow`."""


def as_arrow(table: str, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Turn rows of a table into columns, with what users ask for beside them.

    Every table gets ``utc`` (timestamp of ``time_ns``); ``track_updates`` also ``lat_deg``, ``lon_deg`` (WGS-84),
    ``height_m`` above the ellipsoid, ``speed_m_s`` over the turning Earth and ``kind``, the most probable one.

    Parameters
    ----------
    table : str
        Name of the table.
    rows : sequence of sequence
        Its rows as SQLite gives them, a covariance as 36 little-endian float64.

    Returns
    -------
    pyarrow.Table
        The rows in their order.
    """
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(TABLES[table])
    arrays: dict[str, pa.Array] = {}
    for (name, (_, kind)), values in zip(TABLES[table].items(), columns, strict=True):
        if kind == _COVARIANCE[1]:
            flat = np.frombuffer(b"".join(values), "<f8")
            arrays[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float64()), 36)
        else:
            arrays[name] = pa.array(values, kind)
    time_ns = arrays["time_ns"].to_numpy()
    unknown = time_ns < _FIRST_NS  # what happened before the first report was fused has no data time
    unix_ns = unix_ns_from_tai_ns(np.where(unknown, _FIRST_NS, time_ns))
    arrays["utc"] = pa.array(unix_ns, pa.int64(), mask=unknown).cast(pa.timestamp("ns"))
    if table == "track_updates":
        position_m = np.column_stack([arrays[name].to_numpy() for name in ("x_m", "y_m", "z_m")])
        velocity_m_s = np.column_stack([arrays[name].to_numpy() for name in ("vx_m_s", "vy_m_s", "vz_m_s")])
        lat_rad, lon_rad, height_m = ecef_to_geodetic(position_m)
        arrays |= {"lat_deg": pa.array(np.degrees(lat_rad)), "lon_deg": pa.array(np.degrees(lon_rad))}
        chances = np.column_stack([arrays[f"p_{kind.name.lower()}"].to_numpy() for kind in Kind])
        best = pa.array(np.argmax(chances, axis=1), mask=~chances.any(axis=1))
        arrays["kind"] = pa.array([kind.name.lower() for kind in Kind]).take(best)
        arrays |= {"height_m": pa.array(height_m), "speed_m_s": pa.array(np.linalg.norm(velocity_m_s, axis=1))}
    return pa.table(arrays)


def write_part(folder: Path, table: str, part: int, columns: pa.Table) -> None:
    """Write the rows of one part, a file a day; a file stands under its name only when the disk has all of it.

    Parameters
    ----------
    folder : Path
        The history's folder of Parquet files; made if absent.
    table : str
        Name of the table.
    part : int
        Number of the part, counted from 1.
    columns : pyarrow.Table
        Its rows, as `as_arrow` gives them.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    days = columns["utc"].fill_null(0).cast(pa.date32()).to_numpy()
    for day in np.unique(days):
        place = folder / table / f"date={day}"
        place.mkdir(parents=True, exist_ok=True)
        draft = place / f".part-{part:06}.draft"
        pq.write_table(columns.filter(pa.array(days == day)), draft, compression="zstd")
        _to_disk(draft)
        draft.replace(place / f"part-{part:06}.parquet")
        _to_disk(place)


def find_parts(folder: Path, table: str, before: int | None = None) -> list[Path]:
    """Files of a table in order, up to the part numbered ``before`` (all, if None)."""
    found = sorted((folder / table).glob("date=*/part-*.parquet"), key=lambda path: (part_of(path), path))
    return [path for path in found if before is None or part_of(path) < before]


def remove_parts(folder: Path, since: int) -> None:
    """Remove the parts from a number on, and all drafts: what a killed process had not yet vouched for."""
    drafts = folder.glob("*/date=*/.part-*.draft")
    late = (path for table in TABLES for path in find_parts(folder, table) if part_of(path) >= since)
    for path in [*drafts, *late]:
        path.unlink()


def part_of(path: Path) -> int:
    """Return the number of the part that a file belongs to."""
    return int(path.stem.removeprefix("part-"))


def read_parts(paths: Iterable[Path], table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read files of one table into one, in the order given; without files, no rows."""
    empty = as_arrow(table, [])
    wanted = list(columns or empty.column_names)
    parts = [pq.read_table(path, columns=wanted, partitioning=None) for path in paths]
    return pa.concat_tables([empty.select(wanted), *parts])


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
