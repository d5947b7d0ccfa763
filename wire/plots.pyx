"""The plots of a report as a run of bits: each value as coarse as its own sigma allows.

A value with a measurement sigma is rounded to a step of which half is below a tenth of that sigma: the place of a faint
plot costs fewer bits than that of a bright one. Sigmas and noise go as quarter octaves, ``2 ** (code / 4)``; small
numbers as Rice codes (CCSDS 121.0-B) with an escape, so that one odd plot costs itself alone; what is spread
evenly over a known range as truncated binary. ``docs/link.md`` lists the bits; ``tests/wire/reference_plots.py`` reads
them in plain Python.

Steps are computed from what was sent, with multiplications and tables alone: equal plots give equal octets on every
machine, and no more of a value is lost when it is sent a second time.
"""

from libc.math cimport fabs, floor, frexp, isfinite, ldexp, rint
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from lookdown.wire.bits cimport Bits, folded, get, get_even, get_rice, put, put_even, put_rice, rice_bits, unfolded

import numpy as np

cdef packed struct Sight:
    float x
    float y
    float sigma_x
    float sigma_y
    float amplitude
    float snr
    float correlation
    uint16_t n_pixels
    uint16_t flags

cdef enum:
    PARAMETERS = 8  # Rice parameters tried: 0 to 7
    SIGMA_ZERO = 161  # code of sigma 1; code 1 is 2 ** -40, code 0 no sigma
    SIGMA_TOP = 169
    NOISE_ZERO = 512
    NOISE_TOP = 1023
    EXTENT_ZERO = 208  # in eighths of octaves
    EXTENT_TOP = 240
    SNR_TOP = 5592405  # three times it is the last that float32 holds exactly
    CORRELATION_TOP = 15
    DARK = 1
    COLUMNS = 4  # with a Rice parameter each: sigmas, SNR, noise, pixels

LARGEST_TANGENT = 16.0
LARGEST_SIGMA = 4.0
SMALLEST_SIGMA = 2.0 ** -40
LARGEST_SNR = SNR_TOP * 0.1875
LARGEST_AMPLITUDE = 1e30
KNOWN_FLAGS = 0xFF
OCTETS_PER_PLOT = 64
"""More than any plot takes [octet]."""

cdef double STEP = 0.183  # of a place, in sigmas as sent: half of it, times 2 ** (1 / 8), is 0.0998
cdef double NO_SIGMA_STEP = 2.0 ** -27
cdef double SNR_STEP = 0.1875
cdef double AMPLITUDE_STEP = 0.165  # in noise as sent, which is within 2 ** (1 / 8) and the rounding of the SNR
cdef double AMPLITUDE_SPREAD = 0.55  # (2 ** (1 / 8) - 1) / AMPLITUDE_STEP: steps on each side, per unit of SNR
cdef double[4] QUARTERS = [1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429]
cdef double[4] BETWEEN = [0.5452538663326288, 0.6484197773255048, 0.7711054127039704, 0.9170040432046712]
cdef double[8] EIGHTHS = [
    0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
    0.7071067811865476, 0.7711054127039704, 0.8408964152537145, 0.9170040432046712,
]


cdef int quarter_octave(double value, int zero) noexcept nogil:
    """Nearest code of a value above 0, in the logarithm."""
    cdef int exponent, code = zero
    cdef double part = frexp(value, &exponent)
    code += 4 * (exponent - 1)
    return code + (part >= BETWEEN[0]) + (part >= BETWEEN[1]) + (part >= BETWEEN[2]) + (part >= BETWEEN[3])


cdef double of_quarter_octave(int code, int zero) noexcept nogil:
    # Away from zero first, so that shift and mask see a positive number.
    code = code - zero + 4096
    return ldexp(QUARTERS[code & 3], (code >> 2) - 1024)


cdef int extent_code(double largest) noexcept nogil:
    """Smallest code whose extent holds ``largest``."""
    cdef int exponent, i, code
    cdef double part
    if largest == 0:
        return 0
    part = frexp(largest, &exponent)
    code = EXTENT_ZERO + 8 * exponent - 8
    for i in range(8):
        code += EIGHTHS[i] < part
    return max(code, 1)


cdef double of_extent(int code) noexcept nogil:
    if code == 0:
        return 0
    code = code - EXTENT_ZERO + 4096
    return ldexp(EIGHTHS[code & 7], (code >> 3) - 511)


