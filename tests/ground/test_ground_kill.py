"""The ground's process killed at random moments: what its board was promised stands in the recording, once."""

import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import zmq

from lookdown.ground.live import RECORDING_NAME
from lookdown.wire.clock import SystemClock
from lookdown.wire.link import LinkLimits, LinkSender
from lookdown.wire.messages import Health
from lookdown.wire.packet import decode, encode
from lookdown.wire.recording import Recording

CONFIG = """endpoint = "{endpoint}"
folder = "{folder}"
[[fusion.sensors]]
sensor_id = 7
rows = 64
cols = 64
"""


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.proof)])
@pytest.mark.timeout(1800)
def test_a_ground_killed_at_random_moments_loses_and_repeats_nothing(tmp_path: Path, kills: int) -> None:
    draw = random.Random(kills)
    endpoint, run, file = f"ipc://{tmp_path}/link", tmp_path / "run", tmp_path / "ground.toml"
    file.write_text(CONFIG.format(endpoint=endpoint, folder=run))
    context: zmq.Context[Any] = zmq.Context()
    limits = LinkLimits(window=256, capacity=1_000_000, resend_after_s=0.5)
    sender = LinkSender(context, endpoint, 7, SystemClock(), limits=limits)
    offered = 0

    def offer(count: int) -> None:
        nonlocal offered
        for _ in range(count):
            sender.offer(encode(Health(7, 1 + offered, offered, 0, 0, 0, 0, 0, 0), offered), 1)
            offered += 1

    for kill in range(kills + 1):
        last = kill == kills
        # As many packets as the ground may store before it dies: between none after its start and some thousands.
        die_after = draw.choice((1, draw.randrange(1, 200), draw.randrange(200, 4000)))
        process = subprocess.Popen([sys.executable, "-m", "lookdown.ground", "run", "--config", str(file)], **QUIET)
        over = threading.Event()
        threading.Thread(target=lambda p=process, o=over: (p.wait(), o.set()), daemon=True).start()
        target = sender.stats.acknowledged + die_after
        while not (sender.idle and offered if last else sender.stats.acknowledged >= target):
            if not last and sender.held < 2_000:
                offer(draw.randrange(1, 500))
            sender.service(20)
            assert not over.is_set(), "the ground ended by itself"
        (process.terminate if last else process.kill)()
        assert over.wait(30)
    sender.close()
    context.term()
    numbers = [decode(delivery.packet).frames_processed for delivery in Recording(run / RECORDING_NAME)]
    assert numbers == list(range(offered))
    assert (sender.stats.dropped, sender.stats.acknowledged) == (0, offered)


QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
