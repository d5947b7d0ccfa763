"""The ground process over real sockets: stored before acknowledged, the same tracks as from its recording."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import zmq

from lookdown.ground.config import GroundConfig
from lookdown.ground.live import RECORDING_NAME, Ground
from lookdown.ground.offline import fuse
from lookdown.ground.query import HistoryReader
from lookdown.wire.clock import SystemClock
from lookdown.wire.config import load_config, parse_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.link import LinkSender
from lookdown.wire.messages import End, Health, Picture, PlotReport, TrackStatus
from lookdown.wire.packet import decode, encode
from lookdown.wire.recording import Recording
from lookdown.wire.security import Security

DEADLINE_S = 20.0


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


def make_scene(world, seconds=5.0):
    scene = world(seed=3, false_plots=2.0)
    scene.add_mover(-8e3, 0.0, 30e3, 2400.0, 90.0)
    scene.add_mover(0.0, -4e3, 10e3, 250.0, 0.0)
    scene.add_standing(4e3, 6e3, 5e3)
    return scene, list(scene.reports(seconds))


def config_text(scene, folder, endpoint, **more):
    lines = [f'endpoint = "{endpoint}"', f'folder = "{folder}"', "exit_when_all_ended = true"]
    lines += [f'{key} = "{value}"' for key, value in more.items()]
    lines += ["[fusion]", "hold_s = 60.0"]  # whole streams are sent at once
    for sensor in scene.parameters().sensors:
        lines += [
            "[[fusion.sensors]]",
            f"sensor_id = {sensor.sensor_id}",
            f"rows = {scene.rows}",
            f"cols = {scene.cols}",
        ]
    return "\n".join(lines)


def packets_of(reports):
    """Packets by sensor: health, reports, end."""
    packets = {}
    for report in reports:
        packets.setdefault(report.sensor_id, [encode(Health(report.sensor_id, report.time_ns, 0, 0, 0, 0, 0, 0, 0))])
        packets[report.sensor_id].append(encode(report, len(packets[report.sensor_id])))
    for sensor_id, own in packets.items():
        own.append(encode(End(sensor_id, reports[-1].time_ns, len(own) - 1)))
    return packets


def offer_all(context, endpoint, packets):
    senders = []
    for sensor_id, own in packets.items():
        sender = LinkSender(context, endpoint, sensor_id, SystemClock(), boot_id=sensor_id)
        for packet in own:
            assert sender.offer(packet, origin_ns=7)
        senders.append(sender)
    return senders


def two_live(message):
    return isinstance(message, Picture) and sum(track.status != TrackStatus.TENTATIVE for track in message.tracks) == 2


def drive(senders, turn, done):
    limit_s = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < limit_s, "no end in sight"
        for sender in senders:
            sender.service(0)
        turn()


def test_history_of_a_live_run_equals_fuse_of_its_recording(world, tmp_path, context):
    scene, reports = make_scene(world)
    packets = packets_of(reports)
    endpoint = f"ipc://{tmp_path}/in"
    text = config_text(scene, tmp_path / "run", endpoint, picture_endpoint=f"ipc://{tmp_path}/out")
    config = parse_config(text, GroundConfig, "test")
    subscriber = context.socket(zmq.SUB)
    subscriber.linger = 0
    subscriber.subscribe(b"")
    ground = Ground(config, context, SystemClock())
    subscriber.connect(config.picture_endpoint)
    senders = offer_all(context, endpoint, packets)
    heard = []

    def turn():
        ground.service(1)
        while subscriber.poll(0):
            heard.append(decode(subscriber.recv_multipart()[-1]))

    drive(senders, turn, lambda: all(sender.idle for sender in senders))
    drive(senders, turn, lambda: any(two_live(message) for message in heard))
    counters = ground.finish()
    for sender in senders:
        sender.close()
    subscriber.close()

    assert {message.sensor_id for message in heard if isinstance(message, Health)} == set(packets)
    assert counters["senders"]["1"]["received"] == len(packets[1])
    assert counters["senders"]["1"]["lost"] == counters["senders"]["1"]["repeated"] == 0
    updates = fuse(tmp_path / "run" / RECORDING_NAME, hold_s=60.0, sensors=scene.parameters().sensors)
    assert len(np.unique(updates["track_id"][updates["status"] == 1])) == 2
    history = HistoryReader(tmp_path / "run")
    assert history.updates().tobytes() == updates.tobytes()
    seen = history.table("reports")
    assert len(seen) == len(reports)
    assert set(seen["origin_ns"].to_pylist()) == {7}
    assert (seen["fused_ns"].to_numpy() >= seen["arrival_ns"].to_numpy()).all()
    assert {"confirmed", "end"} <= set(history.table("events")["kind"].to_pylist())
    assert history.counters[2, "accepted"] == len(packets[2]) - 2
    assert len(history.table("plot_links")) >= len(updates[updates["status"] == 1]) * 0.9


def test_a_second_process_goes_on_where_the_first_was_killed(world, tmp_path, context):
    scene, reports = make_scene(world, 4.0)
    packets = packets_of(reports)
    endpoint = f"ipc://{tmp_path}/in"
    config = parse_config(config_text(scene, tmp_path / "run", endpoint), GroundConfig, "test")
    first = Ground(config, context, SystemClock())
    half = {sensor_id: own[: len(own) // 2] for sensor_id, own in packets.items()}
    senders = offer_all(context, endpoint, half)
    drive(senders, lambda: first.service(1), lambda: all(sender.idle for sender in senders))
    first.abandon()
    for sender, own in zip(senders, packets.values(), strict=True):
        for packet in own[len(own) // 2 :]:
            sender.offer(packet)
    second = Ground(config, context, SystemClock())
    drive(senders, lambda: second.service(1), lambda: all(sender.idle for sender in senders))
    counters = second.finish()
    for sender in senders:
        sender.close()
    for sensor_id, own in packets.items():
        assert counters["senders"][str(sensor_id)]["fused"] == len(own) - 2
    assert sum(isinstance(decode(d.packet), PlotReport) for d in Recording(tmp_path / "run" / RECORDING_NAME)) == len(
        reports
    )
    with pytest.raises(ConfigError, match="finished run; choose another folder"):
        Ground(config, context, SystemClock())


def test_with_keys_a_stranger_is_noted_and_the_enrolled_are_heard(world, tmp_path, context):
    scene, reports = make_scene(world, 1.0)
    packets = packets_of(reports)
    endpoint = f"ipc://{tmp_path}/in"
    ground = tmp_path / "ground-keys"
    NodeKeys.make(100, 0).save(ground)
    for node in (1, 2, 9):
        NodeKeys.make(node, 0).save(tmp_path / str(node))
        enrol(tmp_path / str(node), NodeKeys.load(ground).card)
    for node in (1, 2):
        enrol(ground, NodeKeys.load(tmp_path / str(node)).card)
    text = config_text(scene, tmp_path / "run", endpoint) + f'\n[security]\nkeys = "{ground}"\n'
    process = Ground(parse_config(text, GroundConfig, "test"), context, SystemClock())

    def sender(node, as_sensor):
        keys = Security(tmp_path / str(node))
        made = LinkSender(context, endpoint, as_sensor, SystemClock(), security=keys, peer=100)
        for packet in packets[as_sensor]:
            made.offer(packet)
        return made

    stranger, one, two = sender(9, 2), sender(1, 1), sender(2, 2)
    begun = time.monotonic()
    drive([stranger], lambda: process.service(1), lambda: process._refusals_due_ns and stranger.refusals.count)
    assert time.monotonic() - begun < DEADLINE_S
    drive([one, two, stranger], lambda: process.service(1), lambda: one.idle and two.idle)
    assert not stranger.idle
    counters = process.finish()["senders"]
    assert counters["0"]["link_refused_peer not enrolled"] >= 1
    assert [counters[str(node)]["received"] for node in (1, 2)] == [len(packets[1]), len(packets[2])]
    events = HistoryReader(tmp_path / "run").query("SELECT text FROM events WHERE kind = 'refused'")
    texts = [text for (text,) in events.fetchall()]
    assert len(texts) >= 1
    assert "is not enrolled" in texts[0]
    for made in (stranger, one, two):
        made.close()


def test_commands_run_and_fuse(world, tmp_path, context):
    scene, reports = make_scene(world, 4.0)
    packets = packets_of(reports)
    endpoint = f"ipc://{tmp_path}/in"
    path = tmp_path / "ground.toml"
    path.write_text(config_text(scene, tmp_path / "run", endpoint), encoding="utf-8")
    command = [sys.executable, "-m", "lookdown.ground"]
    with subprocess.Popen(
        [*command, "run", "--config", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        senders = offer_all(context, endpoint, packets)
        drive(
            senders,
            lambda: senders[0].service(5),
            lambda: all(sender.idle for sender in senders) or process.poll() is not None,
        )
        out, said = process.communicate(timeout=DEADLINE_S)
    for sender in senders:
        sender.close()
    assert process.returncode == 0, said
    counters = json.loads(out.splitlines()[-1])
    assert counters["senders"]["3"]["fused"] == len(packets[3]) - 2

    tracks = tmp_path / "tracks.jsonl"
    arguments = ["fuse", str(tmp_path / "run" / RECORDING_NAME), "--out", str(tracks), "--config", str(path)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    assert "2 confirmed tracks" in done.stderr
    lines = [json.loads(line) for line in tracks.read_text(encoding="utf-8").splitlines()]
    updates = HistoryReader(tmp_path / "run").updates()
    rows = zip(updates["track_id"].tolist(), updates["time_ns"].tolist(), updates["position_m"].tolist(), strict=True)
    assert [(line["id"], line["time_ns"], line["position_m"]) for line in lines] == list(rows)
    assert {"status", "velocity_m_s", "sigma_position_m", "hits"} <= lines[0].keys()


def test_example_configuration_is_valid_and_shows_defaults():
    from pathlib import Path

    config = load_config(Path(__file__).parents[2] / "config" / "ground.toml", GroundConfig)
    default = GroundConfig()
    for name in ("hold_s", "confirm_score", "process_noise_m2_s3", "drop_after_s", "max_plots", "min_speed_m_s"):
        assert getattr(config.fusion, name) == getattr(default.fusion, name)


def test_what_cannot_be_used_is_told_in_one_line(tmp_path, context, capsys):
    from lookdown.ground.__main__ import main

    for argv in (
        ["fuse", str(tmp_path / "none.ldrec"), "--out", "-"],
        ["fuse", __file__, "--out", "-"],
        ["run", "--config", str(tmp_path / "none.toml")],
    ):
        assert main(argv) == 2
        said = capsys.readouterr().err
        assert said.startswith("lookdown-ground: ")
        assert said.count("\n") == 1
    with pytest.raises(ConfigError, match="endpoint"):
        Ground(GroundConfig(), context, SystemClock())
    with pytest.raises(ConfigError, match=r"fuse: unknown key 'min_sped_m_s'; did you mean 'min_speed_m_s'"):
        fuse(tmp_path / "x.ldrec", min_sped_m_s=3.0)
