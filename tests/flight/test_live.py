"""The onboard process over real sockets, a rig before it and a ground behind it, each in a thread of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zmq

from lookdown.flight.board import Board
from lookdown.flight.config import FlightConfig
from lookdown.flight.live import FrameReceiver, Live, run
from lookdown.wire.clock import SteppedClock, SystemClock
from lookdown.wire.errors import ConfigError
from lookdown.wire.frames import encode_frame
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.link import Delivery, LinkLimits, LinkReceiver, LinkSender
from lookdown.wire.messages import (
    SIGHT_DTYPE,
    End,
    Event,
    EventKind,
    Frame,
    Health,
    PlotReport,
    SensorState,
    Severity,
)
from lookdown.wire.packet import decode, encode
from lookdown.wire.security import UNSECURED, Security, SecurityConfig
from lookdown.wire.spool import Spool

STATE = SensorState(np.array([7e6, 1.0, 2.0]), np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 5.0, 2.0**-15, 2.0**-15)


def frame(frame_id: int, shape: tuple[int, int] = (6, 8)) -> Frame:
    samples = np.random.default_rng(frame_id).integers(0, 65535, shape, np.uint16)
    return Frame(3, frame_id, 10**18 + frame_id, 0.02, samples, STATE)


def make_reporter(rows: int, cols: int) -> Callable[[Frame], PlotReport]:
    def report(frame: Frame) -> PlotReport:
        sights = np.zeros(rows, SIGHT_DTYPE)
        sights["amplitude"] = frame.samples.mean(axis=1)
        sights["snr"] = SNR
        return PlotReport(frame.sensor_id, frame.frame_id, frame.time_ns, frame.state, sights)

    return report


PATIENCE = 6000
"""Waits of at most 20 ms for a board: an emulated one takes half a minute to start."""


class Outside(threading.Thread):
    """Rig and ground: waits for the board's health, then pushes messages, and stores what comes until the end."""

    def __init__(
        self,
        config: FlightConfig,
        messages: list[list[Any]],
        when_ready: Callable[[], object],
        security: Security | None = None,
        when_refused: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(daemon=True)
        self.deliveries: list[Delivery] = []
        self.lost = -1
        self._config, self._messages, self._when_ready = config, messages, when_ready
        self._security, self._when_refused = security, when_refused
        self.start()

    def run(self) -> None:
        endpoint, allowed = self._config.ground_endpoint, {self._config.sensor_id}
        with contextlib.ExitStack() as stack:
            context = stack.enter_context(zmq.Context())
            receiver = LinkReceiver(context, endpoint, SystemClock(), allowed, security=self._security)
            stack.callback(receiver.close)
            push = stack.enter_context(context.socket(zmq.PUSH))
            push.linger = 0
            push.connect(self._config.frames_endpoint)
            self._talk(receiver, push)

    def _talk(self, receiver: LinkReceiver, push: zmq.Socket[bytes]) -> None:
        ready = False
        for _ in range(PATIENCE):
            self.deliveries += receiver.service(20)
            receiver.commit()
            if receiver.refusals.take():
                self._when_refused()
            if self.deliveries and not ready:
                ready = True
                for parts in self._messages:
                    push.send_multipart(parts)
                self._when_ready()
            if self.deliveries and isinstance(decode(self.deliveries[-1].packet), End):
                break
        self.lost = receiver.stats[self._config.sensor_id].lost
        # The last acknowledgement must be on its way before the sockets go.
        receiver.service(200)

    def messages_of(self, kind: type) -> list[Any]:
        self.join(30)
        return [message for d in self.deliveries if isinstance(message := decode(d.packet), kind)]


def config_in(folder: Path, **changes: Any) -> FlightConfig:
    values = {"sensor_id": 3, "rows": 6, "cols": 8, **changes}
    return FlightConfig(frames_endpoint=f"ipc://{folder}/frames", ground_endpoint=f"ipc://{folder}/ground", **values)


def fly(
    folder: Path, messages: list[list[Any]], when_ready: Callable[[], object] = lambda: None, **changes: Any
) -> tuple[int, Outside]:
    folder.mkdir(exist_ok=True)
    config = config_in(folder, **changes)
    outside = Outside(config, messages, when_ready)
    status = run(config, make_reporter=make_reporter)
    outside.join(30)
    assert not outside.is_alive()
    return status, outside


SNR = 5000.0  # of every plot: a tenth of its sigma is 2e-5 of its amplitude
END = [encode(End(3, 10**18, 40))]


def test_frames_become_reports_and_the_end_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, outside = fly(tmp_path, [*(encode_frame(frame(n), injected_ns=77 + n) for n in range(1, 41)), END])
    assert status == 0
    reports = outside.messages_of(PlotReport)
    assert [report.frame_id for report in reports] == list(range(1, 41))
    np.testing.assert_allclose(reports[6].sights["amplitude"], frame(7).samples.mean(axis=1), rtol=0.1 / SNR)
    assert [d.origin_ns for d in outside.deliveries if isinstance(decode(d.packet), PlotReport)] == list(range(78, 118))
    healths = outside.messages_of(Health)
    assert healths[0].frames_processed == 0
    assert isinstance(decode(outside.deliveries[0].packet), Health)
    assert (healths[-1].frames_processed, healths[-1].plots_sent) == (40, 240)
    [end] = outside.messages_of(End)
    assert end.frames_processed == 40
    assert outside.lost == 0
    counters = json.loads(capsys.readouterr().out)
    assert (counters["frames_processed"], counters["ended_by"], counters["frames_refused"]) == (40, "end", {})
    link = counters["link"]
    assert link["offered"] == link["acknowledged"] == len(outside.deliveries)
    assert link["unacknowledged"] == link["dropped"] == 0


def test_a_board_with_keys_is_refused_until_it_is_enrolled_and_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, ground = tmp_path / "board", tmp_path / "keys-of-ground"
    for folder, node in ((board, 3), (ground, 100)):
        NodeKeys.make(node, 0).save(folder)
    enrol(board, NodeKeys.load(ground).card)
    config = config_in(tmp_path, security=SecurityConfig(board, peer=100))
    outside = Outside(
        config,
        [*(encode_frame(frame(n), injected_ns=77 + n) for n in range(1, 4)), END],
        lambda: None,
        Security(ground),
        when_refused=lambda: enrol(ground, NodeKeys.load(board).card),
    )
    assert run(config, make_reporter=make_reporter) == 0
    assert [report.frame_id for report in outside.messages_of(PlotReport)] == [1, 2, 3]
    [event] = outside.messages_of(Event)
    assert (event.kind, event.count) == (EventKind.REFUSED, 1)
    assert "not enrolled" in event.text
    captured = capsys.readouterr()
    assert "not enrolled" in captured.err
    assert "neither encrypted" not in captured.err
    assert json.loads(captured.out)["link"]["refused"] == {"connection": 1}
    with pytest.raises(ConfigError, match="wanted keys of node 3"):
        run(config_in(tmp_path, security=SecurityConfig(ground, peer=3)), make_reporter=make_reporter)


def test_the_same_frames_give_byte_identical_reports(tmp_path: Path) -> None:
    runs = []
    for name, size in (("a", {}), ("b", {"rows": 0, "cols": 0})):
        messages = [*(encode_frame(frame(n), injected_ns=len(name) + n) for n in range(1, 20)), END]
        _, outside = fly(tmp_path / name, messages, **size)
        runs.append([d.packet for d in outside.deliveries if isinstance(decode(d.packet), PlotReport)])
    assert runs[0] == runs[1]
    assert len(runs[0]) == 19


def test_bad_messages_are_refused_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = encode_frame(frame(1))
    header, samples = encode_frame(frame(2))
    messages = [
        good,
        [b"nonsense"],
        [b"x" * 5000, b"y" * 5000],
        [header, samples, b"more", b"and more"],
        [header, bytes(samples) + b"!"],
        [header, samples[:-2]],
        [header, b""],
        good,
        encode_frame(frame(2, shape=(6, 9))),
        [encode(End(4, 5, 6))],
        encode_frame(frame(3)),
        END,
    ]
    status, outside = fly(tmp_path, messages)
    assert status == 0
    assert [report.frame_id for report in outside.messages_of(PlotReport)] == [1, 3]
    captured = capsys.readouterr()
    refused = json.loads(captured.out)["frames_refused"]
    assert refused == {"version": 1, "parts": 1, "shape": 5, "stale": 1, "sensor": 1}
    assert captured.err.count("\n") == len(refused) + 1  # one line a frame, and that no keys are in use
    assert captured.err.count("refused") == len(refused)
    assert captured.err.count("neither encrypted nor authenticated") == 1
    assert "wanted at most 96 octets of samples, came 5000" in captured.err
    assert outside.messages_of(Health)[-1].frames_refused == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    before = signal.getsignal(number)
    status, outside = fly(tmp_path, [], lambda: os.kill(os.getpid(), number))
    assert status == 0
    assert outside.messages_of(End)[0].frames_processed == 0
    assert json.loads(capsys.readouterr().out)["ended_by"] == "signal"
    assert signal.getsignal(number) is before


def test_a_ground_that_never_comes_is_told_and_not_waited_for_without_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_in(tmp_path)
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect(config.frames_endpoint)
    for parts in (encode_frame(frame(1)), END):
        push.send_multipart(parts)
    assert run(config, make_reporter=make_reporter, flush_s=0.05) == 1
    push.close(linger=0)
    context.term()
    captured = capsys.readouterr()
    assert json.loads(captured.out)["link"]["unacknowledged"] == 4  # health twice, a report, the end
    assert f"the ground at {config.ground_endpoint} left 4 packets unacknowledged" in captured.err


def test_what_the_ground_did_not_store_waits_in_the_spool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(tmp_path, spool=tmp_path / "spool.sqlite")
    context = zmq.Context()
    push = context.socket(zmq.PUSH)
    push.connect(config.frames_endpoint)
    for parts in (encode_frame(frame(1)), END):
        push.send_multipart(parts)
    assert run(config, make_reporter=make_reporter, flush_s=0.05) == 1
    assert json.loads(capsys.readouterr().out)["link"]["unspooled"] == 0
    sender = LinkSender(context, config.ground_endpoint, 3, SystemClock(), spool=Spool(config.spool, 3, 1))
    receiver = LinkReceiver(context, config.ground_endpoint, SystemClock())
    got: list[Delivery] = []
    for _ in range(1000):
        sender.service(10)
        got += receiver.service(10)
        receiver.commit()
        if sender.idle:
            break
    assert [type(decode(delivery.packet)) for delivery in got] == [Health, PlotReport, Health, End]
    for one in (push, sender, receiver):
        one.close()
    context.term()
    with pytest.raises(ConfigError, match="it is that of sender 3, wanted 4; choose another"):
        run(config_in(tmp_path, spool=tmp_path / "spool.sqlite", sensor_id=4), make_reporter=make_reporter)


def test_missing_or_impossible_endpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frames_endpoint: wanted an endpoint, came none; add one such as"):
        run(FlightConfig(ground_endpoint="tcp://127.0.0.1:5600"), make_reporter=make_reporter)
    with pytest.raises(ConfigError, match="ground_endpoint: wanted"):
        run(FlightConfig(frames_endpoint=f"ipc://{tmp_path}/x"), make_reporter=make_reporter)
    config = FlightConfig(frames_endpoint="nonsense", ground_endpoint="tcp://127.0.0.1:5600")
    with pytest.raises(ConfigError, match="cannot bind endpoint 'nonsense'"):
        run(config, make_reporter=make_reporter)
    with pytest.raises(ConfigError, match="cannot connect to endpoint 'nonsense'"):
        run(
            FlightConfig(frames_endpoint=f"ipc://{tmp_path}/x", ground_endpoint="nonsense"), make_reporter=make_reporter
        )


def test_the_command_flies_the_infrared_chain(tmp_path: Path) -> None:
    rows, cols = 128, 160
    config = config_in(tmp_path, rows=rows, cols=cols)
    file = tmp_path / "flight.toml"
    file.write_text(
        f'sensor_id = 3\nrows = {rows}\ncols = {cols}\nframes_endpoint = "{config.frames_endpoint}"\n'
        f'ground_endpoint = "{config.ground_endpoint}"\n'
    )
    rng = np.random.default_rng(1)
    clutter = 1000 + 200 * cv2.GaussianBlur(rng.normal(0, 1, (rows, cols)), (0, 0), 3)
    messages: list[list[Any]] = []
    for n in range(1, 31):
        samples = rng.normal(clutter, 3)
        samples[29:32, n + 9 : n + 12] += np.outer([60, 120, 60], [0.5, 1, 0.5])
        image = np.rint(samples).astype(np.uint16)
        messages.append(encode_frame(Frame(3, n, 10**18 + n * 10**8, 0.02, image, STATE), 1))
    outside = Outside(config, [*messages, END], lambda: None)
    command = [sys.executable, "-m", "lookdown.flight", "run", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, done.stderr) == (0, f"lookdown-flight: {UNSECURED}\n")
    reports = outside.messages_of(PlotReport)
    assert [report.frame_id for report in reports] == list(range(1, 31))
    for report in reports[10:]:
        assert len(report.sights) >= 1
        wanted = ((report.frame_id + 10 - 79.5) * 2.0**-15, (30 - 63.5) * 2.0**-15)
        assert abs(report.sights["x"][0] - wanted[0]) < 2.0**-15
        assert abs(report.sights["y"][0] - wanted[1]) < 2.0**-15
    assert json.loads(done.stdout)["frames_processed"] == 30


def test_what_a_full_link_gives_up_is_told_by_an_event(tmp_path: Path) -> None:
    clock = SteppedClock(10**18)
    context = zmq.Context()
    link = LinkSender(
        context, f"ipc://{tmp_path}/ground", 3, clock, limits=LinkLimits(window=1, capacity=3, resend_after_s=1e6)
    )
    frames = FrameReceiver(context, f"ipc://{tmp_path}/frames", 0)
    near, far = socket.socketpair()
    live = Live(Board(3, 0, 0, make_reporter, clock), frames, link, clock, near)
    for _ in range(6):
        far.send(b"x")  # ends the turn without a wait
        live.turn()
        clock.advance(1.0)
    # Three of six health packets fit; from the fifth turn on an event takes the place of another.
    assert link.stats.dropped == 5
    receiver = LinkReceiver(context, f"ipc://{tmp_path}/ground", clock)
    got: list[Any] = []
    for _ in range(1000):
        link.service(10)
        got += [decode(delivery.packet) for delivery in receiver.service(10)]
        receiver.commit()
        if link.idle:
            break
    events = [message for message in got if isinstance(message, Event)]
    assert [(event.kind, event.severity) for event in events] == [(EventKind.PACKETS_GIVEN_UP, Severity.WARNING)] * 2
    assert [(event.count, event.value) for event in events] == [(1, 1.0), (2, 3.0)]
    assert events[0].text.startswith("the link is full: ")
    assert receiver.stats[3].lost == 5
    for one in (near, far, frames, link, receiver):
        one.close()
    context.term()
