"""Track before detect: targets too weak for one frame, found along straight paths through several.

The stage keeps the scores of the last frames (unit sigma in noise), aligned on the background, and every few frames
looks for straight paths along which they add up:

1. each score, which has the tail of a Gaussian (`lookdown.flight.tail`), is moved by the part of a pixel that the
   background lies off whole pixels (cubic), is limited, and kept as int16: beyond ``LIMIT`` sigmas it grows with its
   logarithm alone, so that a spike counts as little more than one frame and the top of a strong mover stays put;
2. `lookdown.kernels.stack` sums along every velocity of a bank and keeps the largest size at each pixel;
3. the local maxima are refined to places and velocities between those of the bank (`lookdown.kernels.paths`);
4. the strongest path takes the scores about it away from the others, then the next: the fan of paths that cross a
   strong mover at other velocities falls (CLEAN, Hogbom 1974, Astron. Astrophys. Suppl. 15, 417);
5. a path whose sum comes from a few frames alone crosses something faster and is left out;
6. the sum becomes a calibrated SNR (`lookdown.flight.pathtail`); what stands still is left out.

With 16 frames SNR 1.9 in each is found as surely as 6 in one. Figures and what was tried stand in docs/decisions.md.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.flight.bank import make_bank
from lookdown.flight.config import MultiFrameParameters
from lookdown.flight.pathtail import PathTail
from lookdown.kernels.extract import DARK, PLOT_DTYPE
from lookdown.kernels.paths import PATH_DTYPE, refine_paths
from lookdown.kernels.shift import shift, shift_scratch_size
from lookdown.kernels.stack import quantise, stack_scratch_size, stack_velocities
from lookdown.wire.messages import PlotFlag

Image = NDArray[np.float32]

PER_SIGMA = 64
"""Integers of a stored score to one sigma: 32 frames of the largest stay below 2^15."""

LIMIT = 4.0
"""Size of a score up to which it counts in full [sigma]. At SNR 2 that costs less than .4 % of the sum."""

BEYOND_LIMIT = 0.5
"""What an e-fold beyond the limit adds [sigma]. A flat top would leave the place of a strong mover open by 2 px."""

LEAST_SIGMA = 0.93
"""Smallest sigma of the mapped scores that is believed: where the tail is heavy the middle is narrow, and to widen it
would undo the calibration [sigma]."""

LARGEST = 6.0
"""Size of a score beyond which it no longer grows [sigma]."""

NOTICED = 4.8
"""Sum of a cell of the bank from which on it is refined [sigma]; SNR 2 through 16 frames stands at 7.1 there."""

MOST_CANDIDATES = 1000
"""Maxima refined in a window; the weakest beyond are left out."""

PEAK_PX = 5
"""Side of the square whose largest pixel is a maximum [px]."""

OWN_PX = 4.0
"""A path takes the scores within this distance away from weaker paths [px]."""

UNEVEN, EVEN_MEAN = 2.4, 2.2
"""Variance of a path's scores (1 in noise) from which on it is left out as uneven, and the mean score above which it
is not [sigma^2, sigma]. 15 degrees of freedom exceed 2.4 in one of 500; what crosses a strong mover has 2.6 to 3.3."""

MERGE_PX = 3.0
"""Two plots of a frame this near are one target, unless one frame told them apart [px]."""

SIGMA_FLOOR_PX = 0.05
"""What registration and the straight line leave of the place's error [px]."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What the stage found in the frames up to the newest.

    Attributes
    ----------
    paths : ndarray of PATH_DTYPE, shape (n,)
        Paths, strongest first; places are those of the middle of the window.
    snr : ndarray of float32, shape (n,)
        Calibrated SNR: the Gaussian sigma that noise exceeds as often, per pixel and window.
    places : ndarray of float32, shape (n_frames, n, 2)
        Where each path lies in each frame (row, col), oldest frame first; NaN beyond the border [px].
    sigmas_px : ndarray of float32, shape (n_frames, n)
        One sigma of a place along an axis [px].
    amplitude : ndarray of float32, shape (n,)
        Mean of the scores, negative if dark; the chain turns sigmas into the unit of the frame.
    """

    paths: NDArray[Any]
    snr: NDArray[np.float32]
    places: Image
    sigmas_px: Image
    amplitude: NDArray[np.float32]

    def of(self, stays: NDArray[np.bool_]) -> "Window":
        """Return the window with some of its paths alone, a truth value for each."""
        return Window(
            self.paths[stays],
            self.snr[stays],
            self.places[:, stays],
            self.sigmas_px[:, stays],
            self.amplitude[stays],
        )

    def plots(self, ago: int) -> NDArray[Any]:
        """Return the plots in the frame that came ``ago`` frames before the newest, strongest first.

        Parameters
        ----------
        ago : int
            0 for the newest frame, up to one less than the window has.

        Returns
        -------
        ndarray of PLOT_DTYPE, shape (n,)
            One plot a path that lies inside the frame, flagged MULTI_FRAME.
        """
        frame = len(self.places) - 1 - ago
        inside = np.isfinite(self.places[frame, :, 0])
        plots = np.zeros(int(inside.sum()), PLOT_DTYPE)
        plots["row"], plots["col"] = self.places[frame, inside].T
        plots["sigma_row_px"] = plots["sigma_col_px"] = self.sigmas_px[frame, inside]
        plots["amplitude"], plots["snr"] = self.amplitude[inside], self.snr[inside]
        plots["flags"] = np.where(plots["amplitude"] < 0, DARK, 0) | PlotFlag.MULTI_FRAME
        plots["n_pixels"] = plots["n_rows"] = plots["n_cols"] = 1
        plots["peak_row"], plots["peak_col"] = np.rint(self.places[frame, inside].T)
        return plots


def merged(single: NDArray[Any], multi: NDArray[Any], most: int) -> tuple[NDArray[Any], int]:
    """Put the plots of a frame and those of paths through it together, one plot a target.

    Parameters
    ----------
    single, multi : ndarray of PLOT_DTYPE
        Plots of the frame so far; plots of paths.
    most : int
        Plots that a report may hold.

    Returns
    -------
    plots : ndarray of PLOT_DTYPE
        Strongest first; of plots nearer than MERGE_PX the stronger, two of a single frame apart.
    n_left_out : int
        Plots beyond ``most``.
    """
    plots = np.concatenate((single, multi))
    plots = plots[np.lexsort((plots["col"], plots["row"], -plots["snr"]))]
    of_paths = np.flatnonzero(plots["flags"] & PlotFlag.MULTI_FRAME)
    kept = np.ones(len(plots), bool)
    # Only pairs with a path can be one target; in order of strength, so that what has fallen takes nothing with it.
    near = (
        (plots["row"][of_paths, None] - plots["row"]) ** 2 + (plots["col"][of_paths, None] - plots["col"]) ** 2
    ) < MERGE_PX**2
    by_path = dict(zip(of_paths.tolist(), near, strict=True))
    for k in range(len(plots)):
        if not kept[k]:
            continue
        if k in by_path:
            kept[k + 1 :] &= ~by_path[k][k + 1 :]
        elif len(of_paths):
            later = of_paths > k
            kept[of_paths[later & near[:, k]]] = False
    plots = plots[kept]
    return plots[:most], max(0, len(plots) - most)


class MultiFrame:
    """The multi-frame stage of one focal plane, with all its buffers.

    Parameters
    ----------
    parameters : MultiFrameParameters
        How it is set.
    rows, cols : int
        Size of the frames [px].
    psf_sigma_px : float
        One sigma of the point-spread function [px].
    """

    def __init__(self, parameters: MultiFrameParameters, rows: int, cols: int, psf_sigma_px: float) -> None:
        self.parameters = parameters
        n = parameters.frames
        self._bank = make_bank(n, parameters.max_velocity_px)
        self._scores = np.zeros((n, rows, cols), np.int16)
        self._displacement = np.zeros((n, 2))  # of each slot, from frame to background [px]
        self._whole = np.zeros((n, 2), np.int64)  # the same in whole pixels
        self._best = np.zeros((rows, cols), np.int16)
        self._moved = np.zeros((rows, cols), np.float32)
        self._scratch = np.zeros(stack_scratch_size(self._bank.n_cells, self._bank.links), np.int16)
        self._shift_scratch = np.zeros(shift_scratch_size(cols), np.float32)
        self._correlation = float(np.exp(-0.25 / psf_sigma_px**2))
        self._width_px = np.sqrt(2.0) * psf_sigma_px
        self._tail = PathTail(rows * cols, n, parameters.max_velocity_px, psf_sigma_px)
        self._time = np.arange(n) - (n - 1) / 2  # of each frame from the middle of the window [frame]
        self._count = 0
        self._waiting = 0
        self._scale = 0.0

    def step(
        self,
        z: Image | None,
        displacement: tuple[float, float],
        threshold: float,
    ) -> Window | None:
        """Take the scores of a frame; every few frames, look for paths.

        Parameters
        ----------
        z : ndarray of float32, shape (rows, cols), or None
            Calibrated SNR against the background, with its sign; None for a frame without, or after the background
            was lost: the window starts anew.
        displacement : tuple of float
            Where the middle of the frame lies in the frame before (row, col) [px].
        threshold : float
            Smallest calibrated SNR of a path.

        Returns
        -------
        Window or None
            The paths, if this frame ends a window.
        """
        if z is None:
            self._count = 0
            return None
        n = self.parameters.frames
        slot, before = self._count % n, (self._count - 1) % n
        place = self._displacement[before] + displacement if self._count else np.zeros(2)
        self._displacement[slot] = place
        self._whole[slot] = np.rint(place)
        self._keep(z, place - self._whole[slot], self._scores[slot])
        self._count += 1
        self._waiting += 1
        if self._count < n or self._waiting < self.parameters.every:
            return None
        return self.look(threshold)

    def skip(self) -> None:
        """Let a frame without content pass: time goes on, no score counts."""
        if self._count:
            n = self.parameters.frames
            slot, before = self._count % n, (self._count - 1) % n
            self._displacement[slot], self._whole[slot] = self._displacement[before], self._whole[before]
            self._scores[slot] = 0
            self._count += 1
            self._waiting += 1

    def look(self, threshold: float) -> Window | None:
        """Look for paths now; None if the window is not full or nothing came since the last time."""
        n = self.parameters.frames
        if self._count < n or not self._waiting:
            return None
        self._waiting = 0
        order = np.roll(np.arange(n), -(self._count % n)).astype(np.int32)
        middle = self._whole[order[n // 2]]
        at = np.ascontiguousarray(middle - self._whole[order], np.int32)
        bank = self._bank
        stack_velocities(self._scores, order, at, bank.n_cells, bank.links, self._scratch, self._best)
        paths = self._distinct(self._candidates(), order, at)
        self._tail.observe(np.abs(paths["score"]))
        snr = self._tail.snr_of_score(np.abs(paths["score"]))
        speed = np.hypot(paths["row_velocity"], paths["col_velocity"])
        kept = (snr > threshold) & (speed >= self.parameters.min_velocity_px)
        return self._window(paths[kept], snr[kept], self._displacement[order] - middle)

    def _keep(self, z: Image, part: NDArray[np.float64], out: NDArray[np.int16]) -> None:
        """Give scores the sigma of a Gaussian, move them by a part of a pixel, limit them."""
        moved = self._moved
        sample = np.clip(z[::3, ::5], -LIMIT, LIMIT)
        # Each frame by itself: the first ones of a background are noisier than those after.
        scale = 1.0 / max(float(np.sqrt(np.mean(sample**2, dtype=np.float64))), LEAST_SIGMA)
        for axis in range(2):
            scale /= self._sigma_between(float(part[axis]))
        shift(z, -float(part[0]), -float(part[1]), self._shift_scratch, moved)
        # Limited last: interpolation would bend the flat top of a strong spot.
        moved *= np.float32(scale)
        strong = np.flatnonzero(np.abs(moved) > LIMIT)
        size = LIMIT + BEYOND_LIMIT * np.log(np.abs(moved.flat[strong]) / LIMIT)
        moved.flat[strong] = np.copysign(size, moved.flat[strong])
        quantise(moved, PER_SIGMA, int(LARGEST * PER_SIGMA), out)

    def _sigma_between(self, part: float) -> float:
        """Sigma of filtered noise, interpolated by third-degree Lagrange at a part of a pixel."""
        t = abs(part)
        taps = np.array([-t * (t - 1) * (t - 2), 3 * (t + 1) * (t - 1) * (t - 2), -3 * (t + 1) * t * (t - 2),
                         (t + 1) * t * (t - 1)]) / 6  # fmt: skip
        lags = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
        return float(np.sqrt(taps @ self._correlation**lags @ taps))

    def _candidates(self) -> NDArray[np.int32]:
        """Pixels of the strongest maxima over the level that is refined."""
        best = self._best
        peaks = cv2.dilate(best, np.ones((PEAK_PX, PEAK_PX), np.uint8))
        level = int(NOTICED * PER_SIGMA * self.parameters.frames**0.5)
        places = np.flatnonzero((best == peaks) & (best >= level))
        if len(places) > MOST_CANDIDATES:
            places = places[np.argsort(-best.flat[places].astype(np.int32), kind="stable")[:MOST_CANDIDATES]]
        return np.stack(np.divmod(places, best.shape[1]), 1).astype(np.int32)

    def _lines(self, paths: NDArray[Any]) -> NDArray[np.float64]:
        """Places of paths in each frame, from the pixels of the result, shape (n_paths, n_frames, 2)."""
        middle = np.stack((paths["row"], paths["col"]), 1).astype(np.float64)
        velocity = np.stack((paths["row_velocity"], paths["col_velocity"]), 1).astype(np.float64)
        return middle[:, None] + velocity[:, None] * self._time[:, None]

    def _distinct(self, places: NDArray[np.int32], order: NDArray[np.int32], at: NDArray[np.int32]) -> NDArray[Any]:
        """Refine the candidates and keep those that no stronger path explains, strongest first."""
        paths, work = (np.zeros(len(places), PATH_DTYPE) for _ in range(2))
        n_found = refine_paths(
            self._scores,
            order,
            at,
            self._bank.paths,
            self._bank.velocities,
            1.0 / PER_SIGMA,
            LIMIT,
            BEYOND_LIMIT,
            self._correlation,
            places,
            OWN_PX,
            UNEVEN,
            EVEN_MEAN,
            np.zeros(len(places), np.uint32),
            work,
            paths,
        )
        paths = paths[:n_found]
        return paths[np.argsort(-np.abs(paths["score"]), kind="stable")]

    def _window(self, paths: NDArray[Any], snr: NDArray[np.float32], from_result: NDArray[np.float64]) -> Window:
        """Turn paths into places in each frame; ``from_result`` is the displacement from frame to result."""
        rows, cols = self._best.shape
        places = (self._lines(paths) - from_result).transpose(1, 0, 2).astype(np.float32)
        inside = ((places >= -0.5) & (places <= np.array([rows, cols]) - 0.5)).all(2)
        places[~inside] = np.nan
        mean = np.abs(paths["score"]) / self.parameters.frames**0.5
        # As it was before it was limited.
        mean = np.where(mean > LIMIT, LIMIT * np.exp((mean - LIMIT) / BEYOND_LIMIT), mean)
        score = np.maximum(mean * self.parameters.frames**0.5, 1.0)
        away = np.sqrt(1.0 + self._time**2 / np.mean(self._time**2))
        sigmas = np.hypot(away[:, None] * self._width_px / score, SIGMA_FLOOR_PX).astype(np.float32)
        amplitude = np.copysign(mean, paths["score"]).astype(np.float32)
        return Window(paths, snr, places, sigmas, amplitude)
