"""Spikes: pixels that no light through the optics can make, found by their shape and replaced.

A point of light spreads: the second brightest neighbour of its brightest pixel has at least ``exp(-1 / (2 sigma^2))``
of the pixel's value for a point-spread function of that sigma. A bad or blinking pixel, or the hit of a particle,
stands alone. With b the mean of the 16 pixels two away (those within the frame), s their mean absolute deviation times
1.25 (Gaussian sigma), and y the second strongest neighbour on the pixel's side of b, pixel x is a spike if

    |x - b| > level max(s, sigma)  and  |y - b| < ratio |x - b|

and becomes b. The second neighbour, not the first, so that pairs of bad pixels are found too. At most one of the four
nearest neighbours is strong then, so x stands above the mean of the left and right or of the upper and lower one by
more than ``(1 - ratio) level sigma``: that test screens the frame.
"""

from libc.math cimport fabsf

from lookdown.kernels.rows cimport RowIn, cloned

from lookdown.kernels.checks import require_array, require_number

cdef extern from *:
    """
    typedef int *__restrict__ lookdown_count_out;
    """
    ctypedef int* CountOut "lookdown_count_out"

cdef enum:
    BLOCK = 64  # columns that one vectorised screening takes
    PART = 8  # and those that are looked at together in a block with a candidate


cdef cloned screen(
    RowIn x, RowIn left, RowIn right, RowIn above, RowIn below, float least, CountOut count, Py_ssize_t n
) noexcept nogil:
    """Count the pixels that stand above a pair of opposite neighbours; ``least`` is a square."""
    cdef Py_ssize_t i
    cdef int found = 0
    cdef float along, down, half = 0.5  # a literal would make the arithmetic double
    for i in range(n):
        along = x[i] - half * (left[i] + right[i])
        down = x[i] - half * (above[i] + below[i])
        along = along * along
        down = down * down
        found += (along if along > down else down) > least
    count[0] = found


cdef inline bint stands_above(
    float x, float left, float right, float above, float below, float least
) noexcept nogil:
    cdef float half = 0.5
    cdef float along = x - half * (left + right)
    cdef float down = x - half * (above + below)
    return along * along > least or down * down > least


cdef inline bint stands_out(const float* x, const float* above, const float* below, float least) noexcept nogil:
    """Whether one pixel passes the screen; textured blocks hold many that do not."""
    return stands_above(x[0], (x - 1)[0], x[1], above[0], below[0], least)


cdef inline bint any_stands_out(const float* x, const float* above, const float* below, float least) noexcept nogil:
    """Whether any of a part's pixels passes the screen."""
    cdef Py_ssize_t i
    cdef float along, down, half = 0.5
    cdef int found = 0
    for i in range(PART):
        along = x[i] - half * ((x - 1)[i] + x[i + 1])
        down = x[i] - half * (above[i] + below[i])
        along = along * along
        down = down * down
        found |= (along if along > down else down) > least
    return found


cdef inline Py_ssize_t far_pixels(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float* far
) noexcept nogil:
    """Copy the pixels two away that exist; return how many."""
    cdef const float* row
    cdef Py_ssize_t i, j, n = 0
    if 2 <= r < rows - 2 and 2 <= c < cols - 2:
        # Almost always: all of them exist.
        row = x + (r - 2) * cols + c - 2
        for j in range(5):
            far[j] = row[j]
        for i in range(3):
            row += cols
            far[5 + 2 * i] = row[0]
            far[6 + 2 * i] = row[4]
        row += cols
        for j in range(5):
            far[11 + j] = row[j]
        return 16
    for i in range(max(r - 2, 0), min(r + 3, rows)):
        row = x + i * cols
        for j in range(max(c - 2, 0), min(c + 3, cols)):
            if i - r == -2 or i - r == 2 or j - c == -2 or j - c == 2:
                far[n] = row[j]
                n += 1
    return n


