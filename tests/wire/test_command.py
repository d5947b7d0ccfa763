"""The command ``lookdown-wire``: recordings as JSON and as a table, page and XTCE file, and clear errors."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from lookdown.wire import dump
from lookdown.wire.__main__ import main
from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.envelope import Delivery
from lookdown.wire.packet import encode
from lookdown.wire.page import page
from lookdown.wire.recording import Recorder
from lookdown.wire.xtce import to_xtce
from tests.wire.samples import MESSAGES, name_of

DOCS = Path(__file__).parents[2] / "docs"


def record(path: Path, packets: list[bytes]) -> Path:
    with Recorder(path) as recorder:
        for n, packet in enumerate(packets):
            recorder.append(Delivery(1 + n % 2, 10 * n, 10 * n + 5, packet, 0xAB, n + 1))
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return record(tmp_path / "a.ldrec", [encode(message) for message in MESSAGES])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_dump_tells_every_packet_as_json(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(recording)]) == 0
    told: list[dict[str, Any]] = [json.loads(line) for line in lines(capsys)]
    assert [line["packet"] for line in told] == [name_of(message) for message in MESSAGES]
    first, event = told[0], told[9]
    assert (first["sender"], first["boot"], first["sequence"], first["arrival_ns"]) == (1, "00000000000000ab", 1, 5)
    assert first["octets"] == len(encode(MESSAGES[0]))
    assert (first["frame_id"], first["flags"], len(first["sights"])) == (70_000, ["TRUNCATED"], 2)
    assert first["time"] == "2033-05-18T03:32:43.123456Z"
    assert first["state"]["position_m"] == [7_000_000.5, -1.25, 2.0]
    assert set(first["sights"][0]) == set(MESSAGES[0].sights.dtype.names)
    assert (event["severity"], event["kind"], event["text"]) == ("ALARM", "PACKETS_GIVEN_UP", MESSAGES[9].text)
    assert told[7]["tracks"][0]["status"] == "COASTING"


def test_dump_chooses_by_packet_and_sender(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(recording), "--packet", "Event", "--packet", "End", "--sender", "1"]) == 0
    told = [json.loads(line) for line in lines(capsys)]
    assert [(line["packet"], line["sequence"]) for line in told] == [("End", 5), ("Event", 11)]


def test_dump_as_a_table(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", str(recording), "--table"]) == 0
    told = lines(capsys)
    assert len(told) == 1 + len(MESSAGES)
    assert told[0].split()[:3] == ["message", "time", "(UTC)"]
    assert "PlotReport  2 sights, frame_id 70000, n_left_out 3, flags TRUNCATED" in told[1]
    assert told[4].endswith("step_max_us 7")


def test_damage_is_told_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = record(tmp_path / "a.ldrec", [encode(MESSAGES[4]), b"nothing", encode(MESSAGES[4])[:-1] + b"\0"])
    path.write_bytes(path.read_bytes() + b"torn")
    for form in ([], ["--table"]):
        assert main(["dump", str(path), *form]) == 1
        out, err = capsys.readouterr()
        assert "truncated" in out or "version" in out
        assert "crc: wanted" in out
        assert "2 packets refused, 4 damaged octets left out" in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("none.ldrec", None, "no such file; check the path"), ("b.txt", b"hello, world", "wanted a recording")],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["dump", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["dump", "x", "--packet", "Plots"])
    assert "invalid choice: 'Plots'" in capsys.readouterr().err


def test_page_and_xtce_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page"]) == 0
    assert capsys.readouterr().out == page(DICTIONARY)
    assert main(["xtce"]) == 0
    assert capsys.readouterr().out == to_xtce(DICTIONARY)


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "packets.md").read_text(encoding="utf-8") == page(DICTIONARY), "run: make pages"


def test_examples_in_the_text() -> None:
    assert doctest.testmod(dump).failed == 0
