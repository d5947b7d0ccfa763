"""Every kernel with arguments that it takes, at any frame size: what the tests of all kernels together go through."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lookdown.kernels import (
    background,
    calibrate,
    cfar,
    cfar_ordered,
    cfar_power,
    charge,
    clutter_map,
    difference,
    extract,
    fit,
    hold,
    local_shift,
    median,
    moving,
    peaks,
    register,
    renew,
    restart,
    score,
    shift,
    spikes,
    stack,
    suppress,
    tail,
    tailmap,
    thresholds,
    tophat,
    whiten,
)
from tests.bench.scenes import displaced, textured

ROOT = Path(__file__).resolve().parents[2]
NOISE_DN = 3.0
TAPS = np.array([0.004, 0.054, 0.242, 0.4, 0.242, 0.054, 0.004], np.float32)
TILE_PX = 16
BLOCK_PX = 8


@dataclass(frozen=True)
class Kernel:
    """A kernel, its arguments in order for a frame size, the arrays it reads and those it writes."""

    call: Callable[..., Any]
    arguments: Callable[[int, int], dict[str, Any]]
    read: str
    written: str


@cache
def scene(rows: int, cols: int) -> dict[str, np.ndarray]:
    """Textured ground, a frame of it that moved by part of a pixel, noise, a few movers; from a fixed seed."""
    rng = np.random.default_rng(11)
    shape = rows, cols
    whole = textured(max(rows, 16), max(cols, 16), 11, spread=60)  # texture needs more than a pixel
    ground = whole[:rows, :cols]
    noise = NOISE_DN * rng.standard_normal(shape)
    frame = displaced(whole, 0.3, -0.6)[:rows, :cols] + noise
    residual = noise.copy()
    for at in rng.integers(0, noise.size, 1 + noise.size // 4000):
        row, col = divmod(int(at), cols)
        residual[row : row + 2, col : col + 2] += 10 * NOISE_DN
    field = np.empty((-(-rows // TILE_PX), -(-cols // TILE_PX), 2))
    field[...] = 0.3, -0.6
    field += rng.uniform(-0.05, 0.05, field.shape)
    made = {
        "ground": ground,
        "frame": frame,
        "residual": residual,
        "z": residual / NOISE_DN,
        "gain": rng.uniform(0.95, 1.05, shape),
        "offset": rng.uniform(480, 520, shape),
        "variance": NOISE_DN**2 * rng.uniform(0.9, 1.1, shape),
        "field": field,
    }
    exact = {name: array.astype(np.float32) for name, array in made.items()}
    exact["samples"] = np.clip(np.rint(frame), 0, 16383).astype(np.uint16)
    exact["age"] = np.full(shape, 50, np.uint8)
    exact["bad"] = np.sort(rng.choice(noise.size, min(noise.size, 2 + noise.size // 200), replace=False)).astype("i4")
    return exact


def out(rows: int, cols: int, dtype: str = "float32") -> np.ndarray:
    return np.zeros((rows, cols), dtype)


def of(rows: int, cols: int, *names: str) -> list[np.ndarray]:
    return [scene(rows, cols)[name].copy() for name in names]


def floats(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


def _calibrate(r: int, c: int) -> dict[str, Any]:
    samples, gain, offset = of(r, c, "samples", "gain", "offset")
    return {"samples": samples, "gain": gain, "offset": offset, "out": out(r, c)}


def _convert(r: int, c: int) -> dict[str, Any]:
    return {"samples": of(r, c, "samples")[0], "out": out(r, c)}


def _replace_bad(r: int, c: int) -> dict[str, Any]:
    frame, bad = of(r, c, "frame", "bad")
    good = np.zeros(bad.size, np.uint8)
    calibrate.judge_neighbours(bad, r, c, good)
    return {"frame": frame, "bad": bad, "good": good}


def _judge_neighbours(r: int, c: int) -> dict[str, Any]:
    bad = of(r, c, "bad")[0]
    return {"bad": bad, "rows": r, "cols": c, "good": np.zeros(bad.size, np.uint8)}


def _temporal_difference(r: int, c: int) -> dict[str, Any]:
    frame, ground = of(r, c, "frame", "ground")
    return {"frame": frame, "previous": ground, "out": out(r, c)}


def _double_difference(r: int, c: int) -> dict[str, Any]:
    frame, before, behind = of(r, c, "frame", "ground", "residual")
    return {"before": before, "frame": frame, "behind": behind, "out": out(r, c)}


def _temporal_median(r: int, c: int) -> dict[str, Any]:
    names = "first", "second", "third", "fourth", "fifth"
    frames = of(r, c, "frame", "ground", "residual", "offset", "variance")
    return {**dict(zip(names, frames, strict=True)), "out": out(r, c)}


def _top_hat(r: int, c: int) -> dict[str, Any]:
    return {"frame": of(r, c, "frame")[0], "scratch": floats(tophat.top_hat_scratch_size(c)), "out": out(r, c)}


def _update_background(r: int, c: int) -> dict[str, Any]:
    frame, mean, variance, age = of(r, c, "frame", "ground", "variance", "age")
    return {
        "frame": frame, "age_limit": 50, "clip": 3.0, "variance_floor": 0.1, "mean": mean, "variance": variance,
        "age": age, "residual": out(r, c), "z": out(r, c),
    }  # fmt: skip


def _matched_filter(r: int, c: int) -> dict[str, Any]:
    scratch = floats(suppress.filter_scratch_size(c, TAPS.size))
    residual = of(r, c, "residual")[0]
    return {"frame": residual, "row_taps": TAPS.copy(), "col_taps": TAPS.copy(), "scratch": scratch, "out": out(r, c)}


def _local_normalise(r: int, c: int) -> dict[str, Any]:
    scratch = floats(suppress.normalise_scratch_size(c, 17))
    return {"frame": of(r, c, "frame")[0], "window": 17, "sigma_floor": 1.0, "scratch": scratch, "out": out(r, c)}


def _ca_cfar(r: int, c: int) -> dict[str, Any]:
    scratch = floats(cfar.cfar_scratch_size(c, 17, 5))
    return {
        "frame": of(r, c, "residual")[0], "window": 17, "guard": 5, "design": 5.0, "sigma_floor": 1.0,
        "scratch": scratch, "out": out(r, c),
    }  # fmt: skip


def _shift(r: int, c: int) -> dict[str, Any]:
    scratch = floats(shift.shift_scratch_size(c))
    return {"source": of(r, c, "frame")[0], "row_shift": 0.3, "col_shift": -0.6, "scratch": scratch, "out": out(r, c)}


def _shift_field(r: int, c: int) -> dict[str, Any]:
    frame, field = of(r, c, "frame", "field")
    scratch = floats(shift.shift_scratch_size(c))
    return {"source": frame, "field": field, "first_row": 0, "last_row": r, "scratch": scratch, "out": out(r, c)}


def _shift_age(r: int, c: int) -> dict[str, Any]:
    return {"age": of(r, c, "age")[0], "row_shift": 0.3, "col_shift": -0.6, "out": out(r, c, "uint8")}


def _estimate_shift(r: int, c: int) -> dict[str, Any]:
    ground, frame = of(r, c, "ground", "frame")
    return {
        "reference": ground, "frame": frame, "initial_row": 0.0, "initial_col": 0.0, "clip": 3.0, "step": 1,
        "scratch": floats(register.register_scratch_size(c)),
    }  # fmt: skip


def _extract_plots(r: int, c: int) -> dict[str, Any]:
    z, residual, samples, bad = of(r, c, "z", "residual", "samples", "bad")
    return {
        "z": z, "residual": residual, "threshold": 5.0, "samples": samples, "saturation": 16383, "bad": bad,
        "scratch": np.zeros(extract.extract_scratch_size(c, 100), np.int64),
        "plots_out": np.zeros(100, extract.PLOT_DTYPE),
    }  # fmt: skip


def _fit_plots(r: int, c: int) -> dict[str, Any]:
    extracted = _extract_plots(r, c)
    _, n_plots = extract.extract_plots(*extracted.values())
    residual, filtered, z = of(r, c, "residual", "residual", "z")
    return {
        "residual": residual, "filtered": filtered, "z": z, "threshold": 5.0, "psf_sigma_px": 0.9, "white_gain": 1.0,
        "most_tried": 32, "most_fitted": 256,
        "n_plots": n_plots, "scratch": np.zeros(fit.fit_scratch_size(100), np.int64), "plots": extracted["plots_out"],
    }  # fmt: skip


def _hold_back(r: int, c: int) -> dict[str, Any]:
    z, residual = of(r, c, "z", "residual")
    return {"z": z, "limit": 7.0, "residual": residual}


def _tile_normals(r: int, c: int) -> dict[str, Any]:
    frame, residual, variance = of(r, c, "frame", "residual", "variance")
    sums = np.zeros((*scene(r, c)["field"].shape[:2], 5))
    return {
        "frame": frame, "residual": residual, "predicted": variance, "scale": 1.0, "clip": 3.0, "first_row": 0,
        "last_row": r, "out": sums,
    }  # fmt: skip


def _subtract_background(r: int, c: int) -> dict[str, Any]:
    frame, mean, noise, age, field = of(r, c, "frame", "ground", "variance", "age", "field")
    return {
        "frame": frame, "mean": mean, "noise": noise, "age": age, "field": field, "blur": 0.03, "variance_floor": 0.1,
        "scratch": floats(moving.moving_scratch_size(c)), "residual": out(r, c), "predicted": out(r, c),
    }  # fmt: skip


def _renew_background(r: int, c: int) -> dict[str, Any]:
    arrays = dict(
        zip(
            ("frame", "residual", "variance", "mean", "noise", "age", "field"),
            of(r, c, "frame", "residual", "variance", "ground", "variance", "age", "field"),
            strict=True,
        )
    )
    return arrays | {
        "row_step": 0, "col_step": -1, "age_limit": 50, "scratch": floats(moving.moving_scratch_size(c)),
        "new_mean": out(r, c), "new_noise": out(r, c), "new_age": out(r, c, "uint8"),
    }  # fmt: skip


def _remove_spikes(r: int, c: int) -> dict[str, Any]:
    found = np.zeros(64, np.int32)
    return {"frame": of(r, c, "frame")[0], "sigma": NOISE_DN, "level": 6.0, "ratio": 0.2, "found": found}


def _tail_histogram(r: int, c: int) -> dict[str, Any]:
    return {"z": of(r, c, "z")[0], "step": 1, "per_unit": 50.0, "counts": np.zeros(2000, np.int32)}


def _whiten(r: int, c: int) -> dict[str, Any]:
    residual, variance = of(r, c, "residual", "variance")
    return {
        "filtered": residual, "predicted": variance, "window": 17, "guard": 7, "variance_floor": 0.1,
        "scratch": floats(whiten.whiten_scratch_size(c, 17)), "variance": out(r, c), "z": out(r, c),
    }  # fmt: skip


def _score_and_renew(r: int, c: int) -> dict[str, Any]:
    given = _subtract_background(r, c)
    kept = {name: given[name] for name in ("frame", "mean", "noise", "age", "field", "blur", "variance_floor")}
    return {
        **kept, "taps": TAPS.copy(), "edge": np.array([0.9, 0.95], np.float32), "window": 17, "guard": 7,
        "hold_limit": 7.0, "strong_limit": 4.0, "row_step": 0, "col_step": -1, "age_limit": 50, "first_row": 0,
        "last_row": r,
        "scratch": floats(score.score_scratch_size(c, TAPS.size, 17)), "residual": out(r, c), "predicted": out(r, c),
        "filtered": out(r, c), "z": out(r, c), "strong": np.zeros(r, np.uint8), "new_mean": out(r, c),
        "new_noise": out(r, c), "new_age": out(r, c, "uint8"),
    }  # fmt: skip


def _charge_pixels(r: int, c: int) -> dict[str, Any]:
    return {"pixels": of(r, c, "bad")[0], "most": 60, "charge": out(r, c, "uint8")}


def _review_charge(r: int, c: int) -> dict[str, Any]:
    charge = out(r, c, "uint8")
    charge.flat[::97] = 3
    return {"always": of(r, c, "bad")[0], "least": 3, "charge": charge, "listed": np.zeros(r * c, np.int32)}


def _power(table: Callable[..., Any]) -> Callable[[int, int], dict[str, Any]]:
    """Arguments of a test of square-law cells, whose multipliers come from a table."""

    def arguments(r: int, c: int) -> dict[str, Any]:
        power = np.square(of(r, c, "residual")[0])
        return {
            "power": power, "window": (9, 7), "guard": (3, 3), "factors": table((r, c), (9, 7), (3, 3), 1e-3),
            "scratch": floats(cfar_power.power_scratch_size(c, (9, 7), (3, 3))), "hits": np.zeros((r, c), np.uint8),
        }  # fmt: skip

    return arguments


def _ordered(r: int, c: int) -> dict[str, Any]:
    multipliers, ranks = thresholds.ordered_tables((r, c), (9, 7), (3, 3), 1e-3)
    return {
        "power": np.square(of(r, c, "residual")[0]), "window": (9, 7), "guard": (3, 3), "multipliers": multipliers,
        "ranks": ranks, "scratch": floats(cfar_ordered.ordered_scratch_size(c, (9, 7))),
        "hits": np.zeros((r, c), np.uint8),
    }  # fmt: skip


def _map_hits(r: int, c: int) -> dict[str, Any]:
    power = np.square(of(r, c, "residual")[0])
    return {"power": power, "mean": out(r, c) + 9, "multiplier": 8.0, "hits": np.zeros((r, c), np.uint8)}


def _renew_map(r: int, c: int) -> dict[str, Any]:
    power = np.square(of(r, c, "residual")[0])
    return {"power": power, "most": 8.0, "share": 0.0625, "mean": out(r, c) + 9}


def _blocks(r: int, c: int) -> tuple[int, int]:
    return -(-r // BLOCK_PX), -(-c // BLOCK_PX)


def _count_peaks(r: int, c: int) -> dict[str, Any]:
    counts = np.ones((*_blocks(r, c), 90), np.float32)
    return {
        "z": of(r, c, "z")[0], "side": BLOCK_PX, "least": 1.6, "per_e": 18.0, "keep": 0.9, "first_row": 0,
        "last_row": r, "counts": counts,
    }  # fmt: skip


def _map_scores(r: int, c: int) -> dict[str, Any]:
    level, power = np.full(_blocks(r, c), 2.2, np.float32), np.full(_blocks(r, c), 0.8, np.float32)
    return {
        "z": of(r, c, "z")[0], "side": BLOCK_PX, "level": level, "power": power, "least": 2.5, "out": out(r, c),
    }  # fmt: skip


def _restart_young(r: int, c: int) -> dict[str, Any]:
    z, field, age = of(r, c, "z", "field", "age")
    return {
        "z": z, "strong": np.ones(r, np.uint8), "field": field, "row_step": 0, "col_step": -1, "limit": 7.0,
        "oldest": 60, "age": age,
    }  # fmt: skip


def _quantise(r: int, c: int) -> dict[str, Any]:
    return {"z": of(r, c, "z")[0], "per_unit": 64.0, "most": 384, "out": np.zeros((r, c), np.int16)}


ELSEWHERE = {"stack_velocities", "refine_paths", "find_partners", "peak_levels", "agree_on_shift", "remove_trails"}
ELSEWHERE |= {"find_lone", "find_young", "find_clipped", "aim_plots", "keep_plots", "score_plots", "rank_plots"}
ELSEWHERE |= {"ground_shift", "sum_field", "place_field", "learn_field", "learn_affine"}  # on tiles: test_field.py
ELSEWHERE |= {"tile_squares", "find_sliding"}  # on tiles: test_sliding.py
ELSEWHERE |= {"find_thick", "count_flashes", "retract_flashes"}  # on plots: test_flashes.py, test_retract.py
ELSEWHERE |= {"find_slid"}  # on plots: test_slid.py
ELSEWHERE |= {"mark_stars", "mark_still"}  # on plots: test_stars.py
ELSEWHERE |= {"forgive_peaks", "forgive_pixels", "sum_peaks", "sampled_quantile", "tail_levels"}
ELSEWHERE |= {"advance", "correct", "gate_plots", "share_out", "weigh_pairs", "match_moments", "fold"}  # test_tracks.py
ELSEWHERE |= {"foresee", "spread_about", "heights_over"}  # test_foresee.py
ELSEWHERE |= {"learn", "decide_lives", "find_close", "tally_looks", "sift_sights", "turning"}  # test_report.py
ELSEWHERE |= {"rule_out_standing", "tell_tracks"}  # test_report.py
ELSEWHERE |= {"forecast", "revise"}  # on tracks: test_unscented.py
ELSEWHERE |= {"doppler", "doppler_turns", "dpca", "adaptive_filter", "label_clusters"}  # on intervals: test_radar.py
"""Kernels on windows of frames, on radar intervals and on lists of paths, plots or tracks: tested in files of
their own."""

KERNELS = {
    kernel.call.__name__: kernel
    for kernel in (
        Kernel(calibrate.calibrate, _calibrate, "samples gain offset", "out"),
        Kernel(calibrate.convert, _convert, "samples", "out"),
        Kernel(calibrate.judge_neighbours, _judge_neighbours, "bad", "good"),
        Kernel(calibrate.replace_bad, _replace_bad, "bad good", "frame"),
        Kernel(spikes.remove_spikes, _remove_spikes, "", "frame found"),
        Kernel(charge.charge_pixels, _charge_pixels, "pixels", "charge"),
        Kernel(charge.review_charge, _review_charge, "always", "charge listed"),
        Kernel(difference.temporal_difference, _temporal_difference, "frame previous", "out"),
        Kernel(difference.double_difference, _double_difference, "before frame behind", "out"),
        Kernel(median.temporal_median, _temporal_median, "first second third fourth fifth", "out"),
        Kernel(tophat.white_top_hat, _top_hat, "frame", "scratch out"),
        Kernel(tophat.black_top_hat, _top_hat, "frame", "scratch out"),
        Kernel(background.update_background, _update_background, "frame", "mean variance age residual z"),
        Kernel(register.estimate_shift, _estimate_shift, "reference frame", "scratch"),
        Kernel(shift.shift, _shift, "source", "scratch out"),
        Kernel(shift.shift_bilinear, _shift, "source", "scratch out"),
        Kernel(shift.shift_field, _shift_field, "source field", "scratch out"),
        Kernel(shift.shift_age, _shift_age, "age", "out"),
        Kernel(
            moving.subtract_background,
            _subtract_background,
            "frame mean noise age field",
            "scratch residual predicted",
        ),
        Kernel(
            renew.renew_background,
            _renew_background,
            "frame residual variance mean noise age field",
            "scratch new_mean new_noise new_age",
        ),
        Kernel(local_shift.tile_normals, _tile_normals, "frame residual predicted", "out"),
        Kernel(hold.hold_back, _hold_back, "z", "residual"),
        Kernel(suppress.matched_filter, _matched_filter, "frame row_taps col_taps", "scratch out"),
        Kernel(suppress.local_normalise, _local_normalise, "frame", "scratch out"),
        Kernel(whiten.whiten, _whiten, "filtered predicted", "scratch variance z"),
        Kernel(cfar.ca_cfar, _ca_cfar, "frame", "scratch out"),
        Kernel(
            score.score_and_renew,
            _score_and_renew,
            "frame mean noise age field taps edge",
            "scratch residual predicted filtered z strong new_mean new_noise new_age",
        ),
        Kernel(cfar_power.cell_average, _power(thresholds.average_factors), "power factors", "scratch hits"),
        Kernel(cfar_power.greatest_of, _power(thresholds.greatest_factors), "power factors", "scratch hits"),
        Kernel(cfar_power.smallest_of, _power(thresholds.smallest_factors), "power factors", "scratch hits"),
        Kernel(cfar_ordered.ordered_statistic, _ordered, "power multipliers ranks", "scratch hits"),
        Kernel(clutter_map.map_hits, _map_hits, "power mean", "hits"),
        Kernel(clutter_map.renew_map, _renew_map, "power", "mean"),
        Kernel(stack.quantise, _quantise, "z", "out"),
        Kernel(peaks.count_peaks, _count_peaks, "z", "counts"),
        Kernel(tailmap.map_scores, _map_scores, "z level power", "out"),
        Kernel(restart.restart_young, _restart_young, "z strong field", "age"),
        Kernel(tail.tail_histogram, _tail_histogram, "z", "counts"),
        Kernel(extract.extract_plots, _extract_plots, "z residual samples bad", "scratch plots_out"),
        Kernel(fit.fit_plots, _fit_plots, "residual filtered z", "scratch plots"),
    )
}


def public_kernels() -> set[str]:
    """Names of all functions of the kernels' modules that work on frames."""
    found = set()
    for source in sorted((ROOT / "kernels").glob("*.pyx")):
        module = importlib.import_module(f"lookdown.kernels.{source.stem}")
        for name, value in vars(module).items():
            own = callable(value) and getattr(value, "__module__", "") == module.__name__ and not inspect.isclass(value)
            if own and not name.startswith(("_", "require_")) and not name.endswith(("_scratch_size", "_rows")):
                found.add(name)
    return found - ELSEWHERE
