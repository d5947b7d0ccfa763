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

from lookdown.wire import packet
from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.errors import WireError
from lookdown.wire.messages import SIGHT_DTYPE, End, Health, Picture, PlotReport, RadarReport, ReportFlag, SensorState
from lookdown.wire.packet import MAX_PACKET_OCTETS, MAX_SIGHTS, MAX_TRACKS, decode, encode
from tests.wire.samples import MESSAGES, STATE, TRACK, name_of, report, same


def forge(data: bytes, at: int, octets: bytes) -> bytes:
    """Put octets into a packet and make its length and CRC right again."""
    body = data[:at] + octets + data[at + len(octets) : -4]
    body = body[:4] + struct.pack(">H", len(body) + 4 - 7) + body[6:]
    return body + struct.pack(">I", google_crc32c.value(body))


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_round_trip(message: Any) -> None:
    data = encode(message)
    again = decode(memoryview(bytearray(data)))
    if isinstance(message, PlotReport):
        assert again.sights.flags.writeable
        assert again.sights.dtype == SIGHT_DTYPE
        message = replace(message, sights=again.sights)  # their loss has tests of its own
    if isinstance(message, RadarReport):
        assert again.echoes.flags.writeable
        message = replace(message, echoes=again.echoes)
    assert same(again, message)


def test_every_packet_of_the_dictionary_is_tried() -> None:
    assert {name_of(message) for message in MESSAGES} == {packet.name for packet in DICTIONARY.packets}


unit = st.floats(-1, 1)
counts = st.integers(0, 2**63 - 1)


@st.composite
def states(draw: st.DrawFn) -> SensorState:
    quaternion = np.array(draw(st.tuples(*[unit] * 4)))
    norm = np.linalg.norm(quaternion)
    attitude = quaternion / norm if norm > 1e-3 else np.array([0.0, 0.0, -1.0, 0.0])
    return SensorState(
        np.array(draw(st.tuples(*[st.floats(-67e6, 67e6)] * 3))),
        np.array(draw(st.tuples(*[st.floats(-16e3, 16e3)] * 3))),
        attitude,
        draw(st.one_of(st.just(0.0), st.floats(1e-3, 1e6))),
        draw(st.one_of(st.just(0.0), st.floats(1e-9, 3.0))),
        draw(st.floats(1.1e-9, 0.9)),
    )


@settings(max_examples=300, deadline=None)
@given(states(), counts.filter(lambda t: t < 3_916_276_096 * 10**9), st.integers(0, 2**32 - 1))
def test_the_state_of_a_report_comes_back_within_its_precision(state: SensorState, time_ns: int, frame_id: int) -> None:
    sent = PlotReport(9, frame_id, time_ns, state, np.zeros(0, SIGHT_DTYPE))
    came = decode(encode(sent))
    assert (came.time_ns, came.frame_id) == (time_ns, frame_id)
    assert np.abs(came.state.position_m - state.position_m).max() <= 0.0625
    assert np.abs(came.state.velocity_m_s - state.velocity_m_s).max() <= 0.125
    sign = np.sign(np.dot(came.state.attitude, state.attitude))
    # Twice the distance of unit quaternions is the angle between them.
    assert 2 * np.linalg.norm(sign * came.state.attitude - state.attitude) <= 7.4e-8
    assert np.linalg.norm(came.state.attitude) == pytest.approx(1, abs=1e-12)
    for name, octaves in (("position_sigma_m", 32), ("pointing_sigma_rad", 32), ("ifov_rad", 2048)):
        value, back = getattr(state, name), getattr(came.state, name)
        assert back == value == 0 or abs(np.log2(back / value)) <= 1 / octaves + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    st.builds(Health, st.integers(1, 65535), st.integers(0, 10**18), *[counts] * 5, *[st.integers(0, 2**32 - 1)] * 2)
)
def test_any_health_comes_back(message: Health) -> None:
    assert decode(encode(message)) == message


def test_golden_octets() -> None:
    time_ns = 1_000_000_000 * 1_800_000_000 + 500_000_001
    end = encode(End(sensor_id=0x0203, time_ns=time_ns, frames_processed=9), sequence=0x4005)
    # CUC: 1,800,000,000 s after 1970 are 0x81DC_3080 after 1958; 0.500000001 s are 0x8000_0004 of 2^32.
    assert end.hex() == "0903c0050016" + "020203" + "81dc3080" + "80000004" + "0000000000000009" + end[-4:].hex()
    assert struct.unpack(">I", end[-4:])[0] == google_crc32c.value(end[:-4])
    data = encode(report())
    assert (
        data[:28].hex() == "0901c0000048" + "020201" + "8dc7f280" + "1f9add37" + "00011170" + "04" + "003002" + "0d59f8"
    )
    assert google_crc32c.value(data[:-4]) == int.from_bytes(data[-4:], "big")


