"""What an onboard process is started with: its configuration, its calibration, and the checksums of both."""

import hashlib
import io
from pathlib import Path

import numpy as np
import tomli_w

from lookdown.hil.plan import Scenario
from lookdown.hil.scene.stars import told_of_stars
from lookdown.hil.station.frames import Frames

CONFIG, SPOOL = "flight.toml", "spool.sqlite"


def bad_pixels_name(sensor_id: int) -> str:
    """Return the name of the map of bad pixels of a satellite."""
    return f"bad-pixels-{sensor_id}.npy"


def flight_files(
    scenario: Scenario, frames: Frames, sensor_id: int, folder: str, endpoints: tuple[str, str]
) -> dict[str, bytes]:
    """Make the files of an onboard process.

    Parameters
    ----------
    scenario : Scenario
        What is run.
    frames : Frames
        Its frames, with the map of bad pixels that the factory hands over.
    sensor_id : int
        The satellite.
    folder : str
        Where the files will be on the target, absolute.
    endpoints : tuple of str
        Where frames arrive, and where reports go.

    Returns
    -------
    dict of str to bytes
        By name: configuration, map of bad pixels, checksums.
    """
    table = bad_pixels_name(sensor_id)
    config = {
        "sensor_id": sensor_id,
        "frames_endpoint": endpoints[0],
        "ground_endpoint": endpoints[1],
        "spool": f"{folder}/{SPOOL}",
        "rows": scenario.sensor.rows,
        "cols": scenario.sensor.cols,
        "bit_depth": scenario.sensor.bits,
        "calibration": {"bad_pixels": f"{folder}/{table}", "distortion": list(scenario.sensor.distortion)},
        **scenario.flight,
    }
    buffer = io.BytesIO()
    np.save(buffer, frames.known_bad(sensor_id))
    files = {CONFIG: tomli_w.dumps(config).encode(), table: buffer.getvalue()}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return {**files, f"{CONFIG}.sha256": sums.encode()}


def write_ground(scenario: Scenario, folder: Path, endpoint: str, picture_endpoint: str = "") -> Path:
    """Write the configuration of the ground process and return its path."""
    size = {"rows": scenario.sensor.rows, "cols": scenario.sensor.cols}
    sensors = [{"sensor_id": satellite.id, **size} for satellite in scenario.satellite]
    config = {
        "endpoint": endpoint,
        "picture_endpoint": picture_endpoint,
        "folder": str(folder.resolve() / "ground"),
        "exit_when_all_ended": True,
        "fusion": {
            "sensors": sensors,
            **told_of_stars(scenario.sensor.band_um, scenario.seed, scenario.stars_catalogued, folder),
            **scenario.ground,
        },
    }
    path = folder / "run" / "ground.toml"
    path.write_text(tomli_w.dumps(config), encoding="utf-8")
    return path


def write_boards(scenario: Scenario, frames: Frames, folder: Path) -> dict[int, Path]:
    """Write the files of each satellite's board below ``folder``, without addresses; return their configurations."""
    configs = {}
    for satellite in scenario.satellite:
        place = folder / f"flight-{satellite.id}"
        place.mkdir()
        nowhere = ("inproc://frames", "inproc://ground")
        for name, data in flight_files(scenario, frames, satellite.id, str(place), nowhere).items():
            (place / name).write_bytes(data)
        configs[satellite.id] = place / CONFIG
    return configs
