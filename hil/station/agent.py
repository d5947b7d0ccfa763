"""The agent: what the station lets do on the target. One file, nothing but the standard library: it is sent to a board.

Lines of JSON come in at the standard input, each gets a line back. It starts and signals the onboard process, as its
child or as a service of systemd, tells the clock, processor time, memory and temperature, and damages files when asked
to. When its input ends, because the station or the connection is gone, it ends what it started.
"""

import base64
import contextlib
import json
import os
import platform
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_ROOM_OCTETS = 64 * 1024
_TAIL_OCTETS = 2048
RULES = Path("/run/systemd/system")
"""Where rules of services lie that a reboot forgets."""


def parts_of(spool: Path) -> list[Path]:
    """Return the files of a spool that are there: the database, and what was written ahead of it."""
    return [path for path in (spool, spool.with_name(spool.name + "-wal")) if path.exists() and path.stat().st_size]


def flip_bits(path: Path, bits: int, seed: int) -> None:
    """Flip bits of a file, or of a spool's files; which ones follows from the seed."""
    files = parts_of(path)
    draw = random.Random(seed)
    for _ in range(bits):
        file = draw.choice(files)
        bit = draw.randrange(8 * file.stat().st_size)
        with file.open("r+b") as stream:
            stream.seek(bit >> 3)
            octet = stream.read(1)[0] ^ (1 << (bit & 7))
            stream.seek(bit >> 3)
            stream.write(bytes([octet]))


def tear(spool: Path, octets: int) -> None:
    """Tear the last write to a spool: the end of what was written ahead is gone, or of the database itself."""
    file = parts_of(spool)[-1]
    os.truncate(file, max(file.stat().st_size - octets, 0))


def limit_octets(spool: Path) -> int:
    """Return the size that no file may exceed for the spool to find its disk full soon, and logs to go on."""
    return max([_ROOM_OCTETS, *(path.stat().st_size for path in parts_of(spool))])


class Child:
    """The onboard process as a child of the agent."""

    def __init__(self, command: list[str], out: str, log: str) -> None:
        with open(out, "ab") as said, open(log, "ab") as told:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=told, process_group=0
            )
        self.pid = self._process.pid

    def ended(self) -> tuple[int | None, float | None]:
        """Return its exit status, negative for a signal, and the processor time it took [s]; None while it runs."""
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if not pid:
            return None, None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage.ru_utime + usage.ru_stime

    def leave(self) -> None:
        """Put nothing back: a child leaves nothing."""


class Service:
    """The onboard process as the service that the installer left, under all its rules, with the command of a run.

    What differs from the installed unit is laid beside it below ``/run``, where a reboot forgets it: the command, the
    files that it may write, and that nobody but the station starts it anew.
    """

    def __init__(self, name: str, command: list[str], out: str, log: str) -> None:
        self._name, self.pid = name, 0
        self._rules = RULES / f"{name}.service.d" / "lookdown-rig.conf"
        rules = (
            f"[Service]\nExecStart=\nExecStart={shlex.join(command)}\nRestart=no\n"
            f"StandardOutput=append:{out}\nStandardError=append:{log}\nReadWritePaths={Path(out).parent}\n"
        )
        if not self._rules.exists():
            self._call("stop", name)
            self._rules.parent.mkdir(parents=True, exist_ok=True)
        elif self._rules.read_text() == rules:
            rules = ""  # as they are: a start after a fault is quick
        if rules:
            self._rules.write_text(rules)
            self._call("daemon-reload")
        self._call("reset-failed", name)
        self._call("restart", "--no-block", name)

    def ended(self) -> tuple[int | None, float | None]:
        """Return its exit status, negative for a signal; None while it runs. Its time is known while it runs alone."""
        if self.pid and Path(f"/proc/{self.pid}").exists():
            return None, None
        said = self._call("show", "-p", "MainPID,ActiveState,ExecMainStatus,ExecMainCode,Job", self._name).splitlines()
        state = dict(line.partition("=")[::2] for line in said)
        self.pid = int(state.get("MainPID", 0))
        if self.pid or state.get("Job") or state.get("ActiveState") not in ("inactive", "failed"):
            return None, None
        status = int(state.get("ExecMainStatus", 0))
        return (status if state.get("ExecMainCode") == "1" else -status), None

    def leave(self) -> None:
        """Put the service back as it was installed, and start it."""
        self._rules.unlink(missing_ok=True)
        self._call("daemon-reload")
        self._call("restart", "--no-block", self._name)

    @staticmethod
    def _call(*arguments: str) -> str:
        return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False).stdout


