"""Packets: what a message is on the wire, driven by the dictionary.

A packet is a CCSDS space packet (133.0-B-2), all fields big-endian:

====== ==================================================================================================
octets content
====== ==================================================================================================
6      primary header: version 0, telemetry or telecommand, secondary header present, APID = kind of message;
       unsegmented, 14-bit sequence count; octets that follow, less one
11     secondary header: format version, sensor id, time as CUC code (301.0-B-4)
n      fields of the message, as ``dictionary.toml`` lists them; then plots, tracks or text to the end
4      CRC-32C (Castagnoli) of all octets before
====== ==================================================================================================

Equal messages give equal octets. Any octets whatever may be given to `decode`: it returns a message whose every
field is within the bounds of the dictionary, or raises `WireError` with a reason to count by: ``truncated``,
``length``, ``version``, ``header``, ``crc``, ``type``, ``field``.
"""

import struct
from enum import IntEnum, IntFlag
from math import hypot, isclose
from typing import Any, TypeAlias

import google_crc32c
import numpy as np

from lookdown.wire import messages
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.dictionary import DICTIONARY, MAX_SIGHTS, MAX_TRACKS, DictionaryError, Packet
from lookdown.wire.echoes import pack_echoes, unpack_echoes
from lookdown.wire.errors import WireError
from lookdown.wire.fields import FixedFields
from lookdown.wire.messages import (
    ECHO_DTYPE,
    SIGHT_DTYPE,
    Command,
    End,
    Event,
    FrameHeader,
    Health,
    IntervalHeader,
    Parameter,
    Picture,
    PlotReport,
    RadarReport,
    SensorState,
    Tasking,
)
from lookdown.wire.plots import pack_plots, unpack_plots
from lookdown.wire.tracks import TrackRows

__all__ = ["FORMAT_VERSION", "MAX_PACKET_OCTETS", "MAX_SIGHTS", "MAX_TRACKS", "Message", "decode", "encode"]

Message: TypeAlias = (
    PlotReport
    | RadarReport
    | Health
    | End
    | Picture
    | FrameHeader
    | IntervalHeader
    | Event
    | Parameter
    | Command
    | Tasking
)

FORMAT_VERSION = DICTIONARY.version
MAX_PACKET_OCTETS = 6 + 65536

_PRIMARY = struct.Struct(">HHH")
_SECONDARY = struct.Struct(">BHII")
_CRC = struct.Struct(">I")
_BODY_AT = _PRIMARY.size + _SECONDARY.size
_OVERHEAD_OCTETS = _BODY_AT + _CRC.size
_SECONDARY_HEADER = 0b000_0_1
_UNSEGMENTED = 0b11
_UNIT_TOLERANCE = 1e-6
_EPOCH_S = 378_691_200
"""1970-01-01 after 1958-01-01, 4383 days of TAI [s]."""
_TIME_END_NS = ((1 << 32) - _EPOCH_S) * NS_PER_S
"""From here on the seconds of the time code are used up, in 2094 [ns]."""


def _enumerations() -> dict[str, type[IntEnum] | type[IntFlag]]:
    """Classes of the enumerations; they must say what the dictionary says."""
    classes = {}
    for name, enumeration in DICTIONARY.enumerations.items():
        cls = getattr(messages, name)
        members = {member.name: member.value for member in cls}
        if members != enumeration.values:
            where = f"{DICTIONARY.path}:{enumeration.line}"
            raise DictionaryError(f"{where}: {name} is {members} in messages.py; make them one")
        classes[name] = cls
    return classes


_ENUMERATIONS = _enumerations()


