"""Kind of target: a posterior over `Kind` for each track, from how it moves and how bright it is.

Recursive Bayes over the regimes of `regimes`, whose posteriors sum to those of the kinds. A track is looked at when it
is new and once in each whole second of data time, all tracks of a report at once::

    p <- mix(p, dt)        log p <- log p + b_s log L_standing + b_f log L_fresh        told ~ p L_standing

The newest estimate of height, speed and climb holds what all earlier plots told of them, so that it counts in full and
stands for those before it: an estimate of the first second, which knows a speed to 100 m/s, is not carried along.
Over longer times they are new evidence, and enter ``p`` by ``b_s = dt / STANDING_S``. Accelerations are measured anew,
over ``BASE_S`` or, of a young track, what there is of it: they count by ``FIRST_SHARE`` and, since estimates share
plots, by ``b_f = dt / FRESH_S`` from then on. These numbers were chosen on simulated tracks so that the posterior is
calibrated, and are held to other tracks (`tests/ground/test_kinds.py`).

A regime changes into another of its kind, or into any other, at small rates (``mix``). Nothing flows back:
association, update and life of a track know nothing of its kind.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, ROTATION_RATE_RAD_S, height_m, upward
from lookdown.ground.events import ReportFused
from lookdown.ground.memory import PAST, Memory
from lookdown.ground.regimes import KIND_OF, PRIOR, REGIMES, Features, log_likelihoods
from lookdown.ground.tracks import UPDATE_DTYPE, octets_of
from lookdown.kernels.turning import turning
from lookdown.wire.messages import Float, Kind, PlotReport, SensorState, TrackStatus

LOOK_S = 1.0  # a track is looked at once in each
STANDING_S = 60.0  # time after which height, speed and brightness count once more
FRESH_S = 12.0  # time after which accelerations count once more
BASE_S, LEAST_BASE_S = 4.0, 1.7  # over which accelerations are measured, and of a young track at least
FIRST_SHARE = 0.3  # by which the first accelerations count, from plots that the filter has hardly settled on
_INFLATION = 1.5  # of sigmas: a constant-velocity filter lags in manoeuvres
_LEAVE_KIND_PER_S, _LEAVE_REGIME_PER_S = 1e-4, 0.01
_BRIGHTNESS_SIGMA = 0.7  # of the logarithm of an intensity: aspect, calibration, centre of the spot
_BRIGHTNESS_MEMORY = 0.8  # of the running mean of log-intensities
_TURN_FLOOR_RAD_S = 2e-5  # pointing changes
_FORGET_NS = 60 * 10**9
_LOOK_NS = round(LOOK_S * 1e9)

_DROPPED = int(TrackStatus.DROPPED)  # NumPy compares with a member of an enumeration at ten times the cost
_PLACES = octets_of("position_m", "velocity_m_s", "covariance")

_WEIGHT = np.array([regime.weight for regime in REGIMES])
_START = PRIOR[KIND_OF] * _WEIGHT
_SUMS = (KIND_OF[:, None] == np.arange(len(Kind))).astype(np.float64)  # from regimes to kinds


class Kinds:
    """Posteriors of all tracks; notes fused reports and writes into their updates.

    Parameters
    ----------
    irradiance_per_dn_w_m2 : float
        Irradiance at the aperture that a peak of one unit of the calibrated frame stands for; 0 if unknown, then
        brightness tells nothing [W/m^2].
    """

    def __init__(self, irradiance_per_dn_w_m2: float = 0.0) -> None:
        self._irradiance_per_dn = irradiance_per_dn_w_m2
        self._memory = Memory(_START)
        self._pruned_ns = 0

    def posterior(self, track_id: int) -> tuple[float, ...]:
        """Return the posterior over `Kind` of a track, in its order; empty for an unknown track."""
        row = self._memory.row_of.get(track_id)
        # Rounding may put a sum above 1, which no packet takes.
        return () if row is None else tuple(np.minimum(self._memory.told[row] @ _SUMS, 1.0).tolist())

    def note(self, fused: ReportFused) -> None:
        """Look at the tracks of a fused report, and write the posteriors into its updates (field ``kind``).

        Parameters
        ----------
        fused : ReportFused
            Its ``updates`` are written to; nothing else changes.
        """
        updates, report = fused.updates, fused.arrival.report
        if len(updates):
            # A late report tells its tracks anew at the newest time, too: that is no look of its sensor.
            then = updates["time_ns"] == report.time_ns
            whole = bool(then.all())
            seen = updates if whole else updates[then]
            peaks = _peaks(fused, seen["track_id"]) if self._irradiance_per_dn else np.full(len(seen), np.nan)
            updates["kind"][... if whole else then] = self.look(seen, report.state, report.sensor_id, peaks)
            if not whole:
                for row in np.flatnonzero(~then).tolist():
                    updates["kind"][row] = self.posterior(int(updates["track_id"][row])) or np.nan
            dropped = updates["status"] == _DROPPED
            if dropped.any():
                self._memory.forget(updates["track_id"][dropped].tolist())
        if report.time_ns - self._pruned_ns > _FORGET_NS:
            self._pruned_ns = report.time_ns
            self._memory.forget_unseen(report.time_ns - _FORGET_NS)

    def look(self, updates: NDArray[Any], state: SensorState, sensor_id: int, peaks: Float) -> Float:
        """Look at estimates at one time, and return their posteriors over `Kind`.

        Parameters
        ----------
        updates : ndarray of UPDATE_DTYPE, shape (n,)
            Estimates; ``track_id``, ``time_ns``, state and covariance are read.
        state : SensorState
            The sensor that made them.
        sensor_id : int
            Its identity.
        peaks : ndarray of float64, shape (n,)
            Absolute peak of each one's plot, nan without one [DN].

        Returns
        -------
        ndarray of float64, shape (n, 7)
        """
        memory = self._memory
        rows, times = memory.rows(updates["track_id"].tolist()), updates["time_ns"]
        memory.seen_ns[rows] = times
        self._note_sight(rows, updates, state, sensor_id, peaks)
        due = (memory.looked_ns[rows] < times // _LOOK_NS * _LOOK_NS).nonzero()[0]  # in an earlier second
        if due.size:
            self._weigh(rows[due], times[due], _measure(updates[due]))
        return np.asarray(memory.told[rows] @ _SUMS, np.float64)

    def _note_sight(
        self, rows: NDArray[np.int64], updates: NDArray[Any], state: SensorState, sensor_id: int, peaks: Float
    ) -> None:
        memory = self._memory
        records = np.ascontiguousarray(updates).view(np.uint8).reshape(len(rows), UPDATE_DTYPE.itemsize)
        column, square = memory.column(sensor_id), np.empty(len(rows))
        turning(
            records,
            _PLACES,
            np.asarray(state.position_m, np.float64),
            np.asarray(state.velocity_m_s, np.float64),
            ROTATION_RATE_RAD_S,
            _INFLATION,
            _TURN_FLOOR_RAD_S,
            rows,
            column,
            memory.turn_rad_s,
            memory.turn_sigma,
            square,
        )
        if not self._irradiance_per_dn:
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            bright = np.log(peaks * self._irradiance_per_dn * square)
        old = memory.log_intensity[rows]
        mean = _BRIGHTNESS_MEMORY * old + (1.0 - _BRIGHTNESS_MEMORY) * bright
        memory.log_intensity[rows] = np.where(np.isfinite(bright), np.where(np.isnan(old), bright, mean), old)

    def _weigh(self, rows: NDArray[np.int64], times: NDArray[np.int64], measured: Float) -> None:
        memory = self._memory
        changes = _changes(memory, rows, times, measured)
        height, speed, climb, radius, across = measured[:, :5].T
        sigma = _INFLATION * np.sqrt(np.maximum(measured[:, 5:], 1e-12))
        stillest = np.argmin(memory.turn_rad_s[rows], axis=1)
        gravity = GRAVITY_PARAMETER_M3_S2 / radius**2
        features = Features(
            height_m=height,
            speed_m_s=speed,
            climb_m_s=climb,
            lift_m_s2=changes[:, 0],
            thrust_m_s2=changes[:, 1],
            gravity_lift_m_s2=across**2 / radius - gravity,
            gravity_thrust_m_s2=-gravity * climb / np.maximum(speed, 1.0),
            turn_rad_s=memory.turn_rad_s[rows, stillest],
            log_intensity=memory.log_intensity[rows],
            sigma={
                "height_m": sigma[:, 0],
                "speed_m_s": sigma[:, 1],
                "climb_m_s": sigma[:, 2],
                "lift_m_s2": _INFLATION * changes[:, 2],
                "thrust_m_s2": _INFLATION * changes[:, 3],
                "turn_rad_s": memory.turn_sigma[rows, stillest],
                "log_intensity": np.full(len(rows), _BRIGHTNESS_SIGMA),
            },
        )
        standing, fresh = log_likelihoods(features)
        new, accelerated = memory.looked_ns[rows] == 0, memory.accelerated[rows]
        age_s = np.where(new, 0.0, (times - memory.looked_ns[rows]) * 1e-9)
        share = np.minimum(age_s / STANDING_S, 1.0)
        share_fresh = np.where(accelerated, np.minimum(age_s / FRESH_S, 1.0), FIRST_SHARE)
        logs = np.log(_mix(memory.chances[rows], age_s)) + share[:, None] * standing + share_fresh[:, None] * fresh
        memory.chances[rows], memory.told[rows] = _normal(logs), _normal(logs + standing)
        memory.accelerated[rows] = accelerated | np.isfinite(changes[:, 0])
        memory.looked_ns[rows] = times


def _peaks(fused: ReportFused, track_id: NDArray[np.int64]) -> Float:
    """Absolute peak of the plot that fed each track, nan without one; a radar tells nothing of brightness."""
    peaks = np.full(len(track_id), np.nan)
    links, report = fused.links, fused.arrival.report
    if len(links) and isinstance(report, PlotReport):
        order = np.argsort(links["track_id"])
        fed = links["track_id"][order]
        place = np.minimum(np.searchsorted(fed, track_id), len(fed) - 1)
        hit = fed[place] == track_id
        plot = np.searchsorted(fused.arrival.plot_index, links["plot_index"][order[place[hit]]])
        peaks[hit] = np.abs(report.sights["amplitude"][plot])
    return peaks


def _measure(updates: NDArray[Any]) -> Float:
    """Height, speed, climb, distance from the Earth's centre, speed across; variances of three, shape (n, 8)."""
    position, velocity, covariance = updates["position_m"], updates["velocity_m_s"], updates["covariance"]
    up = upward(position)
    climb = np.einsum("ni,ni->n", velocity, up)
    speed = np.sqrt(np.einsum("ni,ni->n", velocity, velocity))
    along = velocity / np.maximum(speed, 1e-9)[:, None]
    inertial = velocity.copy()
    inertial[:, 0] -= ROTATION_RATE_RAD_S * position[:, 1]
    inertial[:, 1] += ROTATION_RATE_RAD_S * position[:, 0]
    across = np.sqrt(np.maximum(np.einsum("ni,ni->n", inertial, inertial) - climb**2, 0.0))
    variances = (
        np.einsum("ni,nij,nj->n", up, covariance[:, :3, :3], up),
        np.einsum("ni,nij,nj->n", along, covariance[:, 3:, 3:], along),
        np.einsum("ni,nij,nj->n", up, covariance[:, 3:, 3:], up),
    )
    radius = np.sqrt(np.einsum("ni,ni->n", position, position))
    return np.column_stack((height_m(position), speed, climb, radius, across, *variances))


