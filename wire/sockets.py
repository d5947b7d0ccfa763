"""What every socket of links and relays has: bounds, heartbeats, an endpoint that is said to be wrong if it is."""

import zmq

from lookdown.wire.errors import ConfigError

_MAX_MESSAGE_OCTETS = 1024 * 1024  # ZeroMQ cuts off a peer that sends more; what is less is counted as oversize
_HEARTBEAT_MS = 1000
_HEARTBEAT_TIMEOUT_MS = 4000  # a half-open connection is given up after this silence


def prepare(
    socket: zmq.Socket[bytes],
    high_water_mark: int,
    max_message_octets: int = _MAX_MESSAGE_OCTETS,
    heartbeat_ms: int = _HEARTBEAT_MS,
    silence_ms: int = _HEARTBEAT_TIMEOUT_MS,
) -> None:
    """Set what every socket of links and relays has: nothing lingers, all is bounded, silence ends a connection."""
    socket.linger = 0
    socket.sndhwm = socket.rcvhwm = high_water_mark
    socket.set(zmq.MAXMSGSIZE, max_message_octets)
    socket.set(zmq.HEARTBEAT_IVL, heartbeat_ms)
    socket.set(zmq.HEARTBEAT_TIMEOUT, silence_ms)
    socket.set(zmq.HEARTBEAT_TTL, silence_ms)


def attach(socket: zmq.Socket[bytes], endpoint: str, bind: bool) -> None:
    """Bind or connect a socket; the socket is closed and ConfigError raised if the endpoint does not allow it."""
    try:
        (socket.bind if bind else socket.connect)(endpoint)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        verb = "bind" if bind else "connect to"
        raise ConfigError(
            f"cannot {verb} endpoint {endpoint!r}: {zmq.strerror(error.errno or 0)}; "
            "wanted a free one such as tcp://127.0.0.1:5600 or ipc://reports"
        ) from None
