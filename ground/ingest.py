"""Ingest: what satellites send is checked, counted and put into one order of time.

A report is judged by its own content and by the earlier reports of its own sensor, so that the verdict does not depend
on how the streams of several sensors interleave; only where its clock steps ahead do the others have a say.
Accepted reports wait in a heap. The earliest is released as
soon as every expected sensor that has not ended has reported a time at least as late. A sensor that the newest time of
any other has left more than ``hold_s`` of data time behind is silent: nobody waits for it until it is heard again in
time. What it sends then, and is at most ``late_s`` older than what was released, is passed on at once (`Rewind` goes
back for it); older reports are late and refused. No clock of the ground enters: live and replay agree.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, height_m
from lookdown.geo.rotation import to_matrix
from lookdown.ground.parameters import Parameters
from lookdown.wire.errors import WireError
from lookdown.wire.messages import Float, PlotReport, RadarReport

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
    """

    report: PlotReport | RadarReport
    plot_index: NDArray[np.int64]
    n_sent: int
    origin_ns: int = 0
    arrival_ns: int = 0


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
        ``plots_over_limit``, ``plots_refused`` (and by reason) and ``refused_<reason>``.

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
        self._released_ns, _, _, arrival = heapq.heappop(self._waiting)
        return arrival

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
        order = np.arange(len(plots))
        if len(plots) > self._parameters.max_plots:
            order = np.argsort(-np.nan_to_num(plots["snr"], nan=-1.0), kind="stable")[: self._parameters.max_plots]
            self.counters[sender, "plots_over_limit"] += len(plots) - len(order)
        kept_plots = plots[order]
        if isinstance(report, PlotReport):
            spoilt = ~np.isfinite(kept_plots["correlation"]) | (np.abs(kept_plots["correlation"]) >= 1.0)
            for name in ("sigma_x", "sigma_y"):
                spoilt |= ~(np.isfinite(kept_plots[name]) & (kept_plots[name] > 0.0))
            usable = ~spoilt & usable_sights(replace(report, sights=kept_plots), self._parameters.max_height_m)
        else:
            spoilt = spoilt_echoes(kept_plots)
            usable = ~spoilt & usable_echoes(kept_plots, report.state.position_m, self._parameters)
        if len(order) and not usable.any():
            raise WireError("geometry", f"frame {report.frame_id} of sensor {sender}: no plot lies in the air")
        if not usable.all():
            self.counters[sender, "plots_refused"] += int(np.count_nonzero(~usable))
            for reason, rows in (("covariance", spoilt), ("geometry", ~usable & ~spoilt)):
                if rows.any():
                    self.counters[sender, f"plots_refused_{reason}"] += int(np.count_nonzero(rows))
        kept = order[usable]
        left: PlotReport | RadarReport
        if isinstance(report, PlotReport):
            left = replace(report, sights=plots[kept])
        else:
            left = replace(report, echoes=plots[kept])
        return Arrival(left, kept.astype(np.int64), len(plots), origin_ns, arrival_ns)

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
        if stream.last_time_ns is None:
            return
        if report.frame_id <= stream.last_frame_id:
            raise WireError("repeat", f"{what} is not newer than frame {stream.last_frame_id}")
        ahead_s = (report.time_ns - stream.last_time_ns) / _SECOND_NS
        if ahead_s <= 0.0:
            raise WireError("past", f"{what} lies {-ahead_s:.3f} s before the frame it follows")
        others = [other for other in self._streams.values() if other is not stream]
        live_ns = [o.last_time_ns for o in others if o.last_time_ns is not None and not (o.ended or o.silent)]
        hold_s = self._parameters.hold_s
        alone = bool(live_ns) and report.time_ns - max(live_ns) > hold_s * _SECOND_NS
        if ahead_s > self._parameters.max_gap_s or (ahead_s > hold_s and alone):
            between_s = (report.time_ns - stream.doubted_time_ns) / _SECOND_NS
            in_order = stream.doubted and 0.0 < between_s <= self._parameters.max_gap_s
            stream.doubted = stream.doubted + 1 if in_order else 1
            stream.doubted_time_ns = report.time_ns
            heard = sum(other.accepted for other in others)
            stream.others_then = heard if stream.doubted == 1 else stream.others_then
            # While others go on in the old time, it is this clock that has stepped.
            if stream.doubted <= _RESUME_REPORTS or (alone and heard > stream.others_then):
                raise WireError(
                    "future", f"{what} lies {ahead_s:.1f} s after the last one, and no other sensor is there"
                )
        stream.doubted = 0


