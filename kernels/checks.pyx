"""Checks that every kernel makes of its arguments before it touches them.

A kernel works on caller-owned, C-contiguous arrays of one exact type; it never converts or copies, for a hidden copy
would cost more than the kernel. So what does not fit is refused with one line: the argument, what was wanted, what
came, and what to do. It is compiled because a frame takes a hundred of these checks.
"""

import numpy as np

cdef dict DTYPES = {name: np.dtype(name) for name in ("float32", "float64", "uint16", "uint8", "int32", "int64")}


def require_array(str name, array, dtype, shape, *, bint out=False, tuple apart_from=()):
    """Return ``array`` if a kernel may work on it.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    array : object
        What the caller gave.
    dtype : str or dtype
        Type it must have, such as ``"float32"``.
    shape : tuple of int, or int
        Shape it must have, or its number of dimensions when any shape will do. An image (two dimensions) has at
        least one pixel.
    out : bool
        The kernel writes to it.
    apart_from : tuple of arrays
        Arrays whose memory it may not share.

    Returns
    -------
    ndarray
        The same object.

    Raises
    ------
    ValueError
        If it is no array, or of another type, shape or layout, read-only though written, or overlapping.
    """
    cdef bint any_shape = isinstance(shape, int), alone
    wanted = DTYPES.get(dtype, dtype)
    if (
        isinstance(array, np.ndarray)
        and ((found := array.dtype) is wanted or found == wanted)
        and (array.ndim == shape if any_shape else array.shape == shape)
        and (array.size > 0 or array.ndim != 2)
        and (flags := array.flags).c_contiguous
        and (not out or flags.writeable)
    ):
        # Arrays that own their memory share none unless they are one object; that is quicker to see.
        alone = bool(apart_from) and array.base is None
        for other in apart_from:
            if array is other or (not (alone and other.base is None) and np.may_share_memory(array, other)):
                raise ValueError(
                    f"{name}: wanted memory of its own, got an array that overlaps an input; give another array"
                )
        return array
    raise ValueError(f"{name}: {what_is_wrong(array, dtype, shape)}")


cdef str what_is_wrong(array, dtype, shape):
    """Say what was wanted, what came and what to do, for an array that `require_array` refuses."""
    cdef bint structured = not isinstance(dtype, str)
    wanted = f"wanted a C-contiguous {'structured' if structured else dtype} array of " + (
        f"{shape} dimensions" if isinstance(shape, int) else f"shape {shape}"
    )
    if not isinstance(array, np.ndarray):
        return f"{wanted}, got {type(array).__name__}; use numpy.asarray"
    if array.dtype != dtype:
        cure = "make it with the dtype that the kernel's module gives" if structured else f"use .astype({dtype!r}) once"
        return f"{wanted}, got {array.dtype}; {cure}"
    if (array.ndim if isinstance(shape, int) else array.shape) != shape:
        return f"{wanted}, got shape {array.shape}; give arrays of one frame size"
    if array.ndim == 2 and array.size == 0:
        return f"wanted at least one pixel, got shape {array.shape}; leave empty frames out"
    if not array.flags.c_contiguous:
        return f"{wanted}, got a strided view; use numpy.ascontiguousarray"
    return "wanted an array to write to, got a read-only one; give a copy"


def require_odd(str name, value, smallest, largest):
    """Return ``value`` if it is an odd integer in a range, else raise ValueError."""
    if not isinstance(value, (int, np.integer)) or value % 2 == 0 or not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted an odd integer from {smallest} to {largest}, got {value!r}")
    return int(value)


def require_number(str name, value, smallest, largest):
    """Return ``value`` if it is a number in a range (NaN is not), else raise ValueError."""
    if not isinstance(value, (float, int, np.floating, np.integer)) or not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted a number from {smallest:g} to {largest:g}, got {value!r}")
    return float(value)


def require_scratch(scratch, size, tuple apart_from=()):
    """Return the scratch array of a kernel if it is large enough, else raise ValueError."""
    require_array("scratch", scratch, "float32", 1, out=True, apart_from=apart_from)
    if scratch.size < size:
        raise ValueError(f"scratch: wanted at least {size} float32, got {scratch.size}; see the scratch_size function")
    return scratch


def require_integer(str name, value, smallest, largest):
    """Return ``value`` if it is an integer in a range, else raise ValueError."""
    if not isinstance(value, (int, np.integer)) or not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted an integer from {smallest} to {largest}, got {value!r}")
    return int(value)


def require_band(first_row, last_row, rows, unit):
    """Return a band of rows, each bound a multiple of ``unit`` or the end of the frame, else raise ValueError."""
    first = require_integer("first_row", first_row, 0, rows - 1)
    last = require_integer("last_row", last_row, first + 1, rows)
    if first % unit or (last % unit and last < rows):
        raise ValueError(
            f"first_row, last_row: wanted multiples of {unit} or the frame's {rows}, got {first_row}, {last_row}; "
            "give 0 and the number of rows for the whole frame"
        )
    return first, last


def require_ring(window, guard, halves=False):
    """Return rows and columns of a window and of its guard if they leave a ring, or halves beside the guard."""
    sides = []
    for name, pair, most in (("window", window, (255, 255)), ("guard", guard, window)):
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(f"{name}: wanted a pair (rows, columns) of odd integers, got {pair!r}")
        sides += [require_odd(name, side, 1, largest) for side, largest in zip(pair, most, strict=True)]
    if window == guard:
        raise ValueError(f"guard: wanted one side at least shorter than the window's, got {guard!r} in {window!r}")
    if halves and sides[3] == sides[1]:
        raise ValueError(f"guard: wanted fewer columns than the window, whose halves are compared, got {guard!r}")
    return sides[0], sides[1], sides[2], sides[3]


def require_cells(power, window, guard, halves=False):
    """Return half the rows and columns of window and guard, and the rows of a table of multipliers for such cells."""
    require_array("power", power, "float32", 2)
    window_rows, window_cols, guard_rows, guard_cols = require_ring(window, guard, halves)
    lines = min(window_rows // 2, (power.shape[0] - 1) // 2) + 1
    return window_rows // 2, window_cols // 2, guard_rows // 2, guard_cols // 2, lines
