"""Folder of a campaign: each unit's counts in a small file of its own, whole or absent, so that work can go on.

``campaign.json`` says under which settings the units were counted; the file of a unit bears the short name of these
settings, so that a straggler of another campaign cannot slip in.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lookdown.hil.campaign.plan import Counts, fingerprint

_PLAN, _UNITS = "campaign.json", "units"
RESULTS = ("roc.json", "roc.html", "pd_snr.png", "pd_pfa.png")


@dataclass(frozen=True)
class Store:
    """Counts on the disk.

    Attributes
    ----------
    folder : Path
        Folder of the campaign.
    name : str
        Short name of its settings.
    """

    folder: Path
    name: str

    def _path(self, unit: int) -> Path:
        return self.folder / _UNITS / f"{self.name}-{unit:05d}.json"

    def save(self, unit: int, counts: Counts) -> None:
        """Write what a unit counted; it is on the disk, whole, when this returns."""
        write_whole(self._path(unit), json.dumps(asdict(counts)).encode())

    def load(self, unit: int) -> Counts | None:
        """Read what a unit counted; None if it is not there, or is no counts: then it is to be done again."""
        try:
            tree = json.loads(self._path(unit).read_bytes())
            tuples = {name: tuple(tree[name]) for name in ("chances", "false", "echoes")}
            hits = tuple(tuple(row) for row in tree["hits"])
            return Counts(**tuples, hits=hits, pixels=int(tree["pixels"]), frames=int(tree["frames"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, whatever happens.

    Raises
    ------
    OSError
        If it cannot be written, with what to do.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _explained(error, path) from None


@contextmanager
def open_store(folder: Path, settings: dict[str, Any], restart: bool) -> Iterator[Store]:
    """Make the folder of a campaign, or go on with one; no other process has it meanwhile.

    Parameters
    ----------
    folder : Path
        New folder, or that of an earlier campaign.
    settings : dict
        What determines the counts.
    restart : bool
        Begin anew, whatever was counted.

    Raises
    ------
    ValueError
        If the folder is no campaign's, or one of other settings.
    OSError
        If it cannot be made or written, or another process works in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
    except FileExistsError:
        raise ValueError(f"{folder}: wanted a folder, came a file; choose --out") from None
    except OSError as error:
        raise _explained(error, folder) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _prepare(folder, settings, restart)
        yield Store(folder, fingerprint(settings))
    except BlockingIOError:
        raise OSError(f"{folder}: another campaign works in it; wait for it or choose another folder") from None
    finally:
        os.close(lock)


def _prepare(folder: Path, settings: dict[str, Any], restart: bool) -> None:
    plan, units = folder / _PLAN, folder / _UNITS
    if not plan.is_file() and any(path.name != _UNITS and not path.name.startswith(".") for path in folder.iterdir()):
        raise ValueError(f"{folder}: wanted a new folder or one that a campaign left, came another; choose --out")
    if plan.is_file() and not restart:
        _compare(plan, settings)
    try:
        units.mkdir(exist_ok=True)
    except OSError as error:
        raise _explained(error, units) from None
    # Results first: what is left without its units must not look like theirs.
    old = [folder / name for name in RESULTS] + list(units.iterdir()) if restart else list(units.glob(".*"))
    for path in old:
        path.unlink(missing_ok=True)
    if restart or not plan.is_file():
        write_whole(plan, json.dumps(settings, indent=2).encode() + b"\n")


def _compare(plan: Path, settings: dict[str, Any]) -> None:
    """Refuse to go on under other settings."""
    try:
        before = json.loads(plan.read_bytes())
        other = [name for name in settings if before.get(name) != settings[name]]
    except (ValueError, AttributeError):
        raise ValueError(f"{plan}: is damaged; begin anew with --restart") from None
    if other:
        said = f"was {_text(before.get(other[0]))}, now is {_text(settings[other[0]])}"
        raise ValueError(
            f"{plan.parent}: was begun with another {other[0].replace('_', '-')} ({said}); "
            "go on with that one, choose another folder, or begin anew with --restart"
        )


def _text(value: Any) -> str:
    return ",".join(f"{v:g}" for v in value) if isinstance(value, list) else str(value)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError, path: Path) -> OSError:
    """Say of a failed file what to do."""
    if error.errno == errno.ENOSPC:
        return OSError(f"{path}: the disk is full; free some and give the same command, it goes on")
    return OSError(f"{path}: cannot be written ({error.strerror or error}); check the folder")
