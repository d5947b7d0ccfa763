"""Stars tell pointing errors: as well as landmarks do, with places that ERFA gives; what is no star stays out."""

from dataclasses import replace

import erfa
import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.timescale import earth_rotation_angle_rad
from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.parameters import Parameters
from lookdown.ground.rewind import Rewind
from lookdown.ground.sky import Star
from lookdown.wire.errors import WireError
from lookdown.wire.messages import SIGHT_DTYPE, PlotFlag, PlotReport
from tests.ground.test_pointing import EPOCH_NS, follow, scene_of

STAR_EVERY = 5  # frames: one is of the sky
N_STARS = 100_000  # over the whole sky: some twenty in a frame of 3.3 by 2.6 degrees
CATALOGUED = 50_000
MAS_RAD = np.pi / 180.0 / 3600e3


class Sky:
    """A whole sky of stars that move by some 100 mas a year, half of it catalogued."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        ra, dec = self.rng.uniform(0.0, 2.0 * np.pi, N_STARS), np.arcsin(self.rng.uniform(-1.0, 1.0, N_STARS))
        motion = self.rng.normal(size=(N_STARS, 2)) * 100.0
        self.rows = np.stack([np.degrees(ra), np.degrees(dec), *motion.T], axis=1)
        tt = 2440587.5, (EPOCH_NS * 1e-9 + 32.184) / 86400.0
        seen = erfa.apci13(*tt)[0]
        ri, di = erfa.atciq(ra, dec, motion[:, 0] * MAS_RAD / np.cos(dec), motion[:, 1] * MAS_RAD, 0.0, 0.0, seen)
        self.of_date = np.stack([np.cos(di) * np.cos(ri), np.cos(di) * np.sin(ri), np.sin(di)], axis=1)

    def write(self, path, rows=None):
        rows = self.rows[:CATALOGUED] if rows is None else rows
        header = "# a test sky\nra_deg,dec_deg,pm_ra_mas_yr,pm_dec_mas_yr"
        np.savetxt(path, rows, delimiter=",", header=header, comments="")
        return path

    def report(self, scene, report):
        """The same satellite at the same time, turned to the sky above it: plots of the stars there."""
        state, index = report.state, report.sensor_id - 1
        attitude = stare_attitude(state.position_m, state.velocity_m_s, 2.0 * state.position_m)
        angle = float(earth_rotation_angle_rad(report.time_ns))
        c, s = np.cos(angle), np.sin(angle)
        directions = self.of_date @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).T
        up = state.position_m / np.linalg.norm(state.position_m)
        ahead = directions[directions @ up > 0.99]
        row, col, _ = scene.camera.project(state.position_m + 1e16 * ahead, state.position_m, attitude)
        inside = (row > 3) & (row < scene.rows - 3) & (col > 3) & (col < scene.cols - 3)
        x, y = scene.camera.tangent_from_pixel(row[inside], col[inside])
        noise = self.rng.normal(size=(2, len(x))) * scene.centroid_px * scene.ifov_rad
        sights = np.zeros(len(x), SIGHT_DTYPE)
        sights["x"], sights["y"] = x + scene.bias[index, 0] + noise[0], y + scene.bias[index, 1] + noise[1]
        sights["sigma_x"] = sights["sigma_y"] = scene.centroid_px * scene.ifov_rad
        sights["snr"], sights["amplitude"], sights["n_pixels"] = 8.0, 8.0, 4
        return PlotReport(report.sensor_id, report.frame_id, report.time_ns, replace(state, attitude=attitude), sights)


def look_up(scene, sky, sent=True):
    """Let every fifth frame of each satellite be of the sky; one that is not sent is missing."""
    ground = scene.reports

    def reports(seconds, start_s=0.0):
        for report in ground(seconds, start_s):
            if report.frame_id % STAR_EVERY != 2:
                yield report
            elif sent:
                yield sky.report(scene, report)

    scene.reports = reports
    return scene


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    made = Sky()
    made.path = made.write(tmp_path_factory.mktemp("sky") / "stars.csv")
    return made


def test_stars_take_100_microradians_of_three_satellites_away_as_landmarks_do(world, sky, record_property):
    found = {}
    for name, pointing_rad, stars in (("no errors", 1e-7, False), ("landmarks", 1e-4, False), ("stars", 1e-4, True)):
        squares, nees = [], []
        for seed in range(2):
            scene, known = scene_of(world, pointing_rad, seed, marks=2)
            chosen = {"star_catalogue": sky.path} if stars else {"landmarks": known}
            square, consistency, told, fusion = follow(look_up(scene, sky, stars), 9.0, **chosen)
            squares.append(square)
            nees.append(consistency)
            if not stars:
                continue
            assert len(fusion.pointing) == 3
            for error in fusion.pointing:
                bias = scene.bias[error.sensor_id - 1]
                assert abs(error.x_rad - bias[0]) < 4.0 * error.sigma_x_rad < 30e-6
                assert abs(error.y_rad - bias[1]) < 4.0 * error.sigma_y_rad < 30e-6
                assert error.plots_of_stars > 20
                assert error.plots_of_landmarks == 0
            assert {event.sensor_id for event in told if event.kind == "pointing"} == {1, 2, 3}
        found[name] = float(np.sqrt(np.mean(squares))), float(np.mean(nees))
    line = ", ".join(f"{name} {rmse:.1f} m, NEES {nees:.1f}" for name, (rmse, nees) in found.items())
    record_property("pointing", line)
    print("\n" + line)
    assert found["stars"][0] <= 1.2 * found["landmarks"][0]
    assert found["stars"][1] < 6.0


def test_errors_told_by_stars_are_as_great_as_their_sigmas_say(world, sky):
    """Of satellites whose place is off, too: what targets show is both, and stars tell the attitude's part of it."""
    squares = []
    rng = np.random.default_rng(0)
    for seed in range(40):
        scene = world(seed=seed, pointing_rad=1e-4, pointing_memory_s=1e9)
        parameters = scene.parameters(star_catalogue=sky.path, pointing_correlation_s=1e9)
        fusion, ingest = Fusion(parameters), Ingest(parameters)
        for index in range(3):
            ground = scene.report(index, 0, EPOCH_NS + index)
            fusion.step(ingest.offer(sky.report(scene, ground)))
        fusion.step(ingest.flush())
        for error in fusion._pointing.all():
            off = scene.bias[error.sensor_id - 1] + rng.normal(size=2) * 5.0 / scene.altitude_m
            squares += [
                ((error.x_rad - off[0]) / error.sigma_x_rad) ** 2,
                ((error.y_rad - off[1]) / error.sigma_y_rad) ** 2,
            ]
    assert len(squares) == 240
    assert 0.75 < np.mean(squares) < 1.25  # chi-square with 240 degrees over 240: 99 % within


