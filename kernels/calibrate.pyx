"""Raw samples to a calibrated frame: per-pixel offset and gain, then replacement of bad pixels.

Two-point non-uniformity correction: ``out = (samples - offset) * gain``, with ``offset`` the dark level of each pixel
and ``gain`` the inverse of its responsivity relative to the mean (Perry and Dereniak 1993, "Linear theory of
nonuniformity correction in infrared staring sensors", eq. 3). A pixel on the bad list then takes the mean of its good
neighbours.
"""

from lookdown.kernels.rows cimport RowIn, RowOut, SamplesIn
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_integer


cdef cloned_wide calibrate_row(SamplesIn samples, RowIn gain, RowIn offset, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (<float>samples[i] - offset[i]) * gain[i]


cdef cloned_wide convert_row(SamplesIn samples, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <float>samples[i]


def calibrate(samples, gain, offset, out):
    """Correct offset and gain of each pixel: ``out = (samples - offset) * gain``.

    Parameters
    ----------
    samples : ndarray of uint16, shape (rows, cols)
        Raw samples [DN].
    gain : ndarray of float32, shape (rows, cols)
        Factor of each pixel [calibrated unit / DN].
    offset : ndarray of float32, shape (rows, cols)
        Level of each pixel without light [DN].
    out : ndarray of float32, shape (rows, cols)
        Calibrated frame.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const unsigned short[:, ::1] x = require_array("samples", samples, "uint16", 2)
    cdef const float[:, ::1] g = require_array("gain", gain, "float32", samples.shape)
    cdef const float[:, ::1] o = require_array("offset", offset, "float32", samples.shape)
    cdef float[:, ::1] y = require_array(
        "out", out, "float32", samples.shape, out=True, apart_from=(samples, gain, offset)
    )
    with nogil:
        calibrate_row(&x[0, 0], &g[0, 0], &o[0, 0], &y[0, 0], x.shape[0] * x.shape[1])


def convert(samples, out):
    """Convert raw samples to float32 without any correction.

    Parameters
    ----------
    samples : ndarray of uint16, shape (rows, cols)
        Raw samples [DN].
    out : ndarray of float32, shape (rows, cols)
        The same values.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const unsigned short[:, ::1] x = require_array("samples", samples, "uint16", 2)
    cdef float[:, ::1] y = require_array("out", out, "float32", samples.shape, out=True, apart_from=(samples,))
    with nogil:
        convert_row(&x[0, 0], &y[0, 0], x.shape[0] * x.shape[1])


cdef inline Py_ssize_t add_good(
    const float* frame, const int* bad, Py_ssize_t n, Py_ssize_t cursor, Py_ssize_t first, Py_ssize_t last, float* total
) noexcept nogil:
    """Add the good pixels from flat index ``first`` to ``last``; ``cursor`` is the place in the list."""
    cdef Py_ssize_t at, count = 0
    for at in range(first, last + 1):
        # At the left border the cursor may still be at the last pixel of the row above.
        if cursor < n and bad[cursor] < at:
            cursor += 1
        if cursor < n and bad[cursor] == at:
            cursor += 1
        else:
            total[0] += frame[at]
            count += 1
    return count


cdef float wider_mean(
    const float* frame, Py_ssize_t rows, Py_ssize_t cols, const int* bad, Py_ssize_t n, Py_ssize_t flat
) noexcept nogil:
    """Mean over the smallest square about pixel ``flat`` that holds a good pixel; zero if none does."""
    cdef Py_ssize_t row = flat // cols, col = flat % cols, radius, r, first, last, cursor, count
    cdef float total
    for radius in range(2, max(rows, cols)):
        total = 0
        count = 0
        for r in range(max(row - radius, 0), min(row + radius, rows - 1) + 1):
            first = r * cols + max(col - radius, 0)
            last = r * cols + min(col + radius, cols - 1)
            cursor = 0
            while cursor < n and bad[cursor] < first:
                cursor += 1
            count += add_good(frame, bad, n, cursor, first, last, &total)
        if count > 0:
            return total / <float>count
    return 0


cdef void judge_listed(
    const int* bad, Py_ssize_t n, Py_ssize_t rows, Py_ssize_t cols, unsigned char* good
) noexcept nogil:
    """Set bit ``k`` of ``good[i]`` where neighbour ``k`` of pixel ``i``, in raster order, is in the frame and good."""
    cdef Py_ssize_t i, k, r, c, row, col, at
    cdef Py_ssize_t[3] cursor
    cdef unsigned char bits
    cursor[0] = cursor[1] = cursor[2] = 0
    for i in range(n):
        row = bad[i] // cols
        col = bad[i] - row * cols
        bits = 0
        k = 0
        for r in range(3):
            # The list is sorted, so the places of the neighbour rows in it only move forward.
            while cursor[r] < n and bad[cursor[r]] < bad[i] + (r - 1) * cols - 1:
                cursor[r] += 1
            for c in range(3):
                if r == 1 and c == 1:
                    continue
                if 0 <= row + r - 1 < rows and 0 <= col + c - 1 < cols:
                    at = cursor[r]
                    while at < n and bad[at] < bad[i] + (r - 1) * cols + c - 1:
                        at += 1
                    if at == n or bad[at] != bad[i] + (r - 1) * cols + c - 1:
                        bits |= 1 << k
                k += 1
        good[i] = bits


def judge_neighbours(bad, rows, cols, good):
    """Find out which neighbours of listed pixels are good: what `replace_bad` needs to know of a list, once for all.

    Parameters
    ----------
    bad : ndarray of int32, shape (n,)
        Flat indices of the bad pixels, strictly increasing.
    rows, cols : int
        Size of the frames [px].
    good : ndarray of uint8, shape (n,)
        Bit ``k`` is set where the neighbour ``k`` of the eight, in raster order, is in the frame and not listed.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the list is not increasing or leaves the frame.
    """
    cdef const int[::1] b = require_array("bad", bad, "int32", 1)
    cdef Py_ssize_t n_rows = require_integer("rows", rows, 1, 65536), n_cols = require_integer("cols", cols, 1, 32767)
    cdef Py_ssize_t size = n_rows * n_cols, n = b.shape[0], i, previous = -1
    for i in range(n):
        if b[i] <= previous or b[i] >= size:
            raise ValueError(
                f"bad: wanted flat indices below {size} in increasing order, got {bad[i]} at place {i}; "
                "use numpy.unique(numpy.flatnonzero(mask)).astype('int32')"
            )
        previous = b[i]
    cdef unsigned char[::1] g = require_array("good", good, "uint8", bad.shape, out=True, apart_from=(bad,))
    with nogil:
        judge_listed(&b[0], n, n_rows, n_cols, &g[0])


cdef Py_ssize_t replace_listed(
    float* frame, Py_ssize_t rows, Py_ssize_t cols, const int* bad, const unsigned char* good, Py_ssize_t n
) noexcept nogil:
    """Return the place in the list at which it does not fit the frame, or -1."""
    cdef Py_ssize_t i, flat, k, at, count, size = rows * cols
    cdef float total
    cdef const float* a
    cdef const float* b
    cdef Py_ssize_t[8] steps
    steps[0], steps[1], steps[2], steps[3] = -cols - 1, -cols, -cols + 1, -1
    steps[4], steps[5], steps[6], steps[7] = 1, cols - 1, cols, cols + 1
    for i in range(n):
        flat = bad[i]
        if good[i] == 255:
            if flat < cols + 1 or flat + cols + 1 >= size:
                return i
            a = frame + flat - cols - 1
            b = frame + flat + cols - 1
            total = ((a[0] + a[1]) + (a[2] + frame[flat - 1])) + ((frame[flat + 1] + b[0]) + (b[1] + b[2]))
            frame[flat] = total / 8
            continue
        if flat < 0 or flat >= size:
            return i
        total = 0
        count = 0
        for k in range(8):
            if good[i] >> k & 1:
                at = flat + steps[k]
                if at < 0 or at >= size:
                    return i
                total += frame[at]
                count += 1
        frame[flat] = total / <float>count if count > 0 else wider_mean(frame, rows, cols, bad, n, flat)
    return -1


def replace_bad(frame, bad, good):
    """Replace listed pixels, in place, by the mean of their good 8-neighbours.

    A pixel whose eight neighbours are all bad takes the mean over the smallest larger square that holds a good pixel;
    in a frame without any good pixel all become zero. Good pixels alone are read, so the order does not matter.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, changed in place.
    bad : ndarray of int32, shape (n,)
        Flat indices of the bad pixels, strictly increasing.
    good : ndarray of uint8, shape (n,)
        What `judge_neighbours` says of this list.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the list leaves the frame.
    """
    cdef float[:, ::1] y = require_array("frame", frame, "float32", 2, out=True)
    cdef const int[::1] b = require_array("bad", bad, "int32", 1)
    cdef const unsigned char[::1] g = require_array("good", good, "uint8", bad.shape)
    cdef Py_ssize_t wrong
    with nogil:
        wrong = replace_listed(&y[0, 0], y.shape[0], y.shape[1], &b[0], &g[0], b.shape[0])
    if wrong >= 0:
        raise ValueError(
            f"bad: wanted pixels of a frame of {frame.shape}, got {bad[wrong]} with neighbours {good[wrong]:#x} at "
            f"place {wrong}; give judge_neighbours this list and this size of frame"
        )
