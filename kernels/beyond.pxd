"""Going through the few pixels of a row that are marked: marks, a byte each, 64 of which are seen at once."""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef enum:
    CHUNK = 1024  # pixels that are marked together
    AT_ONCE = 64  # pixels to a word of bits

cdef extern from *:
    int lowest_bit "__builtin_ctzll"(uint64_t) nogil


cdef inline uint64_t marked(const unsigned char* marks) noexcept nogil:
    """Bits of ``AT_ONCE`` marks of 0 or 1, the first lowest."""
    cdef uint64_t eight, bits = 0, gather = 0x0102040810204080  # moves the bit of byte k to bit 56 + k
    cdef Py_ssize_t k
    for k in range(AT_ONCE // 8):
        memcpy(&eight, marks + 8 * k, 8)
        bits |= (eight * gather >> 56) << 8 * k
    return bits
