"""The clock: TAI against UTC, stepping, and a steady reading that no correction turns back."""

import time

import pytest

from lookdown.wire.clock import NS_PER_S, SteppedClock, SystemClock


def test_system_clock_is_tai() -> None:
    clock = SystemClock()
    before = time.time_ns()
    now = clock.now_ns()
    after = time.time_ns()
    assert before <= now - 37 * NS_PER_S <= after
    assert clock.steady_ns() <= clock.steady_ns()


def test_stepped_clock_goes_only_when_told() -> None:
    clock = SteppedClock(1_000)
    assert (clock.now_ns(), clock.steady_ns()) == (1_000, 0)
    clock.advance(0.25)
    assert (clock.now_ns(), clock.steady_ns()) == (250_001_000, 250_000_000)
    clock.set_ns(7)
    assert (clock.now_ns(), clock.steady_ns()) == (7, 250_000_000)
    with pytest.raises(ValueError, match="wanted 0 or more, came -1"):
        clock.advance(-1)
