"""Score of a radar's plots: Pd by range rate, false plots a cell, errors of range, range rate and azimuth.

Plots are paired with movers as in the score of frames (`lookdown.hil.score.match_plots`), in Doppler bins and range
cells. An error is that of the plot nearest to its mover; over the sigma that its report states it should have the root
mean square 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.plan import Scenario
from lookdown.hil.radar.cells import places_of, seen_of
from lookdown.hil.radar.look import Looks
from lookdown.hil.radar.settings import Radar
from lookdown.hil.score import NO_MOVER, PLOT_DTYPE, match_plots
from lookdown.hil.truth import Truth
from lookdown.wire.errors import WireError
from lookdown.wire.messages import RadarReport
from lookdown.wire.packet import decode
from lookdown.wire.recording import read_recording

SPEED_STEPS = 8
"""Bands of range rate in which Pd is told: at least a quarter wide of the speed at which movers leave the clutter."""

SIGMAS = {"range": "sigma_range_m", "range_rate": "sigma_range_rate_m_s", "azimuth": "sigma_azimuth_rad"}
"""Quantities of a plot, and where a report states their sigma."""


@dataclass(frozen=True)
class RadarScore:
    """Plots of all radar satellites against truth.

    Attributes
    ----------
    looks : ndarray of LOOK_DTYPE, shape (n,)
        Movers in the intervals that were reported.
    chance, found : ndarray of bool, shape (n,)
        In window and beam; with a plot within the gate.
    plots : ndarray of PLOT_DTYPE, shape (m,)
        Plots as Doppler bins and range cells.
    mover : ndarray of int64, shape (m,)
        Mover of each plot, or ``NO_MOVER``.
    figures : dict
        The branch ``radar`` of ``report.json``.
    """

    looks: NDArray[Any]
    chance: NDArray[np.bool_]
    found: NDArray[np.bool_]
    plots: NDArray[np.void]
    mover: NDArray[np.int64]
    figures: dict[str, Any]


def read_radar_reports(recording: Path, scenario: Scenario) -> list[RadarReport]:
    """Read the radar reports of a recording that are of a scenario, each interval's first, in order."""
    ids = {scenario.satellite[index].id for index in scenario.indices("radar")}
    found: dict[tuple[int, int], RadarReport] = {}
    for delivery in read_recording(recording) if recording.is_file() else ():
        try:
            report = decode(delivery.packet)
        except WireError:
            continue  # the score of frames warns of it
        if isinstance(report, RadarReport) and report.sensor_id in ids and report.frame_id < scenario.n_frames:
            found.setdefault((report.sensor_id, report.frame_id), report)
    return [found[key] for key in sorted(found)]


