"""Holding back row by row, for kernels that take several stages at once."""

cdef void hold_pixels(const float* z, float limit, float* residual, Py_ssize_t n) noexcept nogil
