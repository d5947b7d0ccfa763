"""Post-Doppler adaptive filter (factored space-time processing) with one or three Doppler bins.

For Doppler bin d the snapshot x of a range cell holds all channels in the bins d - 1, d, d + 1 (or d alone). With s
the response of a target and R the mean of x x^H over training cells, loaded by a part of its mean diagonal,

    z = |s^H R^-1 x|^2 / (s^H R^-1 s)

which is the adaptive matched filter (Robey et al. 1992, IEEE Trans. AES 28; factored: DiPietro 1992, Asilomar; loading:
Carlson 1988, IEEE Trans. AES 24). Where R is known, z of noise and clutter has mean 1 and is exponential.

Ranges are parted into blocks; those of a block are filtered by weights trained on all cells but its own block and the
two beside it, so no target within a block whitens itself; further cells, such as those of known targets, can be left
out by name. Neighbouring Doppler bins share most products: each is multiplied with itself and the two before it once.
Sums of a block run in float32 over 8 lanes, those over blocks and the Cholesky factor in float64. A range cell that is
not finite in some channel and bin neither trains nor passes: its z is 0 in all bins.
"""

from libc.math cimport isfinite, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from lookdown.kernels.hermitian cimport factor, solve
from lookdown.kernels.products cimport lookdown_cross, lookdown_weigh
from lookdown.kernels.rows cimport RowIn, RowOut, cloned

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_number, require_scratch

cdef enum:
    LANES = 8
    MOST = 64  # channels times bins
    HELD = 3  # Doppler bins that are held at a time
    NONE = -9  # no Doppler bin

cdef struct Shape:
    Py_ssize_t channels
    Py_ssize_t dopplers
    Py_ssize_t ranges
    Py_ssize_t bins
    Py_ssize_t n  # channels times bins
    Py_ssize_t block
    Py_ssize_t blocks
    Py_ssize_t wide  # floats of a row: whole blocks of whole lanes
    Py_ssize_t product  # floats of the products of two Doppler bins, over all blocks


cdef struct Work:
    const float* spectrum
    float* rows  # channels of the bins that are held, parts apart
    float* products  # of each bin held with itself, the one before and the one before that
    float* good  # 1 for a cell that is finite
    double* total
    double* sums
    double* whole  # finite cells of each block
    double* cells  # those of them that train in a Doppler bin
    double* m
    double* w
    float* weights
    float* y
    Py_ssize_t held[HELD]  # which bin stands in each slot, from -1 to dopplers, or NONE
    bint spoilt


cdef cloned part(RowIn x, Py_ssize_t n, RowOut re, RowOut im) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        re[i] = x[2 * i]
        im[i] = x[2 * i + 1]


cdef cloned not_finite(RowIn x, Py_ssize_t n, RowOut flag) noexcept nogil:
    """Say by a NaN whether a row holds anything that is not finite: eight sums, for the compiler keeps their order."""
    cdef Py_ssize_t i, lane
    cdef float sums[8]
    for lane in range(8):
        sums[lane] = 0
    for i in range(n // 8):
        for lane in range(8):
            sums[lane] += x[8 * i + lane] * 0
    for i in range(n // 8 * 8, n):
        sums[0] += x[i] * 0
    flag[0] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))


cdef void find_good(const Shape* z, Work* k) noexcept nogil:
    """Find the range cells that are finite throughout."""
    cdef Py_ssize_t i, row
    cdef const float* x
    cdef float flag = 0
    k.spoilt = False
    for i in range(z.wide):
        k.good[i] = i < z.ranges
    for row in range(z.channels * z.dopplers):
        x = k.spectrum + 2 * row * z.ranges
        not_finite(x, 2 * z.ranges, &flag)
        if flag == flag:
            continue
        k.spoilt = True
        for i in range(z.ranges):
            if not (isfinite(x[2 * i]) and isfinite(x[2 * i + 1])):
                k.good[i] = 0
    for row in range(z.blocks):
        k.whole[row] = 0
        for i in range(row * z.block, (row + 1) * z.block):
            k.whole[row] += k.good[i]


cdef inline Py_ssize_t slot_of(Py_ssize_t bin_at) noexcept nogil:
    return (bin_at + HELD) % HELD


cdef void multiply(const Shape* z, Work* k, Py_ssize_t one, Py_ssize_t other, float* out) noexcept nogil:
    """Products of the channels of two bins held, block by block; with itself the lower triangle alone."""
    cdef const float* a = k.rows + 2 * slot_of(one) * z.channels * z.wide
    cdef const float* b = k.rows + 2 * slot_of(other) * z.channels * z.wide
    cdef float both[4]
    cdef Py_ssize_t block, i, c, last, at, next_one
    for block in range(z.blocks):
        for i in range(z.channels):
            last = i + 1 if one == other else z.channels
            for c in range(0, last, 2):
                next_one = min(c + 1, z.channels - 1)
                lookdown_cross(
                    a + 2 * i * z.wide + block * z.block, b + 2 * c * z.wide + block * z.block,
                    b + 2 * next_one * z.wide + block * z.block, z.wide, z.block, both,
                )
                at = 2 * ((block * z.channels + i) * z.channels + c)
                out[at] = both[0]
                out[at + 1] = both[1]
                if next_one > c:
                    out[at + 2] = both[2]
                    out[at + 3] = both[3]


