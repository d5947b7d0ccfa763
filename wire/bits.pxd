"""A string of bits in octets, written and read from the front, and the codes that numbers go as."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    UNARY = 12  # ones of a Rice code that announce the escape

cdef struct Bits:
    uint8_t* octets
    Py_ssize_t size  # bits
    Py_ssize_t at
    bint broken


cdef inline void put(Bits* bits, uint64_t value, int count) noexcept nogil:
    """Append the lowest ``count`` bits of a value, the highest first; the octets must be zero."""
    cdef int room, taken
    while count > 0:
        room = 8 - <int>(bits.at & 7)
        taken = min(room, count)
        bits.octets[bits.at >> 3] |= <uint8_t>(((value >> (count - taken)) & ((1 << taken) - 1)) << (room - taken))
        bits.at += taken
        count -= taken


cdef inline uint64_t get(Bits* bits, int count) noexcept nogil:
    cdef uint64_t value = 0
    cdef int room, taken
    if bits.size - bits.at < count:
        bits.broken = True
        return 0
    while count > 0:
        room = 8 - <int>(bits.at & 7)
        taken = min(room, count)
        value = (value << taken) | ((bits.octets[bits.at >> 3] >> (room - taken)) & ((1 << taken) - 1))
        bits.at += taken
        count -= taken
    return value


cdef inline int length_of(uint64_t value) noexcept nogil:
    cdef int n = 0
    while value:
        n += 1
        value >>= 1
    return n


cdef inline uint64_t folded(int64_t value) noexcept nogil:
    """0, -1, 1, -2 ... as 0, 1, 2, 3 ..."""
    return <uint64_t>(2 * value) if value >= 0 else <uint64_t>(-2 * value - 1)


cdef inline int64_t unfolded(uint64_t value) noexcept nogil:
    return -<int64_t>((value + 1) >> 1) if value & 1 else <int64_t>(value >> 1)


cdef inline int rice_bits(uint64_t value, int k) noexcept nogil:
    if value >> k < UNARY:
        return <int>(value >> k) + 1 + k
    return UNARY + 2 * length_of(value + 1) - 1


cdef inline void put_rice(Bits* bits, uint64_t value, int k) noexcept nogil:
    """Quotient by ``2 ** k`` in ones, a zero, the rest; from 12 ones on, the value as an Elias gamma code."""
    cdef int quotient, n
    if value >> k < UNARY:
        quotient = <int>(value >> k)
        put(bits, (<uint64_t>1 << (quotient + 1)) - 2, quotient + 1)
        put(bits, value, k)
        return
    put(bits, (1 << UNARY) - 1, UNARY)
    n = length_of(value + 1)
    put(bits, 0, n - 1)
    put(bits, value + 1, n)


cdef inline uint64_t get_rice(Bits* bits, int k) noexcept nogil:
    cdef int quotient = 0, n = 0
    cdef uint64_t value
    while quotient < UNARY and get(bits, 1):
        quotient += 1
    if quotient < UNARY:
        return (<uint64_t>quotient << k) | get(bits, k)
    while not bits.broken and n < 34 and not get(bits, 1):
        n += 1
    value = ((<uint64_t>1 << n) | get(bits, n)) - 1
    # One way to say a number: an escape where none is needed is not taken.
    bits.broken |= n == 34 or value >> k < UNARY
    return value


cdef inline void put_even(Bits* bits, uint64_t value, uint64_t levels) noexcept nogil:
    """Truncated binary: one of ``levels`` values that are equally likely."""
    cdef int n = length_of(levels) - 1
    cdef uint64_t short_ones = (<uint64_t>1 << (n + 1)) - levels
    if value < short_ones:
        put(bits, value, n)
    else:
        put(bits, value + short_ones, n + 1)


cdef inline uint64_t get_even(Bits* bits, uint64_t levels) noexcept nogil:
    cdef int n = length_of(levels) - 1
    cdef uint64_t short_ones = (<uint64_t>1 << (n + 1)) - levels
    cdef uint64_t value = get(bits, n)
    if value >= short_ones:
        value = ((value << 1) | get(bits, 1)) - short_ones
    return value
