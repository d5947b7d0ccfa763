"""The run of bits of a radar report's plots, read in plain Python from the description in ``docs/link.md``."""

from tests.wire.reference_plots import Bits, unfold

STEPS = {"range_m": 0.125, "range_rate_m_s": 2.0**-7, "azimuth_rad": 2.0**-27, "elevation_rad": 2.0**-27}
REST = ("correlation_range_rate", "correlation_range_azimuth", "correlation_rate_azimuth", "snr", "snr_db", "n_cells")


def read(octets: bytes, n: int, first_range_m: float) -> list[dict[str, float]]:
    """Return the plots as dictionaries."""
    if n == 0:
        return []
    bits = Bits(octets)

    def column() -> list[int]:
        base = unfold(bits.take(bits.take(6)))
        width = bits.take(6)
        return [base + bits.take(width) for _ in range(n)]

    plots: list[dict[str, float]] = [{} for _ in range(n)]
    for name, coarse in STEPS.items():
        sigmas = [2.0 ** ((code - 161) / 4) if code else 0.0 for code in column()]
        for plot, sigma, code in zip(plots, sigmas, column(), strict=True):
            plot[f"sigma_{name}"] = sigma
            plot[name] = code * (0.183 * sigma if sigma else coarse) + (first_range_m if name == "range_m" else 0.0)
    for name, step in zip((*REST, "flags"), (1 / 16, 1 / 16, 1 / 16, 0.1875, 0.25, 1, 1), strict=True):
        for plot, code in zip(plots, column(), strict=True):
            plot[name] = code * step
    assert len(bits.rest) < 8
    assert "1" not in bits.rest
    return plots
