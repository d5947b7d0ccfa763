"""The relay process: the shell around `Relay` that owns sockets, store, keys, trace and clock.

To each neighbour goes one socket (PUSH, connect) with bundles, answers and reports; from all of them one comes (PULL,
bind). A message is two octets, the node it comes from, and a message of a hop; with keys the node must be that of the
connection. What is for this node is opened here, what is made here is sealed here; what passes is neither.
"""

import contextlib
import json
import logging
import secrets
from collections.abc import Callable
from typing import Any, TextIO

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.keys import next_start
from lookdown.wire.relay.bundle import FULL, MAX_PAYLOAD_OCTETS, REFUSED, TAKEN, Bundle, Key
from lookdown.wire.relay.config import NeighbourConfig, RelayConfig
from lookdown.wire.relay.core import Relay
from lookdown.wire.relay.local import unpack_request
from lookdown.wire.relay.plan import read_plan
from lookdown.wire.relay.routing import Network
from lookdown.wire.relay.store import Store
from lookdown.wire.sealed import Opener, Sealer
from lookdown.wire.security import UNSECURED, Gatekeeper, Security, Watch, security_of
from lookdown.wire.sockets import attach, prepare

_LOG = logging.getLogger(__name__)
_MESSAGES_PER_TURN = 256
_HIGH_WATER_MARK = 1000
_MAX_MESSAGE_OCTETS = 128 * 1024
_HEARTBEAT_MS, _SILENCE_MS = 500, 2000
_SOCKET = (_HIGH_WATER_MARK, _MAX_MESSAGE_OCTETS, _HEARTBEAT_MS, _SILENCE_MS)
_LONGEST_WAIT_MS = 100
_REFRESH_NS = NS_PER_S


class _Way:
    """The connection to one neighbour."""

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", config: NeighbourConfig, keys: Security | None
    ) -> None:
        self.node, self._endpoint, self._keys = config.node, config.endpoint, keys
        self.attempts = 0
        self.socket = context.socket(zmq.PUSH)
        prepare(self.socket, *_SOCKET)
        self.socket.immediate = True
        self.socket.set(zmq.RECONNECT_IVL, 50)
        self.socket.set(zmq.RECONNECT_IVL_MAX, 500)
        self.watch = Watch(self.socket)
        try:
            if keys:
                keys.secure_client(self.socket, config.node)
            attach(self.socket, config.endpoint, bind=False)
        except ConfigError:
            self.close()
            raise

    def again(self) -> None:
        """Connect anew after a refusal, which ZeroMQ takes for final, with the next of the peer's keys."""
        self.attempts += 1
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disconnect(self._endpoint)
        if self._keys:
            self._keys.secure_client(self.socket, self.node, self.attempts)
        self.socket.connect(self._endpoint)

    def close(self) -> None:
        """Close the socket."""
        self.watch.close()
        self.socket.close(linger=0)


