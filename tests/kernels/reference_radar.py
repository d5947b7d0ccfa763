"""Plain NumPy twins of the radar kernels, in double precision."""

import numpy as np
from scipy import ndimage

CANCELLERS = {0: [1], 1: [1, -1], 2: [1, -2, 1]}


def doppler(cpi: np.ndarray, order: int, window: np.ndarray, dopplers: int) -> np.ndarray:
    left = cpi.shape[1] - order
    with np.errstate(invalid="ignore"):
        kept = sum(c * cpi[:, k : k + left].astype(complex) for k, c in enumerate(CANCELLERS[order]))
        return np.fft.fft(kept * window[:, None], dopplers, axis=1)


def dpca(cpi: np.ndarray, lead: int, trail: int, shift: int, gain: complex) -> np.ndarray:
    wide = cpi.astype(complex)
    return wide[lead, : cpi.shape[1] - shift] - gain * wide[trail, shift:]


def adaptive(
    spectrum: np.ndarray, steering: np.ndarray, loading: float, block: int, excluded: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, int]:
    """Of the Doppler bins that are wanted; the others are NaN."""
    _, dopplers, ranges = spectrum.shape
    bins = len(steering)
    s = steering.reshape(-1).astype(complex)
    out, conventional = np.full((dopplers, ranges), np.nan), 0
    of = np.arange(ranges) // block
    good = np.isfinite(spectrum).all(axis=(0, 1))
    trains = np.tile(good, (dopplers, 1))
    trains.reshape(-1)[excluded] = False
    for d in np.flatnonzero(wanted):
        x = np.concatenate([spectrum[:, (d + b - bins // 2) % dopplers] for b in range(bins)]).astype(complex)
        x = np.where(good, x, 0)
        for b in range(of[-1] + 1):
            training = x[:, trains[d] & (np.abs(of - b) > 1)]
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


def renewed_map(power: np.ndarray, most: float, share: float, mean: np.ndarray) -> np.ndarray:
    """Float by float: in the precision of the kernel."""
    finite = np.where(np.isfinite(power), power, mean)
    with np.errstate(over="ignore"):
        cut = np.where(mean > 0, np.minimum(finite, mean * np.float32(most)), finite)
    return mean + np.float32(share) * (cut - mean)


def clusters(cells: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Labels in the order of first hits: SciPy's, joined across the fold of the rows."""
    image = np.zeros(rows * cols, bool)
    image[cells] = True
    labels, n = ndimage.label(image.reshape(rows, cols), np.ones((3, 3)))
    name = np.arange(n + 1)
    changed = True
    while changed:
        changed = False
        for c in range(cols):
            for near in range(max(c - 1, 0), min(c + 2, cols)):
                a, b = labels[0, c], labels[-1, near]
                if a and b and name[a] != name[b]:
                    name[name == max(name[a], name[b])] = min(name[a], name[b])
                    changed = True
    names = name[labels.reshape(-1)[cells]]
    first = {value: number for number, value in enumerate(dict.fromkeys(names.tolist()))}
    return np.array([first[value] for value in names.tolist()], np.int32)
