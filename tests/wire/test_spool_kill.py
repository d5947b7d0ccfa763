"""Sender and receiver killed at random moments: what was promised arrives once and in order."""

import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lookdown.wire.clock import SteppedClock, SystemClock
from lookdown.wire.envelope import Delivery
from lookdown.wire.link import LinkLimits, LinkReceiver, LinkSender
from lookdown.wire.spool import Spool

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()


class Sender:
    """A process that offers numbers, and what it has promised so far."""

    def __init__(self, endpoint: str, spool: Path, first: int, count: int) -> None:
        command = [sys.executable, "-m", "tests.wire.spool_sender", endpoint, str(spool), str(first), str(count)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.promised, self.turns, self.done, self.over = first, 0, False, threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.done = line == "done\n"
            if not self.done and line.endswith("\n"):
                self.promised, self.turns = int(line), self.turns + 1
        self.over.set()

    def end(self) -> None:
        """Kill the process if it still runs; what it said before is read to the end."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()


def kill_often(context: Any, tmp_path: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    endpoint = f"ipc://{tmp_path}/link"
    stored: list[Delivery] = []
    promised: set[int] = set()
    receiver = LinkReceiver(context, endpoint, CLOCK, {7})
    first = 0
    for n in range(kills + 1):
        last = n == kills
        sender = Sender(endpoint, tmp_path / "spool.sqlite", first, 200 if last else 100_000)
        turns = draw.randrange(1, 60)
        while not sender.over.is_set() and (last or sender.turns < turns):
            if not draw.randrange(40):  # dies with what it was given and had not stored; its successor knows the rest
                receiver.service(5)
                receiver.close()
                receiver = LinkReceiver(context, endpoint, CLOCK, {7}, resume=stored)
            if not draw.randrange(3):  # silent for a while: the spool fills
                sender.over.wait(0.005)
                continue
            stored += receiver.service(5)
            receiver.commit()
        sender.end()
        promised.update(range(first, sender.promised))
        first = sender.promised + 1_000  # the dead one may have offered more than it said
        assert sender.done == last
    receiver.close()
    numbers = [int(delivery.packet) for delivery in stored]
    assert promised <= set(numbers)
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)
    assert sum(counts.lost for counts in receiver.stats.values()) == 0


def test_a_killed_sender_loses_and_repeats_nothing(context: Any, tmp_path: Path) -> None:
    kill_often(context, tmp_path, kills=4, seed=1)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_a_hundred_kills_lose_and_repeat_nothing(context: Any, tmp_path: Path) -> None:
    kill_often(context, tmp_path, kills=100, seed=2)


def test_what_earlier_starts_left_goes_first_and_counts_against_the_capacity(context: Any, tmp_path: Path) -> None:
    path, endpoint = tmp_path / "spool.sqlite", f"ipc://{tmp_path}/link"
    limits, clock = LinkLimits(window=4, capacity=10, resend_after_s=1e6), SteppedClock()
    for start in (1, 2):
        sender = LinkSender(context, endpoint, 7, clock, spool=Spool(path, 7, start), limits=limits)
        for n in range(3):
            assert sender.offer(b"%d.%d" % (start, n), priority=1)
        sender.service()
        sender.close()
    sender = LinkSender(context, endpoint, 7, clock, spool=Spool(path, 7, 3), limits=limits)
    assert sender.held == 6
    for n in range(7):
        sender.offer(b"3.%d" % n, priority=n % 2)
    assert (sender.held, sender.stats.dropped) == (11, 2)  # of capacity 10 room for the window is left in any case
    receiver = LinkReceiver(context, endpoint, clock)
    got: list[Delivery] = []
    for _ in range(1000):
        sender.service(5)
        got += receiver.service(5)
        receiver.commit()
        if sender.idle:
            break
    wanted = [b"1.0", b"1.1", b"1.2", b"2.0", b"2.1", b"2.2", b"3.1", b"3.3", b"3.4", b"3.5", b"3.6"]
    assert [delivery.packet for delivery in got] == wanted
    assert (receiver.stats[7].lost, receiver.stats[7].repeated) == (2, 0)
    sender.close()
    receiver.close()
    spool = Spool(path, 7, 4)
    assert spool.left == []
    spool.close()
