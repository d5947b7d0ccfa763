"""Ingest: what satellites send is checked, counted and put into one order of time.

A report is judged by its own content and by the earlier reports of its own sensor, so that the verdict does not depend
on how the streams of several sensors interleave; only where its clock steps ahead do the others have a say.
Accepted reports wait in a heap. The earliest is released as
soon as every expected sensor that has not ended has reported a time at least as late. A sensor that the newest time of
any other has left more than ``hold_s`` of data time behind is silent: nobody waits for it until it is heard again in
time. What it sends then, and is at most ``late_s`` older than what was released, is passed on at once (`Rewind` goes
back for it); older reports are late and refused. No clock of the ground enters, unless ``clock_ahead_s`` holds data
times to the receipt times that the recording keeps: live and replay agree.

A clock that is ahead of all others is doubted, from its first report on, unless most agree with it. If it was heard
first, nothing is lost by it either: one sensor starts no track, so that order and fusion begin anew as soon as two
others agree on an earlier time.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.parameters import Parameters
from lookdown.ground.plausible import check_state, judge_sights, spoilt_echoes, usable_echoes
from lookdown.kernels.sift import IN_AIR, IN_SPACE, NO_COVARIANCE
from lookdown.wire.errors import WireError
from lookdown.wire.messages import PlotFlag, PlotReport, RadarReport

_STAR = int(PlotFlag.STAR)  # NumPy takes a member of an enumeration at ten times the cost
_SECOND_NS = 1_000_000_000
_NEVER_NS = -(2**63)
_RESUME_REPORTS = 3  # reports in a row, in order among themselves, after which a doubted time is believed


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A report on its way through the ground.

    Attributes
    ----------
    report : PlotReport or RadarReport
        The report; after ingest without the plots that cannot be used.
    plot_index : ndarray of int64, shape (n,)
        Index of each remaining plot in the report as it was sent.
    n_sent : int
        Plots of the report as it was sent.
    origin_ns, arrival_ns : int
        When its frame entered the satellite and when its packet reached the ground, system TAI [ns]; 0 if unknown.
    space : ndarray of SIGHT_DTYPE or None
        Plots that look past the air, where stars are known that they may be of.
    """

    report: PlotReport | RadarReport
    plot_index: NDArray[np.int64]
    n_sent: int
    origin_ns: int = 0
    arrival_ns: int = 0
    space: NDArray[Any] | None = None


@dataclass(slots=True)
class _Stream:
    """What is remembered of one sensor."""

    sensor_id: int
    radar: bool = False
    last_time_ns: int | None = None
    last_frame_id: int = -1
    ended: bool = False
    silent: bool = False
    doubted_time_ns: int = 0
    doubted: int = 0
    accepted: int = 0
    others_then: int = 0  # reports accepted of others when the doubt began


