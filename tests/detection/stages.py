"""Draws what each stage of the chain takes away, on a frame of the default scenario: docs/detection-stages.png.

usage: python -m tests.detection.stages     (from the root of the checkout; `make detection` does it)
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.hil.render import Renderer
from lookdown.hil.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "scenarios" / "default.toml"
SATELLITE, FRAMES = 0, 120
HALF_ROWS, HALF_COLS = 60, 80
THRESHOLD = 5.0
TRUTH_COLOUR, BRIGHT, DARK = "#e8702a", "#16a34a", "#2563eb"


def main() -> None:
    """Run the chain, and draw the surroundings of the mover of which most neighbours are in view."""
    scenario = load_scenario(SCENARIO)
    renderer = Renderer(scenario, SATELLITE)
    sensor = scenario.sensor
    chain = Chain(ChainParameters(threshold=THRESHOLD, psf_sigma_px=0.9), sensor.rows, sensor.cols)
    for frame_id in range(FRAMES):
        frame, truth = renderer.frame(frame_id)
        plots = chain.step(frame.samples, frame.state).plots
    seen = truth[truth["inside"]]
    near = [
        int(((abs(seen["row"] - one["row"]) < HALF_ROWS - 8) & (abs(seen["col"] - one["col"]) < HALF_COLS - 8)).sum())
        for one in seen
    ]
    middle = seen[int(np.argmax(near))]
    top = int(np.clip(round(float(middle["row"])) - HALF_ROWS, 0, sensor.rows - 2 * HALF_ROWS))
    left = int(np.clip(round(float(middle["col"])) - HALF_COLS, 0, sensor.cols - 2 * HALF_COLS))
    part = np.s_[top : top + 2 * HALF_ROWS, left : left + 2 * HALF_COLS]
    images = {
        "raw frame [DN]": frame.samples[part].astype(float),
        "less the background that moved with the ground [DN]": chain._background.residual[part],
        "filtered, over ring and memory: score [sigma]": chain._background.z[part],
    }
    axes = plt.subplots(2, 2, figsize=(10.4, 8.0), layout="constrained")[1].ravel()
    for axis, (title, image) in zip(axes, images.items(), strict=False):
        shown(axis, image, left, top, title)
    shown(axes[3], images["raw frame [DN]"], left, top, f"plots above SNR {THRESHOLD:g} and the truth")
    for plot in plots:
        colour = BRIGHT if plot["amplitude"] > 0 else DARK
        axes[3].plot(plot["col"], plot["row"], "o", ms=13, mfc="none", mec=colour, mew=1.6)
        axes[3].annotate(
            f"{plot['snr']:.1f}", (plot["col"], plot["row"]), xytext=(8, 6), textcoords="offset points", color=colour,
            fontsize=8, annotation_clip=True,
        )  # fmt: skip
    axes[3].plot(seen["col"], seen["row"], "+", ms=7, color=TRUTH_COLOUR)
    axes[3].set(xlim=(left - 0.5, left + 2 * HALF_COLS - 0.5), ylim=(top + 2 * HALF_ROWS - 0.5, top - 0.5))
    plt.savefig(ROOT / "docs" / "detection-stages.png", dpi=100, metadata={"Software": None})


def shown(axis: Axes, image: np.ndarray, left: int, top: int, title: str) -> None:
    """Show an image with its range of values, of which the outermost hundredths are cut off."""
    low, high = np.percentile(image, [0.5, 99.5])
    extent = (left - 0.5, left + image.shape[1] - 0.5, top + image.shape[0] - 0.5, top - 0.5)
    drawn = axis.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    axis.set_title(title, fontsize=9, loc="left")
    axis.tick_params(labelsize=7)
    assert axis.figure is not None
    axis.figure.colorbar(drawn, ax=axis, shrink=0.8).ax.tick_params(labelsize=7)


if __name__ == "__main__":
    main()
