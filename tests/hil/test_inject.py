"""Injection at rate, on a clock that the test steps; rendering ahead."""

import threading

import numpy as np
import pytest

from lookdown.hil.inject import Injected, ahead, inject
from lookdown.wire.clock import SteppedClock
from lookdown.wire.messages import Frame

START_NS = 1_000_000_000_000


def frame(number: int) -> Frame:
    return Frame(1, number, number, 0.01, np.zeros((2, 2), np.uint16))


def injected(
    render_s: list[float], send_s: float = 0.0, stop_after: int = 99, dropped: tuple[int, ...] = ()
) -> tuple[list[int], Injected]:
    """Inject frames that take ``render_s`` to make, at 10 frames/s; times of sending after the start, in ms."""
    clock = SteppedClock(START_NS - 10_000_000)
    sent: list[int] = []

    def made():
        for number, seconds in enumerate(render_s):
            clock.advance(seconds)
            yield None if number in dropped else frame(number)

    def send(one: Frame, now_ns: int) -> bool:
        assert one.frame_id not in dropped
        assert now_ns == clock.now_ns()
        sent.append((now_ns - START_NS) // 1_000_000)
        clock.advance(send_s)
        return len(sent) <= stop_after

    def wait_until(due_ns: int) -> bool:
        clock.advance(max(due_ns - clock.now_ns(), 0) * 1e-9)
        return True

    counters = Injected()
    for counters in inject(made(), send, START_NS, 0.1, clock, wait_until):  # noqa: B007
        pass
    return sent, counters


def test_each_frame_goes_at_its_time() -> None:
    sent, counters = injected([0.03] * 5)
    assert sent == pytest.approx([20, 100, 200, 300, 400], abs=1)
    assert (counters.sent, counters.late) == (5, 0)
    assert counters.lateness_max_ms == pytest.approx(20.0, abs=0.1)


def test_late_frames_are_sent_and_counted_and_the_rate_is_caught_up_with() -> None:
    sent, counters = injected([0.01, 0.01, 0.35, 0.01, 0.01, 0.01, 0.01])
    assert sent == pytest.approx([0, 100, 450, 460, 470, 500, 600], abs=1)
    # Frame 2 came 250 ms after its time, frame 3 160 ms; frame 4 by less than a period.
    assert (counters.sent, counters.late) == (7, 2)
    assert counters.lateness_max_ms == pytest.approx(250.0, abs=0.1)


def test_what_the_sensor_drops_is_not_sent_and_counted_and_the_others_keep_their_times() -> None:
    sent, counters = injected([0.01] * 5, dropped=(0, 3))
    assert sent == pytest.approx([100, 200, 400], abs=1)
    assert (counters.sent, counters.dropped, counters.late) == (3, 2, 0)


def test_a_full_receiver_holds_frames_back_and_loses_none() -> None:
    sent, counters = injected([0.0] * 5, send_s=0.25)
    assert sent == pytest.approx([0, 250, 500, 750, 1000], abs=1)
    assert (counters.sent, counters.late) == (5, 4)


def test_a_stop_ends_the_injection_before_its_frame() -> None:
    _, counters = injected([0.0] * 5, stop_after=2)
    assert counters.sent == 2


def test_frames_made_ahead_come_in_order_and_not_farther_ahead_than_asked() -> None:
    made: list[int] = []
    may_go = threading.Semaphore(0)

    def make(number: int) -> Frame:
        may_go.acquire()
        made.append(number)
        return frame(number)

    for _ in range(3):
        may_go.release()
    frames = ahead(make, 6, depth=2)
    assert next(frames).frame_id == 0
    assert made[0] == 0
    may_go.release(10)
    assert [one.frame_id for one in frames] == [1, 2, 3, 4, 5]
    assert made == list(range(6))


def test_frames_left_are_not_made() -> None:
    made: list[int] = []

    def make(number: int) -> Frame:
        made.append(number)
        return frame(number)

    frames = ahead(make, 100, depth=2)
    assert next(frames).frame_id == 0
    frames.close()
    assert len(made) <= 3


def test_what_rendering_raises_is_raised_where_frames_are_taken() -> None:
    def make(number: int) -> Frame:
        raise MemoryError(f"frame {number}")

    with pytest.raises(MemoryError, match="frame 0"):
        next(ahead(make, 3))
