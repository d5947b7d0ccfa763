"""What `kinds` remembers of each track: a table that grows, with rows by the track's identity."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.messages import Float

PAST = 8  # earlier estimates that are kept
_COLUMNS = ("chances", "told", "seen_ns", "looked_ns", "accelerated", "log_intensity", "past_ns", "past", "next_past")
_BY_SENSOR = ("turn_rad_s", "turn_sigma")


class Memory:
    """Table of tracks; rows of tracks that are forgotten are used again.

    Parameters
    ----------
    start : ndarray of float64, shape (regimes,)
        What is thought of a track before anything is known of it.

    Attributes
    ----------
    row_of : dict of int to int
        Row of each track.
    chances, told : ndarray of float64, shape (capacity, regimes)
        Posterior without and with what the newest estimate tells of height, speed, climb and brightness.
    seen_ns, looked_ns : ndarray of int64, shape (capacity,)
        Last report that hit it, last look at it; 0 for none, TAI [ns].
    accelerated : ndarray of bool, shape (capacity,)
        Whether an acceleration has been measured.
    log_intensity : ndarray of float64, shape (capacity,)
        Running mean of the logarithm of its intensity [W/sr], nan if unknown.
    turn_rad_s, turn_sigma : ndarray of float64, shape (capacity, sensors)
        Rate of each sensor's line of sight against the stars, and one sigma; inf where it has none [rad/s].
    past_ns, past : ndarray, shapes (capacity, PAST) and (capacity, PAST, 4)
        Earlier looks: time, 0 for none, and speed, climb and their variances.
    next_past : ndarray of int64, shape (capacity,)
        Where the next one goes.
    """

    def __init__(self, start: Float) -> None:
        self._start = start
        self.row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._sensors: dict[int, int] = {}
        regimes = len(start)
        self.chances, self.told = np.empty((0, regimes)), np.empty((0, regimes))
        self.seen_ns, self.looked_ns = np.empty(0, np.int64), np.empty(0, np.int64)
        self.accelerated, self.log_intensity = np.empty(0, np.bool_), np.empty(0)
        self.turn_rad_s, self.turn_sigma = np.empty((0, 0)), np.empty((0, 0))
        self.past_ns, self.past = np.empty((0, PAST), np.int64), np.empty((0, PAST, 4))
        self.next_past = np.empty(0, np.int64)

    def rows(self, track_ids: list[int]) -> NDArray[np.int64]:
        """Rows of tracks, made for those that are new."""
        known = self.row_of
        try:
            return np.array([known[track] for track in track_ids], np.int64)
        except KeyError:
            new = [track for track in dict.fromkeys(track_ids) if track not in known]
        self._grow(len(new))
        for track in new:
            known[track] = self._free.pop()
        self._clear(np.array([known[track] for track in new]))
        return np.array([known[track] for track in track_ids], np.int64)

    def column(self, sensor_id: int) -> int:
        """Column of a sensor, made if it is new."""
        column = self._sensors.setdefault(sensor_id, len(self._sensors))
        if column == self.turn_rad_s.shape[1]:
            for name in _BY_SENSOR:
                setattr(self, name, np.pad(getattr(self, name), ((0, 0), (0, 1)), constant_values=np.inf))
        return column

    def forget(self, track_ids: Iterable[int]) -> None:
        """Give up the rows of tracks; unknown ones are passed over."""
        gone = [self.row_of.pop(track) for track in track_ids if track in self.row_of]
        self._free += gone

    def forget_unseen(self, since_ns: int) -> None:
        """Give up the rows of tracks that no report has hit since."""
        self.forget([track for track, row in self.row_of.items() if self.seen_ns[row] < since_ns])

    def _grow(self, needed: int) -> None:
        size = len(self.seen_ns)
        if needed <= len(self._free):
            return
        more = max(64, size, needed - len(self._free))
        for name in (*_COLUMNS, *_BY_SENSOR):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((more, *old.shape[1:]), old.dtype)]))
        self._free += range(size + more - 1, size - 1, -1)

    def _clear(self, rows: NDArray[np.int64]) -> None:
        self.chances[rows], self.told[rows] = self._start, self._start
        self.seen_ns[rows], self.looked_ns[rows], self.accelerated[rows] = 0, 0, False
        self.log_intensity[rows] = np.nan
        self.turn_rad_s[rows], self.turn_sigma[rows] = np.inf, np.inf
        self.past_ns[rows], self.past[rows], self.next_past[rows] = 0, 0.0, 0