class _Layout:
    """One kind of packet made ready to run."""

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.name = packet.name
        self.message = getattr(messages, packet.name)
        self.first_word = (_SECONDARY_HEADER | 2 * packet.telecommand) << 11 | packet.apid
        self.least_sensor = int(packet.sensor)
        own = [f for f in packet.fields if f.name != "n_plots"]
        self.fields = FixedFields(list(own), _ENUMERATIONS) if own else None
        state = next((group for group in packet.groups if "state" in group.name), None)
        self.state = FixedFields(list(state.fields), _ENUMERATIONS) if state else None
        self.may_lack_state = bool(state and state.optional)
        self.tail_at = packet.fixed_bits // 8
        self.plots = {"plots": SIGHT_DTYPE, "echoes": ECHO_DTYPE}.get(packet.tail)
        self.counted_from = next((f.scale for f in packet.fields if f.name == "first_range_m"), 0.0)
        self.count_bits = next((f.bits for f in packet.fields if f.name == "n_plots"), 0)
        self.tracks = TrackRows(packet) if packet.tail == "tracks" else None

    def pack(self, message: Any) -> bytes:
        """Return fields and tail."""
        word = self.fields.pack(message) if self.fields else 0
        tail = b""
        if self.plots is not None:
            name = self.packet.attribute
            plots = np.ascontiguousarray(getattr(message, name), self.plots)
            if plots.ndim != 1 or len(plots) > self.packet.rows:
                raise ValueError(
                    f"{name}: wanted one axis of at most {self.packet.rows} rows, came shape {plots.shape}"
                )
            word = word << self.count_bits | len(plots)
            if self.packet.tail == "plots":
                tail = pack_plots(plots)
            else:
                tail = pack_echoes(plots, round(message.first_range_m / self.counted_from) * self.counted_from)
        elif self.tracks:
            tail = self.tracks.pack(message.tracks)
        elif self.packet.tail == "text":
            tail = self._pack_text(getattr(message, self.packet.attribute))
        if self.state:
            word = word << 8 * self.state.octets + self._odd_bits | self._pack_state(message.state)
        return word.to_bytes(self.tail_at - _BODY_AT, "big") + tail

    @property
    def _odd_bits(self) -> int:
        """Bits of a state beyond its whole octets."""
        assert self.state
        return (self.state.end - self.state.start) % 8

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Return the values by attribute; ValueError if one is out of its bounds, or octets are missing or left."""
        fixed = int.from_bytes(data[_BODY_AT : self.tail_at], "big")
        values: dict[str, Any] = {}
        bits = 0
        if self.state:
            bits = self.state.end - self.state.start
            values["state"] = self._unpack_state(fixed & ((1 << bits) - 1))
            fixed >>= bits
        tail = data[self.tail_at : -_CRC.size]
        n_plots = 0
        if self.plots is not None:
            n_plots = fixed & ((1 << self.count_bits) - 1)
            fixed >>= self.count_bits
            if n_plots > self.packet.rows:
                raise ValueError(f"{self.packet.attribute}: wanted at most {self.packet.rows} rows, came {n_plots}")
        elif self.tracks:
            values["tracks"] = self.tracks.unpack(tail)
        elif self.packet.tail == "text":
            values[self.packet.attribute] = self._unpack_text(tail)
        elif tail:
            raise ValueError(f"length: wanted no octets after the fields, came {len(tail)}")
        if self.fields:
            values.update(self.fields.unpack(fixed))
        if self.plots is not None:
            values[self.packet.attribute] = plots = np.empty(n_plots, self.plots)
            if self.packet.tail == "plots":
                unpack_plots(tail, plots)
            else:
                unpack_echoes(tail, plots, values["first_range_m"])
        return values

    def _pack_state(self, state: SensorState | None) -> int:
        assert self.state
        if state is None:
            if not self.may_lack_state:
                raise ValueError("state: wanted a SensorState, came None; a report without pointing cannot be located")
            return 0
        if self.may_lack_state:
            _check_unit(state)
        return self.state.pack(state)

    def _unpack_state(self, word: int) -> SensorState | None:
        """Return the sensor state; all bits zero mean that there is none, where there may be none."""
        assert self.state
        if self.may_lack_state and not word:
            return None
        state = SensorState(**self.state.unpack(word))
        if self.may_lack_state:
            _check_unit(state)
        return state

    def _pack_text(self, text: str) -> bytes:
        octets = text.encode()
        self._check_text(octets)
        return octets

    def _unpack_text(self, octets: bytes) -> str:
        self._check_text(octets)
        try:
            return octets.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.packet.attribute}: wanted UTF-8, came none: {error.reason}") from None

    def _check_text(self, octets: bytes) -> None:
        limit = self.packet.rows
        if len(octets) > limit:
            raise ValueError(f"{self.packet.attribute}: wanted at most {limit} octets of text, came {len(octets)}")


_BY_MESSAGE = {layout.message: layout for layout in map(_Layout, DICTIONARY.packets)}
_BY_APID = {layout.packet.apid: layout for layout in _BY_MESSAGE.values()}


def encode(message: Message, sequence: int = 0) -> bytes:
    """Turn a message into a packet.

    Parameters
    ----------
    message : Message
        What to send: one of the messages of the dictionary.
    sequence : int
        Counts the packets of a sender and kind; its lowest 14 bits go into the primary header.

    Raises
    ------
    ValueError
        The message is of no kind in the dictionary, a value is out of its bounds or not finite, or there are too many
        rows.

    Examples
    --------
    >>> packet = encode(End(sensor_id=7, time_ns=1_000_000_000, frames_processed=3))
    >>> len(packet), decode(packet)
    (29, End(sensor_id=7, time_ns=1000000000, frames_processed=3))
    """
    layout = _BY_MESSAGE.get(type(message))
    if layout is None:
        raise ValueError(f"message: wanted one of {[k.__name__ for k in _BY_MESSAGE]}, came {type(message)}")
    sensor_id = getattr(message, "sensor_id", 0)
    time_ns = message.time_ns
    if not layout.least_sensor <= sensor_id <= 2**16 - 1 or not 0 <= time_ns < _TIME_END_NS:
        raise ValueError(f"sensor_id, time_ns: wanted 1 to 65535 and 0 to {_TIME_END_NS}, came {sensor_id}, {time_ns}")
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    fine = ((rest_ns << 32) + NS_PER_S // 2) // NS_PER_S
    data = _SECONDARY.pack(FORMAT_VERSION, sensor_id, seconds + _EPOCH_S, fine) + layout.pack(message)
    octets = len(data) + _CRC.size - 1
    packet = _PRIMARY.pack(layout.first_word, _UNSEGMENTED << 14 | sequence & 0x3FFF, octets) + data
    return packet + _CRC.pack(google_crc32c.value(packet))


def decode(data: bytes | bytearray | memoryview) -> Message:
    """Turn a packet into its message; arrays are copies of their own.

    Raises
    ------
    WireError
        The octets are no packet of this format, or a field is out of its bounds; the reasons stand above.
    """
    data = bytes(data)
    layout = _checked(data)
    version, sensor_id, coarse_s, fine = _SECONDARY.unpack_from(data, _PRIMARY.size)
    if version != FORMAT_VERSION:
        raise WireError("version", f"wanted packet format {FORMAT_VERSION}, came {version}; update the older side")
    if layout is None:
        came = int.from_bytes(data[:2], "big") & 0x7FF
        raise WireError("type", f"wanted an APID of {[hex(known) for known in _BY_APID]}, came {came:#x}")
    if (sensor_id > 0) != layout.packet.sensor or coarse_s < _EPOCH_S:
        raise WireError("field", f"secondary header: came sensor {sensor_id}, {coarse_s} s of TAI since 1958")
    if len(data) < layout.tail_at + _CRC.size:
        raise WireError(
            "length", f"{layout.name}: wanted at least {layout.tail_at + _CRC.size} octets, came {len(data)}"
        )
    try:
        values = layout.unpack(data)
    except ValueError as error:
        raise WireError("field", f"{layout.name}.{error}") from None
    values["time_ns"] = (coarse_s - _EPOCH_S) * NS_PER_S + (fine * NS_PER_S + (1 << 31) >> 32)
    if layout.packet.sensor:
        values["sensor_id"] = sensor_id
    message: Message = layout.message(**values)
    return message


def _checked(data: bytes) -> _Layout | None:
    """Hold a packet to its primary header, its length and its CRC; return its kind, None for an unknown APID."""
    if len(data) < _PRIMARY.size:
        raise WireError("truncated", f"wanted {_PRIMARY.size} octets of primary header, came {len(data)}")
    first, second, octets = _PRIMARY.unpack_from(data)
    if first >> 13:
        raise WireError("version", f"wanted space packet version 0, came {first >> 13}; is this a space packet?")
    layout = _BY_APID.get(first & 0x7FF)
    wrong_way = layout is not None and first != layout.first_word
    if not first >> 11 & 1 or wrong_way or second >> 14 != _UNSEGMENTED:
        raise WireError("header", f"wanted an unsegmented packet with a secondary header, came {data[:4].hex()}")
    wanted: int = _PRIMARY.size + octets + 1
    if len(data) < wanted:
        raise WireError("truncated", f"wanted {wanted} octets, came {len(data)}")
    if len(data) > wanted or wanted < _OVERHEAD_OCTETS:
        raise WireError("length", f"header announces {wanted} octets, at least {_OVERHEAD_OCTETS}; came {len(data)}")
    came = _CRC.unpack_from(data, wanted - _CRC.size)[0]
    computed = google_crc32c.value(data[: -_CRC.size])
    if came != computed:
        raise WireError("crc", f"wanted {computed:08x}, came {came:08x}")
    return layout


def _check_unit(state: SensorState) -> None:
    norm = hypot(*np.asarray(state.attitude, np.float64).tolist())
    if not isclose(norm, 1.0, abs_tol=_UNIT_TOLERANCE):
        raise ValueError(f"attitude: wanted a unit quaternion, came one of length {norm}")
