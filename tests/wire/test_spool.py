"""The spool: what was committed survives, in order; full and damaged disks are counted, not feared."""

import logging
import sqlite3
from pathlib import Path

import pytest

from lookdown.wire.errors import ConfigError
from lookdown.wire.spool import Kept, Spool

Found = list[tuple[int, int, list[Kept]]]


def kept(*sequences: int) -> list[Kept]:
    return [Kept(n, n % 4, 10 * n, b"packet %d" % n) for n in sequences]


def left_in(spool: Spool) -> Found:
    """What earlier starts left: boot, acknowledged and the packets, of which lanes and disk must say the same."""
    found: Found = []
    for left in spool.left:
        packets = spool.load(left.boot_id, 0)
        lanes = sorted((*entry, priority) for priority, lane in enumerate(left.lanes) for entry in lane)
        assert lanes == [(p.sequence, len(p.packet), p.priority) for p in packets]
        found.append((left.boot_id, left.acknowledged, packets))
    return found


def fill(spool: Spool, *sequences: int) -> None:
    for packet in kept(*sequences):
        spool.add(*packet)


def reopened(path: Path, boot_id: int = 99) -> Found:
    spool = Spool(path, 7, boot_id)
    found = left_in(spool)
    spool.close()
    return found


@pytest.mark.parametrize("durable", [False, True])
def test_what_is_held_comes_back_under_its_own_start(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 7, 2**64 - 1, durable)
    assert spool.left == []
    fill(spool, *range(1, 10))
    assert spool.commit()
    spool.acknowledge(2**64 - 1, 3)
    spool.give_up(5)
    fill(spool, 10)
    spool.give_up(10)
    spool.close()
    second = Spool(path, 7, 2)
    assert left_in(second) == [(2**64 - 1, 3, kept(4, 6, 7, 8, 9))]
    fill(second, 1, 2)
    second.acknowledge(2**64 - 1, 7)
    second.close()
    third = Spool(path, 7, 3)
    assert left_in(third) == [(2**64 - 1, 7, kept(8, 9)), (2, 0, kept(1, 2))]
    third.forget(2**64 - 1)
    third.close()
    assert reopened(path) == [(2, 0, kept(1, 2))]


def test_what_was_not_committed_is_gone_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 7, 1)
    fill(spool, 1, 2)
    spool.commit()
    fill(spool, 3)
    spool._database.close()  # as the death of the process would
    assert reopened(path) == [(1, 0, kept(1, 2))]


def test_a_torn_tail_costs_the_transactions_that_it_tore(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 7, 1)
    for n in range(1, 6):
        fill(spool, n)
        spool.commit()
    database = path.read_bytes()
    wal = Path(f"{path}-wal").read_bytes()
    spool._database.close()
    seen = set()
    for cut in [*range(0, len(wal), 509), len(wal)]:
        for rest in tmp_path.iterdir():
            rest.unlink()
        path.write_bytes(database)
        Path(f"{path}-wal").write_bytes(wal[:cut])
        left = reopened(path)
        assert left in [[], *([(1, 0, kept(*range(1, n + 1)))] for n in range(1, 6))]
        seen.add(len(left[0][2]) if left else 0)
    assert seen == {0, 1, 2, 3, 4, 5}


def test_a_full_disk_is_counted_and_what_is_acknowledged_makes_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 7, 1)
    (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
    spool._database.execute(f"PRAGMA max_page_count = {pages + 4}")
    written = 0
    with caplog.at_level(logging.WARNING):
        for n in range(1, 31):
            spool.add(n, 0, 0, bytes(2000))
            written = n if spool.commit() and written == n - 1 else written
    assert 0 < written < 30
    assert spool.unspooled == 30 - written
    assert caplog.text.count("packets are kept in memory alone") == 1
    spool.acknowledge(1, 25)
    assert spool.commit()
    spool.add(31, 0, 0, bytes(2000))
    assert spool.commit()
    spool.close()
    assert [packet.sequence for _, _, packets in reopened(path) for packet in packets] == [31]


def test_a_damaged_spool_is_put_aside_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"no database" * 1000)
    with caplog.at_level(logging.WARNING):
        assert reopened(path) == []
    assert "is damaged" in caplog.text
    assert path.with_name("spool.sqlite.damaged").read_bytes() == b"no database" * 1000
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT sender_id FROM sender").fetchall() == [(7,)]
    database.close()


def test_a_spool_of_another_or_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = Spool(path, 7, 1)
    with pytest.raises(ConfigError, match="wanted a writable file that no other process has open"):
        Spool(path, 7, 2)
    spool.close()
    with pytest.raises(ConfigError, match="it is that of sender 7, wanted 8; choose another"):
        Spool(path, 8, 3)
    with pytest.raises(ConfigError, match="cannot be used"):
        Spool(tmp_path / "absent" / "spool.sqlite", 7, 4)
    assert reopened(path) == []
