# distutils: extra_compile_args = --param=max-completely-peel-times=8
# GCC else unrolls loops over the columns of a tile before it could vectorise them.
"""Background of a frame: textures of ground, sea and cloud, sampled where the pixels look.

The frame is cut into tiles; what `lookdown.hil.scene.local.Nodes` says is known at their corners and linear between.
Places on the textures bend between corners as well, for sights do so in low and wide views.
Texels, whole numbers of 16 bits to spare the memory, are read bilinearly. Where a pixel sees more than the finest
texels, it reads between the two coarser levels that it lies between. Beyond their borders textures go on as their
mirror images.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t
from libc.string cimport memcpy

from lookdown.kernels.checks import require_array

from lookdown.hil.texels cimport MOST_LEVELS, Box, Levels, any_level, call_up, is_empty, is_within
from lookdown.hil.tiles cimport (
    CLOUD_ROW, CLOUD_SCALE, FIELDS, GLINT_SCALE, GROUND_ROW, GROUND_SCALE, HAZE, LEVEL, PATH, TALL, WIDE,
    Fields, Tile, add_bends, box_of, reach_of, set_up,
)
from lookdown.kernels.rows cimport RowOut, cloned

TILE_ROWS, TILE_COLS = 8, 16
"""Size of a tile [px]."""

cdef enum:
    BLOCK_COLS = 16  # tiles side by side whose texels, and those of the tiles below, fit into the second cache
    AREA = 128  # pixels of a tile
    MOST_NODES = 16

N_FIELDS = FIELDS


cdef Levels as_levels(texture):
    """Take a texture apart; without one there are no levels."""
    cdef Levels levels
    cdef Py_ssize_t k, first = 0
    cdef const uint16_t[::1] packed
    levels.n = 0
    levels.offset, levels.step = 0.0, 0.0
    if texture is None:
        return levels
    packed = require_array("packed", texture.packed, "uint16", 1)
    if len(texture.sizes) > MOST_LEVELS or sum(n * n for n in texture.sizes) != texture.packed.size:
        raise ValueError("texture: wanted packed levels of the sizes it states; make it by Texture.of")
    for k, size in enumerate(texture.sizes):
        levels.values[k] = &packed[first]
        levels.size[k] = size
        first += size * size
    levels.n = len(texture.sizes)
    levels.offset, levels.step = texture.offset, texture.step
    return levels


cdef inline void advance(Tile* tile, Fields* left, Fields* step, Fields* bend) noexcept nogil:
    """Write the fields of all rows of a tile."""
    cdef int r, k
    for r in range(TALL):
        for k in range(FIELDS):
            left[r].of[k], step[r].of[k], bend[r].of[k] = tile.left[k], tile.step[k], tile.bend[k]
            tile.left[k] += tile.left_down[k]
            tile.step[k] += tile.step_down[k]
            tile.left_down[k] += tile.left_bend[k]
            tile.bend[k] += tile.bend_down[k]


cdef inline void read_finest(
    const Levels* levels, const Fields* left, const Fields* step, const Fields* bend, bint bends, int field, RowOut out
) noexcept nogil:
    """Read the pixels of a tile within the finest texels; loops that the compiler vectorises, but for the loads."""
    cdef float row[AREA]
    cdef float col[AREA]
    cdef int32_t at[AREA]
    cdef uint32_t upper[AREA]
    cdef uint32_t lower[AREA]
    cdef int32_t i, j
    cdef float a, b, row_left, row_step, row_bend, col_left, col_step, col_bend
    cdef const uint16_t* values = levels.values[0]
    cdef int32_t size = <int32_t>levels.size[0]
    cdef float offset = levels.offset, scale = levels.step
    cdef int r, k
    for r in range(TALL):
        row_left, row_step, row_bend = left[r].of[field], step[r].of[field], bend[r].of[field]
        col_left, col_step, col_bend = left[r].of[field + 1], step[r].of[field + 1], bend[r].of[field + 1]
        for k in range(WIDE):
            row[r * WIDE + k] = row_left + <float>k * row_step
            col[r * WIDE + k] = col_left + <float>k * col_step
        if bends:
            for k in range(WIDE):
                row[r * WIDE + k] += <float>(k * (k - WIDE)) * row_bend
                col[r * WIDE + k] += <float>(k * (k - WIDE)) * col_bend
    for k in range(AREA):
        i, j = <int32_t>row[k], <int32_t>col[k]
        at[k] = i * size + j
        row[k] -= <float>i
        col[k] -= <float>j
    for k in range(AREA):
        # Two neighbours in one word, the left one in its lower half.
        memcpy(&upper[k], values + at[k], 4)
        memcpy(&lower[k], values + at[k] + size, 4)
    for k in range(AREA):
        a = <float><int32_t>(upper[k] & 0xFFFF)
        a = a + col[k] * (<float><int32_t>(upper[k] >> 16) - a)
        b = <float><int32_t>(lower[k] & 0xFFFF)
        b = b + col[k] * (<float><int32_t>(lower[k] >> 16) - b)
        out[k] = offset + scale * (a + row[k] * (b - a))


cdef void read_any(
    const Levels* levels, const Fields* left, const Fields* step, const Fields* bend, int field, float* out
) noexcept nogil:
    """Read the pixels of a tile wherever they lie, between levels."""
    cdef int r, k
    for r in range(TALL):
        for k in range(WIDE):
            out[r * WIDE + k] = any_level(
                levels,
                left[r].of[field] + <float>k * step[r].of[field] + <float>(k * (k - WIDE)) * bend[r].of[field],
                left[r].of[field + 1] + <float>k * step[r].of[field + 1]
                + <float>(k * (k - WIDE)) * bend[r].of[field + 1],
                left[r].of[LEVEL] + <float>k * step[r].of[LEVEL],
            )


cdef inline void read_tile(
    const Levels* levels, const Fields* left, const Fields* step, const Fields* bend, bint plain, bint bends, int field,
    RowOut out
) noexcept nogil:
    if plain:
        read_finest(levels, left, step, bend, bends, field, out)
    else:
        read_any(levels, left, step, bend, field, out)


cdef cloned draw_tile(
    const Levels* ground, const Levels* sea, const Levels* cloud, Tile* tile, RowOut light
) noexcept nogil:
    """Radiance of all pixels of a tile; then its fields stand below it."""
    cdef float more[AREA]
    cdef Fields left[TALL]
    cdef Fields step[TALL]
    cdef Fields bend[TALL]
    cdef float clear, first, slope, haze, haze_slope
    cdef int r, k
    advance(tile, left, step, bend)
    read_tile(ground, left, step, bend, tile.plain_ground, tile.bends, GROUND_ROW, light)
    for r in range(TALL):
        first, slope = left[r].of[GROUND_SCALE], step[r].of[GROUND_SCALE]
        haze, haze_slope = left[r].of[HAZE], step[r].of[HAZE]
        for k in range(WIDE):
            light[r * WIDE + k] = light[r * WIDE + k] * (first + <float>k * slope) + (haze + <float>k * haze_slope)
    if sea.n > 0:
        read_tile(sea, left, step, bend, tile.plain_ground, tile.bends, GROUND_ROW, more)
        for r in range(TALL):
            first, slope = left[r].of[GLINT_SCALE], step[r].of[GLINT_SCALE]
            for k in range(WIDE):
                light[r * WIDE + k] += more[r * WIDE + k] * (first + <float>k * slope)
    if tile.with_cloud:
        read_tile(cloud, left, step, bend, tile.plain_cloud, tile.bends, CLOUD_ROW, more)
        for r in range(TALL):
            first, slope = left[r].of[CLOUD_SCALE], step[r].of[CLOUD_SCALE]
            for k in range(WIDE):
                clear = <float>1.0 - more[r * WIDE + k]
                clear = clear if clear > <float>0.0 else <float>0.0
                light[r * WIDE + k] = light[r * WIDE + k] * clear + more[r * WIDE + k] * (first + <float>k * slope)
    for r in range(TALL):
        first, slope = left[r].of[PATH], step[r].of[PATH]
        for k in range(WIDE):
            light[r * WIDE + k] = light[r * WIDE + k] + (first + <float>k * slope)


def spread(nodes, down, across, corners):
    """Interpolate fields from the nodes of a frame to the corners of its tiles.

    ``corners[i, l, f] = sum_jk down[i, j] nodes[f, j, k] across[l, k]``.

    Parameters
    ----------
    nodes : ndarray of float64, shape (fields, n, m)
        Fields at the nodes; at most N_FIELDS.
    down, across : ndarray of float64, shape (rows, n), (cols, m)
        Weights of the nodes at the rows and columns of corners.
    corners : ndarray of float32, shape (rows, cols, N_FIELDS)
        Fields at the corners; the first ``fields`` are written.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef const double[:, :, ::1] x = require_array("nodes", nodes, "float64", 3)
    cdef const double[:, ::1] by_row = require_array("down", down, "float64", (down.shape[0], nodes.shape[1]))
    cdef const double[:, ::1] by_col = require_array("across", across, "float64", (across.shape[0], nodes.shape[2]))
    cdef float[:, :, ::1] out = require_array(
        "corners", corners, "float32", (down.shape[0], across.shape[0], FIELDS), out=True
    )
    cdef double line[MOST_NODES][FIELDS]
    cdef double total[FIELDS]
    cdef Py_ssize_t i, j, k, f, column
    if x.shape[0] > FIELDS or x.shape[2] > MOST_NODES:
        raise ValueError(f"nodes: wanted at most {FIELDS} fields and {MOST_NODES} columns, got shape {nodes.shape}")
    with nogil:
        for k in range(MOST_NODES):
            for f in range(FIELDS):
                line[k][f] = 0.0
        for i in range(by_row.shape[0]):
            for k in range(x.shape[2]):
                for f in range(x.shape[0]):
                    line[k][f] = 0.0
                    for j in range(x.shape[1]):
                        line[k][f] += by_row[i, j] * x[f, j, k]
            for column in range(by_col.shape[0]):
                for f in range(FIELDS):
                    total[f] = 0.0
                for k in range(x.shape[2]):
                    for f in range(FIELDS):
                        total[f] += by_col[column, k] * line[k][f]
                for f in range(x.shape[0]):
                    out[i, column, f] = <float>total[f]


