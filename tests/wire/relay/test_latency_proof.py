"""What eight hops add: nine relays as processes, with CURVE between them and sealed messages from end to end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookdown.wire.relay.local import RelayClient
from lookdown.wire.relay.store import read_deliveries
from tests.wire.relay.processes import Relays, relays

HOPS, MESSAGES = 8, 400
LAST = HOPS + 1


def cpu_ns(run: Relays) -> int:
    """Processor time of all threads of all relays so far [ns]."""
    tasks = [task for process in run.running.values() for task in Path(f"/proc/{process.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@pytest.mark.proof
def test_what_eight_hops_add(context: Any, tmp_path: Path, record_property: Any) -> None:
    pairs = [(n, n + 1) for n in range(1, HOPS + 1)]
    with relays(tmp_path, pairs, proxies=None, followed=(LAST,)) as run:
        before = cpu_ns(run)
        client = RelayClient(context, run.local(1), 1)
        happened = run.follower.happened
        for n in range(1, MESSAGES + 1):
            client.send(LAST, b"r" * 200, priority=3)
            # One at a time: the way, not a queue.
            assert run.follower.wait(lambda n=n: happened[LAST, "delivered"] >= n, 10.0)  # type: ignore[misc]
        a_hop_us = (cpu_ns(run) - before) / 1000 / MESSAGES / (HOPS + 1)
        run.stop()
        times = [m.arrival_ns - m.created_ns for m in read_deliveries(tmp_path / f"{LAST}.sqlite")]
    assert len(times) == MESSAGES
    median_ms, p99_ms = np.percentile(np.array(times[50:]) / 1e6, [50, 99])
    record_property("median_ms", median_ms)
    print(f"\nprocessor time of a node and message, custody, store and trace included: {a_hop_us:.0f} us")
    print(f"{HOPS} hops: {median_ms:.2f} ms median, {p99_ms:.2f} ms 99 % (goal 1, 3), {min(times) / 1e6:.2f} ms least")
