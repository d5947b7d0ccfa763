"""What a report can carry: plots that no packet can say are left out and counted, never sent wrong."""

from dataclasses import replace
from typing import Any

import numpy as np

from lookdown.wire import echoes, plots
from lookdown.wire.dictionary import DICTIONARY
from lookdown.wire.messages import ECHO_DTYPE, SIGHT_DTYPE, PlotReport, RadarReport


def within_capacity(report: PlotReport | RadarReport) -> tuple[PlotReport | RadarReport, int]:
    """Leave out the plots that a packet cannot hold.

    Parameters
    ----------
    report : PlotReport or RadarReport
        Any report.

    Returns
    -------
    report : PlotReport or RadarReport
        Without plots that have a value out of the ranges of the dictionary (flag ``OUT_OF_RANGE``), and without the
        last ones beyond the number that a packet holds (``TRUNCATED``); both are added to ``n_left_out``.
    n_out_of_range : int
        Plots left out for a value out of range.
    """
    packet = DICTIONARY.packet(type(report).__name__)
    most_left_out = next(f for f in packet.fields if f.name == "n_left_out").bounds[1]
    if isinstance(report, PlotReport):
        rows = np.ascontiguousarray(report.sights, SIGHT_DTYPE)
        good = plots.usable(rows)
    else:
        rows = np.ascontiguousarray(report.echoes, ECHO_DTYPE)
        good = echoes.usable(rows)
    n_out_of_range = len(rows) - int(np.count_nonzero(good))
    surplus = max(0, len(rows) - n_out_of_range - packet.rows)
    n_left_out = min(report.n_left_out + n_out_of_range + surplus, int(most_left_out))
    if not n_out_of_range and not surplus and n_left_out == report.n_left_out:
        return report, 0
    flags: Any = report.flags
    if n_out_of_range:
        flags |= type(flags).OUT_OF_RANGE
    if surplus:
        flags |= type(flags).TRUNCATED
    changes: dict[str, Any] = {packet.attribute: rows[good][: packet.rows], "n_left_out": n_left_out, "flags": flags}
    return replace(report, **changes), n_out_of_range
