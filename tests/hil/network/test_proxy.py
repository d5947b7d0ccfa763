"""The proxy of bad links: whole and in order, late, slow, cut, half-open."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lookdown.hil.network.proxy import FaultProxies, Faults


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    try:
                        while data := peer.recv(65536):
                            peer.sendall(data)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def exchange(port: int, data: bytes) -> tuple[bytes, float]:
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(data)
        got = b""
        while len(got) < len(data) and (more := peer.recv(65536)):
            got += more
    return got, time.monotonic() - begin


def is_over(peer: socket.socket) -> bool:
    try:
        return peer.recv(3) == b""
    except ConnectionResetError:
        return True


def test_octets_pass_whole_late_and_at_the_rate(echo: int) -> None:
    data = bytes(range(256)) * 100
    with FaultProxies() as proxies:
        link = proxies.link("127.0.0.1", echo, Faults(delay_s=0.05, bits_per_s=2e6, loss=0.1), seed=3)
        got, seconds = exchange(link.port, data)
    assert got == data
    assert seconds >= 2 * 0.05 + 8 * len(data) / 2e6


def test_a_cut_ends_connections_and_a_mended_link_takes_new_ones(echo: int) -> None:
    with FaultProxies() as proxies:
        link = proxies.link("127.0.0.1", echo)
        with socket.create_connection(("127.0.0.1", link.port), timeout=20) as peer:
            peer.sendall(b"one")
            assert peer.recv(3) == b"one"
            proxies.cut(link)
            assert is_over(peer)
        link.faults.cut = False
        assert exchange(link.port, b"two")[0] == b"two"


def test_a_half_open_link_takes_and_passes_nothing(echo: int) -> None:
    with FaultProxies() as proxies:
        link = proxies.link("127.0.0.1", echo, Faults(half_open=True))
        with socket.create_connection(("127.0.0.1", link.port), timeout=0.3) as peer:
            peer.sendall(b"one")
            with pytest.raises(TimeoutError):
                peer.recv(3)
