"""Databases that others read: who comes or goes stops no writer, who holds the file keeps it from opening."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lookdown.wire.database import open_database

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (note TEXT)"


def test_a_lock_that_another_holds_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with (
        closing(open_database(path, SCHEMA, durable=False, exclusive=False)) as database,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
    ):
        database.execute("INSERT INTO notes VALUES ('first')")
        database.execute("COMMIT")
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.05, lambda: other.execute("ROLLBACK"))
        release.start()
        database.execute("BEGIN IMMEDIATE")  # raised "database is locked" at once
        release.join()
        database.execute("INSERT INTO notes VALUES ('second')")
        database.execute("COMMIT")
        assert other.execute("SELECT count(*) FROM notes").fetchone() == (2,)


def test_a_database_that_another_writes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with (
        closing(open_database(path, SCHEMA, durable=False, exclusive=False)),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        open_database(path, SCHEMA, durable=False, exclusive=False)
