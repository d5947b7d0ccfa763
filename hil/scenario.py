"""Reading a scenario: the file into a plan, and whether that plan can be carried out on this Earth."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.earth import ecef_to_geodetic, enu_axes, geodetic_to_ecef
from lookdown.geo.sight import intersect_ellipsoid
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.look import Looks
from lookdown.hil.requirements import check
from lookdown.hil.scene.recorded import read_part
from lookdown.hil.truth import Truth
from lookdown.wire.config import load_config
from lookdown.wire.errors import ConfigError

_GROUND_SLACK_M = 5.0
"""What a vehicle on smoothed terrain may be below it."""

__all__ = ["Scenario", "check_geometry", "load_scenario"]


def load_scenario(path: Path) -> Scenario:
    """Read a scenario and check that it can be run: geometry as in `check_geometry`, a recorded ground that is one.

    Raises
    ------
    ConfigError
        One line: file, key, what was wanted, what came, what to do.
    """
    scenario = load_config(path, Scenario, beside=True)
    check(scenario.requirement, str(path))
    try:
        check_geometry(scenario)
        if scenario.scene.texture is not None:
            read_part(scenario.scene.texture, scenario.sensor.band_um, scenario.scene.extent_m)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return scenario


def check_geometry(scenario: Scenario) -> None:
    """Refuse a scenario whose movers go below ground or whose views miss the Earth, the scene, or every mover.

    Looks at the scenario once a second, without cloud. A mover that no satellite ever sees is warned of.

    Raises
    ------
    ValueError
        One line: who, what was wanted, what came, what to do.
    """
    truth = Truth(scenario)
    step = max(1, round(scenario.frame_rate_hz))
    frames = np.unique(np.append(np.arange(0, scenario.n_frames, step), scenario.n_frames - 1))
    times = scenario.frame_time_ns(frames)
    for path in truth.paths:
        clearance = path.clearance_m(times)
        if clearance.min() < -_GROUND_SLACK_M:
            t_s = frames[np.argmin(clearance)] / scenario.frame_rate_hz
            raise ValueError(
                f"mover {path.name!r} goes below ground: a height over the terrain wanted above 0, got "
                f"{clearance.min():.0f} m at {t_s:.0f} s; raise it or lower its skip"
            )
    seen = np.zeros(len(truth.paths), np.bool_)
    for index, satellite in enumerate(scenario.satellite):
        _check_view(truth, index, frames)
        rows = Looks(truth, index).rows(frames) if satellite.sensor == "radar" else truth.appearances(index, frames)
        inside = rows["inside"].any(axis=0)
        if truth.paths and not inside.any():
            raise ValueError(
                f"satellite {satellite.id} never sees any mover: wanted one inside its frame at some time; "
                "move its aim, change its orbit or widen the sensor"
            )
        seen |= inside
    for path, once in zip(truth.paths, seen, strict=True):
        if not once:
            logging.getLogger(__name__).warning(
                "mover %r is never inside the frame of any satellite; move it, or leave it out", path.name
            )


def _check_view(truth: Truth, index: int, frames: NDArray[np.int64]) -> None:
    """Refuse a view that leaves the Earth, looks at it too flatly, or leaves the scene."""
    scenario, camera = truth.scenario, truth.scenario.sensor.camera
    if scenario.satellite[index].pointing.law != "stare":
        return  # such views wander; the scene repeats beyond its extent
    name = f"satellite {scenario.satellite[index].id}"
    position, _, attitude = truth.sensor(index, frames)
    lat, lon, _ = ecef_to_geodetic(truth.aim(index, scenario.frame_time_ns(frames)))
    toward = position - geodetic_to_ecef(lat, lon, 0.0)
    up = enu_axes(lat, lon)[..., 2, :]
    elevation = np.arcsin(np.sum(toward * up, axis=-1) / np.linalg.norm(toward, axis=-1))
    if elevation.min() < np.radians(5.0):
        raise ValueError(
            f"{name} stands {np.degrees(elevation.min()):.0f} degrees above the horizon of its aim point; wanted 5 or "
            "more throughout; change its orbit or its aim"
        )
    if scenario.satellite[index].sensor == "radar":
        return
    row, col = np.array([0, 0, camera.rows - 1, camera.rows - 1]), np.array([0, camera.cols - 1, 0, camera.cols - 1])
    sights = camera.sight_ecef(*camera.tangent_from_pixel(row, col), attitude[:, None, :])
    ground = intersect_ellipsoid(position[:, None, :], sights, 0.0)
    lat0, lon0 = np.radians(scenario.scene.lat_deg), np.radians(scenario.scene.lon_deg)
    reach = np.abs((ground - geodetic_to_ecef(lat0, lon0, 0.0)) @ enu_axes(lat0, lon0)[:2].T).max()
    half = 0.5 * scenario.scene.extent_m
    if not reach <= half:
        raise ValueError(
            f"{name} looks out of the scene: wanted all corners of its view within {half / 1e3:.0f} km of the scene's "
            f"centre, got {reach / 1e3:.0f} km; raise scene.extent_m or move the aim"
        )
