"""Kind of target: a posterior over `Kind` for each track, from how it moves and how bright it is.

Recursive Bayes over the regimes of `regimes`, whose posteriors sum to those of the kinds. At each look, a second or
more after the last one::

    p <- mix(p, dt)        log p <- log p + b_s log L_standing + b_f log L_fresh        p <- p / sum(p)

A regime changes into another of its kind, or into any other, at small rates (``mix``). Height, speed, climb and
brightness hardly change between looks, and the same evidence again is no new evidence: the first look counts in full
and later ones by ``b_s = dt / STANDING_S``. Accelerations are measured anew and count by ``b_f = dt / FRESH_S``. The
times were chosen on simulated tracks so that the posterior is calibrated, and are held to other tracks
(`tests/ground/test_kinds.py`).

Nothing flows back: association, update and life of a track know nothing of its kind.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import GRAVITY_PARAMETER_M3_S2, ROTATION_RATE_RAD_S, ecef_to_geodetic, upward
from lookdown.ground.fusion import ReportFused
from lookdown.ground.regimes import KIND_OF, PRIOR, REGIMES, Features, log_likelihoods
from lookdown.wire.messages import Float, Kind, PlotReport, SensorState, TrackStatus

LOOK_S = 1.0  # least time between looks at a track
STANDING_S = 30.0  # time after which height, speed and brightness count once more
FRESH_S = 12.0  # time after which accelerations count once more
BASE_S = 4.0  # over which accelerations are measured
_INFLATION = 1.5  # of sigmas: a constant-velocity filter lags in manoeuvres
_LEAVE_KIND_PER_S, _LEAVE_REGIME_PER_S = 1e-4, 0.01
_BRIGHTNESS_SIGMA = 0.7  # of the logarithm of an intensity: aspect, calibration, centre of the spot
_BRIGHTNESS_MEMORY = 0.8  # of the running mean of log-intensities
_TURN_FLOOR_RAD_S = 2e-5  # pointing changes
_FORGET_NS = 60 * 10**9

_START = np.array([PRIOR[regime.kind] * regime.weight for regime in REGIMES])
_EARTH_TURN = np.array([0.0, 0.0, ROTATION_RATE_RAD_S])


@dataclass(slots=True, eq=False)
class _Track:
    """What is remembered of one track."""

    chances: Float
    seen_ns: int
    looked_ns: int = 0
    log_intensity: float = float("nan")
    # By sensor: rate of its line of sight against the stars, and one sigma.
    turn_rad_s: dict[int, tuple[float, float]] = field(default_factory=dict)
    # Earlier estimates: time [ns], speed, climb and their variances.
    past: list[tuple[int, float, float, float, float]] = field(default_factory=list)


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
        self._tracks: dict[int, _Track] = {}
        self._pruned_ns = 0

    def posterior(self, track_id: int) -> tuple[float, ...]:
        """Return the posterior over `Kind` of a track, in its order; empty for an unknown track."""
        track = self._tracks.get(track_id)
        return () if track is None else tuple(_by_kind(track.chances[None])[0].tolist())

    def note(self, fused: ReportFused) -> None:
        """Look at the tracks of a fused report, and write the posteriors into its updates (field ``kind``).

        Parameters
        ----------
        fused : ReportFused
            Its ``updates`` are written to; nothing else changes.
        """
        updates, report = fused.updates, fused.arrival.report
        if len(updates):
            index = {int(plot): place for place, plot in enumerate(fused.arrival.plot_index.tolist())}
            plot_of = {int(track): index[int(plot)] for plot, track in fused.links.tolist()}
            amplitude = np.full(report.n_plots, np.nan)  # a radar tells nothing of brightness
            if isinstance(report, PlotReport):
                amplitude = report.sights["amplitude"]
            # A late report tells its tracks anew at the newest time, too: that is no look of its sensor.
            then = updates["time_ns"] == report.time_ns
            seen = updates[then]
            peaks = [float(amplitude[plot_of[t]]) if t in plot_of else np.nan for t in seen["track_id"].tolist()]
            updates["kind"][then] = self.look(seen, report.state, report.sensor_id, np.abs(np.array(peaks)))
            for row in np.flatnonzero(~then).tolist():
                updates["kind"][row] = self.posterior(int(updates["track_id"][row])) or np.nan
        for track_id in updates["track_id"][updates["status"] == TrackStatus.DROPPED].tolist():
            self._tracks.pop(track_id, None)
        if report.time_ns - self._pruned_ns > _FORGET_NS:
            self._pruned_ns = report.time_ns
            self._tracks = {t: k for t, k in self._tracks.items() if report.time_ns - k.seen_ns < _FORGET_NS}

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
        tracks = [self._tracks.setdefault(t, _Track(_START, int(s))) for t, s in _ids(updates)]
        measured = _measure(updates)
        self._note_sight(tracks, updates, state, sensor_id, peaks)
        times = updates["time_ns"].tolist()
        due = [row for row, track in enumerate(tracks) if times[row] - track.looked_ns >= LOOK_S * 1e9]
        if due:
            self._weigh([tracks[row] for row in due], [times[row] for row in due], measured[due])
        return _by_kind(np.array([track.chances for track in tracks]).reshape(len(tracks), len(REGIMES)))

    def _note_sight(
        self, tracks: list[_Track], updates: NDArray[Any], state: SensorState, sensor_id: int, peaks: Float
    ) -> None:
        sight = updates["position_m"] - state.position_m
        range_m = np.linalg.norm(sight, axis=1)
        # Against the stars: both velocities as an inertial observer would have them.
        drift = updates["velocity_m_s"] - state.velocity_m_s + np.cross(_EARTH_TURN, sight)
        turn = np.linalg.norm(np.cross(sight, drift), axis=1) / range_m**2
        spread = _INFLATION * np.sqrt(np.trace(updates["covariance"][:, 3:, 3:], axis1=1, axis2=2)) / range_m
        turn_sigma = np.hypot(spread, _TURN_FLOOR_RAD_S)
        with np.errstate(divide="ignore", invalid="ignore"):
            bright = np.log(peaks * self._irradiance_per_dn * range_m**2)
        for row, track in enumerate(tracks):
            track.seen_ns = int(updates["time_ns"][row])
            track.turn_rad_s[sensor_id] = (float(turn[row]), float(turn_sigma[row]))
            if np.isfinite(bright[row]):
                old = track.log_intensity
                mean = _BRIGHTNESS_MEMORY * old + (1.0 - _BRIGHTNESS_MEMORY) * bright[row]
                track.log_intensity = float(bright[row]) if np.isnan(old) else float(mean)

    def _weigh(self, tracks: list[_Track], times: list[int], measured: Float) -> None:
        changes = np.array([_change(*each) for each in zip(tracks, times, measured, strict=True)])
        height, speed, climb, radius, across = measured[:, :5].T
        sigma = _INFLATION * np.sqrt(np.maximum(measured[:, 5:], 1e-12))
        turn = np.array([min(track.turn_rad_s.values()) for track in tracks])
        gravity = GRAVITY_PARAMETER_M3_S2 / radius**2
        features = Features(
            height_m=height,
            speed_m_s=speed,
            climb_m_s=climb,
            lift_m_s2=changes[:, 0],
            thrust_m_s2=changes[:, 1],
            gravity_lift_m_s2=across**2 / radius - gravity,
            gravity_thrust_m_s2=-gravity * climb / np.maximum(speed, 1.0),
            turn_rad_s=turn[:, 0],
            log_intensity=np.array([track.log_intensity for track in tracks]),
            sigma={
                "height_m": sigma[:, 0],
                "speed_m_s": sigma[:, 1],
                "climb_m_s": sigma[:, 2],
                "lift_m_s2": _INFLATION * changes[:, 2],
                "thrust_m_s2": _INFLATION * changes[:, 3],
                "turn_rad_s": turn[:, 1],
                "log_intensity": np.full(len(tracks), _BRIGHTNESS_SIGMA),
            },
        )
        standing, fresh = log_likelihoods(features)
        before = np.array([track.chances for track in tracks])
        looked_ns = np.array([track.looked_ns for track in tracks])
        first = looked_ns == 0
        age_s = np.where(first, 0.0, (np.array(times) - looked_ns) * 1e-9)
        share = np.where(first, 1.0, np.minimum(age_s / STANDING_S, 1.0))
        share_fresh = np.minimum(age_s / FRESH_S, 1.0)
        logs = np.log(_mix(before, age_s)) + share[:, None] * standing + share_fresh[:, None] * fresh
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        for row, track in enumerate(tracks):
            track.chances, track.looked_ns = chances[row], times[row]


def _ids(updates: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(updates["track_id"].tolist(), updates["time_ns"].tolist(), strict=True))


def _measure(updates: NDArray[Any]) -> Float:
    """Height, speed, climb, distance from the Earth's centre, speed across; variances of three, shape (n, 8)."""
    position, velocity, covariance = updates["position_m"], updates["velocity_m_s"], updates["covariance"]
    up = upward(position)
    climb = np.einsum("ni,ni->n", velocity, up)
    speed = np.linalg.norm(velocity, axis=1)
    along = velocity / np.maximum(speed, 1e-9)[:, None]
    inertial = velocity + np.cross(_EARTH_TURN, position)
    across = np.sqrt(np.maximum(np.sum(inertial**2, axis=1) - climb**2, 0.0))
    variances = (
        np.einsum("ni,nij,nj->n", up, covariance[:, :3, :3], up),
        np.einsum("ni,nij,nj->n", along, covariance[:, 3:, 3:], along),
        np.einsum("ni,nij,nj->n", up, covariance[:, 3:, 3:], up),
    )
    columns = (ecef_to_geodetic(position)[2], speed, climb, np.linalg.norm(position, axis=1), across, *variances)
    return np.column_stack(columns)


