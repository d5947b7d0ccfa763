"""The time of a process: one clock that a test can step.

``now_ns`` names instants (TAI, comparable between machines); ``steady_ns`` measures intervals and is never set
back, so that time-outs survive a clock that is corrected by hand or by a time server.
"""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
TAI_MINUS_UTC_S = 37
"""Leap seconds in force since 2017-01-01 (IERS Bulletin C 52); Bulletin C announces any further one."""


class Clock(Protocol):
    """What a process asks for the time."""

    def now_ns(self) -> int:
        """Return the present instant, TAI since 1970-01-01 [ns]."""
        ...

    def steady_ns(self) -> int:
        """Return a reading that only grows, from an origin of its own [ns]."""
        ...


class SystemClock:
    """The clock of the machine; its UTC is kept right by the operating system."""

    def now_ns(self) -> int:
        """Return the present instant, TAI since 1970-01-01 [ns]."""
        return time.time_ns() + TAI_MINUS_UTC_S * NS_PER_S

    def steady_ns(self) -> int:
        """Return the monotonic reading of the machine [ns]."""
        return time.monotonic_ns()


class SteppedClock:
    """A clock that stands still until it is told to go on.

    Parameters
    ----------
    now_ns : int
        First instant, TAI since 1970-01-01 [ns].

    Examples
    --------
    >>> clock = SteppedClock(5)
    >>> clock.advance(2.5)
    >>> clock.now_ns()
    2500000005
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._steady_ns = 0

    def now_ns(self) -> int:
        """Return the present instant, TAI since 1970-01-01 [ns]."""
        return self._now_ns

    def steady_ns(self) -> int:
        """Return the time advanced since the clock was made [ns]."""
        return self._steady_ns

    def advance(self, seconds: float) -> None:
        """Go on by ``seconds``; ValueError if that is less than none."""
        if seconds < 0:
            raise ValueError(f"seconds: wanted 0 or more, came {seconds}; use set_ns to turn the clock back")
        step_ns = round(seconds * NS_PER_S)
        self._now_ns += step_ns
        self._steady_ns += step_ns

    def set_ns(self, now_ns: int) -> None:
        """Set the instant, as a time server would; the steady reading is left alone."""
        self._now_ns = now_ns
