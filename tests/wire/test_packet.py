"""Packets: round trip, golden octets, and refusal of all that is not exactly what was sent."""

import doctest
import struct
from dataclasses import replace
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdown.wire import dictionary, packet
from lookdown.wire.dictionary import PACKETS
from lookdown.wire.errors import WireError
from lookdown.wire.messages import (
    SIGHT_DTYPE,
    End,
    FrameHeader,
    Health,
    Picture,
    PlotFlag,
    PlotReport,
    ReportFlag,
    SensorState,
    Track,
    TrackStatus,
)
from lookdown.wire.packet import MAX_PACKET_OCTETS, MAX_SIGHTS, MAX_TRACKS, decode, encode

STATE = SensorState(
    np.array([7_000_000.5, -1.25, 2.0]), np.array([1.0, 7500.0, -3.5]), np.array([0.5, -0.5, 0.5, 0.5]), 5.0, 2e-5, 3e-5
)


def report(n: int = 2, **changes: Any) -> PlotReport:
    sights = np.zeros(n, SIGHT_DTYPE)
    sights["x"] = np.linspace(-0.01, 0.01, n)
    sights["sigma_x"] = sights["sigma_y"] = 3e-6
    sights["amplitude"] = -12.5
    sights["snr"] = 7.25
    sights["n_pixels"] = 4
    sights["flags"] = PlotFlag.DARK | PlotFlag.EDGE
    values = {"n_left_out": 3, "flags": ReportFlag.TRUNCATED, **changes}
    return PlotReport(513, 70_000, 2_000_000_000_123_456_789, STATE, sights, **values)


def forge(data: bytes, at: int, octets: bytes) -> bytes:
    """Put octets into a packet and make its length and CRC right again."""
    body = data[:at] + octets + data[at + len(octets) : -4]
    body = body[:4] + struct.pack(">H", len(body) + 4 - 7) + body[6:]
    return body + struct.pack(">I", google_crc32c.value(body))


