"""Ground movers that nobody sees: honest while they brake, halt or crawl, and found again on the branch they took."""

import numpy as np
import pytest
from scipy.stats import norm

from lookdown.ground.roads import RoadNet
from lookdown.ground.unseen import slowed
from lookdown.wire.messages import TrackStatus
from tests.ground.convoy import MANOEUVRES, figures, road_through
from tests.ground.test_surface import drive, fused, kinds, parameters_of, radar_of, reports_of

TRUNK = [(-4000.0, 0.0), (-1500.0, -200.0), (0.0, 0.0)]
BRANCHES = {
    "ahead": [(0.0, 0.0), (4000.0, 300.0)],
    "left": [(0.0, 0.0), (700.0, 900.0), (3500.0, 2500.0)],
    "right": [(0.0, 0.0), (600.0, -800.0), (3300.0, -2600.0)],
}
ROADS = tuple(road_through(points) for points in (TRUNK, *BRANCHES.values()))


def chance_seen(speed, least, detection):
    soft = 0.2 * least
    return detection * (norm.cdf((speed - least) / soft) + norm.cdf((-speed - least) / soft))


@pytest.mark.parametrize(("mean", "sigma"), [(14.0, 4.0), (2.0, 9.0), (-11.0, 8.0), (0.0, 20.0)])
def test_moments_of_a_speed_that_was_not_seen_are_those_of_a_sum_over_speeds(mean, sigma):
    speed = np.linspace(mean - 9 * sigma, mean + 9 * sigma, 200_001)
    density = np.exp(-0.5 * ((speed - mean) / sigma) ** 2) * (1.0 - chance_seen(speed, 10.0, 0.8))
    density /= density.sum()
    want = float(density @ speed)
    got, variance = slowed(np.array([mean]), np.array([sigma**2]), 10.0, 0.8)
    assert got[0] == pytest.approx(want, abs=1e-6 * sigma)
    assert variance[0] == pytest.approx(max(float(density @ (speed - want) ** 2), min(sigma**2, 100.0 / 3)), rel=1e-6)


def test_what_is_surely_fast_learns_nothing_and_what_is_slow_nothing_new():
    mean, variance = slowed(np.array([30.0, 0.5]), np.array([1.0, 4.0]), 10.0, 0.8)
    assert mean == pytest.approx([30.0, 0.5], abs=1e-2)
    assert variance == pytest.approx([1.0, 4.0], rel=0.01)


def assert_honest(got):
    """NEES of six numbers within its 99 % band at nearly all instants, in the mean of most seeds not above six."""
    assert got["inside"].mean() >= 0.97
    assert np.median(got["nees"]) <= 6.0
    assert got["resumed"].all()


@pytest.mark.parametrize("manoeuvre", ["halt", "crawl"])
def test_a_convoy_that_brakes_stays_within_what_its_tracks_state(manoeuvre):
    assert_honest(figures(manoeuvre, range(2)))


@pytest.mark.proof
@pytest.mark.parametrize("manoeuvre", MANOEUVRES)
def test_many_convoys_stay_within_what_their_tracks_state(manoeuvre):
    got = figures(manoeuvre, range(10))
    print(
        f"{manoeuvre}: NEES median {np.median(got['nees']):.1f}, most {got['nees'].max():.1f}; "
        f"within 99 % {got['inside'].mean():.3f}; resumed {got['resumed'].mean():.2f}"
    )
    assert got["inside"].mean() >= 0.97
    assert np.median(got["nees"]) <= 6.0
    assert got["resumed"].mean() >= 0.9


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_mover_that_turns_off_while_it_is_not_seen_is_found_again_on_its_branch(branch):
    """It slows down before the junction, creeps over it, and is seen again on any of three branches: one track."""
    whole = road_through([*TRUNK, *BRANCHES[branch][1:]])

    def speed(t):
        return 20.0 if t < 50.0 else 4.0 if t < 120.0 else min(4.0 + 1.5 * (t - 120.0), 20.0)

    along, states = drive(2800.0, speed, 170.0, whole)
    parameters = parameters_of(roads=ROADS)
    _, events, pictures = fused(reports_of(radar_of(false_plots=0.05), states), parameters)
    told = kinds(events)
    assert told.count("confirmed") == 1
    assert "resumed" in told
    assert "dropped" not in told
    [last] = pictures[-1].tracks
    assert last.status == TrackStatus.CONFIRMED
    assert {track.id for picture in pictures for track in picture.tracks} == {last.id}
    assert np.linalg.norm(last.state[:3] - states[-1][:3]) < 60.0
    net = RoadNet(ROADS)
    nearest = min(net.near(last.state[:3], 25.0 * np.eye(3), 1e4), key=lambda point: point.square)
    assert nearest.edge == 1 + list(BRANCHES).index(branch)
    squares, sigmas = [], []
    for picture, state, way in zip(pictures, states, along, strict=True):
        for track in picture.tracks:
            if track.status == TrackStatus.COASTING and way > 3700.0:
                away = track.state - state
                squares.append(away @ np.linalg.solve(track.covariance, away))
                sigmas.append(np.sqrt(np.trace(track.covariance[:3, :3])))
    assert len(squares) >= 10
    assert np.mean(squares) < 9.0
    assert max(sigmas) > 3.0 * min(sigmas)


def test_past_the_junction_the_track_stands_for_all_branches():
    """Between them, with a covariance that reaches over them, and told as coasting."""
    whole = road_through([*TRUNK, *BRANCHES["left"][1:]])
    _, states = drive(3150.0, lambda t: 20.0 if t < 40.0 else 4.0, 80.0, whole)
    _, _, pictures = fused(reports_of(radar_of(false_plots=0.0), states), parameters_of(roads=ROADS))
    [track] = pictures[-1].tracks
    assert track.status == TrackStatus.COASTING
    place, net = track.covariance[:3, :3], RoadNet(ROADS)
    for branch in range(3):
        point = net.at(np.array([1 + branch]), np.array([150.0]))[0][0]
        away = point - track.state[:3]
        assert away @ np.linalg.solve(place, away) < 11.3  # 99 %
