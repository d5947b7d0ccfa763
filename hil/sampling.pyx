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
    Tile, add_bends, box_of, reach_of, set_up,
)
from lookdown.kernels.rows cimport RowOut, cloned

TILE_ROWS, TILE_COLS = 8, 16
"""Size of a tile [px]."""

cdef enum:
    ROW_TILES = 16  # tiles of a block along each axis: their texels fit into a cache
    RUN = 256  # their pixels
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


cdef inline void read_finest(const Levels* levels, const Tile* tile, int field, int wide, RowOut out) noexcept nogil:
    """Read the pixels of a tile's row within the finest texels; plain loops, which the compiler vectorises."""
    cdef float row[WIDE]
    cdef float col[WIDE]
    cdef int32_t at[WIDE]
    cdef uint32_t upper[WIDE]
    cdef uint32_t lower[WIDE]
    cdef int32_t i, j
    cdef float a, b
    cdef const uint16_t* values = levels.values[0]
    cdef int32_t size = <int32_t>levels.size[0]
    cdef float offset = levels.offset, step = levels.step
    cdef int k
    cdef float row_bend = tile.bend[field], col_bend = tile.bend[field + 1]
    for k in range(wide):
        row[k] = tile.left[field] + <float>k * tile.step[field] + <float>(k * (k - WIDE)) * row_bend
        col[k] = tile.left[field + 1] + <float>k * tile.step[field + 1] + <float>(k * (k - WIDE)) * col_bend
        i, j = <int32_t>row[k], <int32_t>col[k]
        at[k] = i * size + j
        row[k] -= <float>i
        col[k] -= <float>j
    for k in range(wide):
        # Two neighbours in one word, the left one in its lower half.
        memcpy(&upper[k], values + at[k], 4)
        memcpy(&lower[k], values + at[k] + size, 4)
    for k in range(wide):
        a = <float><int32_t>(upper[k] & 0xFFFF)
        a = a + col[k] * (<float><int32_t>(upper[k] >> 16) - a)
        b = <float><int32_t>(lower[k] & 0xFFFF)
        b = b + col[k] * (<float><int32_t>(lower[k] >> 16) - b)
        out[k] = offset + step * (a + row[k] * (b - a))


cdef void read_any(const Levels* levels, const Tile* tile, int field, float* out) noexcept nogil:
    """Read the pixels of a tile's row wherever they lie, between levels."""
    cdef float row_bend = tile.bend[field], col_bend = tile.bend[field + 1]
    cdef int k
    for k in range(WIDE):
        out[k] = any_level(
            levels, tile.left[field] + <float>k * tile.step[field] + <float>(k * (k - WIDE)) * row_bend,
            tile.left[field + 1] + <float>k * tile.step[field + 1] + <float>(k * (k - WIDE)) * col_bend,
            tile.left[LEVEL] + <float>k * tile.step[LEVEL],
        )


