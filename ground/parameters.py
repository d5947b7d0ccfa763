"""Parameters of ingest and fusion: one flat frozen dataclass, read from TOML or given as keywords."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from lookdown.ground.roads import RoadConfig
from lookdown.ground.sky import Star, catalogue

MOTIONS = ("level", "turn", "ballistic", "surface", "steady_glide", "turning_glide")
_SIGNED = "min_height_m", "drop_score", "irradiance_per_dn_w_m2", "clock_ahead_s", "surface_height_m"


@dataclass(frozen=True)
class SensorField:
    """One sensor whose reports are expected, and how far its focal plane reaches.

    Attributes
    ----------
    sensor_id : int
        Identity of the sensor.
    rows, cols : int
        Size of its focal plane [px]; with the ``ifov_rad`` of a report it gives the field of view.
    radar : str
        Of a radar whose movers it is set to find: ``air`` or ``surface``; empty for a focal plane.
    """

    sensor_id: int
    rows: int = 512
    cols: int = 640
    radar: Literal["", "air", "surface"] = ""


@dataclass(frozen=True)
class Landmark:
    """A place known beforehand that satellites see as a plot, such as a gas flare or a furnace.

    Attributes
    ----------
    latitude_deg, longitude_deg : float
        WGS-84 [deg].
    height_m : float
        Above the ellipsoid [m].
    sigma_m : float
        One sigma of the place, each axis [m].
    name : str
        For people.
    """

    latitude_deg: float
    longitude_deg: float
    height_m: float = 0.0
    sigma_m: float = 10.0
    name: str = ""


@dataclass(frozen=True)
class Parameters:
    """What ingest and fusion are told; every length in m, speed in m/s, time in s.

    Raises
    ------
    ValueError
        If a value cannot be used; the message names it.
    """

    sensors: tuple[SensorField, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    roads: tuple[RoadConfig, ...] = ()
    stars: tuple[Star, ...] = ()  # that tell where satellites point whose view reaches past the Earth
    star_catalogue: Path | None = None  # more of them: comma-separated, columns ra_deg, dec_deg, pm_ra_mas_yr ...
    star_sigma_rad: float = 2e-6  # one sigma of their places, common to all: catalogue, polar motion, UT1

    # Ingest
    hold_s: float = 10.0  # data time for which a sensor that lags is waited for
    clock_ahead_s: float = 0.0  # that data time may be after its receipt; 0: receipt is not looked at (simulated time)
    late_s: float = 5.0  # a report so much older than what was fused still counts: fusion goes back for it
    late_every_s: float = 1.0  # data time for which late reports are gathered, since going back costs
    max_gap_s: float = 60.0  # longest silence of a sensor before its time is doubted
    min_altitude_m: float = 200e3  # of a sensor, over the ellipsoid
    max_altitude_m: float = 40_000e3
    max_height_m: float = 100e3  # top of the air that a sight must meet and a mover may fly in
    min_height_m: float = -1e3  # the lowest land lies 0.4 km below the ellipsoid
    max_plots: int = 200  # of a report, strongest first; the rest is counted

    # Measurement
    centroid_floor_px: float = 0.1  # smallest sigma believed of a centroid
    pointing_correlation_s: float = 100.0  # memory of the pointing error of a satellite
    estimate_pointing: bool = True  # learn it from what several satellites see and from landmarks; False: allow for it
    probability_of_detection: float = 0.7
    false_plots_per_frame: float = 10.0

    # Radar
    radar_detection: float = 0.8  # probability
    radar_false_plots: float = 1.0  # of a report
    radar_height_m: float = 8e3  # of aircraft, for plots without elevation; at first
    radar_height_sigma_m: float = 4e3
    radar_tentative_s: float = 15.0  # a tentative track of a radar needs a hit within this time

    # Movers on the ground
    surface_height_m: float = 0.0  # of the ground over the ellipsoid, off the roads
    surface_height_sigma_m: float = 50.0
    surface_noise_m2_s3: float = 1.0  # spectral density of a vehicle's acceleration while it is seen
    surface_speed_sigma_m_s: float = 12.0  # of a vehicle of which nothing is known
    surface_stop_s: float = 20.0  # time in which the speed of one that is not seen fades
    surface_confirm_hits: int = 3
    surface_confirm_score: float = 8.0
    surface_drop_after_s: float = 300.0  # custody of one that is not seen ends

    # Motion
    process_noise_m2_s3: float = 50.0  # spectral density of white acceleration, each axis; 13 m/s^2 weaves are followed
    initial_speed_sigma_m_s: float = 3000.0  # each axis; Mach 20 is 2.3 sigma
    max_speed_m_s: float = 8000.0

    model: Literal["constant_velocity", "multiple"] = "constant_velocity"
    motions: tuple[str, ...] = MOTIONS  # of the multiple models

    # Association and initiation
    association: Literal["nearest", "jpda"] = "nearest"  # confirmed tracks: one plot each, or all of the gate
    gate_probability: float = 0.999
    pair_window_s: float = 0.15  # longest time between the frames of two satellites that may start a track
    settle_s: float = 1.0  # after a background began anew, plots are drawn off where movers stood: none starts a track
    max_pair_plots: int = 48  # unassociated plots of a report that may start tracks, strongest first
    max_tentative: int = 150  # tentative tracks kept, best score first
    single_tracks: bool = True  # where one satellite looks alone, its plots start tracks; for one model of motion
    max_single: int = 50  # of these, best score first

    # Life cycle
    confirm_score: float = 20.0  # log-likelihood ratio
    drop_score: float = -3.0
    max_score: float = 80.0
    confirm_hits: int = 6  # of the last confirm_looks frames that should have seen it
    confirm_looks: int = 10
    confirm_after_s: float = 1.0  # least age
    confirm_hits_per_sensor: int = 3  # of each of at least two sensors
    min_speed_m_s: float = 30.0
    speed_significance: float = 5.0  # speed over its own sigma
    max_position_sigma_m: float = 3000.0
    clutter_top_m: float = 15e3  # highest cloud whose edge may pose as a mover
    min_displacement_m: float = 200.0  # motion that each sensor must have seen, beyond any standing point
    tentative_s: float = 2.0  # a tentative track needs hits of two sensors within this time
    coast_after_s: float = 1.0
    drop_after_s: float = 15.0
    merge_distance_m: float = 150.0
    merge_speed_m_s: float = 30.0

    # Kind of target
    irradiance_per_dn_w_m2: float = 0.0  # that a plot's peak of 1 DN stands for; 0: unknown, brightness tells nothing

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            signed = field.name in _SIGNED
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            if plain and not signed and not value > 0:
                raise ValueError(f"{field.name}: wanted a number above 0, got {value!r}")
        if not self.motions or not set(self.motions) <= set(MOTIONS) or len(set(self.motions)) < len(self.motions):
            raise ValueError(f"motions: wanted some of {', '.join(MOTIONS)}, each once, got {self.motions!r}")
        for name in ("probability_of_detection", "gate_probability", "radar_detection"):
            if not getattr(self, name) < 1.0:
                raise ValueError(f"{name}: wanted a probability below 1, got {getattr(self, name)!r}")
        if not 0.0 <= self.clock_ahead_s <= 1e9:
            raise ValueError(f"clock_ahead_s: wanted 0 to 1e9 seconds, got {self.clock_ahead_s!r}")
        if not 0.0 <= self.irradiance_per_dn_w_m2 < 1.0:
            raise ValueError(f"irradiance_per_dn_w_m2: wanted 0 or more, below 1, got {self.irradiance_per_dn_w_m2!r}")
        if self.min_altitude_m >= self.max_altitude_m:
            raise ValueError(
                f"min_altitude_m and max_altitude_m: wanted the first below the second, "
                f"got {self.min_altitude_m} and {self.max_altitude_m}"
            )
        ids = [sensor.sensor_id for sensor in self.sensors]
        if len(set(ids)) < len(ids):
            raise ValueError(f"sensors: wanted each sensor_id once, got {ids}")
        for sensor in self.sensors:
            if not 1 <= sensor.sensor_id <= 65535 or sensor.rows < 1 or sensor.cols < 1:
                raise ValueError(f"sensors: wanted sensor_id 1 to 65535, rows and cols of 1 or more, got {sensor}")
            if sensor.radar == "air" and self.model != "constant_velocity":
                raise ValueError(
                    f"sensors: wanted model = 'constant_velocity' beside the radar {sensor.sensor_id} of the air, "
                    f"whose plots feed that model alone, got {self.model!r}"
                )
        if self.has_stars:
            catalogue(self.stars, self.star_catalogue)  # refuses what is none
        for place in self.landmarks:
            if not (abs(place.latitude_deg) <= 90.0 and abs(place.longitude_deg) <= 360.0 and place.sigma_m > 0.0):
                raise ValueError(f"landmarks: wanted degrees and sigma_m above 0, got {place}")
            if not self.min_height_m <= place.height_m <= self.max_height_m:
                raise ValueError(f"landmarks: wanted height_m from min_height_m to max_height_m, got {place}")

    @property
    def has_stars(self) -> bool:
        """Whether plots that look into space may tell where satellites point."""
        return self.estimate_pointing and (bool(self.stars) or self.star_catalogue is not None)
