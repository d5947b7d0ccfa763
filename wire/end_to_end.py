"""Packets sealed from the process that makes them to the one that they are for, whatever carries them between.

`lookdown.wire.sealed` seals and opens; here it is bound to the link: the header that is authenticated with each packet
holds sender, boot, sequence and origin, so that a packet opens in its own place alone. A receiver takes each place once
(`lookdown.wire.inbox`); what it opened is besides kept on disk in its folder of keys, for the day when it is started on
an empty recording.
"""

import struct
from pathlib import Path

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import ConfigError, EarlyError, WireError
from lookdown.wire.keys import next_start
from lookdown.wire.sealed import EARLY, Opener, Sealer
from lookdown.wire.security import Security

_PLACE = struct.Struct(">8sHQQq")
_NAME = b"LD seal1"
_STATE_NAME = "opened"
_SAVE_EVERY_NS = NS_PER_S


def _place(sender_id: int, boot_id: int, sequence: int, origin_ns: int) -> bytes:
    return _PLACE.pack(_NAME, sender_id, boot_id, sequence, origin_ns)


class PacketSealer:
    """Seals the packets of one start of a sender.

    Parameters
    ----------
    security : Security
        Keys of this node; when they are read again, new epochs are used from the next packet on.
    recipient : int
        The node that alone may read the packets.

    Raises
    ------
    ConfigError
        The recipient is not enrolled, or this start cannot be counted.
    """

    def __init__(self, security: Security, recipient: int) -> None:
        self._security, self._recipient = security, recipient
        if security.ring.card(recipient) is None:
            raise ConfigError(
                f"node {recipient}, to which packets are sealed, is not enrolled in {security.folder}; give its number "
                "as security.seal_for and enrol its card with lookdown-wire keys enrol"
            )
        self._start = next_start(security.folder)
        self._generation = -1
        self._sealer: Sealer

    def seal(self, sender_id: int, boot_id: int, sequence: int, origin_ns: int, packet: bytes) -> bytes:
        """Return a packet, sealed for its place in what the sender sends."""
        if self._generation != self._security.generation:
            self._generation = self._security.generation
            card = self._security.ring.card(self._recipient)
            if card:  # of a recipient that was revoked the last keys stay: nobody else can read it
                self._sealer = Sealer(self._security.own, card, self._start)
        return self._sealer.seal(packet, _place(sender_id, boot_id, sequence, origin_ns))


class PacketOpener:
    """Opens the packets that other nodes sealed for this one, each once.

    Parameters
    ----------
    security : Security
        Keys of this node and of the senders.

    Raises
    ------
    ConfigError
        What an earlier start opened cannot be read.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._path = security.folder / _STATE_NAME
        self._generation = security.generation
        self._opened = self._saved = 0
        self._save_ns = 0
        try:
            state = self._path.read_bytes() if self._path.exists() else b""
            self._opener = Opener(security.own, security.ring, state)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self._path}: cannot be read ({error}); restore it, or remove it and rotate the keys of all senders: "
                "without it what was opened before could be opened again"
            ) from None

    @property
    def generation(self) -> int:
        """Number of the keys that are used now."""
        return self._security.generation

    def open(self, delivery: Delivery) -> Delivery:
        """Return a delivery with its packet opened.

        Raises
        ------
        WireError
            With a reason of `Opener.open` after ``seal``, such as ``seal forged``; EarlyError for ``seal early``.
        """
        if self._generation != self._security.generation:
            self._generation = self._security.generation
            self._opener.renew(self._security.own, self._security.ring)
        place = _place(delivery.sender_id, delivery.boot_id, delivery.sequence, delivery.origin_ns)
        try:
            opened = self._opener.open(delivery.packet, place)
        except WireError as error:
            if error.reason == EARLY:
                raise EarlyError(f"seal {EARLY}", str(error)) from None
            raise WireError(f"seal {error.reason}", str(error)) from None
        if opened.sender_id != delivery.sender_id:
            raise WireError("seal forged", f"sealed by node {opened.sender_id}, came as of {delivery.sender_id}")
        self._opened += 1
        return delivery._replace(packet=opened.payload)

    def stored(self, now_ns: int, at_once: bool = False) -> None:
        """Note that all that was opened so far is stored; once a second it is written down as opened.

        Written earlier, a packet whose process died between would be refused when it comes again.
        """
        if self._opened == self._saved or (now_ns < self._save_ns and not at_once):
            return
        self._saved, self._save_ns = self._opened, now_ns + _SAVE_EVERY_NS
        fresh = Path(f"{self._path}.new")
        fresh.write_bytes(self._opener.state())
        fresh.replace(self._path)
