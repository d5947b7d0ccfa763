"""Recursive background of each pixel: mean and variance with per-pixel age, and the z-score of a new frame.

With ``w`` the age (frames seen before this one), ``d = frame - mean`` and ``d'`` the clipped ``d``::

    z        = d / sqrt(variance (1 + 1/w))                 0 while w < 2
    mean     = mean + d' / (w + 1)
    variance = variance + (u d'^2 w / (w + 1) - variance) / w
    w        = min(w + 1, age_limit)

While the age grows these are Welford's exact sample mean and unbiased variance (Welford 1962, Technometrics 4), so z
follows Student's t with ``w - 1`` degrees of freedom in white Gaussian noise. At the limit they become exponential
averages with ``alpha = 1 / (age_limit + 1)``, and z has unit variance there, for the factor ``1 + 1/w`` that predicts
d^2 is the one by which d^2 is divided before it is averaged; ``variance`` itself is then ``2 w / (2 w + 1)`` of the
noise's.

From age 8 on, ``d`` is clipped to ``clip`` predicted sigmas before it updates the state, so that a mover hardly enters
its own background; ``u = 1 / E[min(z^2, clip^2)]`` undoes the loss that the clip means for Gaussian noise. A sample
that is NaN or infinite says nothing: residual and z are 0 and the state of the pixel stays.
"""

from libc.float cimport FLT_MAX
from libc.math cimport INFINITY, M_PI, erf, erfc, exp, fabsf, sqrt, sqrtf
from libc.string cimport memcmp

from lookdown.kernels.rows cimport BytesIn, BytesOut, RowIn, RowOut, cloned
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_integer, require_number

cdef enum:
    SETTLED_AGE = 8  # below it the variance has too few degrees of freedom to clip by
    BLOCK = 512  # pixels whose ages are looked at together


# In both functions float names stand for small constants (a literal would make the arithmetic double), and the update
# of the variance is what the module's formula is, arranged for few multiplications:
# v + (u d^2 w / (w + 1) - v) / w = (v - v / w) + u (d / (w + 1)) d.

cdef cloned_wide update_settled(
    RowIn frame, float w, float clip, float unclip, float variance_floor,
    RowOut mean, RowOut variance, RowOut residual, RowOut z, Py_ssize_t n
) noexcept nogil:
    """All pixels have the same age ``w``, at the limit and settled: what `update_mixed` does, without its choices."""
    cdef Py_ssize_t i
    cdef float zero = 0, one = 1
    cdef float share = one / (w * (w + one)), alpha = share * w, inverse = alpha + share, gain = one + inverse
    cdef float x, m, v, d, root, limit, rate, step
    for i in range(n):
        x = frame[i]
        m = mean[i]
        v = variance[i]
        d = x - m if fabsf(x) <= FLT_MAX else zero
        rate = inverse if fabsf(x) <= FLT_MAX else zero
        root = sqrtf((v if v > variance_floor else variance_floor) * gain)
        residual[i] = d
        z[i] = d / root
        limit = clip * root
        d = d if d < limit else limit
        d = d if d > -limit else -limit
        step = alpha * d
        mean[i] = m + step
        variance[i] = (v - rate * v) + unclip * (step * d)


