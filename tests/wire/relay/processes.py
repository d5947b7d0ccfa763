"""Relays as processes on this machine, each link through a proxy if one is wanted."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lookdown.hil.network.proxy import FaultProxies, FaultProxy, Faults
from lookdown.wire.clock import NS_PER_S, SystemClock
from lookdown.wire.keys import NodeKeys, enrol
from lookdown.wire.relay.plan import Contact, write_plan

ROOT = Path(__file__).parents[3]


class Relays:
    """Processes of relays over pairs of nodes that see each other for the time of the test."""

    def __init__(
        self,
        folder: Path,
        pairs: list[tuple[int, int]],
        proxies: FaultProxies | None,
        limits: str = "",
        delay_ms: int = 0,
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
        self._make_keys()
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
            (folder / f"{node}.toml").write_text("\n".join(lines) + "\n")
        self.running: dict[int, subprocess.Popen[str]] = {}

    def _make_keys(self) -> None:
        keys = {node: NodeKeys.make(node, 0) for node in self.nodes}
        for node in self.nodes:
            keys[node].save(self.folder / f"keys{node}")
            for other in self.nodes:
                if other != node:
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

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for node in self.nodes for line in (self.folder / f"{node}.jsonl").open()]


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


def free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
