"""Packets of the link as payload of bundles: a board hands them to the relay of its satellite, a ground takes them out.

A payload is ``2 magic "LC", 8 previous, 8 origin`` and the packet (sealed for the ground, or not). The bundle carries
sender, boot and sequence of the packet as its own name; ``previous`` is the sequence of the packet before, of the same
boot: nothing that is still promised lies between. Bundles overtake each other; with it the ground puts them in order.
"""

import struct
from typing import NamedTuple

from lookdown.wire.errors import WireError

_HEAD = struct.Struct(">2sQq")
_MAGIC = b"LC"


class Carried(NamedTuple):
    """What stands in a payload: sequence of the packet before, origin (TAI [ns], 0 if unknown), packet."""

    previous: int
    origin_ns: int
    packet: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return _HEAD.pack(_MAGIC, self.previous, self.origin_ns) + self.packet


def is_carried(payload: bytes) -> bool:
    """Return whether a payload says that it holds a packet of the link."""
    return payload.startswith(_MAGIC)


def decode_carried(payload: bytes) -> Carried:
    """Return what a payload holds; WireError ``carried`` if it is none."""
    if len(payload) <= _HEAD.size or not is_carried(payload):
        raise WireError("carried", f"wanted a packet of the link, came {len(payload)} octets {payload[:8].hex()}")
    _, previous, origin_ns = _HEAD.unpack_from(payload)
    if origin_ns < 0:
        raise WireError("carried", f"wanted an origin of 0 or more, came {origin_ns}")
    return Carried(previous, origin_ns, payload[_HEAD.size :])
