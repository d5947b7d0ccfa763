"""Every kernel refuses what it cannot work on, in one line that names the argument; it works on read-only inputs."""

import itertools
from typing import Any

import numpy as np
import pytest

from lookdown.kernels.extract import PLOT_DTYPE
from tests.kernels.table import KERNELS

SHAPE = (24, 30)
SMALL_SHAPES = [(1, 1), (1, 40), (40, 1), (2, 2), (3, 33)]

# What a kernel's arguments say about each other, or their own range, beyond what no argument may be.
OUT_OF_RANGE: dict[str, dict[str, tuple[Any, ...]]] = {
    "judge_neighbours": {"rows": (0, 65537, 1.5), "cols": (0, 32768, 1.5)},
    "remove_spikes": {"sigma": (-1.0,), "level": (0.0,), "ratio": (-0.1, 1.1)},
    "update_background": {"age_limit": (1, 256, 9.5), "clip": (0.5,), "variance_floor": (0.0, -1.0)},
    "estimate_shift": {"initial_row": (25.0,), "initial_col": (-31.0,), "clip": (1.0,), "step": (0, 65, 2.0)},
    "subtract_background": {"blur": (-0.1, 11.0), "variance_floor": (-1.0,)},
    "renew_background": {"row_step": (10**7, 0.5), "col_step": (-(10**7), 0.5), "age_limit": (0, 256)},
    "tile_normals": {"scale": (0.0, -1.0), "clip": (0.0,)},
    "hold_back": {"limit": (0.0, -7.0)},
    "local_normalise": {"window": (1, 4, 257, 5.0), "sigma_floor": (0.0,)},
    "whiten": {"window": (1, 16, 257, 5.0), "guard": (0, 8, 17, 255), "variance_floor": (-1.0,)},
    "ca_cfar": {"window": (1, 16, 257), "guard": (0, 4, 17), "design": (0.9, 13.0), "sigma_floor": (0.0,)},
    "map_hits": {"multiplier": (0.0, -1.0)},
    "renew_map": {"most": (0.0,), "share": (0.0, 1.1)},
    "count_peaks": {"side": (3, 1025, 8.5), "least": (0.0,), "per_e": (0.0,), "keep": (-0.1, 1.1)},
    "map_scores": {"side": (3, 1025), "least": (0.0,)},
    "restart_young": {"row_step": (10**7, 0.5), "col_step": (-(10**7),), "limit": (0.0,), "oldest": (-1, 256)},
    "tail_histogram": {"step": (0, 65, 1.5), "per_unit": (0.0,)},
    "extract_plots": {"threshold": (0.0, -5.0), "saturation": (-1, 65537, 0.5)},
    "fit_plots": {
        "threshold": (0.0, -5.0),
        "psf_sigma_px": (0.2, 3.1),
        "white_gain": (0.0, -1.0),
        "n_plots": (-1, 101, 0.5),
        "most_tried": (-1, 65536, 0.5),
        "most_fitted": (-1, 65536, 0.5),
    },
}
LEFT_OUT = {("extract_plots", "samples"), ("score_and_renew", "predicted")}  # None instead of an array is an answer
NO_NUMBER = (float("nan"), float("inf"), float("-inf"), 1e40, "3", None, [1.0], 1j)


def one_plot(**fields: float) -> np.ndarray:
    """One hundred plots of which the first is like none that extraction makes."""
    plots = np.zeros(100, PLOT_DTYPE)
    plots["snr"] = 9
    for name, value in fields.items():
        plots[name][0] = value
    return plots


