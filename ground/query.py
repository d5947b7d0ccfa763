"""Reading a history: whole tables, or SQL by DuckDB over what is closed and what is fresh.

One moment is seen: the fresh rows (those of a part that is being closed among them) and the number of the open part
come from one read of ``history.sqlite``, and of the Parquet files only parts before that are taken. The process that
writes may run meanwhile.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lookdown.ground.history import HISTORY_NAME, PARTS_NAME
from lookdown.ground.parts import TABLES, as_arrow, find_parts, read_parts
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import Kind

_COUNTERS = pa.schema([("sensor_id", pa.int64()), ("name", pa.string()), ("value", pa.int64())])

_LATER = ("pointing",)  # tables that histories of earlier versions lack


class HistoryReader:
    """A history at one moment.

    Parameters
    ----------
    folder : Path
        Folder of a ground process, which holds ``history.sqlite``.

    Raises
    ------
    ConfigError
        If it holds no history of this version.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / HISTORY_NAME
        if not path.is_file():
            raise ConfigError(f"{folder}: wanted the folder of a ground process, came one without {HISTORY_NAME}")
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                connection.execute("BEGIN")
                (open_part,) = connection.execute("SELECT part FROM state").fetchone()
                select = "SELECT * FROM {} ORDER BY rowid"
                known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
                fresh = {
                    table: [
                        row
                        for name in (f"closing_{table}", table)
                        # Earlier versions closed parts within their loop, and told no pointing.
                        if name in known or (name == table and table not in _LATER)
                        for row in connection.execute(select.format(name))
                    ]
                    for table in TABLES
                }
                counters = connection.execute("SELECT * FROM counters ORDER BY sensor_id, name").fetchall()
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: cannot be read as a history ({error})") from None
        self._fresh = {table: as_arrow(table, rows) for table, rows in fresh.items()}
        self._files = {table: find_parts(folder / PARTS_NAME, table, open_part) for table in TABLES}
        self.counters = {(sensor_id, name): value for sensor_id, name, value in counters}

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a table, oldest rows first, or some of its columns.

        Parameters
        ----------
        name : str
            ``track_updates``, ``reports``, ``plot_links``, ``pointing`` or ``events``.
        columns : sequence of str or None
            Columns wanted; None for all.
        """
        fresh = self._fresh[name]
        closed = read_parts(self._files[name], name, columns)
        return pa.concat_tables([closed, fresh.select(columns) if columns else fresh])

    def updates(self) -> NDArray[np.void]:
        """Return the track updates as an array of UPDATE_DTYPE, as `lookdown.ground.fuse` gives them."""
        table = self.table("track_updates")
        updates = np.zeros(len(table), UPDATE_DTYPE)
        for name in ("track_id", "time_ns", "status", "score", "hits", "misses", "sensor_id", "n_sensors"):
            updates[name] = table[name].to_numpy()
        for axis, letter in enumerate("xyz"):
            updates["position_m"][:, axis] = table[f"{letter}_m"].to_numpy()
            updates["velocity_m_s"][:, axis] = table[f"v{letter}_m_s"].to_numpy()
        for kind in Kind:
            updates["kind"][:, kind] = table[f"p_{kind.name.lower()}"].to_numpy()
        flat = table["covariance"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        updates["covariance"] = flat.reshape(-1, 6, 6)
        return updates

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Run SQL over the views ``track_updates``, ``reports``, ``plot_links``, ``events``, ``counters``, ``tracks``.

        Parameters
        ----------
        sql : str
            One statement that gives rows, in the dialect of DuckDB. Parquet files are read as far as it needs them.

        Raises
        ------
        duckdb.Error
            If the statement cannot be run, here or when rows are fetched.
        ConfigError
            If it gives no rows.
        """
        connection = duckdb.connect(":memory:")
        for name in TABLES:
            connection.register(f"fresh_{name}", self._fresh[name])
            files = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in self._files[name])
            columns = ", ".join(self._fresh[name].column_names)
            closed = f"SELECT {columns} FROM read_parquet([{files}]) UNION ALL BY NAME " if files else ""
            connection.execute(f"CREATE VIEW {name} AS {closed}SELECT {columns} FROM fresh_{name}")
        rows = [{"sensor_id": s, "name": n, "value": v} for (s, n), v in self.counters.items()]
        connection.register("counters", pa.Table.from_pylist(rows, schema=_COUNTERS))
        connection.execute(_TRACKS)
        relation = connection.sql(sql)
        if relation is None:
            raise ConfigError("query: wanted a statement that gives rows, such as SELECT ...")
        return relation


_TRACKS = """
CREATE VIEW tracks AS
SELECT track_id, min(utc) AS first_utc, max(utc) AS last_utc, (max(time_ns) - min(time_ns)) * 1e-9 AS seconds,
    count(*) AS updates, arg_max(status, time_ns) AS last_status, max(score) AS best_score,
    arg_max(kind, time_ns) AS kind, count(DISTINCT sensor_id) AS sensors, avg(speed_m_s) AS mean_speed_m_s,
    min(height_m) AS lowest_m, max(height_m) AS highest_m
FROM track_updates GROUP BY track_id HAVING bool_or(status = 1) ORDER BY track_id
"""
