"""Resampling by a sub-pixel displacement, constant or slowly varying.

``out[r, c] = source[r + row_shift, c + col_shift]``, edges replicated, by cubic Lagrange interpolation (see
``interpolate.pxd``) or bilinear. A constant displacement has the same four taps everywhere, so rows are combined first
and columns second; a field of displacements is constant on tiles.
"""

from libc.float cimport DBL_MAX
from libc.math cimport floor, isfinite
from libc.string cimport memcpy, memset

from lookdown.kernels.interpolate cimport blend_four, cubic_taps
from lookdown.kernels.rows cimport RowIn, RowOut, cloned

from lookdown.kernels.checks import require_array, require_band, require_number, require_scratch


cdef enum:
    REACH = 4  # columns of padding that the taps may need on each side


cdef cloned blend_two(RowIn a, RowIn b, float ta, float tb, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = ta * a[i] + tb * b[i]


cdef inline Py_ssize_t clamp(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    return 0 if i < 0 else (n - 1 if i >= n else i)


cdef struct Place:
    # A displacement split in whole pixels and the taps of the rest.
    Py_ssize_t row
    Py_ssize_t col
    float[4] row_taps
    float[4] col_taps
    bint cubic


cdef Place place_of(double row_shift, double col_shift, Py_ssize_t rows, Py_ssize_t cols, bint cubic) noexcept nogil:
    cdef Place place
    # Beyond the frame all is edge; so far away the taps no longer matter and the indices stay small.
    row_shift = min(max(row_shift, -rows - 4.0), rows + 4.0)
    col_shift = min(max(col_shift, -cols - 4.0), cols + 4.0)
    place.row = <Py_ssize_t>floor(row_shift)
    place.col = <Py_ssize_t>floor(col_shift)
    place.cubic = cubic
    if cubic:
        cubic_taps(row_shift - place.row, place.row_taps)
        cubic_taps(col_shift - place.col, place.col_taps)
    else:
        place.row_taps = [0, <float>(1 - (row_shift - place.row)), <float>(row_shift - place.row), 0]
        place.col_taps = [0, <float>(1 - (col_shift - place.col)), <float>(col_shift - place.col), 0]
    return place


cdef inline void blend(
    bint cubic, const float* taps, const float* a, const float* b, const float* c, const float* d, float* out,
    Py_ssize_t n
) noexcept nogil:
    if cubic:
        blend_four(a, b, c, d, taps[0], taps[1], taps[2], taps[3], out, n)
    else:
        blend_two(b, c, taps[1], taps[2], out, n)


cdef void shift_tile(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Place* at, Py_ssize_t row, Py_ssize_t last_row, Py_ssize_t col,
    Py_ssize_t last_col, float* scratch, float* y
) noexcept nogil:
    """Resample the tile of rows ``row`` to ``last_row - 1`` and columns ``col`` to ``last_col - 1``."""
    cdef Py_ssize_t n = last_col - col, first = col + at.col - 1, end = cols - 1, r, k
    # Of the n + 3 columns that the tile reads, those from `left` to `right` - 1 exist in the source.
    cdef Py_ssize_t left = min(max(-first, 0), n + 3), right = min(max(cols - first, 0), n + 3)
    cdef const float* a
    cdef const float* b
    cdef const float* c
    cdef const float* d
    for r in range(row, last_row):
        a = x + clamp(r + at.row - 1, rows) * cols
        b = x + clamp(r + at.row, rows) * cols
        c = x + clamp(r + at.row + 1, rows) * cols
        d = x + clamp(r + at.row + 2, rows) * cols
        if right > left:
            k = first + left
            blend(at.cubic, at.row_taps, a + k, b + k, c + k, d + k, scratch + left, right - left)
        if left > 0:
            blend(at.cubic, at.row_taps, a, b, c, d, scratch, 1)
            for k in range(1, left):
                scratch[k] = scratch[0]
        if right < n + 3:
            blend(at.cubic, at.row_taps, a + end, b + end, c + end, d + end, scratch + right, 1)
            for k in range(right + 1, n + 3):
                scratch[k] = scratch[right]
        blend(at.cubic, at.col_taps, scratch, scratch + 1, scratch + 2, scratch + 3, y + r * cols + col, n)


def shift_scratch_size(cols):
    """Floats of scratch that `shift`, `shift_bilinear` and `shift_field` need."""
    return cols + REACH


cdef resample(source, row_shift, col_shift, scratch, out, bint cubic):
    cdef const float[:, ::1] x = require_array("source", source, "float32", 2)
    cdef float[:, ::1] y = require_array("out", out, "float32", source.shape, out=True, apart_from=(source,))
    cdef float[::1] s = require_scratch(scratch, shift_scratch_size(x.shape[1]), (source, out))
    cdef double down = require_number("row_shift", row_shift, -DBL_MAX, DBL_MAX)
    cdef double along = require_number("col_shift", col_shift, -DBL_MAX, DBL_MAX)
    cdef Place place
    with nogil:
        place = place_of(down, along, x.shape[0], x.shape[1], cubic)
        shift_tile(&x[0, 0], x.shape[0], x.shape[1], &place, 0, x.shape[0], 0, x.shape[1], &s[0], &y[0, 0])


def shift(source, row_shift, col_shift, scratch, out):
    """Resample by cubic interpolation: ``out[r, c] = source[r + row_shift, c + col_shift]``, edges replicated.

    Parameters
    ----------
    source : ndarray of float32, shape (rows, cols)
        Frame; a NaN spreads over the taps that reach it.
    row_shift, col_shift : float
        Displacement, any finite number [pixel].
    scratch : ndarray of float32
        At least `shift_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Resampled frame.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the displacement is no number.
    """
    resample(source, row_shift, col_shift, scratch, out, True)


def shift_bilinear(source, row_shift, col_shift, scratch, out):
    """Resample linearly: ``out[r, c] = source[r + row_shift, c + col_shift]``, edges replicated.

    Parameters, errors as of `shift`.
    """
    resample(source, row_shift, col_shift, scratch, out, False)


def shift_field(source, field, first_row, last_row, scratch, out):
    """Resample by a field of displacements that is constant on tiles, by cubic interpolation.

    The frame is cut in n x m tiles of ``ceil(rows / n)`` x ``ceil(cols / m)`` pixels (the last ones may be smaller or
    empty). Tile (i, j) is resampled with its own displacement,
    ``out[r, c] = source[r + field[i, j, 0], c + field[i, j, 1]]``. At a border of tiles the error is half
    the difference of their displacements, so the field must vary slowly.

    Parameters
    ----------
    source : ndarray of float32, shape (rows, cols)
        Frame.
    field : ndarray of float32, shape (n, m, 2)
        Displacement (row, col) at the centre of each tile [pixel].
    first_row, last_row : int
        The band: rows of ``out`` that are written, from ``first_row`` to before ``last_row``; 0 and rows for all.
    scratch : ndarray of float32
        At least `shift_scratch_size` elements; its content does not matter.
    out : ndarray of float32, shape (rows, cols)
        Resampled frame.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a displacement is not finite.
    """
    cdef const float[:, ::1] x = require_array("source", source, "float32", 2)
    cdef const float[:, :, ::1] f = require_array("field", field, "float32", 3)
    cdef float[:, ::1] y = require_array("out", out, "float32", source.shape, out=True, apart_from=(source, field))
    cdef float[::1] s = require_scratch(scratch, shift_scratch_size(x.shape[1]), (source, field, out))
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], n = f.shape[0], m = f.shape[1], i, j, tile_rows, tile_cols
    cdef Py_ssize_t begin, end
    begin, end = require_band(first_row, last_row, rows, 1)
    cdef bint finite = True
    cdef Place place
    if n == 0 or m == 0 or f.shape[2] != 2:
        raise ValueError(f"field: wanted shape (n, m, 2) with n, m >= 1, got {field.shape}; give (row, col) per tile")
    with nogil:
        for i in range(n):
            for j in range(m):
                finite = finite and isfinite(f[i, j, 0]) and isfinite(f[i, j, 1])
        if finite:
            tile_rows = (rows + n - 1) // n
            tile_cols = (cols + m - 1) // m
            for i in range(n):
                for j in range(m):
                    place = place_of(f[i, j, 0], f[i, j, 1], rows, cols, True)
                    shift_tile(
                        &x[0, 0], rows, cols, &place, max(i * tile_rows, begin), min((i + 1) * tile_rows, end),
                        min(j * tile_cols, cols), min((j + 1) * tile_cols, cols), &s[0], &y[0, 0],
                    )
    if not finite:
        raise ValueError("field: wanted finite pixels, got NaN or inf; keep the last good field instead")


def shift_age(age, row_shift, col_shift, out):
    """Move the age of a background with it: nearest pixel, 0 where the background came from outside the frame.

    Parameters
    ----------
    age : ndarray of uint8, shape (rows, cols)
        Frames that each pixel has seen.
    row_shift, col_shift : float
        Displacement, as of `shift` [pixel].
    out : ndarray of uint8, shape (rows, cols)
        ``age[round(r + row_shift), round(c + col_shift)]``, or 0 outside.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the displacement is no number.
    """
    cdef const unsigned char[:, ::1] x = require_array("age", age, "uint8", 2)
    cdef unsigned char[:, ::1] y = require_array("out", out, "uint8", age.shape, out=True, apart_from=(age,))
    cdef double down = require_number("row_shift", row_shift, -DBL_MAX, DBL_MAX)
    cdef double along = require_number("col_shift", col_shift, -DBL_MAX, DBL_MAX)
    cdef Py_ssize_t rows = x.shape[0], cols = x.shape[1], row, col, r, left, right
    with nogil:
        row = <Py_ssize_t>floor(min(max(down, -rows), rows) + 0.5)
        col = <Py_ssize_t>floor(min(max(along, -cols), cols) + 0.5)
        left = min(max(-col, 0), cols)
        right = max(min(cols - col, cols), left)
        for r in range(rows):
            if 0 <= r + row < rows and right > left:
                memset(&y[r, 0], 0, left)
                memcpy(&y[r, left], &x[r + row, left + col], right - left)
                memset(&y[r, 0] + right, 0, cols - right)
            else:
                memset(&y[r, 0], 0, cols)
