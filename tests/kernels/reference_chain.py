"""Plain twins of the kernels that the onboard chain fuses: NumPy alone, one statement a formula, no care for speed."""

import numpy as np


def displacements(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The displacement of each pixel, from that of its tile: float64 [rows, cols, 2]."""
    (rows, cols), (n, m, _) = shape, field.shape
    r, c = np.indices(shape)
    return field.astype(np.float64)[r // -(-rows // n), c // -(-cols // m)]


def cubic_weight(x: np.ndarray) -> np.ndarray:
    """Keys 1981 eq. 4, a = -1/2, for distances up to 2."""
    x = np.abs(x)
    return np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)


def runs(shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last column of the run of each pixel: of neighbours that move by the same whole pixels."""
    whole = np.concatenate([np.floor(shift), np.rint(shift)], axis=-1)
    first, last = (np.broadcast_to(np.arange(shift.shape[1]), shift.shape[:2]).copy() for _ in range(2))
    for c in range(1, shift.shape[1]):
        same = (whole[:, c] == whole[:, c - 1]).all(-1)
        first[:, c] = np.where(same, first[:, c - 1], c)
    for c in range(shift.shape[1] - 2, -1, -1):
        same = (whole[:, c] == whole[:, c + 1]).all(-1)
        last[:, c] = np.where(same, last[:, c + 1], c)
    return first, last


def warp(image: np.ndarray, shift: np.ndarray, cubic: bool) -> np.ndarray:
    """``image[r + shift_row, c + shift_col]``, edges replicated; a column of a run is first blended down for itself."""
    rows, cols = image.shape
    r, c = np.indices(image.shape)
    whole = np.floor(shift)
    part = shift - whole
    first, last = runs(shift)
    out = np.zeros(image.shape)
    for j in range(-1, 3):
        down = part[r, np.clip(c + j, first, last), 0]
        for i in range(-1, 3):
            source = image[
                np.clip(r + whole[..., 0].astype(int) + i, 0, rows - 1),
                np.clip(c + whole[..., 1].astype(int) + j, 0, cols - 1),
            ]
            if cubic:
                out += cubic_weight(i - down) * cubic_weight(j - part[..., 1]) * source
            else:
                out += np.maximum(0, 1 - abs(i - down)) * np.maximum(0, 1 - abs(j - part[..., 1])) * source
    return out


def nearest(image: np.ndarray, shift: np.ndarray, outside: float | None) -> np.ndarray:
    """The nearest pixel, or a value outside; None replicates the edges."""
    rows, cols = image.shape
    r, c = np.indices(image.shape)
    r, c = r + np.rint(shift[..., 0]).astype(int), c + np.rint(shift[..., 1]).astype(int)
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < cols)
    found = image[np.clip(r, 0, rows - 1), np.clip(c, 0, cols - 1)]
    return found if outside is None else np.where(inside, found, outside)


def subtract_background(
    frame: np.ndarray,
    mean: np.ndarray,
    noise: np.ndarray,
    age: np.ndarray,
    field: np.ndarray,
    blur: float,
    variance_floor: float,
) -> tuple[np.ndarray, np.ndarray]:
    shift = displacements(field, frame.shape)
    there = warp(mean, shift, cubic=True)
    padded = np.pad(there, 1, mode="edge")
    gradient = ((padded[2:, 1:-1] - padded[:-2, 1:-1]) ** 2 + (padded[1:-1, 2:] - padded[1:-1, :-2]) ** 2) / 4
    seen = nearest(age.astype(float), shift, outside=0)
    known = seen > 0
    predicted = nearest(noise, shift, outside=0) * (1 + 1 / np.maximum(seen, 1)) + blur**2 * gradient + variance_floor
    return np.where(known, frame - there, 0), np.where(known, predicted, -1)


