"""Message types: what one process may tell another, with units.

Every value here is plain data. Times are ``int`` nanoseconds TAI since 1970-01-01, positions are WGS-84 ECEF in
metres, angles are radians, quaternions are scalar first and turn sensor axes into ECEF axes.

Sensor axes: +z is the boresight, +x points along increasing column, +y along increasing row. A line of sight is
kept as tangent coordinates ``(x, y)``: the direction in sensor axes is ``(x, y, 1)`` divided by its length.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

SIGHT_DTYPE = np.dtype(
    [
        ("x", "<f4"),  # tangent of the line of sight along +column [1]
        ("y", "<f4"),  # tangent of the line of sight along +row [1]
        ("sigma_x", "<f4"),  # one sigma of x from the centroid alone [1]
        ("sigma_y", "<f4"),  # one sigma of y from the centroid alone [1]
        ("amplitude", "<f4"),  # peak over background, in units of the calibrated frame; negative if darker
        ("snr", "<f4"),  # calibrated signal-to-noise ratio, always positive
        ("correlation", "<f4"),  # of the errors of x and y [1]
        ("n_pixels", "<u2"),  # pixels above the threshold
        ("flags", "<u2"),  # PlotFlag
    ]
)
"""One plot of a report in wire form: line of sight with sigmas."""


ECHO_DTYPE = np.dtype(
    [
        ("range_m", "<f8"),  # but for whole numbers of the report's range_fold_m
        (
            "range_rate_m_s",
            "<f8",
        ),  # of the range, by the radar's motion too; but for rate_fold_m_s
        ("azimuth_rad", "<f8"),  # asin of the cosine to +x, the leading end of the array
        ("elevation_rad", "<f8"),  # from +z toward +y; 0 where it is not measured
        ("sigma_range_m", "<f4"),
        ("sigma_range_rate_m_s", "<f4"),
        ("sigma_azimuth_rad", "<f4"),
        ("sigma_elevation_rad", "<f4"),  # 0: elevation is not measured
        ("correlation_range_rate", "<f4"),  # of the errors [1]
        ("correlation_range_azimuth", "<f4"),
        ("correlation_rate_azimuth", "<f4"),
        ("snr", "<f4"),  # calibrated: the Gaussian sigma with the same false-alarm probability
        ("snr_db", "<f4"),  # power over interference and noise after all integration [dB]
        ("n_cells", "<u2"),  # cells above the threshold
        ("flags", "<u2"),  # RadarPlotFlag
    ]
)
"""One plot of a radar report in wire form. The line of sight in sensor axes is (sin a, cos a sin e, cos a cos e) with
azimuth a and elevation e."""


class PlotFlag(IntFlag):
    """What is particular about a plot."""

    NONE = 0
    DARK = 1  # darker than its surroundings
    EDGE = 2  # touches the border of the frame
    SATURATED = 4  # holds a saturated pixel
    NEAR_BAD_PIXEL = 8  # holds or touches a replaced pixel
    MULTI_FRAME = 16  # a path through several frames that end with this one, too weak perhaps for each alone
    MERGED = 32  # may be more than one mover
    STAR = 64  # stands still among the stars, above the limb


class ReportFlag(IntFlag):
    """What is particular about a report."""

    NONE = 0
    WARM_UP = 1  # the background is not yet settled: spatial stages alone
    REGISTRATION_FAILED = 2  # the image gave no shift: the prediction was used
    TRUNCATED = 4  # more plots than the report may hold: the weakest were counted and left out
    OUT_OF_RANGE = 8  # plots with values that no report can carry were counted and left out


class RadarPlotFlag(IntFlag):
    """What is particular about a radar's plot."""

    NONE = 0
    NO_ANGLE = 1  # one channel: the azimuth is the beam's, its sigma the beam's width
    EDGE = 2  # at the first or last range cell
    UNTRAINED = 4  # too few cells to learn the interference: it was taken as white
    RESOLVED = 8  # range and range rate were resolved over several repetition frequencies
    AMBIGUOUS = 16  # another resolution is nearly as likely


class RadarFlag(IntFlag):
    """What is particular about a radar's interval."""

    NONE = 0
    DEAD_CHANNEL = 1  # left out
    SATURATED_CHANNEL = 2  # left out
    SAMPLES_LOST = 4  # samples that are not finite were taken as 0
    FEW_TRAINING_CELLS = 8  # part of the map was filtered with the steering vector alone
    INTERFERENCE = 16  # over the whole band
    TRUNCATED = 32  # more plots than a report may hold
    OUT_OF_RANGE = 64  # plots with values that no report can carry were counted and left out