def check_state(report: PlotReport | RadarReport, parameters: Parameters) -> None:
    """Raise WireError unless the sensor's state can be that of a satellite which looks at something.

    Parameters
    ----------
    report : PlotReport or RadarReport
        Any decoded report.
    parameters : Parameters
        Limits of the altitude.
    """
    state = report.state
    what = f"frame {report.frame_id} of sensor {report.sensor_id}"
    sigmas = np.array([state.position_sigma_m, state.pointing_sigma_rad, state.ifov_rad])
    numbers = np.concatenate([state.position_m, state.velocity_m_s, state.attitude, sigmas])
    if numbers.shape != (13,) or not np.isfinite(numbers).all():
        raise WireError("not_finite", f"{what}: state wanted 13 finite numbers, got {numbers.tolist()}")
    norm = float(np.linalg.norm(state.attitude))
    if abs(norm - 1.0) > 1e-3:
        raise WireError("attitude", f"{what}: wanted a unit quaternion, got length {norm:.6g}")
    if (sigmas[:2] < 0.0).any() or sigmas[2] <= 0.0 or sigmas[0] > 1e5 or (sigmas[1:] > 0.1).any():
        raise WireError("sigma", f"{what}: wanted small sigmas and an ifov above 0, got {sigmas.tolist()}")
    altitude_m = float(height_m(state.position_m))
    if not parameters.min_altitude_m <= altitude_m <= parameters.max_altitude_m:
        raise WireError("altitude", f"{what}: wanted a satellite's altitude, got {altitude_m / 1e3:.1f} km")


def usable_sights(report: PlotReport, max_height_m: float) -> NDArray[np.bool_]:
    """Which plots are finite, have sigmas above zero and look into the air, shape (n,).

    The air is the shell up to ``max_height_m``; a line of sight meets it if its point nearest to the Earth's centre,
    on axes scaled so that the shell is a unit sphere, lies inside and ahead.
    """
    sights = report.sights
    finite = np.ones(len(sights), np.bool_)
    for name in ("x", "y", "sigma_x", "sigma_y", "amplitude", "snr"):
        finite &= np.isfinite(sights[name])
    usable = finite & (sights["sigma_x"] > 0.0) & (sights["sigma_y"] > 0.0)
    usable &= (np.abs(sights["x"]) < 10.0) & (np.abs(sights["y"]) < 10.0)
    x, y = np.where(usable, sights["x"], 0.0), np.where(usable, sights["y"], 0.0)
    turned = to_matrix(report.state.attitude)
    directions = np.stack([x, y], axis=1) @ turned[:, :2].T + turned[:, 2]
    axes = np.array([SEMI_MAJOR_AXIS_M, SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M]) + max_height_m
    start, step = report.state.position_m / axes, directions / axes
    along = -(step @ start) / np.sum(step * step, axis=1)
    nearest = start + along[:, None] * step
    return np.asarray(usable & (along > 0.0) & (np.sum(nearest * nearest, axis=1) <= 1.0), np.bool_)


def spoilt_echoes(echoes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which radar plots have no covariance: sigmas of 0, or correlations that go together in no way; shape (n,)."""
    sigmas = np.stack([echoes[f"sigma_{name}"] for name in ("range_m", "range_rate_m_s", "azimuth_rad")])
    a, b, c = (
        echoes[f"correlation_{name}"].astype(np.float64) for name in ("range_rate", "range_azimuth", "rate_azimuth")
    )
    with np.errstate(invalid="ignore"):
        good = np.isfinite(sigmas).all(axis=0) & (sigmas > 0.0).all(axis=0)
        good &= np.isfinite(echoes["sigma_elevation_rad"]) & (echoes["sigma_elevation_rad"] >= 0.0)
        # Sylvester: minors of the correlation matrix.
        good &= (np.abs(a) < 1.0) & (1.0 + 2.0 * a * b * c - a * a - b * b - c * c > 1e-6)
    return np.asarray(~good, np.bool_)


def usable_echoes(echoes: NDArray[Any], position_m: Float, parameters: Parameters) -> NDArray[np.bool_]:
    """Which radar plots are finite and at a range at which there is air, shape (n,)."""
    usable = np.ones(len(echoes), np.bool_)
    for name in ("range_m", "range_rate_m_s", "azimuth_rad", "elevation_rad", "snr"):
        usable &= np.isfinite(echoes[name])
    radius_m = float(np.linalg.norm(position_m))
    top_m = SEMI_MAJOR_AXIS_M + parameters.max_height_m
    bottom_m = SEMI_MINOR_AXIS_M + parameters.min_height_m
    # Farther than over the limb to the top of the air there is nothing but space.
    farthest_m = np.sqrt(max(radius_m**2 - bottom_m**2, 0.0)) + np.sqrt(top_m**2 - bottom_m**2)
    with np.errstate(invalid="ignore"):
        usable &= (echoes["range_m"] > max(radius_m - top_m, 0.0)) & (echoes["range_m"] < farthest_m)
        usable &= np.abs(echoes["azimuth_rad"]) < np.pi / 2
    return usable
