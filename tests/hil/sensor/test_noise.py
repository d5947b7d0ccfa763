"""Normal deviates: distribution to the far tails, independence of pixels and frames, repeatability."""

import numpy as np
import pytest
from scipy import stats

from lookdown.hil.sensor.noise import expose, fill_normal, frame_key

N = 1 << 18


def deviates(*numbers: int, n: int = N) -> np.ndarray:
    values = np.empty(n, np.float32)
    fill_normal(values, frame_key(*numbers))
    return values.astype(np.float64)


def test_the_distribution_is_normal_to_the_tails() -> None:
    frames = np.concatenate([deviates(1, 2, k) for k in range(40)])
    n = frames.size
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs(np.mean(frames**power) - moment) < 4.5 * np.sqrt(variance / n)
    assert stats.kstest(frames[:N], "norm").pvalue > 1e-3
    for sigma in (3.0, 4.0, 4.5, 5.0):
        expected = 2.0 * n * stats.norm.sf(sigma)
        assert abs(np.count_nonzero(np.abs(frames) > sigma) - expected) < 4.5 * np.sqrt(expected) + 1.0


@pytest.mark.proof
def test_the_far_tails_hold_over_2e9_deviates() -> None:
    counts, n, values = np.zeros(3), 0, np.empty(1 << 22, np.float32)
    for k in range(480):
        fill_normal(values, frame_key(9, k))
        n += values.size
        size = np.abs(values)
        counts += [np.count_nonzero(size > sigma) for sigma in (5.0, 5.5, 6.0)]
    expected = 2.0 * n * stats.norm.sf([5.0, 5.5, 6.0])
    assert np.all(np.abs(counts - expected) < 4.5 * np.sqrt(expected) + 1.0)


def test_pixels_are_independent() -> None:
    x = deviates(3, 1, 0)
    for values in (x, x**2 - 1.0):
        power = np.abs(np.fft.rfft(values)) ** 2 / (values.size * values.var())
        assert power[1:].max() < np.log(power.size) + 8.0
        correlation = np.fft.irfft(power)[1 : N // 2] * np.sqrt(N)
        assert np.abs(correlation).max() < 6.5


def test_frames_are_independent_at_every_offset() -> None:
    reference = deviates(3, 1, 0)
    for k in range(1, 40):
        other = deviates(3, 1, k)
        for a, b in ((reference, other), (reference**2 - 1.0, other**2 - 1.0)):
            correlation = np.fft.irfft(np.fft.rfft(a) * np.conj(np.fft.rfft(b))) / (np.sqrt(N) * a.std() * b.std())
            assert np.abs(correlation).max() < 6.7


def test_radius_and_angle_of_a_pair_are_independent() -> None:
    counts = np.zeros((32, 32))
    for k in range(16):
        pairs = deviates(4, k).reshape(-1, 2, 512)
        sine, cosine = pairs[:, 0].ravel(), pairs[:, 1].ravel()
        uniform = np.exp(-0.5 * (sine**2 + cosine**2))
        counts += np.histogram2d(uniform, np.arctan2(sine, cosine), 32, ((0.0, 1.0), (-np.pi, np.pi)))[0]
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_the_same_key_gives_the_same_bits_and_a_shorter_array_its_beginning() -> None:
    np.testing.assert_array_equal(deviates(1, 2, 3, n=700), deviates(1, 2, 3, n=5000)[:700])
    assert np.mean(deviates(1, 2, 3) == deviates(1, 2, 4)) < 1e-3
    # Bits that every machine must give.
    values = np.empty(1024, np.float32)
    fill_normal(values, (123456789, 987654321))
    assert int(values.view(np.uint32).astype(np.uint64).sum()) == 2198950648783


def test_exposing_equals_its_formula() -> None:
    rng = np.random.default_rng(5)
    shape = (37, 53)
    light = rng.uniform(-10.0, 2e6, shape).astype(np.float32)
    gain, offset = (rng.uniform(a, b, shape).astype(np.float32) for a, b in ((0.004, 0.006), (0.0, 500.0)))
    out = np.empty(shape, np.uint16)
    key = frame_key(1, 2)
    floor = 24000.0
    expose(light, gain, offset, out, key, noise_floor_e2=floor, noise_scale=0.5, loss_per_e=1e-9, largest_dn=9000.0)
    normal = np.empty(light.size, np.float32)
    fill_normal(normal, key)
    n = np.maximum(light, 0.0).astype(np.float64)
    x = n + 0.5 * np.sqrt(n + floor) * normal.reshape(shape)
    expected = np.clip((x - 1e-9 * x**2) * gain + offset, 0.0, 9000.0).astype(int)
    assert np.mean(out == expected) > 0.99
    assert np.abs(out.astype(int) - expected).max() <= 1
    with pytest.raises(ValueError, match="gain_dn: wanted a C-contiguous float32 array of shape"):
        expose(
            light, gain[1:], offset, out, key, noise_floor_e2=floor, noise_scale=1.0, loss_per_e=0.0, largest_dn=9000.0
        )
