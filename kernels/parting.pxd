"""What one spot does not explain, told apart into two to four.

The next spot starts where the rest of the plot's own pixels, filtered with the point-spread function, is strongest
(Stetson 1987, PASP 99, 191). More spots stay if each further one takes enough off chi^2 (`LEAST_GAIN` and `GAIN_SHARE`
of the light), if together they explain the window, if no wider spots do so better, and if each may stand alone: over
the threshold, on a pixel of the plot, far enough from the others for its share of their light. Why these limits and
no others stands with figures in docs/decisions.md.
"""

from libc.math cimport fmax, fmin, log, rint, sqrt
from libc.string cimport memset

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.spots cimport LONGEST, MOST_SPOTS, Spots, evaluate, profile, step_from

cdef enum:
    MOST_STEPS = 25

cdef extern from *:
    """
    static const double REACH = 3.0;  /* half of the window beyond a spot [sigma of the point-spread function] */
    static const double SETTLED = 0.05;  /* step of a place that ends the fit, in its sigmas */
    static const double UNEXPLAINED = 5.0;  /* sigmas of chi^2 beyond its expectation that noise may make */
    static const double LIGHT_UNEXPLAINED = 0.05;  /* and the part of the light that one spot need not explain */
    static const double UNEXPLAINED_BY_MORE = 3.0;  /* the same for several spots */
    static const double LIGHT_UNEXPLAINED_BY_MORE = 0.02;
    static const double TRIED = 2.0;  /* sigmas of chi^2 from which on a further spot is tried */
    static const double LEAST_PAIR_SNR = 10.0;  /* of a plot that may be several */
    static const double LEAST_GAIN = 25.0;  /* of chi^2 by a further spot */
    static const double GAIN_SHARE = 0.02;  /* and by the light of all, for no spot is quite as it should be */
    static const double NOTICED = 0.1;  /* of the least gain, before the spots that are there have given way */
    static const double LEAST_APART = 2.0;  /* two spots [sigma]; a nearer pair is a smeared spot */
    static const double CROWD_APART = 2.5;  /* three and four */
    static const double LEAST_APART_PX = 2.2;  /* whatever the sigma */
    static const double LEAST_RATIO = 0.2;  /* of the lights of two */
    static const double FAR = 4.0;  /* from where on ... [sigma] */
    static const double FAR_RATIO = 0.05;  /* ... this is enough */
    static const double WIDE = 1.5;  /* times the width of the point-spread function */
    static const double SIGNIFICANT = 4.0;  /* of chi^2, by which wider spots are better */
    """
    const double REACH, SETTLED, UNEXPLAINED, LIGHT_UNEXPLAINED, UNEXPLAINED_BY_MORE, LIGHT_UNEXPLAINED_BY_MORE
    const double TRIED, LEAST_PAIR_SNR, LEAST_GAIN, GAIN_SHARE, NOTICED, LEAST_APART, CROWD_APART, LEAST_APART_PX
    const double LEAST_RATIO, FAR, FAR_RATIO, SIGNIFICANT, WIDE


cdef struct Scene:
    const float* residual
    const float* filtered
    const float* z
    Py_ssize_t rows
    Py_ssize_t cols
    double sigma  # of the point-spread function without the pixel
    double white_gain
    double threshold
    int tries  # plots that may still be tried with several spots


cdef struct Region:  # about a plot, with the pixels that are its own
    Py_ssize_t top
    Py_ssize_t left
    Py_ssize_t height
    Py_ssize_t width
    char[LONGEST * LONGEST] inside


cdef inline bint lay_window(Scene* scene, Spots* s) noexcept nogil:
    """Window about all spots; False if it is too large."""
    cdef double top = s.row[0], bottom = s.row[0], left = s.col[0], right = s.col[0]
    cdef Py_ssize_t k, reach = <Py_ssize_t>(REACH * scene.sigma + 0.999)
    for k in range(1, s.n):
        top = min(top, s.row[k])
        bottom = max(bottom, s.row[k])
        left = min(left, s.col[k])
        right = max(right, s.col[k])
    if not (top > -1 and left > -1 and bottom < scene.rows and right < scene.cols):
        return False
    s.top = max(<Py_ssize_t>rint(top) - reach, 0)
    s.left = max(<Py_ssize_t>rint(left) - reach, 0)
    s.height = min(<Py_ssize_t>rint(bottom) + reach, scene.rows - 1) + 1 - s.top
    s.width = min(<Py_ssize_t>rint(right) + reach, scene.cols - 1) + 1 - s.left
    return s.height <= LONGEST and s.width <= LONGEST


