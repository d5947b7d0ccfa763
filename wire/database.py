"""Opening databases that must survive the death of their process: SQLite in WAL mode, looked through at the start."""

import sqlite3
from pathlib import Path

_PATIENCE_MS = 2000  # for a reader that comes or goes: it may hold the log's lock for an instant


def open_database(path: Path, schema: str, *, durable: bool, exclusive: bool) -> sqlite3.Connection:
    """Open or create a database and begin a transaction in which its tables are there.

    Parameters
    ----------
    path : Path
        Database; its folder must exist.
    schema : str
        Statements, parted by ``;``, that make the tables if they are not there.
    durable : bool
        Whether a commit waits for the disk (survives a loss of power), or only for the system (survives the death of
        the process).
    exclusive : bool
        Whether other processes are kept from reading it, too.

    Raises
    ------
    sqlite3.OperationalError
        It cannot be opened, or is in use.
    sqlite3.DatabaseError
        It is damaged; then it is closed.
    """
    database = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    if exclusive:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA journal_mode = WAL").fetchall()
    database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    database.execute(f"BEGIN {'EXCLUSIVE' if exclusive else 'IMMEDIATE'}")
    for statement in schema.split(";"):
        database.execute(statement)
    (verdict,) = database.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        database.close()
        raise sqlite3.DatabaseError(verdict)
    if not exclusive:
        database.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    return database
