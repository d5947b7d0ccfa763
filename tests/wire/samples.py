"""One message or more of every packet, with values that reach the ends of their ranges."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from lookdown.wire.messages import (
    ECHO_DTYPE,
    SIGHT_DTYPE,
    Command,
    CommandKind,
    End,
    Event,
    EventKind,
    FrameHeader,
    Health,
    IntervalHeader,
    Parameter,
    Picture,
    PlotFlag,
    PlotReport,
    RadarFlag,
    RadarPlotFlag,
    RadarReport,
    ReportFlag,
    SensorState,
    Severity,
    Tasking,
    TaskMode,
    Track,
    TrackStatus,
)

STATE = SensorState(
    np.array([7_000_000.5, -1.25, 2.0]),
    np.array([1.0, 7500.0, -3.5]),
    np.array([1.0, 0.0, 0.0, 0.0]),
    4.0,
    2.0**-15,
    2.0**-15,
)
"""A state that crosses the wire without loss."""


def plots_like_those_of_the_default_scenario(n: int, rng: np.random.Generator) -> np.ndarray:
    """Plots as the onboard chain sends them over broken coast, strongest first.

    Medians and 5 and 95 % quantiles of what 2400 reports of that scenario hold: SNR 4.7 (4.2, 7.4), sigma 0.17 px
    (0.09, 0.56) and each axis on its own, noise 5 (3.1, 8.3), up to 6 pixels, every other one dark, one in eight beside
    a bad pixel, one in six at the border; 100 urad a pixel, 640 x 512.
    """
    sights = np.zeros(n, SIGHT_DTYPE)
    ifov = 1e-4
    border = rng.random(n) < 0.16
    sights["x"] = np.where(border, rng.choice([-319.5, 319.5], n), rng.uniform(-319.5, 319.5, n)) * ifov
    sights["y"] = rng.uniform(-255.5, 255.5, n) * ifov
    for name in ("sigma_x", "sigma_y"):
        sights[name] = ifov * np.exp(np.clip(rng.normal(np.log(0.18), 0.55, n), np.log(0.06), np.log(0.7)))
    sights["snr"] = np.sort(4.2 + rng.exponential(0.9, n))[::-1]
    sights["amplitude"] = sights["snr"] * np.exp(rng.normal(np.log(5.0), 0.3, n)) * rng.choice([-1.0, 1.0], n)
    sights["n_pixels"] = np.minimum(rng.geometric(0.4, n), 9)
    sights["flags"] = (
        PlotFlag.DARK * (sights["amplitude"] < 0)
        + PlotFlag.EDGE * border
        + PlotFlag.NEAR_BAD_PIXEL * (rng.random(n) < 0.12)
    )
    return sights


def report(n: int = 2, seed: int = 1, **changes: Any) -> PlotReport:
    """Report of n plots."""
    sights = plots_like_those_of_the_default_scenario(n, np.random.default_rng(seed))
    values = {"n_left_out": 3, "flags": ReportFlag.TRUNCATED, **changes}
    return PlotReport(513, 70_000, 2_000_000_000_123_456_789, STATE, sights, **values)


def echoes_of_a_low_orbit(n: int, rng: np.random.Generator) -> np.ndarray:
    """Plots as an X-band radar 1000 km away sends them: 12.5 m cells, 4 mrad of beam, 13 to 30 dB."""
    echoes = np.zeros(n, ECHO_DTYPE)
    echoes["snr_db"] = np.sort(rng.uniform(13.0, 30.0, n))[::-1]
    fineness = 10 ** (-echoes["snr_db"] / 20)
    echoes["range_m"] = 980e3 + rng.uniform(0, 6400, n)
    echoes["range_rate_m_s"] = rng.uniform(-54, 54, n)
    echoes["azimuth_rad"] = rng.uniform(-2e-3, 2e-3, n)
    echoes["sigma_range_m"], echoes["sigma_range_rate_m_s"] = 8.0 * fineness, 4.0 * fineness
    echoes["sigma_azimuth_rad"] = 2e-3 * fineness * rng.uniform(1, 2, n)
    echoes["correlation_rate_azimuth"] = rng.uniform(-0.5, 0.5, n)
    echoes["snr"] = echoes["snr_db"] / 2.5
    echoes["n_cells"] = rng.integers(2, 12, n)
    echoes["flags"] = RadarPlotFlag.UNTRAINED * (rng.random(n) < 0.1)
    return echoes


def radar_report(n: int = 3, seed: int = 1, **changes: Any) -> RadarReport:
    """Radar report of n plots."""
    echoes = echoes_of_a_low_orbit(n, np.random.default_rng(seed))
    values: dict[str, Any] = {"n_left_out": 3, "flags": RadarFlag.TRUNCATED, **changes}
    folds = float(np.float32(21_453.1)), float(np.float32(108.2985))
    sector = -(2.0**-9), 2.0**-9
    return RadarReport(
        514, 70_001, 2_000_000_000_123_456_789, STATE, echoes, 979_999.875, 6_400.0, *folds, *sector, 5.25, **values
    )


TRACK = Track(4, 8, np.arange(6.0), np.eye(6) * 2 + 1, TrackStatus.COASTING, -1.5, 9, 2)
TOLD = replace(TRACK, id=5, kind=(0.8, 0.0, 0.2, 0.0, 0.0, 0.0, 0.0))  # 204 and 51 of 255

MESSAGES = [
    report(),
    report(20),
    report(0, n_left_out=0, flags=ReportFlag.NONE),
    Health(1, 5, 1, 2, 3, 4, 5, 6, 7),
    End(65535, 0, 2**63 - 1),
    FrameHeader(2, 3, 4, 0.02, 5, 512, 640, 0xFFFFFFFF, replace(STATE, attitude=np.array([0.5, -0.5, 0.5, 0.5]))),
    FrameHeader(2, 3, 4, 0.02, 5, 512, 640, 0, None),
    Picture(9, (TRACK, TOLD), n_left_out=1),
    Picture(9, ()),
    Event(7, 10**18 + 1, Severity.ALARM, EventKind.PACKETS_GIVEN_UP, 12, -2.5, "spool voll: 12 Pakete \u2717"),
    Event(7, 1, Severity.INFORMATION, EventKind.STARTED, 0, 0.0, ""),
    Parameter(8, 2, 5.25, "chain.threshold"),
    Command(9, 3, 2**32 - 1, CommandKind.SET_PARAMETER, 10**18, 4.5, "chain.threshold"),
    Tasking(10, 4, 77, TaskMode.SCAN, 3, 10**18, 10**18 + 5, 0.75, -0.166, 8000.0),
    radar_report(),
    radar_report(20),
    radar_report(0, n_left_out=0, flags=RadarFlag.NONE),
    IntervalHeader(2, 3, 4, 6987.5, 979_999.875, 5, 4, 128, 2048, 0xFFFFFFFF, STATE),
]
"""At least one of every packet."""


def same(a: Any, b: Any) -> bool:
    """Whether two messages are equal, arrays bit for bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


def name_of(message: Any) -> str:
    return type(message).__name__
