"""Seals of a relay: what is made here is sealed to its destination, what is for this node is opened."""

from lookdown.wire.errors import ConfigError, EarlyError, WireError
from lookdown.wire.keys import next_start
from lookdown.wire.relay.bundle import Bundle
from lookdown.wire.sealed import EARLY, Opener, Sealer
from lookdown.wire.security import Security


class Seals:
    """Seals and opens the payloads of bundles; their headers are authenticated with them.

    Parameters
    ----------
    security : Security
        Keys of this node and of all that it talks to.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._start = next_start(security.folder)
        self._sealers: dict[int, Sealer] = {}
        self._opener = Opener(security.own, security.ring)

    def seal(self, bundle: Bundle) -> Bundle:
        """Return a bundle made here, sealed to its destination; ConfigError if that node is not enrolled."""
        sealer = self._sealers.get(bundle.destination)
        if sealer is None:
            own = self._security.own
            card = own.card if bundle.destination == own.node_id else self._security.ring.card(bundle.destination)
            if card is None:
                raise ConfigError(f"node {bundle.destination} is not enrolled here; see lookdown-wire keys enrol")
            sealer = self._sealers[bundle.destination] = Sealer(own, card, self._start)
        return bundle._replace(payload=sealer.seal(bundle.payload, bundle.header()))

    def open(self, bundle: Bundle) -> bytes:
        """Return the payload of a bundle for this node.

        Raises
        ------
        WireError
            It was not sealed by its source for this node; EarlyError: it was, with keys that are not known yet.
        """
        try:
            opened = self._opener.open(bundle.payload, bundle.header())
        except WireError as error:
            if error.reason == EARLY:
                raise EarlyError(EARLY, str(error)) from None
            raise
        if opened.sender_id != bundle.source:
            raise WireError("forged", f"sealed by node {opened.sender_id}, said to be from {bundle.source}")
        return opened.payload

    def renew(self) -> None:
        """Use the keys as they are now."""
        self._sealers.clear()
        self._opener.renew(self._security.own, self._security.ring)
