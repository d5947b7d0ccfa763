"""Row pointers and the return type of row functions: what every kernel's inner loop is written with.

A row function takes a few rows that do not overlap and loops once over their columns. ``restrict`` pointers tell the
compiler so, and it vectorises the loop. ``cloned`` (for ``void``) compiles the function twice on x86-64 with glibc and
GCC, for AVX2 and for the baseline; the loader picks one. Elsewhere it is plain ``void``. Contraction of multiply and
add is off in the build, so both versions give the same bits. ``LOOKDOWN_ONE_PATH`` keeps the baseline alone.
"""

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) \\
        && !defined(__AVX2__) && !defined(LOOKDOWN_ONE_PATH)
    #define LOOKDOWN_CLONES __attribute__((target_clones("avx2", "default")))
    #else
    #define LOOKDOWN_CLONES
    #endif
    typedef const float *__restrict__ lookdown_row_in;
    typedef float *__restrict__ lookdown_row_out;
    typedef const unsigned short *__restrict__ lookdown_samples_in;
    typedef const unsigned char *__restrict__ lookdown_bytes_in;
    typedef unsigned char *__restrict__ lookdown_bytes_out;
    """
    ctypedef void cloned "LOOKDOWN_CLONES void"
    ctypedef const float* RowIn "lookdown_row_in"
    ctypedef float* RowOut "lookdown_row_out"
    ctypedef const unsigned short* SamplesIn "lookdown_samples_in"
    ctypedef const unsigned char* BytesIn "lookdown_bytes_in"
    ctypedef unsigned char* BytesOut "lookdown_bytes_out"


ctypedef const float* Row  # without the promise of `restrict`, for tables of rows


cdef inline Py_ssize_t row_stride(Py_ssize_t n) noexcept nogil:
    """Distance of scratch rows of ``n`` floats: rows 4096 bytes apart would fight for the same cache lines."""
    cdef Py_ssize_t stride = n + 15 - (n + 15) % 16, rest = stride % 1024
    if rest < 48:
        return stride + 48 - rest
    if rest > 976:
        return stride + 1024 + 48 - rest
    return stride
