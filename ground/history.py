"""History of a ground process: one SQLite file that any tool can read while it grows.

Written in batches under write-ahead logging: readers never wait, and what was committed survives a crash. Times are
TAI [ns], lengths m, speeds m/s; a covariance is 36 little-endian float64, row by row, of (position, velocity).
"""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from lookdown.ground.fusion import Event, Happening, ReportFused
from lookdown.wire.errors import ConfigError

SCHEMA = """
CREATE TABLE track_updates (
    track_id INTEGER NOT NULL, time_ns INTEGER NOT NULL,
    x_m REAL NOT NULL, y_m REAL NOT NULL, z_m REAL NOT NULL,
    vx_m_s REAL NOT NULL, vy_m_s REAL NOT NULL, vz_m_s REAL NOT NULL,
    covariance BLOB NOT NULL, status INTEGER NOT NULL, score REAL NOT NULL,
    hits INTEGER NOT NULL, misses INTEGER NOT NULL, sensor_id INTEGER NOT NULL, n_sensors INTEGER NOT NULL
);
CREATE TABLE reports (
    sensor_id INTEGER NOT NULL, frame_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, n_plots INTEGER NOT NULL,
    n_left_out INTEGER NOT NULL, flags INTEGER NOT NULL,
    origin_ns INTEGER NOT NULL, arrival_ns INTEGER NOT NULL, fused_ns INTEGER NOT NULL
);
CREATE TABLE plot_links (
    sensor_id INTEGER NOT NULL, frame_id INTEGER NOT NULL, plot_index INTEGER NOT NULL, track_id INTEGER NOT NULL
);
CREATE TABLE events (time_ns INTEGER NOT NULL, kind TEXT NOT NULL, sensor_id INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE counters (
    sensor_id INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (sensor_id, name)
);
"""


class History:
    """Writer of a history file.

    Parameters
    ----------
    path : Path
        File to write; one that an earlier run left is replaced.

    Raises
    ------
    ConfigError
        If the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                leftover.unlink(missing_ok=True)
            self._connection = sqlite3.connect(path)
            self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{path}: cannot make the history ({error}); check the folder and who may write it"
            ) from None

    def add(self, events: Iterable[Event], fused_ns: int) -> None:
        """Note events; ``fused_ns`` is when fusion gave them, system TAI [ns]. Durable after `commit`."""
        for event in events:
            if isinstance(event, Happening):
                self._insert("events", [(event.time_ns, event.kind, event.sensor_id, event.text)])
            else:
                self._add_report(event, fused_ns)

    def _add_report(self, fused: ReportFused, fused_ns: int) -> None:
        arrival, report = fused.arrival, fused.arrival.report
        counts = (arrival.n_sent, report.n_left_out, int(report.flags))
        when = (arrival.origin_ns, arrival.arrival_ns, fused_ns)
        self._insert("reports", [(report.sensor_id, report.frame_id, report.time_ns, *counts, *when)])
        frame = (report.sensor_id, report.frame_id)
        self._insert("plot_links", [(*frame, *link) for link in fused.links.tolist()])
        updates = fused.updates
        self._insert(
            "track_updates",
            [
                (track_id, time_ns, *position, *velocity, covariance.tobytes(), *rest)
                for track_id, time_ns, position, velocity, covariance, rest in zip(
                    updates["track_id"].tolist(),
                    updates["time_ns"].tolist(),
                    updates["position_m"].tolist(),
                    updates["velocity_m_s"].tolist(),
                    updates["covariance"],
                    updates[["status", "score", "hits", "misses", "sensor_id", "n_sensors"]].tolist(),
                    strict=True,
                )
            ],
        )

    def set_counters(self, counters: Mapping[tuple[int, str], int]) -> None:
        """Write counters by (sensor, name), in place of older values."""
        rows = [(sensor, name, value) for (sensor, name), value in sorted(counters.items())]
        self._connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", rows)

    def commit(self) -> None:
        """Make durable what was noted."""
        self._connection.commit()

    def close(self) -> None:
        """Commit and close."""
        self._connection.commit()
        self._connection.close()

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