def test_time_keeps_each_nanosecond() -> None:
    for rest_ns in [*range(100), *range(999_999_900, 10**9), *range(0, 10**9, 9_999_991)]:
        time_ns = 1_900_000_000 * 10**9 + rest_ns
        assert decode(encode(End(1, time_ns, 0))).time_ns == time_ns


def test_the_largest_packets_fit() -> None:
    assert len(encode(report(MAX_SIGHTS))) <= MAX_PACKET_OCTETS
    assert len(encode(Picture(1, (TRACK,) * MAX_TRACKS))) <= MAX_PACKET_OCTETS
    with pytest.raises(ValueError, match=f"at most {MAX_SIGHTS} rows, came shape .{MAX_SIGHTS + 1},"):
        encode(report(MAX_SIGHTS + 1))
    with pytest.raises(ValueError, match="tracks: wanted at most 256 rows"):
        encode(Picture(1, (TRACK,) * (MAX_TRACKS + 1)))
    with pytest.raises(ValueError, match="tracks: cannot pack"):
        encode(Picture(1, (replace(TRACK, id=2**32),)))
    for kind in ((0.5, 0.5), (1.5,) + (0.0,) * 6, (float("nan"),) * 7):
        with pytest.raises(ValueError, match="kind: wanted 7 chances"):
            encode(Picture(1, (replace(TRACK, kind=kind),)))


@given(st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7))
def test_kinds_of_a_picture_come_back_within_half_a_step(chances: list[float]) -> None:
    sent = np.array(chances) / max(sum(chances), 1.0)
    got = decode(encode(Picture(1, (replace(TRACK, kind=tuple(sent.tolist())),))))
    assert isinstance(got, Picture)
    (track,) = got.tracks
    np.testing.assert_allclose(track.kind or (0.0,) * 7, sent, atol=0.5 / 255 + 1e-12)


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_every_flipped_bit_is_refused_and_named(message: Any) -> None:
    data = encode(message)
    reasons = set()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError) as caught:
            decode(flipped)
        reasons.add(caught.value.reason)
    assert reasons == {"version", "header", "truncated", "length", "crc"}


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_every_cut_and_every_surplus_is_refused(message: Any) -> None:
    data = encode(message)
    for n in range(len(data)):
        with pytest.raises(WireError) as caught:
            decode(data[:n])
        assert caught.value.reason == "truncated"
    with pytest.raises(WireError, match="length"):
        decode(data + b"\0")


REPORT, HEALTH, FRAME, PICTURE, EVENT, TASKING = (encode(MESSAGES[i]) for i in (0, 3, 5, 7, 9, 13))
STATE_AT = 45
DOUBLE = struct.Struct(">d").pack


@pytest.mark.parametrize(
    ("data", "at", "octets", "reason", "detail"),
    [
        (REPORT, 0, b"\x29\x01", "version", "space packet version 0, came 1"),
        (REPORT, 0, b"\x19\x01", "header", "secondary header"),
        (REPORT, 0, b"\x01\x01", "header", "secondary header"),
        (TASKING, 0, b"\x09\x09", "header", "secondary header"),
        (REPORT, 0, b"\x0f\xff", "type", "came 0x7ff"),
        (REPORT, 6, b"\x03", "version", "packet format 2, came 3"),
        (REPORT, 7, b"\0\0", "field", "came sensor 0"),
        (PICTURE, 7, b"\0\1", "field", "came sensor 1"),
        (REPORT, 9, b"\0\0", "field", "s of TAI since 1958"),
        (REPORT, 21, b"\x10", "field", "flags: wanted 0 to 15 ReportFlag, came 16"),
        (REPORT, 23, b"\x3f\xff", "field", "sights: wanted at most 2048 rows, came 4095"),
        (REPORT, -5, b"\xff", "field", "wanted 2 plots within the ranges"),
        (REPORT, 30, bytes(28), "field", "wanted 2 plots|ifov"),
        (HEALTH, 17, b"\x80", "field", "frames_processed"),
        (HEALTH, -4, b"\0", "field", "wanted no octets after the fields, came 1"),
        (FRAME, STATE_AT, b"\x7f\xf8\0\0", "field", "position_m_0: wanted -1e.12 to 1e.12 m, came nan"),
        (FRAME, STATE_AT + 24, b"\x7f\xf0\0\0\0\0\0\0", "field", "velocity_m_s_0.*came inf"),
        (FRAME, STATE_AT + 48, DOUBLE(1.0), "field", "wanted a unit quaternion"),
        (FRAME, STATE_AT + 80, struct.pack(">f", -1.0), "field", "position_sigma_m.*came -1"),
        (FRAME, STATE_AT + 88, bytes(4), "field", "ifov_rad.*came 0"),
        (PICTURE, -4, b"\0", "field", r"tracks: wanted n \* 248 octets"),
        (PICTURE, 21 + 228, b"\x04", "field", r"tracks\[0\]\.status"),
        (PICTURE, 21 + 12, DOUBLE(float("nan")), "field", r"tracks\[0\]\.state: .*came nan"),
        (EVENT, 17, b"\x07", "field", "severity: wanted 0 to 2 Severity, came 7"),
        (EVENT, 18, b"\0\0", "field", "kind: wanted a EventKind"),
        (EVENT, 24, DOUBLE(float("inf")), "field", "value"),
        (EVENT, 32, b"\xff", "field", "text: wanted UTF-8"),
        (EVENT, -4, b"x" * 2000, "field", "text: wanted at most 1024 octets"),
        (TASKING, 22, b"\4", "field", "priority: wanted 0 to 3"),
    ],
)
def test_right_crc_does_not_make_a_wrong_field_right(
    data: bytes, at: int, octets: bytes, reason: str, detail: str
) -> None:
    assert same(decode(forge(data, 20, data[20:22])), decode(data))
    with pytest.raises(WireError, match=detail) as caught:
        decode(forge(data, at % len(data), octets))
    assert caught.value.reason == reason


