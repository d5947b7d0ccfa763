"""Terrain: a tilted plane in closed form, lines of sight that meet it, movers that stand on it, files that are none."""

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import Parameters, SensorField
from lookdown.ground.pipeline import Pipeline
from lookdown.ground.terrain import terrain_of
from lookdown.wire.messages import TrackStatus
from tests.ground.conftest import AIM_RAD, EPOCH_NS
from tests.ground.test_radar_air import packets
from tests.ground.test_surface import radar_of

LAT_DEG, LON_DEG = np.degrees(AIM_RAD)
CELL_DEG = 0.01
SIDE = 101
NORTHWARD, EASTWARD = 2000.0, -3500.0  # metres a degree: two and four hundredths of slope
LEVEL_M = 1200.0


def plane(lat_deg, lon_deg):
    return LEVEL_M + NORTHWARD * (lat_deg - LAT_DEG) + EASTWARD * (lon_deg - LON_DEG)


def write_plane(path, hole=None):
    """The plane about the aim point as an ESRI ASCII grid."""
    half = SIDE // 2 * CELL_DEG
    lat = LAT_DEG + half - np.arange(SIDE) * CELL_DEG
    lon = LON_DEG - half + np.arange(SIDE) * CELL_DEG
    heights = plane(lat[:, None], lon[None])
    if hole:
        heights[hole] = -9999.0
    head = f"ncols {SIDE}\nnrows {SIDE}\nxllcenter {lon[0]!r}\nyllcenter {lat[-1]!r}\ncellsize {CELL_DEG}\n"
    head = head.replace("np.float64(", "").replace(")", "") + "NODATA_value -9999\n"
    path.write_text(head + "\n".join(" ".join(f"{h:.9f}" for h in row) for row in heights) + "\n", encoding="ascii")
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_plane(tmp_path_factory.mktemp("terrain") / "plane.asc")


