"""One unit of a campaign: frames of one satellite with planted targets, through the onboard chain.

The score of the chain does not depend on its threshold: it runs once, at the lowest, and its plots are held against
each threshold afterwards (`docs/decisions.md` has what that changes). Each plot is one of three:

- a *hit*: bright, within 3 px of a target;
- an *echo*: anything else within 8 px of a target or 3 px of where it was before: caused by it, and not finding it;
- a *false plot*: on open ground, which is all the rest of the frame.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import ChainParameters
from lookdown.hil.campaign.plan import Counts, RocPlan
from lookdown.hil.campaign.targets import Float, Targets, crossing, flying, plant
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer, make_scene
from lookdown.hil.sensor.detector import Detector
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.truth import Truth
from lookdown.wire.config import parse_config
from lookdown.wire.messages import Frame, ReportFlag

HIT_PX = 3.0
"""Longest distance from a target to a plot that finds it."""

WHITE_LEVEL = 0.4
"""Even background of white noise, as a part of the full well."""

_MOST_PLOTS = 8192
_SEED_STEP = 7919
_TARGETS = 0x20C


def run_unit(plan: RocPlan, scenario: Scenario, unit: int, progress: Callable[[], None] = lambda: None) -> Counts:
    """Carry out one unit.

    Parameters
    ----------
    plan : RocPlan
        Campaign.
    scenario : Scenario
        Its scenario; its movers stay away, and only lend targets their speeds and heights.
    unit : int
        Which unit, from 0; it determines seed and satellite.
    progress : callable
        Called after each frame.

    Returns
    -------
    Counts
        Its counts.

    Raises
    ------
    ValueError
        If the targets find no room, or a frame has more plots than can be told apart.
    """
    cv2.setNumThreads(1)
    turn, index = divmod(unit, len(scenario.satellite))
    scenario = replace(scenario, seed=scenario.seed + _SEED_STEP * unit)
    rng = np.random.Generator(np.random.SFC64([scenario.seed, _TARGETS]))
    # Each unit has weak and strong targets; each satellite has every level in turn.
    level = (turn + np.arange(plan.targets) * len(plan.snr) // plan.targets) % len(plan.snr)
    snr = np.array(plan.snr)[level]
    source = (_White if plan.white else _Scene)(plan, scenario, index, rng, snr)
    chain = _chain(scenario, plan.thresholds[0], source.known_bad)
    tally = Tally(plan, source.targets, level)
    for k in range(plan.n_frames):
        frame = source.frame(k)
        if frame is not None:
            result = chain.step(frame.samples, frame.state)
            if result.flags & ReportFlag.TRUNCATED:
                raise ValueError(
                    f"thresholds: at {plan.thresholds[0]:g} a frame has more than {_MOST_PLOTS} plots; raise the lowest"
                )
            if k >= plan.warm_up and not result.flags & ReportFlag.WARM_UP:
                tally.add(k, result.plots)
        progress()
    return tally.counts()


class Tally:
    """Counts of a unit, frame by frame."""

    def __init__(self, plan: RocPlan, targets: Targets, level: NDArray[np.int64]) -> None:
        self._targets, self._level = targets, level
        self._thresholds = np.array(plan.thresholds)
        shape = (len(plan.snr), len(plan.thresholds))
        self._chances, self._hits = np.zeros(shape[0], np.int64), np.zeros(shape, np.int64)
        self._false, self._echoes = np.zeros(shape[1], np.int64), np.zeros(shape[1], np.int64)
        self._pixels = self._frames = 0

    def add(self, k: int, plots: NDArray[np.void]) -> None:
        """Count the plots of a frame at each threshold."""
        near, seen = self._targets.near(k), self._targets.in_view[:, k]
        places = np.column_stack([plots["row"], plots["col"]]).astype(np.float64)
        rows, cols = np.rint(places).astype(int).T
        caused = near[np.clip(rows, 0, near.shape[0] - 1), np.clip(cols, 0, near.shape[1] - 1)]
        distance = np.hypot(*np.moveaxis(places[:, None] - self._targets.place_px[:, k], -1, 0))
        with np.errstate(invalid="ignore"):
            finds = (distance <= HIT_PX) & (plots["amplitude"] > 0.0)[:, None]
        np.add.at(self._chances, self._level[seen], 1)
        for t, threshold in enumerate(self._thresholds):
            over = plots["snr"] > threshold
            found = finds[over].any(axis=0) & seen
            np.add.at(self._hits[:, t], self._level[found], 1)
            self._false[t] += np.count_nonzero(over & ~caused)
            self._echoes[t] += np.count_nonzero(over & caused & ~finds.any(axis=1))
        self._pixels += int(np.count_nonzero(~near))
        self._frames += 1

    def counts(self) -> Counts:
        """All that was counted."""
        return Counts(
            chances=tuple(self._chances.tolist()),
            hits=tuple(tuple(row) for row in self._hits.tolist()),
            false=tuple(self._false.tolist()),
            echoes=tuple(self._echoes.tolist()),
            pixels=self._pixels,
            frames=self._frames,
        )


def _chain(scenario: Scenario, threshold: float, known_bad: NDArray[np.bool_]) -> Chain:
    """Make the chain as the scenario sets it, but for the threshold."""
    sensor = scenario.sensor
    settings = {**scenario.flight.get("chain", {}), "threshold": threshold, "max_plots": _MOST_PLOTS}
    parameters = parse_config(settings, ChainParameters, "flight.chain")
    shape = (sensor.rows, sensor.cols)
    calibration = Calibration(
        np.ones(shape, np.float32), np.zeros(shape, np.float32), np.flatnonzero(known_bad).astype(np.int32)
    )
    return Chain(parameters, *shape, (1 << sensor.bits) - 1, calibration, sensor.distortion)


class _Scene:
    """Frames of the scenario from a random instant on, with targets in the place of its movers."""

    def __init__(self, plan: RocPlan, scenario: Scenario, index: int, rng: np.random.Generator, snr: Float) -> None:
        scene = make_scene(scenario)
        truth = Truth(scenario)
        self._first = first = int(rng.integers(scenario.n_frames - plan.n_frames + 1))
        self.targets = targets = flying(plan.targets, first, plan.n_frames, truth, index, rng)

        def draw(frame_id: int, electrons: NDArray[np.float32]) -> None:
            if frame_id >= first:
                plant(electrons, truth.spot, scenario.sensor, targets.place_px[:, frame_id - first], snr)

        self._renderer = Renderer(scenario, index, scene, draw)
        self.known_bad = self._renderer.detector.known_bad

    def frame(self, k: int) -> Frame | None:
        """Frame ``k`` of the unit; None if the sensor drops it."""
        frame_id = self._first + k
        return None if self._renderer.dropped(frame_id) else self._renderer.frame(frame_id)[0]


class _White:
    """Frames of an even background with nothing but photon and read noise; the sensor stands still."""

    def __init__(self, plan: RocPlan, scenario: Scenario, index: int, rng: np.random.Generator, snr: Float) -> None:
        self._sensor = sensor = replace(
            scenario.sensor, gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0, crosstalk=0.0,
            nonlinearity=0.0, persistence=0.0, cosmic_rays_per_cm2_s=0.0, gain_drift_per_min=0.0,
            offset_drift_e_per_min=0.0, frame_drop_probability=0.0,
        )  # fmt: skip
        self._scenario, self._snr = scenario, snr
        self._detector = Detector(sensor, scenario.seed, scenario.satellite[index].id)
        self.known_bad = self._detector.known_bad
        self._spot = PointSpread(sensor)
        self.targets = crossing(plan.targets, plan.n_frames, (sensor.rows, sensor.cols), rng)

    def frame(self, k: int) -> Frame | None:
        """Frame ``k`` of the unit."""
        sensor = self._sensor
        electrons = np.full((sensor.rows, sensor.cols), WHITE_LEVEL * sensor.well_e, np.float32)
        plant(electrons, self._spot, sensor, self.targets.place_px[:, k], self._snr)
        time_ns = int(self._scenario.frame_time_ns(k))
        return Frame(1, k, time_ns, sensor.exposure_s, self._detector.expose(electrons, k), None)
