"""Subtraction of the background row by row, for kernels that take several stages at once."""

from lookdown.kernels.tiles cimport Image, Plan

cdef struct Subtraction:
    const float* frame
    Image mean
    const float* noise
    const unsigned char* age
    Plan[2] plans  # of the two rows of tiles that meet
    Py_ssize_t rows
    Py_ssize_t cols
    float gradient_factor
    float variance_floor
    float* scratch
    Image residual
    Image predicted
    Py_ssize_t first  # row that is finished first

cdef struct Range:
    double low
    double high

cdef Range range_of(const float* field, Py_ssize_t n, Py_ssize_t axis) noexcept nogil
cdef void plan_subtraction(
    Subtraction* s, const float* field, Py_ssize_t n, Py_ssize_t m, float* scratch
) noexcept nogil
cdef Py_ssize_t subtract_from(const Subtraction* s) noexcept nogil
cdef void subtract_next(Subtraction* s, Py_ssize_t r) noexcept nogil
