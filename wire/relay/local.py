"""How a program on the same machine hands a message to its relay, and asks again until the relay has it on disk.

A request is ``1 version, 1 priority, 2 destination, 8 lifetime [ns], 8 boot, 8 sequence`` and the payload; the
answer one octet, a verdict of `lookdown.wire.relay.bundle`, and a reason. The program draws the boot and counts the
sequence, so that what it asks twice is taken once.
"""

import secrets
import struct

import zmq

from lookdown.wire.errors import ConfigError, WireError
from lookdown.wire.relay.bundle import PRIORITIES, TAKEN, Key

_REQUEST = struct.Struct(">BBHqQQ")
_VERSION = 1


def pack_request(
    destination: int, priority: int, lifetime_ns: int, boot_id: int, sequence: int, payload: bytes
) -> bytes:
    """Return the octets of a request."""
    return _REQUEST.pack(_VERSION, priority, destination, lifetime_ns, boot_id, sequence) + payload


def unpack_request(data: bytes) -> tuple[int, int, int, int, int, bytes]:
    """Return destination, priority, lifetime [ns], boot, sequence and payload; WireError if it is no request."""
    if len(data) <= _REQUEST.size:
        raise WireError("truncated", f"wanted more than {_REQUEST.size} octets, came {len(data)}")
    version, priority, destination, lifetime_ns, boot_id, sequence = _REQUEST.unpack_from(data)
    if version != _VERSION or priority >= PRIORITIES or lifetime_ns <= 0:
        raise WireError("field", f"came version {version}, priority {priority}, lifetime {lifetime_ns} ns")
    return destination, priority, lifetime_ns, boot_id, sequence, data[_REQUEST.size :]


class RelayClient:
    """Hands messages to the relay of this machine.

    Parameters
    ----------
    context : zmq.Context
        Context of the process.
    endpoint : str
        ``local`` of the relay's configuration.
    node : int
        The node of the relay, for the names of the messages.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str, node: int) -> None:
        self._context, self._endpoint, self._node = context, endpoint, node
        self._boot_id = secrets.randbits(63) | 1
        self._sequence = 0

    def send(
        self, destination: int, payload: bytes, priority: int = 1, lifetime_s: float = 3600.0, wait_s: float = 10.0
    ) -> Key:
        """Hand over a message and return its name when the relay has it on disk.

        Raises
        ------
        ConfigError
            The relay does not answer in time, or refuses: it is full, or no contact leads to the destination.
        """
        self._sequence += 1
        request = pack_request(destination, priority, round(lifetime_s * 1e9), self._boot_id, self._sequence, payload)
        tries = 5
        for _ in range(tries):
            with self._context.socket(zmq.REQ) as socket:
                socket.linger = 0
                try:
                    socket.connect(self._endpoint)
                except zmq.ZMQError as error:
                    raise ConfigError(f"{self._endpoint!r}: no endpoint of a relay ({error})") from None
                socket.send(request)
                if not socket.poll(round(1000 * wait_s / tries)):
                    continue
                answer = socket.recv()
                if answer != bytes([TAKEN]):
                    reason = answer[1:].decode(errors="replace")
                    raise ConfigError(
                        f"the relay at {self._endpoint} refuses a message to node {destination}: {reason}"
                    )
                return Key(self._node, self._boot_id, self._sequence)
        raise ConfigError(f"no answer from a relay at {self._endpoint} in {wait_s:g} s; does it run?")
