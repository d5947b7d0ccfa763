"""Closing a part of the history beside the loop: rows that wait in SQLite become Parquet files in a thread.

Rows of a part that is being closed wait in tables of their own (``closing_...``), which take the place of the open ones
by a change of names. Nobody writes to them until the files stand, so that a thread may read them by a connection of its
own while the loop goes on. Rows are turned into columns by some thousands at a time: what holds the interpreter longer
would hold the loop.
"""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from lookdown.ground.parts import TABLES, as_arrow, write_part

_ROWS = 2_000  # turned into columns at a time

ROWS_SCHEMA = "".join(
    f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(f'{n} {kind} NOT NULL' for n, (kind, _) in columns.items())});"
    for table, columns in TABLES.items()
    for name in (table, f"closing_{table}")
)
"""Statements that make the tables of the open part and of one that is being closed."""


def set_apart(connection: sqlite3.Connection) -> None:
    """Make the open rows those of a part that is being closed, within the transaction; there must be none of those."""
    for table in TABLES:
        connection.execute(f"ALTER TABLE closing_{table} RENAME TO spare_{table}")
        connection.execute(f"ALTER TABLE {table} RENAME TO closing_{table}")
        connection.execute(f"ALTER TABLE spare_{table} RENAME TO {table}")


def is_set_apart(connection: sqlite3.Connection) -> bool:
    """Whether there are rows of a part that is being closed."""
    return any(connection.execute(f"SELECT 1 FROM closing_{table} LIMIT 1").fetchone() for table in TABLES)


def write_closing(connection: sqlite3.Connection, folder: Path, part: int) -> None:
    """Write the rows that are set apart into files.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the database.
    folder : Path
        The history's folder of Parquet files.
    part : int
        Number of the part.

    Raises
    ------
    OSError, sqlite3.Error
        If a file cannot be written or the rows cannot be read.
    """
    for table in TABLES:
        cursor = connection.execute(f"SELECT * FROM closing_{table} ORDER BY rowid")
        chunks = []
        while rows := cursor.fetchmany(_ROWS):
            chunks.append(as_arrow(table, rows))
        if chunks:
            write_part(folder, table, part, pa.concat_tables(chunks))


def begin_closing(database: Path, folder: Path, part: int) -> Future[None]:
    """Write the rows that are set apart, and committed, in a thread that begins at once.

    Parameters
    ----------
    database : Path
        The database.
    folder : Path
        The history's folder of Parquet files.
    part : int
        Number of the part.

    Returns
    -------
    Future
        Its result is there once the files stand, or raises what `write_closing` raised.
    """
    thread = ThreadPoolExecutor(1, "closing")
    written = thread.submit(_write, database, folder, part)
    thread.shutdown(wait=False)
    return written


def _write(database: Path, folder: Path, part: int) -> None:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        write_closing(connection, folder, part)
