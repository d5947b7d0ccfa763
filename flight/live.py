"""The onboard process: the shell around `Board` and the link that owns sockets, signals and the loop.

Frames come in on a PULL socket that the process binds; packets go out over a `LinkSender`. The loop waits for whatever
comes first, takes at most one frame, lets the link do what is due, and waits again; it never polls in vain and holds
no queue of its own. Samples are received into a buffer that is allocated once.
"""

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from math import prod

import cv2
import zmq

from lookdown.flight.board import Board, Reporter
from lookdown.flight.config import FlightConfig
from lookdown.flight.notify import Notifier
from lookdown.wire.clock import NS_PER_S, Clock, SystemClock
from lookdown.wire.end_to_end import PacketSealer
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.frames import octets_of
from lookdown.wire.link import LinkLimits, LinkSender, draw_boot_id
from lookdown.wire.messages import FrameHeader, IntervalHeader
from lookdown.wire.packet import decode
from lookdown.wire.security import UNSECURED, security_of
from lookdown.wire.sockets import attach
from lookdown.wire.spool import Spool
from lookdown.wire.topics import END, EVENTS, FRAMES, HEALTH, REPORTS
from lookdown.wire.trace_file import TraceFile

_HEALTH_EVERY_NS = NS_PER_S
_FLUSH_S = 10.0  # wait at the end for the ground's acknowledgements
_HEADER_OCTETS = 512  # a header takes 141 or 151; whatever is longer is none
_LARGEST_FRAME_OCTETS = 256 * 1024 * 1024


