"""Relays as processes on this machine, each link through a proxy if one is wanted."""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from lookdown.hil.network.proxy import FaultProxies, FaultProxy, Faults
from lookdown.wire.clock import NS_PER_S, SystemClock
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.relay.plan import Contact, write_plan

ROOT = Path(__file__).parents[3]


class Follower:
    """Reads the traces of relays as they are written, through named pipes: a test waits for what happens.

    Parameters
    ----------
    paths : dict of int to Path
        By node: where its trace goes; a pipe is made there.
    """

    def __init__(self, paths: dict[int, Path]) -> None:
        self.happened: Counter[tuple[int, str]] = Counter()
        """How often an event came, by node and event."""
        self._news = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._ended, self._end = os.pipe()
        self._selector.register(self._ended, selectors.EVENT_READ)
        for node, path in paths.items():
            os.mkfifo(path)
            # Open for writing, too: no end is seen while a relay is dead.
            self._selector.register(os.open(path, os.O_RDWR | os.O_NONBLOCK), selectors.EVENT_READ, node)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        rest: dict[int, bytes] = {}
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._ended:
                    return
                *lines, rest[key.data] = (rest.get(key.data, b"") + os.read(key.fd, 1 << 16)).split(b"\n")
                with self._news:
                    for line in lines:
                        with contextlib.suppress(ValueError):  # cut off by a kill
                            self.happened[key.data, json.loads(line)["event"]] += 1
                    self._news.notify_all()

    def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, looking after each event; False if it does not in time."""
        with self._news:
            return self._news.wait_for(holds, seconds)

    def pass_by(self, events: int, seconds: float) -> None:
        """Wait for so many more events of any kind, at most for a time: nothing happens where all is cut."""
        wanted = self.happened.total() + events
        self.wait(lambda: self.happened.total() >= wanted, seconds)

    def close(self) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            os.close(int(key.fd))
        os.close(self._end)
        self._selector.close()


class Relays:
    """Processes of relays over pairs of nodes that see each other for the time of the test."""

    def __init__(
        self,
        folder: Path,
        pairs: list[tuple[int, int]],
        proxies: FaultProxies | None,
        limits: str = "",
        delay_ms: int = 0,
        followed: tuple[int, ...] = (),
        more: dict[int, str] | None = None,
        own: tuple[int, ...] = (),
    ) -> None:
        self.folder, self.nodes = folder, sorted({node for pair in pairs for node in pair})
        links = [link for pair in pairs for link in (pair, pair[::-1])]
        now_ns = SystemClock().now_ns()
        contacts = [
            Contact(*link, now_ns - NS_PER_S, now_ns + 3600 * NS_PER_S, 10**8, delay_ms * 10**6) for link in links
        ]
        write_plan(folder / "plan.txt", contacts)
        ports = free_ports(len(self.nodes))
        port = dict(zip(self.nodes, ports, strict=True))
        self.links: dict[tuple[int, int], FaultProxy] = {}
        if proxies:
            for number, link in enumerate(links):
                self.links[link] = proxies.link("127.0.0.1", port[link[1]], Faults(), number)
        self._make_keys(own)
        for node in self.nodes:
            lines = [
                f"node = {node}",
                'plan = "plan.txt"',
                f'endpoint = "tcp://127.0.0.1:{port[node]}"',
                f'local = "{self.local(node)}"',
                f'store = "{node}.sqlite"',
                f'trace = "{node}.jsonl"',
                f"[limits]\n{limits}",
                f'[security]\nkeys = "keys{node}"',
            ]
            for link in links:
                if link[0] == node:
                    at = self.links[link].port if proxies else port[link[1]]
                    lines.append(f'[[neighbours]]\nnode = {link[1]}\nendpoint = "tcp://127.0.0.1:{at}"')
            lines.append((more or {}).get(node, ""))
            (folder / f"{node}.toml").write_text("\n".join(lines) + "\n")
        self.running: dict[int, subprocess.Popen[str]] = {}
        self.follower = Follower({node: folder / f"{node}.jsonl" for node in followed})

    def _make_keys(self, own: tuple[int, ...]) -> None:
        keys = {node: NodeKeys.make(node, 0) for node in self.nodes}
        for node in self.nodes:
            keys[node].save(self.folder / f"keys{node}")
            for other in self.nodes:
                if other != node or node in own:
                    enrol(self.folder / f"keys{node}", keys[other].card)

    def local(self, node: int) -> str:
        return f"ipc://{self.folder}/local{node}"

    def start(self, node: int) -> None:
        command = [sys.executable, "-m", "lookdown.wire.relay", "run", "--config", str(self.folder / f"{node}.toml")]
        with (self.folder / f"{node}.log").open("a") as log:
            self.running[node] = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)

    def wait(self, node: int) -> None:
        """Wait until a relay says that it runs."""
        out = self.running[node].stdout
        assert out
        line = out.readline()
        assert line.startswith(f"relay of node {node}"), (line, (self.folder / f"{node}.log").read_text())

    def kill(self, node: int) -> None:
        process = self.running.pop(node)
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()

    def stop(self) -> dict[int, str]:
        """End all in good order; return what each said last."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        said = {}
        for node, process in self.running.items():
            out, _ = process.communicate(timeout=60)
            said[node] = out
            assert process.returncode == 0, (self.folder / f"{node}.log").read_text()
        self.running.clear()
        return said


@contextlib.contextmanager
def relays(folder: Path, pairs: list[tuple[int, int]], **more: object) -> Iterator[Relays]:
    found = Relays(folder, pairs, **more)  # type: ignore[arg-type]
    try:
        for node in found.nodes:
            found.start(node)
        for node in found.nodes:
            found.wait(node)
        yield found
    finally:
        for node in list(found.running):
            found.kill(node)
        found.follower.close()


def free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