cdef bint replace_spike(
    float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float sigma, float level, float ratio
) noexcept nogil:
    cdef float[16] far
    cdef float base = 0, spread = 0, height
    cdef Py_ssize_t i, j, k, n_far = far_pixels(x, rows, cols, r, c, far), strong = 0
    cdef const float* row
    if n_far == 0 or ratio <= 0:
        return False
    for k in range(n_far):
        base += far[k]
    base /= n_far
    height = x[r * cols + c] - base
    if fabsf(height) <= level * sigma:
        return False
    for i in range(max(r - 1, 0), min(r + 2, rows)):
        row = x + i * cols
        for j in range(max(c - 1, 0), min(c + 2, cols)):
            strong += (row[j] - base) / height >= ratio
    # The pixel itself is one of them; the second neighbour must not be.
    if strong > 2:
        return False
    for k in range(n_far):
        spread += fabsf(far[k] - base)
    spread *= 1.25 / <float>n_far
    if fabsf(height) <= level * spread:
        return False
    x[r * cols + c] = base
    return True


cdef Py_ssize_t scan(
    float* x, Py_ssize_t rows, Py_ssize_t cols, float sigma, float level, float ratio, int* found, Py_ssize_t capacity
) noexcept nogil:
    cdef Py_ssize_t r, c, k, first, last, n_found = 0
    cdef int count
    cdef float* row
    cdef float* above
    cdef float* below
    cdef float least = (1 - ratio) * level * sigma
    least = least * least
    for r in range(rows):
        row = x + r * cols
        above = x + max(r - 1, 0) * cols
        below = x + min(r + 1, rows - 1) * cols
        last = 0
        while last < cols:
            c = last
            last = min(c + BLOCK, cols)
            # The first and last column have no pair along the row and are looked at one by one.
            first = max(c, 1)
            k = min(last, cols - 1) - first
            count = 0
            if k > 0:
                screen(row + first, row + first - 1, row + first + 1, above + first, below + first, least, &count, k)
            k = c
            while k < last:
                # A block without a candidate is done, but for the columns that were not screened.
                if count > 0 or k == 0 or k == cols - 1:
                    if k % PART == 0 and 0 < k and k + PART < min(last + 1, cols) and not any_stands_out(
                        row + k, above + k, below + k, least
                    ):
                        k += PART
                        continue
                    if 0 < k < cols - 1 and not stands_out(row + k, above + k, below + k, least):
                        k += 1
                        continue
                    # In the first and last column the one neighbour there is takes the place of both.
                    if cols > 1 and (k == 0 or k == cols - 1) and not stands_above(
                        row[k], row[1 if k == 0 else k - 1], row[1 if k == 0 else k - 1], above[k], below[k], least
                    ):
                        k += 1
                        continue
                    if replace_spike(x, rows, cols, r, k, sigma, level, ratio):
                        if n_found < capacity:
                            found[n_found] = <int>(r * cols + k)
                        n_found += 1
                elif last == cols and k < cols - 1:
                    k = cols - 2
                else:
                    k = last
                k += 1
    return n_found


def remove_spikes(frame, sigma, level, ratio, found):
    """Replace spikes by the mean of their surroundings.

    Parameters
    ----------
    frame : ndarray of float32, shape (rows, cols)
        Calibrated frame of finite values, changed in place.
    sigma : float
        Noise of a pixel, 0 or more; with 0 the surroundings alone decide [frame unit].
    level : float
        Sigmas from which on a pixel may be a spike, above 0.
    ratio : float
        Largest share of the second neighbour, 0 to 1.
    found : ndarray of int32, shape (capacity,)
        Flat indices of the spikes in raster order, as far as they fit.

    Returns
    -------
    int
        Number of spikes replaced; may exceed the capacity.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout, or a number is out of its range.
    """
    cdef float[:, ::1] x = require_array("frame", frame, "float32", 2, out=True)
    cdef float noise = require_number("sigma", sigma, 0, 1e15)
    cdef float sigmas = require_number("level", level, 1e-3, 1e6)
    cdef float share = require_number("ratio", ratio, 0, 1)
    cdef int[::1] indices = require_array("found", found, "int32", 1, out=True)
    cdef Py_ssize_t n_found
    with nogil:
        n_found = scan(&x[0, 0], x.shape[0], x.shape[1], noise, sigmas, share, &indices[0], indices.shape[0])
    return n_found
