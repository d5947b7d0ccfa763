"""Tracks of known kind for the classifier: drawn movers that fly by their own physics, seen by three satellites, and
filtered as the ground filters them.

Movers are drawn with beta-distributed heights and speeds, so that within a regime the middle is likelier than the ends:
the classifier's uniform ranges are not the truth that it is tested on.
"""

from dataclasses import dataclass

import numpy as np

from lookdown.geo.earth import (
    GRAVITY_PARAMETER_M3_S2,
    ROTATION_RATE_RAD_S,
    ecef_to_geodetic,
    enu_axes,
    geodetic_to_ecef,
)
from lookdown.ground.filter import innovation_covariance, predict, update
from lookdown.ground.kinds import Kinds
from lookdown.ground.measure import Look, common_sigma, predict_sights
from lookdown.ground.regimes import PRIOR, REGIMES
from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.wire.messages import SIGHT_DTYPE, Kind, PlotReport, SensorState, TrackStatus

STEP_S = 0.1
SCALE_M = 7.2e3  # of the air's density
EARTH_TURN = np.array([0.0, 0.0, ROTATION_RATE_RAD_S])
IRRADIANCE_PER_DN = 1e-11


@dataclass
class Movers:
    """Truth that can be stepped: ``kind``, ``state`` (n, 6) ECEF, ``intensity_w_sr``."""

    kind: np.ndarray
    state: np.ndarray
    intensity_w_sr: np.ndarray
    flies: np.ndarray  # by heading, climb and accelerations; the others fall, are pushed, or hang on a star
    heading: np.ndarray
    speed: np.ndarray
    climb: np.ndarray  # mean, amplitude, rate and phase of the vertical speed
    turn_m_s2: np.ndarray
    thrust_m_s2: np.ndarray
    drag: np.ndarray  # area times coefficient over mass [m^2/kg]
    jerk_m_s3: np.ndarray
    wobble: np.ndarray
    star: np.ndarray
    time_s: float = 0.0


