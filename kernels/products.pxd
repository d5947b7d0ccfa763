"""Sums of products of complex rows whose parts stand apart, over 8 lanes of float32."""

# Brings the macro that the clones below are declared with.
from lookdown.kernels.rows cimport RowIn

cdef extern from *:
    """
    #include <string.h>
    typedef float lookdown_lanes __attribute__((vector_size(32)));

    static inline float lookdown_total(const lookdown_lanes *x)
    {
        float t[8];
        memcpy(t, x, 32);
        return ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]));
    }

    /* Sums of a b^* and a c^* over n cells, a multiple of 8; imaginary parts lie `wide` floats behind the real ones. */
    static LOOKDOWN_CLONES void lookdown_cross(
        const float *a, const float *b, const float *c, Py_ssize_t wide, Py_ssize_t n, float *out)
    {
        lookdown_lanes br = {0}, bi = {0}, cr = {0}, ci = {0}, r, m, x, y;
        for (Py_ssize_t i = 0; i < n; i += 8) {
            memcpy(&r, a + i, 32); memcpy(&m, a + wide + i, 32);
            memcpy(&x, b + i, 32); memcpy(&y, b + wide + i, 32);
            br += r * x + m * y; bi += m * x - r * y;
            memcpy(&x, c + i, 32); memcpy(&y, c + wide + i, 32);
            cr += r * x + m * y; ci += m * x - r * y;
        }
        out[0] = lookdown_total(&br); out[1] = lookdown_total(&bi);
        out[2] = lookdown_total(&cr); out[3] = lookdown_total(&ci);
    }

    /* |sum_k w_k^* x_k|^2 times 1 or 0 for n cells, a multiple of 8. */
    static LOOKDOWN_CLONES void lookdown_weigh(
        const float *const *rows, const float *w, Py_ssize_t n_rows, const float *good, Py_ssize_t wide,
        Py_ssize_t n, float *out)
    {
        lookdown_lanes yr, yi, r, m;
        for (Py_ssize_t i = 0; i < n; i += 8) {
            yr = yi = (lookdown_lanes){0};
            for (Py_ssize_t k = 0; k < n_rows; k++) {
                memcpy(&r, rows[k] + i, 32); memcpy(&m, rows[k] + wide + i, 32);
                yr += w[2 * k] * r + w[2 * k + 1] * m;
                yi += w[2 * k] * m - w[2 * k + 1] * r;
            }
            memcpy(&r, good + i, 32);
            yr = (yr * yr + yi * yi) * r;
            memcpy(out + i, &yr, 32);
        }
    }
    """
    void lookdown_cross(
        const float* a, const float* b, const float* c, Py_ssize_t wide, Py_ssize_t n, float* out
    ) noexcept nogil
    void lookdown_weigh(
        const float** rows, const float* w, Py_ssize_t n_rows, const float* good, Py_ssize_t wide, Py_ssize_t n,
        float* out
    ) noexcept nogil
