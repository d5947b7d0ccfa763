"""The tracks of a picture as rows of fixed columns, and back; each value held to its bounds."""

import struct
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.dictionary import Field, Packet
from lookdown.wire.messages import Kind, Track, TrackStatus

_CODES = {("float", 64): "d", ("float", 32): "f", ("unsigned", 64): "Q", ("unsigned", 32): "I", ("unsigned", 8): "B"}
_LOWER = np.tril_indices(6)
_KINDS = len(Kind)


class TrackRows:
    """Rows of tracks.

    Neighbouring columns of one form are checked as one matrix: the calls cost, not the numbers.
    """

    def __init__(self, packet: Packet) -> None:
        self._limit = packet.rows
        self._columns = [(c, _CODES[c.kind, c.bits]) for c in packet.columns]
        self._dtype = np.dtype([(c.name, f">{code}", (c.count,) if c.count > 1 else ()) for c, code in self._columns])
        self._runs: list[tuple[slice, str, tuple[Field, ...], NDArray[Any], NDArray[Any]]] = []
        self._step = packet.columns[-1].scale
        at = 0
        for code, run in groupby(self._columns, lambda column: column[1]):
            columns = tuple(c for c, _ in run for _ in range(c.count))
            octets = slice(at, at + struct.calcsize(f">{len(columns)}{code}"))
            low, high = (np.array([_raw_bounds(c)[side] for c in columns], code) for side in (0, 1))
            self._runs.append((octets, f">{code}", columns, low, high))
            at = octets.stop

    def pack(self, tracks: tuple[Track, ...]) -> bytes:
        """Return the octets; ValueError for too many tracks or a value out of its bounds."""
        rows = np.zeros(len(tracks), self._dtype)
        try:
            for i, t in enumerate(tracks):
                triangle = np.asarray(t.covariance)[_LOWER]
                chances = self._chances(t.kind)
                rows[i] = (t.id, t.time_ns, t.state, triangle, t.status, t.score, t.hits, t.misses, chances)
        except (OverflowError, TypeError) as error:
            raise ValueError(f"tracks: cannot pack: {error}; give values within the bounds") from None
        octets = rows.tobytes()
        self._check(octets)
        return octets

    def unpack(self, octets: bytes) -> tuple[Track, ...]:
        """Return the tracks; ValueError for parts of a row or a value out of its bounds."""
        if len(octets) % self._dtype.itemsize:
            raise ValueError(f"tracks: wanted n * {self._dtype.itemsize} octets, came {len(octets)}")
        self._check(octets)
        tracks = []
        for row in np.frombuffer(octets, self._dtype):
            covariance = np.zeros((6, 6))
            covariance[_LOWER] = row["covariance"]
            covariance = np.where(np.tri(6, dtype=bool), covariance, covariance.T)
            plain = {name: row[name].item() for name in ("id", "time_ns", "score", "hits", "misses")}
            state = row["state"].astype(np.float64)
            kind = tuple((row["kind"] * self._step).tolist()) if row["kind"].any() else ()
            status = TrackStatus(row["status"])
            tracks.append(Track(state=state, covariance=covariance, status=status, kind=kind, **plain))
        return tuple(tracks)

    def _chances(self, kind: tuple[float, ...]) -> NDArray[np.uint8]:
        """Return the octets of a posterior, zeros for none."""
        chances = np.array(kind or (0.0,) * _KINDS)
        if chances.shape != (_KINDS,) or not ((chances >= 0.0) & (chances <= 1.0)).all():
            raise ValueError(f"kind: wanted {_KINDS} chances from 0 to 1 or none, came {kind}")
        return np.asarray(np.rint(chances / self._step), np.uint8)

    def _check(self, octets: bytes) -> None:
        table = np.frombuffer(octets, np.uint8).reshape(-1, self._dtype.itemsize)
        if len(table) > self._limit:
            raise ValueError(f"tracks: wanted at most {self._limit} rows, came {len(table)}")
        for part, code, columns, low, high in self._runs:
            values = table[:, part].view(code)
            good = (values >= low) & (values <= high)
            if not good.all():
                row, place = (int(i) for i in np.argwhere(~good)[0])
                c, came = columns[place], values[row, place]
                raise ValueError(
                    f"tracks[{row}].{c.name}: wanted {c.bounds[0]:g} to {c.bounds[1]:g} {c.unit}, came {came}"
                )


def _raw_bounds(column: Field) -> tuple[float, float]:
    """Least and largest value as it stands in the row."""
    if column.scale == 1.0:
        return column.bounds
    low, high = (round(bound / column.scale) for bound in column.bounds)
    return low, high
