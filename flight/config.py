"""Configuration of one onboard process: one frozen tree, read from TOML.

Every default makes sense for any sensor; what a sensor must state is its size, its optics (`psf_sigma_px`) and, when
it is live, its endpoints. `config/flight.toml` is the commented example.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from lookdown.flight.bands import MOST_THREADS
from lookdown.flight.radar.config import RadarParameters, RadarSensorConfig
from lookdown.wire.security import SecurityConfig

SUPPRESSIONS = "recursive", "median", "double_difference", "top_hat"
"""What may take the background away (`lookdown.flight.suppression`)."""

STARS = "drop", "report"
"""What becomes of plots that are stars (`lookdown.flight.stars`)."""


@dataclass(frozen=True, slots=True)
class MultiFrameParameters:
    """Parameters of the multi-frame stage (`lookdown.flight.multiframe`).

    Attributes
    ----------
    enabled : bool
        The stage runs.
    frames : int
        Frames of a window: 4, 8, 16 or 32.
    every : int
        Frames from one window to the next, 1 to ``frames``.
    max_velocity_px : float
        Largest velocity against the background along an axis, 0.25 to 4 [px/frame].
    min_velocity_px : float
        Smallest speed of a path, 0 or more: what the background has not learnt yet stands still [px/frame].
    """

    enabled: bool = False
    frames: int = 16
    every: int = 8
    max_velocity_px: float = 2.0
    min_velocity_px: float = 0.15

    def __post_init__(self) -> None:
        """Refuse values with which there is no window."""
        wanted = (
            ("frames", self.frames in (4, 8, 16, 32), "4, 8, 16 or 32"),
            ("every", 1 <= self.every <= self.frames, f"1 to {self.frames}, the frames of a window"),
            ("max_velocity_px", 0.25 <= self.max_velocity_px <= 4.0, "0.25 to 4"),
            ("min_velocity_px", 0.0 <= self.min_velocity_px < self.max_velocity_px, "0 to below max_velocity_px"),
        )
        for name, good, want in wanted:
            if not good:
                raise ValueError(f"{name}: wanted {want}, got {getattr(self, name)}; change it in [chain.multi_frame]")


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """Parameters of the infrared chain.

    Attributes
    ----------
    threshold : float
        Smallest calibrated SNR of a plot [1]; 5 means about 6e-7 false pixels per pixel and frame on any scene.
    max_plots : int
        Plots that a report may hold; the weakest beyond are counted and left out.
    psf_sigma_px : float
        One sigma of the point-spread function, optics and detector together [px].
    suppression : str
        What takes the background away: ``recursive`` (mean and noise that follow the ground), ``median`` (of the five
        frames before), ``double_difference`` (from two frames before) or ``top_hat`` (the frame alone).
    background_frames : int
        Memory of the background's recursive mean and variance, 2 to 255 [frames].
    window_px, guard_px : int
        Odd sides of the window whose ring gives the local noise, and of its guard about the cell under test [px].
    reach_px : int
        How far a target may move against the background in a frame, along rows and along columns, 1 to 64 [px].
    one_frame_plots : bool
        Report what stands out in one frame alone, too: flashes, hits of particles, single pixels.
    stars : str
        What becomes of stars above the limb, which pointing tells: ``drop``, or ``report``, flagged.
    background_height_m : float
        Height above the ellipsoid of the surface that fills the view, for the shift predicted from pointing [m].
    threads : int
        Threads that share a frame, band of rows by band, 1 to 64; the results are the same bytes for any number.
    multi_frame : MultiFrameParameters
        Targets too weak for one frame; off unless it is enabled.
    """

    threshold: float = 5.0
    max_plots: int = 256
    psf_sigma_px: float = 0.9
    suppression: str = "recursive"
    background_frames: int = 100
    window_px: int = 17
    guard_px: int = 7
    reach_px: int = 8
    one_frame_plots: bool = False
    stars: str = "drop"
    background_height_m: float = 0.0
    threads: int = 1
    multi_frame: MultiFrameParameters = field(default_factory=MultiFrameParameters)

    def __post_init__(self) -> None:
        """Refuse values with which no chain can work."""
        wanted = (
            ("threshold", self.threshold > 0, "above 0"),
            ("max_plots", 1 <= self.max_plots <= 65535, "1 to 65535"),
            ("psf_sigma_px", 0.3 <= self.psf_sigma_px <= 3.0, "0.3 to 3"),
            ("background_frames", 2 <= self.background_frames <= 255, "2 to 255"),
            ("window_px", self.window_px % 2 == 1 and 7 <= self.window_px <= 127, "odd, 7 to 127"),
            ("threads", 1 <= self.threads <= MOST_THREADS, f"1 to {MOST_THREADS}"),
            ("reach_px", 1 <= self.reach_px <= 64, "1 to 64"),
            ("guard_px", self.guard_px % 2 == 1 and 1 <= self.guard_px <= self.window_px - 4, "odd, 4 below window_px"),
        )
        for name, good, want in wanted:
            if not good:
                raise ValueError(f"{name}: wanted {want}, got {getattr(self, name)}; change it in [chain]")
        for name, known in (("suppression", SUPPRESSIONS), ("stars", STARS)):
            given = getattr(self, name)
            if given not in known:
                nearest = get_close_matches(str(given), known, n=1, cutoff=0.5)
                hint = f"did you mean '{nearest[0]}'? " if nearest else ""
                raise ValueError(f"{name}: unknown name '{given}'; {hint}Known: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class CalibrationFiles:
    """Factory calibration, each part optional.

    Attributes
    ----------
    gain, offset : Path or None
        ``.npy`` of float32 [rows, cols]: calibrated = (sample - offset) * gain; 1 and 0 where absent.
    bad_pixels : Path or None
        ``.npy`` of bool [rows, cols]: pixels to replace by the mean of their good neighbours.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens, on tangents (see `lookdown.geo.camera`) [1].
    """

    gain: Path | None = None
    offset: Path | None = None
    bad_pixels: Path | None = None
    distortion: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class FlightConfig:
    """One onboard process: which sensor, where its frames come from, where its reports go, how its chain is set.

    Attributes
    ----------
    sensor_id : int
        Identity of the sensor, 1 to 65535.
    frames_endpoint : str
        ZeroMQ endpoint that the process binds and frames arrive at; needed by ``run`` alone.
    ground_endpoint : str
        ZeroMQ endpoint of the ground process; needed by ``run`` alone.
    spool : Path or None
        Database that keeps packets until the ground has stored them, through the death of the process; None: memory.
    trace : Path or None
        File in which what happens to each packet is noted (``lookdown-wire trace``); None: nowhere.
    trace_octets : int
        Octets that it may take on disk; beyond, its older half goes.
    link_bits_per_s : float
        Rate at which messages leave for the ground at most; 0 for no bound [bit/s].
    rows, cols : int
        Size of the focal plane [px]; 0: that of the first frame.
    bit_depth : int
        Bits of a sample; a sample of ``2 ** bit_depth - 1`` is saturated.
    chain : ChainParameters
        The infrared chain.
    calibration : CalibrationFiles
        Gain, offset, bad pixels and distortion.
    security : SecurityConfig
        Keys of the link to the ground.
    radar : RadarParameters
        The radar chain.
    radar_sensor : RadarSensorConfig
        The radar, where the process has one in the place of a focal plane.
    """

    sensor_id: int = 1
    frames_endpoint: str = ""
    ground_endpoint: str = ""
    spool: Path | None = None
    trace: Path | None = None
    trace_octets: int = 256 * 1024 * 1024
    link_bits_per_s: float = 0.0
    rows: int = 0
    cols: int = 0
    bit_depth: int = 16
    chain: ChainParameters = field(default_factory=ChainParameters)
    calibration: CalibrationFiles = field(default_factory=CalibrationFiles)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    radar: RadarParameters = field(default_factory=RadarParameters)
    radar_sensor: RadarSensorConfig = field(default_factory=RadarSensorConfig)

    def __post_init__(self) -> None:
        """Refuse values that no sensor has."""
        if not 1 <= self.sensor_id <= 65535:
            raise ValueError(f"sensor_id: wanted 1 to 65535, got {self.sensor_id}; give the sensor its own number")
        if not 1 <= self.bit_depth <= 16:
            raise ValueError(f"bit_depth: wanted 1 to 16, got {self.bit_depth}; samples are uint16")
        if not 0.0 <= self.link_bits_per_s < float("inf"):
            raise ValueError(f"link_bits_per_s: wanted a rate, or 0 for no bound; got {self.link_bits_per_s}")
        if self.trace_octets < 1:
            raise ValueError(f"trace_octets: wanted at least 1, got {self.trace_octets}; leave out trace to have none")
        if self.rows < 0 or self.cols < 0:
            raise ValueError(
                f"rows, cols: wanted sizes, or 0 for that of the first frame; got {self.rows}, {self.cols}"
            )

    @property
    def saturation_dn(self) -> int:
        """Sample value that means saturated [DN]."""
        return (1 << self.bit_depth) - 1
