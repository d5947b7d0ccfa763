"""Draws the figures of docs/simulator.md: the photon-transfer curve beside pyxel-sim, and sensitivity and spot.

usage: python -m tests.bench.figures_simulator     (from the root of the checkout; `make figures` does it)
"""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

from lookdown.hil.scene.planck import band_radiance
from lookdown.hil.sensor.config import SensorConfig
from lookdown.hil.sensor.detector import Detector
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.sensor.sensitivity import noise_equivalent_irradiance
from tests.hil.sensor.pyxel_peer import PyxelSensor

DOCS = Path(__file__).resolve().parents[2] / "docs"
SENSOR = SensorConfig(gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0)
FRAMES = 8
OURS, THEIRS, OTHER, GREY = "#1b6ca8", "#c8553d", "#4f8a4c", "#666666"


def plot_transfer(path: Path) -> None:
    """Variance against mean of flat frames, and how far both lie from theory."""
    shares = np.concatenate([np.geomspace(0.006, 0.6, 14), [0.7, 0.8, 0.9, 0.96, 0.99]])
    detector, pyxel = Detector(SENSOR, 5, 1), PyxelSensor(SENSOR)
    shape, gain = (SENSOR.rows, SENSOR.cols), SENSOR.counts_per_electron
    curves = np.empty((2, shares.size, 2))
    for i, share in enumerate(shares):
        level = share * SENSOR.well_e - SENSOR.dark_e
        mine = np.stack([detector.expose(np.full(shape, level, np.float32), FRAMES * i + k) for k in range(FRAMES)])
        photons = np.full(shape, level / SENSOR.quantum_efficiency)
        theirs = np.stack([pyxel.expose(photons, FRAMES * i + k) for k in range(FRAMES)])
        curves[:, i] = [(frames.mean(), frames.var()) for frames in (mine, theirs)]
    mean = shares * SENSOR.well_e * gain
    theory = (shares * SENSOR.well_e + SENSOR.read_noise_e**2) * gain**2 + 1.0 / 12.0
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    left.loglog(mean, theory, color=GREY, lw=1.0, label="theory")
    left.loglog(*curves[0].T, "o", ms=4.0, color=OURS, label="lookdown")
    left.loglog(*curves[1].T, "x", ms=6.0, color=THEIRS, label="pyxel-sim 3.0")
    left.set(xlabel="mean [DN]", ylabel="variance [DN$^2$]")
    left.legend(frameon=False)
    right.axhspan(-1.0, 1.0, color="0.93")
    right.axhline(0.0, color=GREY, lw=0.8)
    for curve, mark, colour in zip(curves, "ox", (OURS, THEIRS), strict=True):
        right.semilogx(mean, 100.0 * (curve[:, 1] / theory - 1.0), mark, ms=5.0, color=colour)
    right.set(xlabel="mean [DN]", ylabel="variance over theory, less 1 [%]", ylim=(-1.6, 1.6))
    right.text(100.0, 1.05, "bound: 1 %", color=GREY, fontsize=8)
    save(figure, path)


def plot_sensitivity(path: Path) -> None:
    """NEI against the temperature of the background, and the central pixel's share of a spot against its place."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    temperature = np.linspace(220.0, 310.0, 46)
    for band, exposure_s, colour in (
        ((3.8, 4.1), 0.014, OURS),
        ((8.0, 12.0), 3e-5, THEIRS),
        ((2.65, 2.8), 0.05, OTHER),
    ):
        config = replace(SENSOR, band_um=band, integration_time_s=exposure_s)
        nei = [noise_equivalent_irradiance(config, float(band_radiance(t, band))) for t in temperature]
        left.semilogy(temperature, nei, color=colour, label=f"{band[0]:g} to {band[1]:g} um, {1e3 * exposure_s:g} ms")
    left.set(xlabel="background, black body [K]", ylabel="NEI [W/m$^2$]")
    left.legend(frameon=False, fontsize=8)
    place = np.linspace(-1.0, 1.0, 81)
    for label, values, colour in (
        ("Gaussian, 0.8 px", {"psf_sigma_px": 0.8}, OURS),
        ("Gaussian, 0.4 px", {"psf_sigma_px": 0.4}, OTHER),
        ("diffraction f/1.5 and 0.3 px", {"psf": "diffraction", "psf_sigma_px": 0.3}, THEIRS),
    ):
        spot = PointSpread(replace(SENSOR, **values))
        shares = []
        for offset in place:
            image = np.zeros((9, 9), np.float32)
            spot.add(image, 4.0, 4.0 + offset, 1.0)
            shares.append(float(image[4, 4]))
        right.plot(place, shares, color=colour, label=label)
    right.set(xlabel="centre of the spot off the pixel's [px]", ylabel="share of the pixel", ylim=(0.0, 0.85))
    right.legend(frameon=False, fontsize=8)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a figure without the date and version that would change its bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    print(f"written to {path}")


if __name__ == "__main__":
    plot_transfer(DOCS / "simulator-transfer.png")
    plot_sensitivity(DOCS / "simulator-sensitivity.png")