# Displacements and lists of places with a wrong shape or content.
WRONG_CONTENT: dict[str, dict[str, tuple[Any, ...]]] = {
    "replace_bad": {"good": (np.zeros(0, np.uint8),)},
    "judge_neighbours": {"bad": tuple(np.array(bad, np.int32) for bad in ([2, 1], [1, 1], [-1, 2], [720]))},
    "shift_field": {
        "field": (np.full((2, 2, 2), np.nan, "f4"), np.zeros((2, 2, 3), "f4"), np.zeros((0, 2, 2), "f4")),
    },
    "subtract_background": {
        "field": (
            np.full((2, 2, 2), np.nan, "f4"), np.full((2, 2, 2), 1e4, "f4"), np.zeros((2, 2, 3), "f4"),
            np.zeros((0, 2, 2), "f4"), np.zeros((25, 2, 2), "f4"),
        ),
    },
    "renew_background": {"field": (np.full((2, 2, 2), np.inf, "f4"), np.zeros((2, 31, 2), "f4"))},
    "tile_normals": {"out": (np.zeros((2, 2, 4)), np.zeros((0, 2, 5)), np.zeros((2, 0, 5)))},
    "matched_filter": {
        "row_taps": (np.array([1, 2, 3], "f4"), np.ones(65, "f4"), np.ones(0, "f4")),
        "col_taps": (np.array([np.nan], "f4"),),
    },
    "count_peaks": {"counts": (np.zeros((1, 2, 90), "f4"), np.zeros((1, 1, 1), "f4"))},
    "restart_young": {"field": (np.full((2, 2, 2), np.nan, "f4"), np.zeros((2, 2, 3), "f4"))},
    "tail_histogram": {"counts": (np.zeros(0, np.int32),)},
    "fit_plots": {"plots": tuple(one_plot(**{name: value}) for name, value in
                                 (("peak_row", 24), ("peak_row", -1), ("peak_col", 30), ("snr", 0), ("snr", np.nan)))},
}  # fmt: skip


def arguments(name: str, shape: tuple[int, int] = SHAPE) -> dict[str, Any]:
    return KERNELS[name].arguments(*shape)


def call(name: str, shape: tuple[int, int] = SHAPE, **changed: Any) -> Any:
    return KERNELS[name].call(*(arguments(name, shape) | changed).values())


def arrays(which: str) -> list[tuple[str, str]]:
    """Pairs of a kernel and one of its arrays."""
    return [
        (name, argument)
        for name, kernel in KERNELS.items()
        for argument in {"read": kernel.read, "written": kernel.written, "both": f"{kernel.read} {kernel.written}"}[
            which
        ].split()
    ]


def wrong(table: dict[str, dict[str, tuple[Any, ...]]]) -> list[Any]:
    return [
        pytest.param(name, argument, value, id=f"{name}-{argument}-{k}")
        for name, ranges in table.items()
        for argument, values in ranges.items()
        for k, value in enumerate(values)
    ]


@pytest.mark.parametrize("name", KERNELS)
def test_the_table_names_every_array(name: str) -> None:
    kernel = KERNELS[name]
    given = {argument for argument, value in arguments(name).items() if isinstance(value, np.ndarray)}
    assert given == set(f"{kernel.read} {kernel.written}".split())


@pytest.mark.parametrize("name", KERNELS)
def test_inputs_may_be_read_only_and_stay_as_they_are(name: str) -> None:
    frozen = {argument: arguments(name)[argument].copy() for argument in KERNELS[name].read.split()}
    for array in frozen.values():
        array.flags.writeable = False
    call(name, **frozen)
    for argument, array in frozen.items():
        np.testing.assert_array_equal(array, arguments(name)[argument])


@pytest.mark.parametrize(("name", "argument"), arrays("both"))
def test_another_type_shape_or_layout_is_refused(name: str, argument: str) -> None:
    good = arguments(name)[argument]
    other = np.zeros_like(good, "complex64")
    cases = [
        (other, "once|make it with the dtype"),
        (good[np.newaxis], "got shape"),
        (np.repeat(good, 2, axis=-1)[..., ::2], "got a strided view"),
        (good[::-1], "got a strided view"),
        (good.tolist(), "got list"),
        (None, "got NoneType"),
        ("frame", "got str"),
    ]
    if good.dtype.itemsize > 1:
        cases.append((good.astype(good.dtype.newbyteorder(">")), "once|make it with the dtype"))
    if good.ndim > 1:
        cases += [
            (np.asfortranarray(good), "got a strided view"),
            (np.concatenate([good, good], axis=1)[:, : good.shape[1]], "got a strided view"),
            (good[..., ::-1], "got a strided view"),
        ]
    for bad, reason in cases:
        if bad is None and (name, argument) in LEFT_OUT:
            continue
        with pytest.raises(ValueError, match=rf"^{argument}: wanted .*({reason})") as caught:
            call(name, **{argument: bad})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", KERNELS)
def test_frames_of_two_sizes_are_refused(name: str) -> None:
    images = [key for key, value in arguments(name).items() if getattr(value, "ndim", 0) == 2]
    for argument in images[1:]:
        with pytest.raises(ValueError, match=rf"^{argument}: wanted .*give arrays of one frame size"):
            call(name, **{argument: arguments(name)[argument][:-1].copy()})


