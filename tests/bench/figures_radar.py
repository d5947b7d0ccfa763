"""Draw docs/radar-speeds.png, the loss by clutter against velocity, and docs/mountaintop.png, the recorded interval.

usage: python -m tests.bench.figures_radar [FOLDER_OF_RECORDINGS]      without recordings the first alone
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from lookdown.hil.radar import theory
from lookdown.hil.radar.settings import Clutter, Radar
from tests.hil.radar.test_mountaintop import DOPPLER_BIN, adapted, compressed_spectrum, toward

DOCS = Path(__file__).parents[2] / "docs"


def draw_speeds() -> None:
    """Draw SINR loss against range rate in the reference case: optimum, and the chain's filter by its weights."""
    radar, speeds = Radar(), np.arange(-40, 40.25, 0.5)
    noise = theory.covariance(radar, Clutter(cnr_db=40))
    figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    ax.plot(speeds, [10 * np.log10(theory.sinr_loss(radar, noise, 0.0, v)) for v in speeds], "k", label="optimum, 64")
    for side_lobes_db, color in ((0.0, "tab:blue"), (30.0, "tab:orange"), (50.0, "tab:red")):
        loss = [10 * np.log10(theory.chain_loss(radar, noise, v, side_lobes_db)) for v in speeds]
        ax.plot(speeds, loss, color=color, label=f"3 bins, pulses weighted to {side_lobes_db:.0f} dB")
    one = [10 * np.log10(theory.chain_loss(radar, noise, v, 50.0, 1)) for v in speeds]
    ax.plot(speeds, one, color="tab:gray", label="1 bin, 50 dB")
    ax.axhline(-5.0, color="k", lw=0.6, ls=":")
    ax.axvspan(-11.0, 11.0, color="0.92")
    ax.set(ylim=(-40, 1), xlabel="range rate [m/s]", ylabel="SINR against noise alone [dB]")
    ax.legend(fontsize=8)
    figure.savefig(DOCS / "radar-speeds.png", dpi=80)


def main() -> None:
    """Draw what can be drawn."""
    draw_speeds()
    if len(sys.argv) > 1:
        draw_recorded()


def draw_recorded() -> None:
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
    figure.savefig(DOCS / "mountaintop.png", dpi=80)


if __name__ == "__main__":
    main()
