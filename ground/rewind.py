"""Rewind: reports that come after later ones were fused still count, as if they had come in time.

Fusion keeps its past: what it knew every second, and the reports since. A report that is at most ``late_s`` late
waits until ``late_every_s`` of data time has passed, so that several are served at once; then fusion goes back to what
it knew before the earliest of them and fuses all reports since in order of time. Tracks, scores and hits are then those
of reports that came in order, bit for bit; a track keeps the identity that was told, because it is remembered which two
plots started it. What is told is the late report, the live tracks as they now are, and what happened otherwise.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from lookdown.ground.events import Event, Happening, ReportFused
from lookdown.ground.fusion import Fusion, Snapshot
from lookdown.ground.ingest import Arrival
from lookdown.ground.parameters import Parameters
from lookdown.wire.messages import TrackStatus

_SECOND_NS = 1_000_000_000
_EPOCH_NS = _SECOND_NS  # between two snapshots


@dataclass(slots=True)
class _Epoch:
    """What fusion knew at one time, and the reports and happenings since, until the next epoch."""

    before: Snapshot
    begin_ns: int
    arrivals: list[Arrival] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)


class Rewind:
    """Feeds `Fusion`, and goes back for what came late.

    Parameters
    ----------
    fusion : Fusion
        Fed by this alone.
    parameters : Parameters
        ``late_s`` and ``late_every_s``.
    """

    def __init__(self, fusion: Fusion, parameters: Parameters) -> None:
        self._fusion = fusion
        self._reach_ns = round(parameters.late_s * _SECOND_NS)
        self._every_ns = round(parameters.late_every_s * _SECOND_NS)
        self._epochs: deque[_Epoch] = deque()
        self._waiting: list[Arrival] = []
        self._due_ns = 0
        self._newest_ns: int | None = None

    def step(self, arrivals: Iterable[Arrival]) -> list[Event]:
        """Fuse reports; those older than what was fused may be ``late_s`` late.

        Parameters
        ----------
        arrivals : iterable of Arrival
            From `Ingest`.

        Returns
        -------
        list of Event
            What happened, report by report. The event of a late report holds, beside its own updates, those of all
            tracks that are live or no longer live for it, at the time of the newest report.

        Raises
        ------
        ValueError
            If a report is later than ``late_s``; `Ingest` refuses those.
        """
        events: list[Event] = []
        for arrival in arrivals:
            time_ns = arrival.report.time_ns
            if self._newest_ns is not None and time_ns < self._newest_ns:
                if time_ns < self._newest_ns - self._reach_ns:
                    raise ValueError(
                        f"Rewind.step wanted reports up to {self._reach_ns / _SECOND_NS} seconds late, got one of "
                        f"{(self._newest_ns - time_ns) / _SECOND_NS}; pass them through Ingest"
                    )
                if not self._waiting:
                    self._due_ns = self._newest_ns + self._every_ns
                self._waiting.append(arrival)
            else:
                events += self._fuse(arrival)
            if self._waiting and self._newest_ns is not None and self._newest_ns >= self._due_ns:
                events += self.catch_up()
        return events

    def catch_up(self) -> list[Event]:
        """Fuse the late reports that wait."""
        if not self._waiting:
            return []
        fusion, late = self._fusion, self._waiting
        self._waiting = []
        known = fusion.save()
        first_ns = min(arrival.report.time_ns for arrival in late)
        again, told = list(late), Counter[tuple[str, str]]()
        while True:
            epoch = self._epochs.pop()
            again += epoch.arrivals
            told += epoch.told
            if not self._epochs or epoch.before.time_ns is None or epoch.before.time_ns < first_ns:
                break
        fusion.restore(epoch.before)
        self._newest_ns = epoch.before.time_ns
        own = {(arrival.report.sensor_id, arrival.report.frame_id) for arrival in late}
        events: list[Event] = []
        for arrival in sorted(again, key=_order):
            for event in self._fuse(arrival):
                if isinstance(event, Happening):
                    # Told at most as often as it happened.
                    if told[_key(event)] > 0:
                        told[_key(event)] -= 1
                    else:
                        events.append(event)
                elif (event.arrival.report.sensor_id, event.arrival.report.frame_id) in own:
                    events.append(event)
        return self._tell_changes(events, known)

    def _fuse(self, arrival: Arrival) -> list[Event]:
        time_ns = arrival.report.time_ns
        if not self._epochs or time_ns >= self._epochs[-1].begin_ns + _EPOCH_NS:
            self._epochs.append(_Epoch(self._fusion.save(), time_ns))
        epoch = self._epochs[-1]
        epoch.arrivals.append(arrival)
        events = self._fusion.step([arrival])
        epoch.told.update(_key(event) for event in events if isinstance(event, Happening))
        self._newest_ns = time_ns
        # The first epoch is of no use once the second begins before all that may still come late, or waits.
        oldest_ns = min([time_ns - self._reach_ns, *(late.report.time_ns for late in self._waiting)])
        while len(self._epochs) > 1 and (self._epochs[1].before.time_ns or time_ns) < oldest_ns:
            self._epochs.popleft()
        return events

    def _tell_changes(self, events: list[Event], past: Snapshot) -> list[Event]:
        """Add to the last late report's event the live tracks as they are, and those that are so no longer."""
        fusion, newest_ns = self._fusion, self._newest_ns or 0
        last = max(index for index, event in enumerate(events) if isinstance(event, ReportFused))
        fused = events[last]
        assert isinstance(fused, ReportFused)
        sensor_id = fused.arrival.report.sensor_id
        table, known = fusion.table, past.table
        was_live = known.track_id[known.live]
        rows = np.flatnonzero(table.live | np.isin(table.track_id, was_live))
        gone = known.take(known.live & ~np.isin(known.track_id, table.track_id))
        gone.status[:] = TrackStatus.DROPPED
        ground = fusion.ground_updates(past, newest_ns)
        ground["sensor_id"] = sensor_id
        recent_ns = round(fusion.coast_after_s * _SECOND_NS)
        updates = [
            fused.updates,
            table.updates(rows, newest_ns, sensor_id, recent_ns),
            gone.updates(np.arange(len(gone)), newest_ns, sensor_id, recent_ns),
            ground,
        ]
        events[last] = replace(fused, updates=np.concatenate(updates))
        for number in [*gone.track_id.tolist(), *ground["track_id"][ground["status"] == TrackStatus.DROPPED].tolist()]:
            dropped = Happening(
                "dropped", newest_ns, sensor_id, f"track {number} dropped, a late report speaks against it"
            )
            if not any(isinstance(event, Happening) and _key(event) == _key(dropped) for event in events):
                events.append(dropped)
        return events


def _order(arrival: Arrival) -> tuple[int, int, int]:
    """Order of fusion, that of `Ingest`."""
    return arrival.report.time_ns, arrival.report.sensor_id, arrival.report.frame_id


def _key(event: Happening) -> tuple[str, str]:
    """Tell what happened to whom, without when and with what score."""
    return event.kind, event.text.partition(",")[0]
