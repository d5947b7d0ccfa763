"""Scenarios: the default one is what it says, and each fault gets one clear line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lookdown.hil.plan import Scenario
from lookdown.hil.scenario import load_scenario
from lookdown.wire.errors import ConfigError

DEFAULT = Path(__file__).resolve().parents[2] / "scenarios" / "default.toml"
TEXT = DEFAULT.read_text(encoding="utf-8")


def test_the_default_scenario_loads() -> None:
    scenario = load_scenario(DEFAULT)
    assert len(scenario.satellite) >= 3
    assert len(scenario.mover) >= 5
    assert {mover.kind for mover in scenario.mover} >= {"airliner", "cruise_missile", "hypersonic_glider"}
    assert scenario.flight["chain"]["psf_sigma_px"] == 0.85
    assert scenario.sensor.ifov_rad == pytest.approx(100e-6)


def test_frames_are_evenly_spaced_from_the_start(small_scenario: Scenario) -> None:
    assert small_scenario.n_frames == 40
    times = small_scenario.frame_time_ns(np.arange(3))
    np.testing.assert_array_equal(times - small_scenario.start_ns, [0, 10**8, 2 * 10**8])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = ", "sead = ", r"unknown key 'sead'; did you mean 'seed'"),
        ("altitude_m = 1000e3", "altitude_m = -1000e3", r"satellite\[0\]\.orbit: orbit inside the Earth"),
        ("height_m = 60.0", "height_m = -60.0", "mover 'cruise-missile-1' goes below ground"),
        ("amplitude_m = 800.0, period_s = 50", "amplitude_m = 80e3, period_s = 50", "'glider-1' goes below ground"),
        ("id = 2 ", "id = 1 ", "ids used once"),
        ('name = "airliner-2"', 'name = "airliner-1"', "names used once"),
        ("duration_s = 60.0", "duration_s = 0", "duration_s: wanted above 0"),
        ("duration_s = 60.0", "duration_s = nan", "duration_s: wanted above 0"),
        ("integration_time_s = 0.014", "integration_time_s = 0.2", "does not fit into a frame"),
        ("[3.8, 4.1]", "[4.1, 3.8]", "sensor: band_um: wanted"),
        ("extent_m = 160e3", "extent_m = 60e3", "satellite 1 looks out of the scene"),
        ("raan_deg = 43.619", "raan_deg = 143.619", "satellite 1 stands -[0-9]+ degrees above the horizon"),
        ('start = "2026-06-21', 'start = "2026-06-41', "day"),
        ("cover = 0.30", "cover = 1.5", r"scene\.cloud: cover: wanted 0 to 0.9"),
        ('kind = "fighter"', 'kind = "balloon"', "wanted one of"),
        ("detection.pd", "detection.dp", "unknown metric"),
    ],
)
def test_faults_are_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    path = tmp_path / "scenario.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as refused:
        load_scenario(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_sensor_that_never_sees_a_mover_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace("rows = 512", "rows = 32").replace("cols = 640", "cols = 32")
    path = tmp_path / "scenario.toml"
    path.write_text(text.replace("lat_deg = 43.0, lon_deg = -9.5", "lat_deg = 43.3, lon_deg = -9.9"), encoding="utf-8")
    with pytest.raises(ConfigError, match="satellite 1 never sees any mover"):
        load_scenario(path)


def test_a_mover_that_nobody_sees_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        TEXT.replace("lat_deg = 43.08, lon_deg = -9.62", "lat_deg = 53.0, lon_deg = -9.6"), encoding="utf-8"
    )
    load_scenario(path)
    assert "mover 'fighter-1' is never inside the frame of any satellite" in caplog.text


def test_waypoints_must_cover_the_scenario(small_plan: Callable[..., Scenario]) -> None:
    place = {"lat_deg": 43.0, "lon_deg": -9.5, "height_m": 1000.0}
    mover = {"name": "a", "kind": "airliner", "intensity_w_sr": 1.0, "waypoints": [place, {**place, "t_s": 2.0}]}
    with pytest.raises(ConfigError, match="waypoints wanted from t_s 0 to 4"):
        small_plan(mover=[mover])
    with pytest.raises(ConfigError, match="wanted either 'start', 'waypoints', 'drive' or 'recorded', got none"):
        small_plan(mover=[{**mover, "waypoints": []}])
