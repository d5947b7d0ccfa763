"""Simulated radar intervals: their statistics are those of the closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.flight.compression import PulseCompressor, chirp
from lookdown.flight.radar.taper import pulse_weights
from lookdown.hil.radar import theory
from lookdown.hil.radar.interval import Interval, draw, draw_staggered, fluctuation, gaussian
from lookdown.hil.radar.settings import Clutter, Jammer, Radar, Target
from lookdown.kernels.adaptive import adaptive_filter, adaptive_scratch_size
from lookdown.kernels.doppler import doppler, doppler_scratch_size, doppler_turns
from lookdown.kernels.dpca import dpca

SMALL = Radar(channels=3, pulses=6, ranges=4000, bandwidth_hz=5e6, pulse_s=4e-6, sample_rate_hz=6e6)
REFERENCE = Radar()


def compressed(interval: Interval) -> np.ndarray:
    radar = interval.radar
    pulse = chirp(radar.bandwidth_hz, radar.pulse_s, radar.sample_rate_hz)
    return PulseCompressor(pulse, interval.samples.shape[2])(interval.samples)


def test_compression_is_correlation_and_keeps_the_noise() -> None:
    rng = np.random.default_rng(1)
    interval = draw(SMALL, rng)
    pulse = chirp(SMALL.bandwidth_hz, SMALL.pulse_s, SMALL.sample_rate_hz)
    out = compressed(interval)
    want = np.correlate(interval.samples[1, 2].astype(complex), pulse.astype(complex), "valid")
    np.testing.assert_allclose(out[1, 2], want, atol=1e-5)
    assert np.mean(np.abs(out) ** 2) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("clutter", "jammer"),
    [
        (Clutter(cnr_db=20), None),
        (Clutter(cnr_db=20, motion_mps=8.0), None),
        (Clutter(cnr_db=20, folds=(1.0, 0.5, 0.2)), None),
        (Clutter(cnr_db=20, shape=2.0), None),
        (Clutter(cnr_db=10), Jammer(0.002, 20)),
        (None, Jammer(-0.004, 15)),
    ],
)
def test_covariance_is_the_closed_form(clutter: Clutter | None, jammer: Jammer | None) -> None:
    radar = replace(SMALL, prf_hz=5000.0)
    rng = np.random.default_rng(2)
    total, n = np.zeros((18, 18), complex), 0
    for _ in range(3):
        x = compressed(draw(radar, rng, clutter, (), jammer)).reshape(18, -1).astype(complex)
        total += x @ x.conj().T
        n += x.shape[1]
    want = theory.covariance(radar, clutter, jammer)
    error = np.abs(total / n - want)
    assert error.max() < 0.06 * want[0, 0].real, error.max() / want[0, 0].real


def test_clutter_lies_on_its_ridge() -> None:
    """A patch at u has Doppler 2 v u / wavelength: seen by channels 2 v T / d = 1 apart as by pulses."""
    r = theory.covariance(REFERENCE, Clutter(motion_mps=0))
    powers = np.linalg.eigvalsh(r)[::-1]
    # Brennan's rule: N + beta (M - 1) with beta = 2 v T / d = 1; the pattern leaves fewer strong ones.
    beta = 2 * REFERENCE.speed_mps / REFERENCE.prf_hz / REFERENCE.spacing_m
    assert beta == pytest.approx(1)
    assert (powers > 2).sum() <= REFERENCE.channels + beta * (REFERENCE.pulses - 1)
    assert (powers < 1.01).sum() >= 64 - 19


@pytest.mark.parametrize("shape", [0.5, 2.0, 20.0])
def test_k_clutter_has_its_moments(shape: float) -> None:
    """E[I^2] / E[I]^2 = 2 (1 + 1 / nu) where the resolution is a cell."""
    radar = Radar(channels=1, pulses=1, ranges=400_000, bandwidth_hz=1e6, pulse_s=1e-6, sample_rate_hz=1e6)
    out = compressed(draw(radar, np.random.default_rng(3), Clutter(shape=shape, patches=3), noise=False))
    power = np.abs(out.astype(complex)) ** 2
    assert np.mean(power**2) / np.mean(power) ** 2 == pytest.approx(2 * (1 + 1 / shape), rel=0.06)


@pytest.mark.parametrize("case", range(5))
def test_targets_fluctuate_as_swerling_says(case: int) -> None:
    rng = np.random.default_rng(4)
    power = np.stack([fluctuation(rng, case, 8) for _ in range(20_000)])
    variance = {0: 0, 1: 1, 2: 1, 3: 0.5, 4: 0.5}[case]
    assert power.mean() == pytest.approx(1, abs=0.03)
    assert power.var() == pytest.approx(variance, abs=0.05)
    if case in (1, 3):
        assert (power == power[:, :1]).all()
    if case in (2, 4):
        assert abs(np.corrcoef(power[:, 0], power[:, 1])[0, 1]) < 0.03


def test_a_target_is_where_the_truth_says() -> None:
    target = Target(range_m=57_000.0, range_rate_mps=-180.0, u=0.001, snr_db=30)
    prfs_hz = (6000.0, 6500.0, 7100.0)
    small = replace(SMALL, ranges=800)
    for interval in draw_staggered(small, prfs_hz, np.random.default_rng(5), targets=(target,)):
        truth = interval.truth[0]
        radar = interval.radar
        assert truth["cell"] * radar.cell_m == pytest.approx(57_000.0 % radar.unambiguous_range_m)
        out = compressed(interval)
        response = np.einsum(
            "cpr,c,p->r",
            out,
            theory.spatial(radar, 0.001).conj(),
            theory.temporal(radar, truth["doppler_hz"]).conj(),
        )
        peak = int(np.abs(response).argmax())
        assert peak == pytest.approx(truth["cell"], abs=0.6)
        # A peak between two cells shows less: sinc of its distance in units of 1 / bandwidth.
        straddle = np.sinc((peak - truth["cell"]) * radar.bandwidth_hz / radar.sample_rate_hz)
        want_db = 30 + 10 * np.log10(18 * straddle**2)
        assert 10 * np.log10(np.abs(response[peak]) ** 2 / 18) == pytest.approx(want_db, abs=0.8)


def test_dpca_cancels_29_db_with_channels_of_1_percent_and_1_degree() -> None:
    """Power of clutter in the leading channel over what is left, many channels drawn; bound 1 / (2 (e^2 + phi^2)).

    Both channels err, so the mean residue is twice the square of a channel's error: 31.0 dB at 1 %, 1 degree.
    """
    rng = np.random.default_rng(6)
    radar = replace(REFERENCE, channels=2, pulses=2, ranges=64, gain_error=0.01, phase_error_rad=np.deg2rad(1))
    left = whole = 0.0
    for _ in range(400):
        out = compressed(draw(radar, rng, Clutter(cnr_db=40, patches=31), noise=False))
        rest = np.empty((1, 64), np.complex64)
        # With d / 2 of motion in a pulse interval the leading phase centre is the one further along the track.
        dpca(out, 1, 0, 1, 1.0, rest)
        left += float(np.mean(np.abs(rest) ** 2))
        whole += float(np.mean(np.abs(out[1, 0]) ** 2))
    cancelled_db = 10 * np.log10(whole / left)
    assert cancelled_db >= 29
    assert cancelled_db == pytest.approx(-10 * np.log10(2 * (0.01**2 + np.deg2rad(1) ** 2)), abs=0.7)


def test_least_detectable_speed_of_the_reference_case() -> None:
    """SINR loss of -5 dB at 11 m/s or less, both ways, with the optimum filter."""
    noise = theory.covariance(REFERENCE, Clutter(cnr_db=40))
    speeds = np.arange(0, 30, 0.25)
    for sign in (1, -1):
        loss_db = 10 * np.log10([theory.sinr_loss(REFERENCE, noise, 0.0, sign * v) for v in speeds])
        assert loss_db[0] < -30
        above = speeds[loss_db >= -5]
        assert above[0] <= 11.0


@pytest.mark.parametrize(("side_lobes_db", "least_m_s"), [(0.0, 12.25), (30.0, 14.75), (50.0, 17.0)])
def test_least_detectable_speed_of_the_chains_filter(side_lobes_db: float, least_m_s: float) -> None:
    """Three bins with the covariance known: what weights over the pulses cost, beside 10.25 m/s of the optimum."""
    noise = theory.covariance(REFERENCE, Clutter(cnr_db=40))
    speeds = np.arange(8, 24, 0.25)
    loss_db = 10 * np.log10([theory.chain_loss(REFERENCE, noise, v, side_lobes_db) for v in speeds])
    assert speeds[loss_db >= -5][0] == pytest.approx(least_m_s, abs=0.3)
    best = [theory.sinr_loss(REFERENCE, noise, 0.0, v) for v in speeds]
    assert (loss_db <= 10 * np.log10(best)).all()


@pytest.mark.parametrize("speed_m_s", [11.0, 15.0, 30.0])
def test_the_trained_filter_loses_what_its_closed_form_says(speed_m_s: float) -> None:
    """The kernels on drawn cells, targets in some of them left out of the training, within 1 dB."""
    rng, ranges, snr, side_lobes_db = np.random.default_rng(11), 6000, 3000.0, 30.0
    noise = theory.covariance(REFERENCE, Clutter(cnr_db=40))
    cells = np.linalg.cholesky(noise) @ gaussian(rng, len(noise), ranges)
    at = np.arange(7, ranges, 40)
    turns = np.exp(2j * np.pi * rng.random(at.size))
    target = theory.space_time(REFERENCE, 0.0, speed_m_s)
    cells[:, at] += np.sqrt(snr / len(target)) * np.outer(target, turns)
    cpi = np.ascontiguousarray(cells.reshape(4, 16, ranges).astype(np.complex64))
    weights = pulse_weights(16, side_lobes_db)
    spectrum, power = np.empty_like(cpi), np.empty((16, ranges), np.float32)
    doppler(
        cpi, 0, weights.astype(np.float32), doppler_turns(16), np.empty(doppler_scratch_size(16), np.float32),
        spectrum, None,
    )  # fmt: skip
    offsets = np.arange(-1, 2)
    spread = np.exp(-2j * np.pi / 16 * np.outer(offsets, np.arange(16))) @ weights
    steering = np.ascontiguousarray(np.outer(spread, np.ones(4)), np.complex64)
    excluded = np.sort((np.arange(16)[:, None] * ranges + at).ravel())
    scratch = np.zeros(adaptive_scratch_size(4, ranges, 3, 128), np.float32)
    adaptive_filter(spectrum, steering, 1e-4, 128, excluded, np.ones(16, np.uint8), scratch, power)
    alone = np.ones(ranges, bool)
    alone[at] = False
    gain = (power[:, at].mean(axis=1) / power[:, alone].mean(axis=1) - 1).max() / snr
    want = theory.chain_loss(REFERENCE, noise, speed_m_s, side_lobes_db)
    assert 10 * np.log10(gain) == pytest.approx(10 * np.log10(want), abs=1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Radar(prf_hz=0), "prf_hz: wanted a number above 0, got 0"),
        (lambda: Radar(gain_error=-1), "gain_error: wanted a number of 0 or more, got -1"),
        (lambda: Clutter(shape=0), "shape: "),
        (lambda: Clutter(folds=()), "folds: "),
        (lambda: Target(1.0, 0.0, swerling=5), "swerling: wanted a case from 0 to 4, got 5"),
        (lambda: Target(np.nan, 0.0), "target: wanted finite"),
        (lambda: chirp(2e6, 1e-5, 1e6), "chirp: wanted 0 < bandwidth <= sample rate"),
        (lambda: PulseCompressor(chirp(1e6, 1e-5, 1e6), 9), "samples: wanted at least the pulse's 10"),
        (lambda: PulseCompressor(np.zeros(4, np.complex64), 9), "pulse: wanted finite samples"),
        (
            lambda: PulseCompressor(chirp(1e6, 1e-5, 1e6), 20)(np.zeros((2, 3, 19), np.complex64)),
            r"cpi: wanted complex64 of shape \(channels, pulses, 20\), got complex64 \(2, 3, 19\)",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
