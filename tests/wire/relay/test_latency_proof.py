"""What eight hops add: nine relays as processes, with CURVE between them and sealed messages from end to end.

The way of one message is timed, from the instant when the first relay has it to that when the last one has it, with
all nine processes on this machine's cores. The next message leaves when all relays have written the books of the one
before (*apart*), or as soon as it is delivered, while they still write (*one upon the other*). Beside it, what as many
hops of ZeroMQ's sockets alone take, each message 20 ms after the one before: less is not to be had with them.
"""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from lookdown.wire.relay.local import RelayClient
from lookdown.wire.relay.store import read_deliveries
from tests.wire.relay.bare_hops import ends
from tests.wire.relay.processes import ROOT, Relays, free_ports, relays

HOPS, MESSAGES, WARM_UP = 8, 400, 50
GAP_S = 0.02
LAST = HOPS + 1


def cpu_ns(run: Relays) -> int:
    """Processor time of all threads of all relays so far [ns]."""
    tasks = [task for process in run.running.values() for task in Path(f"/proc/{process.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@pytest.mark.proof
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "one upon the other"])
def test_what_eight_hops_add(context: Any, tmp_path: Path, record_property: Any, apart: bool) -> None:
    pairs = [(n, n + 1) for n in range(1, HOPS + 1)]
    with relays(tmp_path, pairs, proxies=None, followed=tuple(range(1, LAST + 1)) if apart else (LAST,)) as run:
        happened = run.follower.happened

        def done(n: int) -> bool:
            custody = all(happened[node, "custody"] >= n for node in range(1, LAST)) if apart else True
            return happened[LAST, "delivered"] >= n and custody

        before = cpu_ns(run)
        client = RelayClient(context, run.local(1), 1)
        for n in range(1, MESSAGES + 1):
            client.send(LAST, b"r" * 200, priority=3)
            assert run.follower.wait(lambda n=n: done(n), 10.0)  # type: ignore[misc]
        a_node_us = (cpu_ns(run) - before) / 1000 / MESSAGES / (HOPS + 1)
        run.stop()
        times = [m.arrival_ns - m.created_ns for m in read_deliveries(tmp_path / f"{LAST}.sqlite")]
    assert len(times) == MESSAGES
    ms = np.array(times[WARM_UP:]) / 1e6
    median_ms, p99_ms = np.percentile(ms, [50, 99])
    record_property("median_ms", median_ms)
    record_property("p99_ms", p99_ms)
    print(f"\nprocessor time of a node and message, custody, store and trace included: {a_node_us:.0f} us")
    print(
        f"{HOPS} hops on {os.cpu_count()} cores: {median_ms:.2f} ms median, {p99_ms:.2f} ms 99 % (goal 1, 3), "
        f"{ms.min():.2f} ms least"
    )


@pytest.mark.proof
def test_what_eight_hops_of_bare_sockets_take(context: Any) -> None:
    """The first and the last end are here, seven processes between."""
    public, secret = zmq.curve_keypair()
    at = [f"tcp://127.0.0.1:{port}" for port in free_ports(HOPS)]
    command = [sys.executable, "-m", "tests.wire.relay.bare_hops", public.decode(), secret.decode()]
    between = [subprocess.Popen([*command, *pair], cwd=ROOT) for pair in pairwise(at)]
    last, first = ends(context, public, secret, at[-1], at[0])
    ms = []
    for _ in range(MESSAGES):
        assert not last.poll(1000 * GAP_S)  # nothing comes unasked; this is the distance between messages
        begun = time.perf_counter()
        first.send(bytes(300))
        assert last.poll(30_000)
        last.recv()
        ms.append(1000 * (time.perf_counter() - begun))
    for process in between:
        process.kill()
        process.wait()
    for socket in (first, last):
        socket.close(linger=0)
    median_ms, p99_ms = np.percentile(ms[WARM_UP:], [50, 99])
    print(f"\n{HOPS} hops of bare sockets: {median_ms:.2f} ms median, {p99_ms:.2f} ms 99 %")
