"""Radar kernels: equal to their twins, exact where theory is, and plain about what they refuse."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdown.kernels.adaptive import adaptive_filter, adaptive_scratch_size
from lookdown.kernels.cluster import label_clusters
from lookdown.kernels.doppler import doppler, doppler_scratch_size, doppler_turns
from lookdown.kernels.dpca import dpca
from tests.kernels import reference_radar
from tests.kernels.cases import quick, seeds

NOTHING = np.zeros(0, np.int64)


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal((*shape, 2)) / np.sqrt(2)).view(complex)[..., 0].astype(np.complex64)


def transformed(cpi: np.ndarray, order: int, window: np.ndarray, dopplers: int) -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.empty((len(cpi), dopplers, cpi.shape[2]), np.complex64)
    power = np.empty(spectrum.shape, np.float32)
    scratch = np.full(doppler_scratch_size(dopplers), np.nan, np.float32)
    doppler(cpi, order, window, doppler_turns(dopplers), scratch, spectrum, power)
    return spectrum, power


def filtered(
    spectrum: np.ndarray,
    steering: np.ndarray,
    loading: float,
    block: int,
    excluded: np.ndarray = NOTHING,
    wanted: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    channels, dopplers, ranges = spectrum.shape
    scratch = np.full(adaptive_scratch_size(channels, ranges, len(steering), block), np.nan, np.float32)
    power = np.full((dopplers, ranges), np.nan, np.float32)
    wanted = np.ones(dopplers, np.uint8) if wanted is None else wanted
    return power, adaptive_filter(spectrum, steering, loading, block, excluded, wanted, scratch, power)


@quick
@given(
    st.integers(1, 3), st.integers(3, 130), st.integers(1, 50), st.integers(0, 2), st.integers(0, 2), seeds
)  # fmt: skip
def test_doppler_is_the_twin(channels: int, pulses: int, ranges: int, order: int, pad: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cpi = noise(rng, channels, pulses, ranges)
    window = rng.uniform(0.1, 1, pulses - order).astype(np.float32)
    dopplers = max(2, 1 << (pulses - order - 1).bit_length()) << pad
    spectrum, power = transformed(cpi, order, window, dopplers)
    want = reference_radar.doppler(cpi, order, window, dopplers)
    largest = np.abs(want).max()
    np.testing.assert_allclose(spectrum, want, rtol=0, atol=1e-6 * largest)
    np.testing.assert_allclose(power, np.abs(want) ** 2, rtol=0, atol=2e-6 * largest**2)


@pytest.mark.parametrize("dopplers", [2, 4, 8, 32, 128, 1024])
def test_doppler_is_within_3e7_of_the_transform(dopplers: int) -> None:
    cpi = noise(np.random.default_rng(1), 2, dopplers, 40)
    spectrum, _ = transformed(cpi, 0, np.ones(dopplers, np.float32), dopplers)
    want = reference_radar.doppler(cpi, 0, np.ones(dopplers), dopplers)
    assert np.linalg.norm(spectrum - want) <= 3e-7 * np.linalg.norm(want)


def test_a_nan_spoils_its_own_range() -> None:
    cpi = noise(np.random.default_rng(2), 2, 16, 37)
    window = np.ones(16, np.float32)
    plain, _ = transformed(cpi, 0, window, 16)
    cpi[1, 3, 20] = np.nan
    spectrum, power = transformed(cpi, 0, window, 16)
    assert np.isnan(spectrum[1, :, 20]).all()
    assert np.isnan(power[1, :, 20]).all()
    spectrum[1, :, 20] = plain[1, :, 20]
    np.testing.assert_array_equal(spectrum, plain)


@quick
@given(st.integers(2, 4), st.integers(2, 20), st.integers(1, 40), seeds)
def test_dpca_is_the_twin(channels: int, pulses: int, ranges: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cpi = noise(rng, channels, pulses, ranges)
    lead, trail = rng.choice(channels, 2, replace=False)
    shift, gain = int(rng.integers(1, pulses)), complex(*rng.standard_normal(2))
    out = np.empty((pulses - shift, ranges), np.complex64)
    dpca(cpi, int(lead), int(trail), shift, gain, out)
    np.testing.assert_allclose(out, reference_radar.dpca(cpi, lead, trail, shift, gain), rtol=0, atol=1e-5)


@quick
@given(
    st.integers(1, 5), st.integers(3, 6), st.integers(1, 200), st.sampled_from([1, 3]), st.booleans(), st.booleans(),
    seeds,
)  # fmt: skip
def test_adaptive_filter_is_the_twin(
    channels: int, dopplers: int, ranges: int, bins: int, spoil: bool, choose: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    spectrum = noise(rng, channels, dopplers, ranges)
    spectrum += 30 * noise(rng, channels, 1, 1) * noise(rng, 1, dopplers, ranges)  # a jammer
    if spoil:
        at = rng.integers(0, spectrum.size, 1 + spectrum.size // 1000)
        spectrum.flat[at] = rng.choice(np.complex64([np.nan, np.inf]), at.size)
    steering = noise(rng, bins, channels)
    excluded, wanted = NOTHING, np.ones(dopplers, np.uint8)
    if choose:
        excluded = np.flatnonzero(rng.random(dopplers * ranges) < 0.1)
        wanted = (rng.random(dopplers) < 0.6).astype(np.uint8)
    power, conventional = filtered(spectrum, steering, 1e-3, 16, excluded, wanted)
    want, want_conventional = reference_radar.adaptive(spectrum, steering, 1e-3, 16, excluded, wanted)
    assert conventional == want_conventional
    # Cancellation by 30 dB costs that much of the relative precision of float32.
    np.testing.assert_allclose(power, want, rtol=2e-3, atol=2e-3)


@quick
@given(st.integers(1, 9), st.integers(1, 20), st.floats(0, 1), seeds)
def test_clusters_are_the_twin(rows: int, cols: int, share: float, seed: int) -> None:
    cells = np.flatnonzero(np.random.default_rng(seed).random(rows * cols) < share)
    labels = np.full(cells.size, -9, np.int32)
    found = label_clusters(cells, rows, cols, labels)
    want = reference_radar.clusters(cells, rows, cols)
    assert found == (want.max() + 1 if want.size else 0)
    np.testing.assert_array_equal(labels, want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": np.array([3, 2])}, r"cells: wanted indices that ascend within 4 x 5, got 2 at 1"),
        ({"cells": np.array([-1, 2])}, r"cells: wanted indices"),
        ({"cells": np.array([1, 20])}, r"cells: wanted indices"),
        ({"cells": np.array([1, 2], np.int32)}, r"cells: .* int64"),
        ({"rows": 0}, r"rows: wanted an integer"),
        ({"labels": np.zeros(3, np.int32)}, r"labels: .*\(2,\)"),
    ],
)
def test_label_clusters_refuses(change: dict[str, Any], message: str) -> None:
    given = {"cells": np.array([1, 2]), "rows": 4, "cols": 5, "labels": np.zeros(2, np.int32)}
    with pytest.raises(ValueError, match=message):
        label_clusters(*(given | change).values())


def test_strong_cells_left_out_do_not_hide_weak_ones() -> None:
    """A target of 60 dB in the training of another in the same direction costs it dearly, unless it is left out."""
    rng = np.random.default_rng(7)
    spectrum = noise(rng, 4, 4, 400)
    steering = np.ones((1, 4), np.complex64)
    spectrum[:, 2, 100] += 500
    spectrum[:, 2, 300] += 5
    hidden, _ = filtered(spectrum, steering, 1e-6, 16)
    plain, _ = filtered(spectrum, steering, 1e-6, 16, np.array([2 * 400 + 100]))
    assert hidden[2, 300] < 1
    assert plain[2, 300] == pytest.approx(100, rel=0.4)


def test_a_target_does_not_whiten_itself() -> None:
    """With 8 channels in noise a target of 40 dB keeps its power to the loss of training."""
    rng = np.random.default_rng(4)
    spectrum = noise(rng, 8, 4, 400)
    steering = np.ones((1, 8), np.complex64)
    spectrum[:, 2, 200:202] += 100 / np.sqrt(8)
    power, conventional = filtered(spectrum, steering, 1e-9, 16)
    assert conventional == 0
    assert 10 * np.log10(power[2, 200:202].mean() / 1e4) == pytest.approx(0, abs=0.5)


def test_too_few_training_cells_are_counted() -> None:
    spectrum = noise(np.random.default_rng(5), 4, 4, 40)
    steering = np.ones((3, 4), np.complex64)
    power, conventional = filtered(spectrum, steering, 1e-3, 8)
    assert conventional == 4 * 3  # 2 x 12 cells are wanted; the outer blocks have 24 left, the three inner ones 16
    assert np.isfinite(power).all()


@pytest.mark.proof
@pytest.mark.parametrize("bins", [1, 3])
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_loss_of_training_is_the_rule_of_reed_mallett_and_brennan(bins: int, factor: int) -> None:
    """Mean SINR of a filter trained on K cells over that of the optimum: (K + 2 - N) / (K + 1), within 0.1 dB.

    Reed, Mallett and Brennan 1974, IEEE Trans. AES 10. The kernel's weights are read from its answers to unit
    impulses of infinitesimal size, laid in the block that is not trained on.
    """
    rng = np.random.default_rng(6)
    channels = 4
    n = channels * bins
    cells = factor * n
    ridge = noise(rng, n, 3).astype(complex)
    r = 100 * ridge @ ridge.conj().T + np.eye(n)
    root = np.linalg.cholesky(r)
    steering = noise(rng, bins, channels)
    s = steering.reshape(-1).astype(complex)
    best = (s.conj() @ np.linalg.solve(r, s)).real
    block = -(-2 * n * n // 8) * 8
    gap = 2 * block  # block 0 is tested, block 1 beside it, all after it train
    ranges = gap + cells
    ratios = []
    size = 1e-3
    pairs = [(i, k, p) for i in range(n) for k in range(i + 1) for p in ((1, 1j) if i != k else (1,))]
    for _ in range(1500):
        snapshots = np.zeros((n, ranges), np.complex64)
        snapshots[:, gap:] = root @ noise(rng, n, cells)
        # z of e_i + p e_k tells w w^H element by element (w_i alone on the diagonal).
        for at, (i, k, p) in enumerate(pairs):
            snapshots[i, at] += size
            if i != k:
                snapshots[k, at] += size * p
        spectrum = np.ascontiguousarray(snapshots.reshape(bins, channels, ranges).transpose(1, 0, 2))
        power, conventional = filtered(spectrum, steering, 1e-12, block)
        assert conventional <= 3 * bins
        z = power[bins // 2, : len(pairs)].astype(float) / size**2
        ww = np.zeros((n, n), complex)
        value = dict(zip(pairs, z, strict=True))
        for i in range(n):
            ww[i, i] = value[i, i, 1]
        for i in range(n):
            for k in range(i):
                both = ww[i, i].real + ww[k, k].real
                # |w_i^* + p w_k^*|^2 with p = 1 gives the real part, p = i the imaginary part.
                real, imag = (value[i, k, 1] - both) / 2, (value[i, k, 1j] - both) / 2
                ww[i, k], ww[k, i] = real - 1j * imag, real + 1j * imag
        ratios.append((s.conj() @ ww @ s).real / np.trace(ww @ r).real / best)
    rule = (cells + 2 - n) / (cells + 1)
    assert 10 * np.log10(np.mean(ratios) / rule) == pytest.approx(0, abs=0.1)


CPI = np.zeros((2, 4, 8), np.complex64)
ROOM = np.zeros(100_000, np.float32)
OUT = np.zeros((2, 4, 8), np.complex64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpi": CPI.astype(complex)}, r"cpi: wanted a C-contiguous complex64"),
        ({"cpi": CPI[0]}, r"cpi: .* 3 dimensions, got shape \(4, 8\)"),
        ({"cpi": CPI[:, :0]}, r"cpi: wanted channels"),
        ({"order": 3}, r"order: wanted an integer from 0 to 2"),
        ({"window": np.ones(3, np.float32)}, r"window: .*\(4,\)"),
        ({"turns": np.ones(3, np.float32)}, r"turns: "),
        ({"scratch": ROOM[:5]}, r"scratch: wanted at least"),
        ({"spectrum": None}, r"got None for both"),
        ({"spectrum": CPI}, r"spectrum: wanted memory of its own"),
        ({"spectrum": np.zeros((2, 6, 8), np.complex64)}, r"wanted a power of 2, got 6; pad to 8"),
        ({"spectrum": np.zeros((2, 2, 8), np.complex64)}, r"at least as many as pulses \(4\), got 2"),
    ],
)
def test_doppler_refuses(change: dict[str, Any], message: str) -> None:
    given = {
        "cpi": CPI, "order": 0, "window": np.ones(4, np.float32), "turns": doppler_turns(4), "scratch": ROOM,
        "spectrum": OUT, "power": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        doppler(*(given | change).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spectrum": OUT[:, :, ::2]}, r"spectrum: .* strided"),
        ({"steering": np.ones((2, 2), np.complex64)}, r"steering: wanted 1 or 3 rows"),
        ({"steering": np.ones((1, 3), np.complex64)}, r"steering: .*\(1, 2\)"),
        ({"steering": np.full((1, 2), np.nan, np.complex64)}, r"steering: wanted finite"),
        ({"loading": 0.0}, r"loading: "),
        ({"block": 12}, r"block: wanted a multiple of 8"),
        ({"scratch": ROOM[:9]}, r"scratch: wanted at least"),
        ({"power": np.zeros((8, 4), np.float32)}, r"power: "),
        ({"excluded": np.array([32])}, r"excluded: wanted indices that ascend within 4 x 8"),
        ({"excluded": np.array([3, 3])}, r"excluded: wanted indices"),
        ({"wanted": np.ones(3, np.uint8)}, r"wanted: "),
    ],
)
def test_adaptive_filter_refuses(change: dict[str, Any], message: str) -> None:
    given = {
        "spectrum": OUT, "steering": np.ones((1, 2), np.complex64), "loading": 1e-3, "block": 8,
        "excluded": NOTHING, "wanted": np.ones(4, np.uint8), "scratch": ROOM,
        "power": np.zeros((4, 8), np.float32),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        adaptive_filter(*(given | change).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpi": CPI[:, :, :0]}, r"cpi: wanted channels"),
        ({"trail": 2}, r"trail: wanted an integer from 0 to 1"),
        ({"shift": 4}, r"shift: wanted an integer from 1 to 3"),
        ({"out": np.zeros((4, 8), np.complex64)}, r"out: .*\(3, 8\)"),
    ],
)
def test_dpca_refuses(change: dict[str, Any], message: str) -> None:
    given = {"cpi": CPI, "lead": 0, "trail": 1, "shift": 1, "gain": 1.0, "out": np.zeros((3, 8), np.complex64)}
    with pytest.raises(ValueError, match=message):
        dpca(*(given | change).values())
