"""What the parts of a scenario share: checks of their fields, and places on the Earth."""

from dataclasses import dataclass


def require(owner: object, *checks: tuple[str, bool, str]) -> None:
    """Raise ``ValueError`` for the first field of ``owner`` that is not as wanted; a check is (field, good, wanted)."""
    for name, good, wanted in checks:
        if not good:
            raise ValueError(f"{name}: wanted {wanted}, got {getattr(owner, name)!r}; change it")


@dataclass(frozen=True)
class Place:
    """A point that something reaches at a time; latitude and longitude geodetic, height over the ellipsoid."""

    lat_deg: float
    lon_deg: float
    height_m: float = 0.0
    t_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse coordinates off the globe."""
        require(
            self,
            ("lat_deg", -90.0 <= self.lat_deg <= 90.0, "-90 to 90"),
            ("lon_deg", -180.0 <= self.lon_deg <= 360.0, "-180 to 360"),
        )
