r"""Live tracks carried by several models of motion at once (Blom, Bar-Shalom 1988), pointing errors beside them.

Where a model with drag would have to integrate states of which so little is known that the drag alone could stop the
mover within the step (a first plot of a radar without height, a speed of 3 km/s more or less), it moves them level.

The table of tracks holds what each model knows (`TrackTable.mode_state` ...) beside the estimate of all. A prediction
mixes the models and moves each by its equations with the unscented transform (`forecast`); a plot corrects each by the
extended filter, whose Jacobian of a sight is exact to a part in 10^4 at these ranges, so that the covariance with the
pointing errors goes through it as for a single model. Weights, moments and models are those of `multiple`.
"""

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M, ecef_to_geodetic, height_m
from lookdown.ground.multiple import MODELS, Model, Motion, transition
from lookdown.ground.parameters import MOTIONS, Parameters
from lookdown.ground.tracks import MODE_STATES, Int, TrackTable
from lookdown.kernels.correct import correct
from lookdown.kernels.forecast import forecast
from lookdown.kernels.moments import match_moments
from lookdown.wire.messages import Float

_CUBATURE = (1.0, 0.0, 0.0)
_LEAST = 1e-12  # of a model's probability, so that none dies for good
_TURN_SIGMA_RAD_S = 0.02  # of a turn of which nothing is known
_DRAG_1_M = 1e-4, 1e-4  # of a drag of which nothing is known, mean and sigma
_POINTS = 8.0**0.5  # sigmas at which the unscented transform of eight numbers looks
_MOST_DRAG = 0.5  # of its speed that a mover may lose in a step by drag, at those points
_AIR_SCALE_M = 7000.0  # scale height of the density of air, as in kernels/motion.pxd
_TERRAIN_SIGMA_M = 300.0  # of the ground over the ellipsoid, geoid and relief together

NAMED: dict[str, Model] = dict(zip(MOTIONS, MODELS, strict=True))
"""Models of motion by the names that `Parameters.motions` takes."""


