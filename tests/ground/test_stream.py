"""Live outputs: what arrives is whole, what does not is counted, and nothing waits."""

import json
import socket

import geojson
import numpy as np
import pytest
import takproto.functions
import zmq

from lookdown.ground.__main__ import main
from lookdown.ground.config import GroundConfig
from lookdown.ground.outputs.stream import MAX_BACKLOG_OCTETS, Output, OutputConfig
from lookdown.wire.clock import SteppedClock
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import TrackStatus
from tests.ground.samples import MOVERS, make_points


@pytest.fixture(scope="module")
def points():
    return make_points()


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


@pytest.fixture
def make(context):
    opened = []

    def open_output(form, to, **more):
        clock = SteppedClock()
        output = Output(OutputConfig(form, to, **more), context, clock)
        opened.append(output)
        return output, clock

    yield open_output
    for output in opened:
        output.close()


def offer(output, clock, points, times=1):
    for _ in range(times):
        output.offer(lambda: points)
        clock.advance(1.0)


def test_datagrams_carry_a_message_each_and_pictures_are_paced(make, points):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10.0)
        output, clock = make("cot", f"udp://127.0.0.1:{heard.getsockname()[1]}", rate_hz=1.0)
        now = points.take(np.arange(len(MOVERS)))
        output.offer(lambda: now)
        clock.advance(0.4)
        output.offer(lambda: pytest.fail("not due"))
        uids = [takproto.functions.parse_proto(bytearray(heard.recv(65536))).cotEvent.uid for _ in MOVERS]
    assert uids == [f"lookdown-{track}" for track in now.track_id]
    assert output.counts == {"sent": len(MOVERS), "lost": 0, "left_out": 0}
    output._sink.send(bytes(70_000))
    assert output.counts["lost"] == 1


