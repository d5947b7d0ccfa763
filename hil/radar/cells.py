"""Where movers and plots lie in the map of an interval: Doppler bin by range cell, as rows and columns of an image.

Rows count Doppler bins from that of the ground in the middle of the beam, folded about it, receding movers above 0;
columns count range cells from the first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.geo.rotation import rotate
from lookdown.hil.radar.look import Looks
from lookdown.hil.score import SEEN_DTYPE, match_plots
from lookdown.wire.messages import RadarReport

Float = NDArray[np.float64]


def bins_of(looks: Looks, frame: Any, doppler_hz: Float) -> Float:
    """Doppler bins, shape (..., n), of frequencies in intervals of shape (...)."""
    instrument = looks.config.instrument
    _, velocity, attitude = looks.truth.sensor(looks.index, frame)
    ahead_m_s = np.sum(velocity * rotate(attitude, [0.0, 0.0, 1.0]), axis=-1)
    centre_hz = 2 / instrument.wavelength_m * ahead_m_s
    turn = (np.asarray(centre_hz)[..., None] - doppler_hz) / instrument.prf_hz
    return np.asarray(((turn + 0.5) % 1.0 - 0.5) * instrument.pulses, np.float64)


def seen_of(looks: Looks, frames: NDArray[np.int64]) -> tuple[NDArray[np.void], NDArray[Any]]:
    """Movers in intervals as the score takes them, and as LOOK_DTYPE; shape (n * movers,).

    A mover too slow for its echo to stand out from that of the ground counts as hidden.
    """
    rows = looks.rows(frames)
    seen = np.zeros(rows.shape, SEEN_DTYPE)
    seen["sensor_id"] = rows["satellite_id"]
    for name in ("frame_id", "time_ns", "mover", "inside"):
        seen[name] = rows[name]
    seen["row"], seen["col"] = bins_of(looks, frames, rows["doppler_hz"]), rows["cell"]
    seen["hidden"] = np.abs(rows["range_rate_m_s"]) < looks.config.clutter_speed_m_s
    instrument = looks.config.instrument
    seen["snr"] = 10 ** (rows["snr_db"] / 20) * np.sqrt(instrument.channels * instrument.pulses)
    return seen.ravel(), rows.ravel()


def places_of(looks: Looks, report: RadarReport) -> tuple[Float, Float]:
    """Rows and columns of the plots of a report, shape (n,) each."""
    instrument = looks.config.instrument
    doppler_hz = -2 / instrument.wavelength_m * report.echoes["range_rate_m_s"]
    cells = (report.echoes["range_m"] - report.first_range_m) / instrument.cell_m
    return bins_of(looks, report.frame_id, doppler_hz), np.asarray(cells, np.float64)


def mover_of(seen: NDArray[np.void], plots: NDArray[np.void], gate: float) -> NDArray[np.int64]:
    """Mover of each plot of one interval, or ``NO_MOVER``, shape (n,)."""
    return match_plots(seen, plots, np.zeros(len(seen), np.int64), np.zeros(len(plots), np.int64), gate)[1]
