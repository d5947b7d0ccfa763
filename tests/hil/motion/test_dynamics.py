"""Gliders and rockets against closed forms and conserved quantities."""

import numpy as np
import pytest

from lookdown.geo.earth import ecef_to_geodetic, geodetic_to_ecef
from lookdown.hil.motion.dynamics import Bank, BoostConfig, GlideConfig, Stage, boost, glide, gravity
from lookdown.hil.motion.movers import MoverConfig, Start, mover_path
from lookdown.hil.scene.signature import air_density_kg_m3

OMEGA = np.array([0.0, 0.0, 7.292115e-5])
GM = 3.986004418e14
START_NS = 1_800_000_000 * 10**9


def states(flight, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return flight(t_s), flight(t_s, 1)


def energy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Specific energy in the rotating frame, which gravity and the turn of the Earth do not change."""
    radius = np.linalg.norm(position, axis=-1)
    z = position[..., 2] / radius
    potential = -GM / radius * (1.0 - 1.08262668e-3 * (6378137.0 / radius) ** 2 * (1.5 * z**2 - 0.5))
    turn = 0.5 * OMEGA[2] ** 2 * (position[..., 0] ** 2 + position[..., 1] ** 2)
    return 0.5 * np.sum(velocity**2, axis=-1) + potential - turn


def test_gravity_is_that_of_the_ellipsoid() -> None:
    for lat, expected in ((0.0, 9.7803), (45.0, 9.8062), (90.0, 9.8322)):  # Somigliana, WGS-84
        place = geodetic_to_ecef(np.radians(lat), 0.3, 0.0)
        weight = gravity(place) - np.cross(OMEGA, np.cross(OMEGA, place))
        assert np.linalg.norm(weight) == pytest.approx(expected, abs=2e-3)


def test_a_glider_loses_the_energy_that_drag_takes() -> None:
    config = GlideConfig(bank=(Bank(0.0, 0.0), Bank(60.0, 60.0), Bank(90.0, -60.0)))
    flight = glide(config, 43.0, -9.5, 50e3, 60.0, 5000.0, 150.0)
    t_s = np.linspace(0.0, 150.0, 3001)
    position, velocity = states(flight, t_s)
    height = ecef_to_geodetic(position)[2]
    speed = np.linalg.norm(velocity, axis=-1)
    power = air_density_kg_m3(height) * speed**3 / (2.0 * config.ballistic_kg_m2)
    lost = np.concatenate([[0.0], np.cumsum(0.5 * (power[1:] + power[:-1]) * np.diff(t_s))])
    fell = energy(position[0], velocity[0]) - energy(position, velocity)
    np.testing.assert_allclose(fell, lost, atol=2e-3 * lost[-1])
    assert lost[-1] > 0.02 * 0.5 * 5000.0**2


def test_a_glider_reaches_as_far_as_eggers_found() -> None:
    """Range of an equilibrium glide: R/2 L/D ln((1 - v1^2) / (1 - v0^2)), speeds over the circular (Eggers 1958)."""
    config = GlideConfig(lift_to_drag=2.0)
    flight = glide(config, -40.0, 0.0, 47e3, 0.0, 4500.0, 900.0)
    t_s = np.linspace(0.0, flight.x[-1], 2000)
    position, velocity = states(flight, t_s)
    inertial = np.linalg.norm(velocity + np.cross(OMEGA, position), axis=-1)
    end = np.argmax(inertial < 2500.0)
    unit = position / np.linalg.norm(position, axis=-1, keepdims=True)
    flown = 6371e3 * np.sum(np.arccos(np.clip(np.sum(unit[1 : end + 1] * unit[:end], axis=-1), -1.0, 1.0)))
    circular = 9.81 * 6371e3
    speeds = np.linalg.norm(velocity, axis=-1)[[0, end]]
    expected = 0.5 * 6371e3 * 2.0 * np.log((1.0 - speeds[1] ** 2 / circular) / (1.0 - speeds[0] ** 2 / circular))
    assert flown == pytest.approx(expected, rel=0.1)


def test_a_glider_skips_and_turns_with_its_bank() -> None:
    level = glide(GlideConfig(), 43.0, -9.5, 60e3, 60.0, 6000.0, 300.0)
    t_s = np.linspace(0.0, 300.0, 601)
    height = ecef_to_geodetic(level(t_s))[2]
    turning_points = np.count_nonzero(np.diff(np.sign(np.diff(height))))
    assert turning_points >= 2
    mach = np.linalg.norm(level(t_s, 1), axis=-1) / 320.0
    assert 5.0 < mach.min() < mach.max() < 20.0
    offsets = []
    for bank in (40.0, -40.0):
        config = GlideConfig(bank=(Bank(0.0, bank),))
        turned = glide(config, 43.0, -9.5, 45e3, 60.0, 5000.0, 120.0)(120.0)
        straight = glide(GlideConfig(bank=(Bank(0.0, 0.0),)), 43.0, -9.5, 45e3, 60.0, 5000.0, 120.0)
        ahead = straight(120.0, 1) / np.linalg.norm(straight(120.0, 1))
        up = turned / np.linalg.norm(turned)
        offsets.append(float((turned - straight(120.0)) @ np.cross(ahead, up)))
    assert offsets[0] > 3000.0
    assert offsets[1] < -3000.0


def test_a_rocket_burns_out_at_the_ideal_speed_less_its_losses() -> None:
    config = BoostConfig(stages=(Stage(60.0, 250.0, 0.75),), ballistic_kg_m2=1e6)
    flight = boost(config, 43.0, -9.5, 0.0, 60.0, 200.0)
    t_s = np.linspace(0.0, 60.0, 6001)
    position, velocity = states(flight, t_s)
    speed = np.linalg.norm(velocity, axis=-1)
    ideal = 250.0 * 9.80665 * np.log(1.0 / 0.25)
    ahead = velocity[1:] / speed[1:, None]
    pull = np.array([gravity(r) - np.cross(OMEGA, np.cross(OMEGA, r)) for r in position[1:]])
    lost = -np.sum(np.sum(pull * ahead, axis=-1)) * (t_s[1] - t_s[0])
    assert 300.0 < lost < 600.0
    assert speed[-1] == pytest.approx(ideal - lost, rel=0.01)


def test_after_burn_out_it_coasts_on_a_kepler_orbit() -> None:
    flight = boost(BoostConfig(), 43.0, -9.5, 0.0, 60.0, 400.0)
    position, velocity = states(flight, np.linspace(120.0, 400.0, 50))
    assert ecef_to_geodetic(position)[2].min() > 100e3
    np.testing.assert_allclose(energy(position, velocity), energy(position[0], velocity[0]), rtol=1e-7)
    inertial = velocity + np.cross(OMEGA, position)
    momentum = np.cross(position, inertial)[:, 2]  # J2 turns the others
    np.testing.assert_allclose(momentum, momentum[0], rtol=1e-7)


def test_thrust_is_on_from_ignition_to_burn_out_and_speed_has_no_steps() -> None:
    mover = MoverConfig(
        "b", "ballistic", start=Start(43.0, -9.5, 0.0, 60.0, 0.0), boost=BoostConfig(ignition_s=5.0)
    )  # fmt: skip
    path = mover_path(mover, START_NS, 120.0)
    times = START_NS + np.array([0, 4, 6, 64, 66, 100]) * 10**9
    assert path.thrusting(times).tolist() == [False, False, True, True, False, False]
    fine = START_NS + np.arange(0, 120 * 50) * 20_000_000
    _, velocity = path.state(fine)
    assert np.linalg.norm(np.diff(velocity, axis=0), axis=-1).max() < 2.5  # 10 g in a fiftieth of a second
    assert path.clearance_m(fine[:200]).min() >= -0.01


def test_light_from_before_the_start_left_a_glider_that_flew_and_a_rocket_that_stood() -> None:
    early = START_NS - np.array([0, 4, 30]) * 10**6
    start = Start(43.0, -9.5, 40e3, 60.0, 3000.0)
    glider = mover_path(MoverConfig("g", "hypersonic_glider", start=start, glide=GlideConfig()), START_NS, 10.0)
    position, velocity = glider.state(early)
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), 3000.0, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(position[0] - position[2]), 90.0, rtol=1e-4)
    rocket = mover_path(MoverConfig("b", "ballistic", start=start, boost=BoostConfig()), START_NS, 10.0)
    assert np.linalg.norm(rocket.state(early)[1], axis=-1).max() < 0.1


def test_a_glide_into_the_ground_is_refused() -> None:
    start = Start(43.0, -9.5, 9e3, 60.0, 900.0)
    down = GlideConfig(lift_to_drag=0.1, ballistic_kg_m2=1e5, climb_deg=-45.0)
    inverted = GlideConfig(bank=(Bank(0.0, 180.0),))
    for config in (down, inverted):
        mover = MoverConfig("g", "hypersonic_glider", start=start, glide=config)
        with pytest.raises(
            ValueError, match=r"mover 'g' goes below ground or upright: its flight ends after \d+ s of 60"
        ):
            mover_path(mover, START_NS, 60.0)


def test_what_cannot_fly_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stages: the first thrusts with 0\.42 times its weight"):
        BoostConfig(stages=(Stage(300.0, 250.0, 0.5),))
    with pytest.raises(ValueError, match="bank: wanted bank angles with rising t_s"):
        GlideConfig(bank=(Bank(5.0, 1.0), Bank(2.0, 1.0)))