def renew_background(
    frame: np.ndarray,
    residual: np.ndarray,
    variance: np.ndarray,
    mean: np.ndarray,
    noise: np.ndarray,
    age: np.ndarray,
    field: np.ndarray,
    step: tuple[int, int],
    age_limit: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    back = np.array(step) - displacements(field, frame.shape)
    whole = np.broadcast_to(np.array(step, float), back.shape)
    seen = nearest(age.astype(float), whole, outside=0)
    fresh_variance = nearest(variance, back, outside=None)
    old_noise = nearest(noise, whole, outside=0)
    clipped = np.where(seen > 1, np.minimum(fresh_variance, 9 * old_noise), fresh_variance)
    known = seen > 0
    new_mean = nearest(mean, whole, outside=0) + warp(residual, back, cubic=False) / (seen + 1)
    new_noise = old_noise + (clipped - old_noise) / np.maximum(seen, 1)
    fresh = warp(frame, back, cubic=False)
    r, c = np.indices(frame.shape)
    (rows, cols), (y, x) = frame.shape, (r + back[..., 0], c + back[..., 1])
    shown = (y >= -0.1) & (y <= rows - 0.9) & (x >= -0.1) & (x <= cols - 0.9)
    old_mean = nearest(mean, whole, outside=0)
    return (
        np.where(shown & known, new_mean, np.where(known, old_mean, fresh)),
        np.where(shown & known, new_noise, np.where(known, old_noise, fresh_variance)),
        np.where(shown & known, np.minimum(seen + 1, age_limit), np.where(known, seen, shown)),
    )


def whiten(
    x: np.ndarray, predicted: np.ndarray, window: int, guard: int, variance_floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Score and variance; the ring is cut out pixel by pixel from whole blocks."""
    half, guard_half = (window + 1) // 4, (guard + 1) // 4
    rows, cols = x.shape
    z, variance = np.zeros(x.shape), np.zeros(x.shape)
    for r in range(rows):
        for c in range(cols):
            inside = np.zeros(x.shape, bool)
            b, d = r // 2, c // 2
            inside[max(0, 2 * (b - half)) : 2 * (b + half + 1), max(0, 2 * (d - half)) : 2 * (d + half + 1)] = True
            inside[
                max(0, 2 * (b - guard_half)) : 2 * (b + guard_half + 1),
                max(0, 2 * (d - guard_half)) : 2 * (d + guard_half + 1),
            ] = False
            ring = x[inside].astype(np.float64)
            mean, variance[r, c] = (ring.mean(), ring.var()) if ring.size else (0.0, 0.0)
            known = predicted[r, c]
            sigma = np.sqrt(max(known, variance[r, c] + variance_floor, 1e-30))
            z[r, c] = (x[r, c] - mean) / sigma if known >= 0 else 0
    return z, variance


def remove_spikes(frame: np.ndarray, sigma: float, level: float, ratio: float) -> tuple[np.ndarray, list[int]]:
    out = frame.astype(np.float64)
    rows, cols = out.shape
    found = []
    for r in range(rows):
        for c in range(cols):
            around = [(r + i, c + j) for i in range(-2, 3) for j in range(-2, 3) if max(abs(i), abs(j)) == 2]
            far = np.array([out[i, j] for i, j in around if 0 <= i < rows and 0 <= j < cols])
            if not far.size:
                continue
            base = far.mean()
            height = out[r, c] - base
            if abs(height) <= level * max(sigma, 1.25 * abs(far - base).mean()):
                continue
            near = sorted(
                (out[i, j] - base) / height
                for i in range(max(r - 1, 0), min(r + 2, rows))
                for j in range(max(c - 1, 0), min(c + 2, cols))
                if (i, j) != (r, c)
            )
            second = max(near[-2], 0) if len(near) > 1 else 0
            if second < ratio:
                out[r, c] = base
                found.append(r * cols + c)
    return out, found


def tail_histogram(z: np.ndarray, step: int, per_unit: float, bins: int) -> np.ndarray:
    counts = np.zeros(bins, np.int32)
    for k, row in enumerate(z[::step]):
        values = np.abs(row[k % step :: step])
        levels = np.minimum(values[values > 0] * np.float32(per_unit), bins - 1).astype(int)
        counts += np.bincount(levels, minlength=bins).astype(np.int32)
    return counts


def tile_normals(
    frame: np.ndarray, residual: np.ndarray, predicted: np.ndarray, scale: float, clip: float, tiles: tuple[int, int]
) -> np.ndarray:
    """Twin of `lookdown.kernels.local_shift.tile_normals`, pixel by pixel."""
    rows, cols = frame.shape
    size = -(-rows // tiles[0]), -(-cols // tiles[1])
    background = frame.astype(np.float64) - residual
    out = np.zeros((*tiles, 5))
    for r in range(1, rows - 1):
        for c in range(1, cols - 1):
            variance = scale * float(predicted[r, c])
            e = float(residual[r, c])
            if variance <= 0 or e * e > clip**2 * variance:
                continue
            down = 0.5 * (background[r + 1, c] - background[r - 1, c])
            along = 0.5 * (background[r, c + 1] - background[r, c - 1])
            sums = np.array([down * down, down * along, along * along, down * e, along * e])
            out[r // size[0], c // size[1]] += sums / variance
    return out
