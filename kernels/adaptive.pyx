"""Post-Doppler adaptive filter (factored space-time processing) with one or three Doppler bins.

For Doppler bin d the snapshot x of a range cell holds all channels in the bins d - 1, d, d + 1 (or d alone). With s
the response of a target and R the mean of x x^H over training cells, loaded by a part of its mean diagonal,

    z = |s^H R^-1 x|^2 / (s^H R^-1 s)

which is the adaptive matched filter (Robey et al. 1992, IEEE Trans. AES 28; factored: DiPietro 1992, Asilomar; loading:
Carlson 1988, IEEE Trans. AES 24). Where R is known, z of noise and clutter has mean 1 and is exponential.

Ranges are parted into blocks; those of a block are filtered by weights trained on all cells but its own block and the
two beside it, so no target within a block whitens itself.
Sums of a block run in float32 over 8 lanes, those over blocks
and the Cholesky factor in float64. Cells that are not finite neither train nor pass: their z is 0.
"""

from libc.math cimport isfinite, sqrt

from lookdown.kernels.rows cimport RowIn, RowOut, cloned

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_number, require_scratch

cdef enum:
    LANES = 8
    MOST = 64  # channels times bins

cdef extern from *:
    """
    #include <string.h>
    typedef float lookdown_lanes __attribute__((vector_size(32)));

    /* Sums of a b^* over n cells, parts apart; n is a multiple of 8. */
    static LOOKDOWN_CLONES void lookdown_cross(
        const float *ar, const float *ai, const float *br, const float *bi, Py_ssize_t n, float *re, float *im)
    {
        lookdown_lanes sr = {0}, si = {0}, a, b, c, d;
        float r[8], m[8];
        for (Py_ssize_t i = 0; i < n; i += 8) {
            memcpy(&a, ar + i, 32); memcpy(&b, ai + i, 32); memcpy(&c, br + i, 32); memcpy(&d, bi + i, 32);
            sr += a * c; sr += b * d; si += b * c; si -= a * d;
        }
        memcpy(r, &sr, 32); memcpy(m, &si, 32);
        *re = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        *im = ((m[0] + m[1]) + (m[2] + m[3])) + ((m[4] + m[5]) + (m[6] + m[7]));
    }
    """
    void lookdown_cross(
        const float* ar, const float* ai, const float* br, const float* bi, Py_ssize_t n, float* re, float* im
    ) noexcept nogil


cdef struct Shape:
    Py_ssize_t channels
    Py_ssize_t dopplers
    Py_ssize_t ranges
    Py_ssize_t bins
    Py_ssize_t n  # channels times bins
    Py_ssize_t block
    Py_ssize_t blocks
    Py_ssize_t wide  # floats of a row: whole blocks of whole lanes


cdef cloned part(RowIn x, Py_ssize_t n, RowOut re, RowOut im) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        re[i] = x[2 * i]
        im[i] = x[2 * i + 1]


cdef cloned add_product(RowIn re, RowIn im, float wr, float wi, Py_ssize_t n, RowOut yr, RowOut yi) noexcept nogil:
    """Add ``w^* x`` for a channel."""
    cdef Py_ssize_t i
    for i in range(n):
        yr[i] += wr * re[i] + wi * im[i]
        yi[i] += wr * im[i] - wi * re[i]


