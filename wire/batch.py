"""Several packets in one message of the link: what stands in the place of the packet of a ``BATCH`` envelope.

Each packet is a record: 4 octets how much further its sequence is than that of the one before (of the first: than the
envelope's ``after``), 2 octets its length, 8 octets its origin (TAI [ns]), the packet; big-endian. The envelope's
``sequence`` is that of the last one. Nothing that is still promised lies between two packets of a batch.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from lookdown.wire.envelope import BATCH, Envelope
from lookdown.wire.errors import WireError
from lookdown.wire.packet import MAX_PACKET_OCTETS

_RECORD = struct.Struct(">IHq")
RECORD_OCTETS = _RECORD.size
MAX_RECORDS_OCTETS = MAX_PACKET_OCTETS
"""Octets that all records of a batch may take: a batch is no longer than the longest packet alone."""


class Entry(NamedTuple):
    """One packet of a message."""

    sequence: int
    after: int
    origin_ns: int
    packet: bytes


def pack_records(after: int, packets: Iterable[tuple[int, int, int, bytes]]) -> bytes:
    """Return the records of packets, given as (sequence, priority, origin_ns, packet) in order."""
    parts: list[bytes] = []
    pack = _RECORD.pack
    for sequence, _, origin_ns, packet in packets:
        parts += (pack(sequence - after, len(packet), origin_ns), packet)
        after = sequence
    return b"".join(parts)


def entries(envelope: Envelope) -> list[Entry]:
    """Return the packets of a data message or a batch; WireError ``field`` if the records of a batch are none."""
    if envelope.kind != BATCH:
        return [Entry(envelope.sequence, envelope.after, envelope.origin_ns, envelope.packet)]
    records, after, at = envelope.packet, envelope.after, 0
    found: list[Entry] = []
    try:
        while at < len(records):
            step, octets, origin_ns = _RECORD.unpack_from(records, at)
            at += RECORD_OCTETS
            packet = records[at : at + octets]
            if not step or not octets or origin_ns < 0 or len(packet) < octets:
                raise WireError(
                    "field", f"record {len(found)} of a batch: step {step}, {octets} octets, {origin_ns} ns"
                )
            at += octets
            found.append(Entry(after + step, after, origin_ns, packet))
            after += step
    except struct.error:
        raise WireError("field", f"record {len(found)} of a batch is cut short") from None
    if after != envelope.sequence:
        raise WireError("field", f"wanted a batch up to {envelope.sequence}, came up to {after}")
    return found
