"""A context that fails the test which leaves a socket open, and endpoints of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    open_sockets = [socket for socket in list(context._sockets or ()) if not socket.closed]
    context.destroy(linger=0)
    assert not open_sockets, f"sockets left open: {open_sockets}"


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/link"


@pytest.fixture
def until() -> Callable[[Callable[[], bool], Callable[[], object]], None]:
    """Run a step that waits for events until something holds; fail after so many steps."""

    def run(done: Callable[[], bool], step: Callable[[], object], steps: int = 2000) -> None:
        for _ in range(steps):
            if done():
                return
            step()
        pytest.fail(f"did not come about in {steps} steps")

    return run