def test_first_and_last_message_of_a_track_are_marked(make, points):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10.0)
        output, clock = make("asterix", f"udp://127.0.0.1:{heard.getsockname()[1]}", sac=1, sic=2)
        one = points.take(np.array([0]))
        offer(output, clock, one, 2)
        first, second = heard.recv(65536), heard.recv(65536)
    assert first[:3] == second[:3] == bytes([62, 0, len(first)])
    differ = [index for index, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    assert [first[index] ^ second[index] for index in differ] == [0x20]  # I062/080 TSB


def test_a_stream_connects_again_and_loses_whole_messages_alone(make, points):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        output, clock = make("geojson", f"tcp://127.0.0.1:{port}")
        offer(output, clock, points)  # nobody listens
        clock.advance(1.0)
        output._sink.send(b"x\n")
        assert output.counts["sent"] == 0
        assert output.counts["lost"] >= len(points)
        server.listen(1)
        server.settimeout(10.0)
        lost = output.counts["lost"]
        clock.advance(2.0)
        output._sink.send(b"")  # begins to connect
        peer, _ = server.accept()
        with peer:
            peer.settimeout(10.0)
            offer(output, clock, points)
            expected = len(points)
            lines = peer.makefile("rb")
            read = [lines.readline() for _ in range(expected)]
            assert all(geojson.loads(line).is_valid for line in read)
            assert output.counts["lost"] <= lost + 1
            # A reader that has stopped: the backlog stays bounded, the rest is lost and counted.
            before = output.counts["lost"]
            for number in range(40_000):
                output._sink.send(b"%d " % number + b"z" * 990 + b"\n")
                if output.counts["lost"] > before + 100:
                    break
            assert output.counts["lost"] > before + 100
            assert output._sink._octets <= MAX_BACKLOG_OCTETS
            following = int(lines.readline().split(b" ")[0])
            for _ in range(200):
                number = int(lines.readline().split(b" ")[0])
                assert number == following + 1
                following = number
            lines.close()


def test_a_slow_subscriber_loses_what_is_counted(make, points, context, tmp_path):
    output, clock = make("czml", f"zmq:ipc://{tmp_path}/out")
    subscriber = context.socket(zmq.SUB)
    subscriber.linger = 0
    subscriber.rcvhwm = 10
    subscriber.subscribe(b"")
    subscriber.connect(f"ipc://{tmp_path}/out")
    assert output._sink._socket.poll(10_000, zmq.POLLIN)  # it has subscribed
    offer(output, clock, points)
    assert json.loads(subscriber.recv())["id"] == "track-1"
    for _ in range(20_000):
        output._sink.send(bytes(10_000))
        if output.counts["lost"]:
            break
    assert output.counts["lost"] >= 1
    subscriber.close()


def test_a_file_grows_by_whole_messages(make, points, tmp_path):
    output, clock = make("stanag4607", f"file:{tmp_path}/out/movers.4607")
    seen = points.take(np.arange(len(points)))
    seen.status[:] = TrackStatus.CONFIRMED
    offer(output, clock, seen, 2)
    octets = (tmp_path / "out" / "movers.4607").read_bytes()
    sizes = 0
    while octets:
        size = int.from_bytes(octets[2:6], "big")
        octets, sizes = octets[size:], sizes + 1
    assert sizes == output.counts["sent"] == 8


@pytest.mark.parametrize(
    ("to", "word"),
    [
        ("udp://host", "udp://host:port"),
        ("tcp://:0", "tcp://host:port"),
        ("carrier-pigeon:home", "wanted udp"),
        ("file:", "wanted udp"),
    ],
)
def test_an_address_that_cannot_be_is_refused(to, word):
    with pytest.raises(ConfigError, match=word):
        parse_config({"outputs": [{"format": "cot", "to": to}]}, GroundConfig, "test")


def test_an_address_that_cannot_be_used_is_told(make):
    with pytest.raises(ConfigError, match="cannot be used"):
        make("cot", "zmq:nothing://here")
    with pytest.raises(ConfigError, match="cannot be used"):
        make("cot", "file:/proc/none/here")


def test_a_live_ground_streams_what_its_history_exports(world, tmp_path, context, capsysbinary):
    from lookdown.ground.live import Ground
    from tests.ground.test_live import config_text, drive, make_scene, offer_all, packets_of

    scene, reports = make_scene(world)
    endpoint, run = f"ipc://{tmp_path}/in", tmp_path / "run"
    text = config_text(scene, run, endpoint)
    text += f'\n[[outputs]]\nformat = "geojson"\nto = "file:{tmp_path}/live.geojsonl"\nrate_hz = 50\nsimulated = true\n'
    from lookdown.wire.clock import SystemClock

    ground = Ground(parse_config(text, GroundConfig, "test"), context, SystemClock())
    senders = offer_all(context, endpoint, packets_of(reports))
    drive(senders, lambda: ground.service(1), lambda: all(sender.idle for sender in senders))
    live = tmp_path / "live.geojsonl"
    drive(senders, lambda: ground.service(1), lambda: live.stat().st_size > 0)
    counters = ground.finish()
    for sender in senders:
        sender.close()
    features = [json.loads(line) for line in live.read_bytes().splitlines()]
    assert counters["outputs"] == [
        {"format": "geojson", "to": f"file:{live}", "sent": len(features), "lost": 0, "left_out": 0}
    ]
    assert all(feature["properties"]["status"] != "tentative" for feature in features)

    exported = tmp_path / "tracks.geojson"
    assert main(["export", str(run), "--format", "geojson", "--out", str(exported)]) == 0
    collection = geojson.loads(exported.read_text())
    assert collection.is_valid
    assert {feature["properties"]["track_id"] for feature in features} <= {
        feature["properties"]["track_id"] for feature in collection["features"]
    }
    assert len(collection["features"]) == 2
    times = collection["features"][0]["properties"]["times"]
    middle = times[len(times) // 2]
    track = str(collection["features"][0]["id"])
    arguments = ["export", str(run), "--format", "geojson", "--out", "-", "--track", track, "--every", "0.5"]
    capsysbinary.readouterr()
    assert main([*arguments, "--from", middle]) == 0
    part = json.loads(capsysbinary.readouterr().out)["features"][0]["properties"]["times"]
    assert part[0] >= middle
    assert len(part) < len(times) / 3
    for form in ("asterix", "cot", "czml"):
        assert main(["export", str(run), "--format", form, "--out", str(tmp_path / form)]) == 0
        assert (tmp_path / form).stat().st_size > 100
    capsysbinary.readouterr()
    for argv, word in (
        (["--format", "stanag4607"], b"no surface mover"),
        (["--format", "cot", "--track", "999"], b"nothing to export"),
        (["--format", "cot", "--from", "soon"], b"wanted a UTC instant"),
    ):
        assert main(["export", str(run), "--out", str(tmp_path / "x"), *argv]) == 2
        assert word in capsysbinary.readouterr().err
