"""How well are places measured, and from where on are pairs told apart? Draws docs/centroids.png, prints its figures.

Left: root mean square error of places over the Cramer-Rao bound (light, level and both coordinates unknown, averaged
over the place within the pixel), for the fit, for the parabola through the logarithms that extraction gives it to start
from, and for sep's windowed centroid (SExtractor's XWIN). Right: part of the pairs that become two merged plots, each
within 0.6 sigma of its source.

usage: PYTHONPATH=. .venv/bin/python docs/decisions/centroids.py [frames of 256 trials a point, default 8]
(from the root of the checkout)
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import sep

from tests.kernels.points import Trials, bound_px, run

SIGMAS_PX = (0.7, 1.0, 1.5)
SNRS = (5, 7, 10, 20, 50, 100, 200)
SEPARATIONS = (1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 3.5, 4.0)
PAIRS = ((15, 15), (15, 30), (15, 45), (40, 40), (100, 100))
COLOURS = ("#1b6ca8", "#d1495b", "#3f8f4f", "#8a5fb0", "#c98b1b")


def windowed_errors(trials: Trials, sigma_px: float) -> np.ndarray:
    """Errors of sep's windowed centroid from the places of the plots, shape (2, n) [px]."""
    plots, cell = trials.strongest()
    frame = np.ascontiguousarray(trials.frame)
    at = plots["col"].astype(float), plots["row"].astype(float)
    cols, rows, _ = sep.winpos(frame, *at, np.full(len(plots), np.hypot(sigma_px, 12**-0.5)))
    return np.stack([rows - trials.row[cell, 0], cols - trials.col[cell, 0]])


def places(frames: int, axes: plt.Axes) -> None:
    """Draw the error of places over its bound."""
    for sigma, colour in zip(SIGMAS_PX, COLOURS, strict=False):
        ratios: dict[str, list[float]] = {"fit": [], "parabola": [], "sep.winpos": []}
        for snr in SNRS:
            errors: dict[str, list[np.ndarray]] = {name: [] for name in ratios}
            for k in range(frames):
                first = run(np.random.default_rng(k), sigma, (snr,), fit=False, threshold=3.5)
                errors["parabola"].append(first.errors()[0])
                errors["sep.winpos"].append(windowed_errors(first, sigma))
                errors["fit"].append(run(np.random.default_rng(k), sigma, (snr,), threshold=3.5).errors()[0])
            for name, parts in errors.items():
                rms = float(np.sqrt(np.mean(np.concatenate(parts, axis=1) ** 2)))
                ratios[name].append(rms / bound_px(sigma, snr))
        for (name, ratio), line in zip(ratios.items(), ("-", "--", ":"), strict=True):
            axes.semilogx(SNRS, ratio, line, color=colour, label=f"{name}, sigma {sigma} px")
            figures = "  ".join(f"SNR {s} {r:.2f}" for s, r in zip(SNRS, ratio, strict=True))
            print(f"sigma {sigma} px, {name:10}: {figures}")
    axes.axhline(1.2, color="#888888", linewidth=0.8)
    axes.set(ylim=(0.95, 2.0), xlabel="SNR after the matched filter", ylabel="RMS of a place / Cramer-Rao bound")
    axes.set_xticks(SNRS, [str(snr) for snr in SNRS])
    axes.legend(fontsize=7)


def pairs(frames: int, axes: plt.Axes) -> None:
    """Draw how many pairs are told apart."""
    for snrs, colour in zip(PAIRS, COLOURS, strict=True):
        parts = []
        for separation in SEPARATIONS:
            rng = np.random.default_rng(1)
            told = [run(rng, 1.0, snrs, separation_px=separation).told_apart(0.6) for _ in range(frames)]
            parts.append(float(np.mean(told)))
        axes.plot(SEPARATIONS, parts, color=colour, label=f"SNR {snrs[0]} and {snrs[1]}")
        print(f"SNR {snrs}: " + "  ".join(f"{s} sigma {p:.3f}" for s, p in zip(SEPARATIONS, parts, strict=True)))
    axes.axvline(2.5, color="#888888", linewidth=0.8)
    axes.set(ylim=(0, 1.02), xlabel="separation [sigma of the point-spread function, 1 px]", ylabel="pairs told apart")
    axes.legend(fontsize=7)


def main() -> None:
    """Draw the figure."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    places(frames, left)
    pairs(frames, right)
    out = Path(__file__).parents[1] / "centroids.png"
    figure.savefig(out, dpi=110)
    print(out)


if __name__ == "__main__":
    main()
