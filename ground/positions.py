"""Fusion of plots that hold a whole position each: gate, assign, update, confirm and end, start at single plots.

The same table of tracks and the same kernels as `Fusion`, which crosses lines of sight; a radar's plot, turned into a
position with its covariance, is enough to start a track. A track is tentative at first; it is confirmed by its
``confirm_hits``-th plot if its log-likelihood ratio has reached ``confirm_score``, and dropped after ``drop_misses``
scans in a row without a plot, tentative ones after ``drop_tentative_misses``, or when its score falls below
``drop_score``.

With ``joint_association`` a confirmed track is fed by all plots of its gate, each by its probability (JPDA); it counts
as seen where one of them is likelier than none.

`step_radar` takes ranges, azimuths, elevations and range rates instead; joint association leaves the rates out.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.ground.associate import Pairs, assign, gate_pairs, weigh
from lookdown.ground.branches import best_branches, grow, needless
from lookdown.ground.multiple import Sensor
from lookdown.ground.radar import RadarScan, light_time_s, rate_rows, scan_of
from lookdown.ground.tracks import TrackTable
from lookdown.kernels.advance import advance
from lookdown.kernels.correct import correct
from lookdown.kernels.moments import match_moments
from lookdown.wire.messages import Float, TrackStatus

_JACOBIAN = np.concatenate([np.eye(3), np.zeros((3, 3))], axis=1)[None]


@dataclass(frozen=True)
class PositionParameters:
    """What fusion of positions is told.

    Raises
    ------
    ValueError
        If a value cannot be used; the message names it.
    """

    process_noise_m2_s3: float = 50.0  # spectral density of white acceleration, each axis
    initial_speed_sigma_m_s: float = 3000.0  # each axis
    great_circles: bool = True  # movers keep level over the Earth; False in a flat local frame
    probability_of_detection: float = 0.9
    false_plots_per_m3: float = 1e-12
    gate_probability: float = 0.999
    confirm_hits: int = 3  # the first plot counts
    confirm_score: float = 0.0  # log-likelihood ratio
    drop_score: float = -20.0
    max_score: float = 80.0
    drop_misses: int = 5  # scans in a row
    drop_tentative_misses: int = 2
    branches: int = 1  # that a tentative track grows a scan, one for each of its best plots; 1: plots are shared out
    joint_association: bool = False  # confirmed tracks take all plots of their gates by probability, not the best one

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            free = field.name in ("confirm_score", "drop_score", "great_circles", "joint_association")
            if not free and not value > 0:
                raise ValueError(f"{field.name}: wanted a number above 0, got {value!r}")
        for name in ("probability_of_detection", "gate_probability"):
            if not getattr(self, name) < 1.0:
                raise ValueError(f"{name}: wanted a probability below 1, got {getattr(self, name)!r}")


class PositionFusion:
    """Fuses scans of positions into tracks.

    Parameters
    ----------
    parameters : PositionParameters
        Motion, sensor and life of tracks.

    Attributes
    ----------
    table : TrackTable
        All tracks at the time of the last scan; to be read only.
    refused : int
        Plots left out because they are not finite or their covariance is not positive definite.
    """

    def __init__(self, parameters: PositionParameters) -> None:
        self._parameters = parameters
        self._time_ns: int | None = None
        self._next_id = 1
        self._silent = np.zeros(0, np.int64)
        self._gate = float(chdtri(3, 1.0 - parameters.gate_probability))
        self._log_missed = float(np.log1p(-parameters.probability_of_detection))
        self._base = float(np.log(parameters.probability_of_detection / parameters.false_plots_per_m3))
        self._branching = parameters.branches > 1
        self.table = TrackTable.blank(0, 0)
        self.refused = 0

    def step(self, time_ns: int, position_m: Float, covariance: Float) -> NDArray[np.int64]:
        """Fuse one scan.

        Parameters
        ----------
        time_ns : int
            Time of the scan, TAI, not before the last one [ns].
        position_m : ndarray of float64, shape (k, 3)
            Plots, ECEF [m].
        covariance : ndarray of float64, shape (k, 3, 3)
            Their covariances [m^2].

        Returns
        -------
        ndarray of int64, shape (k,)
            The track that each plot fed or started, 0 for a plot that was refused.

        Raises
        ------
        ValueError
            If the scan is older than the last one or the arrays do not fit each other.
        """
        return self._fuse(time_ns, position_m, covariance, None)

    def step_radar(self, time_ns: int, sensor: Sensor, measured: Float, noise: Float) -> NDArray[np.int64]:
        """Fuse one look of a radar: ranges, azimuths, elevations and range rates (`scan_of`), light time allowed for.

        Parameters
        ----------
        time_ns : int
            Time of reception, TAI, not before the last scan [ns].
        sensor : Sensor
            Where the radar was.
        measured, noise : ndarray of float64, shapes (k, 4) and (k, 4, 4)
            Range [m], azimuth [rad], elevation [rad], range rate [m/s], and their covariances.

        Returns
        -------
        ndarray of int64, shape (k,)
            As `step`.

        Raises
        ------
        ValueError
            As `step`.
        """
        scan = scan_of(sensor, measured, noise)
        return self._fuse(time_ns, scan.position_m, scan.covariance, scan)

    def _fuse(self, time_ns: int, position_m: Float, covariance: Float, scan: RadarScan | None) -> NDArray[np.int64]:
        parameters, table = self._parameters, self.table
        if self._time_ns is not None and time_ns < self._time_ns:
            raise ValueError(f"time_ns: wanted {self._time_ns} or later, got {time_ns}; give scans in order of time")
        if position_m.shape != (len(position_m), 3) or covariance.shape != (len(position_m), 3, 3):
            raise ValueError(
                f"position_m and covariance: wanted shapes (k, 3) and (k, 3, 3), got {position_m.shape} and "
                f"{covariance.shape}; give each plot both"
            )
        good = usable(position_m, covariance)
        self.refused += int(np.count_nonzero(~good))
        plots, noise = np.ascontiguousarray(position_m[good]), np.ascontiguousarray(covariance[good])
        ahead_s = (time_ns - (time_ns if self._time_ns is None else self._time_ns)) * 1e-9
        density, circles = parameters.process_noise_m2_s3, parameters.great_circles
        advance(ahead_s, density, 1.0, circles, table.state, table.covariance, table.cross)
        self._time_ns = time_ns

        scan = None if scan is None else scan[good]
        jacobian, places, spread = self._foresee(scan)
        pairs = gate_pairs(places, spread, np.ones(len(table), np.bool_), plots, noise, self._gate, self._base)
        if parameters.joint_association:
            plot_of, ratio = self._join(pairs, plots, noise, jacobian, places, spread)
        else:
            plot_of, ratio = assign(pairs, table.live, self._log_missed, tentative_share=self._branching)
        if self._branching:
            # Branches stand behind all rows; what they grow from goes without a plot.
            plot_of, ratio, rows = self._branch(pairs, plot_of, ratio)
            places, spread = places[rows], spread[rows]
            jacobian = jacobian if len(jacobian) == 1 else jacobian[rows]
        hit = plot_of >= 0
        rows = np.flatnonzero(hit & ~table.live) if parameters.joint_association else np.flatnonzero(hit)
        if rows.size:
            innovation, total = plots[plot_of[rows]] - places[rows], spread[rows] + noise[plot_of[rows]]
            none = np.zeros(rows.size)
            own = jacobian if len(jacobian) == 1 else jacobian[rows]
            correct(rows, own, -1, none, False, innovation, total, table.state, table.covariance, table.cross)
        rows = np.flatnonzero(hit)
        fed = plot_of[rows]
        if scan is not None:
            self._use_rates(rows, scan[fed])
        track_of = np.zeros(len(plots), np.int64)
        track_of[fed] = table.track_id[rows]
        free = np.ones(len(plots), np.bool_)
        used, names = self._live_on(plot_of, ratio)
        track_of[used] = names
        # Where branches grow, a plot that fed tentative tracks alone may as well be the first of another target.
        free[used if self._branching else fed] = False
        late_s = 0.0 if scan is None else light_time_s(scan.sensor, plots[free])
        track_of[free] = self._start(time_ns, plots[free], noise[free], late_s)
        if scan is not None and free.any():
            self._use_rates(np.arange(len(table) - int(np.count_nonzero(free)), len(table)), scan[free])
        told = np.zeros(len(position_m), np.int64)
        told[good] = track_of
        return told

    def _foresee(self, scan: RadarScan | None) -> tuple[Float, Float, Float]:
        """Foresee what a scan measures of each track: Jacobian, places and their covariance."""
        table = self.table
        if scan is None:
            return _JACOBIAN, table.state[:, :3].copy(), table.covariance[:, :3, :3].copy()
        tau = light_time_s(scan.sensor, table.state[:, :3])
        jacobian = np.repeat(_JACOBIAN, len(table), axis=0)
        jacobian[:, [0, 1, 2], [3, 4, 5]] = -tau[:, None]
        return (
            jacobian,
            table.state[:, :3] - tau[:, None] * table.state[:, 3:],
            (jacobian @ table.covariance @ jacobian.transpose(0, 2, 1)),
        )

    def _use_rates(self, rows: NDArray[np.int64], scan: RadarScan) -> None:
        """Update tracks with the range rates of their plots, whose positions they have taken."""
        table = self.table
        if not rows.size or self._parameters.joint_association:
            return
        jacobian, innovation, variance = rate_rows(scan, table.state[rows])
        spread = jacobian @ table.covariance[rows] @ jacobian.transpose(0, 2, 1) + variance[:, None, None]
        none, tracks = np.zeros(rows.size), (table.state, table.covariance, table.cross)
        correct(rows, jacobian, -1, none, False, innovation, spread, *tracks)

    def _join(
        self, pairs: Pairs, plots: Float, noise: Float, jacobian: Float, places: Float, spread: Float
    ) -> tuple[NDArray[np.int64], Float]:
        """Feed live tracks with all plots of their gates; plots that count as hits."""
        table = self.table
        live = np.flatnonzero(table.live)
        weight, track = weigh(pairs, live, self._log_missed), pairs.track
        own = np.flatnonzero(table.live[track])
        row, plot, share = track[own], pairs.plot[own], weight[own]
        missed = 1.0 - np.bincount(row, share, len(table))
        # The first component of each mixture is the track without a plot, then one updated copy a plot.
        state = np.concatenate([table.state[live], table.state[row]])
        covariance = np.concatenate([table.covariance[live], table.covariance[row]])
        if own.size:
            copies = len(live) + np.arange(len(own))
            innovation, total = plots[plot] - places[row], spread[row] + noise[plot]
            empty = np.zeros((len(state), 6, 0))
            matrix = jacobian if len(jacobian) == 1 else jacobian[row]
            correct(copies, matrix, -1, np.zeros(len(own)), False, innovation, total, state, covariance, empty)
        order = np.argsort(np.concatenate([live, row]), kind="stable")
        start = np.concatenate([[0], np.cumsum(1 + np.bincount(row, minlength=len(table))[live])])
        mixed = np.empty((len(live), 6)), np.empty((len(live), 6, 6))
        match_moments(start, order, np.concatenate([missed[live], share])[order], state, covariance, *mixed)
        table.state[live], table.covariance[live] = mixed
        likely = own[share > missed[row]]
        taken = np.zeros(len(plots), np.uint8)
        taken[pairs.plot[likely]] = 1
        plot_of, ratio = assign(pairs, table.live, self._log_missed, tentative_share=self._branching, taken=taken)
        best = likely[np.argsort(weight[likely], kind="stable")]
        plot_of[track[best]], ratio[track[best]] = pairs.plot[best], pairs.ratio[best]
        return plot_of, ratio

    def _branch(
        self, pairs: Pairs, plot_of: NDArray[np.int64], ratio: Float
    ) -> tuple[NDArray[np.int64], Float, NDArray[np.int64]]:
        """Let tentative tracks grow branches: plots and ratios of all rows, and the row that each comes from."""
        table = self.table
        live = table.live
        taken = np.zeros(pairs.n_plots, np.bool_)
        taken[plot_of[live & (plot_of >= 0)]] = True
        parent, pair = grow(pairs, live, taken, self._log_missed, self._parameters.branches)
        table.extend(table.take(parent))
        self._silent = np.concatenate([self._silent, self._silent[parent]])
        plot_of = np.concatenate([np.where(live, plot_of, -1), pairs.plot[pair]])
        ratio = np.concatenate([np.where(live, ratio, 0.0), pairs.ratio[pair]])
        return plot_of, ratio, np.concatenate([np.arange(len(live)), parent])

    def _live_on(self, plot_of: NDArray[np.int64], ratio: Float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count, confirm and end; the plots that fed live tracks, and these tracks."""
        table, parameters, hit = self.table, self._parameters, plot_of >= 0
        table.hits += hit
        table.misses += ~hit
        table.looks = (table.looks << np.uint32(1)) | hit
        table.score = np.minimum(table.score + np.where(hit, ratio, self._log_missed), parameters.max_score)
        self._silent = np.where(hit, 0, self._silent + 1)
        ready = (table.hits >= parameters.confirm_hits) & (table.score >= parameters.confirm_score)
        new = np.flatnonzero(hit & ready & ~table.live)
        if self._branching:
            new = best_branches(table, new, plot_of)
        confirmed = table.live.copy()
        confirmed[new] = True
        coasts = confirmed & ~hit
        table.status[confirmed] = TrackStatus.CONFIRMED
        table.status[coasts] = TrackStatus.COASTING
        most = np.where(confirmed, parameters.drop_misses, parameters.drop_tentative_misses)
        ends = (self._silent >= most) | (table.score < parameters.drop_score)
        fed = np.flatnonzero(confirmed & hit)
        used, names = plot_of[fed], table.track_id[fed]
        if self._branching:
            ends |= needless(table, new, plot_of, ~confirmed)
        if ends.any():
            table.keep(~ends)
            self._silent = self._silent[~ends]
        return used, names

    def _start(self, time_ns: int, plots: Float, noise: Float, late_s: Float | float) -> NDArray[np.int64]:
        """Start a tentative track at each plot that fed none, which its echo left ``late_s`` ago; their identities."""
        new = TrackTable.blank(len(plots), 0)
        if not len(new):
            return new.track_id
        new.track_id = self._next_id + np.arange(len(new), dtype=np.int64)
        self._next_id += len(new)
        new.state[:, :3], new.covariance[:, :3, :3] = plots, noise
        axis, square = np.arange(3), self._parameters.initial_speed_sigma_m_s**2
        new.covariance[:, axis + 3, axis + 3] = square
        since_s = np.broadcast_to(late_s, len(plots))[:, None]
        new.covariance[:, axis, axis] += since_s**2 * square
        new.covariance[:, axis, axis + 3] = new.covariance[:, axis + 3, axis] = since_s * square
        new.hits[:], new.looks[:], new.born_ns[:] = 1, 1, time_ns
        self.table.extend(new)
        self._silent = np.concatenate([self._silent, np.zeros(len(new), np.int64)])
        return new.track_id


def usable(position_m: Float, covariance: Float) -> NDArray[np.bool_]:
    """Which plots are finite with a symmetric, positive definite covariance (Sylvester's criterion), shape (k,)."""
    a, b, c = covariance[:, 0, 0], covariance[:, 1, 1], covariance[:, 2, 2]
    d, e, f = covariance[:, 0, 1], covariance[:, 0, 2], covariance[:, 1, 2]
    with np.errstate(all="ignore"):
        minor = a * b - d * d
        determinant = c * minor - b * e * e - a * f * f + 2.0 * d * e * f
        good = (a > 0.0) & (minor > 0.0) & (determinant > 0.0) & np.isfinite(determinant)
        skew = np.abs(covariance - covariance.transpose(0, 2, 1)).max(axis=(1, 2), initial=0.0)
        good &= skew <= 1e-9 * np.maximum(np.maximum(a, b), c)
    return np.asarray(good & np.isfinite(position_m).all(axis=1), np.bool_)
