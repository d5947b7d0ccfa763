"""History of a ground process: what is fresh in one SQLite file, what is closed in Parquet files beside it.

``history.sqlite`` holds the rows of the open part, counters, and the state of the pipeline. Rows and state go in by one
transaction, so that they always tell of the same moment, named by how far the recording had been fused: a process that
is started again takes the state up, fuses the rest of the recording and goes on with the same numbers.

A part is closed when data time enters the next ``part_s`` or it has ``part_rows`` rows: a commit sets its rows apart, a
thread writes its Parquet files (`closing`), and a later commit takes the rows out of SQLite and counts the part. Files
of a part that is not counted are those of a killed process; they are removed and written anew from the rows.

Times are TAI [ns], lengths m, speeds m/s; a covariance is 36 float64, row by row, of (position, velocity).
"""

import sqlite3
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import astuple, dataclass
from pathlib import Path

from lookdown.ground.closing import ROWS_SCHEMA, begin_closing, is_set_apart, set_apart, write_closing
from lookdown.ground.events import Event, Happening, ReportFused
from lookdown.ground.parts import TABLES, find_parts, remove_parts
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.database import open_database
from lookdown.wire.errors import ConfigError

HISTORY_NAME = "history.sqlite"
PARTS_NAME = "history"

_SCHEMA = (
    ROWS_SCHEMA + "CREATE TABLE IF NOT EXISTS counters"
    " (sensor_id INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (sensor_id, name));"
    # One row: the state of the pipeline after `fused_octets` of the recording, the number of the open part, and whether
    # the open rows are provisional: fused at a stop from what still waited, and fused anew when the run goes on.
    "CREATE TABLE IF NOT EXISTS state (only INTEGER PRIMARY KEY CHECK (only = 1), fused_octets INTEGER NOT NULL,"
    " part INTEGER NOT NULL, provisional INTEGER NOT NULL, pipeline BLOB);"
    "INSERT OR IGNORE INTO state VALUES (1, 0, 1, 0, NULL)"
)


@dataclass(frozen=True)
class HistoryConfig:
    """How the history is kept.

    Attributes
    ----------
    commit_s : float
        Time between commits of rows and state; what came since is fused again after a kill [s].
    part_s : float
        Data time after which a part is closed, in whole parts of a day [s].
    part_rows : int
        Rows of one table after which a part is closed.
    """

    commit_s: float = 1.0
    part_s: float = 600.0
    part_rows: int = 100_000

    def __post_init__(self) -> None:
        if not 0.01 <= self.commit_s <= 3600.0:
            raise ValueError(f"commit_s: wanted 0.01 to 3600, got {self.commit_s}; change it")
        if not 1.0 <= self.part_s <= 86_400.0:
            raise ValueError(f"part_s: wanted 1 to 86400, got {self.part_s}; change it")
        if not 100 <= self.part_rows <= 10_000_000:
            raise ValueError(f"part_rows: wanted 100 to 10000000, got {self.part_rows}; change it")


