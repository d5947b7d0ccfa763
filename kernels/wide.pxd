"""Row functions that gain from registers of 512 bits: compiled for AVX-512 too, beside the two of `rows`.

``cloned_wide`` (for ``void``) is ``cloned`` with a third version for x86-64-v4, from GCC 12 on. It is for row functions
whose time goes into square roots, divisions or many streams; the others stay with two, which compile in two thirds of
the time. All versions give the same bits.
"""

from lookdown.kernels.rows cimport cloned

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__) && __GNUC__ >= 12 \\
        && !defined(__AVX2__) && !defined(LOOKDOWN_ONE_PATH)
    #define LOOKDOWN_WIDE __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
    #else
    #define LOOKDOWN_WIDE LOOKDOWN_CLONES
    #endif
    """
    ctypedef void cloned_wide "LOOKDOWN_WIDE void"
