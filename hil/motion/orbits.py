"""Orbits of a scenario: circular elements, two-line elements, mean elements of a file, or a slot of a constellation."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from lookdown.geo.earth import SEMI_MAJOR_AXIS_M
from lookdown.geo.orbit import KeplerJ2Orbit, Orbit, Sgp4Orbit, parse_walker
from lookdown.geo.timescale import utc_from_tai_ns
from lookdown.hil.settings import require

OLDEST_ELEMENTS_DAYS = 60.0
"""Time between mean elements and the scenario from which on sgp4 is off by more than it is worth (1 to 3 km a day)."""

_FORMS = {
    "altitude_m, inclination_deg, raan_deg, argument_of_latitude_deg": (
        {"altitude_m", "inclination_deg", "raan_deg", "argument_of_latitude_deg"},
        set(),
    ),
    "tle = [line1, line2]": ({"tle"}, set()),
    "omm = FILE (and object)": ({"omm"}, {"object"}),
    "walker = 'i:T/P/F', altitude_m (and slot)": ({"walker", "altitude_m"}, {"slot"}),
}
"""The forms of an orbit: what each needs and what it may have."""


@dataclass(frozen=True)
class OrbitConfig:
    """Orbit of a satellite, in exactly one of four forms.

    Attributes
    ----------
    altitude_m : float or None
        Height of a circular orbit over the equatorial radius [m].
    inclination_deg, raan_deg, argument_of_latitude_deg : float or None
        Elements of a circular orbit at the scenario's start, inertial axes of date [deg].
    tle : tuple of str or None
        Two-line elements.
    omm : Path or None
        File of Orbit Mean-Elements Messages in XML, CSV or JSON.
    object : str
        Name, designator or catalogue number of the satellite in ``omm``; may be left out if there is only one.
    walker : str
        Constellation ``i:T/P/F`` whose first satellite crosses its node at right ascension 0 at the scenario's start.
    slot : int
        Which of its satellites, from 0, plane by plane.
    """

    altitude_m: float | None = None
    inclination_deg: float | None = None
    raan_deg: float | None = None
    argument_of_latitude_deg: float | None = None
    tle: tuple[str, str] | None = None
    omm: Path | None = None
    object: str = ""
    walker: str = ""
    slot: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no orbit, or two."""
        given = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        if not any(needed <= given <= needed | optional for needed, optional in _FORMS.values()):
            raise ValueError(
                f"orbit: wanted one of these forms: {'; '.join(_FORMS)}; "
                f"got {', '.join(sorted(given)) or 'nothing'}; give one of them whole"
            )
        for name in ("altitude_m", "inclination_deg", "raan_deg", "argument_of_latitude_deg"):
            value = getattr(self, name)
            require(self, (name, value is None or bool(np.isfinite(value)), "a finite number"))
        if self.altitude_m is not None and not self.altitude_m > 0.0:
            raise ValueError(
                f"orbit inside the Earth: altitude_m wanted above 0 (over the radius of "
                f"{SEMI_MAJOR_AXIS_M / 1e3:.0f} km), got {self.altitude_m}; raise it"
            )
        self._build(0)

    def orbit(self, start_ns: int) -> Orbit:
        """Orbit of a scenario that starts at a time.

        Parameters
        ----------
        start_ns : int
            Start of the scenario, TAI [ns]: the epoch of circular elements and of constellations.

        Raises
        ------
        ValueError
            If mean elements are of a time far from the start, or their file has changed and does not serve any more.
        """
        orbit = self._build(start_ns)
        if isinstance(orbit, Sgp4Orbit):
            age_days = (start_ns - orbit.epoch_ns) / 86400e9
            if abs(age_days) > OLDEST_ELEMENTS_DAYS:
                raise ValueError(
                    f"orbit: wanted elements within {OLDEST_ELEMENTS_DAYS:.0f} days of the start, got those of "
                    f"{utc_from_tai_ns(orbit.epoch_ns):%Y-%m-%d}, {abs(age_days):.0f} days "
                    f"{'before' if age_days > 0 else 'after'} it; take others or move the start"
                )
        return orbit

    def _build(self, start_ns: int) -> Orbit:
        if self.tle is not None:
            return Sgp4Orbit(*self.tle)
        if self.omm is not None:
            try:
                return Sgp4Orbit.from_omm(self.omm, self.object)
            except OSError as error:
                raise ValueError(f"omm: {self.omm} cannot be read ({error.strerror}); check the path") from None
        assert self.altitude_m is not None
        if self.walker:
            satellites = parse_walker(self.walker, self.altitude_m, start_ns)
            require(self, ("slot", 0 <= self.slot < len(satellites), f"0 to {len(satellites) - 1}"))
            return satellites[self.slot]
        elements = (self.inclination_deg, self.raan_deg, self.argument_of_latitude_deg)
        inclination, node, along = (float(np.radians(value or 0.0)) for value in elements)
        return KeplerJ2Orbit(SEMI_MAJOR_AXIS_M + self.altitude_m, inclination, node, along, start_ns)
