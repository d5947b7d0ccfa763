"""Stars among the plots of a frame: lines of sight that miss the Earth and stand still in inertial space.

The line of sight of a plot, ``u = Rz(theta) A (x, y, 1)`` with A the attitude and ``theta`` the angle that the Earth
has turned by, is compared with those seen before, a list that fills and forgets as plots come (`mark_stars`). Where one
was seen within ``reach`` often enough and for long enough, a star stands; a mover has left its first place by then. Or
it is looked for among the scores of the two frames before (`mark_still`).
"""

from libc.math cimport cos, rint, sin, sqrt
from libc.stdint cimport int64_t

from lookdown.kernels.extract cimport Plot
from lookdown.kernels.sight cimport look, meet, see, turn

import numpy as np

from lookdown.kernels.checks import require_array, require_integer, require_number
from lookdown.kernels.extract import PLOT_DTYPE

STAR_DTYPE = np.dtype(
    [
        ("x", "<f8"),  # line of sight in inertial axes, a unit vector [1]
        ("y", "<f8"),
        ("z", "<f8"),
        ("first_ns", "<i8"),  # time when it was seen first [ns]
        ("first", "<i8"),  # frame in which it was
        ("last", "<i8"),  # frame in which it was seen last
        ("seen", "<i8"),  # frames in which it was seen; 0: the entry is free
    ]
)
"""One place among the stars where a plot was seen."""

cdef enum:
    N_LENS = 8
    NEAR = 2  # pixels about a place among which its peak is looked for

cdef packed struct Star:
    double x
    double y
    double z
    int64_t first_ns
    int64_t first
    int64_t last
    int64_t seen

cdef float FADED = 0.5  # part of the least SNR that the older frame must show, as for partners
cdef double FOLLOW = 0.05  # share of a new place in that of a star: the bias of the pointing may drift


cdef bint above_limb(
    const Plot* plot, const double* lens, const double* axes, const double* position, const double* attitude,
    double cosine, double sine, double* u
) noexcept nogil:
    """Whether the line of sight of a plot misses the Earth; ``u`` becomes its direction in inertial axes."""
    cdef double[3] sight
    cdef double[3] turned
    cdef double[3] point
    cdef double length
    look(lens, plot.row, plot.col, sight)
    turn(attitude, 1.0, sight, turned)
    if meet(position, turned, axes, point):
        return False
    length = sqrt((turned[0] * turned[0] + turned[1] * turned[1]) + turned[2] * turned[2])
    u[0] = (cosine * turned[0] - sine * turned[1]) / length
    u[1] = (sine * turned[0] + cosine * turned[1]) / length
    u[2] = turned[2] / length
    return True


cdef Py_ssize_t nearest(Star* stars, Py_ssize_t n, const double* u, double reach) noexcept nogil:
    """The entry next to a line of sight; -1 if none is within the angle."""
    cdef Py_ssize_t k, found = -1
    cdef double x, y, z, apart, least = reach * reach
    for k in range(n):
        if stars[k].seen > 0:
            x = stars[k].x - u[0]
            y = stars[k].y - u[1]
            z = stars[k].z - u[2]
            apart = (x * x + y * y) + z * z
            if apart <= least:
                least = apart
                found = k
    return found


cdef void follow(Star* star, const double* u) noexcept nogil:
    cdef double x = star.x + FOLLOW * (u[0] - star.x), y = star.y + FOLLOW * (u[1] - star.y)
    cdef double z = star.z + FOLLOW * (u[2] - star.z)
    cdef double length = sqrt((x * x + y * y) + z * z)
    star.x, star.y, star.z = x / length, y / length, z / length


cdef bint is_faded(const Star* star, int64_t frame, int64_t patience, int64_t most_seen) noexcept nogil:
    return star.seen == 0 or frame - star.last > patience * min(star.seen, most_seen)


