"""GeoJSON (RFC 7946): a feature a track, or a feature a point for live streams.

Positions are [longitude, latitude, height above the ellipsoid] in degrees and metres, WGS-84 (RFC 7946, 4); lines that
cross the antimeridian are cut there (3.1.9). Angles have 1e-7 deg, heights hundredths of a metre.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from lookdown.ground.outputs.points import Int, Points, groups_of
from lookdown.wire.messages import Kind, TrackStatus


def geojson_features(points: Points) -> Iterator[bytes]:
    """Yield a feature with a point for each row, one line of JSON each: a sequence for live streams."""
    for row in range(len(points)):
        geometry = {"type": "Point", "coordinates": _positions(points, np.array([row]))[0]}
        yield json.dumps(_feature(points, np.array([row]), geometry), separators=(",", ":")).encode()


def geojson_collection(points: Points) -> bytes:
    """Return a FeatureCollection with a line for each track (a point for a track of one update)."""
    features = []
    for rows in groups_of(points.track_id):
        positions = _positions(points, rows)
        parts = _cut(positions)
        geometry: dict[str, Any]
        if len(rows) == 1:
            geometry = {"type": "Point", "coordinates": positions[0]}
        elif len(parts) == 1:
            geometry = {"type": "LineString", "coordinates": parts[0]}
        else:
            geometry = {"type": "MultiLineString", "coordinates": parts}
        feature = _feature(points, rows, geometry)
        feature["properties"]["times"] = [_iso(ns) for ns in points.unix_ns[rows].tolist()]
        features.append(feature)
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")).encode()


def _feature(points: Points, rows: Int, geometry: dict[str, Any]) -> dict[str, Any]:
    last = int(rows[-1])
    east, north, up = points.velocity_enu_m_s[last].tolist()
    kind = points.best_kind(last)
    properties = {
        "track_id": int(points.track_id[last]),
        "time": _iso(int(points.unix_ns[last])),
        "status": TrackStatus(int(points.status[last])).name.lower(),
        "speed_m_s": round(float(np.hypot(east, north)), 2),
        "course_deg": round(float(np.degrees(np.arctan2(east, north))) % 360.0, 2),
        "climb_m_s": round(up, 2),
        "sigma_m": round(float(points.horizontal_sigma_m[last]), 2),
        "sigma_height_m": round(float(points.sigma_enu[last, 2]), 2),
        "score": round(float(points.score[last]), 2),
        "kind": None if kind is None else kind.name.lower(),
        "kinds": {kind.name.lower(): round(float(points.kind[last, kind]), 4) for kind in Kind},
    }
    return {"type": "Feature", "id": int(points.track_id[last]), "geometry": geometry, "properties": properties}


def _positions(points: Points, rows: Int) -> list[list[float]]:
    lon, lat = np.round(points.lon_deg[rows], 7), np.round(points.lat_deg[rows], 7)
    return [
        list(place) for place in zip(*(a.tolist() for a in (lon, lat, np.round(points.height_m[rows], 2))), strict=True)
    ]


def _cut(positions: list[list[float]]) -> list[list[list[float]]]:
    """Cut a line at the antimeridian; both parts end on it, at the height and latitude between."""
    parts, part = [], positions[:1]
    for before, after in pairwise(positions):
        if abs(after[0] - before[0]) > 180.0:
            edge = 180.0 if before[0] > 0.0 else -180.0
            share = (edge - before[0]) / (after[0] + 2.0 * edge - before[0])
            between = [round(b + share * (a - b), 7) for b, a in zip(before[1:], after[1:], strict=True)]
            parts.append([*part, [edge, *between]])
            part = [[-edge, *between]]
        part.append(after)
    return [*parts, part]


def _iso(unix_ns: int) -> str:
    return f"{np.datetime64(unix_ns // 10**6, 'ms')}Z"