cdef double step_of(int sigma_code) noexcept nogil:
    return STEP * of_quarter_octave(sigma_code, SIGMA_ZERO) if sigma_code else NO_SIGMA_STEP


cdef uint64_t reach(double extent, double step) noexcept nogil:
    """Steps on each side of zero within an extent."""
    return <uint64_t>floor(extent / step + 0.5)


cdef uint64_t amplitude_reach(int64_t snr) noexcept nogil:
    return <uint64_t>(AMPLITUDE_SPREAD * max(snr * SNR_STEP, 1.0) + 0.6)


cdef uint16_t less_one(uint16_t n_pixels) noexcept nogil:
    """A plot has a pixel at least: no pixels, which nobody sends, go as the largest number."""
    return <uint16_t>(n_pixels - 1)


cdef struct Codes:
    int sigma_x
    int sigma_y
    int64_t snr
    int noise


cdef Codes codes_of(const Sight* plot) noexcept nogil:
    cdef Codes c
    c.sigma_x = quarter_octave(plot.sigma_x, SIGMA_ZERO) if plot.sigma_x > 0 else 0
    c.sigma_y = quarter_octave(plot.sigma_y, SIGMA_ZERO) if plot.sigma_y > 0 else 0
    c.snr = <int64_t>rint(plot.snr / SNR_STEP)
    c.noise = quarter_octave(fabs(plot.amplitude) / max(c.snr * SNR_STEP, 1.0), NOISE_ZERO) if plot.amplitude else 0
    # The least floats lie below the least code: their amplitude is zero by any measure.
    c.noise = max(c.noise, 0)
    return c


cdef bint fits(const Sight* p) noexcept nogil:
    return (
        isfinite(p.x) and fabs(p.x) <= 16.0 and isfinite(p.y) and fabs(p.y) <= 16.0
        and (p.sigma_x == 0 or 2.0 ** -40 <= p.sigma_x <= 4.0) and (p.sigma_y == 0 or 2.0 ** -40 <= p.sigma_y <= 4.0)
        and isfinite(p.amplitude) and fabs(p.amplitude) <= 1e30 and 0 <= p.snr <= SNR_TOP * SNR_STEP
        and -1 <= p.correlation <= 1 and p.flags <= 0xFF
    )


def usable(const Sight[::1] plots):
    """Which plots are within the ranges that a report can carry, shape (n,) of bool."""
    good = np.empty(plots.shape[0], np.bool_)
    cdef uint8_t[::1] out = good.view(np.uint8)
    cdef Py_ssize_t i
    for i in range(plots.shape[0]):
        out[i] = fits(&plots[i])
    return good


def pack_plots(const Sight[::1] plots):
    """Turn plots into octets.

    Parameters
    ----------
    plots : ndarray of SIGHT_DTYPE, shape (n,)
        Plots, each `usable`.

    Returns
    -------
    bytes
        The run of bits, filled up to whole octets with zeros; empty for no plots.

    Raises
    ------
    ValueError
        A plot is out of range.
    """
    cdef Py_ssize_t n = plots.shape[0], i
    if n == 0:
        return b""
    for i in range(n):
        if not fits(&plots[i]):
            raise ValueError(
                f"sights[{i}]: wanted tangents within {LARGEST_TANGENT}, sigmas 0 or {SMALLEST_SIGMA:.1g} to "
                f"{LARGEST_SIGMA}, SNR 0 to {LARGEST_SNR:.0f}, |amplitude| <= {LARGEST_AMPLITUDE}, |correlation| <= 1 "
                f"and flags <= {KNOWN_FLAGS}; came {np.asarray(plots)[i]}; leave such plots out and count them"
            )
    buffer = bytearray(OCTETS_PER_PLOT * (n + 1))
    cdef uint8_t[::1] out = buffer
    cdef Bits bits
    bits.octets, bits.size, bits.at, bits.broken = &out[0], 8 * out.shape[0], 0, False
    with nogil:
        write(plots, &bits)
    return bytes(memoryview(buffer)[:(bits.at + 7) >> 3])


cdef int median_of(const int* counts, Py_ssize_t total) noexcept nogil:
    """Code that half of all do not exceed: one odd plot does not move it."""
    cdef int code = 0
    cdef Py_ssize_t below = counts[0]
    while 2 * below < total:
        code += 1
        below += counts[code]
    return code


