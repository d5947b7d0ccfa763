"""The radar chain: movers found in clutter, what is wrong with an interval told, nothing made up."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.plots import RadarFlag, RadarPlotFlag
from lookdown.hil.radar.interval import Interval, draw
from lookdown.hil.radar.settings import Clutter, Jammer, Radar, Target
from tests.flight.radar.intervals import chain_of, frame_of, pulse_of, sensor_of, stepped

RADAR = Radar(channels=4, pulses=32, ranges=600, gain_error=0.01, phase_error_rad=np.deg2rad(1))
CLUTTER = Clutter(cnr_db=25, patches=61)
MOVER = Target(300.3 * RADAR.cell_m, 30.0, 2e-4, 5.0)


def seen(*targets: Target, radar: Radar = RADAR, seed: int = 1, **scene: Any) -> Interval:
    given = {"clutter": CLUTTER} | scene
    return draw(radar, np.random.default_rng(seed), targets=targets, **given)


def test_movers_stand_out_of_the_clutter() -> None:
    """Vehicles of 15 m/s and more in clutter 25 dB over noise: found where they are, and nothing else."""
    chain = chain_of(RADAR)
    movers = [
        Target((60 + 110 * k + 0.2 * k) * RADAR.cell_m, speed, 3e-4 * (k - 2), 6.0)
        for k, speed in enumerate((15.0, -20.0, 40.0, -45.0, 28.0))
    ]
    result = stepped(chain, seen(*movers))
    assert not result.flags
    assert result.channels == (0, 1, 2, 3)
    plots = result.plots[np.argsort(result.plots["range_m"])]
    assert len(plots) == len(movers)
    for plot, mover in zip(plots, movers, strict=True):
        missed = np.array([mover.range_m, mover.range_rate_mps, np.arcsin(mover.u)])
        missed -= [plot["range_m"], plot["range_rate_m_s"], plot["azimuth_rad"]]
        # Channels of 1 % and 1 degree turn the array's answer by more than the noise does.
        sigma = np.sqrt(np.diag(plot["covariance"]))
        assert (np.abs(missed) < 5 * sigma + [1.0, 1.5, 2e-4]).all(), (missed, sigma)
        assert plot["snr"] > 5


def test_nothing_is_found_where_nothing_moves() -> None:
    chain = chain_of(RADAR)
    assert sum(len(stepped(chain, seen(seed=seed)).plots) for seed in range(6)) <= 1


def test_what_stands_still_is_never_claimed() -> None:
    """A stopped lorry of 30 dB over noise is clutter."""
    chain = chain_of(RADAR, least_speed_m_s=6.0)
    stopped = replace(MOVER, range_rate_mps=0.0, snr_db=15.0)
    for seed in range(5):
        assert not len(stepped(chain, seen(stopped, seed=seed)).plots)


def test_strong_and_weak_in_one_direction_and_bin() -> None:
    """A target of 45 dB in the training does not hide one of 17 dB: it is left out the second time."""
    strong = replace(MOVER, range_m=100 * RADAR.cell_m, snr_db=25.0)
    weak = replace(MOVER, range_m=450 * RADAR.cell_m, snr_db=-1.0)
    plots = stepped(chain_of(RADAR), seen(strong, weak, clutter=None)).plots
    assert len(plots) == 2
    assert plots["range_m"] / RADAR.cell_m == pytest.approx([100, 450], abs=1)


def test_a_strong_target_is_one_plot() -> None:
    """Up to 50 dB after integration."""
    strong = replace(MOVER, snr_db=30.0)
    assert len(stepped(chain_of(RADAR), seen(strong, clutter=None)).plots) == 1


def test_side_lobes_are_told_by_where_they_lie() -> None:
    chain = chain_of(RADAR)
    setup = chain._setup((0, 1, 2, 3))
    power = setup.power[0]
    power[:] = 1
    power[8, 300], power[20, 100] = 1e6, 1e3  # two targets
    power[20, 300], power[8, 340] = 50, 300  # at the first one's range, and in its Doppler bin and reach
    peaks, sizes, left_out = chain._clusters(setup, np.flatnonzero(power > 5))
    assert peaks.tolist() == [8 * 600 + 300, 20 * 600 + 100]
    assert sizes.tolist() == [1, 1]
    assert left_out == 2


@pytest.mark.parametrize("fill", [0.0, np.nan, 1e-4])
def test_a_dead_channel_is_left_out(fill: float) -> None:
    interval = seen(MOVER)
    interval.samples[2] = interval.samples[2] * fill
    result = stepped(chain_of(RADAR), interval)
    assert result.channels == (0, 1, 3)
    assert RadarFlag.DEAD_CHANNEL in result.flags
    assert result.plots["range_m"][0] == pytest.approx(MOVER.range_m, abs=5)
    assert abs(result.plots["azimuth_rad"][0] - MOVER.u) < 8e-4


@pytest.mark.parametrize("known", [True, False])
def test_a_saturated_channel_is_left_out(known: bool) -> None:
    interval = seen(MOVER)
    parts = interval.samples.view(np.float32)
    most = np.float32(0.5 * np.abs(parts[1]).max())
    parts[1] = parts[1].clip(-most, most)
    sensor = sensor_of(RADAR, full_scale=float(most) if known else 0.0)
    if known:
        parts *= np.array([0.4, 1, 0.4, 0.4], np.float32)[:, None, None]  # the others stay below full scale
    result = chain_of(RADAR, sensor).step(frame_of(interval))
    assert result.channels == (0, 2, 3)
    assert RadarFlag.SATURATED_CHANNEL in result.flags
    assert result.plots["range_m"][0] == pytest.approx(MOVER.range_m, abs=5)


def test_one_good_channel_still_finds_what_is_fast() -> None:
    """Without a second channel there is no angle; Doppler alone parts a target from clutter within the beam."""
    radar = replace(RADAR, speed_mps=20.0)
    interval = seen(replace(MOVER, snr_db=10.0), radar=radar)
    interval.samples[1:] = 0
    result = stepped(chain_of(radar), interval)
    assert result.channels == (0,)
    plot = result.plots[0]
    assert plot["range_m"] == pytest.approx(MOVER.range_m, abs=5)
    assert plot["flags"] & RadarPlotFlag.NO_ANGLE
    assert np.sqrt(plot["covariance"][2, 2]) > 1e-3


def test_lost_samples_are_told() -> None:
    interval = seen(MOVER)
    interval.samples[0, 3, 100:200] = np.nan
    result = stepped(chain_of(RADAR), interval)
    assert RadarFlag.SAMPLES_LOST in result.flags
    assert result.channels == (0, 1, 2, 3)
    assert result.plots["range_m"][0] == pytest.approx(MOVER.range_m, abs=5)


def test_too_few_training_cells_are_told() -> None:
    radar = replace(RADAR, ranges=32)
    mover = replace(MOVER, range_m=16.0 * RADAR.cell_m, snr_db=12.0)
    result = stepped(chain_of(radar, window=(5, 21), guard=(3, 5)), seen(mover, radar=radar, clutter=None))
    assert RadarFlag.FEW_TRAINING_CELLS in result.flags
    assert result.untrained_share == 1
    assert result.plots["range_m"][0] == pytest.approx(mover.range_m, abs=10)


def test_interference_over_the_whole_band_is_told() -> None:
    """From one direction it is nulled and told at once; as loud everywhere it is told against the intervals before."""
    chain = chain_of(RADAR)
    quiet = stepped(chain, seen(MOVER))
    assert not quiet.flags
    jammed = stepped(chain, seen(MOVER, jammer=Jammer(2.7e-3, 35.0)))
    assert RadarFlag.INTERFERENCE in jammed.flags
    assert jammed.plots["range_m"][0] == pytest.approx(MOVER.range_m, abs=5)
    loud = seen(MOVER, seed=3)
    noise = np.random.default_rng(4).standard_normal((*loud.samples.shape, 2)).astype(np.float32)
    loud.samples[:] += 10 * noise.view(np.complex64)[..., 0]
    assert RadarFlag.INTERFERENCE in stepped(chain, loud).flags


def test_what_does_not_fit_is_refused_and_the_chain_goes_on() -> None:
    chain = chain_of(RADAR)
    interval = seen(MOVER)
    first = stepped(chain, interval).plots
    frame = frame_of(interval)
    for bad, message in (
        ({"samples": interval.samples.transpose(1, 0, 2)}, r"samples: wanted complex64 of shape \(4, 32, 719\)"),
        ({"samples": interval.samples.astype(complex)}, r"got complex128"),
        ({"samples": None}, r"got NoneType"),
        ({"samples": np.zeros_like(interval.samples)}, r"one good channel at least, got 4 dead and 0 saturated of 4"),
        ({"prf_hz": 0.0}, r"prf_hz: wanted"),
        ({"speed_m_s": np.nan}, r"speed_m_s: wanted"),
    ):
        with pytest.raises(ValueError, match=message):
            chain.step(replace(frame, **bad))
    np.testing.assert_array_equal(stepped(chain, interval).plots, first)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sensor_of(RADAR, pulse=np.zeros(0, np.complex64)), "pulse: wanted complex samples.*without the wave"),
        (lambda: sensor_of(RADAR, channel_m=np.array([0.0, 2, 1, 3])), "channel_m: wanted finite places that ascend"),
        (lambda: sensor_of(RADAR, bandwidth_hz=20e6), "bandwidth_hz: wanted at most the sample rate"),
        (lambda: sensor_of(RADAR, wavelength_m=np.nan), "wavelength_m: wanted a finite"),
        (lambda: RadarParameters(bins=2), "bins: wanted 1 or 3"),
        (lambda: RadarParameters(cfar="best"), "cfar: wanted one of average"),
        (lambda: RadarParameters(guard=(4, 9)), "guard: wanted odd"),
        (lambda: RadarParameters(threshold=1.0), "threshold: wanted 2.5 to 8"),
        (lambda: chain_of(RADAR, sensor_of(RADAR, channel_m=np.arange(3.0))), "channel_m: wanted a place for each"),
        (lambda: chain_of(replace(RADAR, pulses=1)), "shape: wanted channels, at least 2 pulses"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_more_plots_than_fit_are_counted() -> None:
    result = stepped(chain_of(RADAR, max_plots=1), seen(MOVER, replace(MOVER, range_m=1500.0, snr_db=9.0)))
    assert len(result.plots) == 1
    assert result.plots["range_m"][0] == pytest.approx(1500, abs=5)
    assert result.n_left_out == 1
    assert RadarFlag.TRUNCATED in result.flags


def test_two_beams_find_what_one_misses() -> None:
    """Grating lobes are 15 mrad apart; a target 5 mrad off is in the null of one beam and in the middle of another."""
    radar = replace(RADAR, gain_error=0.0, phase_error_rad=0.0)
    off = replace(MOVER, u=0.0039, snr_db=-4.0)
    interval = seen(off, radar=radar, clutter=None)
    assert not len(stepped(chain_of(radar), interval).plots)
    both = stepped(chain_of(radar, beams_rad=(0.0, 0.0039)), interval).plots
    assert both["azimuth_rad"] == pytest.approx([0.0039], abs=6e-4)


def test_the_sensor_keeps_its_pulse() -> None:
    sensor = sensor_of(RADAR)
    assert isinstance(sensor, RadarSensor)
    assert sensor.cell_m == pytest.approx(RADAR.cell_m)
    np.testing.assert_array_equal(sensor.pulse, pulse_of(RADAR))


def test_with_a_clutter_map_movers_are_found_before_and_after_it_is_full() -> None:
    """At first against the ring, then against the cell's past."""
    chain = chain_of(RADAR, cfar="map", map_intervals=4)
    for n in range(6):
        mover = replace(MOVER, range_m=(100.3 + 60 * n) * RADAR.cell_m, snr_db=15.0)
        plots = stepped(chain, seen(mover, seed=n + 1)).plots
        assert plots["range_m"][0] == pytest.approx(mover.range_m, abs=5)
        assert len(plots) <= 3
