"""ASTERIX category 062: system track messages for air-traffic and air-defence displays.

Standard: EUROCONTROL-SPEC-0149-9, "Surveillance Data Exchange, Part 9: Category 062, SDPS Track Messages", edition 1.18
(2018); item numbers and scales below are those of its chapter 5.2. A data block is the category, its length in two
octets and records; a record is a field specification (part 1, EUROCONTROL-SPEC-0149, 4.3) and its items in order.

======== =============================================== ======= ==================================
item     content                                         octets  least bit
======== =============================================== ======= ==================================
I062/010 data source: SAC, SIC                           2
I062/070 time of track information, since midnight UTC   3       1/128 s
I062/105 position, WGS-84: latitude, longitude           8       180/2^25 deg
I062/185 velocity: east, north                           4       0.25 m/s
I062/040 track number: identity modulo 65536             2
I062/080 track status                                    4
I062/130 geometric altitude, WGS-84, -1500 to 150000 ft  2       6.25 ft
I062/220 rate of climb                                   2       6.25 ft/min
I062/500 sigmas: APW, AGA, ATV, ARC                      2 + 8   180/2^25 deg, 6.25 ft, 0.25 m/s, 6.25 ft/min
======== =============================================== ======= ==================================

An item whose value the standard cannot hold (a target above 45.7 km, a climb beyond 1,040 m/s) is left out; sigmas stay
at the largest number. There is no item for the kind of target that is not told by the target itself.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lookdown.ground.outputs.points import Points
from lookdown.wire.messages import TrackStatus

CATEGORY = 62
FOOT_M = 0.3048
ANGLE_LSB_DEG = 180.0 / 2**25
TIME_LSB_S = 1.0 / 128.0
SPEED_LSB_M_S = 0.25
HEIGHT_LSB_M = 6.25 * FOOT_M
CLIMB_LSB_M_S = 6.25 * FOOT_M / 60.0
MAX_BLOCK_OCTETS = 1400
"""A block fits a datagram."""

_DAY_NS = 86_400 * 10**9
_LOWEST_FT, _HIGHEST_FT = -1500.0, 150_000.0
_FRN = {"010": 1, "070": 4, "105": 5, "185": 7, "040": 12, "080": 13, "130": 18, "220": 20, "500": 27}
_MORE = 1  # field extension: another octet follows
_TRIANGULATED = 3 << 2  # I062/080 SRC: source of the altitude
_GEOMETRIC, _TENTATIVE = 0x20, 0x02  # MRH, CNF
_SIMULATED, _LAST, _FIRST = 0x80, 0x40, 0x20  # SIM, TSE, TSB
_COASTED, _NO_RADAR = 0x80, 0x78  # CST; PSR, SSR, MDS and ADS have not updated the track


@dataclass(frozen=True)
class AsterixOptions:
    """Who sends.

    Attributes
    ----------
    sac, sic : int
        System area code and system identification code of this source, 0 to 255.
    simulated : bool
        Whether tracks are marked as simulated.
    """

    sac: int = 0
    sic: int = 0
    simulated: bool = False


def asterix_blocks(points: Points, options: AsterixOptions, first: frozenset[int] = frozenset()) -> Iterator[bytes]:
    """Yield data blocks of at most ``MAX_BLOCK_OCTETS``, a record a point.

    Parameters
    ----------
    points : Points
        What to tell, in order.
    options : AsterixOptions
        Who sends.
    first : frozenset of int
        Rows that are the first message of their track. The last one is known by the status DROPPED.
    """
    block = b""
    for row in range(len(points)):
        record = _record(points, row, options, row in first)
        if block and 3 + len(block) + len(record) > MAX_BLOCK_OCTETS:
            yield struct.pack(">BH", CATEGORY, 3 + len(block)) + block
            block = b""
        block += record
    if block:
        yield struct.pack(">BH", CATEGORY, 3 + len(block)) + block


def _record(points: Points, row: int, options: AsterixOptions, is_first: bool) -> bytes:
    sigma = points.sigma_enu[row : row + 1][0]
    lat_deg, lon_deg = float(points.lat_deg[row]), float(points.lon_deg[row])
    east, north, up = points.velocity_enu_m_s[row].tolist()
    clock_ns = int(points.unix_ns[row]) % _DAY_NS
    items = {
        "010": bytes([options.sac, options.sic]),
        "070": (_round(clock_ns / 1e9 / TIME_LSB_S) % round(86_400 / TIME_LSB_S)).to_bytes(3, "big"),
        "105": struct.pack(">ii", _round(lat_deg / ANGLE_LSB_DEG), _round(lon_deg / ANGLE_LSB_DEG)),
        "040": struct.pack(">H", int(points.track_id[row]) & 0xFFFF),
        "080": _status(TrackStatus(int(points.status[row])), options.simulated, is_first),
        "500": _accuracies(sigma.tolist(), lat_deg),
    }
    velocity = (_round(east / SPEED_LSB_M_S), _round(north / SPEED_LSB_M_S))
    if all(-(2**15) <= value < 2**15 for value in velocity):
        items["185"] = struct.pack(">hh", *velocity)
    height_m = float(points.height_m[row])
    if _LOWEST_FT * FOOT_M <= height_m <= _HIGHEST_FT * FOOT_M:
        items["130"] = struct.pack(">h", _round(height_m / HEIGHT_LSB_M))
    climb = _round(up / CLIMB_LSB_M_S)
    if -(2**15) <= climb < 2**15:
        items["220"] = struct.pack(">h", climb)
    names = sorted(items, key=_FRN.__getitem__)
    return _field_specification([_FRN[name] for name in names]) + b"".join(items[name] for name in names)


def _field_specification(numbers: list[int]) -> bytes:
    """Bits of the items that are present, seven an octet, the eighth says that another follows."""
    octets = bytearray((max(numbers) + 6) // 7)
    for number in numbers:
        octets[(number - 1) // 7] |= 0x80 >> (number - 1) % 7
    for index in range(len(octets) - 1):
        octets[index] |= _MORE
    return bytes(octets)


def _status(status: TrackStatus, simulated: bool, is_first: bool) -> bytes:
    """I062/080: confirmed or tentative, first and last message, coasted: four octets."""
    tentative = _TENTATIVE * (status == TrackStatus.TENTATIVE)
    flags = _SIMULATED * simulated | _LAST * (status == TrackStatus.DROPPED) | _FIRST * is_first
    coasted = _COASTED * (status == TrackStatus.COASTING) | _NO_RADAR
    return bytes([_GEOMETRIC | _TRIANGULATED | tentative | _MORE, flags | _MORE, _MORE, coasted])


def _accuracies(sigma: list[float], lat_deg: float) -> bytes:
    """I062/500 with subfields 3 (APW), 4 (AGA), 6 (ATV) and 8 (ARC), each at its largest number or below."""
    metres_per_degree = 111_319.5
    lon_m = metres_per_degree * max(float(np.cos(np.radians(lat_deg))), 1e-3)
    apw = (sigma[1] / metres_per_degree / ANGLE_LSB_DEG, sigma[0] / lon_m / ANGLE_LSB_DEG)
    small = (sigma[2] / HEIGHT_LSB_M, sigma[3] / SPEED_LSB_M_S, sigma[4] / SPEED_LSB_M_S, sigma[5] / CLIMB_LSB_M_S)
    wide = struct.pack(">HH", *(min(_round(value), 0xFFFF) for value in apw))
    return bytes([0b00110101, 0b10000000]) + wide + bytes(min(_round(value), 0xFF) for value in small)


def _round(value: float) -> int:
    return int(np.floor(value + 0.5))
