"""Going through the few pixels of a row that exceed a size: marks, a byte each, eight of which are seen at once."""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef enum:
    CHUNK = 512  # pixels that are marked together
    MARKS = 520  # bytes of marks: 8 more, which are read with the last


cdef inline Py_ssize_t next_mark(const unsigned char* marks, Py_ssize_t at, Py_ssize_t n) noexcept nogil:
    """First marked pixel from ``at`` on, or ``n``; the bytes behind the last must be there."""
    cdef uint64_t eight
    while at < n:
        memcpy(&eight, marks + at, 8)
        if eight == 0:
            at += 8
        elif marks[at]:
            return at
        else:
            at += 1
    return n
