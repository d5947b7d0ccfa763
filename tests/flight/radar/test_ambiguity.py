"""Ranges and range rates beyond their folds: exact numbers as the Chinese remainder has them, and measured ones."""

import numpy as np
import pytest

from lookdown.flight.radar.ambiguity import AmbiguityParameters, resolve
from lookdown.flight.radar.plots import RADAR_PLOT_DTYPE, RadarPlotFlag
from lookdown.geo.earth import SPEED_OF_LIGHT_M_S
from lookdown.hil.radar.interval import draw_staggered
from lookdown.hil.radar.settings import Radar, Target
from tests.flight.radar.intervals import chain_of, stepped

WAVELENGTH_M = 0.031
PRFS_HZ = (6000.0, 6500.0, 7100.0)
WIDE = AmbiguityParameters(max_range_m=150e3, max_speed_m_s=400.0)


def folded(range_m: float, rate_m_s: float, prf_hz: float, sigma: tuple[float, float] = (1.0, 0.1)) -> np.void:
    plot = np.zeros((), RADAR_PLOT_DTYPE)
    span = WAVELENGTH_M * prf_hz / 2
    plot["range_m"] = range_m % (SPEED_OF_LIGHT_M_S / (2 * prf_hz))
    plot["range_rate_m_s"] = (rate_m_s + span / 2) % span - span / 2
    plot["covariance"] = np.diag([sigma[0] ** 2, sigma[1] ** 2, 1e-8])
    plot["snr_db"] = 20
    return plot


def one_each(*plots: np.void) -> list[np.ndarray]:
    return [np.array([plot], RADAR_PLOT_DTYPE) for plot in plots]


def test_exact_numbers_are_the_chinese_remainder() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        range_m, rate_m_s = rng.uniform(1e3, 149e3), rng.uniform(-390, 390)
        found, _ = resolve(one_each(*(folded(range_m, rate_m_s, p) for p in PRFS_HZ)), PRFS_HZ, WAVELENGTH_M, WIDE)
        assert len(found) == 1
        assert found["range_m"][0] == pytest.approx(range_m, abs=1e-6)
        assert found["range_rate_m_s"][0] == pytest.approx(rate_m_s, abs=1e-6)
        assert found["flags"][0] & RadarPlotFlag.RESOLVED


def test_measured_numbers_are_told_apart_by_their_sigmas() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        range_m, rate_m_s = rng.uniform(1e3, 149e3), rng.uniform(-390, 390)
        plots = [
            folded(range_m + 20 * rng.standard_normal(), rate_m_s + rng.standard_normal(), p, (20.0, 1.0))
            for p in PRFS_HZ
        ]
        found, _ = resolve(one_each(*plots), PRFS_HZ, WAVELENGTH_M, WIDE)
        good = len(found) and abs(found["range_m"][0] - range_m) < 60 and abs(found["range_rate_m_s"][0] - rate_m_s) < 4
        # What is wrong must have said that it may be.
        wrong += not good and not (len(found) and found["flags"][0] & RadarPlotFlag.AMBIGUOUS)
    assert wrong <= 2


def test_two_targets_and_a_false_plot() -> None:
    a, b = (40e3, 120.0), (91e3, -250.0)
    plots = [np.array([folded(*a, p), folded(*b, p)], RADAR_PLOT_DTYPE) for p in PRFS_HZ]
    plots[1] = np.append(plots[1], folded(3333.0, 77.0, PRFS_HZ[1]))
    plots[2] = plots[2][:1]  # the second is missed once
    found, _ = resolve(plots, PRFS_HZ, WAVELENGTH_M, WIDE)
    assert sorted(np.round(found["range_m"]).tolist()) == [40e3, 91e3]
    assert np.isin(np.round(found["range_rate_m_s"]), [120, -250]).all()


def test_simulated_intervals_through_the_chain() -> None:
    """An aircraft of 230 m/s at 61 km, folded thrice in range and twice or more in range rate."""
    target = Target(61_234.0, 230.0, 2e-4, 0.0)
    radar = Radar(channels=4, pulses=32, ranges=1560, bandwidth_hz=8e6, pulse_s=4e-6, sample_rate_hz=10e6)
    rng = np.random.default_rng(3)
    plots = []
    chain = chain_of(radar)
    for interval in draw_staggered(radar, PRFS_HZ, rng, targets=(target,)):
        plots.append(stepped(chain, interval).plots)
    found, _ = resolve(plots, PRFS_HZ, radar.wavelength_m, WIDE)
    assert len(found) == 1
    sigma = np.sqrt(np.diag(found["covariance"][0]))
    assert abs(found["range_m"][0] - target.range_m) < 4 * sigma[0] + 1
    assert abs(found["range_rate_m_s"][0] - 230) < 4 * sigma[1]
    assert not found["flags"][0] & RadarPlotFlag.AMBIGUOUS


def test_what_cannot_be_resolved_is_refused() -> None:
    plot = one_each(folded(1e3, 1.0, 6000.0))
    with pytest.raises(ValueError, match="prfs_hz: wanted one for each of 1 intervals, two different"):
        resolve(plot, (6000.0,), WAVELENGTH_M, WIDE)
    with pytest.raises(ValueError, match="needed: wanted"):
        AmbiguityParameters(1e5, 100.0, needed=1)
    assert not len(resolve([plot[0], plot[0][:0]], (6000.0, 7000.0), WAVELENGTH_M, WIDE)[0])
