"""The way of a message from the notes of nodes and from recordings, damaged lines left out and counted."""

import json
from pathlib import Path
from typing import Any

import pytest
import zmq

from lookdown.wire.__main__ import main
from lookdown.wire.clock import SystemClock
from lookdown.wire.envelope import Delivery
from lookdown.wire.link import LinkReceiver, LinkSender
from lookdown.wire.outbox import LinkLimits
from lookdown.wire.recording import Recorder
from lookdown.wire.spool import Spool
from lookdown.wire.trace import EVENTS
from lookdown.wire.trace_file import TraceFile

NAME = "7-00000000000000ff-3"


def note(node: int, time_ns: int, event: str, peer: int = 0, name: str = NAME) -> str:
    entry: dict[str, Any] = {"time_ns": time_ns, "node": node, "event": event, "id": name}
    return json.dumps(entry | ({"peer": peer} if peer else {})) + "\n"


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    seven, nine, seen = tmp_path / "7.jsonl", tmp_path / "9.jsonl", tmp_path / "seen.ldrec"
    seven.write_text(note(7, 1_000_000, "created") + note(7, 1_000_000, "sent", 9) + note(7, 1_200_000, "spooled"))
    nine.write_text(note(9, 2_000_000, "delivered") + note(9, 1_500_000, "arrived", 7) + '{"torn": ')
    with Recorder(seen) as recorder:
        recorder.append(Delivery(7, 900_000, 3_000_000, b"x", 0xFF, 3))
        recorder.append(Delivery(7, 0, 4_000_000, b"x", 0xFF, 4))
    return [str(seven), str(nine), str(seen)]


def test_a_way_is_put_together_from_all_nodes_and_the_recording(logs: list[str], capsys: Any) -> None:
    assert main(["trace", *logs, "--id", NAME]) == 1  # a line is torn
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith(f"{NAME}  seen, 1 hops sent, 2.100 ms")
    events = [line.split("ms  ")[1].split() for line in lines[1:]]
    wanted = ["created", "created", "sent", "spooled", "arrived", "delivered", "seen"]
    assert [next(word for word in words if word in wanted) for words in events] == wanted
    assert "node 7      sent to 9" in lines[3]
    assert "1 line" in err


def test_all_messages_are_listed_and_what_is_late_can_be_picked(logs: list[str], capsys: Any) -> None:
    main(["trace", *logs])
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [head.split()[0] for head in heads] == [NAME, "7-00000000000000ff-4"]
    main(["trace", *logs, "--state", "under way"])
    assert capsys.readouterr().out == ""


def test_what_is_no_identifier_or_unknown_is_told(logs: list[str], capsys: Any) -> None:
    assert main(["trace", *logs, "--id", "seven"]) == 2
    assert "wanted an identifier such as" in capsys.readouterr().err
    assert main(["trace", *logs, "--id", "8-00000000000000ff-3"]) == 1
    assert "nothing is known of 8-00000000000000ff-3" in capsys.readouterr().err
    assert main(["trace", "/nowhere.jsonl"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_packet_of_a_board_is_followed_from_its_offer_to_the_ground(tmp_path: Path, capsys: Any) -> None:
    address, seen = f"ipc://{tmp_path}/ground", tmp_path / "received.ldrec"
    trace, limits = tmp_path / "board.jsonl", LinkLimits(window=1, batch=1, capacity=2)
    with zmq.Context() as context, Recorder(seen) as recorder:
        sender = LinkSender(
            context, address, 7, SystemClock(), spool=Spool(tmp_path / "spool", 7, 0xFF), limits=limits,
            trace=TraceFile(trace, 7, 10_000),
        )  # fmt: skip
        for n in range(3):  # one more than there is room for: the oldest goes
            sender.offer(b"packet %d" % n, origin_ns=SystemClock().now_ns())
            sender.service(0)
        receiver = LinkReceiver(context, address, SystemClock(), [7])
        while not sender.idle:
            sender.service(10)
            for delivery in receiver.service(10):
                recorder.append(delivery)
            receiver.commit()
        sender.close()
        receiver.close()
    main(["trace", str(trace), str(seen)])
    ways: dict[str, list[str]] = {}
    name = ""
    for line in capsys.readouterr().out.splitlines():
        if line.startswith(" "):
            ways[name] += [word for word in line.split("ms  ")[1].split() if word in (*EVENTS, "dropped")]
        else:
            name = line.split()[0]
            ways[name] = []
    whole = ["created", "created", "spooled", "sent", "custody", "seen"]
    assert ways.pop("7-00000000000000ff-1") == ["created", "spooled", "dropped"]
    assert {name: sorted(way) for name, way in ways.items()} == {
        f"7-00000000000000ff-{n}": sorted(whole) for n in (2, 3)
    }
