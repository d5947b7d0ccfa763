"""A quantile of a raster of pixels, by selection in place (Hoare 1961, Comm. ACM 4, 321)."""

from lookdown.kernels.checks import require_array, require_integer, require_number


cdef float select(float* x, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The k-th smallest; reorders."""
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef float pivot, moved
    while low < high:
        pivot = x[(low + high) // 2]
        i = low
        j = high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                moved = x[i]
                x[i] = x[j]
                x[j] = moved
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]


def sampled_quantile(frame, step, share, scratch):
    """Return a quantile of every ``step``-th pixel of every ``step``-th row: the value of rank ``share n``, from 0.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Values; of NaN nothing follows.
    step : int
        Stride along rows and columns, from 1 on [px].
    share : float
        Share of the samples below it, 0 to below 1; 0.5 is the median, of an even number the upper of two.
    scratch : ndarray of float32
        At least as many elements as there are samples.

    Returns
    -------
    float
        Their quantile.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or is too small, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef Py_ssize_t stride = require_integer("step", step, 1, 2**31 - 1), r, c, n = 0
    cdef float[::1] sample = require_array("scratch", scratch, "float32", 1, out=True, apart_from=(frame,))
    cdef Py_ssize_t wanted = ((x.shape[0] - 1) // stride + 1) * ((x.shape[1] - 1) // stride + 1)
    cdef double below = require_number("share", share, 0.0, 0.999999)
    cdef float found
    if sample.shape[0] < wanted:
        raise ValueError(f"scratch: wanted at least {wanted} float32, got {sample.shape[0]}; one for each sample")
    with nogil:
        for r in range((x.shape[0] - 1) // stride + 1):
            for c in range((x.shape[1] - 1) // stride + 1):
                sample[n] = x[r * stride, c * stride]
                n += 1
        found = select(&sample[0], n, <Py_ssize_t>(below * n))
    return found
