"""What the processes of a run are told of a scenario's radar: its array on board, the roads on the ground."""

from typing import Any

import numpy as np

from lookdown.geo.earth import ecef_to_geodetic
from lookdown.hil.motion.roads import Road
from lookdown.hil.plan import Scenario

_ROAD_STEP = 5  # points of a road's line from one that the ground is told to the next, 50 m


def told_of_roads(scenario: Scenario) -> dict[str, Any]:
    """Say where the roads are, for a ground that follows movers on them."""
    if scenario.radar is None or scenario.radar.movers != "surface":
        return {}
    told = []
    for config in scenario.road:
        line = Road(config).middle_m()
        lat, lon, _ = ecef_to_geodetic(line[np.unique(np.append(np.arange(0, len(line), _ROAD_STEP), len(line) - 1))])
        points = [[*np.degrees(place).tolist(), 0.0] for place in zip(lat, lon, strict=True)]
        told.append({"name": config.name, "width_m": config.width_m, "points": points})
    return {"roads": told}


def told_of_radar(scenario: Scenario) -> dict[str, Any]:
    """Say of a radar satellite what its onboard process must know."""
    assert scenario.radar is not None
    radar = scenario.radar.instrument
    channels, pulses, samples = radar.shape
    names = ("wavelength_m", "spacing_m", "bandwidth_hz", "pulse_s", "sample_rate_hz")
    told = {name: getattr(radar, name) for name in names}
    return {"radar_sensor": {"channels": channels, "pulses": pulses, "samples": samples, **told}}