cdef inline bint fit(Scene* scene, double sigma, double noise2, Spots* s) noexcept nogil:
    """Least squares from where the spots are; False if there is no minimum near."""
    cdef Spots other
    cdef double damping = 1e-4, worst
    cdef int _i
    evaluate(scene.residual, scene.cols, sigma, s)
    for _i in range(MOST_STEPS):
        other = s[0]
        if not step_from(s, damping, &other, &worst):
            return False
        if worst < SETTLED * SETTLED * noise2:
            s.row = other.row
            s.col = other.col
            s.flux = other.flux
            s.level = other.level
            return True
        evaluate(scene.residual, scene.cols, sigma, &other)
        if other.misfit <= s.misfit:
            s[0] = other
            damping *= 0.1
        else:
            damping = max(10 * damping, 1e-2)
            if not damping < 1e4:
                return False
    return False


cdef inline double excess(Spots* s, double noise2) noexcept nogil:
    """Sigmas by which chi^2 exceeds its expectation."""
    cdef double freedom = max(s.height * s.width - 3 * s.n - 1, 1)
    return (s.misfit / noise2 - freedom) / sqrt(2 * freedom)


cdef inline bint explains(Spots* s, double noise2) noexcept nogil:
    """Whether the spots leave no more than noise and the imperfections of their shape."""
    cdef double freedom = max(s.height * s.width - 3 * s.n - 1, 1)
    cdef double noise = UNEXPLAINED if s.n == 1 else UNEXPLAINED_BY_MORE
    cdef double light = LIGHT_UNEXPLAINED if s.n == 1 else LIGHT_UNEXPLAINED_BY_MORE
    return s.misfit / noise2 <= freedom + noise * sqrt(2 * freedom) + light * s.energy / noise2


cdef inline bint is_large(Scene* scene, Plot* plot) noexcept nogil:
    """Whether a plot extends over more pixels than those of one spot that are over the threshold."""
    cdef double radius = 2 * scene.sigma * sqrt(log(plot.snr / scene.threshold))
    return max(plot.n_rows, plot.n_cols) > 2 * radius + 2


cdef inline bint is_hit(Scene* scene, Py_ssize_t row, Py_ssize_t col, double sign) noexcept nogil:
    return sign * scene.z[row * scene.cols + col] > scene.threshold


cdef inline void fill(Scene* scene, Region* region, Py_ssize_t row, Py_ssize_t col, double sign) noexcept nogil:
    """Mark the hits of a region that hang together with one of them."""
    cdef short[LONGEST * LONGEST] waiting
    cdef Py_ssize_t n = 1, at, r, c, i, j
    memset(region.inside, 0, sizeof(region.inside))
    at = (row - region.top) * LONGEST + col - region.left
    region.inside[at] = 1
    waiting[0] = <short>at
    while n > 0:
        n -= 1
        r = waiting[n] // LONGEST
        c = waiting[n] % LONGEST
        for i in range(max(r - 1, 0), min(r + 2, region.height)):
            for j in range(max(c - 1, 0), min(c + 2, region.width)):
                at = i * LONGEST + j
                if not region.inside[at] and is_hit(scene, region.top + i, region.left + j, sign):
                    region.inside[at] = 1
                    waiting[n] = <short>at
                    n += 1


