"""Sums over sliding windows without subtraction: no drift, and a NaN or a star spoils only the windows that hold it.

Down the columns a window of ``w`` rows is split where blocks of ``w`` rows meet: the sum is a suffix of one block plus
a prefix of the next (van Herk 1992, Pattern Recognition Letters 13; Gil and Werman 1993), three additions a pixel
whatever ``w``. Along a row the window is put together from sums over 2, 4, 8 ... columns.

All sums are of ``x - pivot`` and of its square at once; the pivot keeps the squares small, so float32 carries them.
"""

from libc.float cimport FLT_MAX
from libc.math cimport fabs, sqrt
from libc.string cimport memcpy, memset

from lookdown.kernels.rows cimport Row, RowIn, RowOut, cloned, row_stride


cdef inline float typical_level(const float* frame, Py_ssize_t size) noexcept nogil:
    """Mean of about 1024 pixels spread over the frame, stars and clouds left out; 0 if none is finite."""
    # An odd stride visits all columns of a frame with an even number of them.
    cdef Py_ssize_t stride = (size // 1024) | 1, samples = (size + stride - 1) // stride, k, count, turn
    cdef double total, square, d, mean = 0, reach = 0
    for turn in range(4):
        total = square = 0
        count = 0
        for k in range(samples):
            d = frame[k * stride] - mean
            if fabs(d) <= (reach if turn > 0 else FLT_MAX):
                total += d
                square += d * d
                count += 1
        if count == 0:
            break
        mean += total / count
        # Next time only what lies within one standard deviation counts.
        reach = sqrt(max(square / count - (total / count) * (total / count), 0.0))
    return <float>mean


cdef inline cloned start_sums(RowIn x, float pivot, RowOut first, RowOut second, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef float d
    for i in range(n):
        d = x[i] - pivot
        first[i] = d
        second[i] = d * d


cdef inline cloned extend_sums(
    RowIn x, float pivot, RowIn first_before, RowIn second_before, RowOut first, RowOut second, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float d
    for i in range(n):
        d = x[i] - pivot
        first[i] = first_before[i] + d
        second[i] = second_before[i] + d * d


cdef inline cloned grow_sums(
    RowIn x, float pivot, RowOut first, RowOut second,
    RowIn first_suffix, RowIn second_suffix, RowOut first_sum, RowOut second_sum, Py_ssize_t n
) noexcept nogil:
    """Add a row to the prefix and put the window together."""
    cdef Py_ssize_t i
    cdef float d
    for i in range(n):
        d = x[i] - pivot
        first[i] += d
        second[i] += d * d
        first_sum[i] = first_suffix[i] + first[i]
        second_sum[i] = second_suffix[i] + second[i]


cdef inline cloned add_rows(RowIn a, RowIn b, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = a[i] + b[i]


cdef struct ColumnSums:
    # Sums over `window` rows that start at `start`, which may lie outside the frame: rows there count as pivot.
    const float* frame
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t stride  # of the rows in scratch
    Py_ssize_t window
    Py_ssize_t start
    Py_ssize_t place  # within the block of `window` rows
    float pivot
    float* first  # `window` rows of suffix sums and one of the prefix
    float* second


cdef inline Py_ssize_t column_sums_size(Py_ssize_t cols, Py_ssize_t window) noexcept nogil:
    """Floats that one ColumnSums needs."""
    return 2 * (window + 1) * row_stride(cols)


cdef inline ColumnSums column_sums(
    const float* frame, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t window, Py_ssize_t start, float pivot,
    float* scratch
) noexcept nogil:
    cdef ColumnSums sums
    sums.frame = frame
    sums.rows = rows
    sums.cols = cols
    sums.window = window
    sums.start = start
    sums.place = 0
    sums.pivot = pivot
    sums.first = scratch
    sums.stride = row_stride(cols)
    sums.second = scratch + (window + 1) * sums.stride
    return sums


cdef inline void next_sums(ColumnSums* sums, float* first_sum, float* second_sum) noexcept nogil:
    """Write the sums over rows ``start`` to ``start + window - 1`` and move one row on."""
    cdef Py_ssize_t n = sums.cols, m = sums.stride, w = sums.window, k, row
    cdef float* first = sums.first
    cdef float* second = sums.second
    cdef float* first_prefix = first + w * m
    cdef float* second_prefix = second + w * m
    if sums.place == 0:
        memset(first_prefix, 0, n * sizeof(float))
        memset(second_prefix, 0, n * sizeof(float))
        for k in range(w - 1, -1, -1):
            row = sums.start + k
            if not 0 <= row < sums.rows:
                if k == w - 1:
                    memset(first + k * m, 0, n * sizeof(float))
                    memset(second + k * m, 0, n * sizeof(float))
                else:
                    memcpy(first + k * m, first + (k + 1) * m, n * sizeof(float))
                    memcpy(second + k * m, second + (k + 1) * m, n * sizeof(float))
            elif k == w - 1:
                start_sums(sums.frame + row * n, sums.pivot, first + k * m, second + k * m, n)
            else:
                extend_sums(
                    sums.frame + row * n, sums.pivot, first + (k + 1) * m, second + (k + 1) * m,
                    first + k * m, second + k * m, n,
                )
        memcpy(first_sum, first, n * sizeof(float))
        memcpy(second_sum, second, n * sizeof(float))
    else:
        row = sums.start + w - 1
        first += sums.place * m
        second += sums.place * m
        if 0 <= row < sums.rows:
            grow_sums(
                sums.frame + row * n, sums.pivot, first_prefix, second_prefix, first, second, first_sum, second_sum, n
            )
        else:
            add_rows(first, first_prefix, first_sum, n)
            add_rows(second, second_prefix, second_sum, n)
    sums.start += 1
    sums.place = sums.place + 1 if sums.place + 1 < w else 0


cdef inline cloned add_three(RowIn a, RowIn b, RowIn c, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (a[i] + b[i]) + c[i]


cdef inline cloned add_four(RowIn a, RowIn b, RowIn c, RowIn d, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (a[i] + b[i]) + (c[i] + d[i])


cdef inline cloned add_to(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] += x[i]


# Narrow windows in one pass, added in the order in which `row_sums` adds the wider ones.

cdef inline cloned sums_of_two(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] + x[i + 1]


cdef inline cloned sums_of_three(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] + (x[i + 1] + x[i + 2])


cdef inline cloned sums_of_four(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (x[i] + x[i + 1]) + (x[i + 2] + x[i + 3])


cdef inline cloned sums_of_five(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = x[i] + ((x[i + 1] + x[i + 2]) + (x[i + 3] + x[i + 4]))


cdef inline cloned sums_of_six(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (x[i] + x[i + 1]) + ((x[i + 2] + x[i + 3]) + (x[i + 4] + x[i + 5]))


cdef inline cloned sums_of_eight(RowIn x, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = ((x[i] + x[i + 1]) + (x[i + 2] + x[i + 3])) + ((x[i + 4] + x[i + 5]) + (x[i + 6] + x[i + 7]))


cdef enum:
    MOST_SPANS = 8  # of 1, 2, 4 ... 128 columns: windows up to 255


cdef inline void row_sums(const float* x, Py_ssize_t window, Py_ssize_t n, float* work, float* out) noexcept nogil:
    """Sums over ``window`` columns: ``out[i] = x[i] + ... + x[i + window - 1]`` for i < n.

    ``x`` has ``n + window - 1`` floats, ``work`` a row of ``row_stride`` of as many for each doubling.
    """
    cdef Py_ssize_t width = n + window - 1, stride = row_stride(width), span = 1, offset = 0, count = 0, k
    cdef const float* doubled = x
    cdef Row[MOST_SPANS] parts
    if window == 2:
        sums_of_two(x, out, n)
        return
    if window == 3:
        sums_of_three(x, out, n)
        return
    if window == 4:
        sums_of_four(x, out, n)
        return
    if window == 5:
        sums_of_five(x, out, n)
        return
    if window == 6:
        sums_of_six(x, out, n)
        return
    if window == 8:
        sums_of_eight(x, out, n)
        return
    while True:
        if window & span:
            # The parts stand one after the other: first the short spans, then the longer ones.
            parts[count] = doubled + offset
            count += 1
            offset += span
        if 2 * span > window:
            break
        add_rows(doubled, doubled + span, work, width - 2 * span + 1)
        doubled = work
        work += stride
        span *= 2
    if count == 1:
        memcpy(out, parts[0], n * sizeof(float))
    elif count == 2:
        add_rows(parts[0], parts[1], out, n)
    elif count == 3:
        add_three(parts[0], parts[1], parts[2], out, n)
    else:
        add_four(parts[0], parts[1], parts[2], parts[3], out, n)
    for k in range(4, count):
        add_to(parts[k], out, n)


cdef inline Py_ssize_t row_sums_size(Py_ssize_t width, Py_ssize_t window) noexcept nogil:
    """Floats of ``work`` that `row_sums` needs for ``width = n + window - 1``."""
    cdef Py_ssize_t doublings = 0
    while window > 1:
        window >>= 1
        doublings += 1
    return doublings * row_stride(width)


cdef inline Py_ssize_t cells_within(Py_ssize_t centre, Py_ssize_t half, Py_ssize_t n) noexcept nogil:
    """How many of the cells ``centre - half`` to ``centre + half`` lie in 0 to n - 1."""
    return min(centre + half, n - 1) - max(centre - half, 0) + 1
