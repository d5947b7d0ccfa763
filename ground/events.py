"""What fusion tells: reports that have been fused, with the tracks that they changed, and happenings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.ingest import Arrival
from lookdown.ground.pointing import PointingError

LINK_DTYPE = np.dtype([("plot_index", "<i8"), ("track_id", "<i8")])
"""Which plot of a report, by its index as sent, fed which track."""


@dataclass(frozen=True, slots=True, eq=False)
class ReportFused:
    """One report has been fused.

    Attributes
    ----------
    arrival : Arrival
        The report.
    updates : ndarray of UPDATE_DTYPE, shape (n,)
        Tracks that it hit or whose status it changed: live ones, ending ones, and tentative ones that two sensors see.
    links : ndarray of LINK_DTYPE, shape (k,)
        Which plot fed which track.
    pointing : PointingError or None
        What is known of the sensor's pointing error after it; once a second of data time.
    """

    arrival: Arrival
    updates: NDArray[Any]
    links: NDArray[Any]
    pointing: PointingError | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a person may want to read.

    Attributes
    ----------
    kind : str
        Of a track ``confirmed``, ``coasting``, ``resumed``, ``dropped``, ``merged`` or ``single``; of a stream
        ``refused``, ``onboard`` (an event that a board told), ``pointing`` (its error, as estimated) or ``end``.
    time_ns : int
        Data time, TAI [ns].
    sensor_id : int
        Sensor whose report or packet brought it about.
    text : str
        One line.
    """

    kind: str
    time_ns: int
    sensor_id: int
    text: str


Event = ReportFused | Happening
