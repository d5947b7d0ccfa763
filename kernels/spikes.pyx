"""Spikes: pixels that no light through the optics can make, found by their shape and replaced.

A point of light spreads: the second brightest neighbour of its brightest pixel has at least ``exp(-1 / (2 sigma^2))``
of the pixel's value for a point-spread function of that sigma. A bad or blinking pixel, or the hit of a particle,
stands alone. With b the mean of the 16 pixels two away (those within the frame), s their mean absolute deviation times
1.25 (Gaussian sigma), and y the second strongest neighbour on the pixel's side of b, pixel x is a spike if

    |x - b| > level max(s, sigma)  and  |y - b| < ratio |x - b|

and becomes b. The second neighbour, not the first, so that pairs of bad pixels are found too. At most one of the four
nearest neighbours is strong then, so x stands above three of them by more than ``(1 - ratio) level sigma``: that test
screens the frame. Slopes, edges and ridges of a scene do not pass it, however steep they are.
"""

from libc.math cimport fabsf

from lookdown.kernels.rows cimport RowIn
from lookdown.kernels.wide cimport cloned_wide

from lookdown.kernels.checks import require_array, require_number

cdef extern from *:
    """
    typedef int *__restrict__ lookdown_count_out;
    """
    ctypedef int* CountOut "lookdown_count_out"

cdef enum:
    BLOCK = 32  # columns that are screened together
    MOST_BLOCKS = 64  # and blocks of a row that are screened at a time
    PARTS = 4  # of a block, screened again where it holds a candidate
    PART = 8


cdef cloned_wide screen(
    RowIn x, RowIn left, RowIn right, RowIn above, RowIn below, float least, CountOut counts, Py_ssize_t n_blocks
) noexcept nogil:
    """Count the pixels of each block that stand out of three of their four nearest neighbours on one side."""
    cdef Py_ssize_t i, b, k
    cdef int found
    cdef float low_along, high_along, low_down, high_down, low, high
    for b in range(n_blocks):
        found = 0
        for k in range(BLOCK):
            i = b * BLOCK + k
            low_along = left[i] if left[i] < right[i] else right[i]
            high_along = right[i] if left[i] < right[i] else left[i]
            low_down = above[i] if above[i] < below[i] else below[i]
            high_down = below[i] if above[i] < below[i] else above[i]
            # The middle two of four: the larger of the low ones, the smaller of the high ones.
            low = low_along if low_along > low_down else low_down
            high = high_along if high_along < high_down else high_down
            found += (x[i] - (low if low > high else high) > least) | ((low if low < high else high) - x[i] > least)
        counts[b] = found


cdef cloned_wide screen_parts(
    RowIn x, RowIn left, RowIn right, RowIn above, RowIn below, float least, CountOut counts
) noexcept nogil:
    """`screen` for the parts of one block."""
    cdef Py_ssize_t i, p, k
    cdef int found
    cdef float low_along, high_along, low_down, high_down, low, high
    for p in range(PARTS):
        found = 0
        for k in range(PART):
            i = p * PART + k
            low_along = left[i] if left[i] < right[i] else right[i]
            high_along = right[i] if left[i] < right[i] else left[i]
            low_down = above[i] if above[i] < below[i] else below[i]
            high_down = below[i] if above[i] < below[i] else above[i]
            low = low_along if low_along > low_down else low_down
            high = high_along if high_along < high_down else high_down
            found += (x[i] - (low if low > high else high) > least) | ((low if low < high else high) - x[i] > least)
        counts[p] = found