def draw(rng: np.random.Generator, n: int, aim_rad: tuple[float, float]) -> Movers:
    """Draw movers by the classifier's prior over kinds and its weights of regimes, each somewhere in its ranges."""
    kind = rng.choice(len(PRIOR), n, p=PRIOR)
    regime = np.zeros(n, int)
    for k in range(len(PRIOR)):
        own = [i for i, r in enumerate(REGIMES) if r.kind == k]
        here = kind == k
        regime[here] = rng.choice(own, here.sum(), p=[REGIMES[i].weight for i in own])

    def within(name, a=2.0, b=2.0):
        low, high = np.array([getattr(r, name) for r in REGIMES]).T
        return low[regime] + rng.beta(a, b, n) * (high - low)[regime]

    height, speed = within("height_m"), within("speed_m_s")
    height = np.where(kind == Kind.ARTEFACT, rng.uniform(0, 60e3, n), height)
    intensity = np.exp([rng.uniform(*np.log(REGIMES[i].intensity_w_sr)) for i in regime])
    falls = np.array([r.falls for r in REGIMES])[regime]
    returns = np.array([r.falls and r.climb_m_s[1] < 0 for r in REGIMES])[regime]
    boosts = (kind == Kind.BALLISTIC) & ~falls
    # A booster is slow while it is low: rises with 5 to 40 m/s^2 from the ground, turning over.
    burnt = rng.uniform(0.05, 1.0, n)
    speed = np.where(boosts, 100.0 + burnt * 4500.0, speed)
    height = np.where(boosts, 500.0 + burnt**2 * 75e3, height)
    elevation = np.where(boosts, np.radians(85.0 - 55.0 * burnt), rng.uniform(-1.1, 1.2, n))
    elevation = np.where(returns, np.radians(rng.uniform(-70, -15, n)), elevation)
    # After free fall from far up: drag has braked what is deep in the air.
    ballistic = 10.0 ** rng.uniform(3.3, 4.2, n)
    column = 1.225 * np.exp(-np.maximum(height, 0.0) / SCALE_M) * SCALE_M / np.sin(np.maximum(np.abs(elevation), 0.1))
    speed = np.where(returns, rng.uniform(1500, 6500, n) * np.exp(-column / (2.0 * ballistic)) + 300.0, speed)
    # What flies by lift flies where the air is dense enough for its speed.
    loaded = np.array([r.loading_kg_m2 is not None for r in REGIMES])[regime]
    edges = np.log([r.loading_kg_m2 or (1.0, 2.0) for r in REGIMES])[regime]
    loading = np.exp(edges[:, 0] + rng.beta(2.0, 2.0, n) * (edges[:, 1] - edges[:, 0]))
    needed = np.maximum(9.8 - speed**2 / 6.4e6, 1.0) * loading
    lowest, highest = np.array([r.height_m for r in REGIMES])[regime].T
    height = np.where(loaded, np.clip(SCALE_M * np.log(0.5 * 1.225 * speed**2 / needed), lowest, highest), height)
    quiet = np.array([0.15, 0.35, 0.3, 0.1, 0.2, 0.3, 0.6, 1, 1, 0.3, 1, 0.3, 0.3, 1, 1])[regime]
    climb = within("climb_m_s") * quiet
    climb = np.where(kind == Kind.ARTEFACT, rng.normal(0, 400, n), climb)
    up = np.where(falls | boosts, speed * np.sin(elevation), np.clip(climb, -0.7 * speed, 0.7 * speed))
    heading = rng.uniform(0, 2 * np.pi, n)
    lat, lon = (aim_rad[i] + rng.normal(0, 2e-3, n) for i in (0, 1))
    position, axes = geodetic_to_ecef(lat, lon, height), enu_axes(lat, lon)
    level = np.sqrt(np.maximum(speed**2 - up**2, 0.0))
    local = np.column_stack([level * np.sin(heading), level * np.cos(heading), up])
    glides = kind == Kind.GLIDER
    carried = np.maximum(9.8 - speed**2 / 6.4e6, 1.0)
    thrust = within("thrust_m_s2") * quiet
    thrust = np.where(glides, -carried / rng.uniform(2.0, 3.0, n), np.where(boosts, rng.uniform(8, 40, n), thrust))
    lateral = rng.normal(0, np.array([1, 3, 15, 3, 10, 5, 8, 8, 0, 0, 0, 0.3, 1.5, 0, 20])[regime])
    surface = kind == Kind.SURFACE
    return Movers(
        kind=kind,
        state=np.concatenate([position, np.einsum("nji,nj->ni", axes, local)], axis=1),
        intensity_w_sr=intensity,
        flies=~(falls | boosts) & (kind != Kind.STAR),
        heading=heading,
        speed=speed,
        climb=np.column_stack(
            [
                np.where(surface, up * 0.2, up),
                np.where(glides, rng.uniform(0, 150, n), 0.0),
                2 * np.pi / rng.uniform(40, 150, n),
                rng.uniform(0, 2 * np.pi, n),
            ]
        ),
        turn_m_s2=lateral,
        thrust_m_s2=np.where(falls, 0.0, thrust),
        drag=np.where(falls, 1.0 / ballistic, 0.0),
        jerk_m_s3=np.where(kind == Kind.ARTEFACT, rng.uniform(0.0, 40.0, n), 0.0),
        wobble=np.zeros((n, 3)),
        star=rng.normal(size=(n, 3)),
    )


