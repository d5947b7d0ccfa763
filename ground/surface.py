r"""Movers on the ground: tracked along roads or over the surface, coasted where they are too slow for the radar.

On a road a mover is where it is along it and how fast, two numbers, so that it follows every bend; elsewhere it has two
coordinates and two speeds over the surface. While it is seen its speed keeps, but for white acceleration. When a report
that looked at its place has no plot of it, it coasts: it may have stopped, since what is slower than the radar's least
speed is never reported, so that its speed fades and is soon as unknown as that of any vehicle (Ornstein-Uhlenbeck),

.. math:: \dot v = -v / T + w, \quad E v = v_0 e^{-t/T}, \quad \sigma_v^2 \to \sigma^2,

and the sigma of its place grows along the road. A coasting track says so; it is confirmed again by the next plot in its
gate, with its identity. Nothing is told as seen that was not.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.ground.echoes import (
    ELEVATION,
    RATE,
    UNUSED,
    EchoLook,
    in_sector,
    innovations,
    places_of,
    predict_echoes,
)
from lookdown.ground.parameters import Parameters
from lookdown.ground.radar_feed import feed, gain_of, noise_about, spread_of
from lookdown.ground.radar_step import should_be_seen
from lookdown.ground.roads import Road
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.messages import Float, Track, TrackStatus

Int = NDArray[np.int64]

FIRST_ID = 1_000_000_000
"""Identities of ground movers lie above those of tracks in the air."""

_ON_ROAD = 9.0  # squared sigmas, within which a plot is on a road
_MOST_NAMES = 20_000
_CLIMB_SIGMA_M_S = 1.0
_GROUND_STEPS = 6  # each leaves of an error of height the slope of the ground times that of the view


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """One mover.

    Attributes
    ----------
    track_id : int
        Identity.
    road : int
        Index of its road, -1 off the roads.
    anchor_m, axes : ndarray of float64, shapes (3,) and (3, 3)
        Off the roads: origin of its coordinates, ECEF, and east, north and up there as rows.
    state, covariance : ndarray of float64, shapes (d,) and (d, d)
        On a road distance and speed along it, d = 2; else east, north and their speeds, d = 4 [m], [m/s].
    status : TrackStatus
        Life of the track.
    score : float
        Log-likelihood ratio.
    hits, misses : int
        Reports with a plot, and reports without that should have had one.
    last_hit_ns, born_ns : int
        Times of reports, TAI [ns].
    """

    track_id: int
    road: int
    anchor_m: Float
    axes: Float
    state: Float
    covariance: Float
    status: TrackStatus
    score: float
    hits: int
    misses: int
    last_hit_ns: int
    born_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What a report brought about.

    Attributes
    ----------
    updates : ndarray of UPDATE_DTYPE
        Tracks that it hit or whose status it changed.
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
    movers : tuple of Mover
        All of them, tentative ones among them, at the time of the last report.
    """

    def __init__(self, parameters: Parameters, counters: Counter[tuple[int, str]]) -> None:
        self._parameters, self._counters = parameters, counters
        self._next_id = FIRST_ID
        self._roads = [Road(road) for road in parameters.roads]
        self._names: dict[tuple[int, int, int], int] = {}
        self._time_ns: int | None = None
        self.movers: tuple[Mover, ...] = ()

    def save(self) -> tuple[int | None, tuple[Mover, ...]]:
        """Keep what is known, for `restore`; movers are never changed in place."""
        return self._time_ns, self.movers

    def restore(self, past: tuple[int | None, tuple[Mover, ...]]) -> None:
        """Go back to what was known."""
        self._time_ns, self.movers = past

    def take(self, look: EchoLook, plot_index: Int) -> Changes:
        """Fuse a report, not older than the last one."""
        parameters, report = self._parameters, look.report
        before = {mover.track_id: mover.status for mover in self.movers}
        ahead_s = (report.time_ns - (self._time_ns or report.time_ns)) * 1e-9
        self._time_ns = report.time_ns
        movers = [self._moved_on(mover, ahead_s) for mover in self.movers]
        state, covariance, bases = self._whole(movers)
        predicted = predict_echoes(state, look)
        spread = spread_of(covariance, predicted.jacobian, look)
        live = np.array([mover.status != TrackStatus.TENTATIVE for mover in movers], np.bool_)
        chances = parameters.gate_probability, parameters.radar_detection, parameters.radar_false_plots
        fed = feed(look, predicted, spread, live, *chances)
        looked, wanted = in_sector(look, predicted), should_be_seen(predicted, spread[:, RATE, RATE], look)
        log_missed = float(np.log1p(-parameters.radar_detection))
        links, hit = [], set()
        for index, mover in enumerate(movers):
            plot = int(fed.plot_of[index])
            if plot >= 0:
                slopes = predicted.jacobian[index] @ bases[index]
                movers[index] = self._hit(mover, look, plot, slopes, spread[index], predicted.measured[index])
                score = min(mover.score + float(fed.ratio[index]), parameters.max_score)
                movers[index] = replace(movers[index], score=score)
                links.append((int(plot_index[plot]), mover.track_id))
                hit.add(mover.track_id)
            else:
                movers[index] = self._missed(mover, bool(looked[index]), bool(wanted[index]), log_missed)
        free = np.setdiff1d(np.arange(report.n_plots), fed.plot_of[fed.plot_of >= 0])
        kept = [mover for mover in movers if not self._lost(mover)]
        gone = [replace(mover, status=TrackStatus.DROPPED) for mover in movers if self._lost(mover)]
        told = self._told([*kept, *gone], before)
        shown = [m for m in [*kept, *gone] if m.track_id in hit or before[m.track_id] != m.status]
        ended_young = {m.track_id for m in gone if before[m.track_id] == TrackStatus.TENTATIVE}
        shown = [m for m in shown if m.status != TrackStatus.TENTATIVE and m.track_id not in ended_young]
        updates = self._updates(shown)
        self.movers = (*kept, *self._started(look, free.astype(np.int64)))
        self._counters[report.sensor_id, "fused"] += 1
        self._counters[report.sensor_id, "plots"] += report.n_plots
        self._counters[report.sensor_id, "plots_used"] += len(links)
        return Changes(updates, links, told)

    def tracks(self, now_ns: int) -> list[Track]:
        """Live movers at a time, best score first; one before the last report counts as that."""
        time_ns = max(now_ns, self._time_ns or now_ns)
        ahead_s = (time_ns - (self._time_ns or time_ns)) * 1e-9
        live = sorted((m for m in self.movers if m.status != TrackStatus.TENTATIVE), key=lambda m: -m.score)
        moved = [self._moved_on(mover, ahead_s) for mover in live]
        state, covariance, _ = self._whole(moved)
        return [
            Track(m.track_id, time_ns, state[k], covariance[k], m.status, m.score, m.hits, m.misses)
            for k, m in enumerate(moved)
        ]

    def _moved_on(self, mover: Mover, ahead_s: float) -> Mover:
        parameters, half = self._parameters, len(mover.state) // 2
        if mover.status == TrackStatus.COASTING:
            time_s, sigma = parameters.surface_stop_s, parameters.surface_speed_sigma_m_s
            fade = float(np.exp(-ahead_s / time_s))
            carry = np.array([[1.0, time_s * (1.0 - fade)], [0.0, fade]])
            place = time_s**2 * (2.0 * ahead_s / time_s - 3.0 + 4.0 * fade - fade**2)
            both = time_s * (1.0 - fade) ** 2
            noise = sigma**2 * np.array([[place, both], [both, 1.0 - fade**2]])
        else:
            carry = np.array([[1.0, ahead_s], [0.0, 1.0]])
            third, second = ahead_s**3 / 3.0, ahead_s**2 / 2.0
            noise = parameters.surface_noise_m2_s3 * np.array([[third, second], [second, ahead_s]])
        whole = np.asarray(np.kron(carry, np.eye(half)), np.float64)
        covariance = whole @ mover.covariance @ whole.T + np.kron(noise, np.eye(half))
        return replace(mover, state=whole @ mover.state, covariance=np.asarray(covariance, np.float64))

    def _whole(self, movers: list[Mover]) -> tuple[Float, Float, list[Float]]:
        """States (n, 6) and covariances (n, 6, 6) in ECEF, and their derivatives (6, d) by the movers' own numbers."""
        state, covariance = np.zeros((len(movers), 6)), np.zeros((len(movers), 6, 6))
        bases: list[Float] = []
        for k, mover in enumerate(movers):
            if mover.road >= 0:
                road = self._roads[mover.road]
                place, direction = road.at(float(mover.state[0]))
                lines, half_m = direction[:, None], 0.5 * road.width_m
            else:
                place = mover.anchor_m + mover.state[:2] @ mover.axes[:2]
                lat, lon, height = ecef_to_geodetic(place)
                ground_m = float(self._parameters.ground.heights(lat[None], lon[None])[0])
                place = place - (height - ground_m) * enu_axes(lat, lon)[2]
                lines, half_m = mover.axes[:2].T, self._parameters.ground_sigma_m
            base: Float = np.asarray(np.kron(np.eye(2), lines), np.float64)
            # What the own numbers do not hold: the road's width, the height, the climb.
            rest = np.eye(3) - lines @ lines.T
            loose = np.zeros((6, 6))
            loose[:3, :3], loose[3:, 3:] = rest * half_m**2, rest * _CLIMB_SIGMA_M_S**2
            half = len(mover.state) // 2
            state[k, :3], state[k, 3:] = place, lines @ mover.state[half:]
            covariance[k] = base @ mover.covariance @ base.T + loose
            bases.append(base)
        return state, covariance, bases

    def _hit(self, mover: Mover, look: EchoLook, plot: int, slopes: Float, spread: Float, predicted: Float) -> Mover:
        total = spread + noise_about(look, np.array([plot]), spread[None])[0]
        away = innovations(look, np.array([plot]), predicted[None])[0]
        away[[n for n in (RATE, ELEVATION) if total[n, n] >= UNUSED]] = 0.0
        gain = gain_of(mover.covariance[None], slopes[None], total[None], look)[0]
        covariance = mover.covariance - gain @ total @ gain.T
        hits, score = mover.hits + 1, mover.score
        ready = hits >= self._parameters.surface_confirm_hits and score >= self._parameters.surface_confirm_score
        confirmed = mover.status != TrackStatus.TENTATIVE or ready
        return replace(
            mover,
            state=mover.state + gain @ away,
            covariance=0.5 * (covariance + covariance.T),
            status=TrackStatus.CONFIRMED if confirmed else TrackStatus.TENTATIVE,
            hits=hits,
            last_hit_ns=look.report.time_ns,
        )

    def _missed(self, mover: Mover, looked: bool, wanted: bool, log_missed: float) -> Mover:
        """Let a mover coast that was looked at and not seen; it counts against it only if it is surely fast enough."""
        assert self._time_ns is not None
        silent_s = (self._time_ns - mover.last_hit_ns) * 1e-9
        coasts = looked or silent_s > self._parameters.coast_after_s
        live = mover.status != TrackStatus.TENTATIVE
        return replace(
            mover,
            status=TrackStatus.COASTING if live and coasts else mover.status,
            score=mover.score + (log_missed if wanted and not live else 0.0),
            misses=mover.misses + wanted,
        )

    def _lost(self, mover: Mover) -> bool:
        assert self._time_ns is not None
        parameters, silent_s = self._parameters, (self._time_ns - mover.last_hit_ns) * 1e-9
        if mover.status == TrackStatus.TENTATIVE:
            return silent_s > parameters.radar_tentative_s or mover.score < parameters.drop_score
        return silent_s > parameters.surface_drop_after_s

    def _told(self, movers: list[Mover], before: dict[int, TrackStatus]) -> list[tuple[str, str]]:
        told = []
        for mover in movers:
            was, now = before[mover.track_id], mover.status
            if was == now or (was == TrackStatus.TENTATIVE and now == TrackStatus.DROPPED):
                continue
            kind = "resumed" if (was, now) == (TrackStatus.COASTING, TrackStatus.CONFIRMED) else now.name.lower()
            told.append((kind, f"track {mover.track_id} {kind}, score {mover.score:.1f}"))
        return told

    def _started(self, look: EchoLook, free: Int) -> list[Mover]:
        """Tentative movers at plots that fed none, on the road where one passes, strongest first."""
        parameters, report = self._parameters, look.report
        order = np.argsort(-report.echoes["snr"][free], kind="stable")
        room = parameters.max_tentative - sum(m.status == TrackStatus.TENTATIVE for m in self.movers)
        plots = free[order][: max(room, 0)]
        self._counters[report.sensor_id, "tentative_over_limit"] += len(free) - len(plots)
        place, covariance = self._on_ground(look, plots)
        started = []
        for k, plot in enumerate(plots.tolist()):
            if np.isfinite(place[k]).all():
                name = self._names.setdefault((report.sensor_id, report.frame_id, plot), self._next_id)
                self._next_id += name == self._next_id
                started.append(self._first(look, plot, name, place[k], covariance[k]))
        # The same plots give the same names when they are fused again; the oldest never are.
        for key in list(self._names)[: max(len(self._names) - _MOST_NAMES, 0)]:
            del self._names[key]
        return started

    def _on_ground(self, look: EchoLook, plots: Int) -> tuple[Float, Float]:
        """Where circles of range and azimuth meet the ground, whose height is that of the place found before."""
        parameters = self._parameters
        ground, sigma_m = parameters.ground, parameters.ground_sigma_m
        height_m = np.full(len(plots), parameters.surface_height_m)
        place, covariance, _ = places_of(look, plots, height_m, sigma_m)
        for _ in range(_GROUND_STEPS if parameters.terrain is not None and len(plots) else 0):
            good = np.isfinite(place).all(axis=1)
            height_m[good], rise = ground.under(place[good])
            rises = np.zeros((len(plots), 3))
            rises[good] = rise
            place, covariance, _ = places_of(look, plots, height_m, sigma_m, rises)
        return place, covariance

    def _first(self, look: EchoLook, plot: int, name: int, place: Float, covariance: Float) -> Mover:
        parameters, time_ns = self._parameters, look.report.time_ns
        fits = []
        for road in self._roads:
            loose = np.linalg.inv(covariance + 0.25 * road.width_m**2 * np.eye(3))
            fits.append(road.nearest(place, np.asarray(loose, np.float64)))
        best = min(range(len(fits)), key=lambda road: fits[road][2]) if fits else -1
        lat, lon, _ = ecef_to_geodetic(place)
        axes, square = enu_axes(lat, lon), parameters.surface_speed_sigma_m_s**2
        if best >= 0 and fits[best][2] < _ON_ROAD:
            state, spread = np.array([fits[best][0], 0.0]), np.diag([fits[best][1], square])
        else:
            best, state, spread = -1, np.zeros(4), np.zeros((4, 4))
            spread[:2, :2], spread[2:, 2:] = axes[:2] @ covariance @ axes[:2].T, square * np.eye(2)
        mover = Mover(
            name, best, place, axes, state, spread, TrackStatus.TENTATIVE, 0.0, 1, 0, time_ns, time_ns
        )  # fmt: skip
        # The place is used; what is left of the plot is its rate.
        whole, _, bases = self._whole([mover])
        predicted = predict_echoes(whole, look)
        rate = (predicted.jacobian[0] @ bases[0])[RATE]
        total = float(rate @ spread @ rate) + float(look.noise[plot, RATE, RATE])
        fold = look.report.rate_fold_m_s
        if fold and 6.0 * np.sqrt(total) > fold:
            return mover
        away = float(innovations(look, np.array([plot]), predicted.measured)[0, RATE])
        gain = spread @ rate / total
        return replace(mover, state=state + gain * away, covariance=spread - np.outer(gain, gain) * total)

    def _updates(self, movers: list[Mover]) -> NDArray[np.void]:
        state, covariance, _ = self._whole(movers)
        updates = np.zeros(len(movers), UPDATE_DTYPE)
        updates["position_m"], updates["velocity_m_s"], updates["covariance"] = state[:, :3], state[:, 3:], covariance
        updates["time_ns"], updates["n_sensors"] = self._time_ns, 1
        for name in ("track_id", "status", "score", "hits", "misses"):
            updates[name] = [getattr(mover, name) for mover in movers]
        return updates