cdef cloned_wide update_mixed(
    RowIn frame, float age_limit, float clip, float unclip, float variance_floor,
    RowOut mean, RowOut variance, RowOut age, RowOut residual, RowOut z, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef float zero = 0, one = 1, two = 2, settled = SETTLED_AGE, endless = INFINITY
    cdef float x, w, m, v, d, share, rate, alpha, root, limit, factor, step
    for i in range(n):
        x = frame[i]
        w = age[i]
        # A pixel without history starts from its own value, whatever stands in mean and variance.
        m = x if fabsf(x) <= FLT_MAX else mean[i]
        m = m if w < one else mean[i]
        v = zero if w < two else variance[i]
        d = x - m if fabsf(x) <= FLT_MAX else zero
        share = one / ((w if w > one else one) * (w + one))
        alpha = share * w  # 0 at age 0, and so is d
        rate = alpha + share
        root = sqrtf((v if v > variance_floor else variance_floor) * (one + rate))
        residual[i] = d
        z[i] = (d if w >= two else zero) / root
        limit = (clip if w >= settled else endless) * root
        factor = unclip if w >= settled else one
        rate = rate if fabsf(x) <= FLT_MAX else zero
        d = d if d < limit else limit
        d = d if d > -limit else -limit
        step = alpha * d
        mean[i] = m + step
        variance[i] = (v - rate * v) + factor * (step * d)
        step = one if fabsf(x) <= FLT_MAX else zero
        age[i] = w + (step if w < age_limit else zero)


cdef cloned ages_to_float(BytesIn age, RowOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = age[i]


cdef cloned ages_from_float(RowIn age, BytesOut out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = <unsigned char>age[i]


cdef void update_pixels(
    const float* frame, float age_limit, float clip, float unclip, float variance_floor,
    float* mean, float* variance, unsigned char* age, float* residual, float* z, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t k, first, count
    cdef float[BLOCK] ages
    cdef bint uniform
    for k in range((n + BLOCK - 1) // BLOCK):
        first = k * BLOCK
        count = min(n - first, BLOCK)
        uniform = age[first] == age_limit and memcmp(age + first, age + first + 1, count - 1) == 0
        if uniform and age_limit >= SETTLED_AGE:
            update_settled(
                frame + first, age_limit, clip, unclip, variance_floor,
                mean + first, variance + first, residual + first, z + first, count,
            )
        else:
            ages_to_float(age + first, ages, count)
            update_mixed(
                frame + first, age_limit, clip, unclip, variance_floor,
                mean + first, variance + first, ages, residual + first, z + first, count,
            )
            ages_from_float(ages, age + first, count)


cdef double undo_clip(double clip) noexcept nogil:
    """``1 / E[min(z^2, clip^2)]`` of a standard normal z."""
    cdef double within = erf(clip / sqrt(2.0)) - 2 * clip * exp(-0.5 * clip * clip) / sqrt(2 * M_PI)
    return 1 / (within + clip * clip * erfc(clip / sqrt(2.0)))


def update_background(frame, age_limit, clip, variance_floor, mean, variance, age, residual, z):
    """Subtract the background of each pixel, score the rest, then let the frame enter the background.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame, registered to the state.
    age_limit : int
        Frames the background remembers, 2 to 255; the share of a new frame never falls below
        ``1 / (age_limit + 1)``.
    clip : float
        Predicted sigmas beyond which a sample is clipped before it updates the state, 1 to 1e6.
    variance_floor : float
        Smallest variance that the score believes, above 0 [frame unit^2]; 1/12 for quantisation alone.
    mean, variance : ndarray of float32, shape (rows, cols)
        State, changed in place [frame unit, frame unit^2]. Where the age is 0 its content does not matter.
    age : ndarray of uint8, shape (rows, cols)
        Frames that each pixel has seen, changed in place; set it to 0 where the background is not valid.
    residual : ndarray of float32, shape (rows, cols)
        ``frame - mean`` with the mean before the update.
    z : ndarray of float32, shape (rows, cols)
        Calibrated score of the residual [1].

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef const float[:, ::1] x = require_array("frame", frame, "float32", 2)
    cdef float[:, ::1] m = require_array("mean", mean, "float32", frame.shape, out=True, apart_from=(frame,))
    cdef float[:, ::1] v = require_array(
        "variance", variance, "float32", frame.shape, out=True, apart_from=(frame, mean)
    )
    cdef unsigned char[:, ::1] w = require_array("age", age, "uint8", frame.shape, out=True)
    cdef float[:, ::1] d = require_array(
        "residual", residual, "float32", frame.shape, out=True, apart_from=(frame, mean, variance)
    )
    cdef float[:, ::1] s = require_array(
        "z", z, "float32", frame.shape, out=True, apart_from=(frame, mean, variance, residual)
    )
    cdef float limit = require_integer("age_limit", age_limit, 2, 255)
    cdef float sigmas = require_number("clip", clip, 1, 1e6)
    cdef float floor = require_number("variance_floor", variance_floor, 1e-30, 1e30)
    cdef float unclip = undo_clip(sigmas)
    with nogil:
        update_pixels(
            &x[0, 0], limit, sigmas, unclip, floor,
            &m[0, 0], &v[0, 0], &w[0, 0], &d[0, 0], &s[0, 0], x.shape[0] * x.shape[1],
        )
