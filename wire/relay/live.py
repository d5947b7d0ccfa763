"""The relay process: the shell around `Relay` that owns sockets, store, keys, trace and clock.

To each neighbour goes one socket (PUSH, connect) with bundles, answers and reports; from all of them one comes (PULL,
bind). A message is two octets, the node it comes from, and a message of a hop; with keys the node must be that of the
connection. What is for this node is opened here, what is made here is sealed here; what passes is neither.

What comes goes on at once. All that can wait (store, answers, trace) is done together a little later, for many messages
in one transaction: the way of a message is not held up by the books of the one before.
"""

import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.relay.board import BoardEnd
from lookdown.wire.relay.bundle import FULL, MAX_PAYLOAD_OCTETS, REFUSED, TAKEN, Bundle
from lookdown.wire.relay.config import RelayConfig
from lookdown.wire.relay.core import Relay, Send
from lookdown.wire.relay.local import unpack_request
from lookdown.wire.relay.plan import read_plan
from lookdown.wire.relay.routing import Network
from lookdown.wire.relay.seals import Seals
from lookdown.wire.relay.shortcut import Shortcut
from lookdown.wire.relay.store import Store
from lookdown.wire.relay.told import Told
from lookdown.wire.relay.way import SOCKET, Way
from lookdown.wire.security import UNSECURED, Gatekeeper, security_of
from lookdown.wire.sockets import attach, prepare
from lookdown.wire.standing import Standing
from lookdown.wire.trace_file import TraceFile

_LOG = logging.getLogger(__name__)
_MESSAGES_PER_TURN = 256
_LONGEST_WAIT_MS = 100
_REFRESH_NS = NS_PER_S // 2
_ANSWERS_WAIT_NS = NS_PER_S // 50  # those of neighbours: they let go of what is safe with others
_JUMP_NS = NS_PER_S // 10
_EVENT_PRIORITY, _EVENT_LIFETIME_NS = 3, 24 * 3600 * NS_PER_S


class _Request(NamedTuple):
    """What a program of this machine asked to be sent, as it goes out."""

    asker: bytes
    bundle: Bundle


