"""An emulated machine: a whole aarch64 computer under QEMU, with its console in a log and ssh at a port of this one.

Nothing waits for time to pass: a start is followed by what the machine says on its console, each stage with a patience
of its own, and an error names the stage and the last words.
"""

import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.board.image import DONE, FAILED, FIRST_START, Image
from deploy.board.process import StepError

CORES, MEMORY_MB = 2, 1024
_STAGES = (("Linux version", 300.0), ("systemd[1]", 900.0), ("login:", 1800.0))
"""What a start says, in this order, and how long after the stage before at most [s]; idle, all of it takes a minute."""
_SET_UP_S = 2400.0
_OFF_S = 300.0
_PACKAGE = re.compile(r"^Setting up ", re.MULTILINE)
_SHOWN_EVERY, _WORDS = 20, 12


class Machine:
    """A machine that runs as long as its context.

    Parameters
    ----------
    image : Image
        Its disk.
    port : int
        Port of this machine at which its ssh answers.
    log : pathlib.Path
        Where its console is written.
    processor : str
        QEMU's name of it; by default that of a Raspberry Pi 4.
    keeps : bool
        Whether its disk keeps what is written to it. Else that is forgotten with the machine, but not with a reboot.
    """

    def __init__(
        self, image: Image, port: int, log: Path, processor: str = "cortex-a72", *, keeps: bool = False
    ) -> None:
        self.image, self.port, self.log, self.processor, self.keeps = image, port, log, processor, keeps
        self._process: subprocess.Popen[bytes] | None = None
        self._from = 0

    def _start(self, *more: str, arguments: str = "") -> None:
        snapshot = "off" if self.keeps else "on"
        disk = f"file={self.image.disk},format=raw,if=none,id=disk,cache=unsafe,snapshot={snapshot}"
        command = [
            "qemu-system-aarch64", "-M", "virt", "-cpu", self.processor, "-smp", str(CORES), "-m", str(MEMORY_MB),
            "-nographic", "-kernel", str(self.image.kernel), "-append",
            f"console=ttyAMA0 root=/dev/nvme0n1 rw net.ifnames=0 panic=-1 {arguments}".strip(),
            "-drive", disk, "-device", "nvme,serial=lookdown,drive=disk", *more,
        ]  # fmt: skip
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, process_group=0
            )

    def set_up(self, show: Callable[[int, int], None]) -> None:
        """Let it set itself up: its first start, which ends with its turning itself off.

        Parameters
        ----------
        show : callable
            Called with (packages set up, packages in all) while it goes on.

        Raises
        ------
        StepError
            When it could not, or not in time.
        """
        self._start("-nic", "none", "-no-reboot", arguments=f"init={FIRST_START}")
        end_s, shown = time.monotonic() + _SET_UP_S, 0
        while self._running():
            if (done := len(_PACKAGE.findall(self._said()))) >= shown + _SHOWN_EVERY:
                shown = done
                show(done, self.image.packages)
            if time.monotonic() > end_s:
                raise StepError(f"it has not set itself up in {_SET_UP_S:.0f} s; {self._last_words()}")
            time.sleep(1.0)
        said = self._said()
        if DONE not in said:
            why = next((line for line in said.splitlines() if FAILED in line), "it stopped before its end")
            raise StepError(f"{why}; {self._last_words()}")
        self.image.mark_ready()

    def boot(self) -> None:
        """Start it and wait until its ssh answers.

        Raises
        ------
        StepError
            When its port is taken, or a stage does not come in its time.
        """
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise StepError(
                    f"port {self.port} of this machine: {error.strerror}; end what has it, perhaps another such machine"
                ) from None
        # restrict: it reaches nothing but who came in by ssh.
        network = f"user,restrict=on,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-:22"
        self._start("-nic", network)
        self.wait_until_up()

    def reset(self) -> None:
        """Let it start anew at once, with nothing put away, and wait until its ssh answers."""
        self.run("sh", "-c", "(sleep 1; systemctl reboot -ff) >/dev/null 2>&1 &")
        self.wait_until_up()

    def turn_off(self) -> None:
        """Let it shut down, and wait until it is off.

        Raises
        ------
        StepError
            When it does not end in its time.
        """
        self.run("systemctl", "poweroff", check=False)
        assert self._process is not None
        try:
            self._process.wait(_OFF_S)
        except subprocess.TimeoutExpired:
            raise StepError(f"it is not off after {_OFF_S:.0f} s; {self._last_words()}") from None

    def wait_until_up(self) -> None:
        """Wait for the stages of a start on the console from where the last one ended, and for ssh."""
        for text, patience_s in _STAGES:
            self._wait_for(text, patience_s)
        end_s = time.monotonic() + _STAGES[-1][1]
        while (done := self.run("true", check=False)).returncode:
            if time.monotonic() > end_s or not self._running():
                raise StepError(f"its ssh does not answer ({done.stderr.strip()}); {self._last_words()}")
            time.sleep(1.0)

    def _wait_for(self, text: str, patience_s: float) -> None:
        end_s = time.monotonic() + patience_s
        while (found := self._said().find(text, self._from)) < 0:
            if not self._running():
                raise StepError(f"it stopped before it said {text!r}; {self._last_words()}")
            if time.monotonic() > end_s:
                raise StepError(f"it has not said {text!r} in {patience_s:.0f} s; {self._last_words()}")
            time.sleep(0.2)
        self._from = found + len(text)

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """Arguments of ssh with which root comes in."""
        return (
            "-p", str(self.port), "-i", str(self.image.key), "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={self.image.known_hosts}", "-o", "HostKeyAlias=lookdown-machine",
        )  # fmt: skip

    @property
    def _ssh(self) -> tuple[str, ...]:
        return "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", *self.ssh_options, "root@127.0.0.1"

    def run(self, *command: str, check: bool = True, patience_s: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Run a command on it as root.

        Raises
        ------
        StepError
            When it fails and ``check`` is set, or takes longer than ``patience_s``.
        """
        try:
            done = subprocess.run(
                [*self._ssh, shlex.join(command)], capture_output=True, text=True, timeout=patience_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise StepError(
                f"{shlex.join(command)}: takes longer than {patience_s:.0f} s; {self._last_words()}"
            ) from None
        if check and done.returncode:
            said = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-_WORDS:])
            raise StepError(f"{shlex.join(command)}: ended with status {done.returncode}:\n  {said}")
        return done

    def show(self, script: str, patience_s: float) -> None:
        """Run a script of the shell on it as root, and show what it says as it says it.

        Raises
        ------
        StepError
            When it fails, or takes longer than ``patience_s`` [s].
        """
        try:
            done = subprocess.run(
                [*self._ssh, script],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                timeout=patience_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepError(f"{script}: takes longer than {patience_s:.0f} s; {self._last_words()}") from None
        if done.returncode:
            raise StepError(f"{script}: ended with status {done.returncode}; what it said stands above")

    def copy(self, *sources: Path) -> None:
        """Copy files to the home of root, where its commands run."""
        options = ["-P" if option == "-p" else option for option in self.ssh_options]
        command = ["scp", "-q", "-o", "BatchMode=yes", *options, *map(str, sources), "root@127.0.0.1:"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"{', '.join(map(str, sources))}: could not be copied: {done.stderr.strip()}")

    def _said(self) -> str:
        return self.log.read_text(errors="replace")

    def _last_words(self) -> str:
        words = "\n  ".join(self._said().strip().splitlines()[-_WORDS:])
        return f"its last words (all in {self.log}):\n  {words}"

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._running():
            self._process.terminate()
            self._process.wait()
