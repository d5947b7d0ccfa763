"""Terrain, roads, ships and recorded trajectories."""

import os
from pathlib import Path

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.geo.rotation import to_matrix
from lookdown.hil.motion.movers import MoverConfig, Roll, Start, mover_path
from lookdown.hil.motion.recorded import RecordedConfig, read_track
from lookdown.hil.motion.roads import DriveConfig, Road, RoadConfig, Stop
from lookdown.hil.motion.terrain import Terrain, TerrainConfig
from lookdown.hil.settings import Place

START_NS = 1_800_000_000 * 10**9
TERRAIN = Terrain(TerrainConfig(relief_m=150.0), 3)
ROAD = RoadConfig("a", (Place(43.0, -9.5), Place(43.01, -9.49), Place(43.01, -9.47), Place(43.03, -9.46)))


def times(end_s: float, step_s: float = 0.1) -> np.ndarray:
    return START_NS + np.rint(1e9 * np.arange(0.0, end_s, step_s)).astype(np.int64)


def test_terrain_has_the_relief_and_the_slope_asked_for() -> None:
    lat = np.radians(np.linspace(40.0, 46.0, 60001))
    height = TERRAIN.height_m(lat, np.radians(-9.5))
    assert height.std() == pytest.approx(150.0, rel=0.2)
    assert height.mean() == pytest.approx(300.0, rel=0.15)
    assert height.min() >= 0.0
    np.testing.assert_array_equal(TERRAIN.height_m(lat[:5], np.radians(-9.5)), height[:5])
    power = np.abs(np.fft.rfft((height - height.mean()) * np.hanning(height.size))) ** 2
    wave = 666.8e3 / np.arange(1, power.size)
    bands = [np.mean(power[1:][(wave < high) & (wave > high / 2.0)]) for high in (12e3, 1.5e3)]
    # Waves in all directions of space: a cut through them keeps their spectrum below the outer scale.
    assert np.log(bands[0] / bands[1]) / np.log(8.0) == pytest.approx(2.0, abs=0.5)


def test_a_terrain_follower_stays_low_and_never_too_low() -> None:
    mover = MoverConfig(
        "c", "cruise_missile", start=Start(43.0, -9.5, 0.0, 60.0, 245.0), terrain_clearance_m=50.0
    )  # fmt: skip
    path = mover_path(mover, START_NS, 300.0, TERRAIN)
    at = times(300.0)
    clearance = path.clearance_m(at)
    assert clearance.min() >= 49.9
    assert clearance.mean() < 200.0
    assert np.ptp(path.height_m(at)) > 200.0
    _, velocity = path.state(at)
    acceleration = np.diff(velocity, axis=0) / 0.1
    assert np.linalg.norm(acceleration, axis=-1).max() < 30.0
    assert np.linalg.norm(np.diff(acceleration, axis=0), axis=-1).max() < 6.0


def test_a_lorry_keeps_to_its_road_its_limits_and_its_stops() -> None:
    mover = MoverConfig("l", "vehicle", drive=DriveConfig("a", 20.0, stops=(Stop(1000.0, 20.0),)))
    road = Road(ROAD)
    hills = Terrain(TerrainConfig(relief_m=30.0), 3)
    path = mover_path(mover, START_NS, 180.0, hills, {"a": road})
    at = times(180.0)
    _, velocity = path.state(at)
    speed = np.linalg.norm(velocity, axis=-1)
    assert speed.max() < 23.0
    standing = np.flatnonzero(speed < 0.2) * 0.1
    assert 16.0 < standing.size * 0.1 < 24.0
    assert np.abs(path.clearance_m(at)).max() < 3.0
    acceleration = np.diff(velocity, axis=0) / 0.1
    assert np.linalg.norm(acceleration, axis=-1).max() < 4.5
    assert np.linalg.norm(np.diff(acceleration, axis=0), axis=-1).max() < 0.5  # no steps
    lat, lon, _ = ecef_to_geodetic(path.position(at))
    way = np.linspace(0.0, road.length_m, 4000)
    by_lat, by_lon = road.place(way)
    nearest = [
        np.min(np.hypot(by_lat - a, (by_lon - o) * np.cos(a))) * 6.37e6
        for a, o in zip(lat[::100], lon[::100], strict=True)
    ]
    assert max(nearest) < 2.0
    # It stands upright and looks along the road, even while it halts.
    axes = to_matrix(path.attitude(at))
    up = enu_axes(lat, lon)[..., 2, :]
    assert np.all(np.sum(axes[..., :, 2] * up, axis=-1) < -0.95)


def test_a_road_that_is_not_there_or_too_short_is_named() -> None:
    mover = MoverConfig("l", "vehicle", drive=DriveConfig("b", 20.0))
    with pytest.raises(ValueError, match="wanted a road of the scenario, got 'b'; there are: a"):
        mover_path(mover, START_NS, 60.0, TERRAIN, {"a": Road(ROAD)})
    mover = MoverConfig("l", "vehicle", drive=DriveConfig("a", 20.0, begin_m=1e6))
    with pytest.raises(ValueError, match="begin_m wanted below the road's"):
        mover_path(mover, START_NS, 60.0, TERRAIN, {"a": Road(ROAD)})


