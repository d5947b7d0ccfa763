"""Noise of a focal plane: normal deviates that depend on key and pixel alone, and the pass from electrons to counts.

Each pair of deviates comes from one 32-bit counter by a keyed integer hash (multiplications and xor-shifts after
Wellons' "lowbias32") and the Box-Muller transform, with polynomials in place of library functions: no state, so that
the loops vectorise, any frame can be drawn alone, and every machine gives the same bits. A pair's radius has 31 bits:
the tails reach 6.6 sigma. Polynomials: logarithm of Cephes (Moshier), sine and cosine Taylor series to 3e-6.
"""

from libc.math cimport sqrtf
from libc.stdint cimport int32_t, uint16_t, uint32_t
from libc.string cimport memcpy

import numpy as np

from lookdown.kernels.checks import require_array, require_number
from lookdown.kernels.rows cimport RowIn, RowOut, cloned

cdef enum:
    HALF = 512  # pixels that get the sine of a pair; the next as many get the cosine
    BLOCK = 1024


cdef inline uint32_t hashed(uint32_t x, uint32_t key_a, uint32_t key_b) noexcept nogil:
    x = (x ^ key_a) * <uint32_t>0x7FEB352D
    x = (x ^ (x >> 15)) + key_b
    x = x * <uint32_t>0x846CA68B
    return x ^ (x >> 16)


cdef inline float minus_two_log(uint32_t h) noexcept nogil:
    """Give -2 ln u, where u is the upper 31 bits of h plus a half, over 2^31."""
    cdef float x = <float><int32_t>(h >> 1) + <float>0.5
    cdef int32_t bits, exponent
    memcpy(&bits, &x, 4)
    exponent = (bits - <int32_t>0x3F3504F3) >> 23  # parts at sqrt(1/2)
    bits -= exponent << 23
    memcpy(&x, &bits, 4)
    cdef float z = x - <float>1.0
    cdef float p = <float>7.0376836292e-2
    p = p * z - <float>1.1514610310e-1
    p = p * z + <float>1.1676998740e-1
    p = p * z - <float>1.2420140846e-1
    p = p * z + <float>1.4249322787e-1
    p = p * z - <float>1.6668057665e-1
    p = p * z + <float>2.0000714765e-1
    p = p * z - <float>2.4999993993e-1
    p = p * z + <float>3.3333331174e-1
    p = z + z * z * (z * p - <float>0.5)
    return <float>(31 - exponent) * <float>1.3862943611198906 - <float>2.0 * p


cdef cloned normal_pairs(
    RowOut sines, RowOut cosines, Py_ssize_t first, uint32_t key_a, uint32_t key_b
) noexcept nogil:
    """Write HALF independent deviates into each of two places."""
    cdef Py_ssize_t i
    cdef uint32_t h, g
    cdef float radius, t, y, s, c
    cdef int32_t bits
    for i in range(HALF):
        h = hashed(<uint32_t>(first + i), key_a, key_b)
        g = h * <uint32_t>0x9E3779B1
        g ^= g >> 15
        radius = sqrtf(minus_two_log(h))
        t = <float><int32_t>g * <float>4.656612873077393e-10  # quarter turns, -1 to 1
        y = t * t
        s = t * (<float>1.5707963 + y * (<float>-0.64596410 + y * (<float>0.079692626 + y * (
            <float>-0.0046817541 + y * <float>0.00016044118))))
        c = <float>1.0 + y * (<float>-1.2337006 + y * (<float>0.25366951 + y * (<float>-0.020863481 + y * (
            <float>0.00091926027 + y * <float>-2.5202042e-5))))
        sines[i] = radius * s
        c = radius * c
        memcpy(&bits, &c, 4)
        bits ^= <int32_t>(h << 31)  # the one bit of h that the radius has not used is the sign of the cosine
        memcpy(&c, &bits, 4)
        cosines[i] = c


cdef (uint32_t, uint32_t) as_key(key):
    cdef unsigned long long a = key[0]
    cdef unsigned long long b = key[1]
    return <uint32_t>a, <uint32_t>b


def frame_key(*numbers):
    """Key of `fill_normal` and `expose` from non-negative integers, such as seed, satellite and frame."""
    return tuple(int(word) for word in np.random.SeedSequence(numbers).generate_state(2, np.uint32))


def fill_normal(out, key):
    """Fill an array with independent deviates of the standard normal distribution.

    Parameters
    ----------
    out : ndarray of float32, shape (n,)
        Filled.
    key : tuple of two int
        Of `frame_key`; the same key gives the same bits on every machine.

    Raises
    ------
    ValueError
        If ``out`` has another type or layout.
    """
    cdef float[::1] values = require_array("out", out, "float32", 1, out=True)
    cdef float block[BLOCK]
    cdef Py_ssize_t first, take, n = values.shape[0]
    cdef uint32_t key_a, key_b
    key_a, key_b = as_key(key)
    with nogil:
        first = 0
        while first < n:
            take = n - first if n - first < BLOCK else BLOCK
            normal_pairs(block, block + HALF, first, key_a, key_b)
            memcpy(&values[first], block, take * sizeof(float))
            first += BLOCK


