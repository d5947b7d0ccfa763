"""Frame injection: one process in the place of one satellite's sensor.

It renders the frames of its satellite a little ahead and pushes each at its scenario time over the pace of the run,
stamped with the instant of injection. It is lossless by back-pressure: when rendering or the onboard process is late,
the frame goes late and is counted. Only a frame that the scenario's sensor drops is not sent, and counted as well.

The rig talks to it by lines of JSON: ``{"ready": true}`` comes out once the first frame is rendered,
``{"start_ns": ...}`` goes in, then progress comes out twice a second, and the counters at the end. When the rig goes
away, its end of the line closes, and the injector ends what it began.
"""

import argparse
import itertools
import json
import select
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import zmq

from lookdown.hil.plan import Scenario
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.render import Renderer
from lookdown.hil.scenario import load_scenario
from lookdown.wire.clock import Clock, SystemClock
from lookdown.wire.frames import encode_frame
from lookdown.wire.messages import End, Frame, Interval
from lookdown.wire.packet import encode
from lookdown.wire.sockets import attach
from lookdown.wire.topics import FRAMES

_AHEAD = 3  # frames rendered before their time
_LINGER_MS = 30_000  # the last frames wait so long for a busy board
_LAST_WORD_MS = 1_000  # and so long when the run is stopped
_PATIENCE_MS = 200  # how late a stop may be heeded
_SAY_EVERY_NS = 500_000_000


@dataclass(slots=True)
class Injected:
    """Counters of one injector.

    Attributes
    ----------
    sent : int
        Frames handed over.
    dropped : int
        Frames that the sensor dropped.
    late : int
        Frames handed over more than one frame period after their time.
    lateness_max_ms : float
        Longest delay of a frame against its time [ms].
    """

    sent: int = 0
    dropped: int = 0
    late: int = 0
    lateness_max_ms: float = 0.0


def inject(
    frames: Iterator[Frame | Interval | None],
    send: Callable[[Frame | Interval, int], bool],
    start_ns: int,
    period_s: float,
    clock: Clock,
    wait_until: Callable[[int], bool],
) -> Iterator[Injected]:
    """Hand frames over at their times; yields the counters after each.

    Parameters
    ----------
    frames : iterator of Frame or None
        Frames in order; None in the place of one that the sensor drops.
    send : callable
        Takes the frame and the instant of injection, TAI [ns]; blocks while the receiver is full; False ends the
        injection.
    start_ns : int
        Time of the first frame on ``clock``, TAI [ns].
    period_s : float
        Time between frames [s].
    clock : Clock
        Clock of this machine.
    wait_until : callable
        Waits until an instant, TAI [ns]; False ends the injection.

    Yields
    ------
    Injected
        The same object, updated.
    """
    counters = Injected()
    for number, frame in enumerate(frames):
        due_ns = start_ns + round(number * period_s * 1e9)
        if not wait_until(due_ns):
            return
        if frame is None:
            counters.dropped += 1
            yield counters
            continue
        now_ns = clock.now_ns()
        lateness_s = (now_ns - due_ns) * 1e-9
        counters.late += lateness_s > period_s
        counters.lateness_max_ms = max(counters.lateness_max_ms, 1e3 * lateness_s)
        if not send(frame, now_ns):
            return
        counters.sent += 1
        yield counters


def _say(**values: Any) -> None:
    """Write one line of JSON to the rig."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def ahead(
    make: Callable[[int], Frame | Interval | None], count: int, depth: int = _AHEAD
) -> Generator[Frame | Interval | None, None, None]:
    """Make frames 0 to ``count - 1`` in a thread, at most ``depth`` before they are asked for; raise what it raises."""
    pool = ThreadPoolExecutor(1)
    try:
        waiting = deque(pool.submit(make, number) for number in range(min(depth, count)))
        following = depth
        while waiting:
            frame = waiting.popleft().result()
            if following < count:
                waiting.append(pool.submit(make, following))
                following += 1
            yield frame
    finally:
        pool.shutdown(cancel_futures=True)


def maker(scenario: Scenario, satellite_index: int) -> Callable[[int], Frame | Interval | None]:
    """Return what makes each frame of a satellite, or each interval of its radar; None for one that never leaves it."""
    if scenario.satellite[satellite_index].sensor == "radar":
        return RadarRenderer(scenario, satellite_index).message
    renderer = Renderer(scenario, satellite_index)

    def make(number: int) -> Frame | None:
        return None if renderer.dropped(number) else renderer.frame(number)[0]

    return make


def main(argv: list[str] | None = None) -> int:
    """Inject the frames of one satellite; the rig starts this."""
    parser = argparse.ArgumentParser(prog="python -m lookdown.hil.inject", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--satellite", type=int, required=True, metavar="INDEX", help="which of the scenario's, from 0")
    parser.add_argument("--endpoint", required=True, help="ZeroMQ endpoint where the onboard process takes frames")
    parser.add_argument("--pace", type=float, default=1.0, help="scenario seconds in a second of the clock (default 1)")
    options = parser.parse_args(argv)

    # One injector a satellite shares the machine with the processes under test.
    cv2.setNumThreads(1)
    scenario = load_scenario(options.scenario)
    sensor_id = scenario.satellite[options.satellite].id
    make = maker(scenario, options.satellite)
    # The first frame, with all that rendering sets up, is made before the run starts.
    first = make(0)
    others = ahead(lambda number: make(number + 1), scenario.n_frames - 1)
    stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _say(ready=True)
    order = sys.stdin.readline()
    if not order:
        return 1
    start_ns = int(json.loads(order)["start_ns"])
    clock = SystemClock()

    def wait_until(due_ns: int) -> bool:
        nonlocal stopped
        while not stopped and (rest_s := (due_ns - clock.now_ns()) * 1e-9) > 0:
            # The rig says nothing more: readable means that it is gone.
            stopped = bool(select.select([sys.stdin], [], [], min(rest_s, 1e-3 * _PATIENCE_MS))[0]) or stopped
        return not stopped

    with zmq.Context() as context, context.socket(FRAMES.sockets[0]) as socket:
        socket.sndhwm = FRAMES.high_water_mark
        attach(socket, options.endpoint, bind=FRAMES.binds == "giver")

        def send(frame: Frame | Interval, injected_ns: int) -> bool:
            while not socket.poll(_PATIENCE_MS, zmq.POLLOUT):
                if stopped:
                    return False
            socket.send_multipart(encode_frame(frame, injected_ns, frame.frame_id))
            return True

        counters = Injected()
        said_ns = 0
        period_s = 1.0 / scenario.frame_rate_hz / options.pace
        frames = itertools.chain([first], others)
        for counters in inject(frames, send, start_ns, period_s, clock, wait_until):
            if clock.steady_ns() - said_ns > _SAY_EVERY_NS:
                _say(**asdict(counters))
                said_ns = clock.steady_ns()
        others.close()
        socket.linger = _LAST_WORD_MS if stopped else _LINGER_MS
        if socket.poll(socket.linger, zmq.POLLOUT):
            end_ns = int(scenario.frame_time_ns(max(counters.sent + counters.dropped - 1, 0)))
            socket.send(encode(End(sensor_id=sensor_id, time_ns=end_ns, frames_processed=counters.sent)))
    _say(**asdict(counters), done=not stopped)
    return 1 if stopped else 0


if __name__ == "__main__":
    raise SystemExit(main())