def test_what_stars_cannot_tell_of_a_satellites_place_stays_unknown(world, sky):
    """A hundred frames of the sky: what is left is the place's 60 m over the range, and no less."""
    scene = world(seed=1, pointing_rad=1e-4, pointing_memory_s=1e9, centroid_px=0.05)
    parameters = scene.parameters(star_catalogue=sky.path, pointing_correlation_s=1e9)
    fusion, ingest = Fusion(parameters), Ingest(parameters)
    for frame in range(60):
        report = sky.report(scene, scene.report(0, frame, EPOCH_NS + frame * 100_000_000))
        report = replace(report, state=replace(report.state, position_sigma_m=60.0))
        fusion.step(ingest.offer(report))
    fusion.step(ingest.flush())
    (error,) = fusion._pointing.all()
    assert 55e-6 < error.sigma_x_rad < 65e-6  # 60 m over 1,000 km, and the catalogue's 2 microradians


def test_stars_are_counted_as_stars_and_what_is_none_as_being_in_space(world, sky):
    scene = world(seed=0, pointing_rad=1e-4)
    parameters = scene.parameters(star_catalogue=sky.path)
    fusion, ingest = Fusion(parameters), Ingest(parameters)
    report = sky.report(scene, scene.report(0, 0, EPOCH_NS))
    fusion.step([*ingest.offer(report), *ingest.flush()])
    stars, others = fusion.counters[1, "plots_of_stars"], fusion.counters[1, "plots_in_space"]
    assert 1 <= stars < report.n_plots
    assert stars + others == report.n_plots
    assert ingest.counters[1, "plots_refused"] == 0
    assert fusion.counters[1, "plots"] == 0
    assert len(fusion.table) == 0


