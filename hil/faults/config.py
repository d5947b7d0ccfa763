"""``[[fault]]`` of a scenario, and the course of a run's faults over its frames."""

import difflib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lookdown.hil.faults.table import FAULTS, Kind


@dataclass(frozen=True)
class FaultConfig:
    """A fault of a scenario.

    Attributes
    ----------
    id : str
        Short, stable name, as in reports.
    kind : str
        Its line of the table of faults (`lookdown.hil.faults.table`).
    frame : int
        Frame that it begins with, from 0.
    frames : int
        Frames that it lasts; 0: as the table says.
    satellite : int
        Whom it strikes; 0: the board under test.
    amount : float or None
        How much, in the unit of the table; None: as the table says.
    row, col : int
        Pixel that it strikes, for faults of pixels; -1: drawn from the seed [px].
    """

    id: str
    kind: str
    frame: int
    frames: int = 0
    satellite: int = 0
    amount: float | None = None
    row: int = -1
    col: int = -1

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist and what the table has no use for."""
        if self.kind not in FAULTS:
            near = difflib.get_close_matches(self.kind, FAULTS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(FAULTS)
            raise ValueError(f"kind: wanted a fault of the table, got {self.kind!r}; {hint}")
        if self.frame < 1:
            raise ValueError(f"frame: wanted 1 or more, got {self.frame}; the first frame is whole")
        if self.frames < 0:
            raise ValueError(f"frames: wanted 1 or more, or 0 for what the table says, got {self.frames}")
        if self.amount is not None and FAULTS[self.kind].amount is None:
            raise ValueError(f"amount: {self.kind!r} has none; leave it out")

    @property
    def of(self) -> Kind:
        """Its line of the table."""
        return FAULTS[self.kind]

    @property
    def length(self) -> int:
        """Frames that it lasts."""
        return self.frames or self.of.frames

    @property
    def end(self) -> int:
        """First frame after it."""
        return self.frame + self.length

    @property
    def much(self) -> float:
        """How much, in the unit of the table; 0 where there is nothing to say."""
        return self.amount if self.amount is not None else (self.of.amount or 0.0)


def check_faults(faults: Sequence[FaultConfig], n_frames: int, satellites: Iterable[int]) -> None:
    """Refuse faults that cannot be told apart or that a run would never get through.

    Raises
    ------
    ValueError
        An id used twice, a satellite that does not exist, a fault that does not end two frames before the run, or two
        faults of board, link or ground at a time: what follows from which could not be told.
    """
    known = {0, *satellites}
    ids = [fault.id for fault in faults]
    for fault in faults:
        if ids.count(fault.id) > 1:
            raise ValueError(f"fault: wanted ids used once, got {fault.id!r} twice; give each its own")
        if fault.satellite not in known:
            raise ValueError(f"fault {fault.id!r}: satellite wanted one of {sorted(known)}, got {fault.satellite}")
        if fault.end > n_frames - 2:
            raise ValueError(
                f"fault {fault.id!r}: wanted an end two frames before that of the run, {n_frames - 2} at most, got "
                f"{fault.end}; the reaction could not be seen"
            )
    heavy = sorted((f for f in faults if f.of.place in ("board", "link", "ground")), key=lambda fault: fault.frame)
    for first, second in itertools.pairwise(heavy):
        if second.frame < first.end + 1:
            raise ValueError(
                f"faults {first.id!r} and {second.id!r}: wanted one frame or more between faults of board, link and "
                f"ground, got {first.id!r} until {first.end} and {second.id!r} from {second.frame}; move one"
            )