@pytest.mark.parametrize(("name", "argument"), arrays("written"))
def test_a_read_only_output_is_refused(name: str, argument: str) -> None:
    frozen = arguments(name)[argument]
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=rf"^{argument}: wanted an array to write to"):
        call(name, **{argument: frozen})


@pytest.mark.parametrize("name", [name for name, kernel in KERNELS.items() if "scratch" in kernel.written])
def test_scratch_that_is_too_small_is_refused(name: str) -> None:
    whole = arguments(name)["scratch"]
    for small in (whole[:3].copy(), whole[:0].copy()):
        with pytest.raises(ValueError, match=r"^scratch: wanted at least \d+ .*, got \d; see .*scratch_size"):
            call(name, scratch=small)


def sharing(name: str) -> list[tuple[str, str]]:
    """Pairs of arrays of one type, at least one of them written, that could be given the same memory."""
    kernel, given = KERNELS[name], arguments(name)
    written = kernel.written.split()
    return [
        (first, second)
        for first, second in itertools.combinations(f"{kernel.read} {kernel.written}".split(), 2)
        if second in written and given[first].dtype == given[second].dtype
    ]


@pytest.mark.parametrize(("name", "first", "second"), [(name, *pair) for name in KERNELS for pair in sharing(name)])
def test_arrays_that_overlap_are_refused(name: str, first: str, second: str) -> None:
    """One object, or two views of one block of memory that share its middle."""
    given = arguments(name)
    a, b = given[first], given[second]
    block = np.zeros(a.size + b.size, a.dtype)
    shared = {first: block[: a.size].reshape(a.shape), second: block[a.size - 1 : a.size - 1 + b.size].reshape(b.shape)}
    shared[first][...] = a
    cases = [shared]
    if a.shape == b.shape:
        cases.append({first: a, second: a})
    for case in cases:
        with pytest.raises(ValueError, match=rf"^({first}|{second}): wanted memory of its own"):
            call(name, **case)


def takes_an_image(name: str) -> bool:
    """Whether a kernel is given a frame; one that works on a list alone is given its size, a number with a range."""
    return any(getattr(value, "ndim", 0) == 2 for value in arguments(name).values())


@pytest.mark.parametrize("name", [name for name in KERNELS if takes_an_image(name)])
def test_an_empty_frame_is_refused(name: str) -> None:
    empty = {
        argument: np.zeros((0, 30), value.dtype)
        for argument, value in arguments(name).items()
        if getattr(value, "ndim", 0) == 2
    }
    with pytest.raises(ValueError, match=r"wanted at least one pixel, got shape \(0, 30\)"):
        call(name, **empty)


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, key) for name in KERNELS for key, value in arguments(name).items() if isinstance(value, (int, float))],
)
def test_what_is_no_number_is_refused(name: str, argument: str) -> None:
    for bad in NO_NUMBER:
        if bad == 1e40 and argument in ("row_shift", "col_shift"):
            continue  # a frame may come from as far as it likes
        with pytest.raises(ValueError, match=rf"^{argument}: wanted .*got") as caught:
            call(name, **{argument: bad})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "argument", "value"), wrong(OUT_OF_RANGE))
def test_a_number_out_of_its_range_is_refused(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{argument}: wanted .*got"):
        call(name, **{argument: value})


@pytest.mark.parametrize(("name", "argument", "value"), wrong(WRONG_CONTENT))
def test_wrong_content_is_refused(name: str, argument: str, value: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"{argument}: wanted .*got"):
        call(name, **{argument: value})


@pytest.mark.parametrize("fill", ["nan", "inf", "zero", "saturated"])
@pytest.mark.parametrize("shape", [*SMALL_SHAPES, SHAPE])
@pytest.mark.parametrize("name", KERNELS)
def test_frames_of_one_value_and_of_any_size_go_through(name: str, shape: tuple[int, int], fill: str) -> None:
    """All that is read is NaN, infinite, 0 or as large as its type goes; nothing is warned of and nothing crashes."""
    value = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "saturated": 65535.0}[fill]
    given = arguments(name, shape)
    images = [key for key, array in given.items() if getattr(array, "ndim", 0) == 2]
    for key in images:
        array = given[key]
        if array.dtype.kind == "f":
            array[...] = value
        else:
            array[...] = 0 if fill == "zero" else np.iinfo(array.dtype).max
    KERNELS[name].call(*given.values())
    if fill == "zero":
        for key in images:
            assert np.isfinite(given[key]).all(), key