class FrameReceiver:
    """The socket that frames arrive at, with its buffers.

    Parameters
    ----------
    context : zmq.Context
        Context of the process.
    endpoint : str
        Where to bind.
    samples_octets : int
        Octets of the samples of a frame; 0: the buffer grows to the largest frame announced.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, samples_octets: int) -> None:
        self._header = bytearray(_HEADER_OCTETS)
        self._samples = bytearray(samples_octets)
        self._grows = not samples_octets
        self.socket = context.socket(FRAMES.sockets[1])
        self.socket.linger = 0
        self.socket.rcvhwm = FRAMES.high_water_mark
        self.socket.set(zmq.MAXMSGSIZE, _LARGEST_FRAME_OCTETS)
        attach(self.socket, endpoint, bind=FRAMES.binds == "taker")

    def receive(self) -> list[memoryview] | None:
        """Return the parts of one message, valid until the next call; None if none waits.

        Raises
        ------
        WireError
            ``shape``: the samples are longer than their buffer. ``parts``: more than two parts. The message is gone.
        """
        try:
            octets = self.socket.recv_into(self._header, flags=zmq.NOBLOCK)
        except zmq.Again:
            return None
        parts = [memoryview(self._header)[: min(octets, _HEADER_OCTETS)]]
        more = too_long = 0
        while self.socket.rcvmore:
            more += 1
            if more > 1:
                self.socket.recv()
                continue
            if self._grows and len(self._samples) < (wanted := _samples_octets(parts[0])):
                self._samples = bytearray(wanted)
            octets = self.socket.recv_into(self._samples) if self._samples else len(self.socket.recv())
            too_long = octets if octets > len(self._samples) > 0 else 0
            parts.append(memoryview(self._samples)[:octets])
        if more > 1:
            raise WireError("parts", f"wanted header and samples, came {1 + more} parts")
        if too_long:
            raise WireError("shape", f"wanted at most {len(self._samples)} octets of samples, came {too_long}")
        return parts

    def close(self) -> None:
        """Close the socket."""
        self.socket.close(linger=0)


def _samples_octets(header: memoryview) -> int:
    """Return the octets of the samples that a header announces; 0 if it is none, or announces too many."""
    try:
        message = decode(header)
    except WireError:
        return 0
    octets = octets_of(message) if isinstance(message, FrameHeader | IntervalHeader) else 0
    return octets if octets <= _LARGEST_FRAME_OCTETS else 0


@contextmanager
def woken_by_signals() -> Iterator[socket.socket]:
    """Give a socket that becomes readable when SIGTERM or SIGINT comes; neither ends the process meanwhile."""
    near, far = socket.socketpair()
    with near, far:
        far.setblocking(False)
        near.setblocking(False)
        old_fd = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        old = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield near
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_fd)


class Live:
    """The loop of the onboard process.

    Parameters
    ----------
    board : Board
        What is done with each message.
    frames : FrameReceiver
        Where frames come from.
    link : LinkSender
        Where packets go.
    clock : Clock
        Times health and the wait at the end.
    wake : socket
        Becomes readable when the process shall end.
    notifier : Notifier or None
        Who is told once a second that the loop goes round.
    """

    def __init__(
        self, board: Board, frames: FrameReceiver, link: LinkSender, clock: Clock, wake: socket.socket,
        notifier: Notifier | None = None,
    ) -> None:  # fmt: skip
        self._notifier = notifier
        self._board, self._frames, self._link, self._clock, self._wake = board, frames, link, clock, wake
        self._poller = zmq.Poller()
        self._poller.register(frames.socket, zmq.POLLIN)
        self._poller.register(wake, zmq.POLLIN)
        self._health_due_ns = clock.steady_ns()
        self._given_up_told = self._refusals_told = 0
        self.ended_by = ""
        """``end`` after the last frame, ``signal`` after SIGTERM or SIGINT; empty while running."""

    def turn(self) -> None:
        """Wait for what comes first and do what is due: at most one frame."""
        self._tell_health()
        self._link.service(0)
        self._link.register(self._poller)
        wait_ns = max(0, self._health_due_ns - self._clock.steady_ns())
        ready = dict(self._poller.poll(self._link.wait_ms(-(-wait_ns // 1_000_000))))
        if self._wake.fileno() in ready:
            self._wake.recv(64)
            self.ended_by = "signal"
        elif self._frames.socket in ready:
            self._take_message()

    def flush(self, seconds: float) -> bool:
        """Tell the ground that nothing follows and wait for its acknowledgements; return whether all came.

        A further signal ends the wait.
        """
        self._health_due_ns = self._clock.steady_ns()
        self._tell_health()
        self._link.offer(self._board.end(), END.priority, self._clock.now_ns())
        self._poller.unregister(self._frames.socket)
        deadline_ns = self._clock.steady_ns() + round(seconds * NS_PER_S)
        while True:
            self._link.service(0)
            rest_ns = deadline_ns - self._clock.steady_ns()
            if self._link.idle or rest_ns <= 0:
                return self._link.idle
            if self._notifier:  # the wait may take as long as the watchdog's patience
                self._notifier.alive(f"ends; {self._link.held} packets held")
            self._link.register(self._poller)
            ready = dict(self._poller.poll(self._link.wait_ms(-(-min(rest_ns, _HEALTH_EVERY_NS) // 1_000_000))))
            if self._wake.fileno() in ready:
                return self._link.idle

    def _take_message(self) -> None:
        try:
            parts = self._frames.receive()
        except WireError as error:
            self._board.refuse(error.reason, str(error))
            return
        if parts is None:
            return
        if len(parts) == 1:
            if self._board.is_end(parts[0]):
                self.ended_by = "end"
            return
        made = self._board.frame(parts)
        if made:
            packet, injected_ns = made
            self._link.offer(packet, REPORTS.priority, injected_ns)

    def _tell_health(self) -> None:
        now_ns = self._clock.steady_ns()
        if now_ns < self._health_due_ns:
            return
        refusals = self._link.refusals.take()
        if refusals:
            if not self._refusals_told:
                self._board.warn(f"{refusals[-1]}; it is tried again, later refusals are only counted")
            count, total = self._link.refusals.count - self._refusals_told, self._link.refusals.count
            self._link.offer(
                self._board.link_refused(count, total, refusals[-1]), EVENTS.priority, self._clock.now_ns()
            )
            self._refusals_told = total
        if self._notifier:
            self._notifier.alive(f"{self._board.frames_processed} frames, {self._link.held} packets held")
        given_up = self._link.stats.dropped
        self._link.offer(self._board.health(given_up), HEALTH.priority, self._clock.now_ns())
        if given_up > self._given_up_told:
            event = self._board.given_up(given_up - self._given_up_told, given_up)
            self._link.offer(event, EVENTS.priority, self._clock.now_ns())
            self._given_up_told = given_up
        # Beats that were missed during a long step are not made up for.
        self._health_due_ns += _HEALTH_EVERY_NS * (1 + (now_ns - self._health_due_ns) // _HEALTH_EVERY_NS)


def _chain_of(config: FlightConfig) -> Callable[..., Reporter]:
    """Return what makes the chain of a configuration with the report behind it."""
    if config.radar_sensor.shape:
        from lookdown.flight.radar.report import make_reporter as make_radar

        return make_radar(config.radar_sensor.sensor(), config.radar)
    from lookdown.flight.report import make_reporter as make_infrared

    return make_infrared(config)


def run(
    config: FlightConfig,
    *,
    clock: Clock | None = None,
    make_reporter: Callable[..., Reporter] | None = None,
    flush_s: float = _FLUSH_S,
) -> int:
    """Run the onboard process until its last frame or a signal; prints its counters as one line of JSON.

    Parameters
    ----------
    config : FlightConfig
        Its configuration.
    clock : Clock, optional
        The machine's, if none is given.
    make_reporter : callable, optional
        Makes what turns frames into reports; the chain of the configuration, infrared or radar, if none is given.
    flush_s : float
        Longest wait at the end for the ground's acknowledgements [s].

    Returns
    -------
    int
        Exit status: 0, or 1 if the ground did not acknowledge everything in time.

    Raises
    ------
    ConfigError
        An endpoint is missing or cannot be had.
    """
    for key in ("frames_endpoint", "ground_endpoint"):
        if not getattr(config, key):
            raise ConfigError(f'{key}: wanted an endpoint, came none; add one such as {key} = "tcp://127.0.0.1:5601"')
    security = security_of(config.security, connects=True)
    if security and security.own.node_id != config.sensor_id:
        raise ConfigError(
            f"security.keys: wanted keys of node {config.sensor_id} (the sensor_id), came those of node "
            f"{security.own.node_id}"
        )
    if security is None:
        print(f"lookdown-flight: {UNSECURED}", file=sys.stderr)
    seal_for = config.security.seal_for
    sealer = PacketSealer(security, seal_for) if security and seal_for else None
    if make_reporter is None:
        make_reporter = _chain_of(config)
    interval = config.radar_sensor.shape
    # One core is the share of a board; threads of OpenCV would wait for each other at the cost of its neighbours.
    cv2.setNumThreads(1)
    clock = clock or SystemClock()
    board = Board(config.sensor_id, config.rows, config.cols, make_reporter, clock, interval=interval)
    with ExitStack() as stack:
        wake = stack.enter_context(woken_by_signals())
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.term)
        octets = 8 * prod(interval) if interval else 2 * config.rows * config.cols
        frames = FrameReceiver(context, config.frames_endpoint, octets)
        stack.callback(frames.close)
        limits = LinkLimits(bits_per_s=config.link_bits_per_s)
        spool = Spool(config.spool, config.sensor_id, draw_boot_id()) if config.spool else None
        trace = TraceFile(config.trace, config.sensor_id, config.trace_octets) if config.trace else None
        link = LinkSender(
            context,
            config.ground_endpoint,
            config.sensor_id,
            clock,
            spool=spool,
            limits=limits,
            security=security,
            peer=config.security.peer,
            sealer=sealer,
            trace=trace,
        )
        stack.callback(link.close)
        notifier = Notifier()
        stack.callback(notifier.close)
        live = Live(board, frames, link, clock, wake, notifier)
        notifier.ready(f"takes frames at {config.frames_endpoint}")
        while not live.ended_by:
            live.turn()
        notifier.stopping()
        flushed = live.flush(flush_s)
        refused = dict(link.stats.refused)  # asdict would count its pairs
        link_counters = {
            **asdict(link.stats),
            "refused": refused,
            "connections": link.connections,
            "unacknowledged": link.held,
            "encrypted": security is not None,
            "sealed_for": seal_for,
        }
        print(json.dumps({**board.counters(), "ended_by": live.ended_by, "link": link_counters}), flush=True)
    if not flushed:
        print(
            f"lookdown-flight: the ground at {config.ground_endpoint} left {link.held} packets unacknowledged; "
            "wanted all acknowledged at the end; is it running?",
            file=sys.stderr,
        )
    return 0 if flushed else 1
