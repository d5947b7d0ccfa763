"""Plots feed tracks: each its own, or all plots of a gate by their probability; by one model of motion or several."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.associate import Pairs, weigh
from lookdown.ground.measure import Look
from lookdown.ground.modes import Modes
from lookdown.ground.pointing import Foreseen, Pointing, Tracks
from lookdown.ground.tracks import Int, TrackTable
from lookdown.kernels.correct import correct
from lookdown.kernels.moments import match_moments
from lookdown.wire.messages import Float

_SURE = 0.9  # a plot must be a track's with this probability before the pointing is learnt from it


@dataclass(frozen=True, slots=True, eq=False)
class Feeder:
    """What the plots of one report need to feed tracks.

    Attributes
    ----------
    look : Look
        The report.
    sensor : int
        Index of its sensor.
    pointing : Pointing
        Errors of all sensors.
    modes : Modes
        Models of motion.
    estimate_pointing : bool
        Whether the errors are learnt, or only allowed for.
    """

    look: Look
    sensor: int
    pointing: Pointing
    modes: Modes
    estimate_pointing: bool

    def feed(
        self,
        table: TrackTable,
        rows: Int,
        plots: Int,
        sure: NDArray[np.bool_],
        others: tuple[Tracks, ...] = (),
        seen: Foreseen | None = None,
    ) -> None:
        """Correct tracks, each by its own plot.

        Parameters
        ----------
        table : TrackTable
            Changed in place.
        rows, plots : ndarray of int64, shape (q,)
            Which track is fed by which plot.
        sure : ndarray of bool, shape (q,)
            Whether the pointing may be learnt from it.
        others : tuple of tuple of ndarray
            Other tracks that hang on the same errors.
        seen : Foreseen, optional
            Of all tracks as they are, where it is known already and there is one model.
        """
        if not rows.size:
            return
        look, sensor, pointing, modes = self.look, self.sensor, self.pointing, len(self.modes.models)
        own, tracks, which, plot, told = 2 * sensor, table.bundles[-1], rows, plots, sure
        if modes:
            which = (rows[:, None] * modes + np.arange(modes)).ravel()
            plot = np.repeat(plots, modes)
            # The pointing is learnt by the likeliest model of each track.
            likeliest = np.arange(modes) == table.mode_share[rows].argmax(axis=1)[:, None]
            told = (likeliest & sure[:, None]).ravel()
        if seen is None or modes:
            picked = tracks[0][which, :6], tracks[1][which, :6, :6], tracks[2][which, :6]
            ahead = Foreseen.of(picked, look, sensor, pointing)
        else:
            ahead = seen.take(rows)
        innovation, noise, jacobian, sigma = (
            look.tangent[plot] - ahead.tangent,
            look.noise[plot],
            ahead.jacobian,
            ahead.sigma,
        )
        if modes:
            jacobian = np.zeros((len(which), 2, tracks[0].shape[1]))
            jacobian[:, :, :6] = ahead.jacobian
        spread = noise + ahead.spread if modes or not self.estimate_pointing else noise
        if self.estimate_pointing:
            beside = (*others, pointing.landmarks)
            pointing.take(tracks, beside, which, told, sensor, sigma, jacobian, innovation, noise)
        else:
            correct(which, jacobian, own, sigma, False, innovation, spread, *tracks)
        if modes:
            self.modes.weigh(table, rows, _log_likelihood(innovation, spread).reshape(-1, modes))
            self.modes.blend(table)

    def feed_jointly(self, table: TrackTable, pairs: Pairs, log_missed: float) -> tuple[Int, Float]:
        """Correct live tracks by all plots of their gates, each by its probability (JPDA).

        Returns
        -------
        pair : ndarray of int64, shape (q,)
            Pairs of live tracks.
        excess : ndarray of float64, shape (q,)
            Probability of each less that of no plot at all: above 0 the plot counts as a hit.
        """
        live = np.flatnonzero(table.live)
        weight, track = weigh(pairs, live, log_missed), pairs.track
        pair = np.flatnonzero(table.live[track])
        row, share = track[pair], weight[pair]
        missed = np.maximum(1.0 - np.bincount(row, share, len(table)), 0.0)
        if not pair.size:
            return pair, share
        copies = table.take(row)
        others = tuple(table.bundles) if self.estimate_pointing else ()
        self.feed(copies, np.arange(len(row)), pairs.plot[pair], share > _SURE, others)
        # The first component of each mixture is the track without a plot, then one corrected copy a plot.
        hit = np.unique(row)
        mixed = table.take(hit)
        mixed.extend(copies)
        order = np.argsort(np.concatenate([hit, row]), kind="stable")
        chance = np.concatenate([missed[hit], share])[order]
        start = np.concatenate([[0], np.cumsum(1 + np.bincount(row, minlength=len(table))[hit])])
        chance /= np.repeat(np.add.reduceat(chance, start[:-1]), np.diff(start))
        self._merge(table, hit, mixed.take(order), start, chance)
        return pair, np.asarray(share - missed[row], np.float64)

    def _merge(self, table: TrackTable, rows: Int, parts: TrackTable, start: Int, chance: Float) -> None:
        """Make one track of each run of parts."""
        if not self.modes.models:
            state, covariance = np.empty((len(rows), 6)), np.empty((len(rows), 6, 6))
            match_moments(start, np.arange(len(parts)), chance, parts.state, parts.covariance, state, covariance)
            table.state[rows], table.covariance[rows] = state, covariance
            table.cross[rows] = np.add.reduceat(chance[:, None, None] * parts.cross, start[:-1])
            return
        for mode in range(len(self.modes.models)):
            weight = chance * parts.mode_share[:, mode]
            total = np.add.reduceat(weight, start[:-1])
            weight = weight / np.repeat(total, np.diff(start))
            states, covariances = parts.mode_state[:, mode].copy(), parts.mode_covariance[:, mode].copy()
            state, covariance = np.empty((len(rows), states.shape[1])), np.empty((len(rows), *covariances.shape[1:]))
            match_moments(start, np.arange(len(parts)), weight, states, covariances, state, covariance)
            table.mode_state[rows, mode], table.mode_covariance[rows, mode] = state, covariance
            crosses = weight[:, None, None] * parts.mode_cross[:, mode]
            table.mode_cross[rows, mode] = np.add.reduceat(crosses, start[:-1])
            table.mode_share[rows, mode] = total
        self.modes.blend(table)


def _log_likelihood(innovation: Float, spread: Float) -> Float:
    """Log-density of innovations of two numbers, shape (q,), a constant left out."""
    a, b, d = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
    determinant = a * d - b * b
    x, y = innovation[:, 0], innovation[:, 1]
    distance2 = (d * x * x - 2.0 * b * x * y + a * y * y) / determinant
    return np.asarray(-0.5 * (distance2 + np.log(determinant)), np.float64)
