r"""Interacting multiple models (Blom, Bar-Shalom 1988): a track that may fly level, turn, fall, glide or drive.

Each track is carried by every model at once. Before a step the models exchange what they know, by the chance that a
mover passes from one to another,

.. math:: w_{i|j} = \pi_{ij} \mu_i / c_j, \quad c_j = \sum_i \pi_{ij} \mu_i,

each moves its mixture on (`forecast`), each is corrected by the plot (`revise`), and their probabilities follow the
likelihood of the plot, :math:`\mu_j \propto c_j L_j`. The estimate is the mean of all (Bar-Shalom, Li, Kirubarajan
2001, 11.6.6). Batched over tracks: model by model, one call of a kernel for all tracks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.kernels.forecast import forecast
from lookdown.kernels.moments import match_moments
from lookdown.kernels.revise import revise
from lookdown.wire.messages import Float

Int = NDArray[np.int64]

_CUBATURE = (1.0, 0.0, 0.0)
_LEAST = 1e-12  # of a model's probability, so that none dies for good
_NO_SENSOR = np.zeros(15)
STATES = 8


class Motion(IntEnum):
    """How a mover moves; `kernels/motion.pxd` has the equations."""

    LEVEL = 0
    TURN = 1
    BALLISTIC = 2
    GLIDE = 3
    SURFACE = 4


class Kind(IntEnum):
    """What was measured; `kernels.revise` has the equations."""

    SIGHT = 0
    RADAR = 1
    HEIGHT = 2


@dataclass(frozen=True)
class Model:
    """One model of motion.

    Attributes
    ----------
    motion : Motion
        Its equations.
    noise_m2_s3 : float
        Spectral density of the acceleration, each axis.
    turn_noise_rad2_s3 : float
        Of the walk of the rate of turn.
    drag_noise_m2_s : float
        Of the walk of the drag [1/(m^2 s)].
    sojourn_s : float
        Mean time for which a mover stays with it [s].
    taken_up : float
        How often a mover that leaves another model takes it up, in proportion to that of the rest [1].
    """

    motion: Motion
    noise_m2_s3: float
    turn_noise_rad2_s3: float = 1e-7
    drag_noise_m2_s: float = 1e-12
    sojourn_s: float = 30.0
    taken_up: float = 1.0

    def __post_init__(self) -> None:
        if not (self.sojourn_s > 0.0 and self.taken_up > 0.0 and self.noise_m2_s3 >= 0.0):
            raise ValueError(f"model: wanted sojourn_s and taken_up above 0 and noise of 0 or more, got {self}")


MODELS = (
    Model(Motion.LEVEL, 1.0, sojourn_s=10.0, taken_up=0.05),
    Model(Motion.TURN, 3.0, turn_noise_rad2_s3=1e-6, sojourn_s=10.0, taken_up=0.05),
    Model(Motion.BALLISTIC, 1.0, sojourn_s=10.0, taken_up=0.05),
    Model(Motion.SURFACE, 3.0, turn_noise_rad2_s3=1e-6, sojourn_s=10.0, taken_up=0.05),
    Model(Motion.GLIDE, 0.3, turn_noise_rad2_s3=1e-9, drag_noise_m2_s=1e-14, sojourn_s=60.0),
    Model(Motion.GLIDE, 3.0, turn_noise_rad2_s3=1e-4, drag_noise_m2_s=1e-14, sojourn_s=15.0),
)
"""All motions; a glide that is steady and one that turns, which share the rest of what they know."""


@dataclass(frozen=True)
class Sensor:
    """Where a measurement was made.

    Attributes
    ----------
    position_m, velocity_m_s : ndarray of float64, shape (3,)
        ECEF.
    axes : ndarray of float64, shape (3, 3)
        Sensor axes in ECEF as columns; of a radar east, north and up.
    turn_rad_s : float
        Rate of the Earth, whose turn during the time of light is allowed for; 0 to leave it out.
    """

    position_m: Float
    velocity_m_s: Float
    axes: Float
    turn_rad_s: float = 0.0

    @property
    def frame(self) -> Float:
        """The fifteen numbers that `revise` wants."""
        return np.concatenate([self.position_m, np.ravel(self.axes), self.velocity_m_s]).astype(np.float64)


def transition(models: tuple[Model, ...], dt_s: float) -> Float:
    """Chance that a mover passes from one model to another within a time, shape (models, models), two or more."""
    leave = np.array([1.0 / model.sojourn_s for model in models])
    others = np.array([model.taken_up for model in models]) * (1.0 - np.eye(len(models)))
    rate = leave[:, None] * (others / others.sum(axis=1, keepdims=True) - np.eye(len(models)))
    return np.asarray(expm(rate * dt_s), np.float64)


class MultipleModels:
    """Tracks that are each carried by several models.

    Parameters
    ----------
    models : tuple of Model
        At least one; with one it is a plain unscented filter.
    state : ndarray of float64, shape (n, 6)
        First estimate, position [m] and velocity [m/s], ECEF.
    covariance : ndarray of float64, shape (n, 6, 6)
        Of ``state``.
    turn_sigma_rad_s : float
        Of a turn of which nothing is known.
    drag : tuple of two float
        Drag at sea level of which nothing is known, ``rho_0 C_d A / (2 m)``: mean and sigma [1/m].
    terrain : callable, optional
        Heights of the ground over the ellipsoid [m], shape (n,), under positions [m], shape (n, 3); 0 if not given.
        Only models of the surface ask for it.
    terrain_sigma_m : float
        How far a mover on the ground may be from it.

    Attributes
    ----------
    probability : ndarray of float64, shape (models, n)
        Of each model, sum 1 over models.
    states, covariances : ndarray of float64, shapes (models, n, 8) and (models, n, 8, 8)
        Position, velocity, rate of turn [rad/s] and drag [1/m] by each model.
    refused : int
        Corrections and forecasts of single models left out, because a covariance was not positive definite or a
        target not in front of the sensor.

    Raises
    ------
    ValueError
        If there is no model or the arrays do not fit each other.
    """

    def __init__(
        self,
        models: tuple[Model, ...],
        state: Float,
        covariance: Float,
        *,
        turn_sigma_rad_s: float = 0.02,
        drag: tuple[float, float] = (1e-4, 1e-4),
        terrain: Callable[[Float], Float] | None = None,
        terrain_sigma_m: float = 30.0,
    ) -> None:
        n = len(state)
        if not models or state.shape != (n, 6) or covariance.shape != (n, 6, 6):
            raise ValueError(
                f"wanted one model or more, state (n, 6) and covariance (n, 6, 6), got {len(models)} models, "
                f"{state.shape} and {covariance.shape}"
            )
        self._models, self._terrain, self._terrain_sigma_m = models, terrain, terrain_sigma_m
        self._turn_sigma_rad_s = turn_sigma_rad_s
        one, spread = np.zeros((n, STATES)), np.zeros((n, STATES, STATES))
        one[:, :6], one[:, 7] = state, drag[0]
        spread[:, :6, :6], spread[:, 6, 6], spread[:, 7, 7] = covariance, turn_sigma_rad_s**2, drag[1] ** 2
        self.probability = np.full((len(models), n), 1.0 / len(models))
        self.states, self.covariances = np.tile(one, (len(models), 1, 1)), np.tile(spread, (len(models), 1, 1, 1))
        self.refused = 0

    def predict(self, dt_s: float) -> None:
        """Let the models exchange what they know and move on by ``dt_s``, 0 to 1000 [s]."""
        if dt_s == 0.0 or not self.states.shape[1]:
            return
        if len(self._models) > 1:
            self._mix(dt_s)
        for index, model in enumerate(self._models):
            self.refused += forecast(
                int(model.motion),
                dt_s,
                model.noise_m2_s3,
                model.turn_noise_rad2_s3,
                self._turn_sigma_rad_s,
                model.drag_noise_m2_s,
                _CUBATURE,
                self.states[index],
                self.covariances[index],
            )
            if model.motion == Motion.SURFACE:
                self._stand_on_ground(index)

    def correct(self, kind: Kind, sensor: Sensor, rows: Int, measured: Float, noise: Float) -> Float:
        """Correct tracks, each with its own plot.

        Parameters
        ----------
        kind : Kind
            What was measured.
        sensor : Sensor
            Where.
        rows : ndarray of int64, shape (q,)
            Which tracks, each at most once.
        measured : ndarray of float64, shape (q, d)
            As in `kernels.revise`.
        noise : ndarray of float64, shape (q, d, d)
            Covariance of each.

        Returns
        -------
        ndarray of float64, shape (q,)
            Log-likelihood of each plot, all models weighed; -1e300 where none could use it.
        """
        likelihood = np.empty((len(self._models), len(rows)))
        plots, spread = np.ascontiguousarray(measured, np.float64), np.ascontiguousarray(noise, np.float64)
        for index, told in enumerate(likelihood):
            args = int(kind), sensor.frame, 1.0 / SPEED_OF_LIGHT_M_S, sensor.turn_rad_s, rows, _CUBATURE, plots, spread
            self.refused += revise(*args, self.states[index], self.covariances[index], told)
        best = likelihood.max(axis=0, initial=-1e300)
        chance = self.probability[:, rows] * np.exp(likelihood - best)
        total = chance.sum(axis=0)
        share = np.maximum(chance / total, _LEAST)
        self.probability[:, rows] = share / share.sum(axis=0)
        return np.asarray(best + np.log(total), np.float64)

    def estimate(self) -> tuple[Float, Float]:
        """State and covariance of each track, all models weighed; shapes (n, 8) and (n, 8, 8)."""
        models, n = self.probability.shape
        state, covariance = np.empty((n, STATES)), np.empty((n, STATES, STATES))
        which = np.arange(models * n).reshape(models, n).T
        self._blend(which, self.probability.T, state, covariance)
        return state, covariance

    def _blend(self, which: Int, weight: Float, state: Float, covariance: Float) -> None:
        """Make one state of each row of components."""
        start = np.arange(0, which.size + 1, which.shape[1])
        flat = self.states.reshape(-1, STATES), self.covariances.reshape(-1, STATES, STATES)
        match_moments(start, np.ravel(which), np.ravel(weight).copy(), *flat, state, covariance)

    def _mix(self, dt_s: float) -> None:
        models, n = self.probability.shape
        joint = transition(self._models, dt_s)[:, :, None] * self.probability[:, None, :]
        reached = np.maximum(joint.sum(axis=0), _LEAST)
        weight = joint / joint.sum(axis=0)
        which = np.broadcast_to(np.arange(models * n).reshape(models, n).T, (models, n, models))
        states, covariances = np.empty((models * n, STATES)), np.empty((models * n, STATES, STATES))
        self._blend(which.reshape(-1, models), weight.transpose(1, 2, 0).reshape(-1, models), states, covariances)
        self.states, self.covariances = states.reshape(self.states.shape), covariances.reshape(self.covariances.shape)
        self.probability = reached / reached.sum(axis=0)

    def _stand_on_ground(self, index: int) -> None:
        """Put the states of a model of the surface on the ground."""
        states = self.states[index]
        height = np.zeros(len(states)) if self._terrain is None else self._terrain(states[:, :3])
        rows, told = np.arange(len(states)), np.empty(len(states))
        noise = np.full((len(states), 1, 1), self._terrain_sigma_m**2)
        plots = np.ascontiguousarray(height, np.float64)[:, None]
        args = int(Kind.HEIGHT), _NO_SENSOR, 0.0, 0.0, rows, _CUBATURE, plots, noise
        self.refused += revise(*args, states, self.covariances[index], told)