def same(a: Any, b: Any) -> bool:
    """Whether two messages are equal, arrays bit for bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__slots__") and not isinstance(a, int):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__slots__)
    return bool(a == b)


MESSAGES = [
    report(),
    report(0, n_left_out=0, flags=ReportFlag.NONE),
    Health(1, 5, 1, 2, 3, 4, 5, 6, 7),
    End(65535, 0, 2**63 - 1),
    FrameHeader(2, 3, 4, 0.02, 5, 512, 640, 0xFFFFFFFF, STATE),
    FrameHeader(2, 3, 4, 0.02, 5, 512, 640, 0, None),
    Picture(9, (Track(4, 8, np.arange(6.0), np.eye(6) * 2 + 1, TrackStatus.COASTING, -1.5, 9, 2),), n_left_out=1),
    Picture(9, ()),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_round_trip(message: Any) -> None:
    data = encode(message)
    again = decode(memoryview(bytearray(data)))
    # Sigmas of the state are float32 on the wire: the second way round must change nothing.
    assert encode(again) == data
    assert same(decode(encode(again)), again)
    if isinstance(message, (Health, End, Picture)):
        assert same(again, message)


finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
positive32 = st.floats(min_value=0, width=32, allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**63 - 1)


@st.composite
def reports(draw: st.DrawFn) -> PlotReport:
    row = st.tuples(*[finite32] * 2, *[positive32] * 2, finite32, positive32, st.integers(0, 65535), st.integers(0, 15))
    quaternion = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 4)))
    norm = np.linalg.norm(quaternion)
    attitude = quaternion / norm if norm > 1e-3 else np.array([1.0, 0.0, 0.0, 0.0])
    vector = st.tuples(*[st.floats(-1e8, 1e8)] * 3)
    state = SensorState(
        np.array(draw(vector)), np.array(draw(vector)), attitude, draw(positive32), 0.5, draw(st.just(2.0**-15))
    )
    sights = np.array(draw(st.lists(row, max_size=5)), SIGHT_DTYPE)
    flags = ReportFlag(draw(st.integers(0, 7)))
    return PlotReport(
        draw(st.integers(1, 65535)), draw(st.integers(0, 2**32 - 1)), draw(counts), state, sights, 0, flags
    )


@settings(max_examples=150, deadline=None)
@given(reports())
def test_any_report_comes_back_to_the_last_bit(message: PlotReport) -> None:
    assert same(decode(encode(message)), message)


@settings(max_examples=100, deadline=None)
@given(st.builds(Health, st.integers(1, 65535), *[counts] * 6, *[st.integers(0, 2**32 - 1)] * 2))
def test_any_health_comes_back(message: Health) -> None:
    assert decode(encode(message)) == message


def test_golden_octets() -> None:
    end = encode(End(sensor_id=0x0203, time_ns=0x0102030405060708, frames_processed=9), sequence=0x4005)
    assert end.hex() == "0903c0050017" + "01000203" + "0102030405060708" + "0000000000000009" + end[-4:].hex()
    assert struct.unpack(">I", end[-4:])[0] == google_crc32c.value(end[:-4])
    data = encode(report())
    assert len(data) == 6 + 12 + 10 + 92 + 2 * 28 + 4
    assert data[:28].hex() == "0901c00000ad" + "01000201" + "1bc16d675623cd15" + "00011170" + "00000003" + "0004"
    assert google_crc32c.value(data[:-4]) == 0x1F8B33ED


def test_twenty_plots_fit_in_684_octets() -> None:
    assert len(encode(report(20))) == 684


def test_the_largest_packets_fit() -> None:
    track = MESSAGES[6].tracks[0]
    assert len(encode(report(MAX_SIGHTS))) <= MAX_PACKET_OCTETS
    assert len(encode(Picture(1, (track,) * MAX_TRACKS))) <= MAX_PACKET_OCTETS
    with pytest.raises(ValueError, match=f"wanted at most {MAX_SIGHTS} rows, came {MAX_SIGHTS + 1}"):
        encode(report(MAX_SIGHTS + 1))
    with pytest.raises(ValueError, match="tracks: wanted at most 256 rows"):
        encode(Picture(1, (track,) * (MAX_TRACKS + 1)))
    with pytest.raises(ValueError, match="tracks: cannot pack"):
        encode(Picture(1, (replace(track, id=2**32),)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_flipped_bit_is_refused(message: Any) -> None:
    data = encode(message)
    reasons = set()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError) as caught:
            decode(flipped)
        reasons.add(caught.value.reason)
    assert reasons == {"version", "header", "truncated", "length", "crc"}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_cut_and_every_surplus_is_refused(message: Any) -> None:
    data = encode(message)
    for n in range(len(data)):
        with pytest.raises(WireError) as caught:
            decode(data[:n])
        assert caught.value.reason == "truncated"
    with pytest.raises(WireError, match="length"):
        decode(data + b"\0")


STATE_AT = 6 + 12 + 10
ROWS_AT = STATE_AT + 92
NAN, ONE = struct.pack(">f", float("nan")), struct.pack(">d", 1.0)


@pytest.mark.parametrize(
    ("at", "octets", "reason", "detail"),
    [
        (0, b"\x29\x01", "version", "space packet version 0, came 1"),
        (0, b"\x19\x01", "header", "unsegmented telemetry"),
        (0, b"\x0f\xff", "type", "came 0x7ff"),
        (6, b"\x02", "version", "packet format 1, came 2"),
        (7, b"\x01", "field", "spare octet 1"),
        (8, b"\0\0", "field", "came sensor 0"),
        (10, b"\xff", "field", "time -"),
        (26, b"\xff", "field", "flags"),
        (STATE_AT, b"\x7f\xf8\0\0", "field", "position_m: wanted -1e.12 to 1e.12 m, came nan"),
        (STATE_AT + 24, b"\x7f\xf0\0\0\0\0\0\0", "field", "velocity_m_s.*came inf"),
        (STATE_AT + 48, ONE, "field", "wanted a unit quaternion"),
        (STATE_AT + 80, struct.pack(">f", -1.0), "field", "position_sigma_m.*came -1"),
        (STATE_AT + 88, bytes(4), "field", "ifov_rad.*came 0"),
        (ROWS_AT, NAN, "field", r"sights\[0\]\.x: .*came nan"),
        (ROWS_AT + 28 + 20, struct.pack(">f", -7.0), "field", r"sights\[1\]\.snr: .*came -7"),
        (ROWS_AT + 26, b"\0\x20", "field", r"sights\[0\]\.flags: wanted 0 to 31"),
        (ROWS_AT + 56, b"\0", "length", "PlotReport: wanted 102 . n . 28 octets, came 159"),
    ],
)
def test_right_crc_does_not_make_a_wrong_field_right(at: int, octets: bytes, reason: str, detail: str) -> None:
    data = encode(report())
    assert same(decode(forge(data, 28, data[28:36])), decode(data))
    with pytest.raises(WireError, match=detail) as caught:
        decode(forge(data, at, octets))
    assert caught.value.reason == reason


def test_a_forged_flood_of_rows_is_refused() -> None:
    data = encode(report(MAX_SIGHTS))
    with pytest.raises(WireError, match="wanted at most 2048 rows, came 2049"):
        decode(forge(data, len(data) - 4, bytes(28)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensor_id": 0}, "sensor_id, time_ns"),
        ({"sensor_id": 65536}, "sensor_id, time_ns"),
        ({"time_ns": -1}, "sensor_id, time_ns"),
        ({"frame_id": 2**32}, "give values within"),
        ({"state": None}, "state: wanted a SensorState"),
        ({"sights": np.zeros((2, 2), SIGHT_DTYPE)}, "sights: wanted one axis"),
        ({"state": SensorState(np.zeros(2), np.zeros(3), np.array([1.0, 0, 0, 0]), 1, 1, 1)}, "wanted shape"),
        ({"state": SensorState(np.zeros(3), np.zeros(3), np.array([2.0, 0, 0, 0]), 1, 1, 1)}, "attitude"),
        ({"state": SensorState(np.full(3, np.nan), np.zeros(3), np.array([1.0, 0, 0, 0]), 1, 1, 1)}, "came nan"),
    ],
)
def test_what_decode_would_refuse_is_not_encoded(change: dict[str, Any], message: str) -> None:
    good = report()
    values = {name: getattr(good, name) for name in good.__slots__} | change
    with pytest.raises(ValueError, match=message):
        encode(PlotReport(**values))
    with pytest.raises(ValueError, match="message: wanted one of"):
        encode(good.state)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(PACKETS)))
def test_arbitrary_octets_raise_nothing_but_wire_errors(octets: bytes, kind: int) -> None:
    if kind < len(PACKETS):  # Wrap them in a right header and CRC, so that the fields themselves are reached.
        body = struct.pack(">BBHq", 1, 0, kind != 3, 5) + octets
        data = struct.pack(">HHH", 0x0800 | PACKETS[kind].apid, 0xC000, len(body) + 3) + body
        octets = data + struct.pack(">I", google_crc32c.value(data))
    try:
        message = decode(octets)
    except WireError:
        return
    assert encode(message) == octets


def test_the_dictionary_is_sound() -> None:
    assert len({kind.apid for kind in PACKETS}) == len({kind.message for kind in PACKETS}) == len(PACKETS)
    assert all(kind.apid < 2040 for kind in PACKETS)  # APIDs 2040 to 2047 are reserved (CCSDS 135.0-B)
    for kind in PACKETS:
        names = [field.name for field in kind.fields]
        assert len(set(names)) == len(names)
        assert set(names) <= set(kind.message.__slots__)
    assert doctest.testmod(packet).failed == doctest.testmod(dictionary).failed == 0
