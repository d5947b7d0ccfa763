"""A hop of ZeroMQ's sockets alone, with CURVE: what comes goes on, nothing is looked at. A process of a chain.

usage: python -m tests.wire.relay.bare_hops PUBLIC SECRET FROM TO     (keys in Z85, endpoints)
"""

import sys
from typing import Any

import zmq


def ends(context: Any, public: bytes, secret: bytes, came_from: str, goes_to: str) -> tuple[Any, Any]:
    """Return the socket that takes and the socket that sends; all share one pair of keys."""
    taking, sending = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    for socket in (taking, sending):
        socket.linger = 0
        socket.curve_publickey, socket.curve_secretkey = public, secret
    taking.curve_server, sending.curve_serverkey = True, public
    taking.bind(came_from)
    sending.connect(goes_to)
    return taking, sending


if __name__ == "__main__":
    with zmq.Context() as own:
        taken, sent = ends(own, sys.argv[1].encode(), sys.argv[2].encode(), *sys.argv[3:])
        while True:
            sent.send(taken.recv())
