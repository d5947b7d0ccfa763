"""The dictionary: every packet, its fields in order, their format, unit and bounds.

`PACKETS` drives the codec in `lookdown.wire.packet`. A field's name is the attribute of its message; its format is
that of `struct`, big-endian on the wire. A value outside its bounds is refused on the way out and on the way in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.messages import (
    SIGHT_DTYPE,
    End,
    FrameHeader,
    Health,
    Picture,
    PlotFlag,
    PlotReport,
    ReportFlag,
    Track,
    TrackStatus,
)

MAX_SIGHTS = 2048
"""Plots that a report may hold; `PlotReport.n_left_out` counts the rest."""
MAX_TRACKS = 256
"""Tracks that a picture may hold; `Picture.n_left_out` counts the rest."""

_BIG = float(np.finfo(np.float32).max)
_U16, _U32, _I64 = 2**16 - 1, 2**32 - 1, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a packet: attribute of the message, `struct` format, unit, and the bounds of each value."""

    name: str
    format: str
    unit: str
    low: float
    high: float

    @property
    def count(self) -> int:
        """Values that the field holds."""
        return int(self.format[:-1] or 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """The part of a packet that repeats: its columns, how many rows there may be, and the way to and from them."""

    columns: tuple[Field, ...]
    limit: int
    attribute: str
    to_rows: Callable[[Any, np.dtype[Any]], NDArray[Any]]
    from_rows: Callable[[NDArray[Any]], Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """One row as a big-endian structured type."""
        return np.dtype([(c.name, f">{c.format[-1]}", (c.count,) if c.count > 1 else ()) for c in self.columns])


def _tracks_to_rows(tracks: tuple[Track, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn tracks into rows; the covariance as its lower triangle, row by row."""
    rows = np.zeros(len(tracks), dtype)
    for i, t in enumerate(tracks):
        triangle = np.asarray(t.covariance)[np.tril_indices(6)]
        rows[i] = (t.id, t.time_ns, t.state, triangle, t.status, t.score, t.hits, t.misses)
    return rows


def _tracks_from_rows(rows: NDArray[Any]) -> tuple[Track, ...]:
    """Turn rows into tracks."""
    tracks = []
    for row in rows:
        covariance = np.zeros((6, 6))
        covariance[np.tril_indices(6)] = row["covariance"]
        covariance = np.where(np.tri(6, dtype=bool), covariance, covariance.T)
        plain = {name: row[name].item() for name in ("id", "time_ns", "score", "hits", "misses")}
        state = row["state"].astype(np.float64)
        tracks.append(Track(state=state, covariance=covariance, status=TrackStatus(row["status"]), **plain))
    return tuple(tracks)


_PLOT_FLAGS = sum(PlotFlag)
_REPORT_FLAGS = sum(ReportFlag)

STATE = (
    Field("position_m", "3d", "m", -1e12, 1e12),
    Field("velocity_m_s", "3d", "m/s", -1e9, 1e9),
    Field("attitude", "4d", "1", -1.0 - 1e-6, 1.0 + 1e-6),
    Field("position_sigma_m", "f", "m", 0.0, _BIG),
    Field("pointing_sigma_rad", "f", "rad", 0.0, pi),
    Field("ifov_rad", "f", "rad", 1e-12, pi),
)

SIGHTS = Rows(
    columns=(
        Field("x", "f", "1", -_BIG, _BIG),
        Field("y", "f", "1", -_BIG, _BIG),
        Field("sigma_x", "f", "1", 0.0, _BIG),
        Field("sigma_y", "f", "1", 0.0, _BIG),
        Field("amplitude", "f", "calibrated DN", -_BIG, _BIG),
        Field("snr", "f", "1", 0.0, _BIG),
        Field("n_pixels", "H", "px", 0, _U16),
        Field("flags", "H", "PlotFlag", 0, _PLOT_FLAGS),
    ),
    limit=MAX_SIGHTS,
    attribute="sights",
    to_rows=lambda sights, dtype: np.ascontiguousarray(sights, SIGHT_DTYPE).astype(dtype),
    from_rows=lambda rows: rows.astype(SIGHT_DTYPE),
)

TRACKS = Rows(
    columns=(
        Field("id", "I", "1", 0, _U32),
        Field("time_ns", "q", "ns TAI", 0, _I64),
        Field("state", "6d", "m, m/s", -1e15, 1e15),
        Field("covariance", "21d", "m2, m2/s, m2/s2", -1e30, 1e30),
        Field("status", "B", "TrackStatus", 0, max(TrackStatus)),
        Field("score", "f", "1", -_BIG, _BIG),
        Field("hits", "I", "1", 0, _U32),
        Field("misses", "I", "1", 0, _U32),
    ),
    limit=MAX_TRACKS,
    attribute="tracks",
    to_rows=_tracks_to_rows,
    from_rows=_tracks_from_rows,
)


@dataclass(frozen=True, slots=True)
class PacketType:
    """One kind of packet: its APID, the message it carries, and what it holds in this order.

    ``state`` tells whether a sensor state follows the fields: ``""`` (none), ``"always"``, or ``"optional"`` (all
    its octets zero where the message has none). ``sensor`` tells whether the message belongs to one sensor.
    """

    apid: int
    message: type[Any]
    fields: tuple[Field, ...]
    state: Literal["", "always", "optional"] = ""
    rows: Rows | None = None
    sensor: bool = True


PACKETS = (
    PacketType(
        apid=0x101,
        message=PlotReport,
        fields=(
            Field("frame_id", "I", "1", 0, _U32),
            Field("n_left_out", "I", "1", 0, _U32),
            Field("flags", "H", "ReportFlag", 0, _REPORT_FLAGS),
        ),
        state="always",
        rows=SIGHTS,
    ),
    PacketType(
        apid=0x102,
        message=Health,
        fields=(
            Field("frames_processed", "Q", "1", 0, _I64),
            Field("frames_missed", "Q", "1", 0, _I64),
            Field("frames_refused", "Q", "1", 0, _I64),
            Field("plots_sent", "Q", "1", 0, _I64),
            Field("reports_dropped", "Q", "1", 0, _I64),
            Field("step_median_us", "I", "us", 0, _U32),
            Field("step_max_us", "I", "us", 0, _U32),
        ),
    ),
    PacketType(apid=0x103, message=End, fields=(Field("frames_processed", "Q", "1", 0, _I64),)),
    PacketType(
        apid=0x104,
        message=Picture,
        fields=(Field("n_left_out", "I", "1", 0, _U32),),
        rows=TRACKS,
        sensor=False,
    ),
    PacketType(
        apid=0x105,
        message=FrameHeader,
        fields=(
            Field("frame_id", "I", "1", 0, _U32),
            Field("integration_time_s", "d", "s", 0.0, 1e9),
            Field("injected_ns", "q", "ns TAI", 0, _I64),
            Field("rows", "H", "px", 1, _U16),
            Field("cols", "H", "px", 1, _U16),
            Field("samples_crc", "I", "1", 0, _U32),
        ),
        state="optional",
    ),
)
