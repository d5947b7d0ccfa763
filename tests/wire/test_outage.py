"""An outage through a real spool on disk: all that was promised comes once and in order, memory stays within bounds."""

import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.link import LinkLimits, LinkReceiver, LinkSender
from lookdown.wire.messages import PlotReport, ReportFlag
from lookdown.wire.packet import decode, encode
from lookdown.wire.recording import Recorder, Recording
from lookdown.wire.spool import Spool
from tests.wire.samples import STATE, plots_like_those_of_the_default_scenario

SMALL = LinkLimits(window=32)
PLOTS, REPORTS_PER_S = 20, 1000  # 20,000 plots a second
MIB = 1024 * 1024


def resident_octets() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def report(number: int) -> PlotReport:
    return PlotReport(7, number, NS_PER_S + number, STATE, SIGHTS, 0, ReportFlag.NONE)


SIGHTS = plots_like_those_of_the_default_scenario(PLOTS, np.random.default_rng(1))


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.proof)])
@pytest.mark.timeout(600)
def test_an_outage_at_twenty_thousand_plots_a_second(
    context: Any, endpoint: str, tmp_path: Path, until: Callable[..., None], seconds: int
) -> None:
    """Time is stepped, packets, spool and recording are real. The clock jumps an hour to and fro meanwhile."""
    clock = SteppedClock(10 * NS_PER_S)
    count = seconds * REPORTS_PER_S
    spool = Spool(tmp_path / "spool.sqlite", 7, 5, durable=True)
    sender = LinkSender(context, endpoint, 7, clock, spool=spool)
    before = resident_octets()
    for number in range(count):
        packet = encode(report(number), number)
        assert sender.offer(packet, 2, clock.now_ns())
        clock.advance(1 / REPORTS_PER_S)
        if number % 20 == 19:
            sender.service()
        if number % REPORTS_PER_S == 500:
            clock.set_ns(clock.now_ns() + (3600 * NS_PER_S if number // REPORTS_PER_S % 2 else -3600 * NS_PER_S // 2))
    sender.service()
    assert (sender.held, sender.stats.dropped, sender.stats.unspooled) == (count, 0, 0)
    # What waits on disk does not wait in memory, too: eight octets a packet, and the caches of the database.
    assert resident_octets() - before < 8 * count + 12 * MIB

    recorder = Recorder(tmp_path / "received.ldrec", durable=True)
    receiver = LinkReceiver(context, endpoint, clock, {7})
    most = resident_octets()

    def step() -> None:
        nonlocal most
        sender.service(1)
        deliveries = receiver.service(1)
        for delivery in deliveries:
            recorder.append(delivery)
        recorder.commit()
        receiver.commit()
        clock.advance(0.01)
        most = max(most, resident_octets())

    until(lambda: sender.idle, step, steps=10_000)
    assert most - before < 8 * count + 24 * MIB
    assert (sender.stats.sent, sender.stats.acknowledged) == (count, count)
    assert (receiver.stats[7].received, receiver.stats[7].lost) == (count, 0)
    sender.close()
    receiver.close()
    recorder.close()
    frames = []
    for delivery in Recording(tmp_path / "received.ldrec"):
        message = decode(delivery.packet)
        assert isinstance(message, PlotReport)
        frames.append(message.frame_id)
        assert len(message.sights) == PLOTS
    assert frames == list(range(count))
    left = Spool(tmp_path / "spool.sqlite", 7, 6)
    assert left.left == []
    left.close()


def test_what_waits_on_disk_is_not_held_in_memory(context: Any, endpoint: str, tmp_path: Path, until: Any) -> None:
    """48 MiB of packets wait, are left by one start and sent by the next: Python's memory never holds a tenth of it."""
    count, octets = 2400, 20 * 1024
    sender = LinkSender(context, endpoint, 7, SteppedClock(), spool=Spool(tmp_path / "s", 7, 5), limits=SMALL)
    got: list[int] = []

    def offer(sender: LinkSender, numbers: range) -> None:
        for number in numbers:
            assert sender.offer(number.to_bytes(octets, "big"), number % 4)
            sender.service()

    tracemalloc.start()
    try:
        offer(sender, range(count // 2))
        sender.close()
        sender = LinkSender(context, endpoint, 7, SteppedClock(), spool=Spool(tmp_path / "s", 7, 6), limits=SMALL)
        offer(sender, range(count // 2, count))
        assert sender.held == count
        receiver = LinkReceiver(context, endpoint, SteppedClock())

        def step() -> None:
            sender.service(1)
            got.extend(int.from_bytes(delivery.packet, "big") for delivery in receiver.service(1))
            receiver.commit()

        until(lambda: sender.idle, step)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == list(range(count))
    assert most < count * octets / 10
    sender.close()
    receiver.close()


@pytest.mark.parametrize("factor", [2, pytest.param(10, marks=pytest.mark.proof)])
def test_an_outage_longer_than_the_spool_costs_the_lowest_priority_counted(
    context: Any, endpoint: str, tmp_path: Path, until: Callable[..., None], factor: int
) -> None:
    clock, capacity = SteppedClock(), 10_000
    limits = LinkLimits(capacity=capacity)
    sender = LinkSender(context, endpoint, 7, clock, spool=Spool(tmp_path / "s", 7, 5), limits=limits)
    packet = encode(report(0), 0)
    first: int | None = None
    count = factor * capacity
    for number in range(count):
        sender.offer(number.to_bytes(4, "big") + packet, int(number % 10 == 9) + 1)
        if number % 100 == 99:
            sender.service()
        if number == capacity:
            first = resident_octets()
    assert first is not None
    assert resident_octets() - first < 8 * MIB  # full is full, however long it lasts
    assert (sender.held, sender.stats.dropped) == (capacity, count - capacity)
    receiver = LinkReceiver(context, endpoint, clock)
    got: list[int] = []

    def step() -> None:
        sender.service(1)
        got.extend(int.from_bytes(delivery.packet[:4], "big") for delivery in receiver.service(1))
        receiver.commit()

    until(lambda: sender.idle, step)
    assert got == sorted(set(got))
    assert len(got) == capacity
    assert (receiver.stats[7].lost, receiver.stats[7].repeated) == (count - capacity, 0)
    urgent = set(range(9, count, 10))  # the last is one of them: only what comes later shows a gap
    assert urgent <= set(got) if len(urgent) <= capacity else set(got) <= urgent
    sender.close()
    receiver.close()


def test_reports_of_an_outage_differ() -> None:
    assert encode(report(1), 1) != encode(report(2), 2)
    assert decode(encode(replace(report(1), frame_id=5), 1)).frame_id == 5
