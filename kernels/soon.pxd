"""Asking memory for what is read soon: a plot's pixels lie far from those of the plot before it, in no cache.

A loop over plots asks for the pixels of the plot ``SOON`` places ahead, so that many reads wait at once, not in turn.
"""

cdef extern from *:
    """
    #define lookdown_prefetch(address) __builtin_prefetch(address)
    """
    void prefetch "lookdown_prefetch"(const void* address) noexcept nogil

cdef enum:
    SOON = 8  # plots
