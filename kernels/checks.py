"""Checks that every kernel makes of its arguments before it touches them.

A kernel works on caller-owned, C-contiguous arrays of one exact type; it never converts or copies, for a hidden copy
would cost more than the kernel. So what does not fit is refused with one line: the argument, what was wanted, what
came, and what to do.
"""

from typing import Any

import numpy as np


def require_array(
    name: str,
    array: Any,
    dtype: Any,
    shape: tuple[int, ...] | int,
    *,
    out: bool = False,
    apart_from: tuple[Any, ...] = (),
) -> Any:
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
    n_dims, wanted_shape = (shape, None) if isinstance(shape, int) else (len(shape), shape)
    type_name = dtype if isinstance(dtype, str) else "structured"
    wanted = f"a C-contiguous {type_name} array of " + (
        f"shape {wanted_shape}" if wanted_shape else f"{n_dims} dimensions"
    )
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name}: wanted {wanted}, got {type(array).__name__}; use numpy.asarray")
    if array.dtype != dtype and type_name == "structured":
        raise ValueError(
            f"{name}: wanted {wanted}, got {array.dtype}; make it with the dtype the kernel's module gives"
        )
    if array.dtype != dtype:
        raise ValueError(f"{name}: wanted {wanted}, got {array.dtype}; convert it once with .astype({type_name!r})")
    if array.ndim != n_dims or (wanted_shape is not None and array.shape != wanted_shape):
        raise ValueError(f"{name}: wanted {wanted}, got shape {array.shape}; give arrays of one frame size")
    if n_dims == 2 and array.size == 0:
        raise ValueError(f"{name}: wanted at least one pixel, got shape {array.shape}; leave empty frames out")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: wanted {wanted}, got a strided view; use numpy.ascontiguousarray")
    if out and not array.flags.writeable:
        raise ValueError(f"{name}: wanted an array to write to, got a read-only one; give a copy")
    if any(np.may_share_memory(array, other) for other in apart_from):
        raise ValueError(f"{name}: wanted memory of its own, got an array that overlaps an input; give another array")
    return array


def require_odd(name: str, value: int, smallest: int, largest: int) -> int:
    """Return ``value`` if it is an odd integer in a range, else raise ValueError."""
    if not isinstance(value, (int, np.integer)) or value % 2 == 0 or not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted an odd integer from {smallest} to {largest}, got {value!r}")
    return int(value)


def require_number(name: str, value: float, smallest: float, largest: float) -> float:
    """Return ``value`` if it is a number in a range (NaN is not), else raise ValueError."""
    if not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted a number from {smallest:g} to {largest:g}, got {value!r}")
    return float(value)


def require_scratch(scratch: Any, size: int, apart_from: tuple[Any, ...] = ()) -> Any:
    """Return the scratch array of a kernel if it is large enough, else raise ValueError."""
    require_array("scratch", scratch, "float32", 1, out=True, apart_from=apart_from)
    if scratch.size < size:
        raise ValueError(f"scratch: wanted at least {size} float32, got {scratch.size}; see the scratch_size function")
    return scratch


def require_integer(name: str, value: int, smallest: int, largest: int) -> int:
    """Return ``value`` if it is an integer in a range, else raise ValueError."""
    if not isinstance(value, (int, np.integer)) or not smallest <= value <= largest:
        raise ValueError(f"{name}: wanted an integer from {smallest} to {largest}, got {value!r}")
    return int(value)