def _changes(memory: Memory, rows: NDArray[np.int64], times: NDArray[np.int64], measured: Float) -> Float:
    """Change of climb and speed since the newest estimate that is ``BASE_S`` old, and their sigmas, shape (n, 4).

    nan without such an estimate.
    """
    now = measured[:, [1, 2, 6, 7]]  # speed, climb and their variances
    then_ns, every = memory.past_ns[rows], np.arange(len(rows))
    ages_s = (times[:, None] - then_ns) * 1e-9
    old = (then_ns > 0) & (ages_s >= LEAST_BASE_S)
    place = np.argmin(np.where(old, np.abs(ages_s - BASE_S), np.inf), axis=1)
    then = memory.past[rows, place]
    dt_s = np.where(old[every, place], (times - then_ns[every, place]) * 1e-9, np.nan)
    slot = memory.next_past[rows]
    memory.past_ns[rows, slot], memory.past[rows, slot] = times, now
    memory.next_past[rows] = (slot + 1) % PAST
    spread = np.sqrt(now[:, 2:] + then[:, 2:])
    changes = np.concatenate([(now - then)[:, 1::-1], spread[:, ::-1]], axis=1) / dt_s[:, None]
    changes[:, 2:] = np.where(np.isnan(changes[:, 2:]), 1.0, changes[:, 2:])
    return np.asarray(changes, np.float64)


def _mix(chances: Float, age_s: Float) -> Float:
    """Let regimes change: within the kind by their weights, into any other by the prior."""
    own = chances @ _SUMS
    leave, turn = (1.0 - np.exp(-rate * age_s)[:, None] for rate in (_LEAVE_KIND_PER_S, _LEAVE_REGIME_PER_S))
    stay = (1.0 - turn) * chances + turn * own[:, KIND_OF] * _WEIGHT
    return np.asarray((1.0 - leave) * stay + leave * _START, np.float64)


def _normal(logs: Float) -> Float:
    """Probabilities of logarithms, row by row."""
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float64)
