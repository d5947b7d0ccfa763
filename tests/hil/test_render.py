"""Rendering: repeatable, geometrically exact, moving as predicted, and whole on disk."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from lookdown.geo.camera import shift_field
from lookdown.geo.sight import intersect_ellipsoid, light_time_s
from lookdown.hil import render as render_module
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer, render
from lookdown.hil.scene.local import Scene
from lookdown.hil.truth import TRUTH_DTYPE, Truth

DEFAULT = Path(__file__).resolve().parents[2] / "scenarios" / "default.toml"


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    text = DEFAULT.read_text(encoding="utf-8").replace("duration_s = 60.0", "duration_s = 0.5")
    text = text.replace("rows = 512", "rows = 96").replace("cols = 640", "cols = 128")
    text = text.replace("extent_m = 160e3", "extent_m = 40e3").replace(
        "lat_deg = 42.88, lon_deg = -9.63", "lat_deg = 43.0, lon_deg = -9.5"
    )
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


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
    renderer = Renderer(small_scenario, 0, small_scene)
    renderer.electrons(11)
    position, _, attitude = renderer.truth.sensor(0, 11)
    camera = small_scenario.sensor.camera
    row, col = np.meshgrid(np.arange(96.0), np.arange(128.0), indexing="ij")
    size = small_scene.size
    middle = 0.5 * (size - 1)
    drawn = []
    for texture in np.meshgrid(np.arange(size) - middle, np.arange(size) - middle, indexing="ij"):
        out = np.empty((96, 128), np.float32)
        renderer._sample(
            texture.astype(np.float32), camera.sight_ecef(*renderer._tangents, attitude), position, 0.0, out
        )
        drawn.append(out + middle)
    sights = camera.sight_ecef(*camera.tangent_from_pixel(row, col), attitude)
    expected = small_scene.texel(intersect_ellipsoid(position, sights, 0.0))
    texel_px = small_scenario.scene.texel_m / 108.0
    for got, wanted in zip(drawn, expected, strict=True):
        assert np.max(np.abs(got - wanted)) * texel_px < 0.005


@pytest.mark.parametrize("height_m", [0.0, 7000.0])
def test_background_moves_as_the_shift_field_predicts(small_plan: Callable[..., Scenario], height_m: float) -> None:
    cloud = {"cover": 0.5 if height_m else 0.0, "height_m": 7000.0}
    # Under the cloud, ground without radiance: only the cloud is seen.
    black = {surface: {"radiance_w_m2_sr": 0.0, "contrast": 0.0, "slope": 2.0} for surface in ("land", "sea")}
    # A schedule that drifts: 200 m/s over the ground make 8 px in 4 s, and the jitter is in the true attitude.
    aim = [{"lat_deg": 43.0, "lon_deg": -9.5}, {"lat_deg": 43.0, "lon_deg": -9.49, "t_s": 4.0}]
    default = small_plan()
    satellites = [{"id": s.id, "orbit": vars(s.orbit), "aim": aim} for s in default.satellite]
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


def test_render_writes_a_whole_file_that_h5py_reads(small_file: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "frames.h5", []
    render(small_file, out, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".toml"] == ["frames.h5"]
    with h5py.File(out) as file:
        assert file.attrs["scenario"] == small_file.read_text(encoding="utf-8")
        assert file.attrs["seed"] == 20260621
        group = file["satellite_3"]
        assert group["frames"].shape == (5, 96, 128)
        assert group["frames"].chunks == (1, 96, 128)
        assert group["truth"].shape == (5, len(file.attrs["movers"]))
        assert group["sensor_states"]["time_ns"][1] - group["sensor_states"]["time_ns"][0] == 10**8
        first = group["frames"][...]
    render(small_file, out)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["satellite_3/frames"][...], first)


def test_a_full_disk_leaves_nothing_and_says_so(
    small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render_module.os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"frames\.h5: the disk is full; wanted about 0 MB; free some"):
        render(small_file, tmp_path / "frames.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_scenario_without_movers_renders(small_file: Path, tmp_path: Path) -> None:
    text = small_file.read_text(encoding="utf-8")
    head, tail = text.split("[[mover]]", 1)
    empty = tmp_path / "empty.toml"
    empty.write_text(head + tail[tail.index("[flight.chain]") :], encoding="utf-8")
    render(empty, tmp_path / "empty.h5")
    with h5py.File(tmp_path / "empty.h5") as file:
        assert file["satellite_1/truth"].shape == (5, 0)


def test_a_folder_that_is_not_there_is_named(small_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be written, no folder .*nowhere; make it first"):
        render(small_file, tmp_path / "nowhere" / "frames.h5")