def sample(corners, ground, sea, cloud, out, weight=1.0, add=False):
    """Fill a frame from textures.

    Parameters
    ----------
    corners : ndarray of float32, shape (m + 1, n + 1, N_FIELDS)
        At the corners of ``m`` by ``n`` tiles of TILE_ROWS by TILE_COLS pixels, from the first pixel on: row and column
        on the ground's texture, factor of the ground, haze, path, row and column on the cloud's texture, factors of
        cloud and sea, level. Scales, haze and path in the unit of ``out``; level 0 and below reads the finest texels,
        each further level a mean over twice as many rows.
    ground : Texture
        Ground.
    sea, cloud : Texture or None
        Sea and cloud; None for none.
    out : ndarray of float32, shape (rows, cols)
        Frame; filled, or added to.
    weight : float
        Factor of all [1].
    add : bool
        Add to what is there: for the mean over several instants of an exposure.

    Raises
    ------
    ValueError
        If an array has another type, shape or layout.
    """
    cdef float[:, ::1] image = require_array("out", out, "float32", 2, out=True)
    cdef Py_ssize_t rows = image.shape[0], cols = image.shape[1]
    cdef Py_ssize_t tile_rows = (rows + TALL - 1) // TALL, tile_cols = (cols + WIDE - 1) // WIDE
    cdef const float[:, :, ::1] at = require_array(
        "corners", corners, "float32", (tile_rows + 1, tile_cols + 1, FIELDS)
    )
    cdef Levels ground_levels = as_levels(ground), sea_levels = as_levels(sea), cloud_levels = as_levels(cloud)
    cdef float share = weight
    cdef bint adds = add
    cdef Py_ssize_t i, r, k, t, block, first, height, width
    cdef const float* upper
    cdef const float* lower
    cdef Box box
    cdef Tile tile
    cdef float value[AREA]
    cdef float* row
    if ground_levels.n == 0:
        raise ValueError("ground: wanted a Texture, got None; make it by Texture.of")
    with nogil:
        # Down blocks of tiles side by side: texels that a tile shares with the one below are still in the cache.
        for block in range((tile_cols + BLOCK_COLS - 1) // BLOCK_COLS):
            first = block * BLOCK_COLS
            for i in range(tile_rows):
                height = min(rows - i * TALL, <Py_ssize_t>TALL)
                for t in range(first, min(first + BLOCK_COLS, tile_cols)):
                    width = min(cols - t * WIDE, <Py_ssize_t>WIDE)
                    upper, lower = &at[i, t, 0], &at[i + 1, t, 0]
                    set_up(&tile, upper, lower)
                    add_bends(&tile, upper, i, tile_rows, t, tile_cols)
                    box = reach_of(&tile, upper, lower, GROUND_ROW)
                    tile.plain_ground = box.level <= 0 and is_within(box, ground_levels.size[0])
                    box = reach_of(&tile, upper, lower, CLOUD_ROW)
                    tile.with_cloud = cloud_levels.n > 0 and not is_empty(&cloud_levels, box)
                    tile.plain_cloud = tile.with_cloud and box.level <= 0 and is_within(box, cloud_levels.size[0])
                    if i + 1 < tile_rows:
                        upper, lower = &at[i + 1, t, 0], &at[i + 2, t, 0]
                        call_up(&ground_levels, box_of(upper, lower, GROUND_ROW))
                        if cloud_levels.n > 0:
                            call_up(&cloud_levels, box_of(upper, lower, CLOUD_ROW))
                    draw_tile(&ground_levels, &sea_levels, &cloud_levels, &tile, value)
                    for r in range(height):
                        row = &image[i * TALL + r, t * WIDE]
                        if adds:
                            for k in range(width):
                                row[k] += share * value[r * WIDE + k]
                        else:
                            for k in range(width):
                                row[k] = share * value[r * WIDE + k]
