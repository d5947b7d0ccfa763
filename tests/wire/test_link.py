"""The link over real sockets: receivers that come late, die, are slow; a network that is cut; noise."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from lookdown.wire.clock import NS_PER_S, SteppedClock, SystemClock
from lookdown.wire.envelope import DATA, Envelope
from lookdown.wire.errors import ConfigError
from lookdown.wire.link import UNKNOWN, Delivery, LinkLimits, LinkReceiver, LinkSender

Until = Callable[..., None]
CLOCK = SystemClock()
QUICK = LinkLimits(window=64, capacity=100_000, resend_after_s=0.5)


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(start, start + count)]


def packets(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.packet for delivery in deliveries]


class Pair:
    """A sender and a receiver in one thread, and what the receiver stored."""

    def __init__(self, context: Any, endpoint: str, sender_endpoint: str | None = None) -> None:
        self.stored: list[Delivery] = []
        self.context, self.endpoint = context, endpoint
        self.sender = LinkSender(context, sender_endpoint or endpoint, 7, CLOCK, limits=QUICK)
        self.receiver: LinkReceiver | None = None

    def listen(self) -> None:
        self.receiver = LinkReceiver(self.context, self.endpoint, CLOCK, {7}, resume=self.stored)

    def step(self) -> None:
        self.sender.service(2)
        if self.receiver:
            self.stored += self.receiver.service(2)
            self.receiver.commit()

    def close(self) -> None:
        self.sender.close()
        if self.receiver:
            self.receiver.close()


def test_what_is_offered_arrives_once_in_order_with_its_origin(context: Any, endpoint: str, until: Until) -> None:
    clock = SteppedClock(5 * NS_PER_S)
    sender, receiver = LinkSender(context, endpoint, 7, clock), LinkReceiver(context, endpoint, clock, {7})
    got: list[Delivery] = []

    def step() -> None:
        sender.service(2)
        got.extend(receiver.service(2))
        receiver.commit()

    assert sender.idle
    for packet in numbers(300):
        assert sender.offer(packet, origin_ns=int(packet))
    assert not sender.idle
    until(lambda: sender.idle, step)
    assert packets(got) == numbers(300)
    assert all((d.sender_id, d.arrival_ns, d.origin_ns) == (7, 5 * NS_PER_S, int(d.packet)) for d in got)
    assert (sender.stats.sent, sender.stats.acknowledged, sender.stats.dropped) == (300, 300, 0)
    assert (receiver.stats[7].received, receiver.stats[7].lost) == (300, 0)
    assert sender.connections == 1
    sender.close()
    receiver.close()


def test_nothing_is_acknowledged_before_it_is_stored(context: Any, endpoint: str, until: Until) -> None:
    sender, receiver = LinkSender(context, endpoint, 7, CLOCK), LinkReceiver(context, endpoint, CLOCK)
    got: list[Delivery] = []
    sender.offer(b"x")
    until(lambda: bool(got), lambda: (sender.service(2), got.extend(receiver.service(2))))
    for _ in range(5):
        sender.service(2)
        assert receiver.service(2) == []
    assert sender.held == 1
    receiver.commit()
    until(lambda: sender.idle, lambda: sender.service(2))
    sender.close()
    receiver.close()


def test_a_receiver_that_comes_late_gets_everything(context: Any, endpoint: str, until: Until) -> None:
    pair = Pair(context, endpoint)
    for packet in numbers(1000):
        assert pair.sender.offer(packet)
    for _ in range(3):
        pair.sender.service(1)
    assert pair.sender.stats.sent == 0  # nothing leaves for nobody
    pair.listen()
    until(lambda: pair.sender.idle, pair.step)
    assert packets(pair.stored) == numbers(1000)
    pair.close()


def test_a_restarted_receiver_goes_on_without_loss_or_repeat(context: Any, endpoint: str, until: Until) -> None:
    pair = Pair(context, endpoint)
    pair.listen()
    offered = 0
    for restart in range(4):
        for packet in numbers(500, offered):
            pair.sender.offer(packet)
        offered += 500
        until(lambda wanted=offered - 300: len(pair.stored) >= wanted, pair.step)
        # Dies between storing and acknowledging, with more on the way, and comes again.
        pair.sender.service(2)
        pair.stored += pair.receiver.service(20)
        pair.receiver.close()
        for _ in range(restart):
            pair.sender.service(2)
        pair.listen()
    until(lambda: pair.sender.idle, pair.step)
    assert packets(pair.stored) == numbers(offered)
    assert pair.receiver.stats[7].lost == 0
    assert pair.sender.connections == 5
    pair.close()


def shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # its peer may have gone first
        end.shutdown(socket.SHUT_RDWR)


class Proxy(threading.Thread):
    """A TCP way that can be cut, and can fall silent without being closed."""

    def __init__(self, target_port: int) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._target_port = target_port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self.silent = threading.Event()
        self.start()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            for a, b in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pump, args=(a, b), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _pump(self, a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(4096):
                if not self.silent.is_set():
                    b.sendall(data)
        for end in (a, b):
            shut(end)

    def cut(self) -> None:
        for pair in self._pairs:
            for end in pair:
                shut(end)

    def close(self) -> None:
        self.cut()
        shut(self._listener)
        self._listener.close()
        self.join(5)
        for thread in self._threads:
            thread.join(5)
        for pair in self._pairs:
            for end in pair:
                end.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_cut_network_loses_and_repeats_nothing(context: Any, until: Until) -> None:
    port = free_port()
    proxy = Proxy(port)
    pair = Pair(context, f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{proxy.port}")
    pair.listen()
    for cut in range(5):
        for packet in numbers(400, 400 * cut):
            pair.sender.offer(packet)
        wanted = 400 * cut + 150
        until(lambda wanted=wanted: len(pair.stored) >= wanted, pair.step)
        proxy.cut()
    until(lambda: pair.sender.idle, pair.step)
    assert packets(pair.stored) == numbers(2000)
    assert pair.receiver.stats[7].lost == 0
    assert pair.sender.connections == 6
    pair.close()
    proxy.close()


def test_a_connection_that_falls_silent_is_survived_by_resending(context: Any, until: Until) -> None:
    port = free_port()
    proxy = Proxy(port)
    pair = Pair(context, f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{proxy.port}")
    pair.listen()
    pair.sender.offer(b"0")
    until(lambda: pair.sender.idle, pair.step)
    proxy.silent.set()
    for packet in numbers(49, 1):
        pair.sender.offer(packet)
    until(lambda: pair.sender.stats.resent > 0, pair.step)
    assert len(pair.stored) == 1
    proxy.cut()
    proxy.silent.clear()
    until(lambda: pair.sender.idle, pair.step)
    assert packets(pair.stored) == numbers(50)
    pair.close()
    proxy.close()


def test_a_slow_receiver_bounds_what_is_in_flight(context: Any, endpoint: str, until: Until) -> None:
    limits = LinkLimits(window=16, capacity=100, resend_after_s=60.0)
    sender, receiver = LinkSender(context, endpoint, 7, CLOCK, limits=limits), LinkReceiver(context, endpoint, CLOCK)
    got: list[Delivery] = []
    for packet in numbers(150):
        sender.offer(packet)
    assert sender.held == 100
    for _ in range(20):
        sender.service(2)
        got += receiver.service(2)
        assert sender.stats.sent <= 16
    assert len(got) == 16

    def step() -> None:
        receiver.commit()
        sender.service(2)
        got.extend(receiver.service(2))

    until(lambda: sender.idle, step)
    assert packets(got) == numbers(100, 50)
    assert receiver.stats[7].lost == sender.stats.dropped == 50
    assert sender.stats.resent == 0
    sender.close()
    receiver.close()


def test_twenty_thousand_messages_of_two_senders(context: Any, endpoint: str, until: Until) -> None:
    receiver = LinkReceiver(context, endpoint, CLOCK, {1, 2})
    senders = [LinkSender(context, endpoint, sender_id, CLOCK) for sender_id in (1, 2)]
    got: dict[int, list[bytes]] = {1: [], 2: []}
    packet = bytes(680)
    for sender in senders:
        for n in range(10_000):
            assert sender.offer(packet + b"%d" % n)

    def step() -> None:
        for sender in senders:
            sender.service(0)
        for delivery in receiver.service(5):
            got[delivery.sender_id].append(delivery.packet)
        receiver.commit()

    until(lambda: all(sender.idle for sender in senders), step)
    for sender_id in (1, 2):
        assert got[sender_id] == [packet + b"%d" % n for n in range(10_000)]
        assert receiver.stats[sender_id].lost == receiver.stats[sender_id].repeated == 0
    for link in (*senders, receiver):
        link.close()


def test_noise_is_counted_by_reason_and_harms_nobody(context: Any, endpoint: str, until: Until) -> None:
    receiver = LinkReceiver(context, endpoint, CLOCK, {7})
    noisy = context.socket(zmq.DEALER)
    noisy.connect(endpoint)
    damaged = bytearray(Envelope(DATA, 7, 1, 1, packet=b"x").encode())
    damaged[20] ^= 4
    for parts in (
        [b"hello"],
        [b"a", b"b"],
        [b"GET / HTTP/1.1\r\n" * 9],
        [bytes(damaged)],
        [Envelope(DATA, 9, 1, 1, packet=b"x").encode()],
        [bytes(200_000)],
    ):
        noisy.send_multipart(parts)
    sender = LinkSender(context, endpoint, 7, CLOCK)
    sender.offer(b"good")
    got: list[Delivery] = []

    def step() -> None:
        sender.service(2)
        got.extend(receiver.service(2))
        receiver.commit()

    wanted = {"truncated": 1, "parts": 1, "magic": 1, "crc": 1, "sender": 1, "oversize": 1}
    until(lambda: sender.idle and receiver.stats.get(UNKNOWN) and receiver.stats[UNKNOWN].refused == wanted, step)
    assert packets(got) == [b"good"]
    for link in (sender, receiver, noisy):
        link.close()


def test_a_bad_acknowledgement_releases_nothing(context: Any, endpoint: str, until: Until) -> None:
    router = context.socket(zmq.ROUTER)
    router.bind(endpoint)
    sender = LinkSender(context, endpoint, 7, CLOCK, boot_id=5)
    sender.offer(b"x")
    until(lambda: router.poll(0), lambda: sender.service(5))
    peer, _ = router.recv_multipart()
    router.send_multipart([peer, b"nonsense"])
    until(lambda: sender.stats.refused["truncated"] == 1, lambda: sender.service(5))
    assert sender.held == 1
    sender.close()
    router.close(linger=0)


def test_a_poller_of_the_owner_wakes_for_the_link(context: Any, endpoint: str) -> None:
    sender = LinkSender(context, endpoint, 7, SteppedClock(), limits=QUICK)
    sender.offer(b"x")
    sender.service()
    poller = zmq.Poller()
    sender.register(poller)
    assert sender.wait_ms(1000) == 1000  # nothing in flight
    receiver = LinkReceiver(context, endpoint, CLOCK)
    assert poller.poll(5000)  # the connection
    sender.service()
    assert sender.wait_ms(1000) == 500  # in flight: time to resend
    assert receiver.service(5000)
    receiver.commit()
    sender.register(poller)
    assert poller.poll(5000)  # the acknowledgement
    sender.service()
    assert sender.idle
    sender.close()
    receiver.close()


def test_endpoints_that_cannot_be_had_are_named(context: Any, endpoint: str) -> None:
    receiver = LinkReceiver(context, f"tcp://127.0.0.1:{free_port()}", CLOCK)
    taken = receiver.endpoint
    with pytest.raises(ConfigError, match=r"cannot bind endpoint 'tcp.*Address already in use"):
        LinkReceiver(context, taken, CLOCK)
    for wrong in ("nonsense", "", "tcp://127.0.0.1"):
        with pytest.raises(ConfigError, match=f"cannot connect to endpoint '{wrong}'"):
            LinkSender(context, wrong, 7, CLOCK)
    receiver.close()
