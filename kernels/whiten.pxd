"""Whitening by rows of blocks, for kernels that take several stages at once."""

cdef struct Whitening:
    const float* x
    const float* predicted
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t half  # of the window, in blocks
    Py_ssize_t guard_half
    float variance_floor
    float* variance
    float* z
    double* sums
    float* rows_of
    Py_ssize_t rows_before
    Py_ssize_t guard_rows_before

cdef void whiten_start(Whitening* f, float* scratch) noexcept nogil
cdef void whiten_next(Whitening* f, Py_ssize_t b) noexcept nogil
cdef Py_ssize_t half_in_blocks(Py_ssize_t side)
