"""The envelope of the link: what stands around a packet on its way from a sender to the receiver.

====== ============ =======================================================================================
octets field        meaning
====== ============ =======================================================================================
2      magic        0x4C44, "LD"
1      version      1
1      kind         1 data (a packet follows), 2 acknowledgement (nothing follows), 3 batch (records follow)
2      sender       identity of the sender, 1 to 65535
2      spare        zero
8      boot         random number, not 0, that the sender draws when it starts
8      sequence     number of this packet, from 1 on, of a batch the last; acknowledgement: all up to here are stored
8      after        no packet that the sender still promises lies between this number and the (first) packet
8      acknowledged highest number of which the sender knows that it is stored
8      origin       data: when the frame behind the packet was handed over, TAI [ns]; 0 if unknown, or a batch
n      packet       data: 1 to 65542 octets; batch: the same of records (`lookdown.wire.batch`)
4      crc          CRC-32C of all octets before
====== ============ =======================================================================================

All fields are big-endian. The rules of the link stand in ``docs/link.md``.
"""

import struct
from typing import NamedTuple

import google_crc32c

from lookdown.wire.errors import WireError
from lookdown.wire.packet import MAX_PACKET_OCTETS

DATA, ACKNOWLEDGEMENT, BATCH = 1, 2, 3
MAGIC = 0x4C44
VERSION = 1
_HEADER = struct.Struct(">HBBHHQQQQq")
_CRC = struct.Struct(">I")
ENVELOPE_OCTETS = _HEADER.size + _CRC.size
MAX_ENVELOPE_OCTETS = ENVELOPE_OCTETS + MAX_PACKET_OCTETS


class Delivery(NamedTuple):
    """One packet as it came out of the link, or out of a recording of it."""

    sender_id: int
    origin_ns: int
    arrival_ns: int
    packet: bytes
    boot_id: int = 0
    sequence: int = 0


class Envelope(NamedTuple):
    """One message of the link; the fields stand above."""

    kind: int
    sender_id: int
    boot_id: int
    sequence: int
    after: int = 0
    acknowledged: int = 0
    origin_ns: int = 0
    packet: bytes = b""

    def encode(self) -> bytes:
        """Return the octets of the message."""
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            self.kind,
            self.sender_id,
            0,
            self.boot_id,
            self.sequence,
            self.after,
            self.acknowledged,
            self.origin_ns,
        )
        content = header + self.packet
        return content + _CRC.pack(google_crc32c.value(content))


def decode_envelope(data: bytes, kind: int) -> Envelope:
    """Return the envelope that ``data`` holds.

    Parameters
    ----------
    data : bytes
        One message of the link, whatever it holds.
    kind : int
        ``DATA`` or ``ACKNOWLEDGEMENT``: what the taker of it waits for; who waits for data takes a batch, too.

    Raises
    ------
    WireError
        With reason ``oversize``, ``truncated``, ``magic``, ``crc``, ``version``, ``kind`` or ``field``.
    """
    if len(data) > MAX_ENVELOPE_OCTETS:
        raise WireError("oversize", f"wanted at most {MAX_ENVELOPE_OCTETS} octets, came {len(data)}")
    if len(data) < ENVELOPE_OCTETS:
        raise WireError("truncated", f"wanted at least {ENVELOPE_OCTETS} octets, came {len(data)}")
    magic, version, came_kind, sender_id, spare, boot_id, sequence, after, acknowledged, origin_ns = (
        _HEADER.unpack_from(data)
    )
    if magic != MAGIC:
        raise WireError("magic", f"wanted {MAGIC:04x}, came {magic:04x}; the peer speaks another protocol")
    content = data[: -_CRC.size]
    came, computed = _CRC.unpack(data[-_CRC.size :])[0], google_crc32c.value(content)
    if came != computed:
        raise WireError("crc", f"wanted {computed:08x}, came {came:08x}")
    if version != VERSION:
        raise WireError("version", f"wanted link version {VERSION}, came {version}; update the older side")
    if came_kind != kind and (came_kind, kind) != (BATCH, DATA):
        raise WireError("kind", f"wanted kind {kind}, came {came_kind}; sender and receiver are wired the wrong way")
    packet = content[_HEADER.size :]
    if kind == DATA:
        good = (
            sequence > max(after, acknowledged) and origin_ns >= 0 and packet and not (origin_ns and came_kind == BATCH)
        )
    else:
        good = not (after or acknowledged or origin_ns or packet)
    if not (good and sender_id and boot_id and not spare):
        raise WireError("field", f"came header {content[: _HEADER.size].hex()} and a packet of {len(packet)} octets")
    return Envelope(came_kind, sender_id, boot_id, sequence, after, acknowledged, origin_ns, packet)
