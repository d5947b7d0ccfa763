"""Packets: what a message is on the wire, driven by one table.

A packet is a CCSDS space packet (133.0-B-2), all fields big-endian:

====== ==================================================================================================
octets content
====== ==================================================================================================
6      primary header: version 0, telemetry, secondary header present, APID = kind of message; unsegmented,
       14-bit sequence count; octets that follow, less one
12     secondary header: format version, a zero octet, sensor id, time (TAI since 1970-01-01) [ns]
n      fields of the message, as `lookdown.wire.dictionary` lists them; then the sensor state, if the message
       has one; then rows (plots, tracks) to the end
4      CRC-32C (Castagnoli) of all octets before
====== ==================================================================================================

Equal messages give equal octets. Any octets whatever may be given to `decode`: it returns a message whose every
field is within the bounds of the table, or raises `WireError` with a reason to count by: ``truncated``, ``length``,
``version``, ``header``, ``crc``, ``type``, ``field``.
"""

import struct
from collections.abc import Callable
from itertools import groupby
from math import hypot, isclose
from operator import attrgetter
from typing import Any, TypeAlias

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from lookdown.wire.dictionary import MAX_SIGHTS, MAX_TRACKS, PACKETS, STATE, Field, PacketType, Rows
from lookdown.wire.errors import WireError
from lookdown.wire.messages import End, FrameHeader, Health, Picture, PlotReport, ReportFlag, SensorState

__all__ = ["FORMAT_VERSION", "MAX_PACKET_OCTETS", "MAX_SIGHTS", "MAX_TRACKS", "Message", "decode", "encode"]

Message: TypeAlias = PlotReport | Health | End | Picture | FrameHeader

FORMAT_VERSION = 1
MAX_PACKET_OCTETS = 6 + 65536

_PRIMARY = struct.Struct(">HHH")
_SECONDARY = struct.Struct(">BBHq")
_CRC = struct.Struct(">I")
_OVERHEAD_OCTETS = _PRIMARY.size + _SECONDARY.size + _CRC.size
_TELEMETRY_WITH_SECONDARY_HEADER = 0b000_0_1
_UNSEGMENTED = 0b11
_UNIT_QUATERNION_TOLERANCE = 1e-6


class _Fields:
    """Fixed fields in order: to octets and back, each value held to its bounds."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.struct = struct.Struct(">" + "".join(field.format for field in fields))
        self._spans: list[tuple[Callable[[Any], Any], Field, int, int]] = []
        at = 0
        for field in fields:
            self._spans.append((attrgetter(field.name), field, at, at + field.count))
            at += field.count

    def pack(self, message: Any) -> bytes:
        """Return the octets; the caller holds them to the bounds with `unpack`."""
        values: list[Any] = []
        for of, field, start, end in self._spans:
            value = of(message)
            if end - start > 1:
                array = np.asarray(value, np.float64)
                if array.shape != (end - start,):
                    raise ValueError(f"{field.name}: wanted shape ({end - start},), came {array.shape}")
                values += array.tolist()
            else:
                values.append(value)
        try:
            return self.struct.pack(*values)
        except (struct.error, OverflowError, TypeError) as error:
            raise ValueError(f"cannot pack {values}: {error}; give values within the table's bounds") from None

    def unpack(self, octets: bytes) -> dict[str, Any]:
        """Return the values by name; ValueError if one is out of its bounds."""
        values = self.struct.unpack(octets)
        result: dict[str, Any] = {}
        for _, field, start, end in self._spans:
            for value in values[start:end]:
                if not field.low <= value <= field.high:
                    raise ValueError(f"{field.name}: wanted {field.low:g} to {field.high:g} {field.unit}, came {value}")
            result[field.name] = values[start] if end - start == 1 else np.array(values[start:end])
        return result


class _Rows:
    """Rows to octets and back, each value held to its bounds.

    Neighbouring columns of one format are checked as one matrix: with twenty plots in a report the calls cost, not
    the numbers.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.dtype = rows.dtype
        self._runs: list[tuple[slice, str, tuple[Field, ...], NDArray[Any], NDArray[Any]]] = []
        at = 0
        for code, run in groupby(rows.columns, lambda column: column.format[-1]):
            columns = tuple(column for column in run for _ in range(column.count))
            octets = slice(at, at + struct.calcsize(f">{len(columns)}{code}"))
            low, high = (np.array([getattr(c, bound) for c in columns], code) for bound in ("low", "high"))
            self._runs.append((octets, f">{code}", columns, low, high))
            at = octets.stop

    def pack(self, items: Any) -> bytes:
        try:
            array = self._rows.to_rows(items, self.dtype)
        except (OverflowError, TypeError) as error:
            raise ValueError(f"{self._rows.attribute}: cannot pack: {error}; give values within the bounds") from None
        if array.ndim != 1:
            raise ValueError(f"{self._rows.attribute}: wanted one axis, came shape {array.shape}")
        packed = array.tobytes()
        self._check(packed)
        return packed

    def unpack(self, octets: bytes) -> Any:
        self._check(octets)
        return self._rows.from_rows(np.frombuffer(octets, self.dtype))

    def _check(self, octets: bytes) -> None:
        table = np.frombuffer(octets, np.uint8).reshape(-1, self.dtype.itemsize)
        if len(table) > self._rows.limit:
            raise ValueError(f"{self._rows.attribute}: wanted at most {self._rows.limit} rows, came {len(table)}")
        for part, code, columns, low, high in self._runs:
            values = table[:, part].view(code)
            good = (values >= low) & (values <= high)
            if not good.all():
                row, place = (int(i) for i in np.argwhere(~good)[0])
                c, came = columns[place], values[row, place]
                where = f"{self._rows.attribute}[{row}].{c.name}"
                raise ValueError(f"{where}: wanted {c.low:g} to {c.high:g} {c.unit}, came {came}")


