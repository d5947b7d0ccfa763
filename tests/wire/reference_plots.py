"""The run of bits of a report's plots, read in plain Python from the description in ``docs/link.md``."""

from dataclasses import dataclass
from math import floor


class Bits:
    """A string of bits, taken from the front."""

    def __init__(self, octets: bytes) -> None:
        self.rest = "".join(f"{octet:08b}" for octet in octets)

    def take(self, n: int) -> int:
        bits, self.rest = self.rest[:n], self.rest[n:]
        return int(bits, 2) if bits else 0

    def rice(self, k: int) -> int:
        ones = 0
        while ones < 12 and self.take(1):
            ones += 1
        if ones < 12:
            return (ones << k) + self.take(k)
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) + self.take(zeros) - 1

    def even(self, levels: int) -> int:
        n = levels.bit_length() - 1
        short = 2 ** (n + 1) - levels
        value = self.take(n)
        return value if value < short else 2 * value + self.take(1) - short


def unfold(value: int) -> int:
    return value // 2 if value % 2 == 0 else -(value + 1) // 2


@dataclass
class Plot:
    x: float
    y: float
    sigma_x: float
    sigma_y: float
    amplitude: float
    snr: float
    correlation: float
    n_pixels: int
    flags: int


def read(octets: bytes, n: int) -> list[Plot]:
    """Return the plots; in float64, where the wire's reader gives float32."""
    if n == 0:
        return []
    bits = Bits(octets)
    extents = [2.0 ** ((code - 208) / 8) if code else 0.0 for code in (bits.take(8), bits.take(8))]
    sigma_base, noise_base = bits.take(8), bits.take(10)
    k_sigma, k_snr, k_noise, k_pixels = (bits.take(3) for _ in range(4))
    mask, falling, correlated = bits.take(8), bits.take(1), bits.take(1)
    plots: list[Plot] = []
    snr = 0
    for i in range(n):
        codes = [sigma_base + unfold(bits.rice(k_sigma)) for _ in range(2)]
        sigmas = [2.0 ** ((code - 161) / 4) if code else 0.0 for code in codes]
        place = []
        for extent, sigma in zip(extents, sigmas, strict=True):
            step = 0.183 * sigma if sigma else 2.0**-27
            side = floor(extent / step + 0.5)
            value = step * (bits.even(2 * side + 1) - side) if side else 0.0
            place.append(max(min(value, 16.0), -16.0))
        if i == 0:
            snr = bits.rice(7)
        else:
            change = bits.rice(k_snr)
            snr -= change if falling else unfold(change)
        noise_code = noise_base + unfold(bits.rice(k_noise))
        amplitude = 0.0
        dark = False
        if noise_code:
            dark = bool(bits.take(1))
            level = max(snr * 0.1875, 1.0)
            side = floor(0.55 * level + 0.6)
            amplitude = 2.0 ** ((noise_code - 512) / 4) * (level + 0.165 * (bits.even(2 * side + 1) - side))
        n_pixels = (bits.rice(k_pixels) + 1) % 65536
        flags = int(dark)
        for bit in range(8):
            if mask >> bit & 1:
                flags ^= bits.take(1) << bit
        correlation = (bits.even(31) - 15) / 16 if correlated else 0.0
        plots.append(
            Plot(*place, *sigmas, -amplitude if dark else amplitude, snr * 0.1875, correlation, n_pixels, flags)
        )
    assert len(bits.rest) < 8
    assert "1" not in bits.rest
    return plots
