"""What the multi-frame stage promises, by Monte Carlo: in white noise, and over recorded Earth behind the whole chain.

Theory (white Gaussian noise, SNR in each frame after the matched filter, Pd 0.9 at 1e-6 false plots per pixel): one
frame needs 6.04, sixteen with a bank of +-2 px a frame 1.87. The gain is 20 log10(6.04 / SNR at Pd 0.9).
"""

from math import erfc, log10, sqrt
from pathlib import Path

import numpy as np
import pytest

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters, MultiFrameParameters
from lookdown.flight.multiframe import MultiFrame
from tests.flight.weak import NOISE_DN, PSF_SIGMA_PX, OverEarth, WhiteNoise, found, targets, texture

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]

SHAPE, N_FRAMES, VELOCITY_PX = (512, 640), 16, 2.0
PFA = 1e-6
LEVEL = 4.892
"""SNR whose two-sided Gaussian tail is PFA."""

ONE_FRAME, THEORY = 6.04, 1.87
CLUTTER_SHARE = 0.9
SNRS = np.linspace(1.4, 2.6, 7)


def stage() -> MultiFrame:
    settings = MultiFrameParameters(enabled=True, frames=N_FRAMES, every=N_FRAMES, max_velocity_px=VELOCITY_PX)
    return MultiFrame(settings, *SHAPE, PSF_SIGMA_PX)


def gain_db(snr: float) -> float:
    return 20 * log10(ONE_FRAME / snr)


def snr_at_pd(snr: np.ndarray, hit: np.ndarray, pd: float = 0.9) -> float:
    """SNR at which targets are found with a probability: maximum likelihood of a normal distribution function."""
    best, answer = -np.inf, 0.0
    for middle in np.arange(1.2, 2.6, 0.01):
        for slope in np.arange(1.5, 6.1, 0.25):
            p = np.array([0.5 * erfc((middle - s) * slope / sqrt(2)) for s in np.unique(snr)])
            p = np.clip(p, 1e-3, 1 - 1e-3)[np.searchsorted(np.unique(snr), snr)]
            likelihood = float(np.log(np.where(hit, p, 1 - p)).sum())
            if likelihood > best:
                best, answer = likelihood, middle + 1.2816 / slope
    assert pd == 0.9
    return float(answer)


def test_false_plots_in_white_noise_are_as_rare_as_they_say() -> None:
    """1e8 pixel-windows: 100 plots at the level are allowed."""
    noise, multi, windows, count, at_ten_times = WhiteNoise(SHAPE, 1), stage(), 306, 0, 0
    for _ in range(windows):
        snr = noise.window(multi, None, 4.0).snr
        count += int((snr > LEVEL).sum())
        at_ten_times += int((snr > 4.417).sum())
    n_pixels = windows * SHAPE[0] * SHAPE[1]
    print(f"\nwhite noise: {count / n_pixels:.2g} false plots per pixel at 1e-6, {at_ten_times / n_pixels:.2g} at 1e-5")
    assert n_pixels > 1e8
    assert count <= PFA * n_pixels
    assert 0.4e-5 * n_pixels < at_ten_times <= 1e-5 * n_pixels


def test_snr_two_is_found_nine_times_in_ten() -> None:
    """At that very level, at random places and velocities."""
    noise, multi, hits = WhiteNoise(SHAPE, 2), stage(), []
    for _ in range(24):
        movers = targets(noise.rng, SHAPE, VELOCITY_PX, 2.0)
        hits.append(found(noise.window(multi, movers, LEVEL), movers) > 0)
    pd = np.concatenate(hits)
    print(f"\nwhite noise: Pd {pd.mean():.3f} at SNR 2 ({len(pd)} targets)")
    assert len(pd) > 1000
    assert pd.mean() >= 0.9


@pytest.mark.recordings
def test_recorded_earth_keeps_nine_tenths_of_the_gain(recordings: Path) -> None:
    """Three textures at three contrasts under noise of 12 DN, drift, jitter and fixed pattern, all stages of the chain.

    Sequences in which the image gives no registration (flat texture, no pointing) say nothing about this stage.
    """
    files = sorted((recordings / "goes17").glob("*.nc"))
    n_frames, snr, hit, false, used = 104, [], [], 0, 0
    for turn in range(8):
        for c, contrast in enumerate((15.0, 40.0, 90.0)):
            rng = np.random.default_rng(1000 + 10 * c + 100 * turn)
            ground = texture(files[(c + turn) % len(files)], rng)
            movers = targets(rng, SHAPE, VELOCITY_PX, SNRS, apart=112)
            view = OverEarth(ground, contrast * NOISE_DN / 4, SHAPE, movers, n_frames - 8.5, n_frames, 7 + turn)
            chain = Chain(ChainParameters(multi_frame=MultiFrameParameters(enabled=True)), *SHAPE)
            failed = 0
            for k in range(n_frames):
                result = chain.step(view.frame(k))
                failed += bool(result.flags & 2)
            window = result.window or chain.last_window()
            assert window is not None
            if failed > n_frames / 4:
                continue
            used += 1
            plots, places = window.plots(0), view.places(n_frames - 1)
            apart = np.hypot(plots["row"][:, None] - places[:, 0], plots["col"][:, None] - places[:, 1])
            strong = plots["snr"] > LEVEL
            inside = ((places > 5) & (places < np.array(SHAPE) - 6)).all(1)
            snr.append(movers.snr[inside])
            hit.append((apart[strong] <= 3.0).any(0)[inside])
            false += int((apart[strong].min(1, initial=99.0) > 6.0).sum())
    needed = snr_at_pd(np.concatenate(snr), np.concatenate(hit))
    print(
        f"\nrecorded Earth: Pd 0.9 at SNR {needed:.2f} ({len(np.concatenate(snr))} targets, {used} sequences), "
        f"{gain_db(needed):.2f} dB = {gain_db(needed) / gain_db(THEORY):.3f} of the gain; {false} false plots"
    )
    assert used >= 18
    assert gain_db(needed) >= CLUTTER_SHARE * gain_db(THEORY)
    # At 1e-6 there are 0.33 a sequence; three sigmas more.
    expected = PFA * used * SHAPE[0] * SHAPE[1]
    assert false <= expected + 3 * sqrt(expected)