class History:
    """Writer of a history.

    Parameters
    ----------
    folder : Path
        Where ``history.sqlite`` and the folder ``history`` stand or are made.
    config : HistoryConfig
        When parts are closed.

    Attributes
    ----------
    state : bytes or None
        State of the pipeline that an earlier process left.
    fused_octets : int
        How far that process had fused the recording [octets].

    Raises
    ------
    ConfigError
        If the files cannot be made or read.
    """

    def __init__(self, folder: Path, config: HistoryConfig | None = None) -> None:
        self._config = config or HistoryConfig()
        self._parts = folder / PARTS_NAME
        self._path = path = folder / HISTORY_NAME
        self._closing: Future[None] | None = None
        try:
            try:
                self._connection = open_database(path, _SCHEMA, durable=False, exclusive=False)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # Damaged: what it held comes again from the recording.
                for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                    leftover.unlink(missing_ok=True)
                self._connection = open_database(path, _SCHEMA, durable=False, exclusive=False)
            row = self._connection.execute("SELECT fused_octets, part, provisional, pipeline FROM state").fetchone()
            remove_parts(self._parts, row[1])
            self.fused_octets, self._part, provisional, self.state = row
            if is_set_apart(self._connection):
                # A killed process was closing them.
                write_closing(self._connection, self._parts, self._part)
                self._count_part()
                self._commit()
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{path}: cannot make the history ({error}); check the folder and who may write it"
            ) from None
        if provisional:
            for table in TABLES:
                self._connection.execute(f"DELETE FROM {table}")
            self._connection.execute("UPDATE state SET provisional = 0")
        self._rows = {table: self._count(table) for table in TABLES}
        self._slot: int | None = None
        self._due = False

    def clear(self) -> None:
        """Forget all rows and parts: they will come again from the recording."""
        for table in (*TABLES, *(f"closing_{table}" for table in TABLES), "counters"):
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.execute("UPDATE state SET fused_octets = 0, part = 1, provisional = 0, pipeline = NULL")
        self._commit()
        remove_parts(self._parts, 1)
        self.fused_octets, self._part, self.state = 0, 1, None
        self._rows = dict.fromkeys(TABLES, 0)

    @property
    def n_parts(self) -> int:
        """Parts closed so far."""
        return int(self._part) - 1

    def add(self, events: Iterable[Event], fused_ns: int) -> None:
        """Note events; ``fused_ns`` is when fusion gave them, system TAI [ns]. Lasting after `commit`."""
        for event in events:
            if isinstance(event, Happening):
                self._insert("events", [(event.time_ns, event.kind, event.sensor_id, event.text)])
            else:
                self._add_report(event, fused_ns)

    def _add_report(self, fused: ReportFused, fused_ns: int) -> None:
        arrival, report = fused.arrival, fused.arrival.report
        counts = (arrival.n_sent, report.n_left_out, int(report.flags))
        when = (arrival.origin_ns, arrival.arrival_ns, fused_ns)
        state = report.state
        where = (*state.position_m.tolist(), *state.velocity_m_s.tolist(), float(state.position_sigma_m))
        self._insert("reports", [(report.sensor_id, report.frame_id, report.time_ns, *counts, *when, *where)])
        frame = (report.sensor_id, report.frame_id, report.time_ns)
        if fused.pointing is not None:
            sensor_id, *known = astuple(fused.pointing)
            self._insert("pointing", [(sensor_id, report.time_ns, *known)])
        self._insert("plot_links", [(*frame, *link) for link in fused.links.tolist()])
        updates = fused.updates
        self._insert(
            "track_updates",
            [
                (track_id, time_ns, *position, *velocity, covariance.tobytes(), *rest, *kind)
                for track_id, time_ns, position, velocity, covariance, rest, kind in zip(
                    updates["track_id"].tolist(),
                    updates["time_ns"].tolist(),
                    updates["position_m"].tolist(),
                    updates["velocity_m_s"].tolist(),
                    updates["covariance"],
                    updates[["status", "score", "hits", "misses", "sensor_id", "n_sensors"]].tolist(),
                    updates["kind"].tolist(),
                    strict=True,
                )
            ],
        )
        slot = report.time_ns // round(self._config.part_s * NS_PER_S)
        self._slot = slot if self._slot is None else self._slot
        if slot > self._slot or slot < self._slot - 1:  # forward, or back when the order of time began anew
            self._slot, self._due = slot, True

    def set_counters(self, counters: Mapping[tuple[int, str], int]) -> None:
        """Write counters by (sensor, name), in place of older values."""
        rows = [(sensor, name, value) for (sensor, name), value in sorted(counters.items())]
        self._connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", rows)

    def commit(self, state: bytes | None = None, fused_octets: int = 0) -> None:
        """Make lasting what was noted, with the state that stands after it; begins to close the part if it is due.

        A part that grows to twice its size while the one before is being closed waits for that one.

        Parameters
        ----------
        state : bytes or None
            State of the pipeline; None leaves none, so that the recording is fused from its beginning after a kill.
        fused_octets : int
            How far the recording has been fused [octets].

        Raises
        ------
        OSError
            If the files of the part before could not be written.
        """
        rows = max(self._rows.values())
        if self._closing and (self._closing.done() or rows >= 2 * self._config.part_rows):
            self._end_closing()
        due = (self._due or rows >= self._config.part_rows) and rows > 0 and not self._closing
        if due:
            self._set_apart()
        self._connection.execute("UPDATE state SET fused_octets = ?, pipeline = ?", (fused_octets, state))
        self._commit()
        if due:
            self._closing = begin_closing(self._path, self._parts, self._part)

    def wait(self) -> None:
        """Wait until the files of a part that is being closed stand; the next commit counts it."""
        if self._closing:
            wait((self._closing,))

    def settle(self, state: bytes, fused_octets: int) -> None:
        """Close the part and commit, as `commit`; what is noted from here on is provisional."""
        self._close_part()
        self.commit(state, fused_octets)
        self._connection.execute("UPDATE state SET provisional = 1")

    def close(self, *, final: bool) -> None:
        """Close the file; ``final`` closes the open part too, since nothing will be fused anew."""
        if final:
            self._close_part()
            self._connection.execute("UPDATE state SET provisional = 0")
        self._connection.execute("COMMIT")
        self._connection.close()

    def abandon(self) -> None:
        """Close the file without what was not committed, as a kill would."""
        self.wait()
        self._connection.close()

    def _close_part(self) -> None:
        """Close the part here and now, within the transaction."""
        if self._closing:
            self._end_closing()
        if any(self._rows.values()):
            self._set_apart()
            write_closing(self._connection, self._parts, self._part)
            self._count_part()

    def _set_apart(self) -> None:
        set_apart(self._connection)
        self._rows, self._due = dict.fromkeys(TABLES, 0), False

    def _end_closing(self) -> None:
        """Count the part whose files the thread has written, once it has."""
        assert self._closing
        self._closing.result()
        self._closing = None
        self._count_part()

    def _count_part(self) -> None:
        for table in TABLES:
            self._connection.execute(f"DELETE FROM closing_{table}")
        self._part += 1
        self._connection.execute("UPDATE state SET part = ?", (self._part,))

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")

    def _insert(self, table: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            self._rows[table] += len(rows)


def has_parts(folder: Path) -> bool:
    """Whether a folder holds closed parts of a history."""
    return any(find_parts(folder / PARTS_NAME, table) for table in TABLES)