def step(movers: Movers, rng: np.random.Generator) -> None:
    """Go on by STEP_S."""
    dt, state = STEP_S, movers.state
    position, velocity = state[:, :3], state[:, 3:]
    lat, lon, height = ecef_to_geodetic(position)
    axes = enu_axes(lat, lon)
    movers.time_s += dt
    # By heading.
    mean, amplitude, rate, phase = movers.climb.T
    up = mean + amplitude * np.sin(rate * movers.time_s + phase)
    # Nothing pushes a glider up: it pays for height with speed.
    paid = np.where(movers.kind == Kind.GLIDER, 9.8 * up / np.maximum(movers.speed, 5.0), 0.0)
    movers.speed = np.maximum(movers.speed + (movers.thrust_m_s2 - paid) * dt, 0.5)
    movers.heading = movers.heading + movers.turn_m_s2 / np.maximum(movers.speed, 5.0) * dt
    level = np.sqrt(np.maximum(movers.speed**2 - up**2, 0.0))
    local = np.column_stack([level * np.sin(movers.heading), level * np.cos(movers.heading), up])
    kick = movers.jerk_m_s3[:, None] * np.sqrt(dt) * rng.normal(size=movers.wobble.shape)
    movers.wobble = 0.98 * movers.wobble + kick * dt * 10
    flown = np.einsum("nji,nj->ni", axes, local + movers.wobble)
    # By Newton.
    radius = np.linalg.norm(position, axis=1)[:, None]
    pull = -GRAVITY_PARAMETER_M3_S2 * position / radius**3
    spin = -2 * np.cross(EARTH_TURN, velocity) - np.cross(EARTH_TURN, np.cross(EARTH_TURN, position))
    speed = np.maximum(np.linalg.norm(velocity, axis=1), 1.0)
    density = 1.225 * np.exp(-np.clip(height, 0.0, 150e3) / SCALE_M)
    push = ((movers.thrust_m_s2 - 0.5 * density * speed**2 * movers.drag) / speed)[:, None] * velocity
    thrown = velocity + dt * (pull + spin + push)
    fresh = np.where(movers.flies[:, None], flown, thrown)
    movers.state = np.concatenate([position + dt * 0.5 * (velocity + fresh), fresh], axis=1)


def hang_on_stars(movers: Movers, position_m: np.ndarray, velocity_m_s: np.ndarray) -> None:
    """Put stars where the first satellite sees them over the limb; from then on they go with it."""
    rows = np.flatnonzero(movers.kind == Kind.STAR)
    if not rows.size:
        return
    radius = np.linalg.norm(position_m)
    up = position_m / radius
    if movers.time_s == 0.0:
        side = np.cross(up, movers.star[rows])
        side /= np.linalg.norm(side, axis=1)[:, None]
        tangent_m = 6.371e6 + 20e3 + 60e3 * np.abs(np.sin(movers.star[rows, 0] * 9.0))
        dip = np.arccos(tangent_m / radius)[:, None]
        sight = np.cos(dip) * side - np.sin(dip) * up
        movers.star[rows] = sight * np.sqrt(radius**2 - tangent_m**2)[:, None]
    else:
        movers.star[rows] -= STEP_S * np.cross(EARTH_TURN, movers.star[rows])
    inertial = velocity_m_s - np.cross(EARTH_TURN, movers.star[rows])
    movers.state[rows] = np.concatenate(
        [position_m + movers.star[rows], np.broadcast_to(inertial, (len(rows), 3))], axis=1
    )


