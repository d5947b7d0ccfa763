"""Fusion: reports in order of time in, updates of tracks out. Owns no socket, file or clock.

Each report goes one way: predict all tracks to its time, predict what its sensor should see, gate and assign, update
what was hit, count what was missed, confirm and end tracks, start new ones from plots that fed nothing. The same
reports give the same events, bit for bit.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M
from lookdown.ground import life
from lookdown.ground.associate import Pairs, assign, gate_pairs
from lookdown.ground.echoes import EchoLook
from lookdown.ground.feed import Feeder
from lookdown.ground.filter import innovation_covariance
from lookdown.ground.ingest import Arrival
from lookdown.ground.locate import locate
from lookdown.ground.measure import Look, PredictedSights, common_sigma, predict_sights
from lookdown.ground.modes import Modes
from lookdown.ground.parameters import Parameters
from lookdown.ground.pointing import Pointing, PointingError
from lookdown.ground.radar_step import start_tracks, take_echoes
from lookdown.ground.single import Single, begin, believable, crowd, lonely
from lookdown.ground.surface import Surface
from lookdown.ground.tracks import Int, TrackTable
from lookdown.wire.dictionary import MAX_TRACKS
from lookdown.wire.messages import Float, Picture, PlotReport, RadarReport, ReportFlag, TrackStatus

LINK_DTYPE = np.dtype([("plot_index", "<i8"), ("track_id", "<i8")])
"""Which plot of a report, by its index as sent, fed which track."""

_EDGE_PX = 4.0  # a target this near to the border may rightly be missing
_FALSE_MEMORY = 0.95  # of the running mean of false plots per frame
_TELL_POINTING_NS = 10_000_000_000
_MOST_BIRTHS = 10_000  # remembered before those too old to be fused again are forgotten


@dataclass(frozen=True, slots=True, eq=False)
class ReportFused:
    """One report has been fused.

    Attributes
    ----------
    arrival : Arrival
        The report.
    updates : ndarray of UPDATE_DTYPE, shape (n,)
        Tracks that it hit or whose status it changed: live ones, ending ones, and tentative ones that two sensors see.
    links : ndarray of LINK_DTYPE, shape (k,)
        Which plot fed which track.
    pointing : PointingError or None
        What is known of the sensor's pointing error after it; once a second of data time.
    """

    arrival: Arrival
    updates: NDArray[Any]
    links: NDArray[Any]
    pointing: PointingError | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a person may want to read.

    Attributes
    ----------
    kind : str
        Of a track ``confirmed``, ``coasting``, ``resumed``, ``dropped``, ``merged`` or ``single``; of a stream
        ``refused``, ``onboard`` (an event that a board told), ``pointing`` (its error, as estimated) or ``end``.
    time_ns : int
        Data time, TAI [ns].
    sensor_id : int
        Sensor whose report or packet brought it about.
    text : str
        One line.
    """

    kind: str
    time_ns: int
    sensor_id: int
    text: str


Event = ReportFused | Happening

