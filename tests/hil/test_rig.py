"""The rig's table, its folder, and what it does when a process fails."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from lookdown.flight.config import FlightConfig
from lookdown.ground.config import GroundConfig
from lookdown.hil import rig
from lookdown.hil.plan import Scenario
from lookdown.hil.process import Process
from lookdown.wire.config import load_config
from lookdown.wire.keys import NodeKeys
from lookdown.wire.messages import Health
from lookdown.wire.packet import encode
from lookdown.wire.security import Security

PATH = Path("scenario.toml")


class Silent:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)

    def live(self, state: rig.Live) -> None:
        pass


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Processes that are stopped whatever happens."""
    table: list[Process] = []
    yield table
    for process in table:
        process.ask_to_stop()
        process.stop()


def python(role: str, code: str, sensor_id: int = 0) -> Process:
    return Process(role, (sys.executable, "-c", code), sensor_id)


def test_a_folder_is_replaced_only_if_a_run_left_it(tmp_path: Path) -> None:
    rig.prepare_folder(tmp_path / "new")
    (tmp_path / "new" / "report.html").write_text("old")
    rig.prepare_folder(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [rig.MARKER, "logs", "run"]
    other = tmp_path / "other"
    other.mkdir()
    rig.prepare_folder(other)  # empty: nothing to lose
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(rig.RigError, match="choose --out"):
        rig.prepare_folder(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(rig.RigError, match="came another"):
        rig.prepare_folder(tmp_path / "mine" / "thesis.txt")


def test_the_table_configures_every_process(small_scenario: Scenario, tmp_path: Path) -> None:
    rig.prepare_folder(tmp_path)
    with tempfile.TemporaryDirectory() as sockets:
        table = rig.processes(small_scenario, PATH, tmp_path, Path(sockets), 2.0)
    ids = [satellite.id for satellite in small_scenario.satellite]
    assert [process.role for process in table] == [
        "ground",
        *(f"flight-{i}" for i in ids),
        *(f"inject-{i}" for i in ids),
    ]
    ground = load_config(tmp_path / "run" / "ground.toml", GroundConfig)
    assert [(sensor.sensor_id, sensor.rows, sensor.cols) for sensor in ground.fusion.sensors] == [
        (i, small_scenario.sensor.rows, small_scenario.sensor.cols) for i in ids
    ]
    assert ground.exit_when_all_ended
    for i, inject in zip(ids, table[-len(ids) :], strict=True):
        flight = load_config(tmp_path / "run" / f"flight-{i}.toml", FlightConfig)
        assert (flight.sensor_id, flight.ground_endpoint) == (i, ground.endpoint)
        assert flight.frames_endpoint in inject.command
        assert flight.saturation_dn == 2**small_scenario.sensor.bits - 1
        assert flight.calibration.bad_pixels is not None
        assert np.load(flight.calibration.bad_pixels).shape == (flight.rows, flight.cols)
        # A path of a socket may have 107 characters.
        assert len(flight.frames_endpoint.removeprefix("ipc://")) < 100


def test_a_secured_run_has_keys_of_its_own_that_everybody_else_lacks(small_scenario: Scenario, tmp_path: Path) -> None:
    rig.prepare_folder(tmp_path)
    rig.processes(small_scenario, PATH, tmp_path, tmp_path, 1.0, secure=True)
    ground = load_config(tmp_path / "run" / "ground.toml", GroundConfig).security
    assert ground.keys is not None
    assert ground.sealed
    nodes = {NodeKeys.load(ground.keys).node_id}
    for satellite in small_scenario.satellite:
        board = load_config(tmp_path / "run" / f"flight-{satellite.id}.toml", FlightConfig).security
        assert board.keys is not None
        nodes.add(NodeKeys.load(board.keys).node_id)
        assert board.keys.is_relative_to(tmp_path)
        assert (board.keys / "node.key").stat().st_mode & 0o077 == 0
        [card] = Security(board.keys).ring.cards
        assert card.node_id == board.peer == board.seal_for == NodeKeys.load(ground.keys).node_id
    assert len(nodes) == 1 + len(small_scenario.satellite)
    assert {card.node_id for card in Security(ground.keys).ring.cards} < nodes


def test_a_process_is_heard_measured_and_asked(tmp_path: Path, processes: list[Process]) -> None:
    code = "import json, sys; print('{\"ready\": true}', flush=True); order = json.loads(sys.stdin.readline()); print("
    code += "json.dumps({'sent': order['start_ns'], 'frames_processed': 3, 'step_max_us': 1500})); sum(range(300000))"
    process = python("inject-1", code)
    processes.append(process)
    assert process.counters == {}
    process.start(tmp_path)
    while not process.counters:
        assert not process.ended
    assert process.counters == {"ready": True}
    assert not process.ended
    process.tell({"start_ns": 7})
    while not process.ended:
        pass
    assert (process.status, process.counters["sent"]) == (0, 7)
    row = process.as_row(10.0)
    assert (row["frames"], row["step_max_ms"], row["plots"]) == (3, 1.5, None)
    assert 0 < row["cpu_s"] < 10
    assert row["cpu_share"] == pytest.approx(10 * row["cpu_s"])
    assert row["memory_mb"] > 1
    json.dumps(row)
    process.tell({"start_ns": 8})  # gone: nobody is told


def test_a_process_that_will_not_stop_is_killed(
    tmp_path: Path, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookdown.hil.process._STOP_S", 0.05)
    deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); signal.pause()"
    process = python("flight-1", deaf)
    processes.append(process)
    process.start(tmp_path)
    while not (tmp_path / "flight-1.out").read_bytes():
        assert not process.ended
    process.ask_to_stop()
    process.stop()
    assert process.status == -9


def drive(table: list[Process], scenario: Scenario, folder: Path, sockets: Path) -> rig.Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rig, "processes", lambda *_: tuple(table))
        return rig.run(scenario, PATH, folder, Silent())


def test_a_process_that_dies_ends_the_run_and_is_named(
    small_scenario: Scenario, tmp_path: Path, processes: list[Process]
) -> None:
    rig.prepare_folder(tmp_path)
    dies = python("flight-1", "import sys; print('first\\nlens cap is on', file=sys.stderr); sys.exit(3)", 1)
    waits = python("ground", "import signal; signal.pause()")
    reads = python("inject-1", "import sys; sys.stdin.read()", 1)
    processes += [waits, dies, reads]
    outcome = drive(processes, small_scenario, tmp_path, tmp_path)
    assert outcome.failure.startswith("flight-1 ended early with status 3; the end of ")
    assert "lens cap is on" in outcome.failure
    assert not outcome.stopped
    assert [process.status for process in outcome.processes] == [-15, 3, -15]


def test_a_process_that_ends_before_its_time_ends_the_run_though_it_says_all_is_well(
    small_scenario: Scenario, tmp_path: Path, processes: list[Process]
) -> None:
    rig.prepare_folder(tmp_path)
    processes += [python("ground", "pass"), python("inject-1", "import sys; sys.stdin.read()", 1)]
    outcome = drive(processes, small_scenario, tmp_path, tmp_path)
    assert outcome.failure.startswith("ground ended early with status 0; its log ")


def test_satellites_need_not_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"inject-1": {"done": True}, "inject-2": {"done": False}}
    monkeypatch.setattr(Process, "counters", property(lambda process: said.get(process.role, {})))
    roles = ("ground", "flight-1", "flight-2", "inject-1", "inject-2")
    ground, first, second, *injectors = (Process(role, ()) for role in roles)
    ground.status = 0
    table = (ground, first, second, *injectors)
    assert not rig._may_end(ground, table)  # a satellite still has frames to take
    said["inject-2"]["done"] = True
    assert rig._may_end(ground, table)  # it was told that both have ended, though their processes are not gone yet
    assert not rig._may_end(first, table)  # it never said that it had taken its last frame


