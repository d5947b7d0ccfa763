"""Light of movers: what the table of signatures says of each is what its truth carries."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lookdown.geo.earth import enu_axes
from lookdown.hil.photometry import Photometry
from lookdown.hil.plan import Scenario
from lookdown.hil.render import make_scene
from lookdown.hil.truth import Truth


def in_air(scenario: Scenario) -> Scenario:
    """Take transmission and emission of the air from the table."""
    return replace(scenario, scene=replace(scenario.scene, transmission=None))


def test_each_mover_has_the_intensity_of_its_own_signature(small_plan: Callable[..., Scenario]) -> None:
    start = {"lat_deg": 42.98, "lon_deg": -9.5, "height_m": 9000.0, "heading_deg": 40.0, "speed_m_s": 300.0}
    kinds = ("fighter", "airliner", "hypersonic_glider", "cruise_missile")
    movers = [{"name": kind, "kind": kind, "start": start, "signature_scale": 2.0} for kind in kinds]
    movers.append({"name": "lamp", "kind": "airliner", "start": start, "intensity_w_sr": 7.0})
    frames = np.array([0, 20, 39])
    together = Truth(small_plan(mover=movers)).appearances(0, frames)
    assert together["intensity_w_sr"].shape == (3, 5)
    assert np.all(together["intensity_w_sr"][:, 4] == 7.0)
    for index, mover in enumerate(movers[:4]):
        alone = Truth(small_plan(mover=[{**mover, "signature_scale": 1.0}])).appearances(0, frames)
        np.testing.assert_allclose(together["intensity_w_sr"][:, index], 2.0 * alone["intensity_w_sr"][:, 0], rtol=1e-6)
    values = together["intensity_w_sr"][0, :4]
    assert len(set(values)) == 4
    assert Truth(small_plan(mover=movers)).appearances(0, 20)["intensity_w_sr"] == pytest.approx(
        together["intensity_w_sr"][1], rel=1e-6
    )


def test_cloud_over_a_mover_dims_it_and_does_not_warm_what_is_behind_it(small_plan: Callable[..., Scenario]) -> None:
    start = {"lat_deg": 42.98, "lon_deg": -9.5, "height_m": 500.0, "heading_deg": 40.0, "speed_m_s": 200.0}
    mover = [{"name": "low", "kind": "airliner", "start": start}]
    rows = []
    for cover in (0.0, 0.6):
        scenario = in_air(small_plan(mover=mover, scene={"clear": [], "cloud": {"cover": cover, "height_m": 8000.0}}))
        rows.append(Truth(scenario, make_scene(scenario)).appearances(0, np.arange(0, 40, 3)))
    clear, cloudy = rows
    assert cloudy["transmission"].min() < 0.5 * clear["transmission"].min()
    np.testing.assert_allclose(cloudy["intensity_w_sr"], clear["intensity_w_sr"], rtol=1e-4)


def test_from_below_its_horizon_a_mover_stands_before_the_sky(small_plan: Callable[..., Scenario]) -> None:
    """There it hides next to nothing, however the air in front of it glows."""
    start = {"lat_deg": 42.98, "lon_deg": -9.5, "height_m": 60e3, "heading_deg": 0.0, "speed_m_s": 1000.0}
    mover = {"name": "high", "kind": "hypersonic_glider", "start": start}
    scenario = in_air(small_plan(mover=[mover], sensor={"band_um": [4.2, 4.5]}, scene={"cloud": {"cover": 0.0}}))
    truth = Truth(scenario, make_scene(scenario))
    light = Photometry(scenario, truth.scene, truth.spot)
    up = enu_axes(np.radians(42.98), np.radians(-9.5))
    intensities = []
    for elevation_deg in (40.0, -2.0, -4.0):
        rows = truth.appearances(0, np.array([5]))
        toward = np.cos(np.radians(elevation_deg)) * up[1] + np.sin(np.radians(elevation_deg)) * up[2]
        light.fill(rows, rows["position_m"][:, 0] + 2e6 * toward)
        intensities.append(float(rows["intensity_w_sr"][0, 0]))
    assert intensities[1] == pytest.approx(intensities[2], rel=0.3)  # the sky is darker the higher one looks
    assert 0.0 < intensities[1] < intensities[2]
