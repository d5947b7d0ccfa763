"""Plain NumPy twins of the radar kernels, in double precision."""

import numpy as np

CANCELLERS = {0: [1], 1: [1, -1], 2: [1, -2, 1]}


def doppler(cpi: np.ndarray, order: int, window: np.ndarray, dopplers: int) -> np.ndarray:
    left = cpi.shape[1] - order
    with np.errstate(invalid="ignore"):
        kept = sum(c * cpi[:, k : k + left].astype(complex) for k, c in enumerate(CANCELLERS[order]))
        return np.fft.fft(kept * window[:, None], dopplers, axis=1)


def dpca(cpi: np.ndarray, lead: int, trail: int, shift: int, gain: complex) -> np.ndarray:
    wide = cpi.astype(complex)
    return wide[lead, : cpi.shape[1] - shift] - gain * wide[trail, shift:]


def adaptive(spectrum: np.ndarray, steering: np.ndarray, loading: float, block: int) -> tuple[np.ndarray, int]:
    _, dopplers, ranges = spectrum.shape
    bins = len(steering)
    s = steering.reshape(-1).astype(complex)
    out, conventional = np.zeros((dopplers, ranges)), 0
    of = np.arange(ranges) // block
    for d in range(dopplers):
        x = np.concatenate([spectrum[:, (d + b - bins // 2) % dopplers] for b in range(bins)]).astype(complex)
        good = np.isfinite(x).all(axis=0)
        x = np.where(good, x, 0)
        for b in range(of[-1] + 1):
            training = x[:, good & (np.abs(of - b) > 1)]
            cells = training.shape[1]
            r = training @ training.conj().T / max(cells, 1)
            mean = np.trace(r).real / len(s)
            if cells < 2 * len(s) or mean <= 0:
                conventional += 1
                r = np.eye(len(s)) * (mean if mean > 0 else 1)
            else:
                r += loading * mean * np.eye(len(s))
            w = np.linalg.solve(r, s)
            own = of == b
            out[d, own] = np.abs(w.conj() @ x[:, own]) ** 2 / (s.conj() @ w).real * good[own]
    return out, conventional
