"""Displacements by tile as runs of columns, and rows of an image resampled along them.

A field gives each tile a displacement. Neighbours whose displacements agree in whole pixels are one run, with taps for
the part of a pixel that differ from column to column: so a row takes a few long loops, not one for each tile. The four
taps of a pixel along the row are over columns that were blended with the taps of each of those columns.
"""

from libc.math cimport floor, rint

from lookdown.kernels.rows cimport Row, RowIn, RowOut
from lookdown.kernels.wide cimport cloned_wide


cdef struct Run:
    # Columns from `first` to `last` - 1 that move by the same whole pixels, rounded down and to the nearest.
    Py_ssize_t first
    Py_ssize_t last
    Py_ssize_t row
    Py_ssize_t col
    Py_ssize_t near_row
    Py_ssize_t near_col


cdef struct Plan:
    const float* field  # n by m tiles, two numbers each
    Py_ssize_t n
    Py_ssize_t m
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t tile_rows
    Py_ssize_t tile_cols
    double sign  # the displacement is sign * field + (row_step, col_step)
    double row_step
    double col_step
    bint cubic
    Py_ssize_t tile_row  # the row of tiles that is planned
    Py_ssize_t count
    Run* runs
    float* row_taps  # of each column, one row of `cols` for each tap; of all columns where there is one tile
    float* col_taps


cdef struct Image:
    # An image whose rows from `first` to `last` - 1 stand in x, row r at r * cols. Of the others only the last `depth`
    # are kept, row r at r % depth of `kept`.
    const float* x
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t first
    Py_ssize_t last
    const float* kept
    Py_ssize_t depth


