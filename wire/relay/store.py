"""The store of a relay: bundles in its custody, and what was delivered here, in one SQLite database.

What was noted since the last `Store.commit` becomes one transaction, which the death of the process cannot tear (WAL).
A delivery and the note that it was made are the same row: that is what makes it happen once.
"""

import logging
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.database import open_database
from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.bundle import Bundle, Key, decode_bundle

_LOG = logging.getLogger(__name__)
_BOUND_EVERY_NS = 60 * NS_PER_S
_SCHEMA = """
CREATE TABLE IF NOT EXISTS node (node INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bundles (
    source INTEGER NOT NULL, boot BLOB NOT NULL, sequence BLOB NOT NULL, octets BLOB NOT NULL,
    PRIMARY KEY (source, boot, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, source INTEGER NOT NULL, boot BLOB NOT NULL, sequence BLOB NOT NULL,
    priority INTEGER NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL, arrival_ns INTEGER NOT NULL,
    payload BLOB NOT NULL, UNIQUE (source, boot, sequence)
);
"""


class Delivered(NamedTuple):
    """A message that reached this node."""

    number: int
    key: Key
    priority: int
    created_ns: int
    arrival_ns: int
    payload: bytes


class Journal(Protocol):
    """What a relay notes to survive its own death."""

    def hold(self, bundle: Bundle, octets: bytes) -> None:
        """Note a bundle that is held from now on."""

    def release(self, key: Key) -> None:
        """Note that a bundle is held no more."""

    def deliver(self, bundle: Bundle, payload: bytes, arrival_ns: int) -> None:
        """Note a message for this node, opened."""


def _columns(key: Key) -> tuple[int, bytes, bytes]:
    return key.source, key.boot_id.to_bytes(8, "big"), key.sequence.to_bytes(8, "big")


def _key(source: int, boot: bytes, sequence: bytes) -> Key:
    return Key(source, int.from_bytes(boot, "big"), int.from_bytes(sequence, "big"))


