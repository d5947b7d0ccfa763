"""Place of a spot to a part of a pixel, with its sigma; the formulas stand in ``extract.pyx``.

The floor of sigma, 0.02 pixel, is what interpolation leaves at high signal-to-noise ratio for Gaussian spots of sigma
0.5 pixel and more. Where the top is flat or at the border the spot counts as 3 pixels wide.
"""

from libc.math cimport isfinite, logf, sqrtf


cdef inline float line_sum(
    const float* residual, Py_ssize_t stride, bint before, bint after, float sign
) noexcept nogil:
    """Residual weighted 1 2 1 across; a neighbour outside the frame counts as the pixel itself."""
    cdef float middle = residual[0]
    return sign * (
        2 * middle + (residual[-stride] if before else middle) + (residual[stride] if after else middle)
    )


cdef inline void refine_axis(
    const float* residual, Py_ssize_t stride, Py_ssize_t across, bint before, bint after, bint across_before,
    bint across_after, float sign, float snr, float* offset, float* sigma
) noexcept nogil:
    """Vertex of the parabola through the logarithms along one axis."""
    cdef float middle, low, high, smallest, curvature, width = 3.0, floor = 0.02  # the constants of the head [pixel]
    offset[0] = 0
    if before and after:
        middle = line_sum(residual, across, across_before, across_after, sign)
        low = line_sum(residual - stride, across, across_before, across_after, sign)
        high = line_sum(residual + stride, across, across_before, across_after, sign)
        # Noise may leave no light in a neighbour; a tenth of the peak keeps the logarithm tame.
        smallest = 0.1 * middle
        low = low if low > smallest else smallest
        high = high if high > smallest else smallest
        if middle > 0 and isfinite(middle + low + high):
            curvature = 2 * logf(middle) - logf(low) - logf(high)
            if curvature > 1 / (width * width):
                offset[0] = (logf(high) - logf(low)) / (2 * curvature)
                offset[0] = min(max(offset[0], -0.5), 0.5)
                width = 1 / sqrtf(curvature)
    sigma[0] = sqrtf((width / snr) * (width / snr) + floor * floor)


cdef inline double spread(double noise, double n, double first, double second, double centre) noexcept nogil:
    """Sigma of a weighted centroid, from the sums of the coordinate and of its square."""
    cdef double about = max(second - 2 * centre * first + n * centre * centre, 0.0)
    return sqrtf(<float>(noise * noise * about + 0.02 * 0.02))
