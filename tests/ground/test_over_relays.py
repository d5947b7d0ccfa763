"""A board, relays as processes between, and the ground: each packet once and in order, readable at the ends alone."""

from pathlib import Path
from typing import Any

import pytest
import zmq

from lookdown.ground.config import GroundConfig
from lookdown.ground.live import HISTORY_NAME, RECORDING_NAME, Ground
from lookdown.wire.clock import SystemClock
from lookdown.wire.config import parse_config
from lookdown.wire.end_to_end import PacketSealer
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.link import LinkSender
from lookdown.wire.messages import End
from lookdown.wire.packet import decode, encode
from lookdown.wire.recording import Recording
from lookdown.wire.relay.local import RelayClient
from lookdown.wire.security import Security
from tests.wire.relay.processes import relays
from tests.wire.test_outage import report

BOARD, STATION, GROUND = 7, 9, 100
REPORTS = 300
LIMITS = "answer_after_s = 0.5\ndead_for_s = 0.3"


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


def test_sealed_packets_cross_relays_that_die_once_and_in_order(context: Any, tmp_path: Path) -> None:
    board = f'[board]\nendpoint = "ipc://{tmp_path}/board"\nground = {STATION}'
    pairs = [(BOARD, 8), (8, STATION), (BOARD, 10), (10, STATION)]
    with relays(tmp_path, pairs, proxies=None, limits=LIMITS, more={BOARD: board}, own=(BOARD,)) as run:
        keys = tmp_path / "ground-keys"
        NodeKeys.make(GROUND, 0).save(keys)
        enrol(keys, NodeKeys.load(tmp_path / f"keys{BOARD}").card)
        enrol(tmp_path / f"keys{BOARD}", NodeKeys.load(keys).card)
        config = {
            "endpoint": f"ipc://{tmp_path}/in",
            "folder": str(tmp_path / "ground"),
            "relay_store": str(tmp_path / f"{STATION}.sqlite"),
            "relay_wait_s": 60.0,
            "security": {"keys": str(keys), "sealed": True},
            "fusion": {"sensors": [{"sensor_id": BOARD, "rows": 512, "cols": 640}]},
        }
        ground = Ground(parse_config(config, GroundConfig, "test"), context, SystemClock())
        security = Security(tmp_path / f"keys{BOARD}")
        sender = LinkSender(
            context,
            f"ipc://{tmp_path}/board",
            BOARD,
            SystemClock(),
            security=security,
            peer=BOARD,
            sealer=PacketSealer(security, GROUND),
        )
        packets = [encode(report(n), n) for n in range(REPORTS)] + [encode(End(BOARD, 1, REPORTS))]
        killed = []
        for n, packet in enumerate(packets):
            assert sender.offer(packet, 2)
            sender.service(0)
            ground.service(1)
            if n in (60, 120, 180):
                killed.append((8, BOARD, STATION)[len(killed)])
                run.kill(killed[-1])
                run.start(killed[-1])
                run.wait(killed[-1])
        RelayClient(context, run.local(8), 8).send(STATION, encode(End(8, 1, 0)))  # no packet of a sensor: refused
        for _ in range(3000):
            sender.service(5)
            ground.service(5)
            if sender.idle and ground._pipeline.ingest.all_ended:
                break
        ground.service(50)
        counters = ground.finish()["senders"]
        sender.close()
        run.stop()
        recorded = [d for d in Recording(tmp_path / "ground" / RECORDING_NAME) if d.sender_id == BOARD]
        assert [d.packet for d in recorded] == packets
        assert [d.sequence for d in recorded] == list(range(1, len(packets) + 1))
        assert isinstance(decode(recorded[-1].packet), End)
        assert (counters[str(BOARD)]["received"], counters[str(BOARD)]["lost"]) == (len(packets), 0)
        assert counters["8"] == {"refused_unknown_sensor": 1}
        assert (tmp_path / "ground" / HISTORY_NAME).exists()
        for path in tmp_path.glob("*.sqlite*"):  # no relay saw a packet, nor did a disk
            assert not any(packet in path.read_bytes() for packet in packets)