cdef inline Image whole_image(const float* x, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    return Image(x, rows, cols, 0, rows, NULL, 1)


cdef inline Image band_of_image(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t first, Py_ssize_t last, const float* kept,
    Py_ssize_t depth
) noexcept nogil:
    return Image(x, rows, cols, first, last, kept, depth)


cdef inline Image last_rows(const float* kept, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t depth) noexcept nogil:
    """An image of which the last `depth` rows are kept."""
    return Image(NULL, rows, cols, 0, 0, kept, depth)


cdef inline Py_ssize_t clamp(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    return 0 if i < 0 else (n - 1 if i >= n else i)


cdef inline const float* row_of(const Image* image, Py_ssize_t r) noexcept nogil:
    """Row ``r``, edges replicated."""
    r = clamp(r, image.rows)
    return image.x + r * image.cols if image.first <= r < image.last else image.kept + (r % image.depth) * image.cols


cdef inline float* own_row(const Image* image, Py_ssize_t r) noexcept nogil:
    """Row ``r`` of an image that is the caller's, to be written."""
    return <float*>row_of(image, r)


cdef inline Py_ssize_t plan_size(Py_ssize_t cols) noexcept nogil:
    """Floats that a plan needs, whatever the number of tiles."""
    return 8 * cols + (cols + 1) * <Py_ssize_t>(sizeof(Run) // sizeof(float)) + 2


cdef inline Plan plan_of(
    const float* field, Py_ssize_t n, Py_ssize_t m, Py_ssize_t rows, Py_ssize_t cols, double sign, double row_step,
    double col_step, bint cubic, float* scratch
) noexcept nogil:
    cdef Plan plan
    plan.field, plan.n, plan.m, plan.rows, plan.cols = field, n, m, rows, cols
    plan.tile_rows, plan.tile_cols = (rows + n - 1) // n, (cols + m - 1) // m
    plan.sign, plan.row_step, plan.col_step, plan.cubic = sign, row_step, col_step, cubic
    plan.tile_row = -1
    plan.count = 0
    plan.row_taps = scratch
    plan.col_taps = scratch + 4 * cols
    scratch += 8 * cols
    plan.runs = <Run*>(scratch + (<size_t>scratch // sizeof(float)) % 2)
    return plan


cdef inline void set_taps(double t, bint cubic, float* taps) noexcept nogil:
    """Weights for a place ``t`` in 0 to 1: of the pixels at -1, 0, 1, 2 (Keys 1981), or of those at 0 and 1."""
    if cubic:
        taps[0] = <float>(t * (-0.5 + t * (1.0 - 0.5 * t)))
        taps[1] = <float>(1.0 + t * t * (-2.5 + 1.5 * t))
        taps[2] = <float>(t * (0.5 + t * (2.0 - 1.5 * t)))
        taps[3] = <float>(t * t * (-0.5 + 0.5 * t))
    else:
        taps[0] = <float>(1 - t)
        taps[1] = <float>t


cdef inline double displacement(const Plan* p, Py_ssize_t c, Py_ssize_t axis) noexcept nogil:
    """Displacement of column ``c`` in the planned row of tiles."""
    return p.sign * p.field[(p.tile_row * p.m + c // p.tile_cols) * 2 + axis] + (p.col_step if axis else p.row_step)


cdef inline void plan_row(Plan* p, Py_ssize_t r) noexcept nogil:
    """Plan the row of tiles that row ``r`` lies in."""
    cdef Py_ssize_t j, k, c, first, last, taps = 4 if p.cubic else 2
    cdef double down, along
    cdef float[4] row_taps
    cdef float[4] col_taps
    cdef Run run
    cdef Run* before
    if r // p.tile_rows == p.tile_row:
        return
    p.tile_row = r // p.tile_rows
    p.count = 0
    for j in range(p.m):
        first = j * p.tile_cols
        if first >= p.cols:
            break
        last = min(first + p.tile_cols, p.cols)
        down = displacement(p, first, 0)
        along = displacement(p, first, 1)
        run.first, run.last = first, last
        run.row, run.col = <Py_ssize_t>floor(down), <Py_ssize_t>floor(along)
        run.near_row, run.near_col = <Py_ssize_t>rint(down), <Py_ssize_t>rint(along)
        set_taps(down - floor(down), p.cubic, row_taps)
        set_taps(along - floor(along), p.cubic, col_taps)
        for k in range(taps):
            for c in range(first, last if p.m > 1 else first + 1):
                p.row_taps[k * p.cols + c] = row_taps[k]
                p.col_taps[k * p.cols + c] = col_taps[k]
        if p.count > 0:
            before = &p.runs[p.count - 1]
            if (
                before.row == run.row and before.col == run.col and before.near_row == run.near_row
                and before.near_col == run.near_col
            ):
                before.last = last
                continue
        p.runs[p.count] = run
        p.count += 1


cdef inline cloned_wide blend_four(
    RowIn a, RowIn b, RowIn c, RowIn d, float ta, float tb, float tc, float td, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (ta * a[i] + tb * b[i]) + (tc * c[i] + td * d[i])


cdef inline cloned_wide blend_four_each(
    RowIn a, RowIn b, RowIn c, RowIn d, RowIn ta, RowIn tb, RowIn tc, RowIn td, RowOut out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = (ta[i] * a[i] + tb[i] * b[i]) + (tc[i] * c[i] + td[i] * d[i])


cdef inline cloned_wide blend_two(RowIn a, RowIn b, float ta, float tb, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = ta * a[i] + tb * b[i]


cdef inline cloned_wide blend_two_each(RowIn a, RowIn b, RowIn ta, RowIn tb, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = ta[i] * a[i] + tb[i] * b[i]


cdef inline void blend_rows(const Plan* p, Row* x, const float* taps, float* out, Py_ssize_t n) noexcept nogil:
    """Blend two or four rows; ``taps`` is that of their first column, the others stand ``cols`` further on."""
    cdef const float* a = taps
    cdef const float* b = taps + p.cols
    cdef const float* c = taps + 2 * p.cols
    cdef const float* d = taps + 3 * p.cols
    if p.cubic and p.m > 1:
        blend_four_each(x[0], x[1], x[2], x[3], a, b, c, d, out, n)
    elif p.cubic:
        blend_four(x[0], x[1], x[2], x[3], a[0], b[0], c[0], d[0], out, n)
    elif p.m > 1:
        blend_two_each(x[0], x[1], a, b, out, n)
    else:
        blend_two(x[0], x[1], a[0], b[0], out, n)


cdef inline void resample_run(
    const Plan* p, const Image* image, Py_ssize_t r, const Run* run, float* work, float* out
) noexcept nogil:
    """``out[c] = image[r + shift, c + shift]`` for a run, edges replicated; ``work`` holds a row and 4."""
    cdef Py_ssize_t before = 1 if p.cubic else 0, taps = 4 if p.cubic else 2, n = run.last - run.first
    cdef Py_ssize_t wide = n + taps - 1, start = run.first + run.col - before, k, i
    cdef Row[4] rows
    cdef Row[4] here
    # Of the columns that the run reads, those from `left` to `right` - 1 exist, and have taps of their own.
    cdef Py_ssize_t left = min(max(-start, 0), wide), right = max(min(p.cols - start, wide), left)
    if p.m > 1:
        left = min(max(left, before), before + n)
        right = max(min(right, before + n), left)
    for i in range(taps):
        rows[i] = row_of(image, r + run.row + i - before)
    k = 0
    while k < wide:
        if k == left and right > left:
            for i in range(taps):
                here[i] = rows[i] + start + left
            blend_rows(p, here, p.row_taps + (run.first + left - before if p.m > 1 else 0), work + left, right - left)
            k = right
            continue
        for i in range(taps):
            here[i] = rows[i] + clamp(start + k, p.cols)
        blend_rows(p, here, p.row_taps + (run.first + clamp(k - before, n) if p.m > 1 else 0), work + k, 1)
        k += 1
    for i in range(taps):
        here[i] = work + i
    blend_rows(p, here, p.col_taps + (run.first if p.m > 1 else 0), out + run.first, n)


cdef inline Py_ssize_t alike(const unsigned char* x, Py_ssize_t n) noexcept nogil:
    """How many bytes from the first on are equal to it."""
    cdef Py_ssize_t i = 1
    cdef unsigned char first = x[0]
    while i < n and <size_t>(x + i) % 8:
        if x[i] != first:
            return i
        i += 1
    cdef unsigned long long all_alike = 0x0101010101010101ULL * first
    cdef const unsigned long long* words = <const unsigned long long*>(x + i)
    while i + 32 <= n and not (
        ((words[0] ^ all_alike) | (words[1] ^ all_alike)) | ((words[2] ^ all_alike) | (words[3] ^ all_alike))
    ):
        i += 32
        words += 4
    while i < n and x[i] == first:
        i += 1
    return i
