"""Canceller, window, Doppler transform and power of a coherent processing interval in one pass.

For each channel and range cell, over the pulses p of the interval, with c the binomial coefficients of the canceller

    y[p] = w[p] sum_k c[k] x[p + k];    X[d] = sum_p y[p] exp(-2 pi i p d / D);    power[d] = |X[d]|^2

(Richards 2014, Fundamentals of Radar Signal Processing, ch. 5). Ranges lie next to each other, so a library's
transform along the pulses strides through memory. Here a strip of 16 ranges is taken through all stages in the cache,
with real and imaginary parts apart: a transform after Stockham (Cochran et al. 1967, Proc. IEEE 55) with radix 4,
where each butterfly works on 16 ranges at once (its results have pointers of their own, or the compiler would take
them one by one). A NaN spoils its own range cell only.
"""

from libc.string cimport memset

from lookdown.kernels.rows cimport RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_scratch

cdef enum:
    STRIP = 16  # ranges that are done at a time: two strips of 128 pulses fill a cache of 32 KiB
    CELL = 32  # floats of a strip, real and imaginary parts


cdef inline void load_pulse(
    RowIn x, RowIn next1, RowIn next2, float weight, float weight1, float weight2, Py_ssize_t n, RowOut cell
) noexcept nogil:
    """Sum ``n`` ranges of three pulses with their weights, parts apart."""
    cdef Py_ssize_t i
    cdef float[CELL] mixed  # parts are sorted once, not once a pulse
    for i in range(2 * n):
        mixed[i] = (weight * x[i] + weight1 * next1[i]) + weight2 * next2[i]
    for i in range(n):
        cell[i] = mixed[2 * i]
        cell[STRIP + i] = mixed[2 * i + 1]


cdef cloned_wide load_strip(
    const float* x, Py_ssize_t row, const float* window, Py_ssize_t left, Py_ssize_t taps, Py_ssize_t n, float* cells
) noexcept nogil:
    """Cancel and weigh a strip of ``n`` ranges, ``row`` floats to a pulse; the rest of the strip is 0."""
    cdef Py_ssize_t p, next1 = row if taps > 0 else 0, next2 = 2 * row if taps > 1 else 0
    cdef float second = -1 if taps == 1 else (-2 if taps == 2 else 0), third = 1 if taps == 2 else 0
    if n < STRIP:
        memset(cells, 0, left * CELL * sizeof(float))
        for p in range(left):
            load_pulse(x, x + next1, x + next2, window[p], second * window[p], third * window[p], n, cells)
            x += row
            cells += CELL
        return
    for p in range(left):
        load_pulse(x, x + next1, x + next2, window[p], second * window[p], third * window[p], STRIP, cells)
        x += row
        cells += CELL


cdef inline void four_alike(
    RowIn a, RowIn b, RowIn c, RowIn d, RowOut first, RowOut second, RowOut third, RowOut fourth
) noexcept nogil:
    """Butterfly of four strips without factors."""
    cdef Py_ssize_t i
    cdef float sum_r, sum_i, dif_r, dif_i, far_r, far_i, turn_r, turn_i
    for i in range(STRIP):
        sum_r = a[i] + c[i]
        sum_i = a[STRIP + i] + c[STRIP + i]
        dif_r = a[i] - c[i]
        dif_i = a[STRIP + i] - c[STRIP + i]
        far_r = b[i] + d[i]
        far_i = b[STRIP + i] + d[STRIP + i]
        turn_r = d[STRIP + i] - b[STRIP + i]  # i (b - d)
        turn_i = b[i] - d[i]
        first[i] = sum_r + far_r
        first[STRIP + i] = sum_i + far_i
        second[i] = dif_r - turn_r
        second[STRIP + i] = dif_i - turn_i
        third[i] = sum_r - far_r
        third[STRIP + i] = sum_i - far_i
        fourth[i] = dif_r + turn_r
        fourth[STRIP + i] = dif_i + turn_i


