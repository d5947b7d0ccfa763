"""Movers on the ground: tracked along roads or over the surface, coasted where they are too slow for the radar.

When a report that looked at a mover's place has no plot of it, it coasts: it may have stopped, since what is slower
than the radar's least speed is never reported. Its speed becomes as unknown as that of any vehicle (`movers`), except
that it is slow, for else it should have been seen (`unseen`); the sigma of its place grows along the road, and past a
junction over all the branches. A coasting track says so; it is confirmed again by the next plot in its gate, on the
branch where that is (`mover_feed`), with its identity. Nothing is told as seen that was not.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.ground.associate import assign
from lookdown.ground.echoes import RATE, EchoLook, in_sector, innovations, places_of, predict_echoes
from lookdown.ground.mover_feed import chances, corrected
from lookdown.ground.movers import (
    COASTING,
    CONFIRMED,
    DROPPED,
    OFF_ROAD,
    TENTATIVE,
    MoverTable,
    means_of,
    tracks_of,
    updates_of,
)
from lookdown.ground.parameters import Parameters
from lookdown.ground.radar_step import should_be_seen
from lookdown.ground.roads import Nearby, RoadNet
from lookdown.ground.unseen import slowed
from lookdown.wire.messages import Float, RadarFlag, Track, TrackStatus

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

FIRST_ID = 1_000_000_000
"""Identities of ground movers lie above those of tracks in the air."""

_ON_ROAD = 9.0  # squared sigmas, within which a new mover is on a road
_NEAR_ROAD = 18.5  # within which a plot may be of a mover on it
_MOST_NAMES = 20_000
_GROUND_STEPS = 6  # each leaves of an error of height the slope of the ground times that of the view
_WIDEST_BLIND = 3.0  # sigmas of a speed that must lie within its fold for its absence to tell


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What a report brought about.

    Attributes
    ----------
    updates : ndarray of UPDATE_DTYPE
        Tracks that it hit, that coast though it looked at them, or whose status it changed.
    links : list of (int, int)
        Plot of the report and the track that it fed.
    told : list of (str, str)
        Kinds and texts of what a person may want to read.
    """

    updates: NDArray[np.void]
    links: list[tuple[int, int]]
    told: list[tuple[str, str]]


