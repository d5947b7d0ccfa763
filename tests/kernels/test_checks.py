"""Every kernel refuses what it cannot work on, in one line that names the argument; it works on read-only inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lookdown.kernels import (
    background,
    calibrate,
    cfar,
    cfar_ordered,
    cfar_power,
    difference,
    extract,
    register,
    shift,
    suppress,
)

SHAPE = (24, 30)
TAPS = np.array([1, 2, 1], np.float32)


def image(dtype: str = "float32") -> np.ndarray:
    return np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(dtype)


def scratch() -> np.ndarray:
    return np.zeros(100_000, np.float32)


# Name of the kernel: the kernel, its arguments in order, those it reads and those it writes.
KERNELS: dict[str, tuple[Callable[..., Any], Callable[[], dict[str, Any]], str, str]] = {
    "calibrate": (
        calibrate.calibrate,
        lambda: {"samples": image("uint16"), "gain": image(), "offset": image(), "out": image()},
        "samples gain offset",
        "out",
    ),
    "convert": (calibrate.convert, lambda: {"samples": image("uint16"), "out": image()}, "samples", "out"),
    "replace_bad": (
        calibrate.replace_bad,
        lambda: {"frame": image(), "bad": np.array([1, 2], np.int32)},
        "bad",
        "frame",
    ),
    "temporal_difference": (
        difference.temporal_difference,
        lambda: {"frame": image(), "previous": image(), "out": image()},
        "frame previous",
        "out",
    ),
    "update_background": (
        background.update_background,
        lambda: {
            "frame": image(),
            "age_limit": 10,
            "clip": 3.0,
            "variance_floor": 0.1,
            "mean": image(),
            "variance": image(),
            "age": image("uint8"),
            "residual": image(),
            "z": image(),
        },
        "frame",
        "mean variance age residual z",
    ),
    "matched_filter": (
        suppress.matched_filter,
        lambda: {"frame": image(), "row_taps": TAPS, "col_taps": TAPS, "scratch": scratch(), "out": image()},
        "frame row_taps col_taps",
        "scratch out",
    ),
    "local_normalise": (
        suppress.local_normalise,
        lambda: {"frame": image(), "window": 5, "sigma_floor": 1.0, "scratch": scratch(), "out": image()},
        "frame",
        "scratch out",
    ),
    "ca_cfar": (
        cfar.ca_cfar,
        lambda: {
            "frame": image(),
            "window": 9,
            "guard": 3,
            "design": 5.0,
            "sigma_floor": 1.0,
            "scratch": scratch(),
            "out": image(),
        },
        "frame",
        "scratch out",
    ),
    "cell_average": (
        cfar_power.cell_average,
        lambda: {
            "power": image(),
            "window": (9, 7),
            "guard": (3, 3),
            "factors": np.ones((5, 30), np.float32),
            "scratch": scratch(),
            "hits": image("uint8"),
        },
        "power factors",
        "scratch hits",
    ),
    "greatest_of": (
        cfar_power.greatest_of,
        lambda: {
            "power": image(),
            "window": (9, 7),
            "guard": (3, 3),
            "factors": np.ones((2, 5, 30), np.float32),
            "scratch": scratch(),
            "hits": image("uint8"),
        },
        "power factors",
        "scratch hits",
    ),
    "ordered_statistic": (
        cfar_ordered.ordered_statistic,
        lambda: {
            "power": image(),
            "window": (9, 7),
            "guard": (3, 3),
            "multipliers": np.ones((5, 30), np.float32),
            "ranks": np.full((5, 30), 20, np.int32),
            "scratch": scratch(),
            "hits": image("uint8"),
        },
        "power multipliers ranks",
        "scratch hits",
    ),
    "shift": (
        shift.shift,
        lambda: {"source": image(), "row_shift": 0.5, "col_shift": 0.5, "scratch": scratch(), "out": image()},
        "source",
        "scratch out",
    ),
    "shift_bilinear": (
        shift.shift_bilinear,
        lambda: {"source": image(), "row_shift": 0.5, "col_shift": 0.5, "scratch": scratch(), "out": image()},
        "source",
        "scratch out",
    ),
    "shift_field": (
        shift.shift_field,
        lambda: {"source": image(), "field": np.zeros((2, 2, 2), "float32"), "scratch": scratch(), "out": image()},
        "source field",
        "scratch out",
    ),
    "shift_age": (
        shift.shift_age,
        lambda: {"age": image("uint8"), "row_shift": 0.5, "col_shift": 0.5, "out": image("uint8")},
        "age",
        "out",
    ),
    "estimate_shift": (
        register.estimate_shift,
        lambda: {
            "reference": image(),
            "frame": image(),
            "initial_row": 0.0,
            "initial_col": 0.0,
            "clip": 3.0,
            "step": 1,
            "scratch": scratch(),
        },
        "reference frame",
        "scratch",
    ),
    "extract_plots": (
        extract.extract_plots,
        lambda: {
            "z": image(),
            "residual": image(),
            "threshold": 5.0,
            "samples": image("uint16"),
            "saturation": 700,
            "bad": np.array([1, 2], np.int32),
            "scratch": np.zeros(10_000, np.int64),
            "plots_out": np.zeros(9, extract.PLOT_DTYPE),
        },
        "z residual samples bad",
        "scratch plots_out",
    ),
}


def cases(which: str) -> list[tuple[str, str]]:
    """Pairs of a kernel and one of its arrays."""
    return [
        (name, argument)
        for name, (_, _, read, written) in KERNELS.items()
        for argument in {"read": read, "written": written, "both": f"{read} {written}"}[which].split()
    ]


def call(name: str, **changed: Any) -> Any:
    kernel, arguments, *_ = KERNELS[name]
    return kernel(*(arguments() | changed).values())


@pytest.mark.parametrize("name", KERNELS)
def test_inputs_may_be_read_only(name: str) -> None:
    _, arguments, read, _ = KERNELS[name]
    frozen = {argument: arguments()[argument].copy() for argument in read.split()}
    for array in frozen.values():
        array.flags.writeable = False
    call(name, **frozen)


@pytest.mark.parametrize(("name", "argument"), cases("both"))
def test_another_type_shape_or_layout_is_refused(name: str, argument: str) -> None:
    good = KERNELS[name][1]()[argument]
    strided = np.repeat(good, 2, axis=-1)[..., ::2]
    for bad, reason in (
        (np.zeros(good.shape, "complex64"), "once|make it with the dtype"),
        (good[np.newaxis], "got shape"),
        (strided, "got a strided view"),
        (good.tolist(), "got list"),
        (None, "got NoneType"),
    ):
        if bad is None and argument == "samples" and name == "extract_plots":
            continue
        with pytest.raises(ValueError, match=rf"^{argument}: wanted .*{reason}"):
            call(name, **{argument: bad})


@pytest.mark.parametrize(("name", "argument"), cases("written"))
def test_a_read_only_output_is_refused(name: str, argument: str) -> None:
    frozen = KERNELS[name][1]()[argument]
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=rf"^{argument}: wanted an array to write to"):
        call(name, **{argument: frozen})


@pytest.mark.parametrize("name", [name for name, (*_, written) in KERNELS.items() if "scratch" in written])
def test_scratch_that_is_too_small_is_refused(name: str) -> None:
    small = KERNELS[name][1]()["scratch"][:3].copy()
    with pytest.raises(ValueError, match=r"^scratch: wanted at least \d+ .*, got 3; see .*scratch_size"):
        call(name, scratch=small)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (_, arguments, read, written) in KERNELS.items()
        if "out" in written.split() and arguments()[read.split()[0]].dtype == arguments()["out"].dtype
    ],
)
def test_an_output_that_overlaps_an_input_is_refused(name: str) -> None:
    _, arguments, read, _ = KERNELS[name]
    shared = arguments()[read.split()[0]]
    with pytest.raises(ValueError, match=r"^out: wanted memory of its own"):
        call(name, **{read.split()[0]: shared, "out": shared})


@pytest.mark.parametrize("name", KERNELS)
def test_an_empty_frame_is_refused(name: str) -> None:
    _, arguments, read, written = KERNELS[name]
    empty = {
        argument: np.zeros((0, 30), value.dtype)
        for argument, value in arguments().items()
        if argument in f"{read} {written}".split() and isinstance(value, np.ndarray) and value.ndim == 2
    }
    with pytest.raises(ValueError, match=r"wanted at least one pixel, got shape \(0, 30\)"):
        call(name, **empty)
