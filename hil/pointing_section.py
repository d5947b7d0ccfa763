"""Pointing errors in a report: what the ground has learnt of each satellite's, beside the truth that the rig knows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lookdown.ground.history import HISTORY_NAME
from lookdown.ground.query import HistoryReader
from lookdown.hil.figures import GRID, INK, WIDTH_IN, as_svg, house_style, satellite_colour
from lookdown.hil.markup import Right, number, table
from lookdown.hil.plan import Scenario
from lookdown.hil.truth import Truth

Float = NDArray[np.float64]

_COLUMNS = (
    *("sensor_id", "time_ns", "x_rad", "y_rad", "sigma_x_rad", "sigma_y_rad", "stated_rad"),
    *("plots_of_tracks", "plots_of_landmarks", "plots_of_stars"),
)
_SOURCES = ("tracks", "landmarks", "stars")
_MICRO = 1e6
_ROW_IN = 1.5


def read_pointing(history: Path) -> dict[int, dict[str, NDArray[Any]]]:
    """Read what a ground process told of pointing errors: by sensor, columns in order of time."""
    if not (history / HISTORY_NAME).is_file():
        return {}
    columns = {name: column.to_numpy() for name, column in _table(history).items()}
    found = {}
    for sensor_id in np.unique(columns["sensor_id"]).tolist():
        rows = np.flatnonzero(columns["sensor_id"] == sensor_id)
        rows = rows[np.argsort(columns["time_ns"][rows], kind="stable")]
        found[sensor_id] = {name: column[rows] for name, column in columns.items()}
    return found


def _table(history: Path) -> dict[str, Any]:
    read = HistoryReader(history).table("pointing", _COLUMNS)
    return dict(zip(_COLUMNS, read.columns, strict=True))


def true_errors(scenario: Scenario, truth: Truth, sensor_id: int, time_ns: NDArray[np.int64]) -> Float:
    """By how much plots truly lay off at times, for the state that the satellite reported, shape (n, 2) [rad]."""
    index = [satellite.id for satellite in scenario.satellite].index(sensor_id)
    frames = np.rint((time_ns - scenario.start_ns) * 1e-9 * scenario.frame_rate_hz).astype(np.int64)
    return truth.pointing_error(index, np.clip(frames, 0, scenario.n_frames - 1))


def pointing_figures(scenario: Scenario, truth: Truth, told: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of ``report.json`` under ``pointing``; ``share_known`` and ``left`` are None where nothing was told.

    Parameters
    ----------
    scenario, truth
        What was run.
    told : mapping
        From `read_pointing`.

    Returns
    -------
    dict
        ``per_satellite``: error and sigma at the end, plots that told, root mean square of error over sigma in the
        second half. ``left``: error at the end over that of the reports, root mean square over satellites.
        ``rms_over_sigma``: over all satellites. ``known``: share of satellites known better than stated, by half.
    """
    rows, squares, ends = [], [], []
    for sensor_id, of_it in told.items():
        true = true_errors(scenario, truth, sensor_id, of_it["time_ns"])
        away = np.stack([of_it["x_rad"], of_it["y_rad"]], axis=1) - true
        sigma = np.stack([of_it["sigma_x_rad"], of_it["sigma_y_rad"]], axis=1)
        square = (away[len(away) // 2 :] / sigma[len(away) // 2 :]) ** 2
        squares.append(square.mean())
        ends.append((float(np.sum(true[-1] ** 2)), float(np.sum(away[-1] ** 2))))
        rows.append(
            {
                "sensor_id": sensor_id,
                "stated_rad": float(of_it["stated_rad"][-1]),
                "true_rad": true[-1].tolist(),
                "error_rad": away[-1].tolist(),
                "sigma_rad": sigma[-1].tolist(),
                "rms_over_sigma": float(np.sqrt(square.mean())),
                **{f"plots_of_{name}": int(of_it[f"plots_of_{name}"][-1]) for name in _SOURCES},
            }
        )
    if not rows:
        return {"left": None, "rms_over_sigma": None, "known": None, "per_satellite": []}
    before, after = np.sum(ends, axis=0)
    return {
        "left": float(np.sqrt(after / before)) if before > 0.0 else None,
        "rms_over_sigma": float(np.sqrt(np.mean(squares))),
        "known": float(np.mean([max(row["sigma_rad"]) < 0.5 * row["stated_rad"] for row in rows])),
        "per_satellite": rows,
    }


def pointing_section(
    scenario: Scenario, truth: Truth, told: Mapping[int, Mapping[str, Any]], figures: Mapping[str, Any]
) -> str:
    """Write the section of a report, HTML; empty where nothing was told."""
    if not told:
        return ""
    rows = [
        [
            str(row["sensor_id"]),
            Right(number(_MICRO * row["stated_rad"])),
            Right(", ".join(f"{_MICRO * value:+.1f}" for value in row["true_rad"])),
            Right(", ".join(f"{_MICRO * value:+.1f}" for value in row["error_rad"])),
            Right(", ".join(f"{_MICRO * value:.1f}" for value in row["sigma_rad"])),
            Right(number(row["rms_over_sigma"], 2)),
            Right(", ".join(f"{row[f'plots_of_{name}']:,}" for name in _SOURCES)),
        ]
        for row in figures["per_satellite"]
    ]
    head = (
        *("stated sigma", "true x, y", "estimate less truth", "its sigma"),
        *("RMS over sigma", "plots: tracks, landmarks, stars"),
    )
    return (
        '<section><h2>Pointing errors</h2><p class="say">By how much the plots of each satellite lie off for the '
        "attitude and place that it reports. Line: what the ground estimates; band: its two sigmas; dashes: the truth. "
        "Grey: two sigmas of what the satellite states of itself. Tracks tell by what satellites differ, landmarks and "
        "stars tell each for itself. The table is of the end, in microradians.</p>"
        f"{_chart(scenario, truth, told)}{table(('satellite', *map(Right, head)), rows)}</section>"
    )


def _chart(scenario: Scenario, truth: Truth, told: Mapping[int, Mapping[str, Any]]) -> str:
    with house_style("pointing"):
        figure = Figure(figsize=(WIDTH_IN, 0.5 + _ROW_IN * len(told)), layout="constrained")
        axes = figure.subplots(len(told), 2, squeeze=False, sharex=True)
        for row, (sensor_id, of_it) in enumerate(told.items()):
            seconds = (of_it["time_ns"] - scenario.start_ns) * 1e-9
            true = true_errors(scenario, truth, sensor_id, of_it["time_ns"])
            for axis, column, name in zip(axes[row], (0, 1), "xy", strict=True):
                mean, sigma = _MICRO * of_it[f"{name}_rad"], _MICRO * of_it[f"sigma_{name}_rad"]
                stated = _MICRO * of_it["stated_rad"]
                axis.fill_between(seconds, -2.0 * stated, 2.0 * stated, color=GRID, alpha=0.5, linewidth=0.0)
                colour = satellite_colour(row)
                axis.fill_between(seconds, mean - 2.0 * sigma, mean + 2.0 * sigma, color=colour, alpha=0.3, linewidth=0)
                axis.plot(seconds, mean, color=colour)
                axis.plot(seconds, _MICRO * true[:, column], color=INK, linestyle=(0, (4, 2)), linewidth=1.0)
                axis.set_title(f"satellite {sensor_id}, {name} [urad]")
        for axis in axes[-1]:
            axis.set_xlabel("time [s]")
        return as_svg(figure, "pointing")
