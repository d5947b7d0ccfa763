"""The matched filter row by row, for kernels that take several stages at once."""

cdef struct Filtering:
    const float* x
    Py_ssize_t rows
    Py_ssize_t cols
    const float* down
    Py_ssize_t half_down
    const float* along
    Py_ssize_t half_along
    float* padded
    float* y

cdef void filter_row(const Filtering* f, Py_ssize_t r) noexcept nogil