_Birth = tuple[
    int, int, int, int, int, int
]  # sensor, frame and plot that started a track, and those it was crossed with


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What fusion knows at one time; `Fusion.restore` goes back to it."""

    time_ns: int | None
    table: TrackTable
    leftover: dict[int, tuple[Look, Int]]
    settled_ns: Int
    false_plots: Float
    pointing: Pointing
    pointing_told_ns: Int
    counters: Counter[tuple[int, str]]
    surface: Any


class Fusion:
    """Fuses plot reports of several satellites into tracks.

    Parameters
    ----------
    parameters : Parameters
        ``sensors`` names the sensors and their fields of view.

    Attributes
    ----------
    counters : Counter of (int, str)
        By (sensor, name): ``fused``, ``plots``, ``plots_used``, ``plots_of_landmarks``, ``plots_of_stars``,
        ``plots_in_space`` (no star of the catalogue), ``tentative_over_limit``,
        ``pointing_renewed`` (times that the sigma of a pointing changed so that its error is another one).
    """

    def __init__(self, parameters: Parameters) -> None:
        if not parameters.sensors:
            raise ValueError("fusion parameter sensors: wanted at least one sensor, got none; list them")
        self._parameters = parameters
        self._index = {sensor.sensor_id: index for index, sensor in enumerate(parameters.sensors)}
        self._modes = Modes(parameters)
        self._table = TrackTable.blank(0, len(self._index), len(self._modes.models))
        self._time_ns: int | None = None
        self._next_id = 1
        self._births: dict[_Birth, tuple[int, int]] = {}
        self._leftover: dict[int, tuple[Look, Int]] = {}
        self._settled_ns = np.zeros(len(self._index), np.int64)
        self._false_plots = np.full(len(self._index), parameters.false_plots_per_frame)
        self._pointing = Pointing(parameters)
        self._pointing_told_ns = np.zeros(len(self._index), np.int64)
        self._gate = float(chdtri(2, 1.0 - parameters.gate_probability))
        self._log_missed = float(np.log1p(-parameters.probability_of_detection))
        self.counters: Counter[tuple[int, str]] = Counter()
        self._surface = Surface(parameters, self.counters)

    def step(self, arrivals: Iterable[Arrival]) -> list[Event]:
        """Fuse reports in the order given, which must be that of `Ingest`.

        Parameters
        ----------
        arrivals : iterable of Arrival
            Checked reports, none older than one already fused.

        Returns
        -------
        list of Event
            What happened, report by report.

        Raises
        ------
        ValueError
            If a report is older than the last one or from a sensor that is not configured.
        """
        events: list[Event] = []
        for arrival in arrivals:
            events += self._fuse(arrival)
        return events

    @property
    def table(self) -> TrackTable:
        """All tracks at the time of the last report; to be read only."""
        return self._table

    @property
    def coast_after_s(self) -> float:
        """How long after its last hit a track coasts [s]."""
        return self._parameters.coast_after_s

    @property
    def pointing(self) -> list[PointingError]:
        """Pointing errors of the sensors of which more is known than their sigma."""
        return self._pointing.known()

    @property
    def pointing_of_all(self) -> list[PointingError]:
        """Pointing errors of all focal planes that have reported, as far as they are known."""
        return self._pointing.all() if self._parameters.estimate_pointing else []

    def save(self) -> Snapshot:
        """Keep what is known, for `restore`."""
        table = self._table.take(np.arange(len(self._table)))
        past, settled_ns, false_plots = dict(self._leftover), self._settled_ns.copy(), self._false_plots.copy()
        pointing, told_ns = self._pointing.copy(), self._pointing_told_ns.copy()
        counters = self.counters.copy()
        return Snapshot(
            self._time_ns, table, past, settled_ns, false_plots, pointing, told_ns, counters, self._surface.save()
        )

    def restore(self, past: Snapshot) -> None:
        """Go back to what was known; identities that were given since stay with the plots that they were given for."""
        self._time_ns, self._leftover = past.time_ns, dict(past.leftover)
        self._table = past.table.take(np.arange(len(past.table)))
        self._settled_ns, self._false_plots = past.settled_ns.copy(), past.false_plots.copy()
        self._pointing, self._pointing_told_ns = past.pointing.copy(), past.pointing_told_ns.copy()
        self.counters.clear()
        self.counters.update(past.counters)
        self._surface.restore(past.surface)

    def ground_updates(self, known: Snapshot, time_ns: int) -> NDArray[np.void]:
        """Movers on the ground as they are at a time, and as dropped those that were live in a past and are not now."""
        return self._surface.updates_since(known.surface, time_ns)

    def picture(self, now_ns: int) -> Picture:
        """Tracks that are live, or tentative and seen by two sensors, predicted to a time.

        Parameters
        ----------
        now_ns : int
            Data time, TAI; one before the last report counts as that [ns].

        Returns
        -------
        Picture
            Live tracks first, best score first; those beyond a picture's capacity are counted.
        """
        if self._time_ns is None:
            return Picture(now_ns, ())
        now_ns, table, parameters = max(now_ns, self._time_ns), self._table, self._parameters
        alive = now_ns - table.last_hit_ns.max(axis=1, initial=0) <= round(parameters.drop_after_s * 1e9)
        told = table.live | life.credible(table, parameters) | (table.single == Single.BELIEVED)
        rows = np.flatnonzero(alive & told)
        rows = rows[np.lexsort((-table.score[rows], ~table.live[rows]))]
        shown = table.tracks_at(rows[:MAX_TRACKS], now_ns, (now_ns - self._time_ns) * 1e-9, parameters)
        ground = self._surface.tracks(now_ns)
        n_left_out = max(len(rows) + len(ground) - MAX_TRACKS, 0)
        return Picture(now_ns, (*shown, *ground)[:MAX_TRACKS], n_left_out)

    def _fuse(self, arrival: Arrival) -> list[Event]:
        report, parameters, table = arrival.report, self._parameters, self._table
        sensor = self._index.get(report.sensor_id)
        if sensor is None:
            raise ValueError(f"Fusion.step wanted reports of sensors {sorted(self._index)}, got {report.sensor_id}")
        if self._time_ns is not None and report.time_ns < self._time_ns:
            raise ValueError("Fusion.step wanted reports in order of time, got an older one; pass them through Ingest")
        ahead_s = (report.time_ns - (self._time_ns or report.time_ns)) * 1e-9
        self._modes.predict(table, ahead_s)
        if isinstance(report, RadarReport):
            self._time_ns = report.time_ns
            if parameters.estimate_pointing:
                self._pointing.predict(ahead_s)
            if parameters.sensors[sensor].radar == "surface":
                return self._fuse_surface(arrival, report)
            return self._fuse_radar(arrival, report, sensor)
        self._time_ns = report.time_ns

        look = Look.of(report, parameters.centroid_floor_px)
        plot_index = arrival.plot_index
        if parameters.estimate_pointing:
            look, plot_index = self._know_pointing(ahead_s, look, sensor, plot_index, arrival.space)
            report = look.report
        predicted = predict_sights(table.state, look)
        sigma = common_sigma(report.state, predicted.range_m)
        predicted = replace(predicted, tangent=self._pointing.shifted(predicted, sensor, sigma))
        common = self._pointing.common(sensor)
        spread = innovation_covariance(table.covariance, table.cross, predicted, sensor, sigma, common)
        density = self._log_density(report, sensor)
        noise = look.variance[:, :, None] * np.eye(2)
        own = (table.single == 0) | (table.sensor_hits[:, sensor] > 0)
        predicted = replace(predicted, visible=predicted.visible & own)
        pairs = gate_pairs(predicted.tangent, spread, predicted.visible, look.tangent, noise, self._gate, density)
        feeder = Feeder(look, sensor, self._pointing, self._modes, parameters.estimate_pointing)
        if parameters.association == "jpda":
            plot_of, ratio = self._feed_jointly(pairs, feeder)
        else:
            plot_of, ratio = assign(pairs, table.live, self._log_missed, tentative_share=True)
            rows = np.flatnonzero(plot_of >= 0)
            feeder.feed(table, rows, plot_of[rows], table.live[rows])
        hit = plot_of >= 0
        rows = np.flatnonzero(hit)
        life.note_hits(table, rows, sensor, look, plot_of[rows], parameters)
        missed = self._should_be_seen(predicted, report, sensor) & ~hit
        life.note_looks(table, hit, missed, ratio, self._log_missed, parameters.max_score)
        links = np.zeros(rows.size, LINK_DTYPE)
        links["plot_index"], links["track_id"] = plot_index[plot_of[rows]], table.track_id[rows]

        free = np.ones(len(report.sights), np.bool_)
        free[plot_of[rows[table.single[rows] == 0]]] = False
        single = np.zeros(len(free), np.bool_)
        single[plot_of[rows[table.single[rows] > 0]]] = True
        self._false_plots[sensor] += (1.0 - _FALSE_MEMORY) * (np.count_nonzero(free) - self._false_plots[sensor])
        events, updates = self._turn_pages(rows, plot_of, report)
        if report.flags & ReportFlag.WARM_UP:
            self._settled_ns[sensor] = report.time_ns + round(parameters.settle_s * 1e9)
        if report.time_ns >= self._settled_ns[sensor]:
            self._start(look, sensor, np.flatnonzero(free))
            # In its first reports others may not have told yet where they look.
            settled = self.counters[report.sensor_id, "fused"] >= parameters.confirm_looks
            if parameters.single_tracks and settled:
                self._start_single(feeder, np.flatnonzero(free & ~single))
        self.counters[report.sensor_id, "fused"] += 1
        self.counters[report.sensor_id, "plots"] += arrival.report.n_plots
        self.counters[report.sensor_id, "plots_used"] += int(np.count_nonzero(~free))
        pointing = self._pointing.note(sensor, report.time_ns) if parameters.estimate_pointing else None
        return [ReportFused(arrival, updates, links, pointing), *events, *self._tell_pointing(report, sensor)]

    def _fuse_surface(self, arrival: Arrival, report: RadarReport) -> list[Event]:
        changes = self._surface.take(EchoLook.of(report), arrival.plot_index)
        changes.updates["sensor_id"] = report.sensor_id
        links = np.array(changes.links, LINK_DTYPE)
        told = [Happening(kind, report.time_ns, report.sensor_id, text) for kind, text in changes.told]
        return [ReportFused(arrival, changes.updates, links), *told]

    def _fuse_radar(self, arrival: Arrival, report: RadarReport, sensor: int) -> list[Event]:
        table, parameters = self._table, self._parameters
        look = EchoLook.of(report)
        plot_of = take_echoes(table, look, sensor, parameters, self._modes).plot_of
        rows = np.flatnonzero(plot_of >= 0)
        links = np.zeros(rows.size, LINK_DTYPE)
        links["plot_index"], links["track_id"] = arrival.plot_index[plot_of[rows]], table.track_id[rows]
        free = _without(np.arange(report.n_plots), plot_of[rows], report.n_plots)
        events, updates = self._turn_pages(rows, plot_of, report)
        new, plots = start_tracks(look, free, sensor, len(self._index), parameters, self._modes)
        new.track_id = self._name(report, None, plots, np.full(len(plots), -1))
        self._table.extend(new)
        self._limit_tentative(report)
        self.counters[report.sensor_id, "fused"] += 1
        self.counters[report.sensor_id, "plots"] += report.n_plots
        self.counters[report.sensor_id, "plots_used"] += report.n_plots - len(free)
        return [ReportFused(arrival, updates, links), *events]

    def _log_density(self, report: PlotReport, sensor: int) -> float:
        field = self._parameters.sensors[sensor]
        area = field.rows * field.cols * report.state.ifov_rad**2
        false_plots = max(self._parameters.false_plots_per_frame, float(self._false_plots[sensor]))
        return float(np.log(self._parameters.probability_of_detection * area / false_plots))

    def _should_be_seen(self, predicted: PredictedSights, report: PlotReport, sensor: int) -> NDArray[np.bool_]:
        """Tracks whose absence from this report speaks against them."""
        if report.flags & (ReportFlag.WARM_UP | ReportFlag.TRUNCATED):
            return np.zeros(len(self._table), np.bool_)
        field = self._parameters.sensors[sensor]
        half = (np.array([field.cols, field.rows]) * 0.5 - _EDGE_PX) * report.state.ifov_rad
        return predicted.visible & (np.abs(predicted.tangent) < half).all(axis=1)

    def _feed_jointly(self, pairs: Pairs, feeder: Feeder) -> tuple[Int, Float]:
        """Feed live tracks with all plots of their gates, the others with what is left; plots that count as hits."""
        table = self._table
        pair, excess = feeder.feed_jointly(table, pairs, self._log_missed)
        likely = pair[excess > 0.0]
        likely = likely[np.argsort(excess[excess > 0.0], kind="stable")]
        taken = np.zeros(pairs.n_plots, np.uint8)
        taken[pairs.plot[likely]] = 1
        plot_of, ratio = assign(pairs, table.live, self._log_missed, tentative_share=True, taken=taken)
        rows = np.flatnonzero(plot_of >= 0)
        feeder.feed(table, rows, plot_of[rows], np.zeros(rows.size, np.bool_))
        track = pairs.track[likely]
        plot_of[track], ratio[track] = pairs.plot[likely], pairs.ratio[likely]
        return plot_of, ratio

    def _know_pointing(
        self, ahead_s: float, look: Look, sensor: int, plot_index: Int, space: NDArray[Any] | None
    ) -> tuple[Look, Int]:
        """Bring the pointing errors to the time of a report, learn from its stars and landmarks; its other plots."""
        table, pointing, report = self._table, self._pointing, look.report
        pointing.predict(ahead_s)
        altitude_m = float(np.linalg.norm(look.origin_m)) - SEMI_MAJOR_AXIS_M
        sigma_rad = float(common_sigma(report.state, np.array([altitude_m]))[0])
        if pointing.renewed(sensor, sigma_rad, report.state.pointing_sigma_rad):
            for _, _, cross in table.bundles:
                cross[:, :, 2 * sensor : 2 * sensor + 2] = 0.0
            self.counters[report.sensor_id, "pointing_renewed"] += 1
        if space is not None:
            found = pointing.take_stars(look, sensor, space, tuple(table.bundles))
            self.counters[report.sensor_id, "plots_of_stars"] += found
            self.counters[report.sensor_id, "plots_in_space"] += len(space) - found
        if not self._parameters.landmarks:
            return look, plot_index
        plots = pointing.take_landmarks(look, sensor, self._parameters.gate_probability, tuple(table.bundles))
        if not plots.size:
            return look, plot_index
        self.counters[report.sensor_id, "plots_of_landmarks"] += plots.size
        rest = _without(np.arange(len(report.sights)), plots, len(report.sights))
        left = replace(report, sights=report.sights[rest])
        return Look.of(left, self._parameters.centroid_floor_px), plot_index[rest]

    def _tell_pointing(self, report: PlotReport, sensor: int) -> list[Happening]:
        """Tell a sensor's pointing error again and again, once it is known."""
        if not self._parameters.estimate_pointing:
            return []
        if report.time_ns < self._pointing_told_ns[sensor] + _TELL_POINTING_NS:
            return []
        for error in self._pointing.known():
            if error.sensor_id == report.sensor_id:
                self._pointing_told_ns[sensor] = report.time_ns
                return [Happening("pointing", report.time_ns, report.sensor_id, str(error))]
        return []

    def _turn_pages(
        self, rows: Int, plot_of: Int, report: PlotReport | RadarReport
    ) -> tuple[list[Event], NDArray[Any]]:
        """Confirm, merge and end tracks; the events and the updates of this report."""
        table, parameters, events = self._table, self._parameters, list[Event]()
        time_ns, sensor_id = report.time_ns, report.sensor_id

        def note(kind: str, text: str) -> None:
            events.append(Happening(kind, time_ns, sensor_id, text))

        before = table.status.copy()
        table.status[life.confirmable(table, rows, plot_of[rows], time_ns, parameters)] = TrackStatus.CONFIRMED
        table.status = life.status_after(table, time_ns, parameters)
        changed = table.status != before
        for row in np.flatnonzero(changed).tolist():
            status = TrackStatus(int(table.status[row]))
            kind = "resumed" if before[row] == TrackStatus.COASTING else status.name.lower()
            note(kind, f"track {table.track_id[row]} {kind}, score {table.score[row]:.1f}")
        ends = life.lost(table, time_ns, parameters)
        for row in np.flatnonzero(ends & table.live).tolist():
            note("dropped", f"track {table.track_id[row]} dropped, score {table.score[row]:.1f}")
        for row in np.flatnonzero(believable(table, time_ns, parameters) & ~ends).tolist():
            table.single[row], changed[row] = Single.BELIEVED, True
            note("single", f"track {table.track_id[row]} seen by one satellite alone, score {table.score[row]:.1f}")
        for kept, gone in life.duplicates(table, parameters):
            if (table.live[gone] or table.single[gone] == Single.BELIEVED) and not ends[gone]:
                # The elder's identity goes on.
                if table.born_ns[gone] < table.born_ns[kept]:
                    table.track_id[[kept, gone]] = table.track_id[[gone, kept]]
                    table.born_ns[kept], changed[kept] = table.born_ns[gone], True
                note("merged", f"track {table.track_id[gone]} merged into {table.track_id[kept]}")
            ends[gone] = True
        ends |= crowd(table, parameters)
        shown = table.live | life.credible(table, parameters) | (table.single == Single.BELIEVED)
        table.status[ends] = TrackStatus.DROPPED
        hit = np.zeros(len(table), np.bool_)
        hit[rows] = True
        told = np.flatnonzero(shown & (hit | changed | ends))
        recent_ns = round(parameters.coast_after_s * 1e9)
        updates = table.updates(told, time_ns, sensor_id, recent_ns)
        table.keep(~ends)
        return events, updates

    def _start(self, look: Look, sensor: int, free: Int) -> None:
        """Start tentative tracks where free plots cross those of other sensors, and keep what stays free."""
        parameters, report = self._parameters, look.report
        if len(free) > parameters.max_pair_plots:
            strongest = np.argsort(-report.sights["snr"][free], kind="stable")[: parameters.max_pair_plots]
            free = np.sort(free[strongest])
        clean, left = self._pointing.removed(look, sensor)
        for other, (before, kept) in self._leftover.items():
            old = report.time_ns - before.report.time_ns > parameters.pair_window_s * 1e9
            if other == sensor or old or not free.size or not kept.size:
                continue
            clean_before, left_before = self._pointing.removed(before, other)
            crossings = locate(clean, clean_before, parameters, free, kept)
            if not len(crossings.miss):
                continue
            new = TrackTable.blank(len(crossings.miss), len(self._index), len(self._modes.models))
            new.track_id = self._name(report, before.report, crossings.plot_a, crossings.plot_b)
            new.state, new.covariance = crossings.state, crossings.covariance
            parts = [(sensor, left, crossings.cross_a), (other, left_before, crossings.cross_b)]
            new.cross = self._pointing.born(new.state, new.covariance, parts)
            self._modes.begin(new)
            new.looks[:], new.born_ns[:] = 0b11, report.time_ns
            everyone = np.arange(len(new))
            life.note_hits(new, everyone, other, before, crossings.plot_b, parameters)
            life.note_hits(new, everyone, sensor, look, crossings.plot_a, parameters)
            self._table.extend(new)
            free = _without(free, crossings.plot_a, len(report.sights))
            self._leftover[other] = (before, _without(kept, crossings.plot_b, len(before.report.sights)))
        self._leftover[sensor] = (look, free)
        self._limit_tentative(report)

    def _limit_tentative(self, report: PlotReport | RadarReport) -> None:
        """Keep the best tentative tracks, as many as are allowed."""
        parameters = self._parameters
        tentative = np.flatnonzero(~self._table.live & (self._table.single == 0))
        excess = len(tentative) - parameters.max_tentative
        if excess > 0:
            self.counters[report.sensor_id, "tentative_over_limit"] += excess
            keep = np.ones(len(self._table), np.bool_)
            keep[tentative[np.argsort(self._table.score[tentative], kind="stable")[:excess]]] = False
            self._table.keep(keep)

    def _start_single(self, feeder: Feeder, free: Int) -> None:
        """Start tracks of one satellite where it looks alone."""
        look, sensor, parameters = feeder.look, feeder.sensor, self._parameters
        report = look.report
        free = free[np.argsort(-report.sights["snr"][free], kind="stable")[: parameters.max_pair_plots]]
        oldest_ns = report.time_ns - round(parameters.coast_after_s * 1e9)
        others = [
            (before, parameters.sensors[other])
            for other, (before, _) in self._leftover.items()
            if other != sensor and before.report.time_ns >= oldest_ns
        ]
        plots, ends_m = lonely(look, free, others, parameters)
        if not plots.size:
            return
        new = TrackTable.blank(len(plots), len(self._index), len(self._modes.models))
        new.track_id = self._name(report, report, plots, plots)
        begin(new, look, plots, ends_m, parameters)
        self._modes.begin(new)
        feeder.feed(new, np.arange(len(new)), plots, np.zeros(len(new), np.bool_), tuple(self._table.bundles))
        life.note_hits(new, np.arange(len(new)), sensor, look, plots, parameters)
        self._table.extend(new)

    def _name(self, report: PlotReport | RadarReport, other: PlotReport | None, plot: Int, other_plot: Int) -> Int:
        """Identities of tracks by the plots that start them, two or one: the same when these are fused again."""
        second = (other.sensor_id, other.frame_id) if other else (0, 0)
        frames = report.sensor_id, report.frame_id, *second
        names = np.empty(len(plot), np.int64)
        for index, pair in enumerate(zip(plot.tolist(), other_plot.tolist(), strict=True)):
            self._births.setdefault((*frames, *pair), (report.time_ns, self._next_id))
            names[index] = self._births[(*frames, *pair)][1]
            self._next_id += int(names[index] == self._next_id)
        if len(self._births) > _MOST_BIRTHS:
            oldest_ns = report.time_ns - round(self._parameters.late_s * 1e9)
            self._births = {birth: name for birth, name in self._births.items() if name[0] >= oldest_ns}
        return names


def _without(plots: Int, gone: Int, count: int) -> Int:
    """Leave some of ``count`` plots out of a selection."""
    left = np.ones(count, np.bool_)
    left[gone] = False
    return plots[left[plots]]
