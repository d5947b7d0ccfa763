"""Rendering: repeatable, geometrically exact, moving as predicted, and whole on disk."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from lookdown.geo.ground_shift import shift_field
from lookdown.geo.sight import intersect_ellipsoid, light_time_s
from lookdown.hil.background import Background
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.fields import Texture
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.truth import TRUTH_DTYPE, Truth

DEFAULT = Path(__file__).resolve().parents[2] / "scenarios" / "default.toml"


def _given(config: object) -> dict[str, object]:
    """Give the values of a part of a scenario as its file would hold them."""
    return {name: value for name, value in vars(config).items() if value is not None}


def test_any_frame_alone_has_the_same_bytes(small_scenario: Scenario, small_scene: Scene) -> None:
    first, second = Renderer(small_scenario, 0, small_scene), Renderer(small_scenario, 0)
    in_order = [first.frame(k)[0].samples for k in range(6)]
    np.testing.assert_array_equal(second.frame(5)[0].samples, in_order[5])
    np.testing.assert_array_equal(first.frame(2)[0].samples, in_order[2])
    other = Renderer(replace(small_scenario, seed=small_scenario.seed + 1), 0).frame(5)[0].samples
    assert np.mean(other != in_order[5]) > 0.9
    with pytest.raises(ValueError, match="frame_id wanted from 0 to 39, got 40"):
        first.frame(40)


def test_a_frame_is_half_full_and_carries_the_reported_state(small_scenario: Scenario, small_scene: Scene) -> None:
    frame, rows = Renderer(small_scenario, 1, small_scene).frame(7)
    assert frame.samples.shape == (96, 128)
    assert frame.samples.dtype == np.uint16
    assert 0.3 < frame.samples.mean() / 2**14 < 0.7
    assert frame.sensor_id == small_scenario.satellite[1].id
    assert frame.time_ns == small_scenario.frame_time_ns(7)
    assert frame.state is not None
    position, _, attitude = Truth(small_scenario).sensor(1, 7)
    assert 0.0 < np.linalg.norm(frame.state.position_m - position) < 6.0 * small_scenario.sensor.position_sigma_m
    tilt_rad = 2.0 * np.arccos(min(abs(frame.state.attitude @ attitude), 1.0))
    assert 0.0 < tilt_rad < 6.0 * small_scenario.sensor.pointing_sigma_rad
    assert rows.dtype == TRUTH_DTYPE


def test_pixel_to_earth_to_pixel_is_exact_in_the_drawn_image(small_scenario: Scenario, small_scene: Scene) -> None:
    """Textures that hold their own texel coordinates show where each pixel looks."""
    sensor = replace(small_scenario.sensor, rows=512, cols=640)
    scenario = replace(small_scenario, sensor=sensor, mover=())
    camera = sensor.camera
    position, _, attitude = Truth(scenario).sensor(0, 11)
    row, col = np.meshgrid(np.arange(512.0), np.arange(640.0), indexing="ij")
    sights = camera.sight_ecef(*camera.tangent_from_pixel(row, col), attitude)
    expected = small_scene.texel(intersect_ellipsoid(position, sights, 0.0))
    size = small_scene.size
    scene = copy(small_scene)
    scene.cloud = None
    # Four times as large, so that the whole view lies within: places shift by one and a half times the size.
    scene.size = 4 * size
    for axis in (0, 1):
        wave = np.abs(np.arange(4.0 * size) % 256.0 - 128.0)  # up and down by 1 a texel
        scene.ground = Texture.of(np.broadcast_to(wave[:, None] if axis == 0 else wave, (4 * size, 4 * size)))
        drawn = np.empty((512, 640), np.float32)
        Background(sensor, PointSpread(sensor), scene, 0).draw(drawn, position, attitude, 0)
        wanted = np.abs((expected[axis] + 1.5 * size) % 256.0 - 128.0)
        error = np.abs(drawn / sensor.electrons_per_radiance() - wanted)
        assert error[(wanted > 1.0) & (wanted < 127.0)].max() * scenario.scene.texel_m / 108.0 < 0.01


@pytest.mark.parametrize("height_m", [0.0, 7000.0])
def test_background_moves_as_the_shift_field_predicts(small_plan: Callable[..., Scenario], height_m: float) -> None:
    cloud = {"cover": 0.5 if height_m else 0.0, "height_m": 7000.0}
    # Under the cloud, ground without radiance: only the cloud is seen.
    black = {surface: {"radiance_w_m2_sr": 0.0, "contrast": 0.0, "slope": 2.0} for surface in ("land", "sea")}
    # A schedule that drifts: 200 m/s over the ground make 8 px in 4 s, and the jitter is in the true attitude.
    aim = [{"lat_deg": 43.0, "lon_deg": -9.5}, {"lat_deg": 43.0, "lon_deg": -9.49, "t_s": 4.0}]
    default = small_plan()
    satellites = [{"id": s.id, "orbit": _given(s.orbit), "aim": aim} for s in default.satellite]
    scenario = small_plan(
        scene={"cloud": cloud, "clear": [], **(black if height_m else {})}, satellite=satellites, mover=[]
    )
    renderer = Renderer(scenario, 0)
    first, last = 0, 39
    images = [renderer.electrons(k).copy() for k in (first, last)]
    (position_a, _, attitude_a), (position_b, _, attitude_b) = (renderer.truth.sensor(0, k) for k in (first, last))
    field = shift_field(
        scenario.sensor.camera, position_a, attitude_a, position_b, attitude_b, height_m, *images[0].shape
    ).astype(np.float32)
    assert np.abs(field).max() > 3.0
    row, col = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(128, dtype=np.float32), indexing="ij")
    predicted = cv2.remap(images[0], col + field[..., 1], row + field[..., 0], cv2.INTER_CUBIC)
    inner = (slice(16, -16), slice(16, -16))
    difference = (images[1] - predicted)[inner]
    # Least squares of the difference on the gradients gives the error of the prediction.
    gradients = np.stack([g[inner].ravel() for g in np.gradient(predicted)], axis=1)
    error, *_ = np.linalg.lstsq(gradients, difference.ravel(), rcond=None)
    assert np.max(np.abs(error)) < 0.05


def test_static_texture_does_not_shimmer(small_plan: Callable[..., Scenario]) -> None:
    """What is left of the ground after exact registration stays below the noise."""
    scenario = small_plan(scene={"cloud": {"cover": 0.0}}, mover=[])
    renderer = Renderer(scenario, 0)
    images = [renderer.electrons(k).copy() for k in (0, 1)]
    states = [renderer.truth.sensor(0, k) for k in (0, 1)]
    field = shift_field(
        scenario.sensor.camera, states[0][0], states[0][2], states[1][0], states[1][2], 0.0, *images[0].shape
    )
    row, col = np.meshgrid(np.arange(96.0), np.arange(128.0), indexing="ij")
    predicted = map_coordinates(images[0].astype(np.float64), [row + field[..., 0], col + field[..., 1]], order=5)
    left = (images[1] - predicted)[8:-8, 8:-8]
    noise_e = float(scenario.sensor.noise_e(float(images[0].mean())))
    # A coast of a pixel's width is sampled too coarsely for any interpolation; elsewhere what is left drowns in noise.
    assert np.quantile(np.abs(left), 0.68) < 0.5 * noise_e
    assert left.std() < noise_e


def test_a_mover_appears_where_the_truth_says_and_with_its_flux(small_scenario: Scenario, small_scene: Scene) -> None:
    renderer = Renderer(small_scenario, 0, small_scene)
    with_movers = renderer.electrons(3).astype(np.float64)
    without = renderer.electrons(3, with_movers=False).astype(np.float64)
    spots = with_movers - without
    _, rows = renderer.frame(3)
    inside = rows[rows["inside"] & (rows["row"] > 8) & (rows["row"] < 88) & (rows["col"] > 8) & (rows["col"] < 120)]
    assert len(inside) > 0
    for mover in inside:
        row, col = round(mover["row"]), round(mover["col"])
        window = spots[row - 6 : row + 7, col - 6 : col + 7]
        assert window.sum() == pytest.approx(mover["signal_e"], rel=5e-3)
        grid = np.arange(-6, 7)
        assert (window.sum(1) @ grid) / window.sum() + row == pytest.approx(mover["row"], abs=0.02)
        assert (window.sum(0) @ grid) / window.sum() + col == pytest.approx(mover["col"], abs=0.02)


def test_light_time_puts_a_mover_where_it_was(small_scenario: Scenario) -> None:
    truth = Truth(small_scenario)
    row = truth.appearances(0, 5)[0]
    position, _, _ = truth.sensor(0, 5)
    travelled = light_time_s(position, row["position_m"])
    assert (row["time_ns"] - row["emission_ns"]) * 1e-9 == pytest.approx(float(travelled), abs=2e-9)
    now, _ = truth.mover_state(0, row["time_ns"])
    assert np.linalg.norm(now - row["position_m"]) == pytest.approx(245.0 * float(travelled), rel=0.01)


def test_opaque_cloud_hides_what_flies_below_it(small_plan: Callable[..., Scenario]) -> None:
    low = {"name": "low", "kind": "airliner", "intensity_w_sr": 80.0}
    start = {"lat_deg": 43.0, "lon_deg": -9.5, "height_m": 3000.0, "heading_deg": 0.0, "speed_m_s": 200.0}
    movers = [{**low, "start": start}, {**low, "name": "high", "start": {**start, "height_m": 11000.0}}]
    scenario = small_plan(scene={"cloud": {"cover": 0.9}, "clear": []}, mover=movers)
    truth = Renderer(scenario, 0).truth
    rows = truth.appearances(0, np.arange(40))
    assert rows["hidden"][:, 0].mean() > 0.5
    assert not rows["hidden"][:, 1].any()
    assert np.all(rows["snr"][rows["hidden"]] < 0.6 * rows["snr"][:, 1].max())
    assert rows["snr"].shape == (40, 2)