cdef inline void four_turned(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn turns, RowOut first, RowOut second, RowOut third, RowOut fourth
) noexcept nogil:
    """Butterfly of four strips, all but the first of the results turned by their factors."""
    cdef Py_ssize_t i
    cdef float sum_r, sum_i, dif_r, dif_i, far_r, far_i, turn_r, turn_i, r, m
    cdef float c1 = turns[0], s1 = turns[1], c2 = turns[2], s2 = turns[3], c3 = turns[4], s3 = turns[5]
    for i in range(STRIP):
        sum_r = a[i] + c[i]
        sum_i = a[STRIP + i] + c[STRIP + i]
        dif_r = a[i] - c[i]
        dif_i = a[STRIP + i] - c[STRIP + i]
        far_r = b[i] + d[i]
        far_i = b[STRIP + i] + d[STRIP + i]
        turn_r = d[STRIP + i] - b[STRIP + i]  # i (b - d)
        turn_i = b[i] - d[i]
        first[i] = sum_r + far_r
        first[STRIP + i] = sum_i + far_i
        r = dif_r - turn_r
        m = dif_i - turn_i
        second[i] = c1 * r - s1 * m
        second[STRIP + i] = c1 * m + s1 * r
        r = sum_r - far_r
        m = sum_i - far_i
        third[i] = c2 * r - s2 * m
        third[STRIP + i] = c2 * m + s2 * r
        r = dif_r + turn_r
        m = dif_i + turn_i
        fourth[i] = c3 * r - s3 * m
        fourth[STRIP + i] = c3 * m + s3 * r


cdef cloned_wide radix4(
    const float* src, const float* turns, Py_ssize_t quarter, Py_ssize_t stride, float* out
) noexcept nogil:
    """One stage over ``4 quarter stride`` cells."""
    cdef Py_ssize_t p, q, step = stride * CELL
    cdef const float* a
    cdef float* y
    for p in range(quarter):
        for q in range(stride):
            a = src + (p * stride + q) * CELL
            y = out + (4 * p * stride + q) * CELL
            if p == 0:
                four_alike(
                    a, a + quarter * step, a + 2 * quarter * step, a + 3 * quarter * step,
                    y, y + step, y + 2 * step, y + 3 * step,
                )
            else:
                four_turned(
                    a, a + quarter * step, a + 2 * quarter * step, a + 3 * quarter * step, turns + 6 * p,
                    y, y + step, y + 2 * step, y + 3 * step,
                )


cdef cloned_wide radix2(RowIn src, Py_ssize_t half, RowOut out) noexcept nogil:
    """The last stage when the length is no power of 4."""
    cdef Py_ssize_t i, n = half * CELL
    for i in range(n):
        out[i] = src[i] + src[n + i]
        out[n + i] = src[i] - src[n + i]