def places_about(n=40, spread_deg=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return LAT_DEG + rng.uniform(-spread_deg, spread_deg, n), LON_DEG + rng.uniform(-spread_deg, spread_deg, n)


def test_heights_and_slopes_of_a_plane_are_those_of_its_formula(path):
    terrain = terrain_of(path)
    lat, lon = places_about()
    np.testing.assert_allclose(terrain.heights(np.radians(lat), np.radians(lon)), plane(lat, lon), atol=1e-6)
    position = geodetic_to_ecef(np.radians(lat), np.radians(lon), 5000.0)
    height, rise = terrain.under(position)
    np.testing.assert_allclose(height, plane(lat, lon), atol=1e-3)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 5.0
        over = []
        for way in (1.0, -1.0):
            a, b, h = ecef_to_geodetic(position + way * step)
            over.append(h - plane(np.degrees(a), np.degrees(b)))
        np.testing.assert_allclose(rise[:, axis], (over[0] - over[1]) / 10.0, atol=2e-5)


@pytest.mark.parametrize("elevation_deg", [80.0, 40.0, 12.0])
def test_lines_of_sight_meet_a_plane_where_they_were_aimed(path, elevation_deg):
    terrain = terrain_of(path)
    lat, lon = (np.radians(part) for part in places_about(spread_deg=0.2))
    target = geodetic_to_ecef(lat, lon, plane(np.degrees(lat), np.degrees(lon)))
    east, _, up = enu_axes(*AIM_RAD)
    elevation = np.radians(elevation_deg)
    origin = geodetic_to_ecef(*AIM_RAD, 0.0) + 1.5e6 * (np.cos(elevation) * east + np.sin(elevation) * up)
    away = target - origin
    met = terrain.meet(origin, away / np.linalg.norm(away, axis=1, keepdims=True))
    assert np.linalg.norm(met - target, axis=1).max() < 0.1
    assert np.isnan(terrain.meet(origin, up[None])).all()


def test_off_the_grid_and_without_a_value_the_ground_lies_where_it_is_said(tmp_path):
    holed = write_plane(tmp_path / "holed.asc", hole=(50, 50))
    terrain = terrain_of(holed, 30.0, 77.0)
    lat, lon = np.radians([LAT_DEG, LAT_DEG + 0.2, LAT_DEG + 3.0]), np.radians([LON_DEG, LON_DEG, LON_DEG])
    expected = [77.0, plane(LAT_DEG + 0.2, LON_DEG) + 30.0, 77.0]
    np.testing.assert_allclose(terrain.heights(lat, lon), expected, atol=1e-6)
    np.testing.assert_allclose(terrain_of(None, 0.0, 12.0).heights(lat, lon), 12.0)


def drive(world, east_m, north_m, speed_m_s, heading_deg):
    """A truth that drives over the plane, in place of movers on great circles."""
    axes, start = enu_axes(*AIM_RAD), geodetic_to_ecef(*AIM_RAD, 0.0)
    heading = np.radians(heading_deg)
    way = speed_m_s * (np.sin(heading) * axes[0] + np.cos(heading) * axes[1])

    def place(time_ns):
        flat = start + east_m * axes[0] + north_m * axes[1] + way * (time_ns - EPOCH_NS) * 1e-9
        lat, lon, _ = ecef_to_geodetic(flat)
        return geodetic_to_ecef(lat, lon, plane(np.degrees(lat), np.degrees(lon)))

    def truth(time_ns):
        velocity = (place(time_ns + 500_000_000) - place(time_ns - 500_000_000)) / 1.0
        return np.concatenate([place(time_ns), velocity])[None]

    world.movers, world.truth = np.zeros((1, 6)), truth
    return world


def test_a_vehicle_that_one_satellite_sees_is_ranged_by_the_terrain(world, path):
    """The surface model alone: 40 m of ground sigma along a slanting line, and 1.7 km off by the ellipsoid."""
    errors = {}
    for name, terrain in (("terrain", path), ("ellipsoid", None)):
        scene = drive(
            world(seed=4, sub_points=((38.0, 4.0, 70.0),), false_plots=0.0, pointing_rad=5e-6, rate_hz=5.0),
            2e3, -3e3, 30.0, 40.0,
        )  # fmt: skip
        chosen = scene.parameters(
            model="multiple",
            motions=("surface",),
            terrain=terrain,
            min_displacement_m=50.0,
            initial_speed_sigma_m_s=50.0,
        )
        fusion, ingest, updates = Fusion(chosen), Ingest(chosen), []
        for report in scene.reports(12.0):
            for event in fusion.step(ingest.offer(report)):
                updates += list(getattr(event, "updates", ()))
        last = [update for update in updates if update["single"] and update["time_ns"] > EPOCH_NS + 9 * 10**9]
        assert len(last) > 5, name
        errors[name] = [
            np.linalg.norm(update["position_m"] - scene.truth(int(update["time_ns"]))[0, :3]) for update in last
        ]
        if terrain:
            for update in last:
                error = update["position_m"] - scene.truth(int(update["time_ns"]))[0, :3]
                assert error @ np.linalg.solve(update["covariance"][:3, :3], error) < 16.0
    assert np.median(errors["terrain"]) < 60.0
    assert np.median(errors["ellipsoid"]) > 500.0


def test_a_vehicle_that_a_radar_sees_off_the_roads_is_placed_on_the_terrain(path):
    errors = {}
    for name, terrain in (("terrain", path), ("flat", None)):
        radar = radar_of(rate_fold_m_s=0.0)
        truth = drive(type("World", (), {})(), -2e3, -1e3, 20.0, 80.0).truth
        middle = truth(EPOCH_NS)[0, :3]
        radar.aim_m = middle
        pipeline = Pipeline(
            Parameters(sensors=(SensorField(9, radar="surface"),), terrain=terrain, surface_height_m=0.0)
        )
        packets([radar.report(EPOCH_NS + 2 * n * 10**9, truth(EPOCH_NS + 2 * n * 10**9)) for n in range(12)], pipeline)
        [track] = [track for track in pipeline.picture().tracks if track.status == TrackStatus.CONFIRMED]
        errors[name] = np.linalg.norm(track.state[:3] - truth(track.time_ns)[0, :3])
    assert errors["terrain"] < 250.0  # azimuth: 150 microradians over 1,100 km
    assert errors["flat"] > 1000.0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "header: wanted ncols"),
        ("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\n1 2\n3 4\n", "header: wanted cellsize"),
        ("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n3\n", r"nrows \* ncols = 4 heights, got 3"),
        ("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n3 high\n", "heights: could not convert"),
        ("ncols two\nnrows 2\n1 2\n", "could not convert string to float: 'two'"),
        ("ncols 2.5\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n", "ncols: wanted a whole number"),
        ("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n3 40000\n", "wanted heights from"),
        ("ncols 2\nnrows 2\nxllcorner 500000\nyllcorner 4e6\ncellsize 30\n1 2\n3 4\n", "degrees of latitude"),
        ("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize -1\n1 2\n3 4\n", "degrees of latitude"),
        ("ncols 2\nnrows 2\nxllcorner inf\nyllcorner 0\ncellsize 1\n1 2\n3 4\n", "finite numbers"),
        ("ncols 2 3\n", "wanted a name and a number"),
    ],
)
def test_a_file_that_is_no_grid_is_refused_with_what_was_wanted(tmp_path, text, wanted):
    path = tmp_path / "bad.asc"
    path.write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match=wanted):
        Parameters(terrain=path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="terrain: cannot read"):
        Parameters(terrain=tmp_path / "none.asc")
    (tmp_path / "binary.asc").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="terrain: cannot read"):
        Parameters(terrain=tmp_path / "binary.asc")
    with pytest.raises(ValueError, match="terrain_geoid_m: wanted -150 to 150"):
        Parameters(terrain_geoid_m=1000.0)