def test_without_a_catalogue_plots_in_space_are_refused_as_before(world, sky):
    scene = world(seed=0)
    ingest = Ingest(scene.parameters())
    with pytest.raises(WireError, match="no plot lies in the air"):
        ingest.offer(sky.report(scene, scene.report(0, 0, EPOCH_NS)))
    assert ingest.counters[1, "refused_geometry"] == 1


def test_what_the_board_says_is_a_star_is_no_target_wherever_it_looks(world, sky):
    scene = world(seed=0)
    report = scene.report(0, 0, EPOCH_NS)
    sights = report.sights.copy()
    sights["flags"][0] |= PlotFlag.STAR
    flagged = replace(report, sights=sights)
    ingest = Ingest(scene.parameters())
    (plain,) = [*ingest.offer(flagged), *ingest.flush()]
    assert plain.plot_index.tolist() == list(range(1, report.n_plots))
    assert ingest.counters[1, "plots_refused_geometry"] == 1
    told = Ingest(scene.parameters(star_catalogue=sky.path))
    (arrival,) = [*told.offer(flagged), *told.flush()]
    np.testing.assert_array_equal(arrival.space, sights[:1])
    assert arrival.plot_index.tolist() == list(range(1, report.n_plots))
    assert told.counters[1, "plots_refused"] == 0


def test_late_frames_of_the_sky_count_as_if_in_time(world, sky):
    fused = []
    for delay_ns in (0, 2_000_000_000):
        scene = look_up(scene_of(world, 1e-4, 3)[0], sky)
        sky.rng = np.random.default_rng(5)
        parameters = scene.parameters(star_catalogue=sky.path, hold_s=0.25 if delay_ns else 10.0, late_every_s=0.5)
        fusion, ingest = Fusion(parameters), Ingest(parameters)
        rewind = Rewind(fusion, parameters)
        come = sorted(
            scene.reports(4.0), key=lambda r: (r.time_ns + (delay_ns if r.sensor_id == 3 else 0), r.sensor_id)
        )
        for report in come:
            rewind.step(ingest.offer(report))
        rewind.step(ingest.flush())
        rewind.catch_up()
        fused.append(fusion)
    in_time, late = (fusion._pointing for fusion in fused)
    np.testing.assert_array_equal(in_time.mean, late.mean)
    np.testing.assert_array_equal(in_time.covariance, late.covariance)
    np.testing.assert_array_equal(in_time.used, late.used)
    assert fused[0].counters == fused[1].counters


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ra,dec\n1,2\n", "wanted columns ra_deg and dec_deg"),
        ("ra_deg,dec_deg\n10,20\n10,north\n", "star 2: could not convert"),
        ("ra_deg,dec_deg\n10,91\n", "star 1: star: wanted ra_deg within 360"),
        ("ra_deg,dec_deg\n10,nan\n", "star 1: star: wanted ra_deg within 360"),
    ],
)
def test_a_catalogue_that_is_none_is_refused_by_line(tmp_path, text, wanted):
    path = tmp_path / "stars.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=wanted):
        Parameters(star_catalogue=path)


def test_a_catalogue_that_is_not_there_and_a_star_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match="star_catalogue: cannot read"):
        Parameters(star_catalogue=tmp_path / "none.csv")
    with pytest.raises(ValueError, match="star: wanted ra_deg"):
        Star(10.0, -95.0)
