"""The course of a run, the same for each kind of target: which frame, which fault begins and which ends before it.

Before a fault of board, link or ground begins, all that was sent has been taken and reported: so the same frames go
into the same start of the process whatever the machine does meanwhile, and a run in real time gives the same plots as
one on a stepped clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from lookdown.hil.faults.config import FaultConfig
from lookdown.hil.faults.feed import Expected, Feed, Message
from lookdown.hil.plan import Scenario
from lookdown.hil.station.frames import Frames

RESTARTS = frozenset({"killed", "brown-out", "flipped-spool", "flipped-parameters"})
"""Faults that end the process; it is started again when they end."""


@dataclass(slots=True)
class Note:
    """What was seen of a fault while the run went on.

    Attributes
    ----------
    fault : FaultConfig
        The fault, with its satellite filled in.
    begun_ns, ended_ns : int
        When it began and ended, TAI [ns]; 0: never.
    not_tested : str
        Why it was not tried; empty if it was.
    status : int or None
        For a process that must refuse to start: how it ended.
    said : str
        What it said.
    """

    fault: FaultConfig
    begun_ns: int = 0
    ended_ns: int = 0
    not_tested: str = ""
    status: int | None = None
    said: str = ""


class Step(NamedTuple):
    """One frame of the course: what ends before it, and what begins before it."""

    number: int
    ends: list[Note]
    begins: list[Note]


@dataclass(slots=True)
class Course:
    """The faults and messages of a run, frame by frame.

    Attributes
    ----------
    scenario : Scenario
        What is run.
    notes : list of Note
        One for each fault.
    feeds : dict of int to Feed
        By satellite.
    expected : dict of int to Expected
        What the counters of each board must say.
    withheld : set of (int, int)
        Satellite and frame of which no report can come.
    """

    scenario: Scenario
    notes: list[Note]
    feeds: dict[int, Feed]
    expected: dict[int, Expected] = field(default_factory=dict)
    withheld: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, scenario: Scenario, frames: Frames, under_test: int, cannot: Mapping[str, str]) -> "Course":
        """Lay out the course of a scenario.

        Parameters
        ----------
        scenario : Scenario
            What is run.
        frames : Frames
            Its frames.
        under_test : int
            Satellite that faults without one strike.
        cannot : mapping of str to str
            What the target cannot do, with the reason; see `lookdown.hil.faults.table.Kind.needs`.
        """
        notes = []
        for fault in scenario.fault:
            note = Note(replace(fault, satellite=fault.satellite or under_test))
            note.not_tested = cannot.get(fault.of.needs, "") if fault.of.needs else ""
            notes.append(note)
        exposure_s = scenario.sensor.exposure_s
        feeds = {
            satellite.id: Feed(
                lambda number, i=satellite.id: frames.frame(i, number, exposure_s),  # type: ignore[misc]
                [note.fault for note in notes if note.fault.satellite == satellite.id and not note.not_tested],
                scenario.seed,
                satellite.id,
            )
            for satellite in scenario.satellite
        }
        return cls(scenario, notes, feeds, {i: Expected() for i in feeds})

    def steps(self, first: int = 0) -> Iterator[Step]:
        """Yield the frames in order, from ``first`` on."""
        for number in range(first, self.scenario.n_frames):
            ends = [note for note in self.tried() if note.fault.end == number and note.begun_ns]
            begins = [note for note in self.tried() if note.fault.frame == number]
            for note in ends:
                if note.fault.kind in RESTARTS:
                    self.expected[note.fault.satellite].start_anew()
            yield Step(number, ends, begins)

    def messages(self, number: int, origin_ns: int) -> dict[int, list[Message]]:
        """Return what is sent in the place of a frame, by satellite, and take note of it."""
        found: dict[int, list[Message]] = {}
        for sensor_id, feed in self.feeds.items():
            sent = [] if self._dead(sensor_id, number) else feed.messages(number, origin_ns)
            found[sensor_id] = sent
            for message in sent:
                self.expected[sensor_id].add(message)
            if not any(message.taken and message.frame_id == number for message in sent):
                self.withheld.add((sensor_id, number))
        return found

    def tried(self) -> Sequence[Note]:
        """Return the faults that the target can have."""
        return [note for note in self.notes if not note.not_tested]

    def heavy(self) -> Sequence[Note]:
        """Return those of board, link and ground, before which all that was sent must have been reported."""
        return [note for note in self.tried() if note.fault.of.place in ("board", "link", "ground")]

    def _dead(self, sensor_id: int, number: int) -> bool:
        return any(
            note.fault.kind in RESTARTS
            and note.fault.satellite == sensor_id
            and note.fault.frame <= number < note.fault.end
            for note in self.tried()
        )


class Progress(Protocol):
    """Who is told how a run goes on."""

    def step(self, text: str) -> None:
        """Say what is done now."""
        ...

    def frame(self, number: int, total: int) -> None:
        """Say which frame has been sent."""
        ...