def mark_stars(
    plots, lens, axes_m, position_m, attitude, earth_angle_rad, time_ns, frame, reach_rad, least_seen, least_frames,
    least_ns, patience, most_seen, flag, stars
):
    """Flag the plots that are stars, and note those that may be.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots of a frame; ``flags`` is changed in place.
    lens : ndarray of float64, shape (8,)
        The lens, as for `ground_shift`.
    axes_m : ndarray of float64, shape (3,)
        Half axes of the Earth, ECEF [m].
    position_m : ndarray of float64, shape (3,)
        Where the sensor is, ECEF [m].
    attitude : ndarray of float64, shape (4,)
        Unit quaternion, sensor to ECEF.
    earth_angle_rad : float
        Angle by which the Earth has turned since some time [rad].
    time_ns : int
        Time of the frame [ns].
    frame : int
        Number of the frame; a place counts once a frame, however often it is marked.
    reach_rad : float
        Angle within which two lines of sight are one, above 0 [rad].
    least_seen, least_frames : int
        A star was seen in so many frames, and first so many frames ago; at least 1 and 0.
    least_ns : int
        And so long ago [ns].
    patience : int
        Frames for which a place is kept for each frame in which it was seen, at least 1.
    most_seen : int
        Frames that count so, at most.
    flag : int
        Bit of the flag, a power of 2.
    stars : ndarray of STAR_DTYPE, shape (m,)
        Places seen before, zeros at first; changed in place. What finds no free one is not noted.

    Returns
    -------
    int
        How many plots are stars.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef const double[::1] optics = require_array("lens", lens, "float64", (N_LENS,))
    cdef const double[::1] axes = require_array("axes_m", axes_m, "float64", (3,))
    cdef const double[::1] at = require_array("position_m", position_m, "float64", (3,))
    cdef const double[::1] q = require_array("attitude", attitude, "float64", (4,))
    cdef double angle = require_number("earth_angle_rad", earth_angle_rad, -1e9, 1e9)
    cdef int64_t now_ns = require_integer("time_ns", time_ns, -(2**62), 2**62)
    cdef int64_t now = require_integer("frame", frame, 0, 2**62)
    cdef double reach = require_number("reach_rad", reach_rad, 1e-12, 1.0)
    cdef int64_t often = require_integer("least_seen", least_seen, 1, 2**31)
    cdef int64_t long_ago = require_integer("least_frames", least_frames, 0, 2**31)
    cdef int64_t long_ago_ns = require_integer("least_ns", least_ns, 0, 2**62)
    cdef int64_t kept = require_integer("patience", patience, 1, 2**31)
    cdef int64_t counted = require_integer("most_seen", most_seen, 1, 2**31)
    cdef unsigned short bit = require_integer("flag", flag, 1, 2**15)
    cdef Star[::1] known = require_array("stars", stars, STAR_DTYPE, 1, out=True, apart_from=(plots,))
    cdef Py_ssize_t k, j, free = 0, n = known.shape[0], found = 0
    cdef double cosine = cos(angle), sine = sin(angle)
    cdef double[3] sight
    cdef Star* star
    with nogil:
        for k in range(p.shape[0]):
            if not above_limb(&p[k], &optics[0], &axes[0], &at[0], &q[0], cosine, sine, sight):
                continue
            j = nearest(&known[0], n, sight, reach) if n > 0 else -1
            if j < 0:
                while free < n and not is_faded(&known[free], now, kept, counted):
                    free += 1
                if free < n:
                    star = &known[free]
                    star.x, star.y, star.z = sight[0], sight[1], sight[2]
                    star.first_ns, star.first, star.last, star.seen = now_ns, now, now, 1
                continue
            star = &known[j]
            if is_faded(star, now, kept, counted):
                star.seen, star.first, star.first_ns = 0, now, now_ns
                star.x, star.y, star.z = sight[0], sight[1], sight[2]
            if star.last != now or star.seen == 0:
                star.seen += 1
                star.last = now
            if star.seen < often or now - star.first < long_ago or now_ns - star.first_ns < long_ago_ns:
                continue
            follow(star, sight)
            p[k].flags |= bit
            found += 1
    return found


cdef struct Past:
    const float* snr  # of a frame before
    const double* attitude
    double cosine  # of the angle that the Earth had turned by
    double sine


cdef inline double vertex(float before, float here, float behind) noexcept nogil:
    """Where the parabola through three values, the middle one the largest, has its peak, from -0.5 to 0.5."""
    cdef double bend = (<double>before - here) + (<double>behind - here)
    return 0.5 * (<double>before - behind) / bend if bend < 0 else 0.0


cdef float peak_at(
    const Past* past, const double* lens, Py_ssize_t rows, Py_ssize_t cols, double reach, const double* u, float sign
) noexcept nogil:
    """Largest peak of a polarity within ``reach`` of where a frame before showed an inertial direction; 0 without."""
    cdef double row = 0, col = 0, down, along
    cdef double[3] turned
    cdef double[3] sight
    cdef Py_ssize_t r, c, i, j, a, b
    cdef const float* at
    cdef float size, most = 0
    cdef bint peak
    turned[0] = past.cosine * u[0] + past.sine * u[1]
    turned[1] = past.cosine * u[1] - past.sine * u[0]
    turned[2] = u[2]
    turn(past.attitude, -1.0, turned, sight)
    if not sight[2] > 0:
        return 0
    see(lens, sight[0] / sight[2], sight[1] / sight[2], &row, &col)
    if not (0 <= row <= rows - 1 and 0 <= col <= cols - 1):
        return 0
    r = <Py_ssize_t>rint(row)
    c = <Py_ssize_t>rint(col)
    for i in range(max(r - NEAR, 1), min(r + NEAR + 1, rows - 1)):
        for j in range(max(c - NEAR, 1), min(c + NEAR + 1, cols - 1)):
            at = past.snr + i * cols + j
            size = sign * at[0]
            if size <= most:
                continue
            peak = True
            for a in range(-1, 2):
                for b in range(-1, 2):
                    peak = peak and sign * at[a * cols + b] <= size
            if not peak:
                continue
            down = i + vertex(sign * (at - cols)[0], size, sign * at[cols]) - row
            along = j + vertex(sign * (at - 1)[0], size, sign * at[1]) - col
            if down * down + along * along <= reach * reach:
                most = size
    return most


def mark_still(
    plots, lens, axes_m, position_m, attitude, earth_angle_rad, before, before_attitude, before_angle_rad, older,
    older_attitude, older_angle_rad, reach_px, share, together, flag
):
    """Flag the plots above the limb that the two frames before show at the same place among the stars.

    Parameters
    ----------
    plots, lens, axes_m, position_m, attitude, earth_angle_rad, flag
        As for `mark_stars`.
    before, older : ndarray of float32, shape (rows, cols)
        Calibrated SNR of the frame before, and of the one before it, with its sign.
    before_attitude, older_attitude : ndarray of float64, shape (4,)
        Their unit quaternions, sensor to ECEF.
    before_angle_rad, older_angle_rad : float
        Angles that the Earth had turned by [rad].
    reach_px : float
        How far from the place a peak may be, up to 2 [px].
    share : float
        Part of a plot's SNR that the frame before must show there, and the older one half of that, 0 to 1.
    together : float
        Parts of ``share`` that both must show together, 0 to 100.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef Plot[::1] p = require_array("plots", plots, PLOT_DTYPE, 1, out=True)
    cdef const double[::1] optics = require_array("lens", lens, "float64", (N_LENS,))
    cdef const double[::1] axes = require_array("axes_m", axes_m, "float64", (3,))
    cdef const double[::1] at = require_array("position_m", position_m, "float64", (3,))
    cdef const double[::1] q = require_array("attitude", attitude, "float64", (4,))
    cdef double angle = require_number("earth_angle_rad", earth_angle_rad, -1e9, 1e9)
    cdef const float[:, ::1] x = require_array("before", before, "float32", 2)
    cdef const double[::1] qx = require_array("before_attitude", before_attitude, "float64", (4,))
    cdef double angle_x = require_number("before_angle_rad", before_angle_rad, -1e9, 1e9)
    cdef const float[:, ::1] w = require_array("older", older, "float32", before.shape)
    cdef const double[::1] qw = require_array("older_attitude", older_attitude, "float64", (4,))
    cdef double angle_w = require_number("older_angle_rad", older_angle_rad, -1e9, 1e9)
    cdef double far = require_number("reach_px", reach_px, 0.0, 2.0)
    cdef float part = require_number("share", share, 0.0, 1.0), both = require_number("together", together, 0.0, 100.0)
    cdef unsigned short bit = require_integer("flag", flag, 1, 2**15)
    cdef Py_ssize_t k, rows = x.shape[0], cols = x.shape[1]
    cdef double cosine = cos(angle), sine = sin(angle)
    cdef double[3] u
    cdef float sign, least, first, second
    cdef Past[2] past
    past[0].snr, past[0].attitude, past[0].cosine, past[0].sine = &x[0, 0], &qx[0], cos(angle_x), sin(angle_x)
    past[1].snr, past[1].attitude, past[1].cosine, past[1].sine = &w[0, 0], &qw[0], cos(angle_w), sin(angle_w)
    with nogil:
        for k in range(p.shape[0]):
            if not above_limb(&p[k], &optics[0], &axes[0], &at[0], &q[0], cosine, sine, u):
                continue
            sign = 1 if p[k].amplitude > 0 else -1
            least = part * p[k].snr
            first = peak_at(&past[0], &optics[0], rows, cols, far, u, sign)
            second = peak_at(&past[1], &optics[0], rows, cols, far, u, sign)
            if first >= least and second >= FADED * least and first + second >= both * least:
                p[k].flags |= bit
