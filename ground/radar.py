r"""A radar's plots as positions: range, azimuth, elevation and range rate with their full covariance.

A plot is turned into the place that its echo left, in axes of the moment of reception, by the unscented transform of
its covariance (Julier, Uhlmann 2004), which keeps the bend of a far plot's spread, without bias to second order. Light
took :math:`\tau = R / c`, in which the Earth turned: the place in ECEF is

.. math:: z = o + A s + \tau\, \Omega \times z, \qquad z = p - \tau v,

so the plot measures :math:`[I, -\tau I]` of a track's state. The range rate is :math:`u \cdot (v - v_o)` with the unit
vector ``u`` to the target. Its error may go with that of the place, ``K = C R^-1``; less ``K z`` it is a measurement of
its own (Bar-Shalom, Li, Kirubarajan 2001, 7.5).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.ground.multiple import Sensor
from lookdown.wire.messages import Float


@dataclass(frozen=True, slots=True, eq=False)
class RadarScan:
    """Plots of one look as positions.

    Attributes
    ----------
    sensor : Sensor
        Where the radar was.
    position_m : ndarray of float64, shape (k, 3)
        Where the echoes left, ECEF [m]; nan where a plot cannot be used.
    covariance : ndarray of float64, shape (k, 3, 3)
        Of ``position_m`` [m^2].
    rate_m_s : ndarray of float64, shape (k,)
        Range rates [m/s].
    rate_variance_m2_s2 : ndarray of float64, shape (k,)
        Of their errors, less what goes with the position's.
    rate_of_position : ndarray of float64, shape (k, 3)
        How the rate's error goes with the position's, ``K`` [1/s].
    """

    sensor: Sensor
    position_m: Float
    covariance: Float
    rate_m_s: Float
    rate_variance_m2_s2: Float
    rate_of_position: Float

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "RadarScan":
        """Take some of the plots."""
        parts = self.position_m, self.covariance, self.rate_m_s, self.rate_variance_m2_s2, self.rate_of_position
        return RadarScan(self.sensor, *(np.ascontiguousarray(part[rows]) for part in parts))


def scan_of(sensor: Sensor, measured: Float, noise: Float) -> RadarScan:
    """Turn a radar's plots into positions.

    Parameters
    ----------
    sensor : Sensor
        Position, velocity and axes (east, north, up as columns) of the radar, ECEF.
    measured : ndarray of float64, shape (k, 4)
        Range [m], azimuth from north to east [rad], elevation [rad], range rate [m/s].
    noise : ndarray of float64, shape (k, 4, 4)
        Covariance of each plot.

    Returns
    -------
    RadarScan
        Positions; nan for a plot that is not finite, not in front of the radar or whose covariance is not positive
        definite.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """
    count = len(measured)
    if measured.shape != (count, 4) or noise.shape != (count, 4, 4):
        raise ValueError(
            f"measured and noise: wanted shapes (k, 4) and (k, 4, 4), got {measured.shape} and {noise.shape}; "
            "give range, azimuth, elevation and range rate"
        )
    good = np.isfinite(measured).all(axis=1) & np.isfinite(noise).all(axis=(1, 2)) & (measured[:, 0] > 0.0)
    tame = np.where(good[:, None, None], noise, np.eye(4))
    tame = 0.5 * (tame + tame.transpose(0, 2, 1))
    values, vectors = np.linalg.eigh(tame)
    good &= values[:, 0] > 0.0
    # Any root of the covariance will do: the points are spread along its eigenvectors.
    root = vectors * np.sqrt(4.0 * np.maximum(values, 0.0))[:, None, :]
    offsets = np.concatenate([root, -root], axis=2).transpose(0, 2, 1)
    points = np.where(good[:, None], measured, [1.0, 0.0, 0.0, 0.0])[:, None, :] + offsets
    places = _places(sensor, points)
    mean = places.mean(axis=1)
    away = places - mean[:, None, :]
    covariance = away.transpose(0, 2, 1) @ away / 8.0
    cross = np.einsum("kp,kpi->ki", offsets[:, :, 3], away) / 8.0
    safe = np.where(good[:, None, None], covariance, np.eye(3))
    gain = np.linalg.solve(safe, cross[:, :, None])[:, :, 0]
    variance = np.maximum(tame[:, 3, 3] - np.einsum("ki,ki->k", gain, cross), 1e-12)
    mean[~good] = np.nan
    return RadarScan(sensor, mean, covariance, np.array(measured[:, 3], np.float64), variance, gain)


def _places(sensor: Sensor, plots: Float) -> Float:
    """Find where echoes left, ECEF, shape (..., 3), of plots (..., 4)."""
    distance, azimuth, elevation = plots[..., 0], plots[..., 1], plots[..., 2]
    flat = np.cos(elevation)
    local = np.stack([flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation)], axis=-1)
    place = sensor.position_m + distance[..., None] * (local @ sensor.axes.T)
    turned = (distance / SPEED_OF_LIGHT_M_S * sensor.turn_rad_s)[..., None]
    spin = np.stack([-place[..., 1], place[..., 0], np.zeros_like(distance)], axis=-1)
    return np.asarray(place + turned * spin, np.float64)


def light_time_s(sensor: Sensor, position_m: Float) -> Float:
    """Find the time that light takes from positions (n, 3) to a sensor [s]."""
    return np.asarray(np.linalg.norm(position_m - sensor.position_m, axis=1) / SPEED_OF_LIGHT_M_S, np.float64)


def rate_rows(scan: RadarScan, state: Float) -> tuple[Float, Float, Float]:
    """Make a measurement of tracks of what is left of range rates when their plots' positions have been used.

    Parameters
    ----------
    scan : RadarScan
        The plot of each track.
    state : ndarray of float64, shape (k, 6)
        Tracks after the update with the positions.

    Returns
    -------
    jacobian, innovation, variance : ndarray of float64, shapes (k, 1, 6), (k, 1), (k,)
        Of the rate less ``K z``.
    """
    tau = light_time_s(scan.sensor, state[:, :3])[:, None]
    place, relative = state[:, :3] - tau * state[:, 3:], state[:, 3:] - scan.sensor.velocity_m_s
    away = place - scan.sensor.position_m
    distance = np.linalg.norm(away, axis=1)[:, None]
    along = away / distance
    rate = np.einsum("ki,ki->k", along, relative)
    across = (relative - rate[:, None] * along) / distance - scan.rate_of_position
    jacobian = np.concatenate([across, along - tau * across], axis=1)[:, None, :]
    foreseen = rate - np.einsum("ki,ki->k", scan.rate_of_position, place)
    seen = scan.rate_m_s - np.einsum("ki,ki->k", scan.rate_of_position, scan.position_m)
    return jacobian, (seen - foreseen)[:, None], scan.rate_variance_m2_s2