@dataclass(frozen=True, slots=True, eq=False)
class SensorState:
    """Where a sensor is and where it looks at one instant.

    Attributes
    ----------
    position_m : ndarray of float64, shape (3,)
        Position, ECEF [m].
    velocity_m_s : ndarray of float64, shape (3,)
        Velocity in the rotating Earth frame, ECEF [m/s].
    attitude : ndarray of float64, shape (4,)
        Quaternion, scalar first, sensor axes to ECEF axes.
    position_sigma_m : float
        One sigma of the position, each axis [m].
    pointing_sigma_rad : float
        One sigma of the pointing, each axis, common to all plots of the frame [rad].
    ifov_rad : float
        Angle that one pixel spans at the boresight; of a radar the width of its beam [rad].
    """

    position_m: Float
    velocity_m_s: Float
    attitude: Float
    position_sigma_m: float
    pointing_sigma_rad: float
    ifov_rad: float


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One exposure of a focal plane.

    Attributes
    ----------
    sensor_id : int
        Identity of the sensor, 1 to 65535.
    frame_id : int
        Counts the exposures of this sensor without gaps.
    time_ns : int
        Mid-exposure, TAI [ns].
    integration_time_s : float
        Exposure time [s].
    samples : ndarray of uint16, shape (rows, cols)
        Raw samples [DN].
    state : SensorState or None
        State of the sensor at ``time_ns``; None for a recording without pointing.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    integration_time_s: float
    samples: NDArray[np.uint16]
    state: SensorState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FrameHeader:
    """What goes ahead of the samples when a frame crosses a process boundary.

    Attributes
    ----------
    sensor_id, frame_id, time_ns, integration_time_s, state
        As in the frame.
    injected_ns : int
        Instant at which the frame was handed over, by the clock of the giver, TAI [ns]; 0 if unknown.
    rows, cols : int
        Size of the frame [px].
    samples_crc : int
        CRC-32C of the samples, little-endian, row by row.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    integration_time_s: float
    injected_ns: int
    rows: int
    cols: int
    samples_crc: int
    state: SensorState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """One coherent processing interval of a radar.

    Sensor axes: +x lies along the array toward its leading end, +z is the boresight.

    Attributes
    ----------
    sensor_id : int
        Identity of the sensor, 1 to 65535.
    frame_id : int
        Counts the intervals of this sensor without gaps.
    time_ns : int
        Middle of the interval, TAI [ns].
    prf_hz : float
        Pulses a second [Hz].
    first_range_m : float
        Range at which the first sample of a pulse was received [m].
    samples : ndarray of complex64, shape (channels, pulses, samples)
        Channels from trailing to leading.
    state : SensorState or None
        State of the sensor at ``time_ns``; None for a recording without pointing.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    prf_hz: float
    first_range_m: float
    samples: NDArray[np.complex64]
    state: SensorState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IntervalHeader:
    """What goes ahead of the samples when an interval crosses a process boundary.

    Attributes
    ----------
    sensor_id, frame_id, time_ns, prf_hz, first_range_m, state
        As in the interval.
    injected_ns : int
        Instant at which the interval was handed over, by the clock of the giver, TAI [ns]; 0 if unknown.
    channels, pulses, samples : int
        Size of the interval.
    samples_crc : int
        CRC-32C of the samples, little-endian, real before imaginary part, channel by channel and pulse by pulse.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    prf_hz: float
    first_range_m: float
    injected_ns: int
    channels: int
    pulses: int
    samples: int
    samples_crc: int
    state: SensorState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlotReport:
    """All plots of one frame, in wire form.

    Attributes
    ----------
    sensor_id, frame_id, time_ns : int
        As in the frame.
    state : SensorState
        State of the sensor at ``time_ns``.
    sights : ndarray of SIGHT_DTYPE, shape (n,)
        Lines of sight, strongest first.
    n_left_out : int
        Plots found beyond the capacity of a report.
    flags : ReportFlag
        What is particular about this report.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    state: SensorState
    sights: NDArray[Any]
    n_left_out: int = 0
    flags: ReportFlag = ReportFlag.NONE

    @property
    def n_plots(self) -> int:
        """Plots of the report."""
        return len(self.sights)


@dataclass(frozen=True, slots=True, eq=False)
class RadarReport:
    """All plots of one interval of a radar, in wire form.

    Attributes
    ----------
    sensor_id, frame_id, time_ns : int
        As in the interval.
    state : SensorState
        State of the sensor at ``time_ns``.
    echoes : ndarray of ECHO_DTYPE, shape (n,)
        Plots, strongest first.
    first_range_m, range_span_m : float
        Where the first range cell lies, and how far the last one is from it [m].
    range_fold_m, rate_fold_m_s : float
        Ranges and range rates are but for whole numbers of these; 0 where they are resolved [m], [m/s].
    azimuth_low_rad, azimuth_high_rad : float
        Sector looked in [rad].
    least_speed_m_s : float
        What is slower over the ground along the line of sight is left out as clutter [m/s].
    n_left_out : int
        Plots found beyond the capacity of a report.
    flags : RadarFlag
        What is particular about this report.
    """

    sensor_id: int
    frame_id: int
    time_ns: int
    state: SensorState
    echoes: NDArray[Any]
    first_range_m: float
    range_span_m: float
    range_fold_m: float
    rate_fold_m_s: float
    azimuth_low_rad: float
    azimuth_high_rad: float
    least_speed_m_s: float = 0.0
    n_left_out: int = 0
    flags: RadarFlag = RadarFlag.NONE

    @property
    def n_plots(self) -> int:
        """Plots of the report."""
        return len(self.echoes)