cdef cloned count_block(
    RowIn electrons, RowIn gain, RowIn offset, RowIn normal, uint16_t* out, Py_ssize_t n,
    float floor, float scale, float loss, float largest,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float light, x
    for i in range(n):
        light = electrons[i]
        light = light if light > <float>0.0 else <float>0.0
        x = light + sqrtf(light + floor) * (scale * normal[i])
        x = x - loss * x * x
        x = x * gain[i] + offset[i]
        x = x if x > <float>0.0 else <float>0.0
        x = x if x < largest else largest
        out[i] = <uint16_t><int32_t>x


cdef cloned drift_block(RowIn start, RowIn rate, float t_s, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = start[i] + t_s * rate[i]


def expose(
    electrons, gain_dn, offset_dn, out, key, *, noise_floor_e2, noise_scale, loss_per_e, largest_dn,
    gain_rate_dn_s=None, offset_rate_dn_s=None, t_s=0.0,
):
    """Turn expected photoelectrons into counts, with photon and read noise.

    ``x = N + scale sqrt(N + floor) normal``, ``counts = (x - loss x^2) gain + offset``, clipped, fraction dropped.

    Parameters
    ----------
    electrons : ndarray of float32, shape (rows, cols)
        Expected photoelectrons of a sample; below 0 counts as 0 [e-].
    gain_dn, offset_dn : ndarray of float32, shape (rows, cols)
        Counts for an electron [DN], counts without light (and a half, so that dropping the fraction rounds) [DN].
    out : ndarray of uint16, shape (rows, cols)
        Counts [DN].
    key : tuple of two int
        Of `frame_key`.
    noise_floor_e2 : float
        Variance without light: dark electrons and squared read noise [e-^2].
    noise_scale : float
        1 over the root of the number of co-adds [1].
    loss_per_e : float
        Non-linearity: relative loss for an electron [1/e-].
    largest_dn : float
        Largest count [DN].
    gain_rate_dn_s, offset_rate_dn_s : ndarray of float32, shape (rows, cols), or None
        How gain and offset move on [DN/s]; None if they stand still.
    t_s : float
        Time for which they have done so [s].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const float[:, ::1] light = require_array("electrons", electrons, "float32", 2)
    cdef const float[:, ::1] gain = require_array("gain_dn", gain_dn, "float32", electrons.shape)
    cdef const float[:, ::1] offset = require_array("offset_dn", offset_dn, "float32", electrons.shape)
    cdef uint16_t[:, ::1] counts = require_array("out", out, "uint16", electrons.shape, out=True)
    cdef float floor = require_number("noise_floor_e2", noise_floor_e2, 0.0, 1e12)
    cdef float scale = require_number("noise_scale", noise_scale, 0.0, 1.0)
    cdef float loss = require_number("loss_per_e", loss_per_e, 0.0, 1.0)
    cdef float largest = require_number("largest_dn", largest_dn, 1.0, 65535.0)
    cdef bint drifts = gain_rate_dn_s is not None or offset_rate_dn_s is not None
    cdef const float[:, ::1] gain_rate = gain, offset_rate = offset
    if drifts:
        gain_rate = require_array("gain_rate_dn_s", gain_rate_dn_s, "float32", electrons.shape)
        offset_rate = require_array("offset_rate_dn_s", offset_rate_dn_s, "float32", electrons.shape)
    cdef float time = require_number("t_s", t_s, -1e9, 1e9)
    cdef float block[BLOCK]
    cdef float gain_now[BLOCK]
    cdef float offset_now[BLOCK]
    cdef const float* gain_block
    cdef const float* offset_block
    cdef Py_ssize_t first, take, n = electrons.size
    cdef uint32_t key_a, key_b
    key_a, key_b = as_key(key)
    with nogil:
        first = 0
        while first < n:
            take = n - first if n - first < BLOCK else BLOCK
            normal_pairs(block, block + HALF, first, key_a, key_b)
            gain_block, offset_block = &gain[0, 0] + first, &offset[0, 0] + first
            if drifts:
                drift_block(gain_block, &gain_rate[0, 0] + first, time, gain_now, take)
                drift_block(offset_block, &offset_rate[0, 0] + first, time, offset_now, take)
                gain_block, offset_block = gain_now, offset_now
            count_block(
                &light[0, 0] + first, gain_block, offset_block, block, &counts[0, 0] + first,
                take, floor, scale, loss, largest,
            )
            first += BLOCK
