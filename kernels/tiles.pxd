"""A displacement that holds for a tile: whole pixels, taps for the part of a pixel, the columns it is for."""

from libc.math cimport floor, rint

cdef struct Tile:
    # A displacement in whole pixels, its taps, and the columns it holds for.
    Py_ssize_t row
    Py_ssize_t col
    Py_ssize_t near_row
    Py_ssize_t near_col
    float[4] row_taps
    float[4] col_taps
    double down
    double along
    Py_ssize_t first
    Py_ssize_t last


cdef inline void set_taps(double t, bint cubic, float* taps) noexcept nogil:
    """Weights of the pixels at -1, 0, 1, 2 for a place ``t`` in 0 to 1."""
    if cubic:
        taps[0] = <float>(t * (-0.5 + t * (1.0 - 0.5 * t)))
        taps[1] = <float>(1.0 + t * t * (-2.5 + 1.5 * t))
        taps[2] = <float>(t * (0.5 + t * (2.0 - 1.5 * t)))
        taps[3] = <float>(t * t * (-0.5 + 0.5 * t))
    else:
        taps[0] = 0
        taps[1] = <float>(1 - t)
        taps[2] = <float>t
        taps[3] = 0


cdef inline Tile tile_at(double down, double along, bint cubic, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Tile tile
    tile.row = <Py_ssize_t>floor(down)
    tile.col = <Py_ssize_t>floor(along)
    tile.near_row = <Py_ssize_t>rint(down)
    tile.near_col = <Py_ssize_t>rint(along)
    set_taps(down - floor(down), cubic, tile.row_taps)
    set_taps(along - floor(along), cubic, tile.col_taps)
    tile.down = down
    tile.along = along
    tile.first = first
    tile.last = last
    return tile


cdef inline Py_ssize_t clamp(Py_ssize_t i, Py_ssize_t n) noexcept nogil:
    return 0 if i < 0 else (n - 1 if i >= n else i)
