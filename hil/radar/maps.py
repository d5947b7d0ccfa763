"""Range-Doppler maps of a simulated interval: as a conventional radar sees it, and behind the adaptive filter.

Both go through the onboard chain's own compression and weights. The conventional map is the power of the beam, all
channels added up, in each Doppler bin; the adaptive one is what the chain's CFAR test looks at. Rows are turned so
that the ground in the middle of the beam lies in the middle of the map.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lookdown.flight.compression import PulseCompressor, chirp
from lookdown.flight.config import FlightConfig
from lookdown.flight.radar.chain import RadarChain
from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.plots import RadarFrame
from lookdown.flight.radar.report import report_of
from lookdown.flight.radar.taper import pulse_weights
from lookdown.hil.figures import mover_colour
from lookdown.hil.maps import HALO
from lookdown.hil.plan import Scenario
from lookdown.hil.radar.cells import bins_of, places_of
from lookdown.hil.radar.look import Looks
from lookdown.hil.radar.render import RadarRenderer
from lookdown.hil.score import NO_MOVER, PLOT_DTYPE
from lookdown.wire.config import parse_config

Image = NDArray[np.float32]

SPAN_DB = 30.0
"""A map is drawn from its median up to this [dB]."""

HOLD = 3
"""Neighbouring ranges of which the strongest is drawn."""

LEVELS = 12
"""Colours of a map: what is drawn finer than the noise only fills the file."""

_FOUND, _FALSE = "#ffffff", "#ffd24a"


@dataclass(frozen=True)
class MapPair:
    """One interval twice, in dB over the median of each.

    Attributes
    ----------
    conventional_db, adaptive_db : ndarray of float32, shape (dopplers, ranges)
        Rows of Doppler bins from the most closing to the most receding.
    plots : ndarray of PLOT_DTYPE
        What the chain found in it.
    """

    conventional_db: Image
    adaptive_db: Image
    plots: NDArray[np.void]


def parameters_of(scenario: Scenario) -> RadarParameters:
    """Return the parameters of the radar chain that a scenario hands to its onboard processes."""
    return parse_config({"radar": scenario.flight.get("radar", {})}, FlightConfig, scenario.name).radar


def make_maps(renderer: RadarRenderer, frame_id: int) -> MapPair:
    """Render an interval and process it both ways."""
    scenario, radar = renderer.scenario, renderer.looks.config.instrument
    parameters, message = parameters_of(scenario), renderer.message(frame_id)
    pulse = chirp(radar.bandwidth_hz, radar.pulse_s, radar.sample_rate_hz)
    places = np.asarray(radar.spacing_m * np.arange(radar.channels), np.float64)
    sensor = RadarSensor(radar.wavelength_m, places, pulse, radar.sample_rate_hz, radar.bandwidth_hz)
    chain = RadarChain(parameters, sensor, message.samples.shape)
    frame = RadarFrame(frame_id, message.time_ns, message.samples, message.prf_hz, first_range_m=message.first_range_m)
    result = chain.step(frame, message.state)
    band = radar.bandwidth_hz / radar.sample_rate_hz
    compressor = PulseCompressor(pulse, message.samples.shape[2], band, parameters.range_side_lobes_db)
    beam = compressor(message.samples).sum(axis=0)
    weights = pulse_weights(radar.pulses, parameters.doppler_side_lobes_db)
    conventional = np.abs(np.fft.fft(beam * weights[:, None], len(result.power), axis=0)) ** 2
    report = report_of(message, result, sensor, parameters)
    plots = np.zeros(report.n_plots, PLOT_DTYPE)
    plots["sensor_id"], plots["frame_id"], plots["snr"] = report.sensor_id, frame_id, report.echoes["snr"]
    plots["row"], plots["col"] = places_of(renderer.looks, report)
    before, behind = (_turned(renderer.looks, frame_id, image) for image in (conventional, result.power))
    return MapPair(before, behind, plots)


def _turned(looks: Looks, frame_id: int, power: NDArray[Any]) -> Image:
    """Turn the rows of a transform so that ground lies in the middle and closing movers below; in dB."""
    count = len(power)
    frequency_hz = np.asarray(np.fft.fftfreq(count) * looks.config.instrument.prf_hz, np.float64)
    order = np.argsort(bins_of(looks, frame_id, frequency_hz), kind="stable")
    level = power[order] / max(float(np.median(power)), 1e-30)
    return np.asarray(10 * np.log10(np.maximum(level, 1e-10)), np.float32)


def extent_of(looks: Looks) -> tuple[float, float, float, float]:
    """Return left, right [km from the first cell], bottom and top [m/s] of a map."""
    radar = looks.config.instrument
    half = 0.5 * radar.unambiguous_speed_mps
    return 0.0, 1e-3 * radar.ranges * radar.cell_m, -half, half


def draw_pair(
    figure: Figure,
    axes: tuple[Axes, Axes],
    looks: Looks,
    maps: MapPair,
    seen: NDArray[np.void],
    plots: NDArray[np.void],
    mover: NDArray[np.int64],
) -> None:
    """Draw an interval twice, side by side: movers marked in both, plots in the right one.

    Parameters
    ----------
    figure : Figure
        Where the scale is drawn.
    axes : tuple of Axes
        For the conventional and the adaptive map.
    looks : Looks
        Whose interval it is.
    maps : MapPair
        The interval.
    seen : ndarray of SEEN_DTYPE
        Movers in it.
    plots, mover : ndarray of PLOT_DTYPE, ndarray of int64
        Plots of it, and the mover of each.
    """
    radar = looks.config.instrument
    per_row = radar.unambiguous_speed_mps / radar.pulses
    extent = extent_of(looks)
    colours = colormaps["magma"].resampled(LEVELS)
    titles = "Conventional: channels added up", "Adaptive: what the chain tests"
    for each, image, title in zip(axes, (maps.conventional_db, maps.adaptive_db), titles, strict=True):
        drawn = each.imshow(
            _held(image), colours, extent=extent, origin="lower", aspect="auto", vmin=0.0, vmax=SPAN_DB,
            interpolation="nearest",
        )  # fmt: skip
        each.grid(visible=False)
        each.set(title=title, xlabel="range from the first cell [km]")
        for row in seen[seen["inside"]]:
            _mark(each, 1e-3 * row["col"] * radar.cell_m, row["row"] * per_row, int(row["mover"]), bool(row["hidden"]))
        each.set(xlim=extent[:2], ylim=extent[2:])
    for plot, of in zip(plots, mover, strict=True):
        axes[1].plot(
            1e-3 * plot["col"] * radar.cell_m, plot["row"] * per_row, "o", ms=15, mfc="none", mew=1.6,
            mec=_FALSE if of == NO_MOVER else _FOUND, ls="none",
        )  # fmt: skip
    axes[0].set_ylabel("Doppler from that of the ground\nin mid-beam, as speed [m/s]")
    axes[1].set_yticklabels([])
    bar = figure.colorbar(drawn, ax=list(axes), pad=0.01, fraction=0.03)
    bar.set_label("over the median [dB]")
    bar.outline.set_visible(False)


def _held(image: Image) -> Image:
    """Keep the strongest of neighbouring ranges, so that a single cell is seen on a page."""
    cols = image.shape[1] // HOLD * HOLD
    return np.asarray(image[:, :cols].reshape(len(image), -1, HOLD).max(axis=2), np.float32)


def _mark(axes: Axes, x: float, y: float, mover: int, hidden: bool) -> None:
    """Mark a mover by two ticks, above and below, dotted where it is too slow to be told from the ground."""
    style = (0, (1, 1)) if hidden else "-"
    for direction in (1, -1):
        axes.annotate(
            "", (x, y), (0, 24 * direction), textcoords="offset points",
            arrowprops={
                "arrowstyle": "-", "color": mover_colour(mover), "lw": 2.4, "shrinkA": 0, "shrinkB": 10,
                "linestyle": style, "path_effects": [HALO],
            },
        )  # fmt: skip