cdef void hold(const Shape* z, Work* k, Py_ssize_t bin_at) noexcept nogil:
    """Have a Doppler bin, counted from -1 to dopplers, and its products with those before it that are held."""
    cdef Py_ssize_t slot = slot_of(bin_at), folded = (bin_at + z.dopplers) % z.dopplers, channel, i, back
    cdef float* rows = k.rows + 2 * slot * z.channels * z.wide
    if k.held[slot] == bin_at:
        return
    k.held[slot] = bin_at
    for channel in range(z.channels):
        part(
            k.spectrum + 2 * (channel * z.dopplers + folded) * z.ranges, z.ranges, rows + 2 * channel * z.wide,
            rows + (2 * channel + 1) * z.wide,
        )
        memset(rows + 2 * channel * z.wide + z.ranges, 0, (z.wide - z.ranges) * sizeof(float))
        memset(rows + (2 * channel + 1) * z.wide + z.ranges, 0, (z.wide - z.ranges) * sizeof(float))
    if k.spoilt:
        for i in range(z.ranges):
            if k.good[i] == 0:
                for channel in range(2 * z.channels):
                    rows[channel * z.wide + i] = 0
    for back in range(z.bins):
        if k.held[slot_of(bin_at - back)] == bin_at - back:
            multiply(z, k, bin_at, bin_at - back, k.products + (HELD * slot + back) * z.product)


cdef void gather(const Shape* z, Work* k, Py_ssize_t doppler) noexcept nogil:
    """Sums over each block, and over all, for the snapshot of a Doppler bin: its products put in order."""
    cdef Py_ssize_t block, b, back, i, c, at, first = doppler - z.bins // 2, size = 2 * z.n * z.n
    cdef const float* product
    cdef double* own
    for b in range(z.bins):
        hold(z, k, first + b)
    memset(k.total, 0, size * sizeof(double))
    for block in range(z.blocks):
        own = k.sums + block * size
        for b in range(z.bins):
            for back in range(b + 1):
                product = k.products + (HELD * slot_of(first + b) + back) * z.product
                for i in range(z.channels):
                    for c in range(z.channels):
                        at = 2 * ((b * z.channels + i) * z.n + (b - back) * z.channels + c)
                        own[at] = product[2 * ((block * z.channels + i) * z.channels + c)]
                        own[at + 1] = product[2 * ((block * z.channels + i) * z.channels + c) + 1]
        for i in range(size):
            k.total[i] += own[i]
        k.cells[block] = k.whole[block]


cdef void leave_out(const Shape* z, Work* k, Py_ssize_t doppler, Py_ssize_t cell) noexcept nogil:
    """Take one cell out of the sums of a snapshot."""
    cdef Py_ssize_t block = cell // z.block, i, c, at
    cdef double* own = k.sums + 2 * block * z.n * z.n
    cdef const float* a
    cdef const float* b
    cdef double re, im
    if k.good[cell] == 0:
        return
    k.cells[block] -= 1
    for i in range(z.n):
        a = row_of(z, k, doppler, i) + cell
        for c in range(i + 1):
            b = row_of(z, k, doppler, c) + cell
            re = <double>a[0] * b[0] + <double>a[z.wide] * b[z.wide]
            im = <double>a[z.wide] * b[0] - <double>a[0] * b[z.wide]
            at = 2 * (i * z.n + c)
            own[at] -= re
            own[at + 1] -= im
            k.total[at] -= re
            k.total[at + 1] -= im


