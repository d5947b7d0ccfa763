"""Recordings: round trip, torn and damaged files, and refusal of what is none."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire.errors import WireError
from lookdown.wire.recording import Delivery, Recorder, RecordingTail, read_recording

DELIVERIES = [Delivery(n + 1, 10 * n, 10 * n + 5, b"LDr\n" * n + b"x", 77, n + 1) for n in range(6)]


def write(path: Path, deliveries: list[Delivery] = DELIVERIES) -> bytes:
    with Recorder(path) as recorder:
        for delivery in deliveries:
            recorder.append(delivery)
    return path.read_bytes()


def test_round_trip_and_going_on(tmp_path: Path) -> None:
    path = tmp_path / "a.ldrec"
    write(path, [])
    assert list(read_recording(path)) == []
    write(path, DELIVERIES[:2])
    write(path, DELIVERIES[2:])
    recording = read_recording(path)
    assert list(recording) == list(recording) == DELIVERIES
    assert recording.octets_left_out == 0


def test_commit_makes_it_readable_by_others(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.ldrec", durable=True)
    recorder.append(DELIVERIES[0])
    recorder.commit()
    assert list(read_recording(recorder.path)) == DELIVERIES[:1]
    recorder.close()
    recorder.close()


def test_a_torn_end_is_left_out_counted_and_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.ldrec"
    data = write(path)
    five = len(write(tmp_path / "b.ldrec", DELIVERIES[:5]))
    for end in range(five + 1, len(data)):
        path.write_bytes(data[:end])
        recording = read_recording(path)
        with caplog.at_level(logging.WARNING):
            assert list(recording) == DELIVERIES[:5]
        assert recording.octets_left_out == end - five
        assert f"left out {end - five} octets" in caplog.messages[-1]
    write(path, DELIVERIES[5:])
    assert path.read_bytes() == data


def test_a_damaged_record_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ldrec"
    data = write(path)
    three, four = (len(write(tmp_path / f"{n}.ldrec", DELIVERIES[:n])) for n in (3, 4))
    for at in range(three, four):
        for bit in (0, 7):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            path.write_bytes(damaged)
            recording = read_recording(path)
            assert list(recording) == DELIVERIES[:3] + DELIVERIES[4:]
            assert recording.octets_left_out == four - three
            assert recording.end == len(data)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_after_the_head_are_survived(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.ldrec"
    data = write(path.with_name("good.ldrec"), []) if not path.exists() else path.read_bytes()[:8]
    path.write_bytes(data + octets)
    recording = read_recording(path)
    assert list(recording) == []
    assert recording.octets_left_out == len(octets)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "magic"),
        (b"LDREC", "magic"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "magic"),
        (b"LDREC\0\0\x02", "version"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(data)
    with pytest.raises(WireError, match=r"other\.bin: wanted a recording") as caught:
        read_recording(path)
    assert caught.value.reason == reason
    if len(data) >= 8:
        with pytest.raises(WireError):
            Recorder(path)
        assert path.read_bytes() == data


def test_a_crash_in_the_first_octets_leaves_a_usable_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ldrec"
    path.write_bytes(b"LDREC\0")
    write(path)
    assert list(read_recording(path)) == DELIVERIES


def test_an_absent_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_recording(tmp_path / "absent.ldrec")
    with pytest.raises(FileNotFoundError):
        Recorder(tmp_path / "absent" / "a.ldrec")


def test_a_tail_gives_each_delivery_once_wherever_the_writer_stands(tmp_path: Path) -> None:
    data = write(tmp_path / "whole.ldrec")
    path = tmp_path / "grows.ldrec"
    tail = RecordingTail(path)
    assert tail.read() == []
    came: list[Delivery] = []
    for end in range(len(data) + 1):
        path.write_bytes(data[:end])
        came += tail.read()
    assert came == DELIVERIES
    # Damage in the midst costs what is damaged.
    tail = RecordingTail(path)
    path.write_bytes(data[:60] + b"\xff" + data[61:])
    assert tail.read() == [delivery for delivery in DELIVERIES if delivery in set(read_recording(path))]