class Surface:
    """All ground movers.

    Parameters
    ----------
    parameters : Parameters
        ``roads`` and what begins with ``surface_``.
    counters : Counter of (int, str)
        By (sensor, name): ``fused``, ``plots``, ``plots_used``, ``tentative_over_limit`` are counted here.

    Attributes
    ----------
    movers : MoverTable
        All of them, tentative ones among them, at the time of the last report.
    """

    def __init__(self, parameters: Parameters, counters: Counter[tuple[int, str]]) -> None:
        self._parameters, self._counters = parameters, counters
        self._next_id = FIRST_ID
        self._net = RoadNet(parameters.roads)
        self._names: dict[tuple[int, int, int], int] = {}
        self._time_ns: int | None = None
        self.movers = MoverTable.blank(0)

    def save(self) -> tuple[int | None, MoverTable]:
        """Keep what is known, for `restore`; a table is never changed in place."""
        return self._time_ns, self.movers

    def restore(self, past: tuple[int | None, MoverTable]) -> None:
        """Go back to what was known."""
        self._time_ns, self.movers = past

    def take(self, look: EchoLook, plot_index: Int) -> Changes:
        """Fuse a report, not older than the last one."""
        parameters, report = self._parameters, look.report
        ahead_s = (report.time_ns - (self._time_ns or report.time_ns)) * 1e-9
        self._time_ns = report.time_ns
        table = self.movers.moved_on(ahead_s, parameters, self._net)
        before, live = table.status.copy(), table.live
        place, covariance = self._places(look)
        nearby = [
            self._net.near(one, own, _NEAR_ROAD) if np.isfinite(one).all() else []
            for one, own in zip(place, covariance, strict=True)
        ]
        found = chances(table, look, nearby, self._net, parameters)
        log_missed = float(np.log1p(-parameters.radar_detection))
        plot_of, ratio = assign(found.pairs, live, log_missed, tentative_share=True)
        looked, wanted = self._not_seen(table, look, plot_of < 0)
        hit = np.flatnonzero(plot_of >= 0)
        pair = np.array(
            [self._pair_of(found.pairs.start, found.pairs.plot, m, plot_of[m]) for m in hit.tolist()], np.int64
        )
        table.state[hit], table.covariance[hit] = corrected(found, pair, look)
        table.edge[hit] = found.edge[pair]
        table.score[hit] = np.minimum(table.score[hit] + ratio[hit], parameters.max_score)
        table.hits[hit] += 1
        table.last_hit_ns[hit] = report.time_ns
        ready = (table.hits >= parameters.surface_confirm_hits) & (table.score >= parameters.surface_confirm_score)
        table.status[hit] = np.where(live | ready, CONFIRMED, TENTATIVE)[hit]
        # Not seen: a track coasts if it was looked at; it counts against it only if it is surely fast enough.
        silent_s = (report.time_ns - table.last_hit_ns) * 1e-9
        missed = plot_of < 0
        table.status[live & missed & (looked | (silent_s > parameters.coast_after_s))] = COASTING
        table.score[~live & missed & wanted] += log_missed
        table.misses[missed & wanted] += 1
        young = silent_s > parameters.radar_tentative_s
        young |= table.score < parameters.drop_score
        lost = np.where(table.status == TENTATIVE, young, silent_s > parameters.surface_drop_after_s)
        table.status[lost & live] = DROPPED
        told = self._told(table, before)
        # One that coasts is told by each report that looked: carried on from its last plot it would drive on.
        shown = (plot_of >= 0) | (table.status != before) | (looked & (table.status == COASTING))
        shown &= (table.status != TENTATIVE) & ~(lost & ~live)
        updates = updates_of(table.take(shown), report.time_ns, self._net, parameters)
        free = np.setdiff1d(np.arange(report.n_plots), plot_of[hit])
        kept = table.take(~lost)
        self.movers = kept.with_more(self._started(look, free, kept, place, covariance, nearby))
        self._counters[report.sensor_id, "fused"] += 1
        self._counters[report.sensor_id, "plots"] += report.n_plots
        self._counters[report.sensor_id, "plots_used"] += len(hit)
        links = list(zip(plot_index[plot_of[hit]].tolist(), table.track_id[hit].tolist(), strict=True))
        return Changes(updates, links, told)

    def tracks(self, now_ns: int) -> list[Track]:
        """Live movers at a time, best score first; one before the last report counts as that."""
        time_ns = max(now_ns, self._time_ns or now_ns)
        ahead_s = (time_ns - (self._time_ns or time_ns)) * 1e-9
        live = self.movers.take(self.movers.live)
        return tracks_of(live.moved_on(ahead_s, self._parameters, self._net), time_ns, self._net, self._parameters)

    def updates_since(self, known: tuple[int | None, MoverTable], time_ns: int) -> NDArray[np.void]:
        """Live movers as they are at a time, and as dropped those that were live in ``known`` and are no longer."""
        live = self.movers.live
        was_ns, was = known
        gone = was.take(was.live & ~np.isin(was.track_id, self.movers.track_id[live]))
        gone.status[:] = DROPPED
        both = (
            table.moved_on((time_ns - (then_ns or time_ns)) * 1e-9, self._parameters, self._net)
            for table, then_ns in ((self.movers.take(live), self._time_ns), (gone, was_ns))
        )
        return np.concatenate([updates_of(table, time_ns, self._net, self._parameters) for table in both])

    def _places(self, look: EchoLook) -> tuple[Float, Float]:
        """Places of all plots on the ground and their covariances; nan where there is none.

        Where circles of range and azimuth meet the ground, whose height is that of the place found before.
        """
        parameters, k = self._parameters, look.report.n_plots
        ground, sigma_m = parameters.ground, parameters.ground_sigma_m
        plots, height_m = np.arange(k), np.full(k, parameters.surface_height_m)
        place, covariance, _ = places_of(look, plots, height_m, sigma_m)
        for _ in range(_GROUND_STEPS if parameters.terrain is not None and k else 0):
            good = np.isfinite(place).all(axis=1)
            height_m[good], rise = ground.under(place[good])
            rises = np.zeros((k, 3))
            rises[good] = rise
            place, covariance, _ = places_of(look, plots, height_m, sigma_m, rises)
        return place, covariance

    @staticmethod
    def _pair_of(start: Int, plot: Int, mover: int, wanted: Any) -> int:
        first, last = int(start[mover]), int(start[mover + 1])
        return first + int(np.searchsorted(plot[first:last], wanted))

    def _not_seen(self, table: MoverTable, look: EchoLook, missed: Bool) -> tuple[Bool, Bool]:
        """Which movers the report looked at, and which of them it surely should have seen; those it did not see slow.

        A mover that may be on several branches counts by the one on which it is the slowest along the line of sight.
        """
        parameters, n = self._parameters, len(table)
        points = means_of(table, self._net, parameters)
        predicted = predict_echoes(points.state, look)
        slopes = predicted.jacobian @ points.bases
        rate = slopes[:, RATE].copy()
        rate[:, :2] = 0.0  # of the mover's own motion alone
        own = table.covariance[points.owner]
        variance = np.einsum("pi,pij,pj->p", rate, own, rate)
        looked, wanted = np.ones(n, np.bool_), np.ones(n, np.bool_)
        np.logical_and.at(looked, points.owner, in_sector(look, predicted))
        np.logical_and.at(wanted, points.owner, should_be_seen(predicted, variance, look))
        # What is told against the ground: u . v of the mover itself.
        least, fold = look.report.least_speed_m_s, look.report.rate_fold_m_s
        if least <= 0.0 or look.report.flags & RadarFlag.TRUNCATED:
            return looked, wanted
        order = np.lexsort((np.abs(predicted.against_ground_m_s), points.owner))
        first = order[np.unique(points.owner[order], return_index=True)[1]]  # the slowest point of each mover
        speed, square = predicted.against_ground_m_s[first], variance[first]
        tells = missed & looked & (square > 1e-6) & table.live
        if fold:
            tells &= np.abs(speed) + _WIDEST_BLIND * np.sqrt(square) < fold - least
        rows = np.flatnonzero(tells)
        mean, after = slowed(speed[rows], square[rows], least, parameters.radar_detection)
        with_speed = np.einsum("nij,nj->ni", table.covariance[rows], rate[first[rows]])
        gain = with_speed / square[rows, None]
        table.state[rows] += gain * (mean - speed[rows])[:, None]
        table.covariance[rows] -= gain[:, :, None] * gain[:, None, :] * (square[rows] - after)[:, None, None]
        return looked, wanted

    def _told(self, table: MoverTable, before: NDArray[np.uint8]) -> list[tuple[str, str]]:
        told = []
        for row in np.flatnonzero(table.status != before).tolist():
            now = int(table.status[row])
            again = (int(before[row]), now) == (COASTING, CONFIRMED)
            kind = "resumed" if again else TrackStatus(now).name.lower()
            told.append((kind, f"track {table.track_id[row]} {kind}, score {table.score[row]:.1f}"))
        return told

    def _started(
        self, look: EchoLook, free: Int, kept: MoverTable, place: Float, covariance: Float, nearby: list[list[Nearby]]
    ) -> MoverTable:
        """Tentative movers at plots that fed none, on the road where one passes, strongest first."""
        parameters, report = self._parameters, look.report
        order = np.argsort(-report.echoes["snr"][free], kind="stable")
        room = parameters.max_tentative - int(np.count_nonzero(~kept.live))
        plots = free[order][: max(room, 0)]
        self._counters[report.sensor_id, "tentative_over_limit"] += len(free) - len(plots)
        plots = plots[np.isfinite(place[plots]).all(axis=1)]
        new = MoverTable.blank(len(plots))
        for k, plot in enumerate(plots.tolist()):
            name = self._names.setdefault((report.sensor_id, report.frame_id, plot), self._next_id)
            self._next_id += name == self._next_id
            new.track_id[k] = name
            best = min(nearby[plot], key=lambda point: point.square, default=None)
            if best is not None and best.square < _ON_ROAD:
                new.edge[k], new.state[k, 0], new.covariance[k, 0, 0] = best.edge, best.along_m, best.variance_m2
        # The same plots give the same names when they are fused again; the oldest never are.
        for key in list(self._names)[: max(len(self._names) - _MOST_NAMES, 0)]:
            del self._names[key]
        lat, lon, _ = ecef_to_geodetic(place[plots])
        new.anchor_m, new.axes = place[plots], enu_axes(lat, lon)
        off = np.flatnonzero(new.edge == OFF_ROAD)
        flat = new.axes[off, :2]
        new.covariance[off, :2, :2] = flat @ covariance[plots[off]] @ flat.transpose(0, 2, 1)
        new.covariance[:, 2, 2] = parameters.surface_speed_sigma_m_s**2
        new.covariance[off, 3, 3] = parameters.surface_speed_sigma_m_s**2
        new.hits[:], new.last_hit_ns[:] = 1, report.time_ns
        return self._with_rates(new, look, plots)

    def _with_rates(self, new: MoverTable, look: EchoLook, plots: Int) -> MoverTable:
        """Correct new movers by the rates of their plots, unless these fold within what is possible."""
        points = means_of(new, self._net, self._parameters)
        predicted = predict_echoes(points.state, look)
        rate = (predicted.jacobian @ points.bases)[:, RATE]
        total = np.einsum("ni,nij,nj->n", rate, new.covariance, rate) + look.noise[plots, RATE, RATE]
        fold = look.report.rate_fold_m_s
        use = np.flatnonzero(6.0 * np.sqrt(total) <= fold) if fold else np.arange(len(new))
        away = innovations(look, plots, predicted.measured)[use, RATE]
        gain = np.einsum("nij,nj->ni", new.covariance[use], rate[use]) / total[use, None]
        new.state[use] += gain * away[:, None]
        new.covariance[use] -= gain[:, :, None] * gain[:, None, :] * total[use, None, None]
        return new
