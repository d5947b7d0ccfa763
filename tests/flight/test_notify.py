"""What the onboard process tells systemd: ready, alive once a second, stopping; and that nobody need listen."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from lookdown.flight.board import Board
from lookdown.flight.live import FrameReceiver, Live, woken_by_signals
from lookdown.flight.notify import Notifier
from lookdown.wire.clock import SteppedClock
from lookdown.wire.link import LinkSender


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager that listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        address = str(tmp_path / "notify")
        listening.bind(address)
        listening.settimeout(5.0)
        yield listening, address


def heard(listening: socket.socket) -> list[bytes]:
    """All that was said so far."""
    listening.setblocking(False)
    said = []
    while True:
        try:
            said.append(listening.recv(100))
        except BlockingIOError:
            return said


def test_it_says_what_systemd_understands(manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch) -> None:
    listening, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notifier = Notifier()
    notifier.ready("takes frames")
    notifier.alive("12 frames")
    notifier.stopping()
    notifier.close()
    assert [listening.recv(100) for _ in range(3)] == [
        b"READY=1\nSTATUS=takes frames", b"WATCHDOG=1\nSTATUS=12 frames", b"STOPPING=1",
    ]  # fmt: skip


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0lookdown-{id(listening)}")
        listening.settimeout(5.0)
        notifier = Notifier(f"@lookdown-{id(listening)}")
        notifier.stopping()
        notifier.close()
        assert listening.recv(100) == b"STOPPING=1"


def test_nobody_need_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    for notifier in (Notifier(), Notifier(str(tmp_path / "none"))):
        notifier.alive("well")
        notifier.close()


def test_the_loop_says_once_a_second_that_it_goes_round(manager: tuple[socket.socket, str], tmp_path: Path) -> None:
    listening, address = manager
    clock = SteppedClock(10**18)
    board = Board(1, 0, 0, lambda rows, cols: pytest.fail("no frame"), clock)
    notifier = Notifier(address)
    with zmq.Context() as context, woken_by_signals() as wake:
        frames = FrameReceiver(context, f"ipc://{tmp_path}/frames", 0)
        link = LinkSender(context, f"ipc://{tmp_path}/ground", 1, clock)
        live = Live(board, frames, link, clock, wake, notifier)
        with context.socket(zmq.PUSH) as door:
            door.connect(f"ipc://{tmp_path}/frames")
            for step_s in (0.0, 0.4, 0.4, 0.4, 1.0):
                clock.advance(step_s)
                door.send(b"wakes the loop")
                live.turn()
        frames.close()
        link.close()
    notifier.close()
    said = heard(listening)
    assert [line.split(b"\n")[0] for line in said] == [b"WATCHDOG=1"] * 3
    assert said[0].endswith(b"STATUS=0 frames, 0 packets held")


def test_it_is_alive_while_it_waits_for_the_ground_at_its_end(
    manager: tuple[socket.socket, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds without a word, as long as the service's watchdog waits, and it would be killed while it ends."""
    listening, address = manager
    clock = SteppedClock(10**18)
    board = Board(1, 0, 0, lambda rows, cols: pytest.fail("no frame"), clock)
    notifier = Notifier(address)
    waits_ms: list[int] = []

    class Poller(zmq.Poller):
        def poll(self, timeout: float | None = None) -> list[tuple[object, int]]:
            assert timeout is not None
            waits_ms.append(int(timeout))
            clock.advance(1e-3 * timeout)
            return []

    monkeypatch.setattr(zmq, "Poller", Poller)
    with zmq.Context() as context, woken_by_signals() as wake:
        frames = FrameReceiver(context, f"ipc://{tmp_path}/frames", 0)
        link = LinkSender(context, f"ipc://{tmp_path}/ground", 1, clock)
        assert not Live(board, frames, link, clock, wake, notifier).flush(10.0)
        frames.close()
        link.close()
    notifier.close()
    assert sum(waits_ms) >= 10_000
    assert max(waits_ms) <= 1000
    said = [line.split(b"\n") for line in heard(listening)]
    assert len(said) >= 10
    assert said[-1] == [b"WATCHDOG=1", b"STATUS=ends; 2 packets held"]
