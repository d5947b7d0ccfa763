"""What the onboard process does with each message, without sockets: frames in, packets out, everything counted.

A frame, of a radar an interval, is refused if it is damaged, of another sensor or size, without pointing, or not newer
than the last one; gaps in the frame count are missed frames. The same frames give the same report packets to the last
bit: nothing in a report depends on when it was made.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, TypeAlias

from lookdown.wire.capacity import within_capacity
from lookdown.wire.clock import Clock
from lookdown.wire.errors import WireError
from lookdown.wire.frames import Part, decode_frame
from lookdown.wire.messages import End, Event, EventKind, Frame, Health, Interval, PlotReport, RadarReport, Severity
from lookdown.wire.packet import decode, encode

Reporter: TypeAlias = Callable[[Any], PlotReport | RadarReport]
"""The chain with all behind it: a frame or an interval in, its report out; ValueError for one that it cannot take."""

_STEPS_REMEMBERED = 4096
_U32 = 2**32 - 1


class Board:
    """The core of the onboard process.

    Parameters
    ----------
    sensor_id : int
        Identity of the sensor; frames of another one are refused.
    rows, cols : int
        Size of the focal plane; 0: that of the first frame.
    make_reporter : callable
        Makes the chain for rows and columns, or for channels, pulses and samples.
    clock : Clock
        Times the steps and stamps health.
    warn : callable
        Told in one line of the first refusal of each kind.
    interval : tuple of int, optional
        Channels, pulses and samples of a radar's intervals, which it then takes in the place of frames.
    """

    def __init__(
        self,
        sensor_id: int,
        rows: int,
        cols: int,
        make_reporter: Callable[..., Reporter],
        clock: Clock,
        warn: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
        interval: tuple[int, int, int] | None = None,
    ) -> None:
        self.frames_processed = 0
        self.frames_missed = 0
        self.refused: Counter[str] = Counter()
        self.plots_sent = 0
        self.plots_left_out = 0
        self.plots_out_of_range = 0
        self.overruns = 0
        self.step_max_us = 0
        self._sensor_id = sensor_id
        self._takes: type[Frame] | type[Interval] = Interval if interval else Frame
        self._shape: tuple[int, ...] | None = interval or ((rows, cols) if rows and cols else None)
        self._make_reporter = make_reporter
        # With a known size the chain is made, and its buffers allocated, before the first frame comes.
        self._reporter = make_reporter(*self._shape) if self._shape else None
        self._clock = clock
        self._warn = warn
        self._last: tuple[int, int, int] | None = None  # frame_id, time, injection of the last frame
        self._interval_us: list[int] = []
        self._steps_us: deque[int] = deque(maxlen=_STEPS_REMEMBERED)
        self._n_health = self._n_events = 0

    def frame(self, parts: Sequence[Part]) -> tuple[bytes, int] | None:
        """Take one frame message.

        Returns
        -------
        tuple of bytes and int, or None
            The report packet and the instant at which its frame was handed over, TAI [ns]; None if it was refused.
        """
        try:
            frame, injected_ns = decode_frame(parts)
            self._check(frame)
        except WireError as error:
            self.refuse(error.reason, str(error))
            return None
        if self._reporter is None:
            self._shape = frame.samples.shape
            self._reporter = self._make_reporter(*frame.samples.shape)
        period_ns = self._follow(frame, injected_ns)
        begun_ns = self._clock.steady_ns()
        try:
            report, out_of_range = within_capacity(self._reporter(frame))
            packet = encode(report, frame.frame_id)
        except ValueError as error:
            self.refuse("chain", f"chain: {error}")
            return None
        step_ns = self._clock.steady_ns() - begun_ns
        self._steps_us.append(step_ns // 1000)
        self._interval_us.append(step_ns // 1000)
        self.step_max_us = max(self.step_max_us, step_ns // 1000)
        self.overruns += 0 < period_ns < step_ns
        self.frames_processed += 1
        self.plots_sent += report.n_plots
        self.plots_left_out += report.n_left_out
        self.plots_out_of_range += out_of_range
        return packet, injected_ns

    def is_end(self, packet: Part) -> bool:
        """Return whether a message of one part says that no frame follows; anything else is refused."""
        try:
            message = decode(packet)
            if not isinstance(message, End):
                raise WireError("parts", f"wanted a frame of two parts or End, came {type(message).__name__} alone")
            if message.sensor_id != self._sensor_id:
                raise WireError("sensor", f"wanted sensor {self._sensor_id}, came End of {message.sensor_id}")
        except WireError as error:
            self.refuse(error.reason, str(error))
            return False
        return True

    def health(self, reports_dropped: int) -> bytes:
        """Return a health packet and begin a new interval of the median."""
        step_median_us = int(median(self._interval_us)) if self._interval_us else 0
        self._interval_us.clear()
        self._n_health += 1
        message = Health(
            sensor_id=self._sensor_id,
            time_ns=self._clock.now_ns(),
            frames_processed=self.frames_processed,
            frames_missed=self.frames_missed,
            frames_refused=self.refused.total(),
            plots_sent=self.plots_sent,
            reports_dropped=reports_dropped,
            step_median_us=min(step_median_us, _U32),
            step_max_us=min(self.step_max_us, _U32),
        )
        return encode(message, self._n_health - 1)

    def given_up(self, count: int, total: int) -> bytes:
        """Return the event that says how many packets a full link gave up since the last one, and in all."""
        text = f"the link is full: {count} packets of the lowest priority given up, {total} since the start"
        return self._event(EventKind.PACKETS_GIVEN_UP, count, total, text)

    def link_refused(self, count: int, total: int, why: str) -> bytes:
        """Return the event that says how many connections came to nothing since the last one, and in all."""
        return self._event(EventKind.REFUSED, count, total, why)

    def warn(self, what: str) -> None:
        """Tell in one line what somebody at the board should know."""
        self._warn(f"sensor {self._sensor_id}: {what}")

    def end(self) -> bytes:
        """Return the packet that says that nothing follows."""
        return encode(End(self._sensor_id, self._clock.now_ns(), self.frames_processed))

    def counters(self) -> dict[str, object]:
        """Return all counters, for the last line of the process."""
        return {
            "sensor_id": self._sensor_id,
            "frames_processed": self.frames_processed,
            "frames_missed": self.frames_missed,
            "frames_refused": dict(self.refused),
            "plots_sent": self.plots_sent,
            "plots_left_out": self.plots_left_out,
            "plots_out_of_range": self.plots_out_of_range,
            "overruns": self.overruns,
            "step_median_us": int(median(self._steps_us)) if self._steps_us else 0,
            "step_max_us": self.step_max_us,
        }

    def refuse(self, reason: str, detail: str) -> None:
        """Count a message that is not taken; the first of each kind is told."""
        self.refused[reason] += 1
        if self.refused[reason] == 1:
            self._warn(f"sensor {self._sensor_id}: frame refused: {detail}; later ones like it are only counted")

    def _event(self, kind: EventKind, count: int, total: int, text: str) -> bytes:
        self._n_events += 1
        count = min(count, _U32)
        event = Event(self._sensor_id, self._clock.now_ns(), Severity.WARNING, kind, count, float(total), text)
        return encode(event, self._n_events - 1)

    def _check(self, frame: Frame | Interval) -> None:
        """Raise WireError for a frame that is whole and yet cannot be taken."""
        if not isinstance(frame, self._takes):
            raise WireError(
                "type", f"wanted {self._takes.__name__}s, came a {type(frame).__name__}; check the endpoints"
            )
        if frame.sensor_id != self._sensor_id:
            raise WireError("sensor", f"wanted sensor {self._sensor_id}, came {frame.sensor_id}; check the endpoints")
        if self._shape and frame.samples.shape != self._shape:
            wanted, came = (" x ".join(map(str, shape)) for shape in (self._shape, frame.samples.shape))
            raise WireError("shape", f"wanted {wanted} samples, came {came}")
        if frame.state is None:
            raise WireError("state", "wanted position and pointing with a live frame, came none")
        if self._last and (frame.frame_id <= self._last[0] or frame.time_ns <= self._last[1]):
            raise WireError(
                "stale",
                f"wanted a frame after {self._last[0]} at {self._last[1]} ns, came {frame.frame_id} at {frame.time_ns}",
            )

    def _follow(self, frame: Frame | Interval, injected_ns: int) -> int:
        """Count what is missing before a frame; return the time since the last injection, 0 if unknown [ns]."""
        period_ns = 0
        if self._last:
            self.frames_missed += frame.frame_id - self._last[0] - 1
            period_ns = injected_ns - self._last[2]
        self._last = (frame.frame_id, frame.time_ns, injected_ns)
        return period_ns
