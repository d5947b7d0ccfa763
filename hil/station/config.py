"""``RIG.toml``: the board under test, how it is reached, and the budgets that it must keep."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lookdown.hil.requirements import Requirement, check
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError

TargetKind = Literal["in-process", "process", "emulated", "ssh"]


@dataclass(frozen=True)
class TargetConfig:
    """What carries the board under test.

    Attributes
    ----------
    kind : str
        ``in-process``: the core of the onboard process on a stepped clock, without sockets. ``process``: a process of
        this machine. ``emulated``: the aarch64 build of ``make board`` under QEMU. ``ssh``: a board.
    satellites : tuple of int
        Those that it stands for; the others are processes of this machine. Empty: the first of the scenario.
    python : str
        Interpreter that has lookdown, on the target; empty: this one, or /opt/lookdown/current/bin/python on a board.
    host : str
        For ``ssh``: as one would type it, ``pi@board``.
    ssh_options : tuple of str
        Further arguments of ``ssh``, such as ``-p`` and ``2222``.
    folder : str
        For ``ssh``: where the run keeps its files, below the home folder or absolute.
    service : str
        For ``ssh``: run the onboard process as this service of systemd, under all its rules, with the run's files; the
        guest must be root, and ``folder`` absolute and not in a home. After the run it is as it was installed.
    answer_s : float
        How long the target may take to answer [s]; a whole emulated machine takes longer than a board.
    address : str
        For ``ssh``: address at which the board takes frames; empty: through the connection of ssh.
    rig_address : str
        For ``ssh``: address at which the board reaches this machine; needed with ``address``.
    reconnect_s : float
        For ``ssh``: how long a board that went away is waited for, as after a reboot [s].
    temperature_file : str
        Where the target tells its temperature, in thousandths of a degree; left out where it is not there.
    """

    kind: TargetKind = "process"
    satellites: tuple[int, ...] = ()
    python: str = ""
    host: str = ""
    ssh_options: tuple[str, ...] = ()
    folder: str = "lookdown-rig"
    service: str = ""
    answer_s: float = 20.0
    address: str = ""
    rig_address: str = ""
    reconnect_s: float = 180.0
    temperature_file: str = "/sys/class/thermal/thermal_zone0/temp"

    def __post_init__(self) -> None:
        """Refuse a board that nobody could reach."""
        if self.kind == "ssh" and not self.host:
            raise ValueError("host: wanted where the board is, such as pi@board, got nothing; add it to [target]")
        if self.kind == "emulated" and not self.python:
            raise ValueError(
                "python: wanted the emulated interpreter that `make board` leaves, such as "
                "build/board/python-portable-3.11, got nothing; add it to [target]"
            )
        if self.service and (self.kind != "ssh" or not self.folder.startswith("/")):
            raise ValueError(
                'service: wanted kind = "ssh" and an absolute folder with it, such as /var/lib/lookdown/rig, got '
                f"{self.kind} and {self.folder}"
            )
        if bool(self.address) != bool(self.rig_address):
            raise ValueError("address, rig_address: wanted both or neither; without them all goes through ssh")
        if not 1.0 <= self.answer_s <= 600.0:
            raise ValueError(f"answer_s: wanted 1 to 600, got {self.answer_s}")
        if not 0.0 <= self.reconnect_s <= 3600.0:
            raise ValueError(f"reconnect_s: wanted 0 to 3600, got {self.reconnect_s}")


@dataclass(frozen=True)
class RigConfig:
    """A rig file.

    Attributes
    ----------
    title : str
        One line for people.
    target : TargetConfig
        The board under test.
    budgets : Path or None
        File of budgets, which counts from the rig file's folder.
    """

    title: str = ""
    target: TargetConfig = field(default_factory=TargetConfig)
    budgets: Path | None = None


@dataclass(frozen=True)
class Budgets:
    """A file of budgets: requirements on what a board may take.

    Attributes
    ----------
    budget : tuple of Requirement
        Each names a figure under ``board``; those are left out of a run whose target cannot measure them.
    """

    budget: tuple[Requirement, ...] = ()


def load_rig(path: Path) -> tuple[RigConfig, tuple[Requirement, ...]]:
    """Read a rig file and its budgets.

    Raises
    ------
    ConfigError
        One line: file, key, what was wanted, what came, what to do.
    """
    rig = load_config(path, RigConfig, beside=True)
    if rig.budgets is None:
        return rig, ()
    budgets = load_config(rig.budgets, Budgets).budget
    check(budgets, str(rig.budgets))
    strange = [asked.id for asked in budgets if not asked.metric.startswith("board.")]
    if strange:
        raise ConfigError(f"{rig.budgets}: budgets are held against figures of the board, board.*; change {strange}")
    return rig, budgets
