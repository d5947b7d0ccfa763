"""Whitening by rows of blocks, for kernels that take several stages at once."""

from lookdown.kernels.ringsum cimport RingSums
from lookdown.kernels.tiles cimport Image

cdef struct Whitening:
    Image x
    Image predicted
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t half  # of the window, in blocks
    Py_ssize_t guard_half
    float pivot
    float variance_floor
    float limit  # scores beyond it are told of
    Image variance
    Image z
    Py_ssize_t first  # row of blocks that is finished first
    RingSums[2] sums
    float* rows_of
    Py_ssize_t rows_before
    Py_ssize_t guard_rows_before
    int[2] beyond  # whether a row of the last two pixels' has such a score

cdef void whiten_start(Whitening* f, float* scratch) noexcept nogil
cdef Py_ssize_t whiten_from(const Whitening* f) noexcept nogil
cdef void whiten_next(Whitening* f, Py_ssize_t b) noexcept nogil
cdef Py_ssize_t half_in_blocks(Py_ssize_t side)
