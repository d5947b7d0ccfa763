"""Plot extraction with OpenCV, SciPy, scikit-image, sep and Numba: components of both signs, measured as ours are.

Peers that build on labels find each plot's peak, extent and place with NumPy over the hits alone, never over the frame.
scikit-image and sep have a centroid of their own, so they give snr and number of pixels without a place.
"""

import cv2
import numba
import numpy as np
import sep
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.measure import label, regionprops_table

from lookdown.kernels.extract import DARK, EDGE, NEAR_BAD_PIXEL, PLOT_DTYPE, SATURATED
from tests.bench.measure import Run

COMPACT = 7
PLACE_FLOOR_PX, WIDEST_SPOT_PX = 0.02, 3.0
EIGHT = np.ones((3, 3), int)
SIZE_DTYPE = np.dtype([("snr", "f4"), ("n_pixels", "u2")])


def agree_plots(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Assert the same plots: integers and snr equal, places within 0.002 px; return the largest difference of place."""
    assert ours.size == theirs.size, f"{ours.size} plots, {theirs.size} by the peer"
    # A plot's snr is one pixel's score, bit for bit, so it names the plot; the rest parts the few that share it.
    key = [name for name in ("snr", "n_pixels", "row") if name in theirs.dtype.names]
    ours, theirs = np.sort(ours, order=key), np.sort(theirs, order=key)
    same = set(theirs.dtype.names) & {"snr", "n_pixels", "n_rows", "n_cols", "flags", "amplitude"}
    same |= {"peak_row", "peak_col"} & set(theirs.dtype.names)
    for name in same:
        np.testing.assert_array_equal(ours[name], theirs[name], name)
    worst = 0.0
    for name in set(theirs.dtype.names) & {"row", "col", "sigma_row_px", "sigma_col_px"}:
        worst = max(worst, float(np.abs(ours[name] - theirs[name]).max(initial=0)))
    for name in set(theirs.dtype.names) & {"flux", "moment_row_px2", "moment_col_px2", "moment_row_col_px2"}:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert worst <= 0.002, f"places differ by {worst:.2g} px"
    return worst


def refine(near: np.ndarray, snr: np.ndarray) -> tuple[np.ndarray, ...]:
    """Offset and sigma along rows and columns of peaks with their neighbours, float32 [n, 3, 3], sign taken out."""
    found = []
    for lines in (near @ np.array([1, 2, 1], "f4"), np.array([1, 2, 1], "f4") @ near):
        low, middle, high = lines.T
        light = middle > 0  # a frame without background may peak where its level is lower
        low, middle, high = (np.where(light, part, np.float32(1)) for part in (low, middle, high))
        least = np.float32(0.1) * middle
        low, high = np.log(np.maximum(low, least)), np.log(np.maximum(high, least))
        curvature = 2 * np.log(middle) - low - high
        good = light & (curvature > 1 / WIDEST_SPOT_PX**2)
        curvature = np.where(good, curvature, 1 / WIDEST_SPOT_PX**2)
        found += [
            np.where(good, np.clip((high - low) / (2 * curvature), -0.5, 0.5), 0),
            np.sqrt(1 / (curvature * snr**2) + PLACE_FLOOR_PX**2),
        ]
    return tuple(found)


class HitFlags:
    """Flags that single pixels give to their plots: saturated ones, and those that a replaced one touches."""

    def __init__(self) -> None:
        self.samples, self.saturation = np.empty(0, np.uint16), 65536
        self.near_bad = np.empty(0, bool)
        self.bad: np.ndarray | None = None

    def of(self, samples: np.ndarray, saturation: int, bad: np.ndarray) -> "HitFlags":
        """Flags of one frame; what follows from the list of bad pixels is kept while the list is the same."""
        self.samples, self.saturation = samples.ravel(), saturation
        if bad is not self.bad:
            mask = np.zeros(samples.shape, np.uint8)
            mask.ravel()[bad] = 1
            self.near_bad, self.bad = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool).ravel(), bad
        return self

    def at(self, flat: np.ndarray) -> np.ndarray | int:
        if not self.samples.size:
            return 0
        saturated = self.samples[flat] >= self.saturation
        return (SATURATED * saturated + NEAR_BAD_PIXEL * self.near_bad[flat]).astype(np.uint16)


NO_FLAGS = HitFlags()


def measure(
    z: np.ndarray, residual: np.ndarray, flat: np.ndarray, component: np.ndarray, n: int, flags: HitFlags = NO_FLAGS
) -> np.ndarray:
    """Measure n components by the flat index of their pixels, rising, and the component of each; strongest first."""
    rows, cols = z.shape
    plots = np.zeros(n, PLOT_DTYPE)
    score = np.abs(z.ravel()[flat])
    row, col = np.divmod(flat, cols)
    np.maximum.at(plots["snr"], component, score)
    # Of assignments to one place the last one stays.
    at_peak = np.flatnonzero(score == plots["snr"][component])[::-1]
    peak = np.empty(n, flat.dtype)
    peak[component[at_peak]] = flat[at_peak]
    plots["n_pixels"] = np.bincount(component, minlength=n)
    first_row, last_row, last_col = (np.empty(n, flat.dtype) for _ in range(3))
    first_row[component[::-1]] = row[::-1]
    last_row[component] = row
    last_col[:] = 0
    first_col = np.full(n, cols)
    np.maximum.at(last_col, component, col)
    np.minimum.at(first_col, component, col)
    plots["n_rows"], plots["n_cols"] = last_row - first_row + 1, last_col - first_col + 1
    edge = (first_row == 0) | (last_row == rows - 1) | (first_col == 0) | (last_col == cols - 1)
    dark = z.ravel()[peak] < 0
    plots["flags"] = DARK * dark + EDGE * edge
    np.bitwise_or.at(plots["flags"], component, flags.at(flat))
    plots["amplitude"] = residual.ravel()[peak]
    peak_row, peak_col = np.divmod(peak, cols)
    # A neighbour outside the frame counts as the pixel itself; along its own axis such a peak is not refined.
    near_rows = np.clip(peak_row[:, None] + [-1, 0, 1], 0, rows - 1)
    near_cols = np.clip(peak_col[:, None] + [-1, 0, 1], 0, cols - 1)
    near = residual[near_rows[:, :, None], near_cols[:, None, :]] * np.where(dark, -1, 1).astype("f4")[:, None, None]
    down, sigma_down, along, sigma_along = refine(near, plots["snr"])
    widest = np.sqrt((WIDEST_SPOT_PX / plots["snr"]) ** 2 + PLACE_FLOOR_PX**2)
    at_end = (peak_row == 0) | (peak_row == rows - 1)
    plots["row"], plots["sigma_row_px"] = peak_row + np.where(at_end, 0, down), np.where(at_end, widest, sigma_down)
    at_end = (peak_col == 0) | (peak_col == cols - 1)
    plots["col"], plots["sigma_col_px"] = peak_col + np.where(at_end, 0, along), np.where(at_end, widest, sigma_along)
    plots["peak_row"], plots["peak_col"] = peak_row, peak_col
    light = residual.ravel()[flat].astype(float)
    plots["flux"] = np.bincount(component, light, n)
    weight = np.abs(light)
    total = np.bincount(component, weight, n)
    row_centre, col_centre = (np.bincount(component, weight * place, n) / total for place in (row, col))
    down, along = row - row_centre[component], col - col_centre[component]
    for name, square in (("row", down * down), ("col", along * along), ("row_col", down * along)):
        plots[f"moment_{name}_px2"] = np.bincount(component, weight * square, n) / total
    wide = (plots["n_rows"] > COMPACT) | (plots["n_cols"] > COMPACT)
    if wide.any():
        noise = np.abs(plots["amplitude"]) / plots["snr"] / total
        for name, centre, away in (("row", row_centre, down), ("col", col_centre, along)):
            about = np.bincount(component, away**2, n)
            plots[name][wide] = centre[wide]
            plots[f"sigma_{name}_px"][wide] = np.sqrt(noise**2 * about + PLACE_FLOOR_PX**2)[wide]
    return plots[np.argsort(-plots["snr"], kind="stable")]


def extract_opencv(z: np.ndarray, residual: np.ndarray, threshold: float) -> Run:
    """Two labellings, one for each sign."""
    mask, labels = np.empty(z.shape, np.uint8), np.empty(z.shape, np.int32)

    def run() -> np.ndarray:
        flats, components, n = [], [], 0
        for kind, level in ((cv2.CMP_GT, threshold), (cv2.CMP_LT, -threshold)):
            cv2.compare(z, level, kind, mask)
            count = cv2.connectedComponents(mask, labels, 8, cv2.CV_32S)[0] - 1
            place = cv2.findNonZero(mask)
            if place is not None:
                place = place.reshape(-1, 2)
                flats.append(place[:, 1].astype(np.int64) * z.shape[1] + place[:, 0])
                components.append(labels.ravel()[flats[-1]] + (n - 1))
                n += count
        if not n:
            return np.zeros(0, PLOT_DTYPE)
        flat, component = np.concatenate(flats), np.concatenate(components)
        return measure(z, residual, flat, component, n)

    return run


def extract_sparse(z: np.ndarray, residual: np.ndarray, threshold: float, flags: HitFlags = NO_FLAGS) -> Run:
    """OpenCV finds the hits; SciPy joins them as a graph, without a frame of labels."""
    mask = np.empty(z.shape, np.uint8)
    cols = z.shape[1]

    def run() -> np.ndarray:
        cv2.inRange(z, -threshold, threshold, mask)
        cv2.bitwise_not(mask, mask)
        place = cv2.findNonZero(mask)
        if place is None:
            return np.zeros(0, PLOT_DTYPE)
        place = place.reshape(-1, 2)
        column = place[:, 0]
        flat = place[:, 1].astype(np.int64) * cols + column
        dark = z.ravel()[flat] < 0
        index = np.arange(flat.size)
        one, other = [], []
        # The hits rise, so each neighbour before a hit is found by bisection.
        for step, possible in ((1, column > 0), (cols + 1, column > 0), (cols, None), (cols - 1, column < cols - 1)):
            at = np.searchsorted(flat, flat - step)
            found = (flat[at] == flat - step) & (dark[at] == dark)
            if possible is not None:
                found &= possible
            one.append(index[found])
            other.append(at[found])
        joined = np.concatenate(one), np.concatenate(other)
        graph = coo_matrix((np.ones(joined[0].size, np.int8), joined), (flat.size, flat.size))
        n, component = connected_components(graph, directed=False)
        return measure(z, residual, flat, component, n, flags)

    return run


def extract_scipy(z: np.ndarray, residual: np.ndarray, threshold: float) -> Run:
    labels = np.empty(z.shape, np.int32)

    def run() -> np.ndarray:
        flats, components, n = [], [], 0
        for mask in (z > threshold, z < -threshold):
            count = ndimage.label(mask, EIGHT, labels)
            flats.append(np.flatnonzero(mask))
            components.append(labels.ravel()[flats[-1]] + (n - 1))
            n += count
        return measure(z, residual, np.concatenate(flats), np.concatenate(components), n)

    return run


def extract_skimage(z: np.ndarray, threshold: float) -> Run:
    """One labelling: regions of another value are other regions."""

    def run() -> np.ndarray:
        sign = (z > threshold).astype(np.int8) - (z < -threshold)
        score = np.abs(z)
        found = regionprops_table(label(sign, connectivity=2), score, ("area", "intensity_max", "centroid_weighted"))
        plots = np.empty(found["area"].size, SIZE_DTYPE)
        plots["snr"], plots["n_pixels"] = found["intensity_max"], found["area"]
        return plots

    return run


def extract_sep(z: np.ndarray, threshold: float) -> Run:
    """One run for each sign: without filter, deblending and cleaning."""
    negative = np.empty_like(z)
    sep.set_extract_pixstack(1_000_000)

    def run() -> np.ndarray:
        np.negative(z, out=negative)
        found = [
            sep.extract(image, threshold, minarea=1, filter_kernel=None, deblend_cont=1.0, clean=False)
            for image in (z, negative)
        ]
        plots = np.empty(sum(part.size for part in found), SIZE_DTYPE)
        plots["snr"] = np.concatenate([part["peak"] for part in found])
        plots["n_pixels"] = np.concatenate([part["npix"] for part in found])
        return plots

    return run


compiled = numba.njit(error_model="numpy", fastmath=False)
F = np.float32
BLOCK = 32


@compiled
def find_hits(z, threshold, flat):
    """Flat indices of the hits, by blocks that are counted at once; the first index past them is returned."""
    n = 0
    size = z.size
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        part = z[start:stop]
        count = np.int32(0)
        for x in part:
            count += np.int32(abs(x) > threshold)
        if count:
            for i in range(start, stop):
                if abs(z[i]) > threshold:
                    flat[n] = i
                    n += 1
    return n


@compiled
def root_of(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def join_hits(z, flat, n, cols, parent):
    """Union-find over the hits; a second pointer follows in the row above."""
    above = 0
    for i in range(n):
        parent[i] = i
        at = flat[i]
        col = at % cols
        dark = z[at] < 0
        if i > 0 and flat[i - 1] == at - 1 and col > 0 and (z[at - 1] < 0) == dark:
            parent[i] = root_of(parent, i - 1)
        first = at - cols - (1 if col > 0 else 0)
        last = at - cols + (1 if col < cols - 1 else 0)
        while flat[above] < first:
            above += 1
        k = above
        while k < i and flat[k] <= last:
            if (z[flat[k]] < 0) == dark:
                a, b = root_of(parent, i), root_of(parent, k)
                parent[max(a, b)] = min(a, b)
            k += 1


@compiled
def refine_axis(residual, at, stride, across, here, n, here_across, n_across, sign, snr):
    """Offset and sigma along one axis; `here` is the peak's place on it, n its length."""
    offset, width = F(0), F(WIDEST_SPOT_PX)
    if 0 < here < n - 1:
        before = across if here_across > 0 else 0
        after = across if here_across < n_across - 1 else 0
        low = sign * (2 * residual[at - stride] + residual[at - stride - before] + residual[at - stride + after])
        mid = sign * (2 * residual[at] + residual[at - before] + residual[at + after])
        high = sign * (2 * residual[at + stride] + residual[at + stride - before] + residual[at + stride + after])
        if mid > 0:
            low, high = np.log(max(low, F(0.1) * mid)), np.log(max(high, F(0.1) * mid))
            curvature = 2 * np.log(mid) - low - high
            if curvature > 1 / F(WIDEST_SPOT_PX) ** 2:
                offset = min(max((high - low) / (2 * curvature), F(-0.5)), F(0.5))
                width = 1 / np.sqrt(curvature)
    return offset, np.sqrt((width / snr) ** 2 + F(PLACE_FLOOR_PX) ** 2)


@compiled
def extract_loop(
    z, residual, rows, cols, threshold, samples, saturation, near_bad, flat, parent, place, sums, limits, plots
):
    """Find, join and measure; sums and limits hold what is gathered of each component."""
    hits = find_hits(z, threshold, flat)
    join_hits(z, flat, hits, cols, parent)
    n = 0
    for i in range(hits):
        at = flat[i]
        row, col = at // cols, at % cols
        root = root_of(parent, i)
        if root == i:
            k = n
            place[i] = n
            n += 1
            sums[k] = 0
            limits[k, 0] = row
            limits[k, 2] = col
            limits[k, 3] = col
            limits[k, 4] = at
            plots[k].n_pixels = 0
            plots[k].flags = 0
        else:
            k = place[root]
        weight = np.float64(abs(residual[at]))
        sums[k, 0] += weight
        sums[k, 1] += weight * row
        sums[k, 2] += weight * col
        sums[k, 3] += row
        sums[k, 4] += col
        sums[k, 5] += row * row
        sums[k, 6] += col * col
        sums[k, 7] += residual[at]
        sums[k, 8] += weight * row * row
        sums[k, 9] += weight * col * col
        sums[k, 10] += weight * row * col
        limits[k, 1] = row
        limits[k, 2] = min(limits[k, 2], col)
        limits[k, 3] = max(limits[k, 3], col)
        if abs(z[at]) > abs(z[limits[k, 4]]):
            limits[k, 4] = at
        plots[k].n_pixels += 1
        if samples.size:
            plots[k].flags |= (SATURATED if samples[at] >= saturation else 0) | (NEAR_BAD_PIXEL if near_bad[at] else 0)
    for k in range(n):
        one, at = plots[k], limits[k, 4]
        row, col = at // cols, at % cols
        dark = z[at] < 0
        edge = limits[k, 0] == 0 or limits[k, 1] == rows - 1 or limits[k, 2] == 0 or limits[k, 3] == cols - 1
        one.flags |= (DARK if dark else 0) | (EDGE if edge else 0)
        one.snr = abs(z[at])
        one.amplitude = residual[at]
        total = sums[k, 0]
        centre_row, centre_col = sums[k, 1] / total, sums[k, 2] / total
        one.flux = sums[k, 7]
        one.moment_row_px2 = max(sums[k, 8] / total - centre_row * centre_row, 0.0)
        one.moment_col_px2 = max(sums[k, 9] / total - centre_col * centre_col, 0.0)
        one.moment_row_col_px2 = sums[k, 10] / total - centre_row * centre_col
        one.covariance_px2 = 0
        one.peak_row, one.peak_col = row, col
        one.n_rows = limits[k, 1] - limits[k, 0] + 1
        one.n_cols = limits[k, 3] - limits[k, 2] + 1
        if one.n_rows <= COMPACT and one.n_cols <= COMPACT:
            sign = F(-1) if dark else F(1)
            offset, sigma = refine_axis(residual, at, cols, 1, row, rows, col, cols, sign, one.snr)
            one.row, one.sigma_row_px = row + offset, sigma
            offset, sigma = refine_axis(residual, at, 1, cols, col, cols, row, rows, sign, one.snr)
            one.col, one.sigma_col_px = col + offset, sigma
        else:
            count = np.float64(one.n_pixels)
            noise = abs(one.amplitude) / one.snr / total
            one.row, one.col = centre_row, centre_col
            about = sums[k, 5] - 2 * one.row * sums[k, 3] + count * one.row * one.row
            one.sigma_row_px = np.sqrt(noise**2 * max(about, 0.0) + PLACE_FLOOR_PX**2)
            about = sums[k, 6] - 2 * one.col * sums[k, 4] + count * one.col * one.col
            one.sigma_col_px = np.sqrt(noise**2 * max(about, 0.0) + PLACE_FLOOR_PX**2)
    return n


class Pool:
    """Room for hits and components, that of the largest count expected, as in the pixel stack of sep."""

    def __init__(self, capacity: int) -> None:
        self.flat, self.parent, self.place = (np.empty(capacity, np.int64) for _ in range(3))
        self.sums, self.limits = np.empty((capacity, 11)), np.empty((capacity, 5), np.int64)
        self.plots = np.zeros(capacity, PLOT_DTYPE)

    def extract(self, z: np.ndarray, residual: np.ndarray, threshold: float, flags: HitFlags = NO_FLAGS) -> np.ndarray:
        n = extract_loop(
            z.ravel(),
            residual.ravel(),
            *z.shape,
            F(threshold),
            flags.samples,
            flags.saturation,
            flags.near_bad,
            self.flat,
            self.parent,
            self.place,
            self.sums,
            self.limits,
            self.plots,
        )
        plots = self.plots[:n]
        return plots[np.argsort(-plots["snr"], kind="stable")]


def extract_numba(z: np.ndarray, residual: np.ndarray, threshold: float, capacity: int) -> Run:
    pool = Pool(capacity)
    return lambda: pool.extract(z, residual, threshold)
