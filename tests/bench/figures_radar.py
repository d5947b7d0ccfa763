"""Draw docs/mountaintop.png: the recorded interval in the conventional beam and after the adaptive filter.

usage: python -m tests.bench.figures_radar FOLDER_OF_RECORDINGS
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from tests.hil.radar.test_mountaintop import DOPPLER_BIN, adapted, compressed_spectrum, toward


def main() -> None:
    """Draw range against angle in the target's Doppler bin, each in dB over its median."""
    spectrum = compressed_spectrum(Path(sys.argv[1]))
    angles = np.arange(-60, 61)
    conventional = [np.abs(toward(angle)[0].conj() @ spectrum[:, DOPPLER_BIN]) ** 2 for angle in angles]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    titles = "conventional beam", "adaptive filter"
    for ax, title, power in zip(axes, titles, (conventional, [adapted(spectrum, a) for a in angles]), strict=True):
        level_db = 10 * np.log10(np.array(power) / np.median(power))
        image = ax.imshow(level_db.T, aspect="auto", origin="lower", extent=(-60, 60, 0, 304), vmin=0, vmax=30)
        ax.plot(14, 147, "o", mfc="none", mec="red", ms=14)
        ax.set(title=f"{title}, 156 Hz", xlabel="angle off broadside [deg]")
    axes[0].set_ylabel("range cell")
    figure.colorbar(image, ax=axes, label="power over the median [dB]")
    figure.savefig(Path(__file__).parents[2] / "docs" / "mountaintop.png", dpi=80)


if __name__ == "__main__":
    main()
