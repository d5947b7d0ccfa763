"""Intervals of a radar satellite in its group of a rendered file, as `lookdown-flight process` takes them.

cpi             complex64 [intervals, channels, pulses, samples]; its attributes tell array and waveform
first_range_m   float64 [intervals], range of the first cell
time_ns         int64 [intervals], TAI
truth           LOOK_DTYPE [intervals, movers]
"""

from typing import Any

from lookdown.hil.plan import Scenario
from lookdown.hil.radar.look import LOOK_DTYPE
from lookdown.hil.radar.render import RadarRenderer


def interval_shape(scenario: Scenario) -> tuple[int, int, int]:
    """Return channels, pulses and samples of an interval; zeros without a radar."""
    if scenario.radar is None:
        return 0, 0, 0
    return scenario.radar.instrument.shape


def lay_out_intervals(group: Any, scenario: Scenario, early: Any, unfilled: Any) -> None:
    """Make the datasets of a radar satellite, with their space."""
    assert scenario.radar is not None
    radar, n, shape = scenario.radar.instrument, scenario.n_frames, interval_shape(scenario)
    cpi = group.create_dataset("cpi", (n, *shape), "<c8", chunks=(1, *shape), dcpl=unfilled.copy())
    for name in ("wavelength_m", "sample_rate_hz", "prf_hz", "spacing_m", "bandwidth_hz", "pulse_s"):
        cpi.attrs[name] = getattr(radar, name)
    group.create_dataset("first_range_m", (n,), "<f8", dcpl=early.copy())
    group.create_dataset("time_ns", (n,), "<i8", dcpl=early.copy())
    group.create_dataset("truth", (n, len(scenario.mover)), LOOK_DTYPE, dcpl=early.copy())


def write_interval(group: Any, renderer: RadarRenderer, k: int) -> None:
    """Render an interval into its place."""
    drawn, truth = renderer.interval(k)
    group["cpi"][k] = drawn.samples
    group["first_range_m"][k] = drawn.radar.first_range_m
    group["time_ns"][k] = int(renderer.scenario.frame_time_ns(k))
    group["truth"][k] = truth
