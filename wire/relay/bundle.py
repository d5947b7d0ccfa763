"""What crosses a hop: bundles, custody signals and reports of dead links.

A bundle is the same octets on every hop. Its header is readable by every relay and authenticated end to end with the
sealed payload (`lookdown.wire.sealed`), of which a relay sees noise::

    2 magic "LB", 1 version, 1 priority, 2 source, 2 destination, 8 boot, 8 sequence, 8 created, 8 expires,
    n payload, 4 CRC-32C                                                                        (big-endian)

Source, boot and sequence name the bundle for as long as it lives; times are TAI since 1970-01-01 [ns]. A message of a
hop is one octet that says its kind, then a bundle with the number of its transfer, a custody signal that names that
number, or a report.
"""

import struct
from typing import NamedTuple

import google_crc32c

from lookdown.wire.errors import WireError

PRIORITIES = 4
MAX_PAYLOAD_OCTETS = 65_536 + 256
"""Room for the longest packet of the link, with what carries it, sealed."""
BUNDLE, CUSTODY, REPORT = 1, 2, 3
TAKEN, FULL, REFUSED = 0, 1, 2
"""Verdicts of a custody signal: the bundle is kept on disk; there is no room for it; it cannot be taken."""
_MAGIC, _VERSION = b"LB", 1
_HEADER = struct.Struct(">2sBBHHQQqq")
_CRC = struct.Struct(">I")
_TRANSFER = struct.Struct(">BQ")
_CUSTODY = struct.Struct(">BHQQQBI")
_REPORT = struct.Struct(">BHQH")
_DEAD = struct.Struct(">Hq")
BUNDLE_OCTETS = _HEADER.size + _CRC.size
"""What a bundle adds to its payload."""


class Key(NamedTuple):
    """The name of a bundle, by which it can be followed."""

    source: int
    boot_id: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.source}-{self.boot_id:016x}-{self.sequence}"


def parse_key(text: str) -> Key:
    """Return the name that a text holds; ValueError if it is none."""
    try:
        source, boot, sequence = text.split("-")
        return Key(int(source), int(boot, 16), int(sequence))
    except ValueError:
        raise ValueError(f"wanted an identifier such as 7-00000000deadbeef-12, came {text!r}") from None


class Bundle(NamedTuple):
    """A message on its way; the fields stand above."""

    source: int
    boot_id: int
    sequence: int
    destination: int
    priority: int
    created_ns: int
    expires_ns: int
    payload: bytes

    @property
    def key(self) -> Key:
        """Its name."""
        return Key(self.source, self.boot_id, self.sequence)

    def header(self) -> bytes:
        """Return what every relay may read: the header that sealing authenticates."""
        return _HEADER.pack(
            _MAGIC,
            _VERSION,
            self.priority,
            self.source,
            self.destination,
            self.boot_id,
            self.sequence,
            self.created_ns,
            self.expires_ns,
        )

    def encode(self) -> bytes:
        """Return the octets of the bundle; ValueError if a field is out of its range."""
        if reason := _fault(self):
            raise ValueError(f"bundle {self.key}: {reason}")
        content = self.header() + self.payload
        return content + _CRC.pack(google_crc32c.value(content))


def _fault(bundle: Bundle) -> str:
    """Say what is wrong with the fields of a bundle; empty for nothing."""
    for name, value, least, most in (
        ("source", bundle.source, 1, 65535),
        ("destination", bundle.destination, 1, 65535),
        ("boot", bundle.boot_id, 1, 2**64 - 1),
        ("sequence", bundle.sequence, 1, 2**64 - 1),
        ("priority", bundle.priority, 0, PRIORITIES - 1),
        ("created", bundle.created_ns, 0, 2**62),
        ("expires", bundle.expires_ns, bundle.created_ns + 1, 2**62),
        ("payload octets", len(bundle.payload), 1, MAX_PAYLOAD_OCTETS),
    ):
        if not least <= value <= most:
            return f"{name}: wanted {least} to {most}, came {value}"
    return ""


