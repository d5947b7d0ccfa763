"""The journal of a run: what a later station must know to go on with it, a line of JSON as soon as it is so.

What follows from scenario and frame number alone (messages, what boards must count) is not in it: that is laid out
anew. A last line that was torn when the station died is left out.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lookdown.hil.rig import RigError
from lookdown.hil.station.course import Course, Note
from lookdown.hil.station.target import Injected

NAME = "journal.jsonl"
_GROUND_S, _LOOK_S = 60.0, 0.02


@dataclass
class Earlier:
    """What an earlier part of a run left.

    Attributes
    ----------
    given : int
        Frames of the course that were given.
    notes : dict of str to dict
        What was seen of each fault, by its id.
    injected : dict of int to Injected
        What was sent to each board.
    incidents : list of str
        What nobody asked for.
    untested : set of (int, int)
        Satellite and frame that could not be tested because of that.
    ended : bool
        Whether it got to its end.
    ground_pid : int
        Process of the ground, which may still run if the station was killed.
    """

    given: int = 0
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    injected: dict[int, Injected] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    untested: set[tuple[int, int]] = field(default_factory=set)
    ended: bool = False
    ground_pid: int = 0

    def lay_out(self, course: Course) -> None:
        """Bring a course to where the earlier part ended; a fault that was cut in two is not tested."""
        for note in course.notes:
            for name, value in self.notes.get(note.fault.id, {}).items():
                setattr(note, name, value)
        for step in course.steps():
            if step.number >= self.given:
                break
            course.messages(step.number, 0)
        for note in course.tried():
            if note.fault.frame < self.given and not note.ended_ns:
                note.not_tested = f"the run was interrupted at frame {self.given}, in the midst of it"

    def end_ground(self, folder: Path) -> None:
        """End the ground of the earlier part, which goes on where its station was killed."""
        config, place = str(folder / "run" / "ground.toml").encode(), Path(f"/proc/{self.ground_pid}/cmdline")
        with contextlib.suppress(OSError):
            if not self.ground_pid or config not in place.read_bytes():
                return
            os.kill(self.ground_pid, signal.SIGTERM)
            end_s = time.monotonic() + _GROUND_S
            while place.read_bytes() and time.monotonic() < end_s:  # empty once it is a zombie, gone once reaped
                time.sleep(_LOOK_S)


class Journal:
    """Writes the journal of a run.

    Parameters
    ----------
    folder : Path
        Of the run; an earlier journal in it is gone on with.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "run" / NAME
        if path.exists():  # a line that was torn must not lead the next one
            whole = path.read_bytes().rpartition(b"\n")
            os.truncate(path, len(whole[0]) + len(whole[1]))
        self._file = path.open("a", encoding="utf-8")

    def frame(self, given: int, injected: Mapping[int, Injected]) -> None:
        """Note how many frames were given, and what was sent."""
        self._write(given=given, injected={i: asdict(one) for i, one in injected.items()})

    def note(self, note: Note) -> None:
        """Note what was seen of a fault."""
        seen = {name: getattr(note, name) for name in ("begun_ns", "ended_ns", "status", "said")}
        self._write(fault=note.fault.id, note=seen)

    def incident(self, text: str, untested: Iterable[tuple[int, int]]) -> None:
        """Note what nobody asked for, and all that could not be tested so far."""
        self._write(incident=text, untested=sorted(untested))

    def ground(self, pid: int) -> None:
        """Note the process of the ground."""
        self._write(ground_pid=pid)

    def end(self) -> None:
        """Note that the run got to its end."""
        self._write(ended=True)

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_journal(folder: Path, scenario: Path) -> Earlier:
    """Read what an earlier part of a run left.

    Raises
    ------
    RigError
        There is none, it got to its end, or it was of another scenario.
    """
    path = folder / "run" / NAME
    if not path.is_file():
        raise RigError(f"{folder}: holds no run that could be gone on with; leave --resume out")
    if (folder / "run" / "scenario.toml").read_bytes() != scenario.read_bytes():
        raise RigError(f"{folder}: holds a run of another scenario than {scenario}; leave --resume out")
    found = Earlier()
    for text in path.read_text(encoding="utf-8").split("\n")[:-1]:  # what follows the last line's end was torn
        _take(found, json.loads(text))
    if found.ended:
        raise RigError(f"{folder}: that run got to its end, nothing is left to go on with; leave --resume out")
    return found


def _take(found: Earlier, line: dict[str, Any]) -> None:
    if "given" in line:
        found.given = line["given"]
        found.injected = {int(i): Injected(**one) for i, one in line["injected"].items()}
    elif "fault" in line:
        found.notes[line["fault"]] = line["note"]
    elif "incident" in line:
        found.incidents.append(line["incident"])
        found.untested = {(i, k) for i, k in line["untested"]}
    elif "ground_pid" in line:
        found.ground_pid = line["ground_pid"]
    else:
        found.ended = bool(line["ended"])