class RelayProcess:
    """One relay, live.

    Parameters
    ----------
    config : RelayConfig
        What it is to do.
    context : zmq.Context
        Context of the process.
    clock : Clock
        Its time; the contact plan counts in it. It may be set: what runs by time is shifted with it.

    Raises
    ------
    ConfigError
        Plan, store, keys or an endpoint cannot be used.
    """

    def __init__(self, config: RelayConfig, context: "zmq.Context[zmq.Socket[bytes]]", clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._asked: list[tuple[bytes, int, str]] = []
        self._refresh_ns = 0
        self._settle_ns: int | None = None  # when the books are written; None: nothing is open
        self._ahead_ns = clock.now_ns() - clock.steady_ns()
        self._prefix = config.node.to_bytes(2, "big")
        self._told = Told(config.node)
        self._boot_id, self._made = secrets.randbits(63) | 1, 0  # of its own events
        network = Network(read_plan(config.plan), [config.node])
        absent = set(network.of_sender(config.node)) - {neighbour.node for neighbour in config.neighbours}
        if absent:
            raise ConfigError(f"neighbours: {config.plan} has contacts to {sorted(absent)}; wanted their endpoints")
        self._security = security_of(config.security)
        if self._security is None:
            _LOG.warning(UNSECURED)
        elif self._security.own.node_id != config.node:
            raise ConfigError(f"security.keys: wanted keys of node {config.node}, came {self._security.own.node_id}")
        self._seals = Seals(self._security) if self._security else None
        self._standing = Standing(self._security) if self._security else None
        self._generation = 0
        with contextlib.ExitStack() as opened:
            self._store = opened.enter_context(contextlib.closing(Store(config.store, config.node, config.durable)))
            self._trace = None
            if config.trace:
                trace = TraceFile(config.trace, config.node, config.limits.trace_octets)
                self._trace = opened.enter_context(contextlib.closing(trace))
            self.relay = Relay(
                config.node,
                network,
                config.limits,
                journal=self._store,
                open_payload=self._seals.open if self._seals else None,
                trace=self._trace.note if self._trace else None,
                held=self._store.held(),
                delivered=self._store.delivered(),
                first_transfer=secrets.randbits(62) + 1,
            )
            self._gate = Gatekeeper(context, self._security) if self._security else None
            if self._gate:
                opened.callback(self._gate.close)
            self._from_neighbours = opened.enter_context(context.socket(zmq.PULL))
            prepare(self._from_neighbours, *SOCKET)
            if self._security:
                self._security.secure_server(self._from_neighbours)
            attach(self._from_neighbours, config.endpoint, bind=True)
            self._from_here = opened.enter_context(context.socket(zmq.ROUTER))
            prepare(self._from_here, *SOCKET)
            attach(self._from_here, config.local, bind=True)
            self._ways: dict[int, Way] = {}
            for neighbour in config.neighbours:
                self._ways[neighbour.node] = Way(context, neighbour, self._security)
                opened.callback(self._ways[neighbour.node].close)
            self._board = self._board_end(config)
            if self._board:
                opened.callback(self._board.close)
            self._closing = opened.pop_all()
        self._settle_after_ns = round(config.limits.settle_after_s * NS_PER_S)
        self._shortcut = Shortcut(config.node, self._security is not None, _MESSAGES_PER_TURN)
        self._senders: dict[int, Send] = {node: way.socket.send for node, way in self._ways.items()}
        self._poller = zmq.Poller()
        for socket in (self._from_neighbours, self._from_here, *(way.watch.socket for way in self._ways.values())):
            self._poller.register(socket, zmq.POLLIN)
        if self._gate:
            self._poller.register(self._gate.socket, zmq.POLLIN)
        if self._board:
            self._board.register(self._poller)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Take turns until told to stop."""
        while not stopped():
            self.turn(_LONGEST_WAIT_MS)

    def turn(self, wait_ms: int) -> None:
        """Do what is due, after waiting for something to come, at most ``wait_ms``."""
        events = zmq.zmq_poll(self._poller.sockets, self._wait_ms(wait_ms))
        more = None
        if events and events[0][0] is self._from_neighbours:
            more = self._shortcut.pass_on(self._from_neighbours, self._clock)
            waiting = len(self._shortcut.waiting)
            if more is None and len(events) == 1 and waiting < _MESSAGES_PER_TURN and not self.relay.waiting:
                steady_ns = self._clock.steady_ns()
                after_ns = self._settle_after_ns if self._shortcut.passed else _ANSWERS_WAIT_NS
                if steady_ns < self._settle_by(steady_ns + after_ns):
                    return
        ready = dict(events)
        came = self._take() if self._from_here in ready else False
        steady_ns = self._clock.steady_ns()
        now_ns = self._now_ns(steady_ns)
        came = self._write_up() or came
        if more is not None:
            came = True
            self._hear(more, now_ns)
            self._send(self.relay.sends(now_ns))  # it goes on before it is known whether there are more
            self._hear_all(now_ns)
        if self._board:
            came = self._board.take(now_ns) or came
        self._send(self.relay.sends(now_ns))
        if came:
            self._settle_by(steady_ns + self._settle_after_ns)
        for way in self._ways.values():
            if way.watch.socket in ready:
                self._follow(way, now_ns, steady_ns)
            way.retry(steady_ns)
        if self._gate and self._gate.socket in ready:
            for line in self._gate.service():
                self._refused(line)
        if steady_ns >= self._refresh_ns:
            self._refresh_ns = steady_ns + _REFRESH_NS
            self._refresh(now_ns, steady_ns)
        full = self.relay.unsettled >= _MESSAGES_PER_TURN
        if self._settle_ns is None or steady_ns >= self._settle_ns or full:
            self.settle(now_ns)
        self.relay.open(self._shortcut, self._senders, now_ns)

    def _settle_by(self, due_ns: int) -> int:
        """Write the books at a time at the latest; return when they will be, steady [ns]."""
        self._settle_ns = due_ns if self._settle_ns is None else min(self._settle_ns, due_ns)
        return self._settle_ns

    def settle(self, now_ns: int) -> None:
        """Bring the books up to date: store, then the answers that rest on it, then the trace."""
        self._settle_ns = None
        written = self._store.commit()
        self._send(self.relay.settle(written, now_ns))
        if self._board:
            self._board.stored(written)
        for asker, verdict, reason in self._asked:
            with contextlib.suppress(zmq.ZMQError):
                self._from_here.send_multipart([asker, b"", bytes([verdict]) + reason.encode()], zmq.NOBLOCK)
        self._asked.clear()
        if self._trace:
            self._trace.flush()

    def close(self) -> None:
        """Close store and sockets; what came and was not stored yet is with the node before."""
        self._closing.close()

    def _board_end(self, config: RelayConfig) -> BoardEnd | None:
        if not config.board.endpoint:
            return None
        if config.board.ground not in self.relay.routes.network.index:
            raise ConfigError(f"board.ground: wanted a node of {config.plan}, came {config.board.ground}")
        return BoardEnd(config.board, config.node, self._clock, self._security, self._give)

    def _wait_ms(self, limit_ms: int) -> int:
        """Return how long nothing is due, at most ``limit_ms``."""
        steady_ns = self._clock.steady_ns()
        if self._shortcut.waiting and self._settle_ns is not None:
            return min(limit_ms, max(0, -((steady_ns - self._settle_ns) // 1_000_000)))
        now_ns = self._now_ns(steady_ns)
        wait_ns = self.relay.due_ns(now_ns) - now_ns
        due_ns = [way.retry_ns for way in self._ways.values() if way.retry_ns is not None]
        if self._settle_ns is not None:
            due_ns.append(self._settle_ns)
        if due_ns:
            wait_ns = min(wait_ns, min(due_ns) - steady_ns)
        return min(limit_ms, max(0, -(-wait_ns // 1_000_000)))

    def _now_ns(self, steady_ns: int) -> int:
        """Return the time; if the clock was set since the last look, tell the relay first."""
        now_ns = self._clock.now_ns()
        jump_ns = now_ns - steady_ns - self._ahead_ns
        if abs(jump_ns) > _JUMP_NS:
            _LOG.warning("the clock was set by %+.3f s", jump_ns / NS_PER_S)
            self.relay.clock_set(jump_ns)
        self._ahead_ns += jump_ns
        return now_ns

    def _write_up(self) -> bool:
        """Bring the relay up to date on what took the shortcut; return whether something did."""
        waiting = self._shortcut.take()
        for what, now_ns, left in waiting:
            if isinstance(what, _Request):
                self._asked.append((what.asker, *self._keep(what.bundle, now_ns)))
            else:
                self._hear(what, now_ns)
            if left:
                out = self.relay.sends(now_ns)
                peer, message = left
                if (peer, message[2:]) in out:
                    out.remove((peer, message[2:]))
                else:
                    self.relay.counts["astray"] += 1
                self._send(out)
        return bool(waiting)

    def _hear_all(self, now_ns: int) -> None:
        for _ in range(_MESSAGES_PER_TURN):
            try:
                frame = self._from_neighbours.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            self._hear(frame, now_ns)

    def _hear(self, frame: Any, now_ns: int) -> None:
        data = frame.bytes
        node = int.from_bytes(data[:2], "big")
        if frame.more or len(data) < 3 or node not in self._ways or not self._is_from(node, frame):
            self.relay.counts["refused node"] += 1
            while frame.more:
                frame = self._from_neighbours.recv(zmq.NOBLOCK, copy=False)
            return
        self.relay.receive(node, data[2:], now_ns)

    def _is_from(self, node: int, frame: Any) -> bool:
        """Return whether a connection is that of a node."""
        if self._standing is None:
            return True
        if self._standing.node_of(frame) != node:
            return False
        self._shortcut.known[frame.get("User-Id")] = node
        return True

    def _take(self) -> bool:
        """Take what programs of this machine hand over: what is certain to go on leaves before the books know of it."""
        came = False
        for _ in range(_MESSAGES_PER_TURN):
            try:
                parts = self._from_here.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            came = True
            if len(parts) != 3:
                self.relay.counts["refused parts"] += 1
                continue
            now_ns = self._clock.now_ns()
            try:
                destination, priority, lifetime_ns, boot_id, sequence, payload = unpack_request(parts[2])
                header = (self._config.node, boot_id, sequence, destination, priority, now_ns, now_ns + lifetime_ns)
                bundle = self._seal(Bundle(*header, payload))
                self._shortcut.start(bundle.encode(), _Request(parts[0], bundle), now_ns)
            except (ConfigError, WireError, ValueError) as error:
                self._asked.append((parts[0], REFUSED, str(error)))
        return came

    def _seal(self, bundle: Bundle) -> Bundle:
        """Return a bundle made here as it goes out; ConfigError or ValueError if it cannot."""
        if bundle.destination not in self.relay.routes.network.index:
            raise ConfigError("no contact of the plan leads there")
        sealed = self._seals.seal(bundle) if self._seals else bundle
        if len(sealed.payload) > MAX_PAYLOAD_OCTETS:
            octets = len(bundle.payload)
            raise ConfigError(f"it has {octets} octets; wanted at most {MAX_PAYLOAD_OCTETS} with its seal")
        return sealed

    def _give(self, bundle: Bundle, now_ns: int) -> tuple[int, str]:
        """Hand a bundle made here to the relay; return a verdict and its reason."""
        try:
            return self._keep(self._seal(bundle), now_ns)
        except (ConfigError, ValueError) as error:
            return REFUSED, str(error)

    def _keep(self, bundle: Bundle, now_ns: int) -> tuple[int, str]:
        if not self.relay.submit(bundle, now_ns):
            return FULL, "the store is full of what matters as much"
        return TAKEN, ""

    def _follow(self, way: Way, now_ns: int, steady_ns: int) -> None:
        """Note connections that were made or came to nothing."""
        made, failures = way.follow(steady_ns)
        for failure in failures:
            self._refused(f"no connection to node {way.node}: {failure}")
        if made:
            self.relay.link_up(way.node, now_ns)

    def _refused(self, line: str) -> None:
        self.relay.counts["refused connections"] += 1
        _LOG.warning("%s", line)

    def _send(self, messages: list[tuple[int, bytes]]) -> None:
        down = set()
        for node, message in messages:
            if node in down:
                continue
            try:
                self._ways[node].socket.send(self._prefix + message, zmq.NOBLOCK)
            except zmq.Again:
                down.add(node)
        for node in down:
            self.relay.link_down(node, self._clock.now_ns())

    def _refresh(self, now_ns: int, steady_ns: int) -> None:
        """Use keys that changed since, cut who is not believed any more, bound what is kept, tell what was lost."""
        if self._security and self._seals and self._standing:
            self._security.refresh()
            if self._generation != self._security.generation:  # the gatekeeper reads them, too
                self._generation = self._security.generation
                self._shortcut.known.clear()
                self._seals.renew()
                self.relay.open_again(now_ns)
                self._settle_ns = self._settle_ns or steady_ns
            lines = [*self._standing.review(), *(way.review(steady_ns) for way in self._ways.values())]
            for line in filter(None, lines):
                self._refused(line)
        if self._board:
            for line in self._board.lines():
                self._refused(line)
            self.relay.counts.update(self._board.news())
        limits = self._config.limits
        expired_ns = now_ns - round(limits.remember_s * NS_PER_S)
        crowded, aged = self._store.bound(limits.delivered_octets, limits.delivered_for_s, expired_ns, now_ns)
        for name, count in (("deliveries forgotten", crowded), ("deliveries aged", aged)):
            if count:
                self.relay.counts[name] += count
        for what, total, packet in self._told.news(self.relay.counts, now_ns, steady_ns):
            if not self._config.events_to:
                self._told.told(what, total)
                continue
            self._made += 1
            header = (self._config.node, self._boot_id, self._made, self._config.events_to, _EVENT_PRIORITY)
            verdict, _ = self._give(Bundle(*header, now_ns, now_ns + _EVENT_LIFETIME_NS, packet), now_ns)
            if verdict == TAKEN:
                self._told.told(what, total)
