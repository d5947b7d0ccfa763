"""Jitter: variances and spectra against the closed forms, random access, and what blurs the exposure."""

import numpy as np
import pytest
from scipy.signal import periodogram, welch

from lookdown.hil.motion.jitter import Jitter, JitterConfig, Tone
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError

RATE_HZ, EXPOSURE_S, N = 50.0, 0.012, 1 << 15
KEY = (7, 3, 0x71)


def jitter(n: int = N, exposure_s: float = EXPOSURE_S, **config: object) -> Jitter:
    return Jitter(JitterConfig(**config), KEY, n, RATE_HZ, exposure_s)


def test_white_jitter_is_the_seeded_draw_of_each_frame_and_does_not_blur() -> None:
    white = jitter(white_rad=1e-5)
    drawn = np.random.Generator(np.random.SFC64(list(KEY))).standard_normal((N, 3))
    np.testing.assert_array_equal(white.angle(np.arange(N)), 1e-5 * drawn)
    assert white.blur_sigma_rad == 0.0
    frequency, power = welch(white.angle(np.arange(N))[:, 1], RATE_HZ, nperseg=1024)
    # One-sided: 2 sigma^2 / rate, at all frequencies.
    np.testing.assert_allclose(power[8:-8].reshape(-1, 71).mean(axis=1), 2.0 * 1e-10 / RATE_HZ, rtol=0.1)
    assert frequency[-1] == RATE_HZ / 2


@pytest.mark.parametrize(("frequency_hz", "seen_hz"), [(3.0, 3.0), (22.0, 22.0), (47.0, 3.0), (130.0, 20.0)])
def test_a_tone_is_a_line_of_its_power_where_the_frame_rate_folds_it_to(frequency_hz: float, seen_hz: float) -> None:
    shaken = jitter(tones=(Tone("y", frequency_hz, 2e-5),))
    angle = shaken.angle(np.arange(5000))
    assert not angle[:, [0, 2]].any()
    frequency, power = periodogram(angle[:, 1], RATE_HZ, scaling="spectrum")
    line = int(np.argmax(power))
    assert frequency[line] == pytest.approx(seen_hz, abs=0.02)
    still = np.sinc(frequency_hz * EXPOSURE_S)
    assert power[line] == pytest.approx(0.5 * (2e-5 * still) ** 2, rel=1e-3)
    # What the mean over the exposure lost, blurs.
    both_axes = 0.5 * (2e-5) ** 2 * (1.0 - still**2)
    assert shaken.blur_sigma_rad == pytest.approx(np.sqrt(0.5 * both_axes), rel=1e-9)


def test_a_random_walk_grows_by_its_rate_and_falls_as_the_square_of_frequency() -> None:
    walk = jitter(random_walk_rad_per_root_s=3e-6)
    angle = walk.angle(np.arange(N))
    step = np.diff(angle, axis=0)
    # Neighbouring means of Brownian motion: variance T / 3 each off their near ends, the gap in between.
    dt, gap = 1.0 / RATE_HZ, 1.0 / RATE_HZ - EXPOSURE_S
    np.testing.assert_allclose(step.var(axis=0), 9e-12 * (gap + 2.0 * EXPOSURE_S / 3.0), rtol=0.04)
    covariance = np.mean((step[1:] - step.mean(axis=0)) * (step[:-1] - step.mean(axis=0)), axis=0)
    np.testing.assert_allclose(covariance, 9e-12 * EXPOSURE_S / 6.0, rtol=0.3)
    hundred = angle[100:] - angle[:-100]
    np.testing.assert_allclose((hundred**2).mean(), 9e-12 * (100 * dt - EXPOSURE_S / 3.0), rtol=0.2)
    frequency, power = welch(angle, RATE_HZ, nperseg=4096, axis=0)
    slow = (frequency > 0.05) & (frequency < 2.5)
    expected = 2.0 * 9e-12 / (2.0 * np.pi * frequency[slow]) ** 2
    assert np.mean(power[slow] / expected[:, None]) == pytest.approx(1.0, abs=0.1)
    assert np.polyfit(np.log(frequency[slow]), np.log(power[slow].mean(axis=1)), 1)[0] == pytest.approx(-2.0, abs=0.1)


def test_the_moments_of_the_exposure_are_those_of_a_fine_simulation() -> None:
    rng = np.random.default_rng(4)
    path = np.cumsum(rng.standard_normal((4000, 200)) * np.sqrt(EXPOSURE_S / 200), axis=1)
    within = np.mean(path.var(axis=1))
    assert jitter(1, random_walk_rad_per_root_s=1e-3).blur_sigma_rad == pytest.approx(1e-3 * np.sqrt(within), rel=0.05)
    t = (np.arange(400) + 0.5) / 400 * EXPOSURE_S
    tone = np.sin(2.0 * np.pi * (61.0 * t[None] + rng.uniform(size=(4000, 1))))
    shaken = jitter(1, tones=(Tone("x", 61.0, 1e-5), Tone("y", 61.0, 1e-5), Tone("z", 61.0, 1e-3)))
    assert shaken.blur_sigma_rad == pytest.approx(1e-5 * np.sqrt(np.mean(tone.var(axis=1))), rel=0.02)


def test_any_frame_can_be_asked_for_in_any_order_and_for_any_length() -> None:
    config = {"white_rad": 1e-5, "random_walk_rad_per_root_s": 1e-6, "tones": (Tone("x", 17.3, 1e-5),)}
    shaken = jitter(500, **config)
    angle = shaken.angle(np.arange(500))
    np.testing.assert_array_equal(shaken.angle([[499, 3], [3, 0]]), angle[[[499, 3], [3, 0]]])
    np.testing.assert_array_equal([shaken.angle(k) for k in (7, 7, 6)], angle[[7, 7, 6]])
    np.testing.assert_array_equal(jitter(50, **config).angle(np.arange(50)), angle[:50])
    other = Jitter(JitterConfig(**config), (7, 4, 0x71), 500, RATE_HZ, EXPOSURE_S)
    assert not np.array_equal(other.angle(5), angle[5])


def test_a_fast_tone_keeps_its_phase_for_a_day() -> None:
    tone = Jitter(JitterConfig(tones=(Tone("x", 100.0, 1e-5),)), KEY, 864001, 10.0, 1e-4)
    np.testing.assert_allclose(tone.angle(864000), tone.angle(0), rtol=1e-6)


def test_without_jitter_nothing_moves() -> None:
    still = jitter(4)
    assert not still.angle(np.arange(4)).any()
    assert still.blur_sigma_rad == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("white_rad = -1e-6", "white_rad: wanted 0 to 0.1"),
        ("random_walk_rad_per_root_s = 2.0", "random_walk_rad_per_root_s: wanted 0 to 0.1"),
        ('tones = [{axis = "roll", frequency_hz = 3.0, amplitude_rad = 1e-6}]', "axis"),
        ('tones = [{axis = "x", frequency_hz = 0.0, amplitude_rad = 1e-6}]', "frequency_hz: wanted a number above 0"),
        ('tones = [{axis = "x", frequency_hz = 3.0, amplitude_rad = nan}]', "amplitude_rad: wanted"),
    ],
)
def test_what_is_no_jitter_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(text, JitterConfig, "jitter")
