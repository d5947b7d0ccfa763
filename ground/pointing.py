r"""Pointing errors estimated beside the tracks: two angles a satellite, common to its plots, walking slowly.

The error ``b`` of all sensors (two axes each, in units of the sigma ``s`` that its reports tell; first-order
Gauss-Markov) is one small state with covariance ``B``. Given ``b``, tracks are independent of each other, so that the
joint filter comes apart into one small filter for ``b`` and one a track (Friedland 1969, IEEE Trans. AC-14, 359-367;
exact for an error that stands still)::

    G = C B^-1      P|b = P - G C'                                        a track at given errors
    U = H G + s E   S = H P|b H' + R      K = P|b H' S^-1                 E picks the columns of the sensor
    B <- (B^-1 + sum U' S^-1 U)^-1        db = B sum U' S^-1 (z - h - s b)
    x <- x + K (z - h - s b) + G db       G <- G - K U      P|b <- P|b - K S K'      P = P|b + G B G'      C = G B

The sums run over the plots of live tracks. One target seen by several satellites tells what their errors differ by.
What they have in common, a shift of all they see, is told by landmarks, places known beforehand that show as plots,
and by stars (`sky`). A star lies at no distance: it shows the error of the attitude alone, not that of the satellite's
place over the range, which is part of ``b`` for targets. The difference ``a`` of the two (with the error of the
catalogue) is a state of its own, two numbers a sensor, that goes with ``b`` as a landmark does: what stars cannot tell
stays unknown.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from lookdown.geo.earth import geodetic_to_ecef
from lookdown.ground.associate import assign, gate_pairs
from lookdown.ground.filter import innovation_covariance
from lookdown.ground.measure import Look, PredictedSights, common_sigma, predict_sights
from lookdown.ground.parameters import Parameters
from lookdown.ground.sky import catalogue, find_stars, part_of
from lookdown.kernels.correct import correct
from lookdown.kernels.fold import fold
from lookdown.kernels.learn import learn
from lookdown.wire.messages import Float

Int = NDArray[np.int64]
Tracks = tuple[Float, Float, Float]  # state, covariance, and covariance with the errors

_NEVER_MISSED = 1e6  # any plot in the gate of a landmark is better than none
_KNOWN = 0.5  # of the sigma told beforehand: an error known better than that is worth telling
_NOTE_NS = 1_000_000_000
_CHANGED = 1.5  # a sigma that a satellite changes by more is that of another error


@dataclass(frozen=True, slots=True, eq=False)
class Foreseen:
    """Where a sensor should see tracks, all errors allowed for.

    Attributes
    ----------
    tangent : ndarray of float64, shape (n, 2)
        Tangents at which it will see them, its pointing error as it is known allowed for [1].
    jacobian : ndarray of float64, shape (n, 2, 6)
        Derivative of ``tangent`` by (position, velocity) [1/m, s/m].
    visible : ndarray of bool, shape (n,)
        In front of the sensor and not behind the Earth.
    sigma : ndarray of float64, shape (n,)
        One sigma of the error that all plots of the sensor share [rad].
    spread : ndarray of float64, shape (n, 2, 2)
        Covariance of ``tangent`` about a noiseless plot.
    """

    tangent: Float
    jacobian: Float
    visible: NDArray[np.bool_]
    sigma: Float
    spread: Float

    @classmethod
    def of(cls, tracks: Tracks, look: Look, sensor: int, pointing: "Pointing") -> "Foreseen":
        """Foresee what a report should hold of tracks (state, covariance, cross covariance)."""
        state, covariance, cross = tracks
        predicted = predict_sights(state, look)
        sigma = common_sigma(look.report.state, predicted.range_m)
        spread = innovation_covariance(covariance, cross, predicted, sensor, sigma, pointing.common(sensor))
        tangent = pointing.shifted(predicted, sensor, sigma)
        return cls(tangent, predicted.jacobian, predicted.visible, sigma, spread)

    def take(self, rows: Int) -> "Foreseen":
        """Return copies of some rows."""
        about = self.sigma[rows], self.spread[rows]
        return Foreseen(self.tangent[rows], self.jacobian[rows], self.visible[rows], *about)


class Told(IntEnum):
    """What a pointing error was learnt from."""

    TRACKS = 0
    LANDMARKS = 1
    STARS = 2


@dataclass(frozen=True, slots=True)
class PointingError:
    """What is known of the pointing error of a sensor.

    Attributes
    ----------
    sensor_id : int
        Whose it is.
    x_rad, y_rad : float
        By how much its plots lie off in tangents, nearly an angle [rad].
    sigma_x_rad, sigma_y_rad : float
        One sigma of each [rad].
    stated_rad : float
        One sigma that the sensor's reports state beforehand [rad].
    plots_of_tracks, plots_of_landmarks, plots_of_stars : int
        Plots of the sensor that it was learnt from.
    """

    sensor_id: int
    x_rad: float
    y_rad: float
    sigma_x_rad: float
    sigma_y_rad: float
    stated_rad: float = 0.0
    plots_of_tracks: int = 0
    plots_of_landmarks: int = 0
    plots_of_stars: int = 0

    def __str__(self) -> str:
        x, y, sigma_x, sigma_y = (1e6 * v for v in (self.x_rad, self.y_rad, self.sigma_x_rad, self.sigma_y_rad))
        both = f"x {x:+.1f} +- {sigma_x:.1f}, y {y:+.1f} +- {sigma_y:.1f}"
        return f"sensor {self.sensor_id} points off, {both} microradians, by {self.sources}"

    @property
    def sources(self) -> str:
        """What told it, such as ``tracks and stars``."""
        counts = {"tracks": self.plots_of_tracks, "landmarks": self.plots_of_landmarks, "stars": self.plots_of_stars}
        return " and ".join(name for name, count in counts.items() if count) or "its reports"

    @property
    def is_known(self) -> bool:
        """Whether it is known better than its sigma stated beforehand, by half."""
        return self.stated_rad > 0.0 and max(self.sigma_x_rad, self.sigma_y_rad) < _KNOWN * self.stated_rad


class Pointing:
    """Pointing errors of all sensors.

    Parameters
    ----------
    parameters : Parameters
        ``sensors``, ``landmarks``, ``stars``, ``pointing_correlation_s``.

    Attributes
    ----------
    mean : ndarray of float64, shape (2 m,)
        Errors, in units of the sigma of each sensor.
    covariance : ndarray of float64, shape (2 m, 2 m)
        Of ``mean``.
    sigma_rad : ndarray of float64, shape (m,)
        The sigma that each sensor told last; 0 before [rad].
    landmarks : tuple of ndarray of float64, shapes (k, 6), (k, 6, 6) and (k, 6, 2 m)
        State, covariance and cross covariance of the landmarks, tracks that stand: the error of a landmark's place is
        the same from look to look and must not average out. With stars ``m`` rows more, one a sensor, whose first two
        numbers are what its stars do not tell of its error.
    used : ndarray of int64, shape (m, 3)
        Plots of each sensor that told of its error, by `Told`.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        m = len(parameters.sensors)
        self.mean, self.covariance, self.sigma_rad = np.zeros(2 * m), np.eye(2 * m), np.zeros(m)
        self._unit = np.eye(2 * m)
        places = [(np.radians(p.latitude_deg), np.radians(p.longitude_deg), p.height_m) for p in parameters.landmarks]
        places_m = np.array([geodetic_to_ecef(*place) for place in places]).reshape(-1, 3)
        self._n_landmarks = len(places)
        size = len(places) + (m if parameters.has_stars else 0)
        self.used = np.zeros((m, len(Told)), np.int64)
        self._noted_ns = np.zeros(m, np.int64)
        self.landmarks: Tracks = np.zeros((size, 6)), np.zeros((size, 6, 6)), np.zeros((size, 6, 2 * m))
        self.landmarks[0][: len(places), :3] = places_m
        for row, place in enumerate(parameters.landmarks):
            self.landmarks[1][row, [0, 1, 2], [0, 1, 2]] = place.sigma_m**2
        # What stars do not tell, beforehand: covariance and cross covariance of each sensor, once it has reported.
        self._untold = np.zeros((size - len(places), 6, 6)), np.zeros((size - len(places), 6, 2 * m))

    def copy(self) -> "Pointing":
        """Return the same state, for itself."""
        twin = Pointing(self._parameters)
        twin.mean, twin.covariance = self.mean.copy(), self.covariance.copy()
        twin.sigma_rad = self.sigma_rad.copy()
        state, covariance, cross = self.landmarks
        twin.landmarks = state.copy(), covariance.copy(), cross.copy()
        twin._untold = self._untold[0].copy(), self._untold[1].copy()
        twin.used, twin._noted_ns = self.used.copy(), self._noted_ns.copy()
        return twin

    def predict(self, dt_s: float) -> None:
        """Let the errors walk for a time."""
        fade = float(np.exp(-dt_s / self._parameters.pointing_correlation_s))
        self.mean *= fade
        state, covariance, cross = self.landmarks
        cross *= fade
        if len(self._untold[0]):
            sky = slice(self._n_landmarks, None)
            state[sky] *= fade
            covariance[sky] *= fade * fade
            covariance[sky] += (1.0 - fade * fade) * self._untold[0]
            cross[sky] *= fade
            cross[sky] += (1.0 - fade * fade) * self._untold[1]
        self.covariance *= fade * fade
        self.covariance += (1.0 - fade * fade) * self._unit

    def renewed(self, sensor: int, sigma_rad: float, attitude_rad: float = np.inf) -> bool:
        """Note the sigma that a sensor tells; whether its error must be taken for another one, and was forgotten.

        ``attitude_rad`` is the part of ``sigma_rad`` that stars show, too.
        """
        before, self.sigma_rad[sensor] = self.sigma_rad[sensor], sigma_rad
        if before > 0.0 and before / _CHANGED <= sigma_rad <= before * _CHANGED:
            return False
        if len(self._untold[0]):
            self._begin_sky(sensor, sigma_rad, attitude_rad)
        if before == 0.0:
            return False
        own = slice(2 * sensor, 2 * sensor + 2)
        self.mean[own], self.covariance[own], self.covariance[:, own] = 0.0, 0.0, 0.0
        self.covariance[own, own] = np.eye(2)
        self.landmarks[2][: self._n_landmarks, :, own] = 0.0
        self.used[sensor] = 0
        return True

    def _begin_sky(self, sensor: int, sigma_rad: float, attitude_rad: float) -> None:
        """Set what the stars of a sensor do not tell of its error to what is known of it beforehand."""
        place2 = max(sigma_rad**2 - attitude_rad**2, 0.0)
        covariance, cross = self._untold
        covariance[sensor, [0, 1], [0, 1]] = place2 + self._parameters.star_sigma_rad**2
        cross[sensor, [0, 1], [2 * sensor, 2 * sensor + 1]] = -place2 / max(sigma_rad, 1e-12)
        row = self._n_landmarks + sensor
        self.landmarks[0][row], self.landmarks[1][row] = 0.0, covariance[sensor]
        self.landmarks[2][row] = cross[sensor]

    def shifted(self, predicted: PredictedSights, sensor: int, sigma: Float) -> Float:
        """Tangents at which a sensor will see targets, its error allowed for, shape (n, 2)."""
        return np.asarray(predicted.tangent + sigma[:, None] * self.mean[2 * sensor : 2 * sensor + 2], np.float64)

    def common(self, sensor: int) -> Float:
        """Covariance of the error of one sensor, shape (2, 2)."""
        return self.covariance[2 * sensor : 2 * sensor + 2, 2 * sensor : 2 * sensor + 2]

    def _separate(self, *tracks: Tracks) -> Float:
        """Turn covariances of tracks (state, covariance, cross) into those at given errors, cross into ``G``; B^-1."""
        inverse = _inverse(self.covariance)
        for _, covariance, cross in tracks:
            if len(cross):
                fold(inverse, -1.0, cross.copy(), covariance, cross)
        return inverse

    def _join(self, shift: Float, *tracks: Tracks) -> None:
        """Undo `_separate`, now that the errors are known to have been off by ``shift``, shape (2 m,)."""
        for state, covariance, cross in tracks:
            if len(cross):
                state += cross @ shift
                fold(self.covariance, 1.0, cross.copy(), covariance, cross)

    def take(
        self,
        fed: Tracks,
        others: tuple[Tracks, ...],
        rows: Int,
        sure: NDArray[np.bool_],
        sensor: int,
        sigma: Float,
        jacobian: Float,
        innovation: Float,
        noise: Float,
        told: Told = Told.TRACKS,
    ) -> None:
        """Correct tracks by plots of one report, and the errors with them.

        Parameters
        ----------
        fed : tuple of ndarray
            State, covariance and cross covariance of the tracks; changed in place.
        others : tuple of such tuples
            All that hangs on the same errors; moved in place by what is learnt of these.
        rows : ndarray of int64, shape (q,)
            Tracks that have a plot.
        sure : ndarray of bool, shape (q,)
            Those of them from which the errors are learnt: a tentative track may be none.
        sensor : int
            Whose report.
        sigma : ndarray of float64, shape (q,)
            One sigma of the error of the sensor [rad].
        jacobian, innovation, noise : ndarray of float64, shapes (q, 2, e), (q, 2) and (q, 2, 2)
            Of the plots; innovations from `shifted`, noise of the centroids.
        told : Told
            What the plots are of; counted in ``used`` but for stars, whose plots come as one.
        """
        own = 2 * sensor
        if told != Told.STARS:
            self.used[sensor, told] += int(np.count_nonzero(sure))
        inverse, m = self._separate(fed, *others), self.mean.size
        total, scratch = np.empty((len(rows), 2, 2)), np.empty((2, m))
        information, shift = np.empty((m, m)), np.zeros(m)
        tells = np.ascontiguousarray(sure).view(np.uint8)
        plots = rows, tells, jacobian, own, sigma, innovation, noise
        learn(*plots, fed[1], fed[2], scratch, total, information, shift)
        if sure.any():
            self.covariance = _inverse(inverse + information)
            shift = self.covariance @ shift
            self.mean += shift
        correct(rows, jacobian, own, sigma, True, innovation, total, *fed)
        self._join(shift, fed, *others)

    def take_landmarks(self, look: Look, sensor: int, gate_probability: float, others: tuple[Tracks, ...]) -> Int:
        """Learn from the landmarks in a report; the plots that are theirs, shape (q,)."""
        state, field = look.report.state, self._parameters.sensors[sensor]
        places, covariance, cross = (part[: self._n_landmarks] for part in self.landmarks)
        ahead = Foreseen.of((places, covariance, cross), look, sensor, self)
        half = np.array([field.cols, field.rows]) * 0.5 * state.ifov_rad
        use = ahead.visible & (np.abs(ahead.tangent) < half).all(axis=1)
        gate = float(chdtri(2, 1.0 - gate_probability))
        pairs = gate_pairs(ahead.tangent, ahead.spread, use, look.tangent, look.noise, gate, 0.0)
        plot_of, _ = assign(pairs, np.ones(len(use), np.bool_), -_NEVER_MISSED, tentative_share=False)
        rows = np.flatnonzero(plot_of >= 0)
        plots = plot_of[rows]
        if rows.size:
            sure, innovation = np.ones(rows.size, np.bool_), look.tangent[plots] - ahead.tangent[rows]
            args = rows, sure, sensor, ahead.sigma[rows], ahead.jacobian[rows], innovation, look.noise[plots]
            self.take(self.landmarks, others, *args, Told.LANDMARKS)
        return plots

    def take_stars(self, look: Look, sensor: int, space: NDArray[Any], others: tuple[Tracks, ...]) -> int:
        """Learn from plots that look into space, (SIGHT_DTYPE); how many are stars."""
        parameters, field, own = self._parameters, self._parameters.sensors[sensor], 2 * sensor
        known = catalogue(parameters.stars, parameters.star_catalogue)
        row, sigma = self._n_landmarks + sensor, float(self.sigma_rad[sensor])
        (untold, covariance, cross) = (part[row] for part in self.landmarks)
        both = sigma * cross[:2, own : own + 2]
        spread = covariance[:2, :2] + both + both.T + sigma**2 * self.common(sensor)
        shift = untold[:2] + sigma * self.mean[own : own + 2]
        half = np.array([field.cols, field.rows]) * 0.5 * look.report.state.ifov_rad
        stars = part_of(look, space, parameters.centroid_floor_px)
        found = find_stars(known, stars, half, shift, spread, parameters.gate_probability)
        if found is None:
            return 0
        jacobian = np.zeros((1, 2, 6))
        jacobian[0, [0, 1], [0, 1]] = 1.0
        args = np.array([row]), np.ones(1, np.bool_), sensor, np.array([sigma]), jacobian
        self.take(self.landmarks, others, *args, found.away[None], found.noise[None], Told.STARS)
        self.used[sensor, Told.STARS] += len(found.plots)
        return len(found.plots)

    def removed(self, look: Look, sensor: int) -> tuple[Look, float]:
        """Take the known part of the error out of a report; how much of its sigma is left."""
        own = slice(2 * sensor, 2 * sensor + 2)
        left = float(np.sqrt(np.diagonal(self.covariance[own, own]).max()))
        report = look.report
        sights, state = report.sights.copy(), report.state
        for name, off in zip("xy", (self.sigma_rad[sensor] * self.mean[own]).tolist(), strict=True):
            sights[name] -= off
        state = replace(state, pointing_sigma_rad=left * state.pointing_sigma_rad)
        return Look.of(replace(report, sights=sights, state=state), self._parameters.centroid_floor_px), left

    def born(self, state: Float, covariance: Float, parts: list[tuple[int, float, Float]]) -> Float:
        """Make new tracks, started from reports that `removed` made, part of the joint state.

        Parameters
        ----------
        state, covariance : ndarray of float64, shapes (k, 6) and (k, 6, 6)
            Of the tracks; the covariance is changed in place.
        parts : list of (int, float, ndarray of float64)
            Sensor, what was left of its sigma, and the covariance of ``state`` with that error, shape (k, 6, 2).

        Returns
        -------
        ndarray of float64, shape (k, 6, 2 m)
            Covariance of ``state`` with all errors.
        """
        cross = np.zeros((len(state), 6, self.mean.size))
        for sensor, left, shared in parts:
            covariance -= shared @ shared.transpose(0, 2, 1)
            cross[:, :, 2 * sensor : 2 * sensor + 2] = shared / left
        self._join(np.zeros_like(self.mean), (state, covariance, cross))
        return cross

    def of(self, sensor: int) -> PointingError:
        """Error of one sensor as it is known now."""
        unit, own = float(self.sigma_rad[sensor]), slice(2 * sensor, 2 * sensor + 2)
        x, y = (unit * self.mean[own]).tolist()
        sigma_x, sigma_y = (unit * np.sqrt(np.diagonal(self.covariance)[own])).tolist()
        name = self._parameters.sensors[sensor].sensor_id
        return PointingError(name, x, y, sigma_x, sigma_y, unit, *self.used[sensor].tolist())

    def note(self, sensor: int, time_ns: int) -> PointingError | None:
        """Error of a sensor whose report was fused, once a second of data time."""
        if time_ns < self._noted_ns[sensor] + _NOTE_NS:
            return None
        self._noted_ns[sensor] = time_ns
        return self.of(sensor)

    def all(self) -> list[PointingError]:
        """Errors of all sensors that have told a sigma, as they are known now."""
        return [self.of(sensor) for sensor in np.flatnonzero(self.sigma_rad > 0.0).tolist()]

    def knows(self, sensor: int) -> bool:
        """Whether the error of a sensor is known better than it was beforehand."""
        x, y = self.covariance[2 * sensor, 2 * sensor], self.covariance[2 * sensor + 1, 2 * sensor + 1]
        return bool(self.sigma_rad[sensor] > 0.0 and max(x, y) < _KNOWN**2)

    def known(self) -> list[PointingError]:
        """Errors that are known better than they were beforehand."""
        return [error for error in self.all() if error.is_known]


def _inverse(matrix: Float) -> Float:
    inverse = np.linalg.inv(matrix)
    return np.asarray(0.5 * (inverse + inverse.T), np.float64)
