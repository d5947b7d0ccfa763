"""Raw samples to a calibrated frame: per-pixel offset and gain, then replacement of bad pixels.

Two-point non-uniformity correction: ``out = (samples - offset) * gain``, with ``offset`` the dark level of each pixel
and ``gain`` the inverse of its responsivity relative to the mean (Perry and Dereniak 1993, "Linear theory of
nonuniformity correction in infrared staring sensors", eq. 3). A pixel on the bad list then takes the mean of its good
neighbours.
"""

from lookdown.kernels.rows cimport RowIn, RowOut, SamplesIn, cloned

from lookdown.kernels.checks import require_array


cdef cloned calibrate_row(SamplesIn samples, RowIn gain, RowIn offset, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (<float>samples[i] - offset[i]) * gain[i]


cdef cloned convert_row(SamplesIn samples, RowOut out, Py_ssize_t n) noexcept nogil:
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


cdef inline Py_ssize_t advance(const int* bad, Py_ssize_t n, Py_ssize_t cursor, Py_ssize_t first) noexcept nogil:
    """Move a cursor on to the first entry that is not below ``first``."""
    cdef Py_ssize_t _k
    # About one step is due each time, but not always: without a branch it costs no misprediction.
    for _k in range(3):
        cursor += (cursor < n) & (bad[min(cursor, n - 1)] < first)
    while cursor < n and bad[cursor] < first:
        cursor += 1
    return cursor


cdef void replace_listed(
    float* frame, Py_ssize_t rows, Py_ssize_t cols, const int* bad, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i, flat, row, col, up = 0, down = 0, left, right, count
    cdef bint alone
    cdef float total
    cdef const float* a
    cdef const float* b
    for i in range(n):
        flat = bad[i]
        # The list is sorted, so the places of the neighbour rows in it only move forward.
        up = advance(bad, n, up, flat - cols - 1)
        down = advance(bad, n, down, flat + cols - 1)
        row = flat // cols
        col = flat - row * cols
        alone = 0 < row < rows - 1 and 0 < col < cols - 1 and bad[up] > flat - cols + 1
        alone = alone and (down == n or bad[down] > flat + cols + 1)
        alone = alone and (i == 0 or bad[i - 1] != flat - 1) and (i + 1 == n or bad[i + 1] != flat + 1)
        if alone:
            a = frame + flat - cols - 1
            b = frame + flat + cols - 1
            total = ((a[0] + a[1]) + (a[2] + frame[flat - 1])) + ((frame[flat + 1] + b[0]) + (b[1] + b[2]))
            frame[flat] = total / 8
            continue
        left = 1 if col > 0 else 0
        right = 1 if col < cols - 1 else 0
        total = 0
        count = 0
        if row > 0:
            count += add_good(frame, bad, n, up, flat - cols - left, flat - cols + right, &total)
        count += add_good(frame, bad, n, max(i - 1, 0), flat - left, flat + right, &total)
        if row < rows - 1:
            count += add_good(frame, bad, n, down, flat + cols - left, flat + cols + right, &total)
        frame[flat] = total / <float>count if count > 0 else wider_mean(frame, rows, cols, bad, n, flat)


def replace_bad(frame, bad):
    """Replace listed pixels, in place, by the mean of their good 8-neighbours.

    A pixel whose eight neighbours are all bad takes the mean over the smallest larger square that holds a good pixel;
    in a frame without any good pixel all become zero. Good pixels alone are read, so the order does not matter.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, changed in place.
    bad : ndarray of int32, shape (n,)
        Flat indices of the bad pixels, strictly increasing.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the list is not increasing or leaves the frame.
    """
    cdef float[:, ::1] y = require_array("frame", frame, "float32", 2, out=True)
    cdef const int[::1] b = require_array("bad", bad, "int32", 1)
    cdef Py_ssize_t size = y.shape[0] * y.shape[1], n = b.shape[0], i, previous = -1, wrong = -1
    with nogil:
        for i in range(n):
            if b[i] <= previous or b[i] >= size:
                wrong = i
                break
            previous = b[i]
        if wrong < 0:
            replace_listed(&y[0, 0], y.shape[0], y.shape[1], &b[0], n)
    if wrong >= 0:
        raise ValueError(
            f"bad: wanted flat indices below {size} in increasing order, got {bad[wrong]} at place {wrong}; "
            "use numpy.unique(numpy.flatnonzero(mask)).astype('int32')"
        )