def decode_bundle(data: bytes) -> Bundle:
    """Return the bundle that octets hold.

    Raises
    ------
    WireError
        With reason ``truncated``, ``oversize``, ``magic``, ``crc``, ``version`` or ``field``.
    """
    if len(data) < BUNDLE_OCTETS:
        raise WireError("truncated", f"wanted at least {BUNDLE_OCTETS} octets, came {len(data)}")
    if len(data) > BUNDLE_OCTETS + MAX_PAYLOAD_OCTETS:
        raise WireError("oversize", f"wanted at most {BUNDLE_OCTETS + MAX_PAYLOAD_OCTETS} octets, came {len(data)}")
    magic, version, priority, source, destination, boot, sequence, created, expires = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise WireError("magic", f"wanted {_MAGIC!r}, came {magic!r}")
    content = data[: -_CRC.size]
    if _CRC.unpack(data[-_CRC.size :])[0] != google_crc32c.value(content):
        raise WireError("crc", "the bundle was changed on its way")
    if version != _VERSION:
        raise WireError("version", f"wanted bundle version {_VERSION}, came {version}; update the older side")
    payload = content[_HEADER.size :]
    bundle = Bundle(source, boot, sequence, destination, priority, created, expires, payload)
    # What can be wrong here, said at length only where something is.
    if (
        not (source and destination and boot and sequence and priority < PRIORITIES and 0 <= created < expires <= 2**62)
        or not payload
    ):
        raise WireError("field", _fault(bundle))
    return bundle


class Report(NamedTuple):
    """Which of its links a node found dead, and until when it thinks so; a higher number is newer."""

    node: int
    number: int
    dead: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        """Return the message of a hop."""
        content = _REPORT.pack(REPORT, self.node, self.number, len(self.dead))
        content += b"".join(_DEAD.pack(*entry) for entry in self.dead)
        return content + _CRC.pack(google_crc32c.value(content))


class Transfer(NamedTuple):
    """A bundle on one hop, with the number that its sender gave to this attempt."""

    number: int
    bundle: Bundle
    octets: bytes


class Custody(NamedTuple):
    """The answer to a transfer."""

    key: Key
    transfer: int
    verdict: int

    def encode(self) -> bytes:
        """Return the message of a hop."""
        head = _CUSTODY.pack(CUSTODY, *self.key, self.transfer, self.verdict, 0)[: -_CRC.size]
        return head + _CRC.pack(google_crc32c.value(head))


def encode_transfer(number: int, octets: bytes) -> bytes:
    """Return the message of a hop that carries the octets of a bundle."""
    return _TRANSFER.pack(BUNDLE, number) + octets


def decode_hop(data: bytes) -> Transfer | Custody | Report:
    """Return what a message of a hop holds.

    Raises
    ------
    WireError
        With a reason of `decode_bundle`, or ``kind``.
    """
    kind = data[0] if data else 0
    if kind == BUNDLE:
        if len(data) < _TRANSFER.size:
            raise WireError("truncated", f"wanted at least {_TRANSFER.size} octets, came {len(data)}")
        octets = data[_TRANSFER.size :]
        return Transfer(_TRANSFER.unpack_from(data)[1], decode_bundle(octets), octets)
    if kind not in (CUSTODY, REPORT):
        raise WireError("kind", f"wanted kind {BUNDLE}, {CUSTODY} or {REPORT}, came {kind}")
    least = _CUSTODY.size if kind == CUSTODY else _REPORT.size + _CRC.size
    if len(data) < least:
        raise WireError("truncated", f"wanted at least {least} octets, came {len(data)}")
    content = data[: -_CRC.size]
    if _CRC.unpack(data[-_CRC.size :])[0] != google_crc32c.value(content):
        raise WireError("crc", "the message was changed on its way")
    if kind == CUSTODY:
        if len(data) != _CUSTODY.size or data[-5] not in (TAKEN, FULL, REFUSED):
            raise WireError("field", f"no custody signal: {data[:32].hex()}")
        _, source, boot, sequence, transfer, verdict, _ = _CUSTODY.unpack(data)
        return Custody(Key(source, boot, sequence), transfer, verdict)
    _, node, number, count = _REPORT.unpack_from(content)
    if len(content) != _REPORT.size + count * _DEAD.size:
        raise WireError("field", f"wanted {count} dead links, came {len(content) - _REPORT.size} octets")
    return Report(node, number, tuple(_DEAD.iter_unpack(content[_REPORT.size :])))
