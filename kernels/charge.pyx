"""Charges of pixels that spike: added to frame by frame, reviewed now and then."""

from libc.string cimport memcpy

from lookdown.kernels.checks import require_array, require_integer


def charge_pixels(pixels, most, charge):
    """Add one to the charge of each pixel listed.

    Parameters
    ----------
    pixels : ndarray of int32, shape (n,)
        Flat indices.
    most : int
        Largest charge, 1 to 255.
    charge : ndarray of uint8, shape (rows, cols)
        Changed in place.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or an index leaves the frame.
    """
    cdef const int[::1] p = require_array("pixels", pixels, "int32", 1)
    cdef int limit = require_integer("most", most, 1, 255)
    cdef unsigned char[:, ::1] c = require_array("charge", charge, "uint8", 2, out=True)
    cdef unsigned char* first = &c[0, 0]
    cdef Py_ssize_t k, size = c.shape[0] * c.shape[1], wrong = -1
    with nogil:
        for k in range(p.shape[0]):
            if not 0 <= p[k] < size:
                wrong = k
                break
            if first[p[k]] < limit:
                first[p[k]] += 1
    if wrong >= 0:
        raise ValueError(f"pixels: wanted flat indices from 0 to {size - 1}, got {pixels[wrong]}; use those of a frame")


cdef inline unsigned long long eight(const unsigned char* x) noexcept nogil:
    cdef unsigned long long word
    memcpy(&word, x, 8)
    return word


cdef Py_ssize_t review(
    unsigned char* charge, Py_ssize_t size, int least, const int* always, Py_ssize_t n_always, int* listed
) noexcept nogil:
    cdef Py_ssize_t k = 0, n = 0, at = 0, following
    while k < size:
        following = always[at] if at < n_always else size
        # Mostly nothing is charged.
        while k + 8 <= following and eight(charge + k) == 0:
            k += 8
        if k < size:
            if charge[k] >= least or k == following:
                listed[n] = <int>k
                n += 1
            at += k == following
            charge[k] -= charge[k] > 0
            k += 1
    return n


def review_charge(always, least, charge, listed):
    """List the pixels whose charge is high or that are always listed, and take one off every charge.

    Parameters
    ----------
    always : ndarray of int32, shape (n,)
        Flat indices that are listed whatever their charge, strictly increasing.
    least : int
        Charge from which on a pixel is listed, 1 to 255.
    charge : ndarray of uint8, shape (rows, cols)
        Changed in place.
    listed : ndarray of int32, shape (rows * cols,)
        Flat indices, increasing; as many as returned.

    Returns
    -------
    int
        How many are listed.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or the list is not increasing or leaves the frame.
    """
    cdef const int[::1] a = require_array("always", always, "int32", 1)
    cdef int level = require_integer("least", least, 1, 255)
    cdef unsigned char[:, ::1] c = require_array("charge", charge, "uint8", 2, out=True)
    cdef int[::1] found = require_array("listed", listed, "int32", (charge.size,), out=True, apart_from=(always,))
    cdef Py_ssize_t size = c.shape[0] * c.shape[1], k, n, wrong = -1
    with nogil:
        for k in range(a.shape[0]):
            if not (a[k - 1] if k > 0 else -1) < a[k] < size:
                wrong = k
                break
        if wrong < 0:
            n = review(&c[0, 0], size, level, &a[0], a.shape[0], &found[0])
    if wrong >= 0:
        raise ValueError(
            f"always: wanted increasing flat indices below {size}, got {always[wrong]} at place {wrong}; "
            "use numpy.unique"
        )
    return n