cdef inline void sort_parts(RowIn cell, Py_ssize_t n, RowOut out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[2 * i] = cell[i]
        out[2 * i + 1] = cell[STRIP + i]


cdef cloned_wide store_spectrum(
    const float* cells, Py_ssize_t dopplers, Py_ssize_t stride, Py_ssize_t n, float* out
) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(dopplers):
        if n == STRIP:
            sort_parts(cells + d * CELL, STRIP, out + 2 * d * stride)
        else:
            sort_parts(cells + d * CELL, n, out + 2 * d * stride)


cdef inline void square(RowIn cell, Py_ssize_t n, RowOut out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = cell[i] * cell[i] + cell[STRIP + i] * cell[STRIP + i]


cdef cloned_wide store_power(
    const float* cells, Py_ssize_t dopplers, Py_ssize_t stride, Py_ssize_t n, float* out
) noexcept nogil:
    cdef Py_ssize_t d
    for d in range(dopplers):
        if n == STRIP:
            square(cells + d * CELL, STRIP, out + d * stride)
        else:
            square(cells + d * CELL, n, out + d * stride)


cdef float* transform(float* cells, float* other, const float* turns, Py_ssize_t dopplers) noexcept nogil:
    """Transform a strip; return which of both buffers holds it."""
    cdef Py_ssize_t left = dopplers, stride = 1
    while left >= 4:
        radix4(cells, turns, left // 4, stride, other)
        turns += 6 * (left // 4)
        left //= 4
        stride *= 4
        cells, other = other, cells
    if left == 2:
        radix2(cells, stride, other)
        return other
    return cells


def doppler_scratch_size(dopplers):
    """Floats of scratch that `doppler` needs."""
    return 2 * CELL * dopplers


def doppler_turns(dopplers):
    """Return the factors of the stages of a transform over ``dopplers`` (a power of 2), float32, one dimension."""
    require_doppler(dopplers)
    stages = [np.zeros(1)]
    left = dopplers
    while left >= 4:
        turn = np.exp(-2j * np.pi / left * np.outer(np.arange(left // 4), (1, 2, 3)))
        stages.append(turn.reshape(-1).view(np.float64))
        left //= 4
    return np.concatenate(stages[1:] or stages).astype(np.float32)


def require_doppler(dopplers):
    """Return the number of Doppler bins if it is a power of 2 from 2 to 4096, else raise ValueError."""
    require_integer("dopplers", dopplers, 2, 4096)
    if dopplers & (dopplers - 1):
        raise ValueError(f"dopplers: wanted a power of 2, got {dopplers}; pad to {1 << int(dopplers).bit_length()}")
    return int(dopplers)


def doppler(cpi, order, window, turns, scratch, spectrum, power):
    """Filter an interval along its pulses.

    Parameters
    ----------
    cpi : ndarray of complex64, shape (channels, pulses, ranges)
        The interval, pulse compressed.
    order : int
        Pulses of the canceller less one: 0 none, 1 two-pulse, 2 three-pulse.
    window : ndarray of float32, shape (pulses - order,)
        Weight of each pulse that the canceller leaves [1].
    turns : ndarray of float32
        As `doppler_turns` gives for the number of Doppler bins.
    scratch : ndarray of float32
        At least `doppler_scratch_size` elements; its content does not matter.
    spectrum : ndarray of complex64, shape (channels, dopplers, ranges), or None
        Transform; a power of 2 of Doppler bins, at least as many as pulses are left.
    power : ndarray of float32, shape (channels, dopplers, ranges), or None
        Its squared magnitude.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or there is nothing to write to.
    """
    cdef const float complex[:, :, ::1] x = require_array("cpi", cpi, "complex64", 3)
    cdef Py_ssize_t channels = x.shape[0], pulses = x.shape[1], ranges = x.shape[2]
    cdef Py_ssize_t taps = require_integer("order", order, 0, 2)
    cdef Py_ssize_t left = pulses - taps
    if cpi.size == 0 or left < 1:
        raise ValueError(f"cpi: wanted channels, ranges and more than {taps} pulses, got shape {cpi.shape}")
    if spectrum is None and power is None:
        raise ValueError("spectrum, power: wanted an array for one of them at least, got None for both")
    shape = (spectrum if power is None else power).shape
    cdef Py_ssize_t bins = require_doppler(shape[1] if len(shape) == 3 else 0)
    if bins < left:
        raise ValueError(f"dopplers: wanted at least as many as pulses ({left}), got {bins}; give a longer transform")
    cdef const float[::1] w = require_array("window", window, "float32", (left,))
    cdef const float[::1] t = require_array("turns", turns, "float32", doppler_turns(bins).shape)
    cdef float[::1] s = require_scratch(scratch, doppler_scratch_size(bins), (cpi, window, turns))
    cdef float complex[:, :, ::1] spectrum_out
    cdef float[:, :, ::1] power_out
    cdef float* to_spectrum = NULL
    cdef float* to_power = NULL
    if spectrum is not None:
        spectrum_out = require_array(
            "spectrum", spectrum, "complex64", (channels, bins, ranges), out=True, apart_from=(cpi, scratch)
        )
        to_spectrum = <float*>&spectrum_out[0, 0, 0]
    if power is not None:
        apart = (cpi, scratch) if spectrum is None else (cpi, scratch, spectrum)
        power_out = require_array("power", power, "float32", (channels, bins, ranges), out=True, apart_from=apart)
        to_power = &power_out[0, 0, 0]
    cdef const float* source = <const float*>&x[0, 0, 0]
    cdef float* cells = &s[0]
    cdef float* other = cells + CELL * bins
    cdef float* done
    cdef Py_ssize_t channel, start, n
    with nogil:
        for channel in range(channels):
            start = 0
            while start < ranges:
                n = min(ranges - start, <Py_ssize_t>STRIP)
                load_strip(
                    source + (channel * pulses * ranges + start) * 2, 2 * ranges, &w[0], left, taps, n, cells
                )
                memset(cells + left * CELL, 0, (bins - left) * CELL * sizeof(float))
                done = transform(cells, other, &t[0], bins)
                if to_spectrum != NULL:
                    store_spectrum(done, bins, ranges, n, to_spectrum + (channel * bins * ranges + start) * 2)
                if to_power != NULL:
                    store_power(done, bins, ranges, n, to_power + channel * bins * ranges + start)
                start += STRIP
