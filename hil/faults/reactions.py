"""What followed each fault, held against what the table of faults expects.

Judged from the packets that the ground stored, by frame number: which reports are there, of which start of the
process, and when they arrived. No log is believed where a packet can say it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from lookdown.geo.camera import Camera
from lookdown.hil.faults.config import FaultConfig
from lookdown.hil.faults.feed import settled_from
from lookdown.hil.requirements import Judged, Requirement, Verdict
from lookdown.hil.station.course import Course, Note
from lookdown.hil.station.watch import Reported, Watch

_PIXEL_GATE_PX = 1.5
_PIXEL_SHARE = 0.2
"""Share of settled frames that may still have a plot at a bad pixel: what a mover or noise puts there by chance."""
_CLOCK_SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Reaction:
    """What followed a fault.

    Attributes
    ----------
    note : Note
        The fault as the run had it.
    verdict : str
        ``pass``, ``fail`` or ``not tested``.
    seen : str
        What was seen, or why it was not tested.
    recovered_frame : int or None
        First frame after the fault that has its report.
    recovered_s : float or None
        From the instant at which that frame was due to the arrival of its report [s].
    """

    note: Note
    verdict: Verdict
    seen: str
    recovered_frame: int | None = None
    recovered_s: float | None = None

    def as_judged(self) -> Judged:
        """Return it as a requirement that was judged."""
        fault = self.note.fault
        last = f" to {fault.end - 1}" if fault.length > 1 else ""
        text = f"{fault.kind}, frame {fault.frame}{last}, satellite {fault.satellite}: {fault.of.expects}."
        asked = Requirement(f"FAULT-{fault.id}", text, "fault.as_expected", "==", 1)
        value = None if self.verdict == "not tested" else float(self.verdict == "pass")
        return Judged(asked, self.verdict, value, self.seen)


class Judge:
    """Judges the faults of a run.

    Parameters
    ----------
    course : Course
        What was done.
    watch : Watch
        What came of it.
    camera : Camera
        Focal plane of the satellites.
    reached : int
        Frames that the run got through.
    untested : collection of (int, int)
        Satellite and frame that an incident took from the test.
    incidents : int
        How often something happened that nobody asked for: then the sums of the whole run say nothing.
    """

    def __init__(
        self, course: Course, watch: Watch, camera: Camera, reached: int, untested: Collection[tuple[int, int]] = (),
        incidents: int = 0,
    ) -> None:  # fmt: skip
        self._course, self._watch, self._camera = course, watch, camera
        self._reached, self._untested, self._incidents = reached, frozenset(untested), incidents

    def reactions(self) -> tuple[Reaction, ...]:
        """Return the reaction to each fault, in the order of the scenario."""
        return tuple(self._judge(note) for note in self._course.notes)

    def accounts(self) -> tuple[Judged, ...]:
        """Hold what the boards counted against what was done to them, over the whole run."""
        watch, expected = self._watch, self._course.expected
        whole = self._reached == self._course.scenario.n_frames and not (self._untested or self._incidents)
        given = {(i, k) for i in expected for k in range(self._reached)} - self._course.withheld
        missing = sorted(given - {key for key, came in watch.reports.items() if came} - self._untested)
        twice = sorted(key for key, came in watch.reports.items() if len(came) > 1)
        uncounted = {name: sum(getattr(expected[i], name) - watch.counted(i, f"frames_{name}") for i in expected)
                     for name in ("refused", "missed")}  # fmt: skip
        why = "" if whole else "the run did not get through all frames undisturbed"
        rows: tuple[tuple[str, str, str, float | None, str], ...] = (
            ("COUNT-1", "What a board cannot use it refuses, and counts.", "fault.unaccounted_refused",
             float(uncounted["refused"]) if whole else None,
             why or f"{sum(one.refused for one in expected.values())} messages made unusable"),
            ("COUNT-2", "A frame that never came is counted as missed.", "fault.unaccounted_missed",
             float(uncounted["missed"]) if whole else None,
             why or f"{sum(one.missed for one in expected.values())} frames withheld from a running process"),
            ("COUNT-3", "Every frame given whole has its report on the ground.", "fault.reports_missing",
             float(len(missing)) if self._reached else None, _some("missing", missing)),
            ("COUNT-4", "No frame has two reports.", "fault.reports_twice",
             float(len(twice)) if self._reached else None, _some("twice", twice)),
            ("COUNT-5", "No damaged packet reaches the ground.", "fault.packets_damaged",
             float(watch.damaged) if self._reached else None, ""),
        )  # fmt: skip
        judged = []
        for name, text, metric, value, evidence in rows:
            verdict: Verdict = "not tested" if value is None else "pass" if value == 0 else "fail"
            judged.append(Judged(Requirement(name, text, metric, "==", 0), verdict, value, evidence))
        return tuple(judged)

    def _judge(self, note: Note) -> Reaction:
        fault = note.fault
        if note.not_tested:
            return Reaction(note, "not tested", note.not_tested)
        if fault.end >= self._reached:
            return Reaction(note, "not tested", f"the run ended before frame {fault.end}")
        away = [k for k in range(fault.frame, fault.end + 1) if (fault.satellite, k) in self._untested]
        if away:
            return Reaction(note, "not tested", f"the board was away at frame {away[0]}")
        after = next((k for k in range(fault.end, self._reached) if not self._withheld(fault, k)), None)
        report = None if after is None else self._one(fault, after)
        recovered_s = None
        if report is not None:
            recovered_s = max(1e-9 * (report.delivery.arrival_ns - report.delivery.origin_ns), 0.0)
        wrong = self._reports_wrong(fault)
        if report is None:
            wrong.append(f"frame {after} after it has no report")
        verdict: Verdict = "pass"
        seen = []
        if fault.kind in _ALSO:
            verdict, said = _ALSO[fault.kind](self, note)
            seen.append(said)
        if wrong:
            verdict = "fail"
        if not seen:
            seen.append(self._said_of_reports(fault))
        return Reaction(note, verdict, "; ".join([*wrong, *filter(None, seen)]), after, recovered_s)

    def _reports_wrong(self, fault: FaultConfig) -> list[str]:
        wrong = []
        for k in range(fault.frame, fault.end):
            came = len(self._watch.reports.get((fault.satellite, k), ()))
            wanted = 0 if self._withheld(fault, k) else 1
            if came != wanted:
                wrong.append(f"frame {k} has {came} reports, wanted {wanted}")
        return wrong

    def _said_of_reports(self, fault: FaultConfig) -> str:
        of = [len(self._watch.reports.get((fault.satellite, k), ())) for k in range(fault.frame, fault.end)]
        return f"{_counted(sum(of), 'report')} of {_counted(len(of), 'frame')}, the next frame has its own"

    def _withheld(self, fault: FaultConfig, number: int) -> bool:
        return (fault.satellite, number) in self._course.withheld

    def _one(self, fault: FaultConfig, number: int) -> Reported | None:
        return next(iter(self._watch.reports.get((fault.satellite, number), ())), None)

    def _before(self, fault: FaultConfig) -> Reported | None:
        return next((r for k in range(fault.frame - 1, -1, -1) if (r := self._one(fault, k)) is not None), None)

    # What follows beyond reports.

    def _anew(self, note: Note) -> tuple[Verdict, str]:
        before, after = self._before(note.fault), None
        for k in range(note.fault.end, self._reached):
            after = after or self._one(note.fault, k)
        if before is None or after is None:
            return "fail", "no report from before and after to compare"
        new = before.delivery.boot_id != after.delivery.boot_id
        said = f"started anew, first report of frame {after.report.frame_id}" if new else "the process is the same"
        return ("pass" if new else "fail"), said

    def _refused(self, note: Note) -> tuple[Verdict, str]:
        verdict, said = self._anew(note)
        named = note.status == 2 and "bad-pixels" in note.said
        return (verdict if named else "fail"), f"ended with status {note.status}: {note.said}; mended: {said}"

    def _held_back(self, note: Note) -> tuple[Verdict, str]:
        fault = note.fault
        came = [r.delivery.arrival_ns for k in range(fault.frame, fault.end) if (r := self._one(fault, k)) is not None]
        later = sum(arrival_ns >= note.ended_ns for arrival_ns in came)
        if not later:
            return "not tested", "no report of its frames was held back: it did not bite"
        last_s = 1e-9 * (max(came) - note.ended_ns)
        return "pass", f"{later} of {len(came)} reports came after it, the last {last_s:.2f} s"

    def _slower(self, note: Note) -> tuple[Verdict, str]:
        fault = note.fault
        came = [r for k in range(fault.frame, fault.end) if (r := self._one(fault, k)) is not None]
        worst_s = max((1e-9 * (r.delivery.arrival_ns - r.delivery.origin_ns) for r in came), default=0.0)
        return "pass", f"{_counted(len(came), 'report')}, the slowest {worst_s:.2f} s after its frame"

    def _counted_disk(self, note: Note) -> tuple[Verdict, str]:
        if not note.said:
            return "not tested", "the spool never found the disk full: it did not bite"
        return "pass", note.said

    def _clock(self, note: Note) -> tuple[Verdict, str]:
        of = self._watch.health[note.fault.satellite]
        before = [(d, h) for d, h in of if d.arrival_ns < note.begun_ns]
        after = [(d, h) for d, h in of if d.arrival_ns > note.begun_ns + 1_500_000_000]
        if not before or not after:
            return "not tested", "no health from before and after to compare"
        (d0, h0), (d1, h1) = before[-1], after[0]
        jumped_s = 1e-9 * ((h1.time_ns - h0.time_ns) - (d1.arrival_ns - d0.arrival_ns))
        good = abs(jumped_s - note.fault.much) <= _CLOCK_SLACK_S
        return ("pass" if good else "fail"), f"health shows a jump of {jumped_s:.1f} s, set were {note.fault.much:g} s"

    def _pixel(self, note: Note) -> tuple[Verdict, str]:
        fault = note.fault
        row, col = self._course.feeds[fault.satellite].pixel(fault, self._camera.rows, self._camera.cols)
        struck = {}
        for k in range(fault.frame, fault.end):
            if (reported := self._one(fault, k)) is not None:
                sights = reported.report.sights
                rows, cols = self._camera.pixel_from_tangent(sights["x"], sights["y"])
                struck[k] = bool(np.any(np.hypot(rows - row, cols - col) <= _PIXEL_GATE_PX))
        early = [there for k, there in struck.items() if k < settled_from(fault)]
        late = [there for k, there in struck.items() if k >= settled_from(fault)]
        good = sum(late) <= _PIXEL_SHARE * len(late)
        said = (
            f"pixel ({row}, {col}): plots there in {sum(early)} of its first {len(early)} frames and in {sum(late)} of "
            f"its last {len(late)}"
        )
        return ("pass" if good else "fail"), said


_ALSO: dict[str, Callable[[Judge, Note], tuple[Verdict, str]]] = {
    "killed": Judge._anew,
    "brown-out": Judge._anew,
    "flipped-spool": Judge._anew,
    "flipped-parameters": Judge._refused,
    "stopped": Judge._held_back,
    "receiver-stall": Judge._held_back,
    "link-down": Judge._held_back,
    "link-half-open": Judge._held_back,
    "link-slow": Judge._slower,
    "link-lossy": Judge._slower,
    "disk-full": Judge._counted_disk,
    "clock-jump": Judge._clock,
    "stuck-pixel": Judge._pixel,
    "hot-pixel": Judge._pixel,
    "blinking-pixel": Judge._pixel,
}


def _some(what: str, keys: list[tuple[int, int]]) -> str:
    """Name the first of satellites and frames."""
    named = ", ".join(f"satellite {i} frame {k}" for i, k in keys[:5])
    return f"{what}: {named}{' ...' if len(keys) > 5 else ''}" if keys else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