def _change(track: _Track, time_ns: int, measured: Float) -> tuple[float, float, float, float]:
    """Change of climb and speed since the newest estimate that is ``BASE_S`` old, with sigmas; nan without one."""
    speed, climb, speed_variance, climb_variance = (float(measured[i]) for i in (1, 2, 6, 7))
    old = [entry for entry in track.past if time_ns - entry[0] >= BASE_S * 1e9]
    track.past = [*old[-1:], *(entry for entry in track.past if time_ns - entry[0] < BASE_S * 1e9)]
    track.past.append((time_ns, speed, climb, speed_variance, climb_variance))
    if not old:
        return (np.nan, np.nan, 1.0, 1.0)
    then_ns, old_speed, old_climb, old_speed_variance, old_climb_variance = old[-1]
    dt_s = (time_ns - then_ns) * 1e-9
    return (
        (climb - old_climb) / dt_s,
        (speed - old_speed) / dt_s,
        float(np.sqrt(climb_variance + old_climb_variance)) / dt_s,
        float(np.sqrt(speed_variance + old_speed_variance)) / dt_s,
    )


def _mix(chances: Float, age_s: Float) -> Float:
    """Let regimes change: within the kind by their weights, into any other by the prior."""
    own = _by_kind(chances)
    weights = np.array([regime.weight for regime in REGIMES])
    leave, turn = (1.0 - np.exp(-rate * age_s)[:, None] for rate in (_LEAVE_KIND_PER_S, _LEAVE_REGIME_PER_S))
    stay = (1.0 - turn) * chances + turn * own[:, KIND_OF] * weights
    return np.asarray((1.0 - leave) * stay + leave * _START, np.float64)


def _by_kind(chances: Float) -> Float:
    """Sum the chances of regimes by kind, shape (n, 7)."""
    kinds = np.zeros((len(chances), len(Kind)))
    for column, kind in enumerate(KIND_OF.tolist()):
        kinds[:, kind] += chances[:, column]
    return kinds