class Ingest:
    """Checks reports, drops repeats and releases them in order of time.

    Parameters
    ----------
    parameters : Parameters
        ``sensors`` names the expected sensors.

    Attributes
    ----------
    counters : Counter of (int, str)
        How often each thing happened, by (sender, name): ``accepted``, ``accepted_late``, ``late``, ``silences``,
        ``plots_over_limit``, ``plots_refused`` (and by reason), ``clock_ahead`` (the order began anew without it) and
        ``refused_<reason>``.
    begun : int
        How often the order of time began anew; what was released before counts no more.

    Raises
    ------
    ValueError
        If no sensor is expected: the order of time could not be known.
    """

    def __init__(self, parameters: Parameters) -> None:
        if not parameters.sensors:
            raise ValueError("fusion parameter sensors: wanted at least one expected sensor, got none; list them")
        self._parameters = parameters
        self._streams = {s.sensor_id: _Stream(s.sensor_id, bool(s.radar)) for s in parameters.sensors}
        self._waiting: list[tuple[int, int, int, Arrival]] = []
        self._newest_ns: int | None = None
        self._first_ns = 0
        self._released_ns: int | None = None
        self._released_of: Counter[int] = Counter()
        self.begun = 0
        self.counters: Counter[tuple[int, str]] = Counter()

    @property
    def all_ended(self) -> bool:
        """Whether every expected sensor has sent its end."""
        return all(stream.ended for stream in self._streams.values())

    def offer(
        self, report: PlotReport | RadarReport, sender_id: int | None = None, origin_ns: int = 0, arrival_ns: int = 0
    ) -> list[Arrival]:
        """Take one report in and return what it sets free, in order of (time, sensor).

        Parameters
        ----------
        report : PlotReport or RadarReport
            A decoded report.
        sender_id : int, optional
            Who sent it by the link; a satellite speaks for itself alone.
        origin_ns, arrival_ns : int
            Passed through [ns].

        Returns
        -------
        list of Arrival
            Reports that nothing earlier can precede; first this one, if it is late but not too late.

        Raises
        ------
        WireError
            If the report is refused or too late to be used; it is counted before.
        """
        sender = report.sensor_id if sender_id is None else sender_id
        try:
            self._check_receipt(report, arrival_ns)
            arrival = self._checked(report, sender, origin_ns, arrival_ns)
        except WireError as error:
            self.counters[sender, f"refused_{error.reason}"] += 1
            raise
        stream = self._streams[sender]
        stream.last_time_ns, stream.last_frame_id = report.time_ns, report.frame_id
        if self._newest_ns is None:
            self._newest_ns = self._first_ns = report.time_ns
        self._newest_ns, self._first_ns = max(self._newest_ns, report.time_ns), min(self._first_ns, report.time_ns)
        behind_s = 0.0 if self._released_ns is None else (self._released_ns - report.time_ns) / _SECOND_NS
        if behind_s > self._parameters.late_s and (ahead := self._alone_ahead(report)) is not None:
            self._begin_anew(ahead)
            behind_s = 0.0
        if 0.0 < behind_s <= self._parameters.late_s:
            stream.accepted += 1
            self.counters[sender, "accepted"] += 1
            self.counters[sender, "accepted_late"] += 1
            return [arrival, *self._release()]
        if behind_s > 0.0:
            self.counters[sender, "late"] += 1
            raise WireError(
                "late",
                f"frame {report.frame_id} of sensor {sender} is {behind_s:.3f} s older than what was fused; "
                f"raise late_s (now {self._parameters.late_s} s) or hold_s ({self._parameters.hold_s} s) if this lasts",
            )
        stream.silent = False
        stream.accepted += 1
        self.counters[sender, "accepted"] += 1
        heapq.heappush(self._waiting, (report.time_ns, report.sensor_id, report.frame_id, arrival))
        return self._release()

    def begin(self, sender_id: int) -> None:
        """Note that a sensor's process started anew: it is heard again after its end, and may count frames anew."""
        stream = self._streams.get(sender_id)
        if stream:
            stream.ended = False
            stream.last_frame_id = -1

    def end(self, sender_id: int) -> list[Arrival]:
        """Note that a sensor has ended and return what need not wait for it any more."""
        if sender_id in self._streams:
            self._streams[sender_id].ended = True
        else:
            self.counters[sender_id, "refused_unknown_sensor"] += 1
        return self._release()

    def flush(self) -> list[Arrival]:
        """Release all that waits: nothing more will come."""
        return [self._pop() for _ in range(len(self._waiting))]

    def _pop(self) -> Arrival:
        self._released_ns, sensor_id, _, arrival = heapq.heappop(self._waiting)
        self._released_of[sensor_id] += 1
        return arrival

    def _alone_ahead(self, report: PlotReport | RadarReport) -> int | None:
        """Sensor that leads the order of time alone, if this report's and another agree on an earlier time.

        At the beginning only: no other may have given more than what tentative tracks are made of.
        """
        heard = [stream for stream in self._streams.values() if stream.last_time_ns is not None]
        leads = [stream.sensor_id for stream in heard if self._is_near(stream.last_time_ns, self._newest_ns or 0)]
        there = [stream for stream in heard if self._is_near(stream.last_time_ns, report.time_ns)]
        young = all(self._released_of[s.sensor_id] <= _RESUME_REPORTS for s in heard if s.sensor_id not in leads)
        return leads[0] if len(leads) == 1 and len(there) >= 2 and young else None

    def _is_near(self, time_ns: int | None, other_ns: int) -> bool:
        return time_ns is not None and abs(time_ns - other_ns) <= self._parameters.hold_s * _SECOND_NS

    def _begin_anew(self, ahead: int) -> None:
        """Forget the time of the one sensor that is ahead of all others; what waits of it is refused."""
        kept = [entry for entry in self._waiting if entry[1] != ahead]
        self.counters[ahead, "refused_future"] += len(self._waiting) - len(kept)
        self.counters[ahead, "clock_ahead"] += 1
        self._waiting = kept
        heapq.heapify(self._waiting)
        self._streams[ahead].last_time_ns = None
        known_ns = [s.last_time_ns for s in self._streams.values() if s.last_time_ns is not None]
        self._newest_ns, self._first_ns = max(known_ns), min(known_ns)
        self._released_ns, self._released_of = None, Counter()
        self.begun += 1

    def _release(self) -> list[Arrival]:
        if self._newest_ns is None:
            return []
        waited = [stream for stream in self._streams.values() if not stream.ended and not stream.silent]
        longest_ns = self._newest_ns - round(self._parameters.hold_s * _SECOND_NS)
        free_ns = self._newest_ns
        for stream in waited:
            last_ns = _NEVER_NS if stream.last_time_ns is None else stream.last_time_ns
            # Before its first report a sensor is waited for since the first report of any.
            if max(last_ns, self._first_ns) < longest_ns:
                stream.silent = True
                self.counters[stream.sensor_id, "silences"] += 1
            else:
                free_ns = min(free_ns, last_ns)
        released = []
        while self._waiting and self._waiting[0][0] <= free_ns:
            released.append(self._pop())
        return released

    def _checked(self, report: PlotReport | RadarReport, sender: int, origin_ns: int, arrival_ns: int) -> Arrival:
        self._check_stream(report, sender)
        check_state(report, self._parameters)
        plots = report.sights if isinstance(report, PlotReport) else report.echoes
        order, limit = np.arange(len(plots)), self._parameters.max_plots
        if len(plots) > limit:
            order = np.argsort(-np.nan_to_num(plots["snr"], nan=-1.0), kind="stable")[:limit]
            self.counters[sender, "plots_over_limit"] += len(plots) - len(order)
            report = _with_plots(report, plots[order])
        space = None
        if isinstance(report, PlotReport):
            verdict = judge_sights(report, self._parameters.max_height_m)
            known = report.sights["flags"] & _STAR  # the board knows it
            if known.any():
                verdict[(known > 0) & (verdict == IN_AIR)] = IN_SPACE
            if not verdict.any():
                return Arrival(report, order, len(plots), origin_ns, arrival_ns)
            in_space = verdict == IN_SPACE
            if self._parameters.has_stars and in_space.any():
                # Whether they are stars is told by fusion; here they are neither used nor refused.
                space = report.sights[in_space]
                order, report = order[~in_space], _with_plots(report, report.sights[~in_space])
                verdict = verdict[~in_space]
            spoilt, usable = verdict == NO_COVARIANCE, verdict == IN_AIR
        else:
            spoilt = spoilt_echoes(report.echoes)
            usable = ~spoilt & usable_echoes(report.echoes, report.state.position_m, self._parameters)
        if len(order) and not usable.any():
            what = f"frame {report.frame_id} of sensor {sender}"
            if spoilt.all():
                raise WireError("covariance", f"{what}: no plot has a covariance")
            raise WireError("geometry", f"{what}: no plot lies in the air")
        if not usable.all():
            self.counters[sender, "plots_refused"] += int(np.count_nonzero(~usable))
            for reason, rows in (("covariance", spoilt), ("geometry", ~usable & ~spoilt)):
                if rows.any():
                    self.counters[sender, f"plots_refused_{reason}"] += int(np.count_nonzero(rows))
            order = order[usable]
            report = _with_plots(report, plots[order])
        return Arrival(report, order, len(plots), origin_ns, arrival_ns, space)

    def _check_receipt(self, report: PlotReport | RadarReport, arrival_ns: int) -> None:
        """Hold the time of a report to that of its receipt, if configured and known."""
        most_s, ahead_s = self._parameters.clock_ahead_s, (report.time_ns - arrival_ns) / _SECOND_NS
        if most_s > 0.0 and arrival_ns > 0 and ahead_s > most_s:
            what = f"frame {report.frame_id} of sensor {report.sensor_id}"
            raise WireError("future", f"{what} lies {ahead_s:.1f} s after its receipt, wanted at most {most_s} s")

    def _check_stream(self, report: PlotReport | RadarReport, sender: int) -> None:
        stream = self._streams.get(sender)
        what = f"frame {report.frame_id} of sensor {report.sensor_id}"
        if stream is None:
            raise WireError("unknown_sensor", f"{what}: sender {sender} wanted one of {sorted(self._streams)}")
        if isinstance(report, RadarReport) != stream.radar:
            wanted = "radar" if stream.radar else "plot"
            raise WireError("kind", f"{what}: wanted a {wanted} report; see `radar` of fusion.sensors")
        if report.sensor_id != sender:
            raise WireError("sender", f"{what} came from sender {sender}; a satellite speaks for itself alone")
        if stream.ended:
            raise WireError("after_end", f"{what} came after the end of this sensor")
        if report.frame_id <= stream.last_frame_id:
            raise WireError("repeat", f"{what} is not newer than frame {stream.last_frame_id}")
        first = stream.last_time_ns is None
        ahead_s = (report.time_ns - (stream.last_time_ns or 0)) / _SECOND_NS
        if ahead_s <= 0.0 and not first:
            raise WireError("past", f"{what} lies {-ahead_s:.3f} s before the frame it follows")
        hold_s = self._parameters.hold_s
        if not first and ahead_s <= min(hold_s, self._parameters.max_gap_s):  # no leap, whoever else is there
            stream.doubted = 0
            return
        others = [other for other in self._streams.values() if other is not stream]
        live_ns = [o.last_time_ns for o in others if o.last_time_ns is not None and not (o.ended or o.silent)]
        alone = bool(live_ns) and report.time_ns - max(live_ns) > hold_s * _SECOND_NS
        # With it are those that doubtfully tell the same time.
        near = sum(self._is_near(o.doubted_time_ns, report.time_ns) for o in others if o.doubted)
        outvotes = alone and near + 1 > len(live_ns)
        leaps = alone if first else ahead_s > self._parameters.max_gap_s or (ahead_s > hold_s and alone)
        if leaps and not outvotes:
            between_s = (report.time_ns - stream.doubted_time_ns) / _SECOND_NS
            in_order = stream.doubted and 0.0 < between_s <= self._parameters.max_gap_s
            stream.doubted = stream.doubted + 1 if in_order else 1
            stream.doubted_time_ns = report.time_ns
            heard = sum(other.accepted for other in others)
            stream.others_then = heard if stream.doubted == 1 else stream.others_then
            # While others go on in the old time, it is this clock that has stepped.
            if stream.doubted <= _RESUME_REPORTS or (alone and heard > stream.others_then):
                after = "comes first" if first else f"lies {ahead_s:.1f} s after the last one"
                raise WireError("future", f"{what} {after}, and no other sensor is there")
        stream.doubted = 0


def _with_plots(report: PlotReport | RadarReport, plots: NDArray[Any]) -> PlotReport | RadarReport:
    return replace(report, sights=plots) if isinstance(report, PlotReport) else replace(report, echoes=plots)
