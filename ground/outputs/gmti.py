"""STANAG 4607 (ground moving target indicator format): dwell segments of surface movers.

Standard: STANAG 4607 edition 3 with AEDP-7 (2010), version "30"; field numbers below are its own. Each packet carries
one dwell: the surface movers of one report, seen from where its satellite stood. The first packet also carries the
mission segment (whose date D6 counts from) and the job definition segment.

======== ================================================== ====== ==================
field    content                                            octets least bit
======== ================================================== ====== ==================
D6       time since midnight UTC of the reference date      4      1 ms
D7, D8   sensor latitude (SA32), longitude (BA32)           4, 4   180/2^32, 360/2^32 deg
D9       sensor altitude, WGS-84                            4      1 cm
D12-D14  sensor position sigmas: along, across, height      4,4,2  1 cm
D24, D25 centre of the dwell area                           4, 4   as D7, D8
D26, D27 half extents: range (B16), angle (BA16)            2, 2   1/128 km, 360/2^16 deg
D32.1    index of the target report                         2
D32.2, 3 target latitude, longitude                         4, 4   as D7, D8
D32.6    target height, WGS-84                              2      1 m
D32.7, 8 velocity along the line of sight, wrap velocity    2, 2   1 cm/s
D32.10   classification: unknown, live or simulated         1
D32.11   probability that it is a surface mover             1      1 %
D32.12   sigma of the slant range                           2      1 cm
D32.13   sigma across                                       2      1 dm
D32.14   sigma of the height                                1      1 m
D32.15   sigma of D32.7, at most 50 m/s                     2      1 cm/s
======== ================================================== ====== ==================

The format is for radars: D32.7 is the part of the track's velocity that points away from the sensor.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lookdown.geo.earth import ecef_to_geodetic, enu_axes
from lookdown.ground.outputs.points import Int, Points, groups_of
from lookdown.wire.messages import Float, Kind, TrackStatus

SA32_DEG, BA32_DEG, BA16_DEG = 180.0 / 2**32, 360.0 / 2**32, 360.0 / 2**16
MAX_TARGETS = 1000
"""Of a dwell; a packet then stays below 65,535 octets."""

_DWELL_FIELDS = (2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 24, 25, 26, 27)
_TARGET_FIELDS = (1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 15)
_MASK = sum(1 << (65 - field) for field in _DWELL_FIELDS) | sum(1 << (34 - field) for field in _TARGET_FIELDS)
_PACKET = struct.Struct(">2sI2sB2sHB10sII")
_SEGMENT = struct.Struct(">BI")
_MISSION = struct.Struct(">12s12sB10sHBB")
_JOB = struct.Struct(">IB6sBBiIiIiIiIBHHHHBHHHHBBBBB")
_DWELL = struct.Struct(">QHHBHIiIiIIHiIHH")
_TARGET = struct.Struct(">HiIhhHBBHHBH")
_MISSION_TYPE, _DWELL_TYPE, _JOB_TYPE = 1, 2, 5
_UNCLASSIFIED = 5
_UNKNOWN_LIVE, _UNKNOWN_SIMULATED = 127, 255
_NO_STATEMENT_8, _NO_STATEMENT_16 = 0xFF, 0xFFFF
_DAY_NS = 86_400 * 10**9
_JOB_ID = 1


@dataclass(frozen=True)
class GmtiOptions:
    """Who sends.

    Attributes
    ----------
    platform : str
        Platform identity of the packets (P8), at most ten characters; a hyphen and the sensor's number follow if there
        is room.
    nationality : str
        P3, two letters; XN stands for NATO.
    simulated : bool
        Whether packets and targets are marked as simulated.
    surface_probability : float
        Posterior of the kind SURFACE from which on a track is told.
    """

    platform: str = "LOOKDOWN"
    nationality: str = "XN"
    simulated: bool = False
    surface_probability: float = 0.5


class GmtiWriter:
    """Writes packets of one mission; keeps what must be told once and what is counted.

    Parameters
    ----------
    options : GmtiOptions
        Who sends.

    Attributes
    ----------
    left_out : int
        Surface movers that could not be told: no sensor is known, or more than ``MAX_TARGETS`` in a report.
    """

    def __init__(self, options: GmtiOptions) -> None:
        self._options = options
        self._day_ns: int | None = None
        self._revisit = 0
        self.left_out = 0

    def packets(self, points: Points) -> Iterator[bytes]:
        """Yield a packet for each time and sensor at which surface movers were seen, in order of time."""
        # A dwell holds what was seen: one that coasts was not.
        seen = points.status == TrackStatus.CONFIRMED
        movers = points.take(seen & (points.kind[:, Kind.SURFACE] >= self._options.surface_probability))
        for same_time in groups_of(movers.time_ns):
            for among in groups_of(movers.platform.sensor_id[same_time]):
                rows = same_time[among]
                if not np.isfinite(movers.platform.position_m[rows[0]]).all():
                    self.left_out += len(rows)
                    continue
                self.left_out += max(len(rows) - MAX_TARGETS, 0)
                yield self._packet(movers, rows[:MAX_TARGETS])

    def _packet(self, points: Points, rows: Int) -> bytes:
        unix_ns = int(points.unix_ns[rows[0]])
        segments = b""
        if self._day_ns is None:
            self._day_ns = unix_ns // _DAY_NS * _DAY_NS
            segments = self._mission() + self._job(points, rows)
        segments += self._dwell(points, rows, unix_ns - self._day_ns)
        sensor_id = int(points.platform.sensor_id[rows[0]])
        name = f"{self._options.platform}-{sensor_id}"
        platform = (name if len(name) <= 10 else self._options.platform).encode().ljust(10)[:10]
        header = _PACKET.pack(
            b"30",
            _PACKET.size + len(segments),
            self._options.nationality.encode().ljust(2)[:2],
            _UNCLASSIFIED,
            b"  ",
            0,
            int(self._options.simulated),
            platform,
            1,
            _JOB_ID,
        )
        return header + segments

    def _mission(self) -> bytes:
        day = np.datetime64(self._day_ns, "ns").astype("datetime64[D]").item()
        blank = b" " * 12
        content = _MISSION.pack(blank, blank, _NO_STATEMENT_8, b" " * 10, day.year, day.month, day.day)
        return _segment(_MISSION_TYPE, content)

    def _job(self, points: Points, rows: Int) -> bytes:
        """J1 to J28: whole Earth or what is seen is not known beforehand, so the area is that of the first dwell."""
        lat, lon = points.lat_deg[rows], points.lon_deg[rows]
        south, north, west, east = lat.min() - 1.0, lat.max() + 1.0, lon.min() - 1.0, lon.max() + 1.0
        corners = [(north, west), (north, east), (south, east), (south, west)]
        area = [part for at, on in corners for part in (_sa32(max(min(at, 89.9), -89.9)), _ba32(on))]
        nominal = (
            0,
            0,
            _NO_STATEMENT_16,
            _NO_STATEMENT_16,
            _NO_STATEMENT_16,
            _NO_STATEMENT_8,
            *(_NO_STATEMENT_16,) * 4,
        )
        model = (_NO_STATEMENT_8, _NO_STATEMENT_8, _NO_STATEMENT_8, 0, 0)
        content = _JOB.pack(_JOB_ID, _NO_STATEMENT_8, b"NONE  ", 0, 99, *area, *nominal, *model)
        return _segment(_JOB_TYPE, content)

    def _dwell(self, points: Points, rows: Int, since_midnight_ns: int) -> bytes:
        sensor_m, sigma_m = points.platform.position_m[rows[0]], float(points.platform.sigma_m[rows[0]])
        sensor_lat, sensor_lon, sensor_height = (float(part) for part in ecef_to_geodetic(sensor_m))
        sight = points.position_m[rows] - sensor_m
        range_m = np.linalg.norm(sight, axis=1)
        along = sight / range_m[:, None]
        away_m_s = np.einsum("ni,ni->n", points.velocity_m_s[rows], along)
        middle_m = points.position_m[rows].mean(axis=0)
        centre_lat, centre_lon = (float(np.degrees(part)) for part in ecef_to_geodetic(middle_m)[:2])
        half_range_m = float(np.abs(range_m - np.linalg.norm(middle_m - sensor_m)).max())
        half_angle = float(np.arccos(np.clip(along @ _unit(middle_m - sensor_m), -1.0, 1.0)).max())
        self._revisit = (self._revisit + 1) % 2**16
        along_sigma, across_sigma, speed_sigma = _line_of_sight_sigmas(points, rows, along)
        position_sigma_cm = min(round(sigma_m * 100.0), 1_000_000)
        content = _DWELL.pack(
            _MASK,
            self._revisit,
            0,
            1,
            len(rows),
            round(since_midnight_ns / 1e6),
            _sa32(np.degrees(sensor_lat)),
            _ba32(np.degrees(sensor_lon)),
            round(sensor_height * 100.0),
            position_sigma_cm,
            position_sigma_cm,
            min(position_sigma_cm, 0xFFFF),
            _sa32(centre_lat),
            _ba32(centre_lon),
            min(int(np.ceil(half_range_m / 1e3 * 128.0)), 0xFFFF),
            min(int(np.ceil(np.degrees(half_angle) / BA16_DEG)), 0xFFFF),
        )
        unknown = _UNKNOWN_SIMULATED if self._options.simulated else _UNKNOWN_LIVE
        for index, row in enumerate(rows.tolist()):
            content += _TARGET.pack(
                index + 1,
                _sa32(points.lat_deg[row]),
                _ba32(points.lon_deg[row]),
                _clip(points.height_m[row], -1000, 2**15 - 1),
                _clip(away_m_s[index] * 100.0, -(2**15), 2**15 - 1),
                0xFFFF,
                unknown,
                round(100.0 * float(points.kind[row, Kind.SURFACE])),
                _clip(along_sigma[index] * 100.0, 0, 0xFFFF),
                _clip(across_sigma[index] * 10.0, 0, 0xFFFF),
                _clip(points.sigma_enu[row, 2], 0, 0xFF),
                _clip(speed_sigma[index] * 100.0, 0, 5000),
            )
        return _segment(_DWELL_TYPE, content)


def _line_of_sight_sigmas(points: Points, rows: Int, along: Float) -> tuple[Float, Float, Float]:
    """One sigma of the position along each line of sight, the greatest across it, and of the speed along it."""
    axes = enu_axes(np.radians(points.lat_deg[rows]), np.radians(points.lon_deg[rows]))
    inward = np.swapaxes(axes, 1, 2)
    place, speed = (inward @ points.covariance_enu[rows, part, part] @ axes for part in (slice(0, 3), slice(3, 6)))
    flat = np.eye(3) - along[:, :, None] * along[:, None, :]
    variances = (
        np.einsum("ni,nij,nj->n", along, place, along),
        np.linalg.eigvalsh(flat @ place @ flat)[:, -1],
        np.einsum("ni,nij,nj->n", along, speed, along),
    )
    first, second, third = (np.sqrt(np.maximum(variance, 0.0)) for variance in variances)
    return first, second, third


def _segment(kind: int, content: bytes) -> bytes:
    return _SEGMENT.pack(kind, _SEGMENT.size + len(content)) + content


def _sa32(degrees: float) -> int:
    return _clip(degrees / SA32_DEG, -(2**31), 2**31 - 1)


def _ba32(degrees: float) -> int:
    return round(float(degrees) % 360.0 / BA32_DEG) % 2**32


def _clip(value: float, low: int, high: int) -> int:
    return min(max(round(float(value)), low), high)


def _unit(vector: Float) -> Float:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)