cdef inline bint next_spot(Scene* scene, Plot* plot, double sign, double noise2, Spots* s) noexcept nogil:
    """Append a spot where the plot's own rest, filtered with the spot, is strongest; False if nothing is left."""
    cdef double[LONGEST] share, slope
    cdef double[MOST_SPOTS][LONGEST] down, along
    cdef double[LONGEST * LONGEST] rest
    cdef Region region
    cdef Py_ssize_t reach = <Py_ssize_t>(2 * scene.sigma + 0.999)
    cdef Py_ssize_t extent = min(max(plot.n_rows, plot.n_cols), (LONGEST - 1) // 2 - reach) + reach
    cdef Py_ssize_t i, j, k, u, v
    cdef double model, total, best = 0
    region.top = max(plot.peak_row - extent, 0)
    region.left = max(plot.peak_col - extent, 0)
    region.height = min(plot.peak_row + extent + 1, scene.rows) - region.top
    region.width = min(plot.peak_col + extent + 1, scene.cols) - region.left
    fill(scene, &region, plot.peak_row, plot.peak_col, sign)
    for k in range(s.n):
        profile(s.row[k], region.top, region.height, scene.sigma, down[k], slope)
        profile(s.col[k], region.left, region.width, scene.sigma, along[k], slope)
    for i in range(region.height):
        for j in range(region.width):
            model = s.level
            for k in range(s.n):
                model += s.flux[k] * down[k][i] * along[k][j]
            rest[i * LONGEST + j] = sign * (scene.residual[(region.top + i) * scene.cols + region.left + j] - model)
    profile(reach, 0, 2 * reach + 1, scene.sigma, share, slope)
    for i in range(region.height):
        for j in range(region.width):
            if not region.inside[i * LONGEST + j]:
                continue
            total = 0
            for u in range(max(i - reach, 0), min(i + reach + 1, region.height)):
                model = 0
                for v in range(max(j - reach, 0), min(j + reach + 1, region.width)):
                    model += share[v + reach - j] * rest[u * LONGEST + v]
                total += share[u + reach - i] * model
            if total > best:
                best = total
                s.row[s.n] = region.top + i
                s.col[s.n] = region.left + j
    if not best * best > NOTICED * LEAST_GAIN * noise2 * s.norm2[0]:
        return False
    s.flux[s.n] = sign * best / s.norm2[0]
    s.n += 1
    return True


cdef inline void give_way(Spots* s) noexcept nogil:
    """Let the spot that stood between the last one and another give way and share its light."""
    cdef Py_ssize_t k, last = s.n - 1, nearest = 0
    cdef double distance2, least = 1e30
    for k in range(last):
        distance2 = (s.row[k] - s.row[last]) ** 2 + (s.col[k] - s.col[last]) ** 2
        if distance2 < least:
            least = distance2
            nearest = k
    s.row[nearest] -= 0.5 * (s.row[last] - s.row[nearest])
    s.col[nearest] -= 0.5 * (s.col[last] - s.col[nearest])
    s.flux[last] = s.flux[nearest] = 0.5 * s.flux[nearest]


cdef inline bint fit_one_more(
    Scene* scene, Plot* plot, double sign, double noise2, Spots* s, double* gain
) noexcept nogil:
    """Fit a spot more, from two starts; ``gain`` is what it takes off the misfit in the same window."""
    cdef Spots fewer = s[0], other
    cdef bint found, by_other
    if not (next_spot(scene, plot, sign, noise2, s) and lay_window(scene, s)):
        return False
    fewer.top = s.top
    fewer.left = s.left
    fewer.height = s.height
    fewer.width = s.width
    fit(scene, scene.sigma, noise2, &fewer)
    other = s[0]
    give_way(&other)
    found = fit(scene, scene.sigma, noise2, s)
    by_other = fit(scene, scene.sigma, noise2, &other)
    if by_other and (not found or other.misfit < s.misfit):
        s[0] = other
    gain[0] = fewer.misfit - s.misfit
    return found or by_other


cdef inline bint are_apart(Scene* scene, Spots* s, double sign, double noise2) noexcept nogil:
    """Whether each spot may stand for a plot of its own."""
    cdef double least = LEAST_APART if s.n == 2 else CROWD_APART, down, along, apart, ratio
    cdef Py_ssize_t k, m
    for k in range(s.n):
        if not sign * s.flux[k] > 0:
            return False
        if not s.flux[k] * s.flux[k] * s.norm2[k] > scene.threshold * scene.threshold * noise2:
            return False
        if not (-0.5 <= s.row[k] <= scene.rows - 0.5 and -0.5 <= s.col[k] <= scene.cols - 0.5):
            return False
        if not is_hit(
            scene, min(max(<Py_ssize_t>rint(s.row[k]), 0), scene.rows - 1),
            min(max(<Py_ssize_t>rint(s.col[k]), 0), scene.cols - 1), sign,
        ):
            return False
        for m in range(k):
            down = s.row[k] - s.row[m]
            along = s.col[k] - s.col[m]
            apart = sqrt(down * down + along * along)
            if not apart >= max(least * scene.sigma, LEAST_APART_PX):
                return False
            ratio = min(s.flux[k] / s.flux[m], s.flux[m] / s.flux[k])
            if not ratio >= (LEAST_RATIO if apart < FAR * scene.sigma else FAR_RATIO):
                return False
    return True


cdef inline bint are_sharp(Scene* scene, Spots* s, double noise2) noexcept nogil:
    """Whether spots of the point-spread function explain the light no worse than wider ones do."""
    cdef Spots wide = s[0]
    fit(scene, WIDE * scene.sigma, noise2, &wide)
    return not wide.misfit < s.misfit - SIGNIFICANT * noise2


cdef inline bint may_be_several(Scene* scene, Plot* plot, Spots* s, double noise2) noexcept nogil:
    """Whether it is worth while to try."""
    return plot.snr > LEAST_PAIR_SNR and (excess(s, noise2) > TRIED or is_large(scene, plot))


cdef inline void part(Scene* scene, Plot* plot, double sign, double noise2, Spots* s) noexcept nogil:
    """Put several spots in the place of one, if that stands."""
    cdef Spots more = s[0]
    cdef double gain
    while more.n < MOST_SPOTS and fit_one_more(scene, plot, sign, noise2, &more, &gain):
        if not gain > noise2 * LEAST_GAIN + GAIN_SHARE * more.energy:
            break
        if explains(&more, noise2):
            if not (are_apart(scene, &more, sign, noise2) and are_sharp(scene, &more, noise2)):
                break
            s[0] = more
