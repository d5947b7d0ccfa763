"""Flux of stars and movers through the whole renderer: kept to 0.5 % wherever they fall in a pixel.

Expected electrons are worked out by hand from aperture, band and range; places come from the truth and the camera.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from lookdown.geo.camera import Camera
from lookdown.geo.celestial import star_directions
from lookdown.hil.motion.movers import MoverConfig, Start
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.stars import stars
from lookdown.hil.sensor.config import SensorConfig

BOUND = 0.005
REACH_PX = 12
SPACING_M = 6000.0  # 50 px: no mover is in another's window
EXPOSURE_S = 0.08  # the fastest movers cross four pixels in it

Plan = Callable[..., Scenario]


def electrons_of(sensor: SensorConfig, irradiance_w_m2: np.ndarray) -> np.ndarray:
    photon_j = 6.62607015e-34 * 299792458.0 / (0.5e-6 * sum(sensor.band_um))
    area_m2 = np.pi / 4.0 * sensor.aperture_m**2
    share = sensor.optics_transmission * sensor.quantum_efficiency
    return irradiance_w_m2 * area_m2 * share * sensor.integration_time_s / photon_j


def crowd(plan: Plan, **sensor: Any) -> Scenario:
    """Movers of many speeds and headings, each at random about a place of a grid."""
    rng = np.random.default_rng(8)
    movers = []
    for north in range(-4, 5):
        for east in range(-5, 6):
            up, right = SPACING_M * np.array([north, east]) + rng.uniform(-200.0, 200.0, 2)
            start = Start(
                lat_deg=43.0 + float(up) / 111.1e3,
                lon_deg=-9.5 + float(right) / 81.5e3,
                height_m=9000.0,
                heading_deg=float(rng.uniform(0.0, 360.0)),
                speed_m_s=float(rng.choice([30.0, 250.0, 1500.0, 5000.0])),
            )
            intensity = float(rng.choice([-60.0, 40.0, 90.0, 300.0]))
            movers.append(MoverConfig(f"{north} {east}", "airliner", intensity, start=start))
    values = {"rows": 512, "cols": 640, "integration_time_s": EXPOSURE_S, **sensor}
    still = plan(sensor=values, mover=[], scene={"cloud": {"cover": 0.0}, "transmission": 0.8})
    return replace(still, mover=tuple(movers))


def all_over_the_pixel(rows: list[float], cols: list[float]) -> bool:
    """Whether places fall into each of 4 x 4 parts of a pixel."""
    return bool(np.all(np.histogram2d(np.mod(rows, 1.0), np.mod(cols, 1.0), 4, ((0.0, 1.0), (0.0, 1.0)))[0] > 0))


def test_movers_keep_their_flux(small_plan: Plan) -> None:
    renderer = Renderer(crowd(small_plan), 0)
    errors, rows, cols = [], [], []
    for frame_id in (0, 1, 2):
        with_movers = renderer.electrons(frame_id).astype(np.float64)
        spots = with_movers - renderer.electrons(frame_id, with_movers=False)
        for mover in renderer.frame(frame_id)[1]:
            row, col = (round(float(mover[axis])) for axis in ("row", "col"))
            if not (REACH_PX <= row < 512 - REACH_PX and REACH_PX <= col < 640 - REACH_PX):
                continue
            window = (slice(row - REACH_PX, row + REACH_PX + 1), slice(col - REACH_PX, col + REACH_PX + 1))
            irradiance = 0.8 * mover["intensity_w_sr"] / float(mover["range_m"]) ** 2
            errors.append(spots[window].sum() / electrons_of(renderer.scenario.sensor, irradiance) - 1.0)
            rows.append(float(mover["row"]))
            cols.append(float(mover["col"]))
    print(f"{len(errors)} movers: worst {100 * np.abs(errors).max():.4f} %")
    assert len(errors) > 150
    assert all_over_the_pixel(rows, cols)
    assert np.abs(errors).max() < BOUND


def test_a_sharp_diffraction_spot_keeps_the_flux_of_all_movers(small_plan: Plan) -> None:
    """Its wings reach 32 pixels: only the sum over all movers of a frame can be told."""
    scenario = crowd(small_plan, psf="diffraction", psf_sigma_px=0.2)
    inner = tuple(mover for mover in scenario.mover if max(map(abs, map(int, mover.name.split()))) <= 2)
    renderer = Renderer(replace(scenario, mover=inner), 0)
    for frame_id in range(5):
        spots = renderer.electrons(frame_id).astype(np.float64) - renderer.electrons(frame_id, with_movers=False)
        rows = renderer.frame(frame_id)[1]
        assert np.all((rows["row"] > 40.0) & (rows["row"] < 472.0) & (rows["col"] > 40.0) & (rows["col"] < 600.0))
        irradiance = 0.8 * rows["intensity_w_sr"].astype(np.float64) / rows["range_m"] ** 2
        assert spots.sum() == pytest.approx(electrons_of(scenario.sensor, irradiance).sum(), rel=BOUND)


def test_stars_keep_their_flux(small_plan: Plan) -> None:
    """A view ahead over the limb that jitters by half a pixel, so that each star falls anywhere in its pixels."""
    orbit = {name: value for name, value in asdict(small_plan().satellite[0].orbit).items() if value}
    satellite = {"id": 1, "orbit": orbit, "pointing": {"law": "nadir", "pitch_deg": 80.0}}
    shaken = {"rows": 512, "cols": 640, "jitter_sigma_rad": 5e-5}
    plan = small_plan(satellite=[satellite], sensor=shaken, mover=[])
    renderer, sensor = Renderer(plan, 0), plan.sensor
    sky = stars(sensor.band_um, plan.seed)
    camera = Camera(sensor.rows, sensor.cols, sensor.ifov_rad)
    errors, rows, cols, offsets = [], [], [], []
    for frame_id in range(40):
        image = renderer.electrons(frame_id).astype(np.float64)
        _, _, attitude = renderer.truth.sensor(0, frame_id)
        far_m = 1e15 * (star_directions(sky["direction_icrs"], int(plan.frame_time_ns(frame_id))))
        row, col, ahead = camera.project(far_m, np.zeros(3), attitude)
        near = ahead & (np.abs(row - 255.5) < 300.0) & (np.abs(col - 319.5) < 360.0)
        row, col, light = row[near], col[near], sky["irradiance_w_m2"][near]
        for k in range(row.size):
            i, j = round(float(row[k])), round(float(col[k]))
            apart = np.maximum(np.abs(row - row[k]), np.abs(col - col[k]))
            alone = np.sum(apart < 2 * REACH_PX) == 1
            if not (alone and REACH_PX <= i < 512 - REACH_PX and REACH_PX <= j < 640 - REACH_PX):
                continue
            window = image[i - REACH_PX : i + REACH_PX + 1, j - REACH_PX : j + REACH_PX + 1]
            errors.append(window.sum() / electrons_of(sensor, light[k]) - 1.0)
            grid = np.arange(-REACH_PX, REACH_PX + 1)
            centre = np.array([window.sum(1) @ grid, window.sum(0) @ grid]) / window.sum()
            offsets.append(centre + np.array([i - row[k], j - col[k]]))
            rows.append(float(row[k]))
            cols.append(float(col[k]))
    print(f"{len(errors)} stars: worst {100 * np.abs(errors).max():.4f} %, {np.abs(offsets).max():.5f} px off")
    assert len(errors) > 150
    assert all_over_the_pixel(rows, cols)
    assert np.abs(errors).max() < BOUND
    assert np.abs(offsets).max() < 0.01


def test_flux_counts_after_the_detector(small_plan: Plan) -> None:
    """Counts of frames with a bright mover less frames without: the mean over 40 frames, to 0.15 % by their noise."""
    scenario = crowd(small_plan, integration_time_s=0.014, gain_residual=0.0, bad_pixel_fraction=0.0)
    mover = next(mover for mover in scenario.mover if mover.name == "0 0")
    bright = replace(scenario, mover=(replace(mover, intensity_w_sr=6000.0),))
    seen, unseen = Renderer(bright, 0), Renderer(replace(scenario, mover=()), 0)
    found, expected = 0.0, 0.0
    for frame_id in range(40):
        frame, rows = seen.frame(frame_id)
        row, col = round(float(rows["row"][0])), round(float(rows["col"][0]))
        window = (slice(row - 6, row + 7), slice(col - 6, col + 7))
        assert frame.samples[window].max() < 2**14 - 1
        difference = frame.samples[window].astype(np.float64) - unseen.frame(frame_id)[0].samples[window]
        found += difference.sum() / scenario.sensor.counts_per_electron
        irradiance = 0.8 * 6000.0 / float(rows["range_m"][0]) ** 2
        expected += float(electrons_of(scenario.sensor, np.asarray(irradiance)))
    assert found == pytest.approx(expected, rel=BOUND)
