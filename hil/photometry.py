"""Photometry: how much light of each mover reaches a sensor, through air and cloud and past the Earth.

A mover whose scenario states an intensity has that much more (or less) than its background. Else the table of
signatures gives it, by aspect, height, speed and the background that the mover hides; that background is what the
sensor sees there (without the cloud above the mover), less the air between, over what the air lets pass:
``L_m = (L - L_path) / tau``. From below the mover's horizon it is the sky.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import upward
from lookdown.geo.rotation import conjugate, rotate
from lookdown.geo.sight import earth_blocks, intersect_ellipsoid
from lookdown.geo.sun import sun_direction
from lookdown.hil.plan import Scenario
from lookdown.hil.scene.atmosphere import Atmosphere
from lookdown.hil.scene.ground import surface_radiance
from lookdown.hil.scene.local import Scene
from lookdown.hil.scene.signature import Signature
from lookdown.hil.sensor.optics import PointSpread

Float = NDArray[np.float64]

_HIDDEN = 0.5
"""Opacity of cloud from which a mover counts as hidden."""


class Photometry:
    """Light of the movers of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Scenario.
    scene : Scene or None
        Scene, for cloud and background; None takes an even sea without cloud.
    spot : PointSpread
        Point-spread function.
    """

    def __init__(self, scenario: Scenario, scene: Scene | None, spot: PointSpread) -> None:
        self._scenario, self._scene, self._spot = scenario, scene, spot
        band = scenario.sensor.band_um
        self._intensity = np.array([np.nan if m.intensity_w_sr is None else m.intensity_w_sr for m in scenario.mover])
        kinds = ["airliner" if mover.kind == "recorded" else mover.kind for mover in scenario.mover]
        self._signatures = [
            Signature(kind, band) if mover.intensity_w_sr is None else None
            for kind, mover in zip(kinds, scenario.mover, strict=True)
        ]
        self._air: Atmosphere | None = None
        if scenario.scene.transmission is None:
            air = scene.atmosphere if scene is not None else None
            self._air = air if air is not None else Atmosphere(band)

    def fill(self, rows: NDArray[Any], sensor_m: Float) -> None:
        """Fill in what depends on light: occlusion, transmission, intensity, signal and SNR.

        Parameters
        ----------
        rows : ndarray of TRUTH_DTYPE, shape (..., movers)
            Geometry already filled in.
        sensor_m : ndarray of float64, shape (..., 3)
            Sensor, ECEF [m].
        """
        if rows.size == 0:
            return
        sensor = self._scenario.sensor
        position, height = rows["position_m"], rows["height_m"]
        origin = np.broadcast_to(sensor_m[..., None, :], position.shape)
        toward = origin - position
        range_m = np.linalg.norm(toward, axis=-1)
        toward = toward / range_m[..., None]
        elevation = np.arcsin(np.clip(np.sum(toward * _up(rows), axis=-1), -1.0, 1.0))
        rows["range_m"] = range_m
        rows["occluded"] = earth_blocks(origin, position)
        passing, path = self._air_between(height, elevation)
        background, ground, opacity = self._behind(origin, -toward, height, rows["time_ns"])
        behind = np.maximum(ground - path, 0.0) / passing
        if self._air is not None:
            behind = np.where(elevation < 0.0, self._air.sky_radiance(height, np.abs(elevation)), behind)
        rows["hidden"] = rows["occluded"] | (opacity > _HIDDEN)
        rows["intensity_w_sr"] = self._intensities(rows, toward, behind)
        rows["transmission"] = np.where(rows["occluded"], 0.0, passing * (1.0 - opacity))
        irradiance = rows["intensity_w_sr"].astype(np.float64) * rows["transmission"] / range_m**2
        signal = sensor.electrons_per_irradiance() * irradiance
        noise = sensor.noise_e(sensor.electrons_per_radiance() * background)
        energy = self._spot.energy(np.nan_to_num(rows["row"]), np.nan_to_num(rows["col"]))
        rows["signal_e"] = signal
        rows["snr"] = np.abs(signal) / noise * np.sqrt(energy)

    def _air_between(self, height_m: Float, elevation_rad: Float) -> tuple[Float, Float]:
        """Transmission and radiance of the air from movers to space."""
        if self._air is None:
            stated = self._scenario.scene.transmission
            return np.full(height_m.shape, 1.0 if stated is None else stated), np.zeros(height_m.shape)
        passing = self._air.transmission(height_m, elevation_rad)
        # Where no light passes, no more than this keeps the quotient finite; the signal is none all the same.
        return np.maximum(passing, 1e-6), self._air.path_radiance(height_m, np.maximum(elevation_rad, 0.0))

    def _behind(
        self, sensor_m: Float, sights: Float, height_m: Float, time_ns: NDArray[np.int64]
    ) -> tuple[Float, Float, Float]:
        """Radiance where the movers are and behind them [W m-2 sr-1], and opacity of the cloud before them.

        The sensor sees the first; behind a mover below the cloud there is none.
        """
        config = self._scenario.scene
        if self._scene is None:
            even = surface_radiance(config.sea, self._scenario.sensor.band_um, 0.0)
            seen = np.full(height_m.shape, float(even))
            return seen, seen, np.zeros(height_m.shape)
        spot_rad = self._spot.pixel_sigma_px * self._scenario.sensor.ifov_rad
        at_ns = int(time_ns.flat[0])
        background = self._scene.radiance(sensor_m, sights, at_ns, spot_rad)
        on_cloud = intersect_ellipsoid(sensor_m, sights, config.cloud.height_m)
        below = (height_m < config.cloud.height_m) & np.isfinite(on_cloud[..., 0])
        opacity = np.where(below, self._scene.opacity(on_cloud), 0.0)
        if not np.any(opacity):
            return background, background, opacity
        clear = self._scene.radiance(sensor_m, sights, at_ns, spot_rad, with_cloud=False)
        return background, np.where(below, clear, background), opacity

    def _intensities(self, rows: NDArray[Any], toward: Float, background: Float) -> Float:
        """Net radiant intensity of movers in the sensors' directions [W/sr]."""
        intensity = np.broadcast_to(self._intensity, rows.shape).copy()
        if not np.isnan(self._intensity).any():
            return intensity
        to_body = conjugate(rows["attitude"])
        view = rotate(to_body, toward)
        sun = sun_direction(rows["time_ns"])
        day = np.sum(sun * _up(rows), axis=-1) > 0.0
        sun_body = rotate(to_body, sun) * day[..., None]
        speed = np.linalg.norm(rows["velocity_m_s"], axis=-1)
        for mover, signature in enumerate(self._signatures):
            if signature is not None:
                at = (..., mover)
                intensity[at] = self._scenario.mover[mover].signature_scale * signature.intensity_w_sr(
                    view[*at, :], rows["height_m"][at], speed[at], rows["thrusting"][at], background[at],
                    sun_body[*at, :],
                )  # fmt: skip
        return intensity


def _up(rows: NDArray[Any]) -> Float:
    return upward(rows["position_m"])