class _Layout:
    """A row of the table made ready to run."""

    def __init__(self, kind: PacketType) -> None:
        self.kind = kind
        self.fields = _Fields(kind.fields)
        self.rows = _Rows(kind.rows) if kind.rows else None


_STATE = _Fields(STATE)
_BY_MESSAGE = {kind.message: _Layout(kind) for kind in PACKETS}
_BY_APID = {kind.apid: _BY_MESSAGE[kind.message] for kind in PACKETS}


def encode(message: Message, sequence: int = 0) -> bytes:
    """Turn a message into a packet.

    Parameters
    ----------
    message : PlotReport, Health, End, Picture or FrameHeader
        What to send.
    sequence : int
        Counts the packets of a sender and kind; its lowest 14 bits go into the primary header.

    Raises
    ------
    ValueError
        The message is of no kind in the table, a value is out of its bounds or not finite, or there are too many rows.

    Examples
    --------
    >>> packet = encode(End(sensor_id=7, time_ns=1_000_000_000, frames_processed=3))
    >>> len(packet), decode(packet)
    (30, End(sensor_id=7, time_ns=1000000000, frames_processed=3))
    """
    layout = _BY_MESSAGE.get(type(message))
    if layout is None:
        raise ValueError(f"message: wanted one of {[k.message.__name__ for k in PACKETS]}, came {type(message)}")
    kind = layout.kind
    sensor_id = getattr(message, "sensor_id", 0)
    if not kind.sensor <= sensor_id <= 2**16 - 1 or not 0 <= message.time_ns < 2**63:
        raise ValueError(f"sensor_id, time_ns: wanted 1 to 65535 and 0 or later, came {sensor_id}, {message.time_ns}")
    fields = layout.fields.pack(message)
    layout.fields.unpack(fields)
    parts = [_SECONDARY.pack(FORMAT_VERSION, 0, sensor_id, message.time_ns), fields]
    if kind.state:
        parts.append(_pack_state(getattr(message, "state", None), kind.state == "optional"))
    if kind.rows and layout.rows:
        parts.append(layout.rows.pack(getattr(message, kind.rows.attribute)))
    data = b"".join(parts)
    primary = _PRIMARY.pack(
        _TELEMETRY_WITH_SECONDARY_HEADER << 11 | kind.apid,
        _UNSEGMENTED << 14 | sequence & 0x3FFF,
        len(data) + _CRC.size - 1,
    )
    return primary + data + _CRC.pack(google_crc32c.value(primary + data))


