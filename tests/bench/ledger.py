"""Bytes that a step of the chain moves, kernel by kernel, taken from the arrays that it hands to them.

Which arguments a kernel reads and writes stands in the table of all kernels (`tests.kernels.table`); their sizes and
types are those of a live step. Each array counts once a kernel, as in STREAM: what a write fetches before, and what is
read twice, is left out, and so is scratch. Where a kernel touches a part of an array alone, `SHARES` says which.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.kernels.table import KERNELS

LINE_BYTES = 64
Arguments = dict[str, Any]


def _near_bad(a: Arguments) -> float:
    """Each listed pixel and its neighbours lie on three cache lines."""
    return min(1.0, 3.0 * LINE_BYTES * a["bad"].size / a["frame"].nbytes)


SHARES: dict[tuple[str, str], Callable[[Arguments], float]] = {
    ("replace_bad", "frame"): _near_bad,
    ("estimate_shift", "frame"): lambda a: min(1.0, 3.0 / a["step"]),  # a row and its neighbours
    ("estimate_shift", "reference"): lambda a: min(1.0, 4.0 / a["step"]),  # the four rows of cubic taps
    ("tail_histogram", "z"): lambda a: 1.0 / a["step"],
    ("extract_plots", "residual"): lambda _: 0.0,  # about plots alone
    ("extract_plots", "samples"): lambda _: 0.0,
    ("extract_plots", "plots_out"): lambda _: 0.0,
    ("fit_plots", "residual"): lambda _: 0.0,
    ("fit_plots", "filtered"): lambda _: 0.0,
    ("fit_plots", "z"): lambda _: 0.0,
}
READ_TOO = {("replace_bad", "frame"), ("remove_spikes", "frame")}
"""Changed in place."""
READ_ALONE = {("remove_spikes", "frame")}
"""But for a few pixels, only read."""


def entry(name: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """Return what one call of a kernel reads and writes [bytes]."""
    kernel = KERNELS[name]
    given: Arguments = dict(zip(kernel.arguments(8, 8), values, strict=True))
    moved = {"read": 0.0, "written": 0.0}
    for argument, array in given.items():
        if not isinstance(array, np.ndarray) or argument in ("scratch", "found"):
            continue
        size = array.nbytes * SHARES.get((name, argument), lambda _: 1.0)(given)
        if argument in kernel.read.split() or (name, argument) in READ_TOO:
            moved["read"] += size
        if argument in kernel.written.split() and (name, argument) not in READ_ALONE:
            moved["written"] += size
    return {"kernel": name, **moved}


def ledger(
    modules: Callable[[Callable[[str, Callable[..., Any]], Callable[..., Any]]], Any],
    start: Callable[[Any], Any],
    frames: list[np.ndarray],
) -> list[dict[str, Any]]:
    """Return the ledger of the last frame's step [bytes per pixel].

    Parameters
    ----------
    modules : callable
        Makes a copy of the chain's modules with every kernel replaced by what it is given.
    start : callable
        Makes a chain of such a copy.
    frames : list of ndarray
        Frames to step through.
    """
    calls: list[dict[str, Any]] = []

    def noted(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            calls.append(entry(name, values))
            return kernel(*values)

        return call

    chain = start(modules(noted))
    for samples in frames:
        calls.clear()
        chain.step(samples)
    pixels = frames[0].size
    return [{"kernel": c["kernel"], "read": c["read"] / pixels, "written": c["written"] / pixels} for c in calls]