@dataclass(frozen=True, slots=True)
class Health:
    """State of one onboard process, cumulative since its start."""

    sensor_id: int
    time_ns: int  # clock of the process, TAI [ns]
    frames_processed: int
    frames_missed: int  # gaps in frame_id
    frames_refused: int  # bad header, shape, checksum, or not newer than the last one
    plots_sent: int
    reports_dropped: int  # left out of a full link window
    step_median_us: int  # time of one chain step, last interval [us]
    step_max_us: int  # longest chain step since the start [us]


@dataclass(frozen=True, slots=True)
class End:
    """The last message of a sender: nothing follows."""

    sensor_id: int
    time_ns: int
    frames_processed: int


class TrackStatus(IntEnum):
    """Life of a track."""

    TENTATIVE = 0
    CONFIRMED = 1
    COASTING = 2
    DROPPED = 3


class Kind(IntEnum):
    """Kinds of target that a track's posterior is over, in its order."""

    AIRCRAFT = 0  # flies by lift and thrust below 25 km
    CRUISE = 1  # cruise missile: level and low or fast, under thrust
    GLIDER = 2  # hypersonic glide, unpowered, by lift
    BALLISTIC = 3  # rises under thrust or falls freely
    SURFACE = 4  # vehicle or ship
    STAR = 5  # fixed among the stars: no target
    ARTEFACT = 6  # crossing of false plots, clutter, glint: no target


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Estimate of one mover.

    Attributes
    ----------
    id : int
        Identity, never used twice.
    time_ns : int
        Time of the estimate, TAI [ns].
    state : ndarray of float64, shape (6,)
        Position [m] and velocity [m/s], ECEF.
    covariance : ndarray of float64, shape (6, 6)
        Covariance of ``state``.
    status : TrackStatus
        Life of the track.
    score : float
        Log-likelihood ratio of track against false plots [1].
    hits, misses : int
        Frames with and without an associated plot.
    kind : tuple of float
        Posterior over `Kind`, in its order; empty where nothing is known.
    """

    id: int
    time_ns: int
    state: Float
    covariance: Float
    status: TrackStatus
    score: float
    hits: int
    misses: int
    kind: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """All tracks that are alive at one instant.

    Attributes
    ----------
    time_ns : int
        Instant of the picture, TAI [ns].
    tracks : tuple of Track
        The tracks, those that matter most first.
    n_left_out : int
        Tracks beyond the capacity of a picture.
    """

    time_ns: int
    tracks: tuple[Track, ...]
    n_left_out: int = 0


class Severity(IntEnum):
    """How much an event matters."""

    INFORMATION = 0
    WARNING = 1
    ALARM = 2


class EventKind(IntEnum):
    """What happened on board."""

    STARTED = 1
    ENDED = 2
    PACKETS_GIVEN_UP = 3  # a full spool gave up packets of the lowest priority
    CONNECTED = 4
    DISCONNECTED = 5
    REFUSED = 6
    COMMAND_DONE = 7
    COMMAND_REFUSED = 8
    EXPIRED = 9


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on board and that someone should know."""

    sensor_id: int
    time_ns: int  # clock of the process, TAI [ns]
    severity: Severity
    kind: EventKind
    count: int  # how often, since the last event of this kind
    value: float  # what the kind says
    text: str  # one line


@dataclass(frozen=True, slots=True)
class Parameter:
    """The value of one parameter of an onboard process, in the unit of the parameter."""

    sensor_id: int
    time_ns: int  # clock of the process, TAI [ns]
    value: float
    name: str


class CommandKind(IntEnum):
    """What a command asks for."""

    SET_PARAMETER = 1
    TELL_PARAMETER = 2
    TELL_HEALTH = 3
    END = 4


@dataclass(frozen=True, slots=True)
class Command:
    """What an onboard process shall do."""

    sensor_id: int
    time_ns: int  # when it was given, TAI [ns]
    command_id: int  # never used twice for a sensor
    kind: CommandKind
    execute_ns: int  # when it shall be done, TAI [ns]; 0 at once
    value: float  # of the parameter, if one is set
    name: str  # of the parameter; empty if none is meant


class TaskMode(IntEnum):
    """How a place is looked at."""

    STARE = 1
    SCAN = 2


@dataclass(frozen=True, slots=True)
class Tasking:
    """Where a sensor shall look, and when."""

    sensor_id: int
    time_ns: int  # when it was given, TAI [ns]
    task_id: int  # never used twice
    mode: TaskMode
    priority: int  # 0 (gives way first) to 3
    start_ns: int  # TAI [ns]
    end_ns: int  # TAI [ns]
    latitude_rad: float  # geodetic, WGS-84
    longitude_rad: float  # east
    height_m: float  # above the ellipsoid
