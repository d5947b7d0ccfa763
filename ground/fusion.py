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
from lookdown.ground.births import Births, BirthsKept, without
from lookdown.ground.echoes import EchoLook
from lookdown.ground.events import LINK_DTYPE, Event, Happening, ReportFused
from lookdown.ground.feed import Feeder
from lookdown.ground.ingest import Arrival
from lookdown.ground.measure import Look, common_sigma
from lookdown.ground.modes import Modes
from lookdown.ground.parameters import Parameters
from lookdown.ground.pointing import Foreseen, Pointing, PointingError
from lookdown.ground.radar_step import take_echoes
from lookdown.ground.single import Single
from lookdown.ground.surface import Surface
from lookdown.ground.tracks import Int, TrackTable
from lookdown.wire.dictionary import MAX_TRACKS
from lookdown.wire.messages import Float, Picture, PlotReport, RadarReport, ReportFlag

_EDGE_PX = 4.0  # a target this near to the border may rightly be missing
_CUT_SHORT = int(ReportFlag.WARM_UP | ReportFlag.TRUNCATED)
_FALSE_MEMORY = 0.95  # of the running mean of false plots per frame
_TELL_POINTING_NS = 10_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What fusion knows at one time; `Fusion.restore` goes back to it."""

    time_ns: int | None
    table: TrackTable
    births: BirthsKept
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
        self._rules = life.Rules.of(parameters)
        self._modes = Modes(parameters)
        self._table = TrackTable.blank(0, len(self._index), len(self._modes.models))
        self._time_ns: int | None = None
        self._births = Births(parameters)
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
        births, false_plots = self._births.save(), self._false_plots.copy()
        pointing, told_ns = self._pointing.copy(), self._pointing_told_ns.copy()
        counters, surface = self.counters.copy(), self._surface.save()
        return Snapshot(self._time_ns, table, births, false_plots, pointing, told_ns, counters, surface)

    def restore(self, past: Snapshot) -> None:
        """Go back to what was known; identities that were given since stay with the plots that they were given for."""
        self._time_ns, self._table = past.time_ns, past.table.take(np.arange(len(past.table)))
        self._births.restore(past.births)
        self._false_plots = past.false_plots.copy()
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
        own_tracks = table.state, table.covariance, table.cross
        ahead = Foreseen.of(own_tracks, look, sensor, self._pointing)
        some_alone = table.single.any()
        if some_alone:  # those are fed by their own satellite alone
            ahead = replace(ahead, visible=ahead.visible & ((table.single == 0) | (table.sensor_hits[:, sensor] > 0)))
        density = self._log_density(report, sensor)
        pairs = gate_pairs(ahead.tangent, ahead.spread, ahead.visible, look.tangent, look.noise, self._gate, density)
        feeder = Feeder(look, sensor, self._pointing, self._modes, parameters.estimate_pointing)
        if parameters.association == "jpda":
            plot_of, ratio = self._feed_jointly(pairs, feeder)
            rows = np.flatnonzero(plot_of >= 0)
        else:
            live = table.live
            plot_of, ratio = assign(pairs, live, self._log_missed, tentative_share=True)
            rows = (plot_of >= 0).nonzero()[0]
            feeder.feed(table, rows, plot_of[rows], live[rows], seen=ahead)
        missed = self._should_be_seen(ahead, report, sensor)
        life.note_looks(table, sensor, look, rows, plot_of, ratio, missed, parameters)
        fed = plot_of[rows]
        links = np.empty(rows.size, LINK_DTYPE)
        links["plot_index"], links["track_id"] = plot_index[fed], table.track_id[rows]

        free = np.ones(len(report.sights), np.bool_)
        free[fed] = False
        unused = free
        if some_alone:  # their plots are free for tracks of several satellites
            unused, alone = free.copy(), table.single[rows] > 0
            free[fed[alone]] = True
            free[fed[~alone]] = False
        n_free = int(np.count_nonzero(free))
        self._false_plots[sensor] += (1.0 - _FALSE_MEMORY) * (n_free - self._false_plots[sensor])
        events, updates = life.turn_pages(table, plot_of, report, self._rules, parameters)
        if self._births.may_start(report, sensor):
            free_plots = free.nonzero()[0]
            over = self._births.cross(table, look, sensor, free_plots, self._pointing, self._modes)
            self._count_over(report.sensor_id, over)
            # In its first reports others may not have told yet where they look.
            settled = self.counters[report.sensor_id, "fused"] >= parameters.confirm_looks
            if parameters.single_tracks and settled:
                self._births.alone(table, feeder, unused.nonzero()[0])
        self.counters[report.sensor_id, "fused"] += 1
        self.counters[report.sensor_id, "plots"] += arrival.report.n_plots
        self.counters[report.sensor_id, "plots_used"] += len(free) - n_free
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
        free = without(np.arange(report.n_plots), plot_of[rows], report.n_plots)
        events, updates = life.turn_pages(table, plot_of, report, self._rules, parameters)
        self._count_over(report.sensor_id, self._births.of_echoes(table, look, sensor, free, self._modes))
        self.counters[report.sensor_id, "fused"] += 1
        self.counters[report.sensor_id, "plots"] += report.n_plots
        self.counters[report.sensor_id, "plots_used"] += report.n_plots - len(free)
        return [ReportFused(arrival, updates, links), *events]

    def _count_over(self, sensor_id: int, n_tracks: int) -> None:
        if n_tracks:
            self.counters[sensor_id, "tentative_over_limit"] += n_tracks

    def _log_density(self, report: PlotReport, sensor: int) -> float:
        field = self._parameters.sensors[sensor]
        area = field.rows * field.cols * report.state.ifov_rad**2
        false_plots = max(self._parameters.false_plots_per_frame, float(self._false_plots[sensor]))
        return float(np.log(self._parameters.probability_of_detection * area / false_plots))

    def _should_be_seen(self, ahead: Foreseen, report: PlotReport, sensor: int) -> NDArray[np.bool_]:
        """Tracks whose absence from this report speaks against them."""
        if int(report.flags) & _CUT_SHORT:
            return np.zeros(len(self._table), np.bool_)
        field = self._parameters.sensors[sensor]
        half_x, half_y = ((side * 0.5 - _EDGE_PX) * report.state.ifov_rad for side in (field.cols, field.rows))
        off = np.abs(ahead.tangent)
        return np.asarray(ahead.visible & (off[:, 0] < half_x) & (off[:, 1] < half_y), np.bool_)

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
        rest = without(np.arange(len(report.sights)), plots, len(report.sights))
        left = replace(report, sights=report.sights[rest])
        return Look.of(left, self._parameters.centroid_floor_px), plot_index[rest]

    def _tell_pointing(self, report: PlotReport, sensor: int) -> list[Happening]:
        """Tell a sensor's pointing error again and again, once it is known."""
        if not self._parameters.estimate_pointing:
            return []
        if report.time_ns < self._pointing_told_ns[sensor] + _TELL_POINTING_NS:
            return []
        if not self._pointing.knows(sensor):
            return []
        self._pointing_told_ns[sensor] = report.time_ns
        errors = [error for error in self._pointing.all() if error.sensor_id == report.sensor_id]
        return [Happening("pointing", report.time_ns, report.sensor_id, str(error)) for error in errors]