cdef cloned draw_row(
    const Levels* ground, const Levels* sea, const Levels* cloud, Tile* tiles, Py_ssize_t n, int wide, RowOut value
) noexcept nogil:
    """Radiance along a row of n tiles; then they stand at the next row."""
    cdef float more[WIDE]
    cdef float light[WIDE]
    cdef float clear
    cdef Py_ssize_t t
    cdef int k
    cdef Tile* tile
    for t in range(n):
        tile = tiles + t
        if tile.plain_ground:
            read_finest(ground, tile, GROUND_ROW, wide, light)
        else:
            read_any(ground, tile, GROUND_ROW, light)
        for k in range(wide):
            light[k] = light[k] * (tile.left[GROUND_SCALE] + <float>k * tile.step[GROUND_SCALE]) + (
                tile.left[HAZE] + <float>k * tile.step[HAZE]
            )
        if sea.n > 0:
            if tile.plain_ground:
                read_finest(sea, tile, GROUND_ROW, wide, more)
            else:
                read_any(sea, tile, GROUND_ROW, more)
            for k in range(wide):
                light[k] += more[k] * (tile.left[GLINT_SCALE] + <float>k * tile.step[GLINT_SCALE])
        if tile.with_cloud:
            if tile.plain_cloud:
                read_finest(cloud, tile, CLOUD_ROW, wide, more)
            else:
                read_any(cloud, tile, CLOUD_ROW, more)
            for k in range(wide):
                clear = <float>1.0 - more[k]
                clear = clear if clear > <float>0.0 else <float>0.0
                light[k] = light[k] * clear + more[k] * (tile.left[CLOUD_SCALE] + <float>k * tile.step[CLOUD_SCALE])
        for k in range(wide):
            value[t * WIDE + k] = light[k] + (tile.left[PATH] + <float>k * tile.step[PATH])
        for k in range(FIELDS):
            tile.left[k] += tile.left_down[k]
            tile.step[k] += tile.step_down[k]
        if tile.bends:
            for k in range(FIELDS):
                tile.left_down[k] += tile.left_bend[k]
                tile.bend[k] += tile.bend_down[k]


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
    cdef Py_ssize_t block_cols = (tile_cols + ROW_TILES - 1) // ROW_TILES, block, first_row, first_col
    cdef Py_ssize_t i, r, k, t, n, height, width
    cdef int wide = at.shape[2] + WIDE - FIELDS  # WIDE, which the compiler must not know: it unrolls short loops badly
    cdef const float* upper
    cdef const float* lower
    cdef Box box
    cdef Tile tiles[ROW_TILES]
    cdef float value[RUN]
    cdef float* row
    if ground_levels.n == 0:
        raise ValueError("ground: wanted a Texture, got None; make it by Texture.of")
    with nogil:
        # Blocks of tiles, whose texels stay in the cache from one row of tiles to the next.
        for block in range(((tile_rows + ROW_TILES - 1) // ROW_TILES) * block_cols):
            first_row = block // block_cols * ROW_TILES
            first_col = block % block_cols * ROW_TILES
            n = min(tile_cols - first_col, <Py_ssize_t>ROW_TILES)
            width = min(cols - first_col * WIDE, n * WIDE)
            for i in range(first_row, min(first_row + ROW_TILES, tile_rows)):
                height = min(rows - i * TALL, <Py_ssize_t>TALL)
                for t in range(n):
                    upper, lower = &at[i, first_col + t, 0], &at[i + 1, first_col + t, 0]
                    set_up(&tiles[t], upper, lower)
                    add_bends(&tiles[t], upper, i, tile_rows, first_col + t, tile_cols)
                    box = reach_of(&tiles[t], upper, lower, GROUND_ROW)
                    tiles[t].plain_ground = box.level <= 0 and is_within(box, ground_levels.size[0])
                    box = reach_of(&tiles[t], upper, lower, CLOUD_ROW)
                    tiles[t].with_cloud = cloud_levels.n > 0 and not is_empty(&cloud_levels, box)
                    tiles[t].plain_cloud = cloud_levels.n == 0 or (
                        box.level <= 0 and is_within(box, cloud_levels.size[0])
                    )
                for r in range(height):
                    for t in range(n if i + 1 < tile_rows else 0):
                        upper, lower = &at[i + 1, first_col + t, 0], &at[i + 2, first_col + t, 0]
                        call_up(&ground_levels, box_of(upper, lower, GROUND_ROW), r, TALL)
                        if cloud_levels.n > 0:
                            call_up(&cloud_levels, box_of(upper, lower, CLOUD_ROW), r, TALL)
                    draw_row(&ground_levels, &sea_levels, &cloud_levels, tiles, n, wide, value)
                    row = &image[i * TALL + r, first_col * WIDE]
                    if adds:
                        for k in range(width):
                            row[k] += share * value[k]
                    else:
                        for k in range(width):
                            row[k] = share * value[k]
