"""The matched filter row by row, for kernels that take several stages at once."""

from lookdown.kernels.tiles cimport Image

cdef struct Filtering:
    Image x
    const float* down
    Py_ssize_t half_down
    const float* along
    Py_ssize_t half_along
    float* padded
    Image y

cdef void filter_row(const Filtering* f, Py_ssize_t r) noexcept nogil