cdef void write(const Sight[::1] plots, Bits* bits) noexcept nogil:
    cdef Py_ssize_t n = plots.shape[0], i
    cdef double largest_x = 0, largest_y = 0, noise
    cdef int64_t last = 0
    cdef int sigma_base, noise_base, mask = 0, extent_x, extent_y, k, j
    cdef int[4] best
    cdef int64_t[4][8] cost
    cdef int[1024] of_sigma
    cdef int[1024] of_noise
    cdef bint falling = True, correlated = False
    cdef Codes c
    memset(cost, 0, sizeof(cost))
    memset(of_sigma, 0, sizeof(of_sigma))
    memset(of_noise, 0, sizeof(of_noise))
    for i in range(n):
        c = codes_of(&plots[i])
        largest_x, largest_y = max(largest_x, fabs(plots[i].x)), max(largest_y, fabs(plots[i].y))
        of_sigma[c.sigma_x] += 1
        of_sigma[c.sigma_y] += 1
        of_noise[c.noise] += 1
        falling &= i == 0 or c.snr <= last
        last = c.snr
        mask |= plots[i].flags ^ (DARK if c.noise and plots[i].amplitude < 0 else 0)
        correlated |= rint(16 * plots[i].correlation) != 0
    sigma_base, noise_base = median_of(of_sigma, 2 * n), median_of(of_noise, n)
    for i in range(n):
        c = codes_of(&plots[i])
        for k in range(PARAMETERS):
            cost[0][k] += rice_bits(folded(c.sigma_x - sigma_base), k) + rice_bits(folded(c.sigma_y - sigma_base), k)
            if i:
                cost[1][k] += rice_bits(<uint64_t>(last - c.snr) if falling else folded(last - c.snr), k)
            cost[2][k] += rice_bits(folded(c.noise - noise_base), k)
            cost[3][k] += rice_bits(less_one(plots[i].n_pixels), k)
        last = c.snr
    for j in range(COLUMNS):
        best[j] = 0
        for k in range(PARAMETERS):
            if cost[j][k] < cost[j][best[j]]:
                best[j] = k
    extent_x, extent_y = extent_code(largest_x), extent_code(largest_y)
    put(bits, extent_x, 8)
    put(bits, extent_y, 8)
    put(bits, sigma_base, 8)
    put(bits, noise_base, 10)
    for j in range(COLUMNS):
        put(bits, best[j], 3)
    put(bits, mask, 8)
    put(bits, falling, 1)
    put(bits, correlated, 1)
    for i in range(n):
        c = codes_of(&plots[i])
        put_rice(bits, folded(c.sigma_x - sigma_base), best[0])
        put_rice(bits, folded(c.sigma_y - sigma_base), best[0])
        put_place(bits, plots[i].x, of_extent(extent_x), step_of(c.sigma_x))
        put_place(bits, plots[i].y, of_extent(extent_y), step_of(c.sigma_y))
        if i == 0:
            put_rice(bits, c.snr, PARAMETERS - 1)
        else:
            put_rice(bits, <uint64_t>(last - c.snr) if falling else folded(last - c.snr), best[1])
        last = c.snr
        put_rice(bits, folded(c.noise - noise_base), best[2])
        if c.noise:
            put(bits, plots[i].amplitude < 0, 1)
            noise = of_quarter_octave(c.noise, NOISE_ZERO)
            put_even(
                bits,
                <uint64_t>(
                    <int64_t>rint((fabs(plots[i].amplitude) / noise - max(c.snr * SNR_STEP, 1.0)) / AMPLITUDE_STEP)
                    + <int64_t>amplitude_reach(c.snr)
                ),
                2 * amplitude_reach(c.snr) + 1,
            )
        put_rice(bits, less_one(plots[i].n_pixels), best[3])
        k = plots[i].flags ^ (DARK if c.noise and plots[i].amplitude < 0 else 0)
        for j in range(8):
            if mask >> j & 1:
                put(bits, k >> j & 1, 1)
        if correlated:
            j = <int>rint(16 * plots[i].correlation)
            put_even(bits, <uint64_t>(max(min(j, CORRELATION_TOP), -CORRELATION_TOP) + CORRELATION_TOP), 31)


cdef void put_place(Bits* bits, double place, double extent, double step) noexcept nogil:
    cdef uint64_t side = reach(extent, step)
    if side:
        put_even(bits, <uint64_t>(<int64_t>rint(place / step) + <int64_t>side), 2 * side + 1)


cdef double get_place(Bits* bits, double extent, double step) noexcept nogil:
    cdef uint64_t side = reach(extent, step)
    cdef double place = step * <double>(<int64_t>get_even(bits, 2 * side + 1) - <int64_t>side) if side else 0
    # A place at the end of the range may have been rounded to beyond it.
    return max(min(place, 16.0), -16.0)


