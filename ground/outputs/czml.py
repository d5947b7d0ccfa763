"""CZML 1.0: tracks that move on the globe of CesiumJS and of what is built on it.

Specification: "CZML Structure" and "CZML Packet", github.com/AnalyticalGraphicsInc/czml-writer, wiki. The first packet
is the document with its clock; then one packet a track with sampled positions, ECEF (``referenceFrame`` FIXED) in
metres with hundredths, times in seconds after ``epoch``, and a trail. A track counts as there from its first to its
last update.
"""

import json
from typing import Any

import numpy as np

from lookdown.ground.outputs.points import Int, Points, groups_of
from lookdown.wire.messages import Kind, TrackStatus

_COLOURS = {
    Kind.AIRCRAFT: [90, 170, 255, 255],
    Kind.CRUISE: [255, 160, 60, 255],
    Kind.GLIDER: [255, 80, 80, 255],
    Kind.BALLISTIC: [230, 60, 200, 255],
    Kind.SURFACE: [120, 210, 120, 255],
    Kind.STAR: [160, 160, 160, 255],
    Kind.ARTEFACT: [160, 160, 160, 255],
    None: [230, 230, 230, 255],
}
_TRAIL_S = 60.0


def czml_document(points: Points) -> bytes:
    """Return a document of all tracks with their samples."""
    packets = [_preamble(points)]
    packets += [_packet(points, rows) for rows in groups_of(points.track_id)]
    return b"[\n" + b",\n".join(_line(packet) for packet in packets) + b"\n]\n"


def czml_packets(points: Points) -> list[bytes]:
    """Return packets that add one sample to each track, one line of JSON each: a sequence for live streams."""
    return [_line(_packet(points, np.array([row]), growing=True)) for row in range(len(points))]


def _preamble(points: Points) -> dict[str, Any]:
    document: dict[str, Any] = {"id": "document", "name": "lookdown", "version": "1.0"}
    if len(points):
        unix_ns = points.unix_ns
        first, last = _iso(int(unix_ns.min())), _iso(int(unix_ns.max()))
        document["clock"] = {"interval": f"{first}/{last}", "currentTime": first, "multiplier": 1}
    return document


def _packet(points: Points, rows: Int, growing: bool = False) -> dict[str, Any]:
    unix_ns = points.unix_ns[rows]
    last = int(rows[-1])
    kind = points.best_kind(last)
    colour = {"rgba": _COLOURS[kind]}
    name = f"track {points.track_id[last]}"
    seconds = np.round((unix_ns - unix_ns[0]) * 1e-9, 6)
    samples = np.column_stack([seconds, np.round(points.position_m[rows], 2)])
    position = {
        "epoch": _iso(int(unix_ns[0]), "ns"),
        "cartesian": samples.ravel().tolist(),
        "referenceFrame": "FIXED",
        "interpolationAlgorithm": "LINEAR",
        "interpolationDegree": 1,
        "forwardExtrapolationType": "HOLD",
        "forwardExtrapolationDuration": 5.0,
    }
    speed_m_s = float(np.linalg.norm(points.velocity_m_s[last]))
    says = [
        TrackStatus(int(points.status[last])).name.lower(),
        f"{speed_m_s:.0f} m/s, {points.height_m[last] / 1e3:.1f} km",
    ]
    if kind is not None:
        says.append(f"{kind.name.lower()} {points.kind[last, kind]:.2f}")
    packet: dict[str, Any] = {
        "id": f"track-{points.track_id[last]}",
        "name": name,
        "description": "<br>".join(says),
        "position": position,
        "point": {"pixelSize": 8, "color": colour},
        "path": {"width": 2, "leadTime": 0, "trailTime": _TRAIL_S, "material": {"solidColor": {"color": colour}}},
        "label": {"text": name, "font": "12px sans-serif", "pixelOffset": {"cartesian2": [0, -16]}},
    }
    if not growing:
        packet["availability"] = f"{_iso(int(unix_ns[0]))}/{_iso(int(unix_ns[-1]))}"
    return packet


def _line(packet: dict[str, Any]) -> bytes:
    return json.dumps(packet, separators=(",", ":")).encode()


def _iso(unix_ns: int, unit: str = "ms") -> str:
    return f"{np.datetime64(unix_ns, 'ns').astype(f'datetime64[{unit}]')}Z"
