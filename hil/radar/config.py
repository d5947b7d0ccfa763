"""What a scenario says of the radar that its radar satellites carry."""

from dataclasses import dataclass, field, fields
from typing import Literal

from lookdown.hil.radar.settings import Clutter, Radar
from lookdown.hil.settings import require

RCS_M2 = {
    "airliner": 40.0,
    "fighter": 6.0,
    "cruise_missile": 0.5,
    "hypersonic_glider": 0.5,
    "ballistic": 1.0,
    "vehicle": 100.0,
    "ship": 1000.0,
    "recorded": 40.0,
}
"""Mean radar cross-sections by kind of mover: order-of-magnitude values of Skolnik 2001, table 2.2 [m^2]."""

_OF_THE_ORBIT = ("speed_mps", "first_range_m")


@dataclass(frozen=True)
class RadarConfig:
    """The radar of every radar satellite: its array, what it sees of the ground, and its link budget.

    The array lies along +x of the sensor's axes, the beam along +z.

    Attributes
    ----------
    instrument : Radar
        Array, waveform and size of an interval; its speed and first range follow from the orbit.
    clutter : Clutter
        The ground in every interval.
    snr_db : float
        Signal to noise of 1 m^2 at ``range_m`` in the middle of the beam, in a channel, pulse and compressed cell [dB].
    range_m : float
        Range of ``snr_db``; power falls with its fourth power [m].
    swerling : int
        How targets fluctuate, a case from 0 to 4; each interval is drawn anew.
    clutter_speed_m_s : float
        A mover with less range rate over the ground has no chance to be told from it: it is scored as hidden [m/s].
    movers : str
        What the ground takes its plots for: ``air`` or ``surface``.
    """

    instrument: Radar = field(default_factory=Radar)
    clutter: Clutter = field(default_factory=Clutter)
    snr_db: float = -10.0
    range_m: float = 1e6
    swerling: int = 1
    clutter_speed_m_s: float = 12.0
    movers: Literal["air", "surface"] = "air"

    def __post_init__(self) -> None:
        """Refuse a radar that cannot be, or is told what its orbit says."""
        for f in fields(Radar):
            if f.name in _OF_THE_ORBIT and getattr(self.instrument, f.name) != f.default:
                raise ValueError(f"instrument: {f.name} follows from the orbit, got one; leave it out")
        depth_m = (self.instrument.ranges + self.instrument.pulse_s * self.instrument.sample_rate_hz) * (
            self.instrument.cell_m
        )
        require(
            self,
            ("snr_db", abs(self.snr_db) <= 200.0, "-200 to 200"),
            ("range_m", 0.0 < self.range_m < 1e9, "above 0, below 1e9"),
            ("swerling", self.swerling in range(5), "a case from 0 to 4"),
            ("clutter_speed_m_s", 0.0 <= self.clutter_speed_m_s < 1e4, "0 or more, below 1e4"),
        )
        if depth_m > self.instrument.unambiguous_range_m:
            raise ValueError(
                f"instrument: {self.instrument.ranges} range cells and the pulse span {depth_m / 1e3:.1f} km, wanted "
                f"no more than the unambiguous {self.instrument.unambiguous_range_m / 1e3:.1f} km; lower either"
            )
