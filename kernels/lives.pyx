"""Lives: which tracks are confirmed, coast or end after a report, one track after the other.

How fast a track is and how sure that is along its velocity ``u = v / |v|``, how sure its place is, how high it is, and
by how many sensors it was hit, late and often enough (a sensor counts by its worth), decide::

    speed = |v|        sigma = sqrt(u' P_v u)        variance = trace P_p        height by `height.pxd`

A tentative track that was just hit is *ready* when it fulfils all conditions; of several ready ones with the same plot
the one of the best score is confirmed, and of equal ones the first. A live one coasts without hits, and is confirmed
again with one. What each track is then, and what became of it, are bits of its verdict.
"""

from libc.math cimport sqrt

from lookdown.kernels.checks import require_array, require_integer, require_number

from lookdown.kernels.height cimport height_over

SHOWN, TURNED, ENDS, BELIEVED, TOLD, ALONE, READY = (1 << bit for bit in range(7))

cdef enum:
    TENTATIVE = 0  # wire.messages.TrackStatus
    CONFIRMED = 1
    COASTING = 2
    CANDIDATE = 1  # ground.single.Single
    ALONE_BELIEVED = 2

    # Places of the whole numbers and of the bounds.
    CONFIRM_AFTER = 0
    COAST_AFTER = 1
    DROP_AFTER = 2
    CONFIRM_HITS = 3
    CONFIRM_LOOKS = 4
    HITS_PER_SENSOR = 5
    ENOUGH = 6
    WHOLE = 7
    CONFIRM_SCORE = 0
    DROP_SCORE = 1
    LEAST_SPEED = 2
    MOST_SPEED = 3
    SIGNIFICANCE = 4
    MOST_SIGMA = 5
    LEAST_HEIGHT = 6
    MOST_HEIGHT = 7
    SIGMAS = 8
    BOUNDS = 9

    # The verdict's bits, as above.
    IS_SHOWN = 1
    IS_TURNED = 2
    IS_ENDING = 4
    IS_BELIEVED = 8
    IS_TOLD = 16
    IS_ALONE = 32
    IS_READY = 64


cdef inline int ones(unsigned int word) noexcept nogil:
    cdef int count = 0
    while word:
        word = word & (word - 1)
        count += 1
    return count


cdef void measure(const double* x, const double* p, double a, double f, double* out) noexcept nogil:
    """Speed, its sigma, variance of the place, height."""
    cdef double total = 0.0, speed = sqrt(x[3] * x[3] + x[4] * x[4] + x[5] * x[5])
    cdef double scale = speed if speed > 1e-9 else 1e-9
    cdef Py_ssize_t i, j
    for i in range(3):
        for j in range(3):
            total += x[3 + i] / scale * p[6 * (3 + i) + 3 + j] * (x[3 + j] / scale)
    out[0] = speed
    out[1] = sqrt(total) if total > 0.0 else 0.0
    out[2] = p[0] + p[7] + p[14]
    out[3] = height_over(x, a, f)


cdef bint is_possible(const double* number, const double* bound) noexcept nogil:
    """Whether speed, place and height are known well enough, and those of a mover, for it to be confirmed."""
    if not (number[0] > bound[LEAST_SPEED] and number[0] < bound[MOST_SPEED]):
        return False
    if not (number[0] > bound[SIGNIFICANCE] * number[1] and sqrt(number[2]) < bound[MOST_SIGMA]):
        return False
    return number[3] > bound[LEAST_HEIGHT] and number[3] < bound[MOST_HEIGHT]


cdef bint is_impossible(const double* number, const double* bound, bint live) noexcept nogil:
    """Whether a track certainly stands, is too fast, or flies where nothing does."""
    cdef double margin = bound[SIGMAS] * sqrt(number[2])
    if live and number[0] + bound[SIGMAS] * number[1] < bound[LEAST_SPEED]:
        return True
    if number[0] - bound[SIGMAS] * number[1] > bound[MOST_SPEED]:
        return True
    return number[3] + margin < bound[LEAST_HEIGHT] or number[3] - margin > bound[MOST_HEIGHT]