class RelayProcess:
    """One relay, live.

    Parameters
    ----------
    config : RelayConfig
        What it is to do.
    context : zmq.Context
        Context of the process.
    clock : Clock
        Its time; the contact plan counts in it.

    Raises
    ------
    ConfigError
        Plan, store, keys or an endpoint cannot be used.
    """

    def __init__(self, config: RelayConfig, context: "zmq.Context[zmq.Socket[bytes]]", clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._events: list[tuple[int, str, Key, int]] = []
        self._asked: list[tuple[bytes, int, str]] = []
        self._refused_connections = 0
        self._refresh_ns = 0
        self._prefix = config.node.to_bytes(2, "big")
        network = Network(read_plan(config.plan), [config.node])
        absent = set(network.of_sender(config.node)) - {neighbour.node for neighbour in config.neighbours}
        if absent:
            raise ConfigError(f"neighbours: {config.plan} has contacts to {sorted(absent)}; wanted their endpoints")
        self._security = security_of(config.security)
        if self._security is None:
            _LOG.warning(UNSECURED)
        elif self._security.own.node_id != config.node:
            raise ConfigError(f"security.keys: wanted keys of node {config.node}, came {self._security.own.node_id}")
        self._start = next_start(config.security.keys) if config.security.keys else 0
        self._sealers: dict[int, Sealer] = {}
        self._opener = Opener(self._security.own, self._security.ring) if self._security else None
        with contextlib.ExitStack() as opened:
            self._store = opened.enter_context(contextlib.closing(Store(config.store, config.node, config.durable)))
            self._trace = opened.enter_context(config.trace.open("a", encoding="utf-8")) if config.trace else None
            self.relay = Relay(
                config.node,
                network,
                config.limits,
                journal=self._store,
                open_payload=self._open if self._security else None,
                trace=self._note if self._trace else None,
                held=self._store.held(),
                delivered=self._store.delivered(),
                first_transfer=secrets.randbits(62) + 1,
            )
            self._gate = Gatekeeper(context, self._security) if self._security else None
            if self._gate:
                opened.callback(self._gate.close)
            self._from_neighbours = opened.enter_context(context.socket(zmq.PULL))
            prepare(self._from_neighbours, *_SOCKET)
            if self._security:
                self._security.secure_server(self._from_neighbours)
            attach(self._from_neighbours, config.endpoint, bind=True)
            self._from_here = opened.enter_context(context.socket(zmq.ROUTER))
            prepare(self._from_here, *_SOCKET)
            attach(self._from_here, config.local, bind=True)
            self._ways: dict[int, _Way] = {}
            for neighbour in config.neighbours:
                self._ways[neighbour.node] = _Way(context, neighbour, self._security)
                opened.callback(self._ways[neighbour.node].close)
            self._closing = opened.pop_all()
        self._poller = zmq.Poller()
        for socket in (self._from_neighbours, self._from_here, *(way.watch.socket for way in self._ways.values())):
            self._poller.register(socket, zmq.POLLIN)
        if self._gate:
            self._poller.register(self._gate.socket, zmq.POLLIN)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Take turns until told to stop."""
        while not stopped():
            self.turn(_LONGEST_WAIT_MS)

    def turn(self, wait_ms: int) -> None:
        """Do what is due, after waiting for something to come, at most ``wait_ms``."""
        now_ns = self._clock.now_ns()
        due_ms = max(0, -(-(self.relay.due_ns(now_ns) - now_ns) // 1_000_000))
        ready = dict(self._poller.poll(min(wait_ms, due_ms)))
        now_ns = self._clock.now_ns()
        if self._from_neighbours in ready:
            self._hear(now_ns)
        if self._from_here in ready:
            self._take(now_ns)
        for way in self._ways.values():
            if way.watch.socket in ready:
                self._follow(way, now_ns)
        if self._gate and self._gate.socket in ready:
            for line in self._gate.service():
                self._refused_connections += 1
                _LOG.warning("refused: %s", line)
        self._send(self.relay.sends(now_ns))
        self._send(self.relay.settle(self._store.commit(), now_ns))
        for asker, verdict, reason in self._asked:
            with contextlib.suppress(zmq.ZMQError):
                self._from_here.send_multipart([asker, b"", bytes([verdict]) + reason.encode()], zmq.NOBLOCK)
        self._asked.clear()
        if self._trace and self._events:
            self._write_events(self._trace)
        if now_ns >= self._refresh_ns:
            self._refresh_ns = now_ns + _REFRESH_NS
            self._refresh()

    def close(self) -> None:
        """Close store and sockets."""
        self._closing.close()

    def _hear(self, now_ns: int) -> None:
        for _ in range(_MESSAGES_PER_TURN):
            try:
                frame = self._from_neighbours.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            data = frame.bytes
            node = int.from_bytes(data[:2], "big")
            if frame.more or len(data) < 3 or node not in self._ways or not self._is_from(node, frame):
                self.relay.counts["refused node"] += 1
                while frame.more:
                    frame = self._from_neighbours.recv(zmq.NOBLOCK, copy=False)
                continue
            self.relay.receive(node, data[2:], now_ns)

    def _is_from(self, node: int, frame: Any) -> bool:
        """Return whether a connection is that of a node."""
        return self._security is None or self._security.node_of(frame.get("User-Id")) == node

    def _take(self, now_ns: int) -> None:
        for _ in range(_MESSAGES_PER_TURN):
            try:
                parts = self._from_here.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) != 3:
                self.relay.counts["refused parts"] += 1
                continue
            verdict, reason = self._submit(parts[2], now_ns)
            self._asked.append((parts[0], verdict, reason))

    def _submit(self, data: bytes, now_ns: int) -> tuple[int, str]:
        try:
            destination, priority, lifetime_ns, boot_id, sequence, payload = unpack_request(data)
            header = (self._config.node, boot_id, sequence, destination, priority, now_ns, now_ns + lifetime_ns)
            bundle = Bundle(*header, payload)
            if destination not in self.relay.routes.network.index:
                return REFUSED, "no contact of the plan leads there"
            if self._security:
                bundle = bundle._replace(payload=self._sealer(destination).seal(payload, bundle.header()))
            if len(bundle.payload) > MAX_PAYLOAD_OCTETS:
                return REFUSED, f"it has {len(payload)} octets; wanted at most {MAX_PAYLOAD_OCTETS} with its seal"
            if not self.relay.submit(bundle, now_ns):
                return FULL, "the store is full of what matters as much"
        except (WireError, ConfigError, ValueError) as error:
            return REFUSED, str(error)
        return TAKEN, ""

    def _sealer(self, destination: int) -> Sealer:
        sealer = self._sealers.get(destination)
        if sealer is None and self._security:
            card = self._security.own.card
            if destination != self._config.node:
                found = self._security.ring.card(destination)
                if found is None:
                    raise ConfigError(f"node {destination} is not enrolled here; see lookdown-wire keys enrol")
                card = found
            sealer = self._sealers[destination] = Sealer(self._security.own, card, self._start)
        assert sealer
        return sealer

    def _open(self, bundle: Bundle) -> bytes:
        assert self._opener
        opened = self._opener.open(bundle.payload, bundle.header())
        if opened.sender_id != bundle.source:
            raise WireError("forged", f"sealed by node {opened.sender_id}, said to be from {bundle.source}")
        return opened.payload

    def _follow(self, way: _Way, now_ns: int) -> None:
        """Note connections that were made or came to nothing."""
        for failure in way.watch.events():
            if failure:
                self._refused_connections += 1
                _LOG.warning("no connection to node %d: %s", way.node, failure)
                way.again()
            else:
                self.relay.link_up(way.node, now_ns)

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

    def _note(self, time_ns: int, event: str, key: Key, peer: int) -> None:
        self._events.append((time_ns, event, key, peer))

    def _write_events(self, trace: TextIO) -> None:
        """Write what happened in this turn, when all that is urgent is done."""
        for time_ns, event, key, peer in self._events:
            entry = {"time_ns": time_ns, "node": self._config.node, "event": event, "id": str(key)}
            trace.write(json.dumps(entry | ({"peer": peer} if peer else {})) + "\n")
        trace.flush()
        self._events.clear()

    def _refresh(self) -> None:
        """Use keys that changed since."""
        if self._security and self._opener and self._security.refresh():
            self._sealers.clear()
            self._opener.renew(self._security.own, self._security.ring)
