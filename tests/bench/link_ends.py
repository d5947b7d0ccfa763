"""The two ends of a link over TCP in a process each, for `bench_link`; each says what its processor time came to.

usage: python -m tests.bench.link_ends COUNT KEYS     the link with all its rules; KEYS empty: without keys
       python -m tests.bench.link_ends COUNT -        ZeroMQ's sockets alone, a message a packet, nothing acknowledged
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from lookdown.wire.clock import SystemClock
from lookdown.wire.link import LinkReceiver, LinkSender
from lookdown.wire.security import Security

OCTETS = 200
GROUND, BOARD = 1, 7
WARM = 20_000  # packets before the clock starts
BARE = "-"
_CLOCK = SystemClock()


def security(keys: str, node: int) -> Security | None:
    return Security(Path(keys) / str(node)) if keys else None


def now_s() -> Any:
    """Processor time and time by the clock [s]."""
    return np.array([time.process_time(), time.perf_counter()])


def receive(context: Any, count: int, keys: str) -> list[float]:
    """Take `count` packets; return processor time and time by the clock of each after the first `WARM` [s]."""
    taken, counted_from = 0, 0
    if keys == BARE:
        socket = context.socket(zmq.ROUTER)
        socket.rcvhwm = 1000
        print(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}", flush=True)
        while taken < count:
            socket.recv_multipart()
            taken += 1
            if taken == WARM:
                begun, counted_from = now_s(), taken
        spent = now_s() - begun
        socket.close(linger=0)
    else:
        link = LinkReceiver(context, "tcp://127.0.0.1:*", _CLOCK, {BOARD}, security=security(keys, GROUND))
        print(link.endpoint, flush=True)
        while taken < count:
            taken += len(link.service(100))
            link.commit()
            if not counted_from and taken >= WARM:
                begun, counted_from = now_s(), taken
        spent = now_s() - begun
        sys.stdin.read()  # the sender has the last acknowledgement
        link.close()
    return [float(seconds) / (count - counted_from) for seconds in spent]


def send(context: Any, endpoint: str, count: int, keys: str) -> float:
    """Send `count` packets and return the processor time of each after the first `WARM` [s]."""
    packet, offered = bytes(OCTETS), 0
    if keys == BARE:
        socket = context.socket(zmq.DEALER)
        socket.sndhwm = 1000
        socket.connect(endpoint)
        for _ in range(count):
            if offered == WARM:
                begun = time.process_time()
            socket.send(packet)
            offered += 1
        spent = time.process_time() - begun
        socket.close(linger=-1)
        return spent / (count - WARM)
    link = LinkSender(context, endpoint, BOARD, _CLOCK, security=security(keys, BOARD), peer=GROUND)
    begun, counted_from = time.process_time(), 0
    while offered < count or not link.idle:
        for _ in range(min(count - offered, 8000 - link.held)):
            link.offer(packet, 2)
            offered += 1
        link.service(1)
        if not counted_from and link.stats.acknowledged >= WARM:
            begun, counted_from = time.process_time(), link.stats.acknowledged
    spent = time.process_time() - begun
    assert (link.stats.acknowledged, link.stats.dropped, link.stats.resent) == (count, 0, 0)
    link.close()
    return spent / (count - counted_from)


def measure(count: int, keys: str) -> dict[str, float]:
    """Processor time of a packet at each end, and time by the clock at the receiver, warm-up left out [s]."""
    command = [sys.executable, "-m", "tests.bench.link_ends", str(count), keys]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as far:
        assert far.stdin
        assert far.stdout
        endpoint = far.stdout.readline().strip()
        context: zmq.Context[Any] = zmq.Context()
        sender_s = send(context, endpoint, count, keys)
        context.term()
        far.stdin.close()
        receiver_s, wall_s = json.loads(far.stdout.readline())
        return {"sender_s": sender_s, "receiver_s": receiver_s, "wall_s": wall_s}


if __name__ == "__main__":
    with zmq.Context() as far_context:
        print(json.dumps(receive(far_context, int(sys.argv[1]), sys.argv[2])), flush=True)