class Agent:
    """Answers the station's requests.

    Parameters
    ----------
    temperature_file : str
        Where the target tells its temperature, in thousandths of a degree Celsius.
    """

    def __init__(self, temperature_file: str) -> None:
        self._temperature = Path(temperature_file)
        self._process: Child | Service | None = None
        self._status: int | None = None
        self._cpu_s = 0.0
        self._ended_cpu_s = 0.0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks and return what to say."""
        kind = request.pop("do")
        done: dict[str, Any] | None = getattr(self, f"do_{kind}")(**request)
        return done or {}

    def do_clock(self) -> dict[str, Any]:
        """Tell the clock, UTC [ns]."""
        return {"utc_ns": time.time_ns()}

    def do_machine(self) -> dict[str, Any]:
        """Tell what the target is."""
        model = ""
        with contextlib.suppress(OSError):
            model = Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\0\n ")
        uname = platform.uname()
        return {"machine": uname.machine, "system": f"{uname.system} {uname.release}", "cores": os.cpu_count(),
                "python": platform.python_version(), "model": model, "memory_mb": _memory_mb(),
                "home": str(Path.home())}  # fmt: skip

    def do_try(self, command: list[str], patience_s: float) -> dict[str, Any]:
        """Run a command that ends by itself; tell how it ended and what it said."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return {"status": None, "out": "", "log": str(error)}
        return {"status": done.returncode, "out": done.stdout, "log": done.stderr}

    def do_room(self, path: str, service: str = "") -> dict[str, Any]:
        """Make a folder, which belongs to the user of a service, and tell the room on its disk [octets]."""
        folder = Path(path).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        if service:
            asked = ["systemctl", "show", "-p", "User", "--value", service]
            user = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
            if not user:
                raise ValueError(
                    f"wanted the service {service} with a user of its own; install the bundle of make board"
                )
            shutil.chown(folder, user)
        room = os.statvfs(folder)
        return {"path": str(folder.resolve()), "free": room.f_bavail * room.f_frsize}

    def do_put(self, path: str, data: str) -> None:
        """Write a file."""
        Path(path).write_bytes(base64.b64decode(data))

    def do_get(self, path: str) -> dict[str, Any]:
        """Read a file; empty if it is not there."""
        file = Path(path)
        return {"data": base64.b64encode(file.read_bytes() if file.exists() else b"").decode()}

    def do_remove(self, paths: list[str]) -> None:
        """Remove files."""
        for path in paths:
            Path(path).unlink(missing_ok=True)

    def do_start(self, command: list[str], out: str, log: str, service: str = "") -> None:
        """Start the process, as a service if one is named; what it says goes to the ends of two files."""
        self._process = Service(service, command, out, log) if service else Child(command, out, log)
        self._status = None
        self._ended_cpu_s += self._cpu_s
        self._cpu_s = 0.0

    def do_status(self, out: str = "", log: str = "") -> dict[str, Any]:
        """Tell how the process is: exit status, processor time, memory, temperature, last words."""
        memory_mb = None
        if self._process is not None and self._status is None:
            memory_mb = self._look()
        temperature_c = None
        with contextlib.suppress(OSError, ValueError):
            temperature_c = int(self._temperature.read_text()) / 1000.0
        return {"status": self._status, "cpu_s": self._ended_cpu_s + self._cpu_s, "memory_mb": memory_mb,
                "temperature_c": temperature_c, "out": _tail(out), "log": _tail(log)}  # fmt: skip

    def do_signal(self, name: str) -> dict[str, Any]:
        """Send a signal; after SIGKILL and SIGTERM wait until the process has ended."""
        number = signal.Signals[name]
        if self._process is not None and self._status is None:
            self._look()
            with contextlib.suppress(ProcessLookupError):
                if self._process.pid:
                    os.kill(self._process.pid, number)
            if number in (signal.SIGKILL, signal.SIGTERM):
                end_s = time.monotonic() + 15.0
                while self._status is None and time.monotonic() < end_s:
                    self._look()
                    time.sleep(0.005)
        return {"status": self._status}

    def do_fill_disk(self, spool: str, full: bool) -> None:
        """Let no file of the process grow beyond what the spool has now, or again as far as it likes."""
        if self._process is not None:
            hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
            soft = limit_octets(Path(spool)) if full else hard
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def do_flip(self, path: str, bits: int, seed: int) -> None:
        """Flip bits of a file or spool."""
        flip_bits(Path(path), bits, seed)

    def do_tear(self, path: str, octets: int) -> None:
        """Tear the last write to a spool."""
        tear(Path(path), octets)

    def end(self) -> None:
        """End the process for sure."""
        if self._process is not None and self._status is None:
            self.do_signal("SIGCONT")
            self.do_signal("SIGKILL")
        if self._process is not None:
            self._process.leave()

    def _look(self) -> float | None:
        """Note whether the process has ended, and its processor time; return its largest memory [MB]."""
        assert self._process is not None
        self._status, cpu_s = self._process.ended()
        if self._status is not None:
            self._cpu_s = self._cpu_s if cpu_s is None else cpu_s
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self._process.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            self._cpu_s = (int(fields[11]) + int(fields[12])) / ticks
            for line in Path(f"/proc/{self._process.pid}/status").read_text(errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return None


def _memory_mb() -> float | None:
    with contextlib.suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    return None


def _tail(path: str) -> str:
    """Return the end of a file."""
    if not path or not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - _TAIL_OCTETS, 0))
        return file.read().decode(errors="replace")


def main() -> None:
    """Answer until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    agent = Agent(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        for line in sys.stdin:
            try:
                said = {"good": True, **agent.answer(json.loads(line))}
            except Exception as error:  # noqa: BLE001 - whatever it is, the station is told
                said = {"good": False, "error": f"{type(error).__name__}: {error}"}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
    finally:
        agent.end()


if __name__ == "__main__":
    main()
