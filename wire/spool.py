"""The spool: packets that a sender holds, kept on disk until they are acknowledged or given up.

A SQLite database in WAL mode, written in batches: what was noted since the last `Spool.commit` becomes one
transaction, which the death of the process cannot tear. A sender that starts anew has a new boot and its own sequence
from 1 on; what earlier boots left goes out first, under their own numbers, so that the receiver knows each repeat. The
rules stand in ``docs/link.md``.

A disk that is full or fails stops no link: packets that could not be written are counted and live in memory alone.
"""

import logging
import sqlite3
from pathlib import Path
from typing import NamedTuple

from lookdown.wire.database import open_database
from lookdown.wire.errors import ConfigError
from lookdown.wire.lane import Lane

_LOG = logging.getLogger(__name__)
PRIORITIES = 4
"""Priorities are 0 (given up first) to 3."""
_LOADED_PACKETS, _LOADED_OCTETS = 256, 256 * 1024  # read in one go
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sender (sender_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS boots (start INTEGER PRIMARY KEY, boot BLOB NOT NULL, acknowledged INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS packets (
    start INTEGER NOT NULL, sequence INTEGER NOT NULL, priority INTEGER NOT NULL, origin_ns INTEGER NOT NULL,
    packet BLOB NOT NULL, PRIMARY KEY (start, sequence)
) WITHOUT ROWID;
"""


class Kept(NamedTuple):
    """A packet that waits or is on its way, as an outbox holds it and the spool keeps it."""

    sequence: int
    priority: int
    origin_ns: int
    packet: bytes


class Left(NamedTuple):
    """What an earlier start of the sender left; the packets themselves stay on disk."""

    boot_id: int
    acknowledged: int
    lanes: tuple[Lane, ...]  # by priority


class Spool:
    """The packets of one sender on disk.

    Parameters
    ----------
    path : Path
        Database; its folder must exist. One that is damaged beyond use is put aside as ``<name>.damaged``.
    sender_id : int
        Identity of the sender.
    boot_id : int
        Number of this start of the sender, 64 bit.
    durable : bool
        Whether a commit waits for the disk (survives a loss of power), or only for the system (survives the death of
        the process).

    Raises
    ------
    ConfigError
        The database belongs to another sender, is in use by another process or cannot be opened.
    """

    def __init__(self, path: Path, sender_id: int, boot_id: int, durable: bool = False) -> None:
        self.path = Path(path)
        self.unspooled = 0
        """Packets that could not be written: they die with the process."""
        self.boot_id = boot_id
        self._added: list[tuple[int, int, int, int, bytes]] = []
        self._given_up: list[tuple[int, int]] = []
        self._acknowledged: dict[int, int] = {}
        try:
            try:
                self._open(durable)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = self.path.with_name(self.path.name + ".damaged")
                self.path.replace(aside)
                for rest in ("-wal", "-shm"):
                    self.path.with_name(self.path.name + rest).unlink(missing_ok=True)
                _LOG.warning("spool %s is damaged (%s): put aside as %s, begun anew", self.path, error, aside)
                self._open(durable)
            self._check_sender(sender_id)
            self.left = self._read_left()
            """What earlier starts left, the oldest first."""
            boot = boot_id.to_bytes(8, "big")
            cursor = self._database.execute("INSERT INTO boots (boot, acknowledged) VALUES (?, 0)", (boot,))
            self._starts[boot_id] = cursor.lastrowid or 0
            self._database.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"spool {self.path}: cannot be used ({error}); wanted a writable file that no other process has open"
            ) from None

    def add(self, sequence: int, priority: int, origin_ns: int, packet: bytes) -> None:
        """Note a packet of this start."""
        self._added.append((self._starts[self.boot_id], sequence, priority, origin_ns, packet))

    def give_up(self, sequence: int) -> None:
        """Note that a packet of this start is held no more."""
        self._given_up.append((self._starts[self.boot_id], sequence))

    def acknowledge(self, boot_id: int, sequence: int) -> None:
        """Note that all packets of a start up to ``sequence`` are stored by the receiver."""
        self._acknowledged[boot_id] = sequence

    def load(self, boot_id: int, sequence: int) -> list[Kept]:
        """Return the packets of a start from ``sequence`` on, in order, as many as are read in one go.

        Those that were given up or acknowledged since the last commit may be among them. What cannot be read is not.
        """
        found: list[Kept] = []
        octets = 0
        try:
            rows = self._database.execute(
                "SELECT sequence, priority, origin_ns, packet FROM packets WHERE start = ? AND sequence >= ? "
                "ORDER BY sequence LIMIT ?",
                (self._starts[boot_id], sequence, _LOADED_PACKETS),
            )
            for row in rows:
                found.append(Kept(*row))
                octets += len(row[3])
                if octets > _LOADED_OCTETS:
                    rows.close()
                    break
        except sqlite3.Error as error:
            _LOG.warning("spool %s: cannot be read (%s)", self.path, error)
        return found

    def commit(self) -> bool:
        """Write what was noted, all or nothing; return whether it is written.

        What could not be written is counted as ``unspooled``; what was taken off is tried again the next time.
        """
        if not (self._added or self._given_up or self._acknowledged):
            return True
        starts = {boot: self._starts[boot] for boot in self._acknowledged}
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for boot, sequence in self._acknowledged.items():
                self._database.execute(
                    "DELETE FROM packets WHERE start = ? AND sequence <= ?", (starts[boot], sequence)
                )
                self._database.execute("UPDATE boots SET acknowledged = ? WHERE start = ?", (sequence, starts[boot]))
            self._database.executemany("INSERT INTO packets VALUES (?, ?, ?, ?, ?)", self._added)
            self._database.executemany("DELETE FROM packets WHERE start = ? AND sequence = ?", self._given_up)
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if self._added and not self.unspooled:
                _LOG.warning("spool %s: cannot be written (%s); packets are kept in memory alone", self.path, error)
            self.unspooled += len(self._added)
            self._added.clear()
            return False
        self._added.clear()
        self._given_up.clear()
        self._acknowledged.clear()
        return True

    def forget(self, boot_id: int) -> None:
        """Forget an earlier start that left nothing to send, and wait until the disk knows.

        Its packets must not come back after those of a later start went out: the receiver would not take them.
        """
        self.commit()
        try:
            self._database.execute("DELETE FROM packets WHERE start = ?", (self._starts[boot_id],))
            self._database.execute("DELETE FROM boots WHERE start = ?", (self._starts[boot_id],))
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError as error:
            _LOG.warning("spool %s: cannot be written (%s)", self.path, error)

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._database.close()

    def _open(self, durable: bool) -> None:
        self._starts: dict[int, int] = {}
        self._database = open_database(self.path, _SCHEMA, durable=durable, exclusive=True)

    def _check_sender(self, sender_id: int) -> None:
        row = self._database.execute("SELECT sender_id FROM sender").fetchone()
        if row is None:
            self._database.execute("INSERT INTO sender VALUES (?)", (sender_id,))
        elif row[0] != sender_id:
            self._database.close()
            raise ConfigError(
                f"spool {self.path}: it is that of sender {row[0]}, wanted {sender_id}; choose another path"
            )

    def _read_left(self) -> list[Left]:
        left = []
        boots = self._database.execute("SELECT start, boot, acknowledged FROM boots ORDER BY start").fetchall()
        for start, boot, acknowledged in boots:
            lanes = tuple(Lane() for _ in range(PRIORITIES))
            rows = self._database.execute(
                "SELECT sequence, priority, length(packet) FROM packets WHERE start = ? ORDER BY sequence", (start,)
            )
            for sequence, priority, octets in rows:
                lanes[priority].append(sequence, octets)
            if any(lanes):
                boot_id = int.from_bytes(boot, "big")
                self._starts[boot_id] = start
                left.append(Left(boot_id, acknowledged, lanes))
            else:
                self._database.execute("DELETE FROM boots WHERE start = ?", (start,))
        return left