def decode(data: bytes | bytearray | memoryview) -> Message:
    """Turn a packet into its message; arrays are copies of their own.

    Raises
    ------
    WireError
        The octets are no packet of this format, or a field is out of its bounds; the reasons stand above.
    """
    data = bytes(data)
    apid = _checked_apid(data)
    version, zero, sensor_id, time_ns = _SECONDARY.unpack_from(data, _PRIMARY.size)
    if version != FORMAT_VERSION:
        raise WireError("version", f"wanted packet format {FORMAT_VERSION}, came {version}; update the older side")
    layout = _BY_APID.get(apid)
    if layout is None:
        raise WireError("type", f"wanted an APID of {[hex(known) for known in _BY_APID]}, came {apid:#x}")
    kind = layout.kind
    if zero or kind.sensor != (sensor_id > 0) or time_ns < 0:
        raise WireError("field", f"secondary header: came sensor {sensor_id}, time {time_ns} ns, spare octet {zero}")
    body = data[_PRIMARY.size + _SECONDARY.size : -_CRC.size]
    fields = layout.fields.struct.size
    fixed = fields + (_STATE.struct.size if kind.state else 0)
    row_octets = layout.rows.dtype.itemsize if layout.rows else 0
    rest = len(body) - fixed
    if rest < 0 or (rest % row_octets if row_octets else rest):
        name = kind.message.__name__
        raise WireError("length", f"{name}: wanted {fixed} + n * {row_octets} octets, came {len(body)}")
    try:
        values = layout.fields.unpack(body[:fields])
        if kind.state:
            values["state"] = _unpack_state(body[fields:fixed], kind.state == "optional")
        if kind.rows and layout.rows:
            values[kind.rows.attribute] = layout.rows.unpack(body[fixed:])
    except ValueError as error:
        raise WireError("field", f"{kind.message.__name__}.{error}") from None
    if kind.message is PlotReport:
        values["flags"] = ReportFlag(values["flags"])
    if kind.sensor:
        values["sensor_id"] = sensor_id
    message: Message = kind.message(time_ns=time_ns, **values)
    return message


def _checked_apid(data: bytes) -> int:
    """Hold a packet to its primary header, its length and its CRC; return its APID."""
    if len(data) < _PRIMARY.size:
        raise WireError("truncated", f"wanted {_PRIMARY.size} octets of primary header, came {len(data)}")
    words: tuple[int, int, int] = _PRIMARY.unpack_from(data)
    if words[0] >> 13:
        raise WireError("version", f"wanted space packet version 0, came {words[0] >> 13}; is this a space packet?")
    if words[0] >> 11 != _TELEMETRY_WITH_SECONDARY_HEADER or words[1] >> 14 != _UNSEGMENTED:
        raise WireError("header", f"wanted unsegmented telemetry with a secondary header, came {data[:4].hex()}")
    wanted = _PRIMARY.size + words[2] + 1
    if len(data) < wanted:
        raise WireError("truncated", f"wanted {wanted} octets, came {len(data)}")
    if len(data) > wanted or wanted < _OVERHEAD_OCTETS:
        raise WireError("length", f"header announces {wanted} octets, at least {_OVERHEAD_OCTETS}; came {len(data)}")
    came = _CRC.unpack_from(data, wanted - _CRC.size)[0]
    computed = google_crc32c.value(data[: -_CRC.size])
    if came != computed:
        raise WireError("crc", f"wanted {computed:08x}, came {came:08x}")
    return words[0] & 0x7FF


def _pack_state(state: SensorState | None, may_lack: bool) -> bytes:
    if state is None:
        if not may_lack:
            raise ValueError("state: wanted a SensorState, came None; a report without pointing cannot be located")
        return bytes(_STATE.struct.size)
    packed = _STATE.pack(state)
    _unpack_state(packed, False)
    return packed


def _unpack_state(octets: bytes, may_lack: bool) -> SensorState | None:
    """Return the sensor state; all octets zero mean that there is none."""
    if may_lack and not any(octets):
        return None
    values = _STATE.unpack(octets)
    norm = hypot(*values["attitude"].tolist())
    if not isclose(norm, 1.0, abs_tol=_UNIT_QUATERNION_TOLERANCE):
        raise ValueError(f"attitude: wanted a unit quaternion, came one of length {norm}")
    return SensorState(**values)
