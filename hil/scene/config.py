"""What a scenario says of the Earth below: land, sea, coast, cloud, air."""

from dataclasses import dataclass, field
from pathlib import Path

from lookdown.hil.settings import Place, require


@dataclass(frozen=True)
class SurfaceConfig:
    """Random texture of a surface in the sensor's band: by its radiance, or by temperature and emissivity.

    Attributes
    ----------
    contrast : float
        Standard deviation over mean [1].
    slope : float
        Exponent of the one-dimensional power spectrum ``k^-slope``; 5/3 for a turbulent field, 2 for patches.
    radiance_w_m2_sr : float or None
        Mean radiance in the band, sunlight included [W m-2 sr-1].
    temperature_k : float or None
        Temperature, in place of the radiance [K]; sunlight is then added by the hour.
    emissivity : float
        Of the surface, with ``temperature_k``; the rest reflects sunlight, equally to all sides [1].
    """

    contrast: float
    slope: float
    radiance_w_m2_sr: float | None = None
    temperature_k: float | None = None
    emissivity: float = 0.95

    def __post_init__(self) -> None:
        """Refuse a surface that no sensor could image."""
        if (self.radiance_w_m2_sr is None) == (self.temperature_k is None):
            raise ValueError("surface: wanted either 'radiance_w_m2_sr' or 'temperature_k'; give one of them")
        require(
            self,
            ("radiance_w_m2_sr", self.radiance_w_m2_sr is None or self.radiance_w_m2_sr >= 0.0, "0 or more"),
            ("temperature_k", self.temperature_k is None or 150.0 <= self.temperature_k <= 1500.0, "150 to 1500"),
            ("emissivity", 0.0 < self.emissivity <= 1.0, "above 0, at most 1"),
            ("contrast", 0.0 <= self.contrast < 1.0, "0 or more, below 1"),
            ("slope", 0.5 <= self.slope <= 4.0, "0.5 to 4"),
        )


@dataclass(frozen=True)
class TextureConfig:
    """Recorded radiance of the ground, in place of land and sea; its clouds are part of it and lie on the ground.

    Attributes
    ----------
    file : Path
        NetCDF-4 or HDF5 file.
    variable : str
        Two-dimensional variable in it; ``scale_factor``, ``add_offset`` and ``_FillValue`` are heeded, spectral
        radiance is multiplied by the width of the sensor's band.
    pixel_m : float
        Size of its pixels on the ground [m]; detail below it is random and continues its spectrum.
    first_row, first_col : int
        Upper left corner of the part that is used [px].
    radiance_w_m2_sr : float or None
        Mean to which the radiance is scaled, for another band than the recorded one [W m-2 sr-1].
    """

    file: Path
    variable: str = "Rad"
    pixel_m: float = 2000.0
    first_row: int = 0
    first_col: int = 0
    radiance_w_m2_sr: float | None = None

    def __post_init__(self) -> None:
        """Refuse a part that no file could have."""
        require(
            self,
            ("pixel_m", self.pixel_m > 0.0, "above 0"),
            ("first_row", self.first_row >= 0, "0 or more"),
            ("first_col", self.first_col >= 0, "0 or more"),
        )


@dataclass(frozen=True)
class CloudConfig:
    """One layer of cloud: share of the scene, height of its tops, and how its edges look.

    Attributes
    ----------
    cover : float
        Share of the scene with more than half opacity [1]; 0 for none.
    height_m : float
        Height of the layer over the ellipsoid [m].
    surface : SurfaceConfig
        Radiance or temperature, contrast and slope of the cloud.
    edge_m : tuple of float
        Width of the hardest and of the softest edges, about [m].
    """

    cover: float = 0.3
    height_m: float = 7000.0
    surface: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.08, 5.0 / 3.0, 0.19))
    edge_m: tuple[float, float] = (150.0, 2500.0)

    def __post_init__(self) -> None:
        """Refuse a layer that cannot exist."""
        require(
            self,
            ("cover", 0.0 <= self.cover <= 0.9, "0 to 0.9"),
            ("height_m", 0.0 < self.height_m <= 20e3, "above 0, at most 20000"),
            ("edge_m", 0.0 < self.edge_m[0] <= self.edge_m[1], "[hardest, softest] width, both above 0"),
        )


@dataclass(frozen=True)
class Corridor:
    """A lane of the cloud layer that is kept clear; at ``half_width_m`` from its middle line cloud is as elsewhere."""

    begin: Place
    end: Place
    half_width_m: float


@dataclass(frozen=True)
class SceneConfig:
    """The Earth below: a square of land, sea and cloud around a centre, which goes on as its mirror image beyond.

    Attributes
    ----------
    lat_deg, lon_deg : float
        Centre [deg].
    extent_m, texel_m : float
        Side of the square, and step of its texture; at most half the ground sample distance [m].
    outer_scale_m : float
        Scale beyond which land, sea and cloud hold no more structure [m].
    land, sea : SurfaceConfig
        Textures of the surfaces.
    coast_bearing_deg, coast_offset_m, coast_wander_m : float
        Direction from sea to land, clockwise from north [deg]; distance of the coast from the centre that way, and
        how far it strays [m].
    texture : TextureConfig or None
        Recorded ground in place of land and sea.
    wind_m_s : float or None
        Wind over the sea, for sun glint [m/s]; None for no glint.
    cloud : CloudConfig
        The layer of cloud.
    clear : tuple of Corridor
        Lanes free of cloud.
    transmission : float or None
        Of the atmosphere, from a mover to space [1]. With it, radiances of surfaces are as seen from space; None
        takes transmission and emission of the air from a table of the sensor's band, and radiances are those at the
        surfaces.
    """

    lat_deg: float
    lon_deg: float
    extent_m: float = 160e3
    texel_m: float = 60.0
    outer_scale_m: float = 40e3
    land: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.10, 2.0, 0.14))
    sea: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(0.012, 5.0 / 3.0, 0.11))
    coast_bearing_deg: float = 90.0
    coast_offset_m: float = 0.0
    coast_wander_m: float = 8000.0
    texture: TextureConfig | None = None
    wind_m_s: float | None = None
    cloud: CloudConfig = field(default_factory=CloudConfig)
    clear: tuple[Corridor, ...] = ()
    transmission: float | None = None

    def __post_init__(self) -> None:
        """Refuse a scene that cannot be made."""
        size = self.extent_m / self.texel_m if self.texel_m > 0.0 else 0.0
        require(
            self,
            ("texel_m", self.texel_m > 0.0, "above 0"),
            ("extent_m", 64 <= size <= 16384, "64 to 16384 texels of texel_m"),
            ("outer_scale_m", 100.0 <= self.outer_scale_m <= 1e7, "100 to 1e7"),
            ("transmission", self.transmission is None or 0.0 < self.transmission <= 1.0, "above 0, at most 1"),
            ("coast_wander_m", self.coast_wander_m >= 0.0, "0 or more"),
            ("wind_m_s", self.wind_m_s is None or 0.0 <= self.wind_m_s <= 30.0, "0 to 30"),
        )
