"""The ground's process killed at random moments: what boards were promised stands in the recording, once, and resumed
tracks are to the last bit those of a run that nobody disturbed.
"""

import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from lookdown.ground.events import Happening
from lookdown.ground.live import RECORDING_NAME
from lookdown.ground.offline import reports_in
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.query import HistoryReader
from lookdown.wire.clock import SystemClock
from lookdown.wire.envelope import Delivery
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


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.proof)])
@pytest.mark.timeout(1800)
def test_resumed_tracks_equal_those_of_an_undisturbed_run_to_the_last_bit(
    world: Any, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(100 + kills)
    scene = world(seed=3, false_plots=4.0)
    scene.add_mover(-8e3, 0.0, 30e3, 2400.0, 90.0)
    scene.add_mover(0.0, -4e3, 10e3, 250.0, 0.0)
    scene.add_standing(4e3, 6e3, 5e3)
    reports = list(scene.reports(6.0 if kills < 10 else 20.0))
    sensors = scene.parameters().sensors
    endpoint, run, file = f"ipc://{tmp_path}/link", tmp_path / "run", tmp_path / "ground.toml"
    text = f'endpoint = "{endpoint}"\nfolder = "{run}"\n[history]\ncommit_s = 0.02\npart_s = 2.0\npart_rows = 100\n'
    text += "[fusion]\nhold_s = 60.0\n"
    text += "".join(
        f"[[fusion.sensors]]\nsensor_id = {s.sensor_id}\nrows = {s.rows}\ncols = {s.cols}\n" for s in sensors
    )
    file.write_text(text)
    context: zmq.Context[Any] = zmq.Context()
    senders = {s.sensor_id: LinkSender(context, endpoint, s.sensor_id, SystemClock(), boot_id=1) for s in sensors}
    waiting = list(reports)

    def acknowledged() -> int:
        return sum(sender.stats.acknowledged for sender in senders.values())

    for kill in range(kills + 1):
        command = [sys.executable, "-m", "lookdown.ground", "run", "--config", str(file)]
        said = tmp_path / f"said-{kill}"
        with said.open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        over = threading.Event()
        threading.Thread(target=lambda p=process, o=over: (p.wait(), o.set()), daemon=True).start()
        share = len(reports) * (kill + 1) // (kills + 1)
        offered = len(reports) - len(waiting)
        for report in waiting[: max(share - offered, 0)]:
            senders[report.sensor_id].offer(encode(report, report.frame_id), 1)
        del waiting[: max(share - offered, 0)]
        target = share if kill == kills else acknowledged() + draw.randrange(max(share - acknowledged(), 1))
        while acknowledged() < target or "listening" not in said.read_text():
            for sender in senders.values():
                sender.service(5)
            assert not over.is_set(), said.read_text()
        if kill < kills:
            for _ in range(draw.randrange(40)):  # some turns more: between a commit, a part and the next packet
                next(iter(senders.values())).service(1)
        (process.terminate if kill == kills else process.kill)()
        assert over.wait(30)
    for sender in senders.values():
        sender.close()
    context.term()
    undisturbed = Pipeline(replace(scene.parameters(), hold_s=60.0))
    events = [event for report in reports for event in undisturbed.take(as_delivery(report))] + undisturbed.finish()
    wanted = np.concatenate([event.updates for event in reports_in(events)])
    history = HistoryReader(run)
    assert len(wanted) > 50
    assert history.updates().tobytes() == wanted.tobytes()
    links = history.table("plot_links", ("sensor_id", "frame_id", "plot_index", "track_id")).to_pylist()
    assert [tuple(row.values()) for row in links] == [
        (event.arrival.report.sensor_id, event.arrival.report.frame_id, *link)
        for event in reports_in(events)
        for link in event.links.tolist()
    ]
    happenings = [(e.time_ns, e.kind, e.text) for e in events if isinstance(e, Happening)]
    told = history.table("events", ("time_ns", "kind", "text")).to_pylist()
    assert [tuple(row.values()) for row in told] == happenings
    counted = {key: value for key, value in history.counters.items() if key in undisturbed.counters}
    assert counted == undisturbed.counters
    assert len(list((run / "history" / "track_updates").glob("date=*/part-*.parquet"))) > 1


def as_delivery(report: Any) -> Delivery:
    return Delivery(report.sensor_id, 1, 0, encode(report, report.frame_id), 1)


QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
