"""Frame injection: one process in the place of one satellite's sensor.

It renders the frames of its satellite and pushes each at its scenario time over the pace of the run, stamped with the
instant of injection. It is lossless by back-pressure: when rendering or the onboard process is late, the frame goes
late and is counted, never dropped. The rig talks to it by lines of JSON: ``{"ready": true}`` comes out once the first
frame is rendered, ``{"start_ns": ...}`` goes in, then progress comes out once a second, and the counters at the end.
"""

import argparse
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import zmq

from lookdown.hil.render import Renderer
from lookdown.hil.scenario import load_scenario
from lookdown.wire.clock import Clock, SystemClock
from lookdown.wire.frames import encode_frame
from lookdown.wire.messages import End, Frame
from lookdown.wire.packet import encode

_HIGH_WATER_MARK = 4  # frames; 2.6 MB at 640x512
_LINGER_MS = 30_000  # the last frames wait so long for a busy board


@dataclass(slots=True)
class Injected:
    """Counters of one injector.

    Attributes
    ----------
    sent : int
        Frames handed over.
    late : int
        Frames handed over more than one frame period after their time.
    lateness_max_ms : float
        Longest delay of a frame against its time [ms].
    """

    sent: int = 0
    late: int = 0
    lateness_max_ms: float = 0.0


def inject(
    frames: Iterator[Frame],
    send: Callable[[Frame, int], None],
    start_ns: int,
    period_s: float,
    clock: Clock,
    wait_until: Callable[[int], bool],
) -> Iterator[Injected]:
    """Hand frames over at their times; yields the counters after each.

    Parameters
    ----------
    frames : iterator of Frame
        Frames in order; the next is made after the last was sent and before its own time.
    send : callable
        Takes the frame and the instant of injection, TAI [ns]; blocks while the receiver is full.
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
        now_ns = clock.now_ns()
        lateness_s = (now_ns - due_ns) * 1e-9
        counters.late += lateness_s > period_s
        counters.lateness_max_ms = max(counters.lateness_max_ms, 1e3 * lateness_s)
        send(frame, now_ns)
        counters.sent += 1
        yield counters


def _say(**values: Any) -> None:
    """Write one line of JSON to the rig."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _renderings(renderer: Renderer, n_frames: int) -> Iterator[Frame]:
    for k in range(n_frames):
        yield renderer.frame(k)[0]


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
    frames = _renderings(Renderer(scenario, options.satellite), scenario.n_frames)
    # The first frame, with all that rendering sets up, is made before the run starts.
    frames = itertools.chain([next(frames)], frames)
    stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    _say(ready=True)
    order = sys.stdin.readline()
    if not order:
        return 1
    start_ns = int(json.loads(order)["start_ns"])
    clock = SystemClock()

    def wait_until(due_ns: int) -> bool:
        while not stopped and (rest_s := (due_ns - clock.now_ns()) * 1e-9) > 0:
            time.sleep(min(rest_s, 0.2))
        return not stopped

    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
    socket.setsockopt(zmq.LINGER, _LINGER_MS)
    socket.connect(options.endpoint)

    def send(frame: Frame, injected_ns: int) -> None:
        socket.send_multipart(encode_frame(frame, injected_ns, frame.frame_id))

    counters = Injected()
    said_ns = 0
    period_s = 1.0 / scenario.frame_rate_hz / options.pace
    for counters in inject(frames, send, start_ns, period_s, clock, wait_until):
        if clock.steady_ns() - said_ns > 500_000_000:
            _say(**asdict(counters))
            said_ns = clock.steady_ns()
    end_ns = int(scenario.frame_time_ns(max(counters.sent - 1, 0)))
    socket.send(encode(End(sensor_id=sensor_id, time_ns=end_ns, frames_processed=counters.sent)))
    socket.close()
    context.term()
    _say(**asdict(counters), done=True)
    return 1 if stopped else 0


if __name__ == "__main__":
    raise SystemExit(main())