class Modes:
    """Predicts and weighs the models of the tracks of a table.

    Parameters
    ----------
    parameters : Parameters
        ``model``, ``motions``, ``pointing_correlation_s``.

    Attributes
    ----------
    models : tuple of Model
        None with a single constant velocity.
    refused : int
        Predictions of single models left out, because a covariance was not positive definite.
    """

    def __init__(self, parameters: Parameters) -> None:
        several = parameters.model == "multiple"
        self.models = tuple(NAMED[name] for name in parameters.motions) if several else ()
        self._parameters = parameters
        self.refused = 0

    def begin(self, table: TrackTable) -> None:
        """Give every model of new tracks what the tracks know."""
        if not self.models:
            return
        table.mode_share[:] = 1.0 / len(self.models)
        table.mode_state[:, :, :6], table.mode_state[:, :, 7] = table.state[:, None], _DRAG_1_M[0]
        table.mode_covariance[:, :, :6, :6] = table.covariance[:, None]
        table.mode_covariance[:, :, 6, 6] = _TURN_SIGMA_RAD_S**2
        table.mode_covariance[:, :, 7, 7] = _DRAG_1_M[1] ** 2
        table.mode_cross[:, :, :6] = table.cross[:, None]

    def predict(self, table: TrackTable, dt_s: float) -> None:
        """Move tracks ``dt_s`` ahead, in place."""
        if not self.models:
            table.predict(dt_s, self._parameters)
            return
        if dt_s == 0.0 or not len(table):
            return
        if len(self.models) > 1:
            self._mix(table, dt_s)
        fade = float(np.exp(-dt_s / self._parameters.pointing_correlation_s))
        table.mode_cross[:, :, :3] += dt_s * table.mode_cross[:, :, 3:6]
        table.mode_cross *= fade
        for index, model in enumerate(self.models):
            state, covariance = table.mode_state[:, index].copy(), table.mode_covariance[:, index].copy()
            wild = np.zeros(0, np.int64)
            if model.motion == Motion.GLIDE:
                wild = np.flatnonzero(_braked(state, covariance, dt_s) > _MOST_DRAG)
                level = state[wild], covariance[wild]
                state[wild], covariance[wild] = 0.0, np.eye(MODE_STATES)
                state[wild, 0] = 2.0 * SEMI_MAJOR_AXIS_M  # far out, where there is no air
            noises = model.turn_noise_rad2_s3, _TURN_SIGMA_RAD_S, model.drag_noise_m2_s, _CUBATURE
            self.refused += forecast(int(model.motion), dt_s, model.noise_m2_s3, *noises, state, covariance)
            if wild.size:
                noise = max(model.noise_m2_s3, self._parameters.process_noise_m2_s3)
                self.refused += forecast(int(Motion.LEVEL), dt_s, noise, *noises, *level)
                state[wild], covariance[wild] = level
                table.mode_cross[wild, index, 6] = 0.0
            if model.motion in (Motion.LEVEL, Motion.BALLISTIC):
                table.mode_cross[:, index, 6] = 0.0  # the rate of turn is drawn anew
            if model.motion == Motion.SURFACE:
                self._stand_on_ground(table, index, state, covariance)
            table.mode_state[:, index], table.mode_covariance[:, index] = state, covariance
        self.blend(table)

    def weigh(self, table: TrackTable, rows: Int, log_likelihood: Float) -> None:
        """Bring the probabilities of models up to date by the log-likelihoods of plots, shape (q, models)."""
        chance = table.mode_share[rows] * np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        share = np.maximum(chance / chance.sum(axis=1, keepdims=True), _LEAST)
        table.mode_share[rows] = share / share.sum(axis=1, keepdims=True)

    def blend(self, table: TrackTable) -> None:
        """Make one estimate of the models of each track."""
        n, models = table.mode_share.shape
        if not n:
            return
        _, (states, covariances, _) = table.bundles
        state, covariance = np.empty((n, MODE_STATES)), np.empty((n, MODE_STATES, MODE_STATES))
        start, share = np.arange(0, n * models + 1, models), table.mode_share
        match_moments(start, np.arange(n * models), np.ravel(share).copy(), states, covariances, state, covariance)
        table.state[:], table.covariance[:] = state[:, :6], covariance[:, :6, :6]
        table.cross[:] = np.einsum("nm,nmab->nab", share, table.mode_cross[:, :, :6])

    def _mix(self, table: TrackTable, dt_s: float) -> None:
        """Let the models of each track exchange what they know."""
        n, models = table.mode_share.shape
        joint = transition(self.models, dt_s)[None] * table.mode_share[:, :, None]
        reached = joint.sum(axis=1)
        weight = np.ascontiguousarray((joint / reached[:, None]).transpose(0, 2, 1))  # [track, new model, old model]
        _, (states, covariances, crosses) = table.bundles
        size, start = n * models, np.arange(0, n * models * models + 1, models)
        which = np.repeat(np.arange(size).reshape(n, models), models, axis=0).ravel()
        state, covariance = np.empty_like(states), np.empty_like(covariances)
        match_moments(start, which, weight.ravel(), states, covariances, state, covariance)
        cross = weight @ crosses.reshape(n, models, -1)
        states[:], covariances[:], crosses[:] = state, covariance, cross.reshape(crosses.shape)
        share = np.maximum(reached, _LEAST)
        table.mode_share = share / share.sum(axis=1, keepdims=True)

    def _stand_on_ground(self, table: TrackTable, index: int, state: Float, covariance: Float) -> None:
        """Correct a model of the surface by the ground's height and slope; without terrain by the ellipsoid."""
        parameters, jacobian = self._parameters, np.zeros((len(state), 1, MODE_STATES))
        if parameters.terrain is None:
            lat, lon, over_m = ecef_to_geodetic(state[:, :3])
            jacobian[:, 0, :3], sigma_m = up_at(lat, lon), _TERRAIN_SIGMA_M
        else:
            ground_m, jacobian[:, 0, :3] = parameters.ground.under(state[:, :3])
            over_m, sigma_m = height_m(state[:, :3]) - ground_m, parameters.terrain_sigma_m
        spread = jacobian @ covariance @ jacobian.transpose(0, 2, 1) + sigma_m**2
        cross, rows, none = table.mode_cross[:, index].copy(), np.arange(len(state)), np.zeros(len(state))
        correct(rows, jacobian, -1, none, False, -over_m[:, None].copy(), spread, state, covariance, cross)
        table.mode_cross[:, index] = cross


def _braked(state: Float, covariance: Float, dt_s: float) -> Float:
    """Share of its speed that a mover could lose by drag in a step, at the points of the unscented transform."""
    position, speed = state[:, :3], np.linalg.norm(state[:, 3:6], axis=1)
    up = position / np.linalg.norm(position, axis=1, keepdims=True)
    sigma_height = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", up, covariance[:, :3, :3], up), 0.0))
    sigma_speed = np.sqrt(np.maximum(np.trace(covariance[:, 3:6, 3:6], axis1=1, axis2=2) / 3.0, 0.0))
    drag = np.abs(state[:, 7]) + _POINTS * np.sqrt(np.maximum(covariance[:, 7, 7], 0.0))
    lowest_m = height_m(position) - _POINTS * sigma_height
    density = np.exp(np.minimum(-lowest_m / _AIR_SCALE_M, 50.0))
    return np.asarray(drag * density * (speed + _POINTS * sigma_speed) * dt_s, np.float64)


def up_at(lat_rad: NDArray[np.float64], lon_rad: NDArray[np.float64]) -> Float:
    """Return unit vectors away from the ellipsoid, ECEF, shape (n, 3)."""
    return np.stack(
        [np.cos(lat_rad) * np.cos(lon_rad), np.cos(lat_rad) * np.sin(lon_rad), np.sin(lat_rad)], axis=1
    ).astype(np.float64)