def test_a_packet_shorter_than_its_fields_is_refused() -> None:
    body = HEALTH[:40]
    body = body[:4] + struct.pack(">H", len(body) + 4 - 7) + body[6:]
    with pytest.raises(WireError, match="length: Health: wanted at least 69 octets, came 44"):
        decode(body + struct.pack(">I", google_crc32c.value(body)))


def state(**changes: Any) -> SensorState:
    return replace(STATE, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensor_id": 0}, "sensor_id, time_ns"),
        ({"sensor_id": 65536}, "sensor_id, time_ns"),
        ({"time_ns": -1}, "sensor_id, time_ns"),
        ({"time_ns": 3_916_276_096 * 10**9}, "sensor_id, time_ns"),
        ({"frame_id": 2**32}, "frame_id: wanted 0 to"),
        ({"frame_id": 1.5}, "frame_id: wanted a whole number"),
        ({"frame_id": "one"}, "frame_id: cannot be packed"),
        ({"n_left_out": 4096}, "n_left_out: wanted 0 to 4095"),
        ({"state": None}, "state: wanted a SensorState"),
        ({"sights": np.zeros((2, 2), SIGHT_DTYPE)}, "sights: wanted one axis"),
        ({"state": state(position_m=np.zeros(2))}, "wanted shape"),
        ({"state": state(position_m=np.full(3, 7e7))}, "position_m_0: wanted"),
        ({"state": state(position_m=np.full(3, np.nan))}, "came nan"),
        ({"state": state(attitude=np.array([2.0, 0, 0, 0]))}, "attitude"),
        ({"state": state(attitude=np.ones(3))}, "attitude"),
        ({"state": state(ifov_rad=0.0)}, "ifov_rad: wanted"),
        ({"state": state(position_sigma_m=1e12)}, "position_sigma_m: wanted"),
        ({"state": state(pointing_sigma_rad=1e-12)}, "pointing_sigma_rad: wanted"),
    ],
)
def test_what_decode_would_refuse_is_not_encoded(change: dict[str, Any], message: str) -> None:
    good = report()
    values = {name: getattr(good, name) for name in good.__slots__} | change
    with pytest.raises(ValueError, match=message):
        encode(PlotReport(**values))
    with pytest.raises(ValueError, match="message: wanted one of"):
        encode(good.state)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", [9, 11, 12])
def test_text_that_is_too_long_is_not_encoded(place: int) -> None:
    name = "text" if place == 9 else "name"
    with pytest.raises(ValueError, match=f"{name}: wanted at most"):
        encode(replace(MESSAGES[place], **{name: "\u2717" * 400}))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(DICTIONARY.packets)))
def test_arbitrary_octets_raise_nothing_but_wire_errors(octets: bytes, kind: int) -> None:
    if kind < len(
        DICTIONARY.packets
    ):  # Wrap them in a right header and CRC, so that the fields themselves are reached.
        chosen = DICTIONARY.packets[kind]
        body = struct.pack(">BHII", 2, chosen.sensor, 2**31, 5) + octets
        data = struct.pack(">HHH", 0x0800 | chosen.telecommand << 12 | chosen.apid, 0xC000, len(body) + 3) + body
        octets = data + struct.pack(">I", google_crc32c.value(data))
    try:
        message = decode(octets)
    except WireError:
        return
    assert same(decode(encode(message)), message) or isinstance(message, PlotReport | RadarReport)


def test_examples_in_the_text() -> None:
    assert doctest.testmod(packet).failed == 0
    assert ReportFlag(15) == sum(ReportFlag)
