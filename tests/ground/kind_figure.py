"""Draw the reliability diagram: python -m tests.ground.kind_figure docs/kinds.png."""

import sys

import matplotlib as mpl
import numpy as np

from tests.ground.conftest import World
from tests.ground.kind_tracks import calibration_error, classify

LEAST_TRACKS = 20
"""A bin with fewer is counted in the error, but not drawn."""


def main(path: str) -> None:
    """Draw and print, tracks of held-out seeds."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    ages_s = (3.0, 8.0, 20.0)
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
    for axis, brightness in zip(axes, (False, True), strict=True):
        parts = [classify(World, seed, 1200, ages_s, brightness) for seed in (2001, 2002)]
        kind = np.concatenate([part[0] for part in parts])
        for age_s in ages_s:
            posterior = np.concatenate([part[1][age_s] for part in parts])
            error, rows = calibration_error(posterior, kind)
            right = float(np.mean(posterior.argmax(axis=1) == kind))
            confidence, share, count = rows[rows[:, 2] >= LEAST_TRACKS].T
            spread = 1.96 * np.sqrt(np.maximum(share * (1 - share), 1 / count) / count)
            name = f"{age_s:.0f} s: error {error:.3f}, right {right:.2f}"
            axis.errorbar(confidence, share, spread, fmt="o-", ms=4, lw=1.2, capsize=2, label=name)
            print("with" if brightness else "without", "brightness", age_s, round(error, 3), round(right, 3))
        axis.plot([0.2, 1], [0.2, 1], color="0.6", lw=1)
        axis.set(
            ylim=(0.2, 1.05),
            xlabel="posterior of the most probable kind",
            title="with brightness" if brightness else "motion alone",
        )
        axis.legend(loc="upper left", fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share of tracks of that kind")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
