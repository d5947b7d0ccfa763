"""Orbits, pointing and jitter in whole scenarios: what the truth, the report and the picture make of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lookdown.geo.rotation import conjugate, multiply, to_rotation_vector
from lookdown.geo.sight import tangent_height
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scenario import check_geometry
from lookdown.hil.truth import Truth
from lookdown.wire.errors import ConfigError

ORBIT = {"altitude_m": 1e6, "inclination_deg": 75.0, "raan_deg": 43.619, "argument_of_latitude_deg": 47.605}
TLE = [
    "1 28057U 03049A   26172.00000000  .00000060  00000-0  35940-4 0  1832",
    "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550",
]
FRAMES = np.arange(40)


def satellite(**settings: Any) -> list[dict[str, Any]]:
    return [{"id": 1, "orbit": ORBIT, **settings}]


def turn_rad(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.linalg.norm(to_rotation_vector(multiply(conjugate(first), second)), axis=-1)


def test_a_pointed_target_stays_in_the_middle(small_plan: Callable[..., Scenario]) -> None:
    name = small_plan().mover[0].name
    plan = small_plan(satellite=satellite(pointing={"law": "target", "mover": name}))
    check_geometry(plan)
    rows = Truth(plan).appearances(0, FRAMES)[:, 0]
    # Light time and jitter move it by less than a pixel.
    assert np.abs(rows["row"] - 47.5).max() < 1.0
    assert np.abs(rows["col"] - 63.5).max() < 1.0


def test_jitter_shows_in_the_report_only_if_it_is_measured(small_plan: Callable[..., Scenario]) -> None:
    quiet = {"jitter_sigma_rad": 0.0, "pointing_sigma_rad": 0.0}
    jitter = {"white_rad": 2e-5, "tones": [{"axis": "x", "frequency_hz": 3.3, "amplitude_rad": 5e-5}]}
    for measured in (True, False):
        truth = Truth(small_plan(sensor=quiet, jitter={**jitter, "measured": measured}))
        error = turn_rad(truth.sensor(0, FRAMES)[2], truth.reported(0, FRAMES)[2])
        assert error.max() < 1e-12 if measured else np.sqrt(np.mean(error**2)) > 2e-5
    still = Truth(small_plan(sensor=quiet))
    assert truth.spot.pixel_sigma_px == pytest.approx(still.spot.pixel_sigma_px, rel=1e-3)
    fast = {"tones": [{"axis": axis, "frequency_hz": 71.4, "amplitude_rad": 1e-4} for axis in "xy"]}
    shaken = Truth(small_plan(sensor=quiet, jitter=fast))
    # A whole period in the exposure of 14 ms: nothing is left from frame to frame, all of it blurs.
    assert turn_rad(shaken.sensor(0, FRAMES)[2], still.sensor(0, FRAMES)[2]).max() < 1e-6
    assert shaken.spot.sigma_px**2 - still.spot.sigma_px**2 == pytest.approx(0.5, rel=1e-3)


def test_two_line_elements_and_a_view_past_the_limb_give_frames(small_plan: Callable[..., Scenario]) -> None:
    plan = small_plan(
        satellite=[{"id": 1, "orbit": {"tle": TLE}, "pointing": {"law": "nadir", "pitch_deg": 61.8}}], mover=[]
    )
    check_geometry(plan)
    renderer = Renderer(plan, 0)
    frame, _ = renderer.frame(3)
    position, _, attitude = renderer.truth.sensor(0, 3)
    row, col = np.indices(frame.samples.shape)
    height = tangent_height(
        position, plan.sensor.camera.sight_ecef(*plan.sensor.camera.tangent_from_pixel(row, col), attitude)
    )
    assert -300e3 < height.min() < height.max() < 300e3
    assert frame.samples.max() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aim": []}, "satellite 1: aim: law 'stare' wanted one aim point or more"),
        ({"pointing": {"law": "target", "mover": "nobody"}}, "satellite 1: pointing: wanted the name of a mover"),
        ({"orbit": {"tle": [TLE[0].replace("26172", "16172").replace("1832", "1831"), TLE[1]]},
          "pointing": {"law": "nadir"}}, "satellite 1: orbit: wanted elements within 60 days"),
        ({"orbit": {**ORBIT, "altitude_m": -1.0}}, "orbit inside the Earth"),
        ({"orbit": {"walker": "75:6/3/1", "altitude_m": 1e6, "slot": 6}}, "slot: wanted 0 to 5, got 6"),
    ],
)  # fmt: skip
def test_what_cannot_fly_is_refused(small_plan: Callable[..., Scenario], changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_plan(satellite=satellite(**changes))
