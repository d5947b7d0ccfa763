"""Cursor on Target: one XML event a point, for TAK clients and servers.

Schema: MITRE MP090284, "Cursor on Target Message Router User's Guide" (2009), event schema version 2.0: attributes of
``event`` and of ``point`` (``hae`` [m] above the ellipsoid; ``ce`` and ``le`` one sigma [m]), ``track`` with ``course``
[deg from true north] and ``speed`` [m/s] over the ground. Affiliation is ``u`` (unknown) throughout. Times have
milliseconds, angles 1e-7 deg, lengths and speeds hundredths.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from lookdown.ground.outputs.points import Points
from lookdown.wire.messages import Kind, TrackStatus

_UNKNOWN_AIR = "a-u-A"
_TYPES = {
    Kind.AIRCRAFT: "a-u-A",
    Kind.CRUISE: "a-u-A-W-M",
    Kind.GLIDER: "a-u-A-W-M",
    Kind.BALLISTIC: "a-u-A-W-M",
    Kind.SURFACE: "a-u-G",
    Kind.STAR: "a-u-X",
    Kind.ARTEFACT: "a-u-X",
}
_SURE = 0.7  # posterior from which on the type says the kind


@dataclass(frozen=True)
class CotOptions:
    """How events are told.

    Attributes
    ----------
    prefix : str
        Of the uid of a track, which is prefix, hyphen, identity.
    stale_s : float
        How long an event is good for [s].
    simulated : bool
        Whether ``how`` says simulated (m-s) instead of fused (m-f).
    """

    prefix: str = "lookdown"
    stale_s: float = 15.0
    simulated: bool = False


def cot_events(points: Points, options: CotOptions) -> Iterator[bytes]:
    """Yield events, one a point, without line feeds.

    Parameters
    ----------
    points : Points
        What to tell, in order.
    options : CotOptions
        Names and times.
    """
    sigma_m, sigma = points.horizontal_sigma_m, points.sigma_enu
    for row in range(len(points)):
        unix_ns = int(points.unix_ns[row])
        east, north, up = points.velocity_enu_m_s[row].tolist()
        kind, sure = points.best_kind(row), points.best_kind(row, _SURE)
        track = f"{options.prefix}-{points.track_id[row]}"
        gone = points.status[row] == TrackStatus.DROPPED
        event = ElementTree.Element(
            "event",
            version="2.0",
            uid=track,
            type=_UNKNOWN_AIR if sure is None else _TYPES[sure],
            how="m-s" if options.simulated else "m-f",
            time=_iso(unix_ns),
            start=_iso(unix_ns),
            stale=_iso(unix_ns + (0 if gone else round(options.stale_s * 1e9))),
        )
        ElementTree.SubElement(
            event,
            "point",
            lat=f"{points.lat_deg[row]:.7f}",
            lon=f"{points.lon_deg[row]:.7f}",
            hae=f"{points.height_m[row]:.2f}",
            ce=f"{sigma_m[row]:.2f}",
            le=f"{sigma[row, 2]:.2f}",
        )
        detail = ElementTree.SubElement(event, "detail")
        ElementTree.SubElement(detail, "contact", callsign=track)
        course_deg = float(np.degrees(np.arctan2(east, north))) % 360.0
        ElementTree.SubElement(detail, "track", course=f"{course_deg:.2f}", speed=f"{np.hypot(east, north):.2f}")
        ElementTree.SubElement(detail, "precisionlocation", altsrc="CALC", geopointsrc="CALC")
        says = (
            f"{TrackStatus(int(points.status[row])).name.lower()}, score {points.score[row]:.0f}, climb {round(up)} m/s"
        )
        if kind is not None:
            says = f"{kind.name.lower()} {points.kind[row, kind]:.2f}, {says}"
        ElementTree.SubElement(detail, "remarks").text = says
        yield ElementTree.tostring(event, encoding="utf-8", xml_declaration=True).replace(b"\n", b"")


def _iso(unix_ns: int) -> str:
    return f"{np.datetime64(unix_ns // 10**6, 'ms')}Z"
