"""Orbit Mean-Elements Messages (CCSDS 502.0-B-3) in XML, CSV or JSON, as Space-Track and CelesTrak give them.

The elements are those of sgp4, like a two-line set without its limits on digits and catalogue numbers. The package
``sgp4`` reads the XML and the CSV and sets up its propagator; here the object is found and bad files are explained.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sgp4 import omm
from sgp4.api import Satrec

_NAMES = ("OBJECT_NAME", "OBJECT_ID", "NORAD_CAT_ID")

# Absent is fine (CelesTrak leaves them out); anything else is another kind of elements.
_MEANT = {"CENTER_NAME": "EARTH", "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC"}

# What a propagation does not need, for messages that leave it out.
_DEFAULTS = {
    "CLASSIFICATION_TYPE": "U",
    "OBJECT_ID": "",
    "EPHEMERIS_TYPE": "0",
    "ELEMENT_SET_NO": "0",
    "REV_AT_EPOCH": "0",
}


def read_omm(source: Path | str, name: str = "") -> Satrec:
    """Read the elements of one object.

    Parameters
    ----------
    source : Path or str
        File, or the text itself.
    name : str
        Name, international designator or catalogue number of the object; may be left out if there is only one.

    Returns
    -------
    Satrec
        Propagator of sgp4 with these elements.

    Raises
    ------
    ValueError
        If the text is no such message, the object is not in it or not alone of its name, or its elements are
        incomplete or not those of sgp4.
    OSError
        If the file cannot be read.
    """
    where, text = (str(source), source.read_text("utf-8", "replace")) if isinstance(source, Path) else ("OMM", source)
    objects = [{key: str(value).strip() for key, value in fields.items()} for fields in _parse(text, where)]
    fields = _choose(objects, name, where)
    where = f"{where}: {fields.get('OBJECT_NAME', 'object')}"
    for key, meant in _MEANT.items():
        if fields.get(key, meant).upper() != meant:
            raise ValueError(f"{where}: {key} wanted {meant}, got {fields[key]}; give elements made for sgp4")
    if not fields.get("MEAN_ELEMENT_THEORY", "SGP4").upper().startswith("SGP"):
        raise ValueError(f"{where}: MEAN_ELEMENT_THEORY wanted SGP4, got {fields['MEAN_ELEMENT_THEORY']}")
    record = Satrec()
    try:
        epoch = datetime.fromisoformat(fields["EPOCH"].removesuffix("Z")).strftime("%Y-%m-%dT%H:%M:%S.%f")
        # The package holds catalogue numbers up to 339999 only; the orbit does not depend on them.
        omm.initialize(record, {**_DEFAULTS, **fields, "EPOCH": epoch, "NORAD_CAT_ID": "0"})
    except KeyError as error:
        raise ValueError(f"{where}: {error.args[0]} is missing; save the whole message") from None
    except ValueError as error:
        raise ValueError(f"{where}: an element is not readable ({error}); save the message anew") from None
    return record


def _parse(text: str, where: str) -> list[Mapping[str, Any]]:
    start = text.lstrip("\ufeff \t\r\n")
    rows: Iterable[Any]
    try:
        if start.startswith("<"):
            rows = list(omm.parse_xml(StringIO(start)))
        elif start.startswith(("[", "{")):
            found = json.loads(start)
            rows = found if isinstance(found, list) else [found]
        else:
            rows = list(csv.DictReader(StringIO(start)))
    except (ElementTree.ParseError, json.JSONDecodeError, csv.Error, AttributeError, TypeError) as error:
        raise ValueError(f"{where}: wanted an OMM in XML, CSV or JSON, got a broken one ({error})") from None
    objects = [row for row in rows if isinstance(row, Mapping) and "MEAN_MOTION" in row and None not in row]
    if not objects:
        raise ValueError(f"{where}: wanted an OMM in XML, CSV or JSON with mean elements, got {start[:40]!r}")
    return objects


def _choose(objects: list[dict[str, str]], name: str, where: str) -> dict[str, str]:
    known = ", ".join(fields.get("OBJECT_NAME", "?") for fields in objects[:5]) + (", ..." if len(objects) > 5 else "")
    if not name:
        if len(objects) > 1:
            raise ValueError(f"{where}: holds {len(objects)} objects ({known}); say which is wanted")
        return objects[0]
    matching = [fields for fields in objects if name.upper() in [fields.get(key, "").upper() for key in _NAMES]]
    if len(matching) != 1:
        raise ValueError(
            f"{where}: wanted one object {name!r}, got {len(matching)} among {len(objects)} ({known}); "
            "a catalogue number is unique"
        )
    return matching[0]
