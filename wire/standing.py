"""Connections that stand: whose each is, by the key that it came with, and how those of a revoked node are cut.

ZeroMQ asks about a key when a connection begins and never again, and has no call that ends one connection of a socket
that binds. Each message names the descriptor that it was read from: shutting that down ends the connection on both
sides at once, as if the way had been cut; the peer connects anew and is refused by its key.
"""

import contextlib
import os
import socket
from typing import Any

from lookdown.wire.security import Security


class Standing:
    """The connections of a socket that binds, as far as something came over them.

    Parameters
    ----------
    security : Security
        Whose ring says which keys may be heard.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._by_descriptor: dict[int, tuple[str, int | None]] = {}

    def node_of(self, frame: Any) -> int | None:
        """Return the node whose connection a frame (``copy=False``) came over; None if it was revoked since."""
        descriptor, user_id = int(frame.get("__fd")), str(frame.get("User-Id"))
        known = self._by_descriptor.get(descriptor)
        if known is None or known[0] != user_id:
            known = self._by_descriptor[descriptor] = (user_id, self._security.node_of(user_id))
        return known[1]

    def ended(self, descriptor: int) -> None:
        """Note that a connection is over."""
        self._by_descriptor.pop(descriptor, None)

    def review(self) -> list[str]:
        """Judge all connections by the keys that are believed now, and cut those that are not; return a line for each.

        A descriptor that was given to another connection since makes that one connect anew, which loses nothing.
        """
        lines = []
        for descriptor, (user_id, node) in list(self._by_descriptor.items()):
            if node is None or self._security.node_of(user_id) == node:
                continue
            self._by_descriptor[descriptor] = (user_id, None)  # what it sent before is not heard
            lines.append(f"connection of node {node} cut: its key {user_id[:16]} is not believed any more")
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)
        return lines