cdef inline const float* row_of(const Shape* z, const Work* k, Py_ssize_t doppler, Py_ssize_t i) noexcept nogil:
    """Row i of the snapshots of a Doppler bin."""
    cdef Py_ssize_t slot = slot_of(doppler - z.bins // 2 + i // z.channels)
    return k.rows + 2 * (slot * z.channels + i % z.channels) * z.wide


cdef bint train(const Shape* z, Work* k, Py_ssize_t block, double loading, const float* steering) noexcept nogil:
    """Weights of a block, scaled so that z has mean 1; say whether there were cells enough to adapt."""
    cdef Py_ssize_t i, c, b, n = z.n, first = max(block - 1, 0), last = min(block + 1, z.blocks - 1)
    cdef double diagonal = 0, energy, cells = 0
    cdef double* m = k.m
    cdef bint adapts
    for b in range(z.blocks):
        if b < first or b > last:
            cells += k.cells[b]
    for i in range(n):
        for c in range(2 * i + 2):
            m[2 * i * n + c] = k.total[2 * i * n + c]
            for b in range(first, last + 1):
                m[2 * i * n + c] -= k.sums[2 * b * n * n + 2 * i * n + c]
            m[2 * i * n + c] = m[2 * i * n + c] / cells if cells > 0 else 0
        diagonal += m[2 * (i * n + i)] / n
    adapts = cells >= 2 * n and diagonal > 0
    for i in range(n):
        m[2 * (i * n + i)] += loading * diagonal
    if adapts:
        adapts = factor(m, n)
    if not adapts:
        # Conventional: every channel with the mean power of the bin.
        memset(m, 0, 2 * n * n * sizeof(double))
        for i in range(n):
            m[2 * (i * n + i)] = sqrt(diagonal) if diagonal > 0 else 1
    for i in range(2 * n):
        k.w[i] = steering[i]
    energy = solve(m, n, k.w)
    for i in range(2 * n):
        k.weights[i] = <float>(k.w[i] / sqrt(energy)) if energy > 0 else 0
    return adapts


cdef void apply(const Shape* z, Work* k, Py_ssize_t doppler, Py_ssize_t block, float* out) noexcept nogil:
    """Filter a block."""
    cdef Py_ssize_t start = block * z.block, i
    cdef const float* rows[MOST]
    for i in range(z.n):
        rows[i] = row_of(z, k, doppler, i) + start
    lookdown_weigh(rows, k.weights, z.n, k.good + start, z.wide, z.block, k.y)
    memcpy(out + start, k.y, min(z.block, z.ranges - start) * sizeof(float))


cdef Shape shaped(channels, dopplers, ranges, bins, block):
    cdef Shape z
    z.channels, z.dopplers, z.ranges, z.bins, z.n, z.block = channels, dopplers, ranges, bins, channels * bins, block
    z.blocks = (z.ranges + z.block - 1) // z.block
    z.wide = z.blocks * z.block
    z.product = 2 * z.blocks * z.channels * z.channels
    return z


def adaptive_scratch_size(channels, ranges, bins, block):
    """Floats of scratch that `adaptive_filter` needs."""
    cdef Shape z = shaped(channels, 1, ranges, bins, block)
    doubles = 2 * z.n * z.n * (z.blocks + 2) + 2 * z.n + 2 * z.blocks
    floats = (2 * HELD * z.channels + 1) * z.wide + HELD * HELD * z.product + 2 * z.n + z.block
    return 2 * doubles + floats + 2


def adaptive_filter(spectrum, steering, loading, block, excluded, wanted, scratch, power):
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
    excluded : ndarray of int64, shape (n,)
        Cells that do not train in their Doppler bin: flat indices ``doppler * ranges + range``, ascending.
    wanted : ndarray of uint8, shape (dopplers,)
        Doppler bins to filter; where it is 0 ``power`` stays as it is.
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
    cdef const int64_t[::1] left_out = require_array("excluded", excluded, "int64", 1)
    if excluded.size and not (
        0 <= excluded.min() and excluded.max() < z.dopplers * z.ranges and (np.diff(excluded) > 0).all()
    ):
        raise ValueError(f"excluded: wanted indices that ascend within {z.dopplers} x {z.ranges} cells")
    cdef const unsigned char[::1] which = require_array("wanted", wanted, "uint8", (z.dopplers,))
    inputs = (spectrum, steering, excluded, wanted)
    cdef float[:, ::1] out = require_array(
        "power", power, "float32", (z.dopplers, z.ranges), out=True, apart_from=inputs
    )
    cdef float[::1] room = require_scratch(
        scratch, adaptive_scratch_size(z.channels, z.ranges, bins, block), (*inputs, power)
    )
    cdef Work k
    # Doubles first, at a multiple of 8 octets.
    k.total = <double*>((<size_t>&room[0] + 7) // 8 * 8)
    k.sums = k.total + 2 * z.n * z.n
    k.m = k.sums + 2 * z.n * z.n * z.blocks
    k.w = k.m + 2 * z.n * z.n
    k.cells = k.w + 2 * z.n
    k.whole = k.cells + z.blocks
    k.rows = <float*>(k.whole + z.blocks)
    k.good = k.rows + 2 * HELD * z.channels * z.wide
    k.products = k.good + z.wide
    k.weights = k.products + HELD * HELD * z.product
    k.y = k.weights + 2 * z.n
    k.spectrum = <const float*>&x[0, 0, 0]
    cdef Py_ssize_t doppler, b, next_out = 0, conventional = 0
    for b in range(HELD):
        k.held[b] = NONE
    with nogil:
        # Upper triangles are never read, but added up.
        memset(k.sums, 0, 2 * z.n * z.n * z.blocks * sizeof(double))
        memset(k.products, 0, HELD * HELD * z.product * sizeof(float))
        find_good(&z, &k)
        for doppler in range(z.dopplers):
            if which[doppler]:
                gather(&z, &k, doppler)
                while next_out < left_out.shape[0] and left_out[next_out] < doppler * z.ranges:
                    next_out += 1
                while next_out < left_out.shape[0] and left_out[next_out] < (doppler + 1) * z.ranges:
                    leave_out(&z, &k, doppler, left_out[next_out] - doppler * z.ranges)
                    next_out += 1
                for b in range(z.blocks):
                    conventional += not train(&z, &k, b, load, <const float*>&s[0, 0])
                    apply(&z, &k, doppler, b, &out[doppler, 0])
    return conventional