def decide_lives(
    time, state, covariance, score, born, looks, last_hit, hits, moved, plot_of, worth, patience, whole, bounds,
    semi_major, flattening, status, single, best, numbers, counts, verdict
):
    """Decide on the life of tracks.

    Parameters
    ----------
    time : int
        Of the report [ns].
    state, covariance : ndarray of float64, shapes (n, 6) and (n, 6, 6)
        Position [m] and velocity [m/s], and their covariance.
    score : ndarray of float64, shape (n,)
        Log-likelihood ratios.
    born : ndarray of int64, shape (n,)
        When each track was started [ns].
    looks : ndarray of uint32, shape (n,)
        The last looks as bits, newest lowest, 1 for a hit.
    last_hit, hits : ndarray of int64, shape (n, m)
        Time of the last hit by each sensor [ns], and how many there were.
    moved : ndarray of uint8, shape (n, m)
        1 where the sensor saw the track move.
    plot_of : ndarray of int64, shape (n,)
        Plot of the report that hit each track, below 0 for none.
    worth, patience : ndarray of int64, shape (m,)
        What each sensor counts, and how long after a hit it is late [ns].
    whole : ndarray of int64, shape (7,)
        Least age to be confirmed, time after which a track coasts, and after which it ends [ns]; hits of the last looks
        that confirm, these looks, hits of a sensor that are often, and worth of sensors that is enough.
    bounds : ndarray of float64, shape (9,)
        Score that confirms, and below which a track ends; least and greatest speed [m/s]; speed over its own sigma that
        confirms; greatest sigma of the place [m]; least and greatest height [m]; sigmas by which a state must be
        impossible.
    semi_major, flattening : float
        Equatorial half axis of the Earth [m], and by how much the polar one is shorter, 0 to below 1.
    status, single : ndarray of uint8, shape (n,)
        ``TrackStatus`` and ``Single`` of each track; changed in place.
    best : ndarray of int64, shape (k,)
        Scratch, one a plot of the report.
    numbers : ndarray of float64, shape (n, 4)
        Speed and its sigma [m/s], sum of the variances of position [m^2], height [m].
    counts : ndarray of int64, shape (n, 2)
        Time of the last hit by any sensor; worth of the sensors that hit a track lately.
    verdict : ndarray of uint8, shape (n,)
        Bits: ``SHOWN`` live or seen by enough sensors or believed, ``TURNED`` to another status, ``ENDS``, ``BELIEVED``
        from now on, ``TOLD`` of all that is shown what was hit, turned, believed or ends, ``ALONE`` one satellite's,
        ``READY`` to be confirmed.

    Returns
    -------
    int
        All verdicts in one, by bits.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef double a = require_number("semi_major", semi_major, 1e-3, 1e12)
    cdef double f = require_number("flattening", flattening, 0.0, 0.9)
    cdef long long now = require_integer("time", time, -(1 << 62), (1 << 62) - 1)
    cdef const long long[::1] weight = require_array("worth", worth, "int64", 1)
    cdef const unsigned int[::1] bits = require_array("looks", looks, "uint32", 1)
    cdef Py_ssize_t n = bits.shape[0], m = weight.shape[0], k, i, row, n_plots
    require_integer("worth.shape[0]", m, 1, 1 << 30)
    cdef const long long[::1] late = require_array("patience", patience, "int64", (m,))
    cdef const long long[::1] rule = require_array("whole", whole, "int64", (WHOLE,))
    cdef const double[::1] bound = require_array("bounds", bounds, "float64", (BOUNDS,))
    cdef const double[::1] points = require_array("score", score, "float64", (n,))
    cdef const long long[::1] start = require_array("born", born, "int64", (n,))
    cdef const long long[::1] plot = require_array("plot_of", plot_of, "int64", (n,))
    cdef unsigned char[::1] now_is = require_array("status", status, "uint8", (n,), out=True)
    cdef unsigned char[::1] alone = require_array("single", single, "uint8", (n,), out=True, apart_from=(status,))
    cdef long long[::1] first = require_array("best", best, "int64", 1, out=True)
    cdef unsigned char[::1] told = require_array("verdict", verdict, "uint8", (n,), out=True)
    require_array("covariance", covariance, "float64", (n, 6, 6))
    n_plots = first.shape[0]
    if n == 0:
        return 0
    cdef const double[:, ::1] x = require_array("state", state, "float64", (n, 6))
    cdef const double[:, :, ::1] p = covariance
    cdef const long long[:, ::1] when = require_array("last_hit", last_hit, "int64", (n, m))
    cdef const long long[:, ::1] many = require_array("hits", hits, "int64", (n, m))
    cdef const unsigned char[:, ::1] goes = require_array("moved", moved, "uint8", (n, m))
    cdef double[:, ::1] number = require_array(
        "numbers", numbers, "float64", (n, 4), out=True, apart_from=(state, covariance)
    )
    cdef long long[:, ::1] count = require_array(
        "counts", counts, "int64", (n, 2), out=True, apart_from=(last_hit, hits)
    )
    cdef unsigned int window = 0xFFFFFFFFu if rule[CONFIRM_LOOKS] > 31 else (1u << rule[CONFIRM_LOOKS]) - 1
    cdef long long often, seen_to_move
    cdef unsigned char before, one
    cdef int all_bits = 0
    cdef bint ready, live, ends, any_moved
    for k in range(n):
        if plot[k] >= n_plots:
            raise ValueError(f"plot_of: wanted plots below {n_plots}, got {plot[k]}; give one place in best to each")
    with nogil:
        for i in range(n_plots):
            first[i] = -1
        for k in range(n):
            measure(&x[k, 0], &p[k, 0, 0], a, f, &number[k, 0])
            count[k, 0] = when[k, 0]
            count[k, 1] = 0
            often, seen_to_move, any_moved = 0, 0, False
            for i in range(m):
                if when[k, i] > count[k, 0]:
                    count[k, 0] = when[k, i]
                if when[k, i] >= now - late[i]:
                    count[k, 1] += weight[i]
                if goes[k, i]:
                    any_moved = True
                if many[k, i] >= rule[HITS_PER_SENSOR]:
                    often += weight[i]
                    if goes[k, i]:
                        seen_to_move += weight[i]
            ready = points[k] >= bound[CONFIRM_SCORE] and now - start[k] >= rule[CONFIRM_AFTER]
            ready = ready and ones(bits[k] & window) >= rule[CONFIRM_HITS]
            one = IS_SHOWN if often >= rule[ENOUGH] else 0
            if ready and alone[k] == CANDIDATE and any_moved:
                one |= IS_BELIEVED
            if now_is[k] == TENTATIVE and plot[k] >= 0 and ready and seen_to_move >= rule[ENOUGH]:
                if is_possible(&number[k, 0], &bound[0]):
                    one |= IS_READY
                    row = first[plot[k]]
                    if row < 0 or points[k] > points[row]:
                        first[plot[k]] = k
            told[k] = one
        for k in range(n):
            one, before = told[k], now_is[k]
            live = before != TENTATIVE or (one & IS_READY and first[plot[k]] == k)
            if live:
                now_is[k] = COASTING if count[k, 0] < now - rule[COAST_AFTER] else CONFIRMED
                one |= IS_SHOWN
            if now_is[k] != before:
                one |= IS_TURNED
            ends = points[k] < bound[DROP_SCORE] or count[k, 0] < now - rule[DROP_AFTER]
            ends = ends or (not live and count[k, 1] < (1 if alone[k] else rule[ENOUGH]))
            if ends or is_impossible(&number[k, 0], &bound[0], live):
                one = (one | IS_ENDING) & ~IS_BELIEVED
            if one & IS_BELIEVED:
                alone[k] = ALONE_BELIEVED
            if alone[k]:
                one |= IS_ALONE
            if alone[k] == ALONE_BELIEVED:
                one |= IS_SHOWN
            if one & IS_SHOWN and (plot[k] >= 0 or one & (IS_TURNED | IS_ENDING | IS_BELIEVED)):
                one |= IS_TOLD
            told[k] = one
            all_bits |= one
    return all_bits
