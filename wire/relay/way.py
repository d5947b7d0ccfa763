"""The connection of a relay to one neighbour: refusals, renewed keys, a neighbour that was revoked."""

import contextlib

import zmq

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.errors import ConfigError
from lookdown.wire.relay.config import NeighbourConfig
from lookdown.wire.security import Security, Watch
from lookdown.wire.sockets import attach, prepare

_HIGH_WATER_MARK = 1000
_MAX_MESSAGE_OCTETS = 128 * 1024
_HEARTBEAT_MS, _SILENCE_MS = 500, 2000
SOCKET = (_HIGH_WATER_MARK, _MAX_MESSAGE_OCTETS, _HEARTBEAT_MS, _SILENCE_MS)
"""What sockets of a relay are prepared with."""
_RETRY_NS = NS_PER_S // 2


class Way:
    """The connection to one neighbour.

    Parameters
    ----------
    context : zmq.Context
        Context of the process.
    config : NeighbourConfig
        The neighbour.
    keys : Security or None
        Keys of this node.

    Raises
    ------
    ConfigError
        The endpoint is none, or the neighbour is not enrolled.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", config: NeighbourConfig, keys: Security | None
    ) -> None:
        self.node, self._endpoint, self._keys = config.node, config.endpoint, keys
        self.retry_ns: int | None = None
        """When it is tried again, steady [ns]; None: nothing is wrong."""
        self._attempts = 0
        self._peer_key = b""
        self.socket = context.socket(zmq.PUSH)
        prepare(self.socket, *SOCKET)
        self.socket.immediate = True
        self.socket.set(zmq.RECONNECT_IVL, 50)
        self.socket.set(zmq.RECONNECT_IVL_MAX, 500)
        self.watch = Watch(self.socket)
        try:
            if keys:
                self._peer_key = keys.secure_client(self.socket, config.node)
            attach(self.socket, config.endpoint, bind=False)
        except ConfigError:
            self.close()
            raise

    def follow(self, steady_ns: int) -> tuple[int, list[str]]:
        """Return how many connections were made since the last call, and why others came to nothing."""
        outcomes = self.watch.events()
        failures = [failure for failure in outcomes if failure]
        if outcomes and not outcomes[-1]:
            self.retry_ns = None
        elif failures and self.retry_ns is None:
            self.retry_ns = steady_ns + _RETRY_NS
        return len(outcomes) - len(failures), failures

    def retry(self, steady_ns: int) -> None:
        """Connect anew after a refusal, which ZeroMQ takes for final, with the next of the neighbour's keys, if due."""
        if self.retry_ns is None or steady_ns < self.retry_ns:
            return
        self.retry_ns = None
        self._attempts += 1
        self._disconnect()
        if self._keys:
            try:
                self._peer_key = self._keys.secure_client(self.socket, self.node, self._attempts)
            except ConfigError:  # its card is gone: it is not spoken to until there is one
                self.retry_ns = steady_ns + _RETRY_NS
                return
        self.socket.connect(self._endpoint)

    def review(self, steady_ns: int) -> str:
        """Cut the connection if the neighbour's key is not believed any more, and say so; empty if it is."""
        if self._keys is None or self.retry_ns is not None:
            return ""
        card = self._keys.ring.card(self.node)
        if card and self._peer_key in card.curve_keys:
            return ""
        self._disconnect()
        self.retry_ns = steady_ns + (0 if card else _RETRY_NS)
        return f"connection to node {self.node} cut: it {'uses other keys now' if card else 'was revoked'}"

    def close(self) -> None:
        """Close the socket."""
        self.watch.close()
        self.socket.close(linger=0)

    def _disconnect(self) -> None:
        with contextlib.suppress(zmq.ZMQError):  # it has given up by itself
            self.socket.disconnect(self._endpoint)