class Store:
    """The store of one relay.

    Parameters
    ----------
    path : Path
        Database; its folder must exist.
    node : int
        The relay.
    durable : bool
        Whether a commit waits for the disk (survives a loss of power), or only for the system (survives the death of
        the process).

    Raises
    ------
    ConfigError
        The database belongs to another node, is in use, damaged or cannot be opened.
    """

    def __init__(self, path: Path, node: int, durable: bool = False) -> None:
        self.path = Path(path)
        self._held: dict[Key, bytes] = {}
        self._released: list[Key] = []
        self._delivered: list[tuple[Any, ...]] = []
        try:
            self._database = open_database(self.path, _SCHEMA, durable=durable, exclusive=False)
            row = self._database.execute("SELECT node FROM node").fetchone()
            if row is None:
                self._database.execute("INSERT INTO node VALUES (?)", (node,))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise ConfigError(
                f"store {self.path}: cannot be used ({error}); wanted a writable file of its own"
            ) from None
        self._kept = self._count_kept()
        self._bound_ns = 0
        if row and row[0] != node:
            self._database.close()
            raise ConfigError(f"store {self.path}: it is that of node {row[0]}, wanted {node}; choose another path")

    def held(self) -> list[tuple[Bundle, bytes]]:
        """Return the bundles that an earlier start held, the oldest first."""
        rows = self._database.execute("SELECT octets FROM bundles").fetchall()
        return sorted(((decode_bundle(row[0]), row[0]) for row in rows), key=lambda pair: pair[0].created_ns)

    def delivered(self) -> dict[Key, int]:
        """Return the names of what was delivered, and when each expires [ns]."""
        rows = self._database.execute("SELECT source, boot, sequence, expires_ns FROM deliveries")
        return {_key(*row[:3]): row[3] for row in rows}

    def hold(self, bundle: Bundle, octets: bytes) -> None:
        """Note a bundle that is held from now on."""
        self._held[bundle.key] = octets

    def release(self, key: Key) -> None:
        """Note that a bundle is held no more; one that was never written needs no writing."""
        if self._held.pop(key, None) is None:
            self._released.append(key)

    def deliver(self, bundle: Bundle, payload: bytes, arrival_ns: int) -> None:
        """Note a message for this node, opened."""
        times = (bundle.priority, bundle.created_ns, bundle.expires_ns, arrival_ns)
        self._delivered.append((*_columns(bundle.key), *times, payload))

    def bound(self, octets: int, for_s: float, expired_before_ns: int, now_ns: int) -> tuple[int, int]:
        """Keep what was delivered within bounds: the content of the oldest goes; its name stays as long as it counts.

        Parameters
        ----------
        octets : int
            Octets of content that are kept.
        for_s : float
            How long content is kept [s].
        expired_before_ns : int
            What expired before needs not be known any more, TAI [ns].
        now_ns : int
            The time, TAI [ns].

        Returns
        -------
        tuple of int
            Messages that lost their content for want of room, and for their age.
        """
        if self._kept <= octets and now_ns < self._bound_ns and now_ns > self._bound_ns - 2 * _BOUND_EVERY_NS:
            return 0, 0
        self._bound_ns = now_ns + _BOUND_EVERY_NS
        old_ns = now_ns - round(for_s * NS_PER_S)
        crowded = 0
        try:
            self._database.execute("BEGIN IMMEDIATE")
            aged = self._empty("arrival_ns < ?", old_ns)
            while self._kept > octets:
                rows = self._database.execute(
                    "SELECT number FROM deliveries WHERE length(payload) > 0 ORDER BY number LIMIT 100"
                ).fetchall()
                crowded += self._empty("number <= ?", rows[-1][0])
            self._database.execute(
                "DELETE FROM deliveries WHERE length(payload) = 0 AND expires_ns < ?", (expired_before_ns,)
            )
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            _LOG.warning("store %s: cannot be tidied (%s)", self.path, error)
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._kept = self._count_kept()
            return 0, 0
        return crowded, aged

    def _empty(self, which: str, value: int) -> int:
        """Take the content off deliveries; return how many."""
        which = f"length(payload) > 0 AND {which}"
        (count, octets) = self._database.execute(
            f"SELECT count(*), coalesce(sum(length(payload)), 0) FROM deliveries WHERE {which}", (value,)
        ).fetchone()
        if count:
            self._database.execute(f"UPDATE deliveries SET payload = x'' WHERE {which}", (value,))
            self._kept -= octets
        return int(count)

    def _count_kept(self) -> int:
        (octets,) = self._database.execute("SELECT coalesce(sum(length(payload)), 0) FROM deliveries").fetchone()
        return int(octets)

    def commit(self) -> bool:
        """Write what was noted, all or nothing; return whether it is written. If not, it is noted no more."""
        if not (self._held or self._released or self._delivered):
            return True
        try:
            self._database.execute("BEGIN IMMEDIATE")
            if self._released:
                self._database.executemany(
                    "DELETE FROM bundles WHERE source = ? AND boot = ? AND sequence = ?", map(_columns, self._released)
                )
            if self._held:
                rows = [(*_columns(key), octets) for key, octets in self._held.items()]
                self._database.executemany("INSERT OR REPLACE INTO bundles VALUES (?, ?, ?, ?)", rows)
            if self._delivered:
                self._database.executemany(
                    "INSERT OR IGNORE INTO deliveries (source, boot, sequence, priority, created_ns, expires_ns, "
                    "arrival_ns, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    self._delivered,
                )
            self._database.execute("COMMIT")
        except sqlite3.OperationalError:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._held.clear()
            self._delivered.clear()
            return False
        self._kept += sum(len(row[-1]) for row in self._delivered)
        self._held.clear()
        self._released.clear()
        self._delivered.clear()
        return True

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._database.close()


class DeliveryReader:
    """Reads what was delivered to a relay, while it runs or not.

    Parameters
    ----------
    path : Path
        Its store; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._database: sqlite3.Connection | None = None

    def read(self, after: int, limit: int = -1) -> list[Delivered]:
        """Return deliveries with a number greater than ``after``, in order, at most ``limit``; none without a store.

        Raises
        ------
        ConfigError
            It cannot be read, or is none.
        """
        try:
            if self._database is None:
                if not self._path.is_file():
                    return []
                self._database = sqlite3.connect(self._path, timeout=5.0, isolation_level=None)
            rows = self._database.execute(
                "SELECT number, source, boot, sequence, priority, created_ns, arrival_ns, payload FROM deliveries "
                "WHERE number > ? AND length(payload) > 0 ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
        except sqlite3.Error as error:
            raise ConfigError(f"{self._path}: wanted the store of a relay ({error})") from None
        return [Delivered(row[0], _key(*row[1:4]), *row[4:]) for row in rows]

    def close(self) -> None:
        """Close the store."""
        if self._database:
            self._database.close()


def read_deliveries(path: Path, after: int = 0) -> list[Delivered]:
    """Return what was delivered to the relay of a store after a number, in order; ConfigError if there is no store."""
    if not Path(path).is_file():
        raise ConfigError(f"{path}: no such file; wanted the store of a relay")
    reader = DeliveryReader(path)
    try:
        return reader.read(after)
    finally:
        reader.close()