def unpack_plots(const uint8_t[::1] octets, Sight[::1] out):
    """Turn octets into plots.

    Parameters
    ----------
    octets : bytes-like
        What `pack_plots` made.
    out : ndarray of SIGHT_DTYPE, shape (n,)
        Receives the plots.

    Raises
    ------
    ValueError
        The octets do not hold ``n`` plots, no more and no less, within the ranges.
    """
    cdef Py_ssize_t n = out.shape[0]
    cdef Bits bits
    bits.octets, bits.size, bits.at, bits.broken = NULL, 8 * octets.shape[0], 0, False
    if n and octets.shape[0]:
        bits.octets = <uint8_t*>&octets[0]
        with nogil:
            read(&bits, out)
    elif n:
        bits.broken = True
    if bits.broken or not 0 <= bits.size - bits.at < 8 or get(&bits, <int>(bits.size - bits.at)):
        raise ValueError(f"sights: wanted {n} plots within the ranges, came {octets.shape[0]} octets that hold others")


cdef void read(Bits* bits, Sight[::1] out) noexcept nogil:
    cdef double extent_x, extent_y, noise, amplitude
    cdef int sigma_base, noise_base, mask, j, flags, sign
    cdef int[4] best
    cdef int64_t snr = 0, change, sigma_x, sigma_y, code
    cdef bint falling, correlated
    cdef uint64_t side, n_pixels
    cdef Py_ssize_t i
    j = <int>get(bits, 8)
    flags = <int>get(bits, 8)
    bits.broken |= j > EXTENT_TOP or flags > EXTENT_TOP
    extent_x, extent_y = of_extent(j), of_extent(flags)
    sigma_base = <int>get(bits, 8)
    noise_base = <int>get(bits, 10)
    for j in range(COLUMNS):
        best[j] = <int>get(bits, 3)
    mask = <int>get(bits, 8)
    falling = get(bits, 1)
    correlated = get(bits, 1)
    for i in range(out.shape[0]):
        sigma_x = sigma_base + unfolded(get_rice(bits, best[0]))
        sigma_y = sigma_base + unfolded(get_rice(bits, best[0]))
        if bits.broken or not (0 <= sigma_x <= SIGMA_TOP and 0 <= sigma_y <= SIGMA_TOP):
            bits.broken = True
            return
        out[i].sigma_x = <float>(of_quarter_octave(<int>sigma_x, SIGMA_ZERO) if sigma_x else 0)
        out[i].sigma_y = <float>(of_quarter_octave(<int>sigma_y, SIGMA_ZERO) if sigma_y else 0)
        out[i].x = <float>get_place(bits, extent_x, step_of(<int>sigma_x))
        out[i].y = <float>get_place(bits, extent_y, step_of(<int>sigma_y))
        if i == 0:
            snr = <int64_t>get_rice(bits, PARAMETERS - 1)
        else:
            change = <int64_t>get_rice(bits, best[1])
            snr -= change if falling else unfolded(<uint64_t>change)
        code = noise_base + unfolded(get_rice(bits, best[2]))
        if bits.broken or not (0 <= snr <= SNR_TOP and 0 <= code <= NOISE_TOP):
            bits.broken = True
            return
        out[i].snr = <float>(snr * SNR_STEP)
        sign, amplitude = 0, 0
        if code:
            sign = <int>get(bits, 1)
            side = amplitude_reach(snr)
            change = <int64_t>get_even(bits, 2 * side + 1) - <int64_t>side
            noise = of_quarter_octave(<int>code, NOISE_ZERO)
            amplitude = noise * (max(snr * SNR_STEP, 1.0) + AMPLITUDE_STEP * <double>change)
            amplitude = max(-amplitude, -1e30) if sign else min(amplitude, 1e30)
        out[i].amplitude = <float>amplitude
        n_pixels = get_rice(bits, best[3])
        flags = DARK if sign else 0
        for j in range(8):
            if mask >> j & 1:
                flags ^= <int>get(bits, 1) << j
        out[i].n_pixels, out[i].flags = <uint16_t>(n_pixels + 1), <uint16_t>flags
        out[i].correlation = 0
        if correlated:
            out[i].correlation = <float>((<int>get_even(bits, 31) - CORRELATION_TOP) / 16.0)
        if n_pixels > 0xFFFF or not fits(&out[i]):
            bits.broken = True
        if bits.broken:
            return
