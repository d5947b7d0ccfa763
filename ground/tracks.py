"""The table of tracks: structure of arrays, one row a track, all at one time.

Sensors are numbered by their place in ``Parameters.sensors``; ``m`` is how many there are.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lookdown.ground.filter import predict
from lookdown.ground.parameters import Parameters
from lookdown.kernels.advance import advance
from lookdown.kernels.tell import tell_tracks
from lookdown.wire.messages import Float, Kind, Track, TrackStatus

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

MODE_STATES = 8  # of a model of motion
_TENTATIVE = int(TrackStatus.TENTATIVE)  # NumPy compares with a member of an enumeration at ten times the cost
NEVER_NS = np.iinfo(np.int64).min // 2

UPDATE_DTYPE = np.dtype(
    [
        ("track_id", "<i8"),
        ("time_ns", "<i8"),  # time of the estimate, TAI [ns]
        ("position_m", "<f8", (3,)),  # ECEF [m]
        ("velocity_m_s", "<f8", (3,)),  # ECEF [m/s]
        ("covariance", "<f8", (6, 6)),  # of position and velocity
        ("status", "u1"),  # TrackStatus
        ("score", "<f8"),  # log-likelihood ratio of track against false plots [1]
        ("hits", "<i8"),  # plots that fed the track
        ("misses", "<i8"),  # frames that should have seen it and did not
        ("sensor_id", "<u2"),  # sensor whose report made the update
        ("n_sensors", "u1"),  # sensors that saw the track within the last coast_after_s
        ("single", "u1"),  # 1: of one satellite alone, its range known by an altitude prior
        ("kind", "<f4", (len(Kind),)),  # posterior over wire.messages.Kind; zeros until `kinds.Kinds` gives it
    ]
)
"""One update of one track."""


def octets_of(*names: str) -> Int:
    """Return the first octet of fields of `UPDATE_DTYPE` in a record."""
    places = UPDATE_DTYPE.fields
    assert places is not None
    return np.array([places[name][1] for name in names], np.int64)


_TOLD = ("track_id", "time_ns", "position_m", "velocity_m_s", "covariance", "status", "score", "hits", "misses")
_PLACES = octets_of(*_TOLD, "sensor_id", "n_sensors", "single")


@dataclass(slots=True, eq=False)
class TrackTable:
    """All tracks that are alive, tentative ones among them.

    Attributes
    ----------
    track_id : ndarray of int64, shape (n,)
        Identities, never used twice.
    state, covariance : ndarray of float64, shapes (n, 6) and (n, 6, 6)
        Position [m] and velocity [m/s], ECEF, and their covariance.
    cross : ndarray of float64, shape (n, 6, 2 m)
        Covariance of ``state`` with each sensor's common error, in units of its sigma.
    status : ndarray of uint8, shape (n,)
        TrackStatus.
    score : ndarray of float64, shape (n,)
        Log-likelihood ratio [1].
    born_ns : ndarray of int64, shape (n,)
        Time of the report that started the track [ns].
    hits, misses : ndarray of int64, shape (n,)
        Frames with and without a plot.
    looks : ndarray of uint32, shape (n,)
        The last looks as bits, newest lowest; 1 is a hit.
    last_hit_ns : ndarray of int64, shape (n, m)
        Time of the last hit by each sensor [ns].
    sensor_hits : ndarray of int64, shape (n, m)
        Hits by each sensor.
    anchor : ndarray of float64, shape (n, m, 2, 3)
        Where each sensor's first line of sight passed the ground and the highest cloud tops [m].
    moved : ndarray of bool, shape (n, m)
        Whether the sensor's sights rule out every standing point of its first line of sight.
    single : ndarray of uint8, shape (n,)
        `single.Single`: whether one satellite alone makes the track.
    mode_share, mode_state, mode_covariance, mode_cross : ndarray of float64
        Probability, state (`multiple.STATES` numbers), covariance and cross covariance by each of several models of
        motion, shapes (n, models, ...); without models where there is but one.
    """

    track_id: Int
    state: Float
    covariance: Float
    cross: Float
    status: NDArray[np.uint8]
    score: Float
    born_ns: Int
    hits: Int
    misses: Int
    looks: NDArray[np.uint32]
    last_hit_ns: Int
    sensor_hits: Int
    anchor: Float
    moved: Bool
    single: NDArray[np.uint8]
    mode_share: Float
    mode_state: Float
    mode_covariance: Float
    mode_cross: Float

    @classmethod
    def blank(cls, size: int, n_sensors: int, n_modes: int = 0) -> "TrackTable":
        """Table of ``size`` tentative tracks that nothing is known of."""
        return cls(
            track_id=np.zeros(size, np.int64),
            state=np.zeros((size, 6)),
            covariance=np.zeros((size, 6, 6)),
            cross=np.zeros((size, 6, 2 * n_sensors)),
            status=np.full(size, _TENTATIVE, np.uint8),
            score=np.zeros(size),
            born_ns=np.zeros(size, np.int64),
            hits=np.zeros(size, np.int64),
            misses=np.zeros(size, np.int64),
            looks=np.zeros(size, np.uint32),
            last_hit_ns=np.full((size, n_sensors), NEVER_NS, np.int64),
            sensor_hits=np.zeros((size, n_sensors), np.int64),
            anchor=np.full((size, n_sensors, 2, 3), np.nan),
            moved=np.zeros((size, n_sensors), np.bool_),
            single=np.zeros(size, np.uint8),
            mode_share=np.zeros((size, n_modes)),
            mode_state=np.zeros((size, n_modes, MODE_STATES)),
            mode_covariance=np.zeros((size, n_modes, MODE_STATES, MODE_STATES)),
            mode_cross=np.zeros((size, n_modes, MODE_STATES, 2 * n_sensors)),
        )

    def __len__(self) -> int:
        return len(self.track_id)

    def take(self, rows: Bool | Int) -> "TrackTable":
        """Return a table of copies of the given rows."""
        return TrackTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def bundles(self) -> list[tuple[Float, Float, Float]]:
        """State, covariance and cross covariance: of the tracks, and of their models one after the other (views)."""
        own, (n, modes) = (self.state, self.covariance, self.cross), self.mode_share.shape
        if not modes:
            return [own]
        size, e = n * modes, MODE_STATES
        flat = self.mode_state.reshape(size, e), self.mode_covariance.reshape(size, e, e)
        return [own, (*flat, self.mode_cross.reshape(size, e, self.mode_cross.shape[3]))]

    def keep(self, rows: Bool | Int) -> None:
        """Keep the given rows and forget the others."""
        if rows.dtype == np.bool_ and rows.all():
            return
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def extend(self, other: "TrackTable") -> None:
        """Append the rows of another table."""
        for field in fields(self):
            setattr(self, field.name, np.concatenate([getattr(self, field.name), getattr(other, field.name)]))

    def predict(self, dt_s: float, parameters: Parameters) -> None:
        """Move all tracks ``dt_s`` ahead, in place."""
        fade = float(np.exp(-dt_s / parameters.pointing_correlation_s))
        advance(dt_s, parameters.process_noise_m2_s3, fade, True, self.state, self.covariance, self.cross)

    @property
    def live(self) -> Bool:
        """Which tracks are confirmed or coasting, shape (n,)."""
        live: Bool = self.status != _TENTATIVE
        return live

    def updates(self, rows: Int, time_ns: int, sensor_id: int, recent_ns: int) -> NDArray[np.void]:
        """Rows as updates; ``recent_ns`` is how far back a sensor's hit counts for ``n_sensors``."""
        updates = np.zeros(len(rows), UPDATE_DTYPE)
        tell_tracks(
            rows,
            time_ns,
            sensor_id,
            time_ns - recent_ns,
            self.track_id,
            self.state,
            self.covariance,
            self.status,
            self.score,
            self.hits,
            self.misses,
            self.single,
            self.last_hit_ns,
            _PLACES,
            updates.view(np.uint8).reshape(len(rows), UPDATE_DTYPE.itemsize),
        )
        return updates

    def tracks_at(self, rows: Int, time_ns: int, ahead_s: float, parameters: Parameters) -> tuple[Track, ...]:
        """Rows as tracks at ``time_ns``, which lies ``ahead_s`` after the time of the table."""
        state, covariance, _ = predict(
            self.state[rows],
            self.covariance[rows],
            self.cross[rows],
            ahead_s,
            parameters.process_noise_m2_s3,
            parameters.pointing_correlation_s,
        )
        return tuple(
            Track(
                int(self.track_id[row]),
                time_ns,
                state[index],
                covariance[index],
                TrackStatus(int(self.status[row])),
                float(self.score[row]),
                int(self.hits[row]),
                int(self.misses[row]),
            )
            for index, row in enumerate(rows)
        )
