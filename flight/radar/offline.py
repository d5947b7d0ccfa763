"""A recording of radar intervals through the chain, as fast as it goes: one line of plots an interval.

An interval that the chain cannot take is refused, counted and named once; the others go on. The output gets its name
when the whole recording is through.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lookdown.flight.offline import Summary, plots_file
from lookdown.flight.radar.config import RadarParameters
from lookdown.flight.radar.plots import RadarFlag, RadarFrame, RadarPlotFlag, RadarResult, sigmas_of
from lookdown.flight.radar.prfset import chain_of
from lookdown.flight.radar.sources import RadarRecording
from lookdown.flight.sources import SourceError


def names_of(flags: RadarFlag | RadarPlotFlag) -> list[str]:
    """Return the names of flags, in lower case."""
    return [flag.name.lower() for flag in type(flags) if flag & flags and flag.name]


def line_of(frame: RadarFrame, result: RadarResult | None) -> str:
    """Return the line of one interval, without its end; a refused one has no plots and says so."""
    row: dict[str, Any] = {"frame": frame.frame_id, "time_ns": frame.time_ns, "plots": []}
    if result is None:
        return json.dumps(row | {"refused": True})
    for plot, sigma in zip(result.plots, sigmas_of(result.plots), strict=True):
        row["plots"].append(
            {
                "range_m": round(float(plot["range_m"]), 2),
                "range_rate_m_s": round(float(plot["range_rate_m_s"]), 3),
                "azimuth_rad": round(float(plot["azimuth_rad"]), 7),
                "sigma_range_m": round(float(sigma[0]), 3),
                "sigma_range_rate_m_s": round(float(sigma[1]), 4),
                "sigma_azimuth_rad": round(float(sigma[2]), 8),
                "snr": round(float(plot["snr"]), 3),
                "snr_db": round(float(plot["snr_db"]), 2),
                "n_cells": int(plot["n_cells"]),
                "flags": names_of(RadarPlotFlag(int(plot["flags"]))),
            }
        )
    if result.flags:
        row["flags"] = names_of(result.flags)
    for name in ("n_left_out", "n_side_lobes", "n_slow", "n_unresolved"):
        if getattr(result, name):
            row[name] = getattr(result, name)
    return json.dumps(row)


def process_intervals(
    recording: RadarRecording,
    parameters: RadarParameters,
    plots_path: Path | None,
    warn: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    show: Callable[[Summary, int | None], None] | None = None,
) -> Summary:
    """Process a recording into a file of plots.

    Parameters
    ----------
    recording : RadarRecording
        What to process.
    parameters : RadarParameters
        How the chain is set.
    plots_path : Path or None
        Where the lines go; None: standard output.
    warn : callable
        Told of refused intervals, of the first of each kind of flag, and of a recording that breaks off.
    show : callable, optional
        Told of the progress after each interval.

    Returns
    -------
    Summary
        Counts and times.

    Raises
    ------
    SourceError
        Not one interval could be read or taken.
    OSError
        The output cannot be written.
    """
    summary = Summary()
    begun_s = time.perf_counter()
    try:
        chain = chain_of(parameters, recording.sensor, recording.shape)
    except ValueError as error:
        raise SourceError(f"{recording.path}: {error}") from None
    told = RadarFlag.NONE
    with plots_file(plots_path) as out:
        try:
            for frame, state in recording.frames:
                step_s = time.perf_counter()
                result: RadarResult | None = None
                try:
                    result = chain.step(frame, state)
                except ValueError as error:
                    if not summary.refused:
                        warn(
                            f"{recording.path}: interval {frame.frame_id} refused: {error}; "
                            "later ones like it are only counted"
                        )
                    summary.refused += 1
                else:
                    summary.chain_s += time.perf_counter() - step_s
                    summary.frames += 1
                    summary.plots += len(result.plots)
                    summary.left_out += result.n_left_out + result.n_unresolved
                    if result.flags & ~told:
                        names = ", ".join(names_of(result.flags & ~told))
                        warn(
                            f"{recording.path}: interval {frame.frame_id}: {names}; later ones like it are only flagged"
                        )
                        told |= result.flags
                out.write(line_of(frame, result) + "\n")
                if show:
                    show(summary, recording.n_frames)
        except SourceError as error:
            if not summary.frames:
                raise
            summary.broken = str(error)
            warn(summary.broken)
        summary.wall_s = time.perf_counter() - begun_s
        if not summary.frames:
            raise SourceError(
                f"{recording.path}: none of its {summary.refused} intervals could be taken; see the line above"
            )
    return summary
