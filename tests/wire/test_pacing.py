"""Pacing on a stepped clock: the rate holds over any time, bursts are bounded, idle time is not saved up."""

import doctest
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.flight.config import FlightConfig
from lookdown.wire import pacing
from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.envelope import ENVELOPE_OCTETS, Delivery
from lookdown.wire.link import LinkLimits, LinkReceiver, LinkSender
from lookdown.wire.pacing import BURST_S, Pacer


@settings(max_examples=100, deadline=None)
@given(
    st.floats(1e3, 1e9),
    st.lists(st.tuples(st.integers(1, 65_000), st.integers(0, NS_PER_S)), min_size=1, max_size=60),
)
def test_no_more_than_the_rate_leaves_in_any_span(bits_per_s: float, steps: list[tuple[int, int]]) -> None:
    pacer = Pacer(bits_per_s)
    now_ns, left = 0, []
    for octets, wait_ns in steps:
        now_ns += wait_ns
        if pacer.ready(now_ns):
            left.append((now_ns, octets))
            pacer.sent(octets, now_ns)
    for first in range(len(left)):
        for last in range(first, len(left)):
            span_s = (left[last][0] - left[first][0]) / NS_PER_S
            # The last message may begin when the burst is not used up yet, whatever its size.
            bits = 8 * sum(octets for _, octets in left[first:last])
            assert bits <= bits_per_s * (span_s + BURST_S) * (1 + 1e-6) + 1


def test_the_rate_is_used_up() -> None:
    pacer, clock, octets = Pacer(1e6), SteppedClock(), 0
    for _ in range(10_000):
        clock.advance(0.001)
        while pacer.ready(clock.steady_ns()):
            pacer.sent(200, clock.steady_ns())
            octets += 200
    assert 8 * octets == pytest.approx(1e7, rel=0.011)


def test_no_rate_is_no_bound() -> None:
    pacer = Pacer(0.0)
    for _ in range(1000):
        assert pacer.ready(0)
        pacer.sent(65_000, 0)


def test_a_paced_link_keeps_its_rate_and_loses_nothing(context: Any, endpoint: str, until: Callable[..., None]) -> None:
    clock = SteppedClock(NS_PER_S)
    packet = b"x" * (1000 - ENVELOPE_OCTETS)
    limits = LinkLimits(bits_per_s=80_000.0, resend_after_s=1e6)  # ten messages a second
    sender, receiver = LinkSender(context, endpoint, 7, clock, limits=limits), LinkReceiver(context, endpoint, clock)
    got: list[Delivery] = []

    def step() -> None:
        sender.service(2)
        got.extend(receiver.service(2))
        receiver.commit()

    for _ in range(40):
        sender.offer(packet)
    until(lambda: sender.stats.sent == 2, step)  # one that fills the burst, one that finds it just not used up
    assert sender.wait_ms(10_000) == 100
    for tenth in range(1, 39):
        clock.advance(0.1)
        until(lambda n=tenth: sender.stats.sent == 2 + n, step)
        for _ in range(3):
            step()
        assert sender.stats.sent == 2 + tenth
    until(lambda: sender.idle, step)
    assert len(got) == 40
    assert (receiver.stats[7].lost, sender.stats.resent) == (0, 0)
    assert sender.wait_ms(10_000) == 10_000
    sender.close()
    receiver.close()


@pytest.mark.parametrize("rate", [-1.0, float("inf"), float("nan")])
def test_rates_that_are_none_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="bits_per_s: wanted a rate, or 0 for no bound"):
        LinkLimits(bits_per_s=rate)
    with pytest.raises(ValueError, match="bits_per_s: wanted a rate, or 0 for no bound"):
        FlightConfig(link_bits_per_s=rate)


def test_example_in_the_text() -> None:
    assert doctest.testmod(pacing).failed == 0
