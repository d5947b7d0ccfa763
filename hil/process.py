"""One process of a run: started with the command that a user would type, heard, measured, and stopped for sure."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOG_TAIL_LINES = 12
_STOP_S = 10.0
_STOP_STEP_S = 0.02


@dataclass(slots=True)
class Process:
    """One process of a run.

    Attributes
    ----------
    role : str
        What it is: ``ground``, ``flight-3``, ``inject-3``.
    command : tuple of str
        What is started.
    sensor_id : int
        Satellite it belongs to; 0 for the ground.
    status : int or None
        Exit status, negative for a signal; None while it runs or before it was started.
    cpu_s : float or None
        Processor time, once it has ended [s].
    memory_mb : float or None
        Largest resident memory, as of the last look at it [MB].
    """

    role: str
    command: tuple[str, ...]
    sensor_id: int = 0
    status: int | None = None
    cpu_s: float | None = None
    memory_mb: float | None = None
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _out: Path = field(default=Path(os.devnull), repr=False)
    _log: Path = field(default=Path(os.devnull), repr=False)

    def start(self, logs: Path) -> None:
        """Start it; what it says goes to ``ROLE.out`` and ``ROLE.log`` in a folder."""
        self._out, self._log = logs / f"{self.role}.out", logs / f"{self.role}.log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            # A group of its own: Ctrl-C reaches the rig alone, which then stops its processes in order.
            # One thread each for linear algebra: processes that share a machine would wait for each other's.
            self._running = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=out, stderr=log, process_group=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its number; 0 before it was started."""
        return self._running.pid if self._running else 0

    @property
    def ended(self) -> bool:
        """Whether it was started and has ended; takes note of status and consumption."""
        if self._running is None or self.status is not None:
            return self.status is not None
        pid, status, usage = os.wait4(self._running.pid, os.WNOHANG)
        if pid:
            self.status = self._running.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s = usage.ru_utime + usage.ru_stime
        else:
            self.memory_mb = _peak_memory_mb(self._running.pid) or self.memory_mb
        return self.status is not None

    @property
    def counters(self) -> dict[str, Any]:
        """The last whole line of JSON that it wrote; empty when there is none yet."""
        if not self._out.is_file():
            return {}
        for line in reversed(self._out.read_bytes().split(b"\n")[:-1]):
            with contextlib.suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict):
                    return values
        return {}

    def tell(self, order: dict[str, Any]) -> None:
        """Send it one line of JSON; one that has ended is not told."""
        if self._running and self._running.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._running.stdin.write(json.dumps(order).encode() + b"\n")
                self._running.stdin.flush()

    def last_words(self) -> str:
        """Return the end of its log, for people."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        if not lines:
            return f"its log {self._log} is empty"
        return f"the end of {self._log}:\n" + "\n".join(f"    {line}" for line in lines)

    def ask_to_stop(self) -> None:
        """Send SIGTERM if it runs."""
        if self._running and not self.ended:
            self._running.send_signal(signal.SIGTERM)

    def pause(self) -> None:
        """Let it stand still (SIGSTOP)."""
        if self._running and not self.ended:
            self._running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on (SIGCONT)."""
        if self._running and not self.ended:
            self._running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Wait until it has ended, and kill it if that takes too long."""
        if self._running is None:
            return
        patience_s = time.monotonic() + _STOP_S
        while not self.ended:
            if time.monotonic() > patience_s:
                self._running.kill()
            time.sleep(_STOP_STEP_S)
        if self._running.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._running.stdin.close()

    def as_row(self, wall_s: float) -> dict[str, Any]:
        """Return its line of the report; ``wall_s`` is how long the run took [s]."""
        return as_row(self.role, self.status, self.counters, self.cpu_s, self.memory_mb, self.command, wall_s)


def as_row(
    role: str, status: int | None, said: Mapping[str, Any], cpu_s: float | None, memory_mb: float | None,
    command: Sequence[str], wall_s: float,
) -> dict[str, Any]:  # fmt: skip
    """Return the line of a report about a process; ``said`` are its counters, ``wall_s`` how long the run took [s]."""
    row: dict[str, Any] = {"role": role, "status": status}
    row["frames"] = said.get("frames_processed", said.get("sent"))
    row["dropped"] = said.get("dropped")
    row["plots"] = said.get("plots_sent")
    for name in ("step_median", "step_max"):
        row[f"{name}_ms"] = said[f"{name}_us"] / 1e3 if f"{name}_us" in said else None
    row["lateness_max_ms"] = said.get("lateness_max_ms")
    row["cpu_s"], row["memory_mb"] = cpu_s, memory_mb
    row["cpu_share"] = 100.0 * cpu_s / wall_s if cpu_s is not None and wall_s > 0 else None
    row["command"] = " ".join(command)
    row["counters"] = dict(said)
    return row


def _peak_memory_mb(pid: int) -> float | None:
    """Largest resident memory of a process; None once it is gone."""
    # What wait4 gives will not do: it begins with the memory of the rig that the process was forked from.
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