cdef inline bint stands_out(
    const float* x, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t r, Py_ssize_t c, float least
) noexcept nogil:
    """The same for one pixel; at a border fewer neighbours are there, and one of them may be strong, too."""
    cdef const float* here = x + r * cols + c
    cdef int over = 0, under = 0, n = 0
    if r > 0:
        over, under, n = here[0] - here[-cols] > least, here[-cols] - here[0] > least, 1
    if r < rows - 1:
        over, under, n = over + (here[0] - here[cols] > least), under + (here[cols] - here[0] > least), n + 1
    if c > 0:
        over, under, n = over + (here[0] - (here - 1)[0] > least), under + ((here - 1)[0] - here[0] > least), n + 1
    if c < cols - 1:
        over, under, n = over + (here[0] - here[1] > least), under + (here[1] - here[0] > least), n + 1
    return over >= n - 1 or under >= n - 1


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


cdef struct Search:
    float* x
    Py_ssize_t rows
    Py_ssize_t cols
    float sigma
    float level
    float ratio
    float least
    int* found
    Py_ssize_t capacity
    Py_ssize_t n_found
    Py_ssize_t done  # columns of the row before this one have been looked at
    Py_ssize_t after_spike  # column of the row behind a spike


cdef void look_at(Search* s, Py_ssize_t r, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Look at the columns ``first`` to ``last`` - 1 of a row one by one, each once."""
    cdef Py_ssize_t k = max(first, s.done)
    while k < last:
        # Where a pixel is gone the next has a strong neighbour less, whatever the screen said of it.
        if k == s.after_spike or stands_out(s.x, s.rows, s.cols, r, k, s.least):
            s.done = k + 1
            if replace_spike(s.x, s.rows, s.cols, r, k, s.sigma, s.level, s.ratio):
                if s.n_found < s.capacity:
                    s.found[s.n_found] = <int>(r * s.cols + k)
                s.n_found += 1
                s.after_spike = k + 1
                last = max(last, min(k + 2, s.cols))
        k += 1


cdef void screen_row(Search* s, Py_ssize_t r, Py_ssize_t first, Py_ssize_t n_blocks, Py_ssize_t start) noexcept nogil:
    """Screen blocks that begin at column ``first``; look at the parts with a candidate, from column ``start`` on."""
    cdef int[MOST_BLOCKS] counts
    cdef int[PARTS] parts
    cdef const float* row = s.x + r * s.cols + first
    cdef const float* above = row - s.cols
    cdef const float* below = row + s.cols
    cdef Py_ssize_t b, k
    screen(row, row - 1, row + 1, above, below, s.least, counts, n_blocks)
    for b in range(n_blocks):
        if counts[b]:
            k = b * BLOCK
            screen_parts(row + k, row + k - 1, row + k + 1, above + k, below + k, s.least, parts)
            for k in range(PARTS):
                if parts[k]:
                    look_at(s, r, max(first + b * BLOCK + k * PART, start), first + b * BLOCK + (k + 1) * PART)


cdef void scan(Search* s) noexcept nogil:
    cdef Py_ssize_t r, start, n_blocks
    for r in range(s.rows):
        s.done = 0
        s.after_spike = -1
        if r == 0 or r == s.rows - 1:
            look_at(s, r, 0, s.cols)
            continue
        look_at(s, r, 0, 1)
        start = 1
        while start + BLOCK < s.cols:
            n_blocks = min((s.cols - 1 - start) // BLOCK, MOST_BLOCKS)
            screen_row(s, r, start, n_blocks, start)
            start += n_blocks * BLOCK
        if start < s.cols - 1 and s.cols > BLOCK + 1:
            # The last block begins among those that were screened.
            screen_row(s, r, s.cols - 1 - BLOCK, 1, start)
            start = s.cols - 1
        look_at(s, r, start, s.cols)


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
    cdef Search search
    search.x, search.rows, search.cols = &x[0, 0], x.shape[0], x.shape[1]
    search.sigma, search.level, search.ratio = noise, sigmas, share
    search.least = <float>(0.9999 * (1 - share) * sigmas * noise)  # a little less, for what rounding takes
    search.found, search.capacity, search.n_found = &indices[0], indices.shape[0], 0
    with nogil:
        scan(&search)
    return search.n_found
