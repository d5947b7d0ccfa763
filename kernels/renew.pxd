"""Renewal of the background row by row, for kernels that take several stages at once."""

from lookdown.kernels.tiles cimport Image, Plan

cdef struct Renewal:
    Image frame
    Image residual
    Image variance
    const float* mean
    const float* noise
    const unsigned char* age
    Plan plan
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row_step
    Py_ssize_t col_step
    int limit
    float* scratch  # two rows, of 4 columns more
    float* new_mean
    float* new_noise
    unsigned char* new_age

cdef void renew_next(Renewal* s, Py_ssize_t r) noexcept nogil