def classify(world, seed: int, n: int, at_s: tuple[float, ...], brightness: bool) -> tuple[np.ndarray, dict]:
    """Kinds of n movers, and the posteriors of their tracks at some ages, by age."""
    rng = np.random.default_rng(seed)
    scene = world(seed=seed)
    sensors, parameters = len(scene.orbits), scene.parameters()
    from tests.ground.conftest import AIM_RAD, EPOCH_NS

    movers = draw(rng, n, AIM_RAD)
    states = [scene.sensor_state(index, EPOCH_NS) for index in range(sensors)]
    hang_on_stars(movers, states[0].position_m, states[0].velocity_m_s)
    spread = np.array([200.0] * 3 + [400.0] * 3)
    state = movers.state + rng.normal(size=(n, 6)) * spread
    covariance, cross = np.tile(np.diag(spread**2), (n, 1, 1)), np.zeros((n, 6, 2 * sensors))
    bias = rng.normal(size=(sensors, n, 2)) * scene.pointing_rad
    kinds, found = Kinds(IRRADIANCE_PER_DN if brightness else 0.0), {}
    for tick in range(1, round(max(at_s) / STEP_S) + 1):
        time_ns = EPOCH_NS + round(tick * STEP_S * 1e9)
        step(movers, rng)
        first = scene.orbits[0].state(time_ns)
        hang_on_stars(movers, *first)
        index = tick % sensors
        sensor: SensorState = scene.sensor_state(index, time_ns)
        range_m = np.linalg.norm(movers.state[:, :3] - sensor.position_m, axis=1)
        seen = movers.state[:, :3] - movers.state[:, 3:] * (range_m / 299792458.0)[:, None]
        axes = np.array([(seen - sensor.position_m) @ column for column in _columns(sensor)])
        fade = np.exp(-STEP_S * sensors / scene.pointing_memory_s)
        bias[index] = fade * bias[index] + rng.normal(size=(n, 2)) * scene.pointing_rad * np.sqrt(1 - fade**2)
        sights = np.zeros(n, SIGHT_DTYPE)
        for axis, name in enumerate("xy"):
            noise = bias[index, :, axis] + rng.normal(size=n) * scene.centroid_px * scene.ifov_rad
            sights[name] = axes[axis] / axes[2] + noise
            sights[f"sigma_{name}"] = scene.centroid_px * scene.ifov_rad
        peak = movers.intensity_w_sr / range_m**2 / IRRADIANCE_PER_DN * np.exp(rng.normal(0, 0.4, n))
        sights["amplitude"] = np.minimum(peak, 1e30)
        look = Look.of(PlotReport(index + 1, tick, time_ns, sensor, sights), parameters.centroid_floor_px)
        noise_density, memory = parameters.process_noise_m2_s3, parameters.pointing_correlation_s
        state, covariance, cross = predict(state, covariance, cross, STEP_S, noise_density, memory)
        predicted = predict_sights(state, look)
        sigma = common_sigma(sensor, predicted.range_m)
        total = innovation_covariance(covariance, cross, predicted, index, sigma)
        total[:, [0, 1], [0, 1]] += look.variance
        innovation = look.tangent - predicted.tangent
        state, covariance, cross = update(state, covariance, cross, predicted, index, sigma, innovation, total)
        if tick < 12:
            continue
        updates = np.zeros(n, UPDATE_DTYPE)
        updates["track_id"], updates["time_ns"], updates["status"] = np.arange(n), time_ns, TrackStatus.CONFIRMED
        updates["position_m"], updates["velocity_m_s"] = state[:, :3], state[:, 3:]
        updates["covariance"] = covariance
        posterior = kinds.look(updates, sensor, index + 1, sights["amplitude"].astype(np.float64))
        for age_s in at_s:
            if tick == round(age_s / STEP_S):
                found[age_s] = posterior.copy()
    return movers.kind, found


def _columns(sensor: SensorState) -> np.ndarray:
    from lookdown.geo.rotation import to_matrix

    return to_matrix(sensor.attitude).T


def calibration_error(posterior: np.ndarray, kind: np.ndarray, bins: int = 15) -> tuple[float, np.ndarray]:
    """Expected calibration error of the most probable kind, and per bin (mean confidence, share right, count).

    Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", eq. 5.
    """
    confidence, right = posterior.max(axis=1), posterior.argmax(axis=1) == kind
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = np.array(
        [
            (confidence[place == b].mean(), right[place == b].mean(), np.count_nonzero(place == b))
            for b in range(bins)
            if np.any(place == b)
        ]
    )
    return float(np.sum(rows[:, 2] * np.abs(rows[:, 0] - rows[:, 1])) / len(kind)), rows
