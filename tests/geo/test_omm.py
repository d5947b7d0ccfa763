"""Orbit Mean-Elements Messages: three notations of one orbit, against two-line elements and skyfield; bad files."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load
from skyfield.framelib import itrs

from lookdown.geo.orbit import Sgp4Orbit

SECOND = 10**9
TLE = (
    "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
    "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
)
STATION = {
    "OBJECT_NAME": "ISS (ZARYA)",
    "OBJECT_ID": "1998-067A",
    "EPOCH": "2019-12-09T16:38:29.363424",
    "MEAN_MOTION": 15.50103472,
    "ECCENTRICITY": 0.0007417,
    "INCLINATION": 51.6439,
    "RA_OF_ASC_NODE": 211.2001,
    "ARG_OF_PERICENTER": 17.6667,
    "MEAN_ANOMALY": 85.6398,
    "EPHEMERIS_TYPE": 0,
    "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": 25544,
    "ELEMENT_SET_NO": 999,
    "REV_AT_EPOCH": 20248,
    "BSTAR": 0.38792e-4,
    "MEAN_MOTION_DOT": 0.00001764,
    "MEAN_MOTION_DDOT": 0,
}
# A catalogue number that no two-line set can hold.
NEW = {
    **STATION,
    "OBJECT_NAME": "LOOKDOWN 7",
    "OBJECT_ID": "2019-900G",
    "NORAD_CAT_ID": 799500766,
    "INCLINATION": 98.6,
    "MEAN_MOTION": 14.2,
}
META = {"CENTER_NAME": "EARTH", "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC", "MEAN_ELEMENT_THEORY": "SGP4"}


def as_csv(*objects: dict[str, object]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, list(objects[0]))
    writer.writeheader()
    writer.writerows(objects)
    return text.getvalue()


def as_xml(*objects: dict[str, object]) -> str:
    def tags(fields: dict[str, object], *names: str) -> str:
        return "".join(f"<{name}>{fields[name]}</{name}>" for name in names if name in fields)

    def message(fields: dict[str, object]) -> str:
        fields = {**META, **fields}
        names = list(fields)
        elements, rest = (
            names[names.index("EPOCH") : names.index("EPHEMERIS_TYPE")],
            names[names.index("EPHEMERIS_TYPE") :],
        )
        return (
            '<omm id="CCSDS_OMM_VERS" version="2.0"><header><CREATION_DATE/><ORIGINATOR/></header><body><segment>'
            f"<metadata>{tags(fields, 'OBJECT_NAME', 'OBJECT_ID', *META)}</metadata>"
            f"<data><meanElements>{tags(fields, *elements)}</meanElements>"
            f"<tleParameters>{tags(fields, *rest)}</tleParameters></data></segment></body></omm>"
        )

    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ndm>{"".join(message(fields) for fields in objects)}</ndm>'


def as_json(*objects: dict[str, object]) -> str:
    return json.dumps([{**META, **fields} for fields in objects])


@pytest.mark.parametrize("notation", [as_csv, as_xml, as_json])
def test_the_three_notations_give_the_orbit_of_the_two_line_set(notation: object, tmp_path: Path) -> None:
    path = tmp_path / "elements"
    path.write_text(notation(STATION, NEW), encoding="utf-8")
    plain = Sgp4Orbit(*TLE)
    times = plain.epoch_ns + np.arange(0, 86400, 600) * SECOND
    for name in ("ISS (ZARYA)", "iss (zarya)", "1998-067A", "25544"):
        orbit = Sgp4Orbit.from_omm(path, name)
        assert abs(orbit.epoch_ns - plain.epoch_ns) < 2000
        # The two-line set rounds its epoch to half a millisecond: up to 4 m along the orbit.
        assert np.linalg.norm(orbit.state(times)[0] - plain.state(times)[0], axis=-1).max() < 5.0


@pytest.mark.parametrize("fields", [STATION, NEW], ids=["station", "sun-synchronous"])
def test_positions_agree_with_skyfield_to_5_metres(fields: dict[str, object]) -> None:
    timescale = load.timescale(builtin=True, delta_t=32.184 + 37.0)
    # The reader of the package behind skyfield holds catalogue numbers of six characters at most.
    known = {**fields, "NORAD_CAT_ID": 25544}
    theirs = EarthSatellite.from_omm(timescale, {name: str(value) for name, value in known.items()})
    minutes = np.arange(0, 1441, 7)
    times = timescale.tt_jd(theirs.epoch.whole, theirs.epoch.tt_fraction + minutes / 1440.0)
    orbit = Sgp4Orbit.from_omm(as_json(fields))
    position, _ = orbit.state(orbit.epoch_ns + minutes * 60 * SECOND)
    assert np.linalg.norm(position - theirs.at(times).frame_xyz(itrs).m.T, axis=-1).max() < 5.0


def test_one_object_needs_no_name_and_what_says_nothing_may_be_missing() -> None:
    small = {name: value for name, value in STATION.items() if name not in ("ELEMENT_SET_NO", "REV_AT_EPOCH")}
    small["EPOCH"] = "2019-12-09T16:38:29Z"
    position, _ = Sgp4Orbit.from_omm(json.dumps(small)).state(Sgp4Orbit(*TLE).epoch_ns)
    assert np.linalg.norm(position) == pytest.approx(6.79e6, rel=5e-3)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (as_csv(STATION, NEW), "", r"holds 2 objects \(ISS \(ZARYA\), LOOKDOWN 7\); say which"),
        (as_csv(STATION, NEW), "HUBBLE", "wanted one object 'HUBBLE', got 0 among 2"),
        (as_csv(STATION, STATION), "25544", "got 2 among 2"),
        (as_xml(STATION)[:-30], "", "got a broken one"),
        (as_json(STATION)[:-30], "", "got a broken one"),
        ("no such thing", "", "wanted an OMM in XML, CSV or JSON"),
        ("", "", "wanted an OMM in XML, CSV or JSON"),
        ("<html><body>503</body></html>", "", "wanted an OMM in XML, CSV or JSON"),
        (as_json({**STATION, "REF_FRAME": "EME2000"}), "", "REF_FRAME wanted TEME, got EME2000"),
        (as_json({**STATION, "MEAN_ELEMENT_THEORY": "DSST"}), "", "MEAN_ELEMENT_THEORY wanted SGP4"),
        (as_json({**STATION, "EPOCH": "yesterday"}), "", "not readable"),
        (as_json({**STATION, "ECCENTRICITY": "much"}), "", "not readable"),
        (as_json({name: value for name, value in STATION.items() if name != "BSTAR"}), "", "BSTAR is missing"),
        (as_json({**STATION, "MEAN_MOTION": 18.0}), "", "orbit inside the Earth|refused by sgp4"),
        (as_json({**STATION, "ECCENTRICITY": "nan"}), "", "orbit inside the Earth|refused by sgp4"),
    ],
)
def test_bad_messages_are_one_clear_line(text: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Sgp4Orbit.from_omm(text, name)
    assert "\n" not in str(caught.value)