def test_a_command_that_cannot_be_started_is_named(
    small_scenario: Scenario, tmp_path: Path, processes: list[Process]
) -> None:
    rig.prepare_folder(tmp_path)
    processes.append(Process("ground", (str(tmp_path / "no-such-program"),)))
    outcome = drive(processes, small_scenario, tmp_path, tmp_path)
    assert outcome.failure.startswith("ground cannot be started: ")


def test_nobody_ready_in_time_is_named(
    small_scenario: Scenario, tmp_path: Path, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.prepare_folder(tmp_path)
    monkeypatch.setattr(rig, "_READY_TIMEOUT_S", 0.5)
    processes += [
        python("ground", "import signal; signal.pause()"),
        python("inject-1", "import sys; sys.stdin.read()", 1),
    ]
    outcome = drive(processes, small_scenario, tmp_path, tmp_path)
    assert "in vain for inject-1, flight-1 to be ready" in outcome.failure


def test_what_the_ground_publishes_is_heard_and_other_octets_are_not() -> None:
    health = Health(4, 1, 10, 0, 0, 20, 0, 4000, 9000)
    live = rig.Live()
    with zmq.Context() as context, context.socket(zmq.PAIR) as giver, context.socket(zmq.PAIR) as taker:
        giver.bind(f"inproc://{os.getpid()}")
        taker.connect(f"inproc://{os.getpid()}")
        giver.send_multipart([b"health", b"not a packet"])
        giver.send_multipart([b"health", encode(health)])
        rig._hear(taker, live)
    assert live.health == {4: health}
