"""Subtraction of the background row by row, for kernels that take several stages at once."""

cdef struct Subtraction:
    const float* frame
    const float* mean
    const float* noise
    const unsigned char* age
    const float* field  # n by m tiles, two numbers each
    Py_ssize_t n
    Py_ssize_t m
    Py_ssize_t rows
    Py_ssize_t cols
    float gradient_factor
    float variance_floor
    float* scratch
    float* residual
    float* predicted

cdef void subtract_next(const Subtraction* s, Py_ssize_t r) noexcept nogil