def test_a_ship_rolls() -> None:
    path = mover_path(MoverConfig("s", "ship", start=Start(43.0, -9.5, 0.0, 60.0, 8.0), roll=Roll(5.0, 10.0)), START_NS)
    at = times(40.0)
    axes = to_matrix(path.attitude(at))
    lat, lon, _ = ecef_to_geodetic(path.position(at))
    roll = np.degrees(np.arcsin(-np.sum(axes[..., :, 1] * enu_axes(lat, lon)[..., 2, :], axis=-1)))
    assert roll.max() == pytest.approx(5.0, abs=0.2)
    assert roll.min() == pytest.approx(-5.0, abs=0.2)
    assert np.degrees(np.abs(path.body_rate(at)[..., 0]).max()) == pytest.approx(5.0 * 2.0 * np.pi / 10.0, rel=0.05)


def write(path: Path, rows: list[str], head: str = "time,icao24,lat,lon,geoaltitude,velocity") -> RecordedConfig:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return RecordedConfig(path, icao24="4ca123")


def rows(n: int = 60) -> list[str]:
    rng = np.random.default_rng(1)
    return [
        f"{1.7e9 + 5 * k},4CA123,{43.0 + 2e-3 * 5 * k + 2e-5 * rng.standard_normal():.6f},{-9.5 + 1e-5 * k:.6f},"
        f"{10000 + 7.62 * round(rng.standard_normal())},230" for k in range(n)
    ]  # fmt: skip


def test_a_recorded_flight_is_cleaned_smoothed_and_followed(tmp_path: Path) -> None:
    good = rows()
    dirty = [
        *good[:10], good[9], "1700000046,4ca123,,,,", good[5], "1700000047,4ca123,95.0,0.0,1.0,",
        "1700000048,4ca123,10.0,0.0,9000,", "1700000049,4ca123,nan,0.0,1.0,", *good[10:], "1700000000,abcdef,1,1,1,1",
    ]  # fmt: skip
    config = write(tmp_path / "a.csv", dirty)
    track = read_track(config)
    assert track.t_s.size == 60
    assert dict(track.refused) == {
        "duplicate time": 1, "no number": 2, "out of order": 1, "off the globe": 1, "jump": 1,
    }  # fmt: skip
    path = mover_path(MoverConfig("r", "recorded", 50.0, recorded=config), START_NS, 200.0)
    position, velocity = path.state(times(200.0, 1.0))
    assert ecef_to_geodetic(position)[2].mean() == pytest.approx(10000.0, abs=5.0)
    speed = np.linalg.norm(velocity, axis=-1)
    assert speed.mean() == pytest.approx(2e-3 * 111.1e3, rel=0.01)
    assert speed.std() < 3.0


def test_a_recording_is_read_again_when_its_file_has_changed(tmp_path: Path) -> None:
    heights = []
    for changed_s, lift in ((1_000_000, 0), (1_000_001, 500)):
        config = write(tmp_path / "a.csv", [row.replace(",100", f",{100 + lift // 10}") for row in rows()])
        os.utime(config.file, (changed_s, changed_s))
        path = mover_path(MoverConfig("r", "recorded", 50.0, recorded=config), START_NS, 100.0)
        heights.append(float(path.height_m(START_NS + 50 * 10**9)))
    assert heights[1] - heights[0] > 4000.0


def test_recordings_that_cannot_be_used_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recorded for 295 s, wanted 400 s"):
        mover_path(
            MoverConfig("r", "recorded", recorded=write(tmp_path / "a.csv", rows())), START_NS, 400.0
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"wanted columns lat \(lat or latitude or lat_deg\); the file has"):
        read_track(write(tmp_path / "b.csv", rows(), "time,icao24,breite,lon,geoaltitude,velocity"))
    with pytest.raises(ValueError, match="wanted icao24 'zzz', the file has 4ca123; set"):
        read_track(RecordedConfig(write(tmp_path / "c.csv", rows()).file, "zzz"))
    with pytest.raises(ValueError, match="wanted 5 good rows or more, got 0 of 3: refused 3"):
        read_track(write(tmp_path / "d.csv", ["x,4ca123,1,1,1,1"] * 3))
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read as CSV text"):
        read_track(RecordedConfig(tmp_path / "none.csv"))


def test_feet_and_iso_times_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    lines = ["timestamp,latitude,longitude,altitude_ft"]
    lines += [f"2026-06-21T10:30:{k:02d}Z,{43.0 + 2e-3 * k},-9.5,33000" for k in range(30)]
    path.write_text("\n".join(lines), encoding="utf-8")
    track = read_track(RecordedConfig(path))
    assert track.height_m[0] == pytest.approx(10058.4)
    assert track.t_s[-1] == pytest.approx(29.0)