def score_radar(truth: Truth, reports: Sequence[RadarReport], gate: float) -> RadarScore:
    """Hold the reports of a run's radars against the truth.

    Parameters
    ----------
    truth : Truth
        Truth of the scenario.
    reports : sequence of RadarReport
        One an interval.
    gate : float
        Longest distance of a plot from its mover, in Doppler bins and range cells [1].
    """
    scenario = truth.scenario
    assert scenario.radar is not None
    instrument, limit_m_s = scenario.radar.instrument, scenario.radar.clutter_speed_m_s
    seen, rows, plots, echoes = [], [], [], []
    for index in scenario.indices("radar"):
        looks, sensor_id = Looks(truth, index), scenario.satellite[index].id
        own = [report for report in reports if report.sensor_id == sensor_id]
        if not own:
            continue
        one, other = seen_of(looks, np.array([report.frame_id for report in own], np.int64))
        seen.append(one)
        rows.append(other)
        for report in own:
            part = np.zeros(report.n_plots, PLOT_DTYPE)
            part["sensor_id"], part["frame_id"], part["snr"] = sensor_id, report.frame_id, report.echoes["snr"]
            part["row"], part["col"] = places_of(looks, report)
            plots.append(part)
            echoes.append(report.echoes)
    if not seen:
        raise ValueError("reports: wanted one of a radar of this scenario or more, got none; check the recording")
    all_seen, looked, all_plots = np.concatenate(seen), np.concatenate(rows), np.concatenate(plots)
    where = [table["sensor_id"].astype(np.int64) << 40 | table["frame_id"] for table in (all_seen, all_plots)]
    found, mover = match_plots(all_seen, all_plots, where[0], where[1], gate)
    chance = np.asarray(all_seen["inside"], np.bool_)
    speed = np.abs(looked["range_rate_m_s"])
    n_false = int(np.count_nonzero(mover == NO_MOVER))
    fast = chance & (speed >= limit_m_s)
    quarter = 0.25 * max(limit_m_s, 1.0)
    width = quarter * max(1.0, np.ceil(float(speed[chance].max(initial=0.0)) / (SPEED_STEPS * quarter)))
    bands = [(float(width * k), float(width * (k + 1))) for k in range(SPEED_STEPS)]
    figures = {
        "intervals": len(reports),
        "pd": _mean(found[fast]),
        "pd_slow": _mean(found[chance & (speed < limit_m_s)]),
        "pd_by_speed": [
            {
                "from_m_s": low,
                "to_m_s": high,
                "chances": int(np.count_nonzero(own := chance & (speed >= low) & (speed < high))),
                "pd": _mean(found[own]),
            }
            for low, high in bands
        ],
        "false_per_interval": n_false / len(reports),
        "pfa": n_false / (len(reports) * instrument.pulses * instrument.ranges),
        "errors": _errors(looked, np.concatenate(echoes), all_seen, all_plots, mover, where, instrument),
    }
    return RadarScore(looked, chance, found, all_plots, mover, figures)


def _errors(
    looks: NDArray[Any],
    echoes: NDArray[Any],
    seen: NDArray[np.void],
    plots: NDArray[np.void],
    mover: NDArray[np.int64],
    where: list[NDArray[np.int64]],
    instrument: Radar,
) -> dict[str, Any]:
    """Errors of the nearest plot of each mover in each interval: RMS, and RMS over the stated sigma."""
    at = {(int(frame), int(row["mover"])): k for k, (frame, row) in enumerate(zip(where[0], looks, strict=True))}
    nearest: dict[int, tuple[float, int]] = {}
    for plot in np.flatnonzero(mover != NO_MOVER):
        k = at[int(where[1][plot]), int(mover[plot])]
        away = np.hypot(plots["row"][plot] - seen["row"][k], plots["col"][plot] - seen["col"][k])
        nearest[k] = min(nearest.get(k, (np.inf, -1)), (float(away), int(plot)))
    pairs = np.array([(k, plot) for k, (_, plot) in nearest.items()], np.int64).reshape(-1, 2)
    one, other = looks[pairs[:, 0]], echoes[pairs[:, 1]]
    bins = plots["row"][pairs[:, 1]] - seen["row"][pairs[:, 0]]
    error = {
        "range": other["range_m"] - one["range_m"],
        "range_rate": instrument.unambiguous_speed_mps / instrument.pulses * bins,
        "azimuth": other["azimuth_rad"] - one["azimuth_rad"],
    }
    return {name: _spread(error[name], other[sigma].astype(np.float64)) for name, sigma in SIGMAS.items()}


def _spread(error: NDArray[np.float64], sigma: NDArray[np.float64]) -> dict[str, Any]:
    """Figures of an error; None where there is none."""
    if not len(error):
        return {"plots": 0, "rms": None, "median_sigma": None, "rms_over_sigma": None, "within_3_sigma": None}
    normal = error / np.maximum(sigma, 1e-12)
    return {
        "plots": len(error),
        "rms": float(np.sqrt(np.mean(error**2))),
        "median_sigma": float(np.median(sigma)),
        "rms_over_sigma": float(np.sqrt(np.mean(normal**2))),
        "within_3_sigma": float(np.mean(np.abs(normal) <= 3.0)),
    }


def _mean(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None