cdef cloned squared(RowIn yr, RowIn yi, RowIn good, Py_ssize_t n, RowOut out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (yr[i] * yr[i] + yi[i] * yi[i]) * good[i]


cdef void gather(const Shape* z, const float* spectrum, Py_ssize_t doppler, float* rows, float* good) noexcept nogil:
    """Snapshots of a Doppler bin, parts apart, row by row; cells that are not finite become 0 and bad."""
    cdef Py_ssize_t b, channel, i, k = 0, bin_at
    cdef float total
    for i in range(z.wide):
        good[i] = i < z.ranges
    for b in range(z.bins):
        bin_at = (doppler + b - z.bins // 2 + z.dopplers) % z.dopplers
        for channel in range(z.channels):
            part(
                spectrum + 2 * (channel * z.dopplers + bin_at) * z.ranges, z.ranges, rows + 2 * k * z.wide,
                rows + (2 * k + 1) * z.wide,
            )
            for i in range(z.ranges, z.wide):
                rows[2 * k * z.wide + i] = 0
                rows[(2 * k + 1) * z.wide + i] = 0
            k += 1
    for k in range(2 * z.n):
        total = 0
        for i in range(z.ranges):
            total += rows[k * z.wide + i] * 0  # NaN if one is not finite
        if total == total:
            continue
        for i in range(z.ranges):
            if not isfinite(rows[k * z.wide + i]):
                good[i] = 0
    for i in range(z.ranges):
        if good[i] == 0:
            for k in range(2 * z.n):
                rows[k * z.wide + i] = 0


cdef void block_sums(const Shape* z, const float* rows, Py_ssize_t block, double* total, double* own) noexcept nogil:
    """Sums of x x^H over a block, lower triangle; added to the total."""
    cdef Py_ssize_t i, k, at
    cdef float re, im
    cdef const float* a = rows + block * z.block
    for i in range(z.n):
        for k in range(i + 1):
            lookdown_cross(
                a + 2 * i * z.wide, a + (2 * i + 1) * z.wide, a + 2 * k * z.wide, a + (2 * k + 1) * z.wide,
                z.block, &re, &im,
            )
            at = 2 * (i * z.n + k)
            own[at] = re
            own[at + 1] = im
            total[at] += re
            total[at + 1] += im


cdef bint factor(double* m, Py_ssize_t n) noexcept nogil:
    """Cholesky factor of a Hermitian matrix in place (lower triangle); say whether it is positive definite."""
    cdef Py_ssize_t i, j, k
    cdef double re, im, root
    cdef double* a
    cdef double* b
    for j in range(n):
        b = m + 2 * j * n
        re = b[2 * j]
        for k in range(j):
            re -= b[2 * k] * b[2 * k] + b[2 * k + 1] * b[2 * k + 1]
        if not re > 0:
            return False
        root = sqrt(re)
        b[2 * j] = root
        for i in range(j + 1, n):
            a = m + 2 * i * n
            re = a[2 * j]
            im = a[2 * j + 1]
            for k in range(j):
                re -= a[2 * k] * b[2 * k] + a[2 * k + 1] * b[2 * k + 1]
                im -= a[2 * k + 1] * b[2 * k] - a[2 * k] * b[2 * k + 1]
            a[2 * j] = re / root
            a[2 * j + 1] = im / root
    return True


cdef double solve(const double* m, Py_ssize_t n, double* w) noexcept nogil:
    """Solve L L^H w = s in place; return s^H w."""
    cdef Py_ssize_t i, k
    cdef double re, im, energy = 0
    for i in range(n):
        re = w[2 * i]
        im = w[2 * i + 1]
        for k in range(i):
            re -= m[2 * (i * n + k)] * w[2 * k] - m[2 * (i * n + k) + 1] * w[2 * k + 1]
            im -= m[2 * (i * n + k)] * w[2 * k + 1] + m[2 * (i * n + k) + 1] * w[2 * k]
        w[2 * i] = re / m[2 * (i * n + i)]
        w[2 * i + 1] = im / m[2 * (i * n + i)]
        energy += w[2 * i] * w[2 * i] + w[2 * i + 1] * w[2 * i + 1]
    for i in range(n - 1, -1, -1):
        re = w[2 * i]
        im = w[2 * i + 1]
        for k in range(i + 1, n):
            re -= m[2 * (k * n + i)] * w[2 * k] + m[2 * (k * n + i) + 1] * w[2 * k + 1]
            im -= m[2 * (k * n + i)] * w[2 * k + 1] - m[2 * (k * n + i) + 1] * w[2 * k]
        w[2 * i] = re / m[2 * (i * n + i)]
        w[2 * i + 1] = im / m[2 * (i * n + i)]
    return energy


cdef bint train(
    const Shape* z, const double* total, const double* sums, const float* good, Py_ssize_t block, double loading,
    const float* steering, double* m, double* w
) noexcept nogil:
    """Weights of a block, scaled so that z has mean 1; say whether there were cells enough to adapt."""
    cdef Py_ssize_t i, k, b, n = z.n, cells = 0
    cdef Py_ssize_t first = max(block - 1, 0), last = min(block + 1, z.blocks - 1)
    cdef double diagonal = 0, energy
    cdef bint adapts
    for i in range(z.ranges):
        if good[i] and not (first * z.block <= i < (last + 1) * z.block):
            cells += 1
    for i in range(n):
        for k in range(2 * i + 2):
            m[2 * i * n + k] = total[2 * i * n + k]
            for b in range(first, last + 1):
                m[2 * i * n + k] -= sums[2 * b * n * n + 2 * i * n + k]
            m[2 * i * n + k] /= max(cells, 1)
        diagonal += m[2 * (i * n + i)] / n
    adapts = cells >= 2 * n and diagonal > 0
    for i in range(n):
        m[2 * (i * n + i)] += loading * diagonal
    if adapts:
        adapts = factor(m, n)
    if not adapts:
        # Conventional: every channel with the mean power of the bin.
        for i in range(n * n):
            m[2 * i] = 0
            m[2 * i + 1] = 0
        for i in range(n):
            m[2 * (i * n + i)] = sqrt(diagonal) if diagonal > 0 else 1
    for i in range(2 * n):
        w[i] = steering[i]
    energy = solve(m, n, w)
    for i in range(2 * n):
        w[i] = w[i] / sqrt(energy) if energy > 0 else 0
    return adapts


cdef void apply(
    const Shape* z, const float* rows, const float* good, const double* w, Py_ssize_t block, float* y, float* out
) noexcept nogil:
    """Filter a block."""
    cdef Py_ssize_t start = block * z.block, i
    cdef Py_ssize_t n = min(z.block, z.ranges - start)
    for i in range(2 * z.block):
        y[i] = 0
    for i in range(z.n):
        add_product(
            rows + 2 * i * z.wide + start, rows + (2 * i + 1) * z.wide + start, <float>w[2 * i], <float>w[2 * i + 1],
            n, y, y + z.block,
        )
    squared(y, y + z.block, good + start, n, out + start)


cdef Shape shaped(channels, dopplers, ranges, bins, block):
    cdef Shape z
    z.channels, z.dopplers, z.ranges, z.bins, z.n, z.block = channels, dopplers, ranges, bins, channels * bins, block
    z.blocks = (z.ranges + z.block - 1) // z.block
    z.wide = z.blocks * z.block
    return z


def adaptive_scratch_size(channels, ranges, bins, block):
    """Floats of scratch that `adaptive_filter` needs."""
    cdef Shape z = shaped(channels, 1, ranges, bins, block)
    doubles = 2 * z.n * z.n * (z.blocks + 2) + 2 * z.n
    return 2 * doubles + (2 * z.n + 1) * z.wide + 2 * z.block + 2


def adaptive_filter(spectrum, steering, loading, block, scratch, power):
    """Filter every cell of an interval against clutter that is learnt from the ranges about it.

    Parameters
    ----------
    spectrum : ndarray of complex64, shape (channels, dopplers, ranges)
        Interval after the Doppler transform.
    steering : ndarray of complex64, shape (bins, channels)
        Response of a target: in its own bin (1 row), or in the bin before, its own and the one after (3 rows).
    loading : float
        Part of the mean diagonal of the covariance that is added to it [1], 1e-12 to 1.
    block : int
        Ranges that share their weights, a multiple of 8 [cell].
    scratch : ndarray of float32
        At least `adaptive_scratch_size` elements; its content does not matter.
    power : ndarray of float32, shape (dopplers, ranges)
        z, mean 1 without a target.

    Returns
    -------
    int
        Blocks of Doppler bins (of ``dopplers * ceil(ranges / block)``) that had fewer than ``2 channels bins``
        training cells, or a covariance of no full rank; they were filtered with the steering vector alone.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float complex[:, :, ::1] x = require_array("spectrum", spectrum, "complex64", 3)
    if spectrum.size == 0:
        raise ValueError(f"spectrum: wanted channels, Doppler bins and ranges, got shape {spectrum.shape}")
    bins = steering.shape[0] if isinstance(steering, np.ndarray) and steering.ndim == 2 else 0
    if bins not in (1, 3):
        raise ValueError("steering: wanted 1 or 3 rows (Doppler bins) of one value a channel; see the docstring")
    cdef const float complex[:, ::1] s = require_array("steering", steering, "complex64", (bins, x.shape[0]))
    if not np.isfinite(steering).all() or not steering.any():
        raise ValueError("steering: wanted finite values, not all 0; give the response of a target")
    if x.shape[1] < bins:
        raise ValueError(f"spectrum: wanted at least {bins} Doppler bins, got {x.shape[1]}")
    if x.shape[0] * bins > MOST:
        raise ValueError(f"steering: wanted at most {MOST} channels times bins, got {x.shape[0] * bins}; use one bin")
    cdef double load = require_number("loading", loading, 1e-12, 1)
    require_integer("block", block, LANES, 1 << 20)
    if block % LANES:
        raise ValueError(f"block: wanted a multiple of {LANES}, got {block}")
    cdef Shape z = shaped(x.shape[0], x.shape[1], x.shape[2], bins, block)
    cdef float[:, ::1] out = require_array(
        "power", power, "float32", (z.dopplers, z.ranges), out=True, apart_from=(spectrum, steering)
    )
    cdef float[::1] room = require_scratch(
        scratch, adaptive_scratch_size(z.channels, z.ranges, bins, block), (spectrum, steering, power)
    )
    # Doubles first, at a multiple of 8 octets.
    cdef double* total = <double*>((<size_t>&room[0] + 7) // 8 * 8)
    cdef double* sums = total + 2 * z.n * z.n
    cdef double* m = sums + 2 * z.n * z.n * z.blocks
    cdef double* w = m + 2 * z.n * z.n
    cdef float* rows = <float*>(w + 2 * z.n)
    cdef float* good = rows + 2 * z.n * z.wide
    cdef float* y = good + z.wide
    cdef Py_ssize_t doppler, b, i, conventional = 0
    with nogil:
        for doppler in range(z.dopplers):
            gather(&z, <const float*>&x[0, 0, 0], doppler, rows, good)
            for i in range(2 * z.n * z.n):
                total[i] = 0
            for b in range(z.blocks):
                block_sums(&z, rows, b, total, sums + 2 * b * z.n * z.n)
            for b in range(z.blocks):
                conventional += not train(&z, total, sums, good, b, load, <const float*>&s[0, 0], m, w)
                apply(&z, rows, good, w, b, y, &out[doppler, 0])
    return conventional
