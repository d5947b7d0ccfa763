"""Several packets in one message of the link: what stands in the place of the packet of a ``BATCH`` envelope.

Each packet is a record: 4 octets how much further its sequence is than that of the one before (of the first: than the
envelope's ``after``), 2 octets its length, 8 octets its origin (TAI [ns]), the packet; big-endian. The envelope's
``sequence`` is that of the last one. Nothing that is still promised lies between two packets of a batch.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

from lookdown.wire.envelope import BATCH
from lookdown.wire.errors import WireError
from lookdown.wire.packet import MAX_PACKET_OCTETS

cdef enum:
    HEAD = 14  # step, length, origin

RECORD_OCTETS = HEAD
MAX_RECORDS_OCTETS = MAX_PACKET_OCTETS
"""Octets that all records of a batch may take: a batch is no longer than the longest packet alone."""


cdef void put(uint8_t* at, uint64_t number, int octets) noexcept nogil:
    cdef int i
    for i in range(octets):
        at[i] = <uint8_t> (number >> (8 * (octets - 1 - i)))


cdef uint64_t get(const uint8_t* at, int octets) noexcept nogil:
    cdef uint64_t number = 0
    cdef int i
    for i in range(octets):
        number = number << 8 | at[i]
    return number


def pack_records(uint64_t after, list packets not None):
    """Return the records of packets.

    Parameters
    ----------
    after : int
        Sequence of the packet before the first.
    packets : list of (int, int, int, bytes)
        Sequence, priority, origin [ns] and octets, in order.

    Returns
    -------
    bytes
        The records.

    Raises
    ------
    ValueError
        A packet that is longer than a record can say, or whose sequence is less than that of the one before.
    """
    cdef Py_ssize_t size = 0, octets
    cdef uint64_t sequence
    cdef int64_t origin_ns
    cdef bytes packet
    for _, _, _, packet in packets:
        size += HEAD + len(packet)
    cdef bytearray records = bytearray(size)
    cdef uint8_t* at = <uint8_t*> <char*> records
    for sequence, _, origin_ns, packet in packets:
        octets = len(packet)
        if octets >= 1 << 16 or not after <= sequence <= after + 0xFFFFFFFF:
            raise ValueError(f"wanted at most 65535 octets after {after}, came {octets} of sequence {sequence}")
        put(at, sequence - after, 4)
        put(at + 4, octets, 2)
        put(at + 6, <uint64_t> origin_ns, 8)
        memcpy(at + HEAD, <const char*> packet, octets)
        at += HEAD + octets
        after = sequence
    return bytes(records)


def entries(object envelope not None):
    """Return the packets of a data message or a batch.

    Parameters
    ----------
    envelope : Envelope
        Of kind ``DATA`` or ``BATCH``.

    Returns
    -------
    list of (int, int, int, bytes)
        Sequence, after, origin [ns] and octets of each.

    Raises
    ------
    WireError
        With reason ``field`` if the records of a batch are none.
    """
    if envelope.kind != BATCH:
        return [(envelope.sequence, envelope.after, envelope.origin_ns, envelope.packet)]
    cdef bytes records = envelope.packet
    cdef const uint8_t* octets = <const uint8_t*> <const char*> records
    cdef Py_ssize_t size = len(records), at = 0, length
    cdef uint64_t after = envelope.after, step
    cdef int64_t origin_ns
    cdef list found = []
    while at < size:
        if size - at < HEAD:
            raise WireError("field", f"record {len(found)} of a batch is cut short")
        step, length = get(octets + at, 4), <Py_ssize_t> get(octets + at + 4, 2)
        origin_ns = <int64_t> get(octets + at + 6, 8)
        at += HEAD
        if not step or not length or origin_ns < 0 or size - at < length or after + step < after:
            raise WireError("field", f"record {len(found)} of a batch: step {step}, {length} octets, {origin_ns} ns")
        found.append((after + step, after, origin_ns, records[at:at + length]))
        after += step
        at += length
    if after != envelope.sequence:
        raise WireError("field", f"wanted a batch up to {envelope.sequence}, came up to {after}")
    return found
