"""What a report can carry: plots that no packet can say are left out and counted, never sent wrong."""

from dataclasses import replace

import numpy as np

from lookdown.wire.dictionary import DICTIONARY, MAX_SIGHTS
from lookdown.wire.messages import SIGHT_DTYPE, PlotReport, ReportFlag
from lookdown.wire.plots import usable

_MOST_LEFT_OUT = next(f for f in DICTIONARY.packet("PlotReport").fields if f.name == "n_left_out").bounds[1]


def within_capacity(report: PlotReport) -> tuple[PlotReport, int]:
    """Leave out the plots that a packet cannot hold.

    Parameters
    ----------
    report : PlotReport
        Any report.

    Returns
    -------
    report : PlotReport
        Without plots that have a value out of the ranges of the dictionary (`ReportFlag.OUT_OF_RANGE`), and without the
        last ones beyond the number that a packet holds (`ReportFlag.TRUNCATED`); both are added to ``n_left_out``.
    n_out_of_range : int
        Plots left out for a value out of range.
    """
    sights = np.ascontiguousarray(report.sights, SIGHT_DTYPE)
    good = usable(sights)
    n_out_of_range = len(sights) - int(np.count_nonzero(good))
    surplus = max(0, len(sights) - n_out_of_range - MAX_SIGHTS)
    n_left_out = min(report.n_left_out + n_out_of_range + surplus, int(_MOST_LEFT_OUT))
    if not n_out_of_range and not surplus and n_left_out == report.n_left_out:
        return report, 0
    flags = report.flags
    if n_out_of_range:
        flags |= ReportFlag.OUT_OF_RANGE
    if surplus:
        flags |= ReportFlag.TRUNCATED
    return replace(report, sights=sights[good][:MAX_SIGHTS], n_left_out=n_left_out, flags=flags), n_out_of_range
