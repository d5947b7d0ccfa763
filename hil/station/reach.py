"""Reaching a target: its agent behind a pipe of this machine or of ssh, and what is asked of it."""

import base64
import contextlib
import json
import select
import shlex
import subprocess
import sys
import time
from importlib.resources import files
from typing import Any

from lookdown.hil.rig import RigError
from lookdown.hil.station.config import TargetConfig
from lookdown.wire.clock import NS_PER_S, TAI_MINUS_UTC_S

_PINGS = 12
_SSH = "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ExitOnForwardFailure=yes"
_ALIVE_S = 2
BOARD_PYTHON = "/opt/lookdown/current/bin/python"
"""Interpreter that the installer of the bundle leaves on a board."""


class AgentGoneError(Exception):
    """The agent does not answer: the connection broke, or the board went down."""


class AgentLink:
    """The agent of one target.

    Parameters
    ----------
    target : TargetConfig
        Where it is.
    forwards : tuple of int or None
        For ssh without addresses: ports (frames here, frames there, ground there, ground here) to lead through it.

    Raises
    ------
    RigError
        It cannot be started; the message says what ssh said.
    """

    def __init__(self, target: TargetConfig, forwards: tuple[int, int, int, int] | None = None) -> None:
        self._target = target
        source = files("lookdown.hil.station").joinpath("agent.py").read_text(encoding="utf-8")
        code = f"import sys; exec(compile(sys.stdin.read({len(source)}), 'agent', 'exec'))"
        if target.kind == "ssh":
            lead: list[str] = []
            if forwards:
                near, there, ground_there, ground_here = forwards
                lead = ["-L", f"127.0.0.1:{near}:127.0.0.1:{there}", "-R", f"{ground_there}:127.0.0.1:{ground_here}"]
            remote = shlex.join(["python3", "-u", "-c", code, target.temperature_file])
            # A board that is busy answers late; one that is gone must not be waited for as long as for an answer.
            silent = max(3, round(0.25 * target.answer_s))
            alive = ["-o", f"ServerAliveInterval={_ALIVE_S}", "-o", f"ServerAliveCountMax={silent}"]
            self._command = ["ssh", *_SSH, *alive, *target.ssh_options, *lead, target.host, remote]
        else:
            self._command = [sys.executable, "-u", "-c", code, target.temperature_file]
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
        )
        assert self._process.stdin
        try:
            self._process.stdin.write(source.encode())
            self._process.stdin.flush()
            self.machine = self.ask("machine")
        except (AgentGoneError, BrokenPipeError):
            self.close()
            name = target.host or "this machine"
            raise RigError(
                f"{name}: cannot be reached ({self.complaint or 'no answer'}); check host, ssh_options and the key, or "
                f"try by hand: ssh {shlex.join(target.ssh_options)} {target.host} python3 -V".replace("  ", " ")
            ) from None

    def ask(self, request: str, **values: Any) -> dict[str, Any]:
        """Ask the agent and return its answer.

        Raises
        ------
        AgentGoneError
            There is none.
        RigError
            What was asked for cannot be done.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"do": request, **values}).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise AgentGoneError(str(error)) from None
        if not select.select([self._process.stdout], [], [], self._target.answer_s)[0]:
            raise AgentGoneError(f"no answer in {self._target.answer_s:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise AgentGoneError("the connection ended")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("good"):
            raise RigError(f"{self._target.host or 'the target'}: {request}: {answer['error']}")
        return answer

    def put(self, path: str, data: bytes) -> None:
        """Write a file on the target."""
        self.ask("put", path=path, data=base64.b64encode(data).decode())

    def get(self, path: str) -> bytes:
        """Read a file of the target."""
        return base64.b64decode(self.ask("get", path=path)["data"])

    def clock_offset(self, pings: int = _PINGS) -> tuple[float, float]:
        """Measure the clock of the target against this one, as NTP does.

        Returns
        -------
        tuple of float
            What its clock is ahead, of the ping with the shortest way, and half that way: the bound of the error [s].
        """
        found = []
        for _ in range(pings):
            sent_ns, begun = time.time_ns(), time.monotonic_ns()
            there_ns = int(self.ask("clock")["utc_ns"])
            way_ns = time.monotonic_ns() - begun
            found.append((way_ns, there_ns - sent_ns - way_ns / 2))
        way_ns, offset_ns = min(found)
        return offset_ns / NS_PER_S, way_ns / 2 / NS_PER_S

    @property
    def complaint(self) -> str:
        """The last line that ssh wrote; of an agent that has ended."""
        if self._process.stderr is None or self._process.stderr.closed or self._process.poll() is None:
            return self._said
        self._said = (self._process.stderr.read().decode(errors="replace").strip().splitlines() or [""])[-1]
        return self._said

    _said = ""

    def close(self) -> None:
        """End the agent, and with it what it started."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(self._target.answer_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _ = self.complaint
        for end in (self._process.stdout, self._process.stderr):
            if end:
                end.close()


def tai_ns() -> int:
    """Return the present instant by this machine's clock, TAI [ns]."""
    return time.time_ns() + TAI_MINUS_UTC_S * NS_PER_S
