"""Pixel to Earth to pixel through drawn frames, with lens distortion, from straight down to grazing views.

Two frames are drawn of textures that rise and fall by 1 a texel along an axis: their brightness alone tells where on
the ground each pixel has looked. That place, projected by the camera, must be the pixel again.
"""

from typing import NamedTuple

import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.earth import enu_axes, geodetic_to_ecef
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.hil.background import Background
from lookdown.hil.scene.config import CloudConfig, SceneConfig
from lookdown.hil.scene.fields import Texture
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.optics import PointSpread

BOUND_PX = 0.01
SIZE = 4096
HALF_PERIOD = 256
LAT, LON = np.radians(43.0), np.radians(-9.5)
LENSES = {
    "ideal": SensorConfig(),
    "barrel": SensorConfig(distortion=(-6.0, 0.0)),
    "pincushion and more": SensorConfig(distortion=(4.0, 150.0)),
    "wide": SensorConfig(rows=1024, cols=1024, focal_length_m=0.06, aperture_m=0.024, distortion=(-1.0, 0.3)),
    "narrow": SensorConfig(focal_length_m=0.5, aperture_m=0.2),
}


class View(NamedTuple):
    """A sensor at 1000 km that stares at the ground, and where its pixels look."""

    position: np.ndarray
    attitude: np.ndarray
    row: np.ndarray
    col: np.ndarray
    ground: np.ndarray


def view(sensor: SensorConfig, elevation_deg: float) -> View:
    """View of a place that sees the sensor at an elevation, to its south-east."""
    aim, (east, north, up) = geodetic_to_ecef(LAT, LON, 0.0), enu_axes(LAT, LON)
    elevation = np.radians(elevation_deg)
    toward = np.sin(elevation) * up + np.cos(elevation) * (0.6 * east - 0.8 * north)
    rise = float(aim @ toward)
    range_m = -rise + np.sqrt(rise**2 - float(aim @ aim) + (np.linalg.norm(aim) + 1000e3) ** 2)
    position = aim + range_m * toward
    attitude = stare_attitude(position, 7e3 * (0.3 * east + 0.95 * north), aim)
    row, col = np.meshgrid(np.arange(float(sensor.rows)), np.arange(float(sensor.cols)), indexing="ij")
    sights = sensor.camera.sight_ecef(*sensor.camera.tangent_from_pixel(row, col), attitude)
    return View(position, attitude, row, col, intersect_ellipsoid(position, sights, 0.0))


def unfolded(wave: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Texels of which a wave has the value; ``near`` tells on which of its slopes."""
    slope = np.floor(near / HALF_PERIOD)
    return np.where(slope % 2 == 0, HALF_PERIOD * slope + wave, HALF_PERIOD * (slope + 1.0) - wave)


@pytest.mark.parametrize(
    ("lens", "elevation_deg", "level"),
    [
        ("ideal", 90.0, "finest texels"),
        ("ideal", 45.0, "coarser levels"),
        ("ideal", 30.0, "finest texels"),
        ("barrel", 90.0, "finest texels"),
        ("barrel", 45.0, "finest texels"),
        ("pincushion and more", 90.0, "coarser levels"),
        ("pincushion and more", 30.0, "finest texels"),
        ("ideal", 20.0, "finest texels"),
        ("ideal", 15.0, "coarser levels"),
        ("barrel", 15.0, "finest texels"),
        ("ideal", 12.0, "finest texels"),
        ("pincushion and more", 15.0, "finest texels"),
        ("wide", 90.0, "finest texels"),
        ("wide", 45.0, "coarser levels"),
        ("wide", 30.0, "finest texels"),
        ("narrow", 45.0, "finest texels"),
        ("narrow", 15.0, "coarser levels"),
        ("narrow", 11.0, "coarser levels"),
    ],
)
def test_pixel_to_earth_to_pixel(lens: str, elevation_deg: float, level: str) -> None:
    sensor = LENSES[lens]
    seen = view(sensor, elevation_deg)
    assert np.isfinite(seen.ground).all()
    axes = enu_axes(LAT, LON)
    reach_m = float(np.abs((seen.ground - geodetic_to_ecef(LAT, LON, 0.0)) @ axes[:2].T).max())
    texel_m = 2.1 * reach_m / SIZE
    # A scene of few texels, whose textures and size are then replaced by large ones. Its blur rules the level.
    blur_m = texel_m * (8.0 if level == "finest texels" else 0.2)
    config = SceneConfig(
        43.0, -9.5, extent_m=64.0 * texel_m, texel_m=texel_m, cloud=CloudConfig(cover=0.0), transmission=1.0
    )
    scene = Scene(config, 0, blur_m)
    scene.size = SIZE
    near = scene.texel(seen.ground)
    drawn = []
    for axis in (0, 1):
        wave = HALF_PERIOD - np.abs(np.arange(float(SIZE)) % (2 * HALF_PERIOD) - HALF_PERIOD)
        scene.ground = Texture.of(np.broadcast_to(wave[:, None] if axis == 0 else wave, (SIZE, SIZE)))
        image = np.empty((sensor.rows, sensor.cols), np.float32)
        Background(sensor, PointSpread(sensor), scene, 0).draw(image, seen.position, seen.attitude, 0)
        drawn.append(image.astype(np.float64) / sensor.electrons_per_radiance())
    texels = [unfolded(value, at) for value, at in zip(drawn, near, strict=True)]
    # Down from high above the tangent plane, in which the texels lie.
    middle = 0.5 * (SIZE - 1)
    offset = (texels[1] - middle)[..., None] * axes[0] + (middle - texels[0])[..., None] * axes[1]
    ground = intersect_ellipsoid(geodetic_to_ecef(LAT, LON, 5e5) + texel_m * offset, -axes[2], 0.0)
    row, col, _ = sensor.camera.project(ground, seen.position, seen.attitude)
    # Tops and bottoms of the waves are rounded off by coarser levels.
    sharp = np.all([(value > 24.0) & (value < HALF_PERIOD - 24.0) for value in drawn], axis=0)
    error = np.hypot(row - seen.row, col - seen.col)[sharp]
    print(f"{lens}, {elevation_deg:.0f} degrees, {level}: {error.max():.5f} px at most; texel {texel_m:.0f} m")
    assert sharp.mean() > 0.5
    assert error.max() < BOUND_PX
