"""Roads out of GeoJSON (RFC 7946): lines of longitude and latitude [deg], with heights or without.

Taken are a ``FeatureCollection``, a ``Feature``, and bare geometries, all of type ``LineString`` or
``MultiLineString``: each line is a road. Lines that share a point join there, as ways of OpenStreetMap do. Of the
properties ``name`` and ``width_m`` are used. JSON needs no more than the standard library.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lookdown.ground.roads import RoadConfig

_LINES = "LineString or MultiLineString"


def read_roads(path: Path, height_m: float = 0.0) -> tuple[RoadConfig, ...]:
    """Read roads.

    Parameters
    ----------
    path : Path
        The file.
    height_m : float
        Height over the ellipsoid of points that have none [m].

    Returns
    -------
    tuple of RoadConfig
        One a line, in order.

    Raises
    ------
    ValueError
        If the file is absent, no GeoJSON, or holds what is no road; the message names feature, line and position.
    """
    try:
        whole = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path of the roads") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: wanted UTF-8 text, octet {error.start} is none") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    roads = []
    for where, feature in _features(whole, str(path)):
        properties = feature.get("properties") or {}
        if not isinstance(properties, dict):
            raise ValueError(f"{where}: wanted properties as an object, got {_short(properties)}")
        name, width = properties.get("name") or "", properties.get("width_m", RoadConfig.width_m)
        if not _number(width):
            raise ValueError(f"{where}: wanted width_m as a number, got {_short(width)}")
        for place, points in _lines(feature.get("geometry"), where):
            try:
                roads.append(RoadConfig(_positions(points, place, height_m), str(name), float(width)))
            except ValueError as error:
                text = str(error)
                raise ValueError(text if text.startswith(place) else f"{place}: {text}") from None
    if not roads:
        raise ValueError(f"{path}: wanted one {_LINES} or more, got none")
    return tuple(roads)


def _features(whole: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Features and what messages call them; a bare geometry is one."""
    kind = whole.get("type") if isinstance(whole, dict) else None
    if kind == "Feature":
        yield f"{path}: the feature", whole
    elif kind in ("LineString", "MultiLineString"):
        yield f"{path}: the geometry", {"geometry": whole}
    elif kind == "FeatureCollection" and isinstance(whole.get("features"), list):
        for number, feature in enumerate(whole["features"]):
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                raise ValueError(f"{path}: feature {number}: wanted an object of type Feature, got {_short(feature)}")
            name = feature.get("properties", {}) or {}
            name = name.get("name") if isinstance(name, dict) else None
            yield f"{path}: feature {number}" + (f" ({name})" if name else ""), feature
    else:
        raise ValueError(f"{path}: wanted GeoJSON of type FeatureCollection, Feature, {_LINES}, got {_short(whole)}")


def _lines(geometry: Any, where: str) -> Iterator[tuple[str, Any]]:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in ("LineString", "MultiLineString"):
        raise ValueError(f"{where}: wanted a geometry of type {_LINES}, got {_short(kind or geometry)}")
    lines = geometry.get("coordinates")
    if kind == "LineString":
        yield where, lines
        return
    if not isinstance(lines, list) or not lines:
        raise ValueError(f"{where}: wanted coordinates of one line or more, got {_short(lines)}")
    for number, line in enumerate(lines):
        yield f"{where}, line {number}", line


def _positions(points: Any, where: str, height_m: float) -> tuple[tuple[float, float, float], ...]:
    """Latitude, longitude and height of a line's positions."""
    if not isinstance(points, list) or len(points) < 2:
        raise ValueError(f"{where}: wanted coordinates of two positions or more, got {_short(points)}")
    out = []
    for number, point in enumerate(points):
        at = f"{where}, position {number}"
        if not isinstance(point, list) or len(point) < 2 or not all(_number(value) for value in point[:3]):
            raise ValueError(
                f"{at}: wanted finite longitude, latitude and, if there is one, height, got {_short(point)}"
            )
        lon, lat, high = float(point[0]), float(point[1]), float(point[2]) if len(point) > 2 else height_m
        if abs(lat) > 90.0 or abs(lon) > 180.0:
            raise ValueError(
                f"{at}: wanted longitude within 180 and then latitude within 90 degrees, got {_short(point)}"
            )
        if not -1e4 < high < 1e4:
            raise ValueError(f"{at}: wanted a height within 10 km of the ellipsoid, got {high:g}")
        out.append((lat, lon, high))
    return tuple(out)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
