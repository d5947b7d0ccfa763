"""Recordings in readable form: every packet as a line of JSON or of a table."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from lookdown.wire.clock import NS_PER_S, TAI_MINUS_UTC_S
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.messages import ECHO_DTYPE, SIGHT_DTYPE, PlotFlag, RadarPlotFlag
from lookdown.wire.packet import Message, decode

_FLAGS_OF = {SIGHT_DTYPE: PlotFlag, ECHO_DTYPE: RadarPlotFlag}
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
TABLE_HEAD = f"{'message time (UTC)':27} {'sender':>6} {'sequence':>8} {'octets':>6} {'packet':11} content"


def utc(time_ns: int) -> str:
    """Return an instant of TAI as UTC in ISO 8601, to the microsecond.

    Examples
    --------
    >>> utc(37_000_001_000)
    '1970-01-01T00:00:00.000001Z'
    """
    whole, rest_ns = divmod(time_ns, NS_PER_S)
    instant = _1970 + timedelta(seconds=whole - TAI_MINUS_UTC_S, microseconds=rest_ns // 1000)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any) -> Any:
    """Return a message, or a part of one, as what JSON can say; enumerations by their names."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return [_plot(row) for row in value] if value.dtype in _FLAGS_OF else value.tolist()
    if isinstance(value, IntFlag):
        return [member.name for member in value]
    if isinstance(value, IntEnum):
        return value.name
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def _plot(row: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in row.dtype.names:
        value = row[name].item()
        # What float32 holds is seven digits.
        digits = 7 if row.dtype[name].itemsize == 4 else 12
        values[name] = float(f"{value:.{digits}g}") if isinstance(value, float) else value
    return values | {"flags": [member.name for member in _FLAGS_OF[row.dtype](values["flags"])]}


def opened(deliveries: Iterable[Delivery], kinds: set[str], senders: set[int]) -> Iterator[tuple[Delivery, Any]]:
    """Yield deliveries with their messages, or with the error of a packet that is none.

    Parameters
    ----------
    deliveries : iterable of Delivery
        As a recording gives them.
    kinds : set of str
        Names of the packets wanted; empty for all, those that are no packets among them.
    senders : set of int
        Senders wanted; empty for all.
    """
    for delivery in deliveries:
        if senders and delivery.sender_id not in senders:
            continue
        message: Message | WireError
        try:
            message = decode(delivery.packet)
        except WireError as error:
            message = error
        if not kinds or type(message).__name__ in kinds:
            yield delivery, message


def json_line(delivery: Delivery, message: Message | WireError) -> str:
    """Return one delivery as a line of JSON."""
    line: dict[str, Any] = {
        "sender": delivery.sender_id,
        "boot": f"{delivery.boot_id:016x}",
        "sequence": delivery.sequence,
        "origin_ns": delivery.origin_ns,
        "arrival_ns": delivery.arrival_ns,
        "octets": len(delivery.packet),
    }
    if isinstance(message, WireError):
        line |= {"refused": message.reason, "detail": str(message), "packet_hex": delivery.packet.hex()}
    else:
        line |= {"packet": type(message).__name__, "time": utc(message.time_ns), **plain(message)}
    return json.dumps(line)


def table_line(delivery: Delivery, message: Message | WireError) -> str:
    """Return one delivery as a line under `TABLE_HEAD`."""
    if isinstance(message, WireError):
        when, name, content = "-", "refused", str(message)
    else:
        when, name = utc(message.time_ns), type(message).__name__
        said = plain(message)
        counted = {key: f"{len(said.pop(key))} {key}" for key in ("sights", "echoes", "tracks") if key in said}
        for key in ("sensor_id", "time_ns", "state"):
            said.pop(key, None)
        parts = [*counted.values(), *(f"{key} {_short(value)}" for key, value in said.items() if value != [])]
        content = ", ".join(parts)
    return (
        f"{when:27} {delivery.sender_id:6} {delivery.sequence:8} {len(delivery.packet):6} {name:11} {content}".rstrip()
    )


def _short(value: Any) -> str:
    return "+".join(value) if isinstance(value, list) else str(value)
