"""What a unit counts: the SNR of what is planted, what is found, what is false; how near white noise is to theory."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lookdown.hil.campaign import targets as planted
from lookdown.hil.campaign.plan import Counts, RocPlan
from lookdown.hil.campaign.results import evaluate
from lookdown.hil.campaign.statistics import Float
from lookdown.hil.campaign.targets import APART_PX, Targets, crossing, flying, inside, plant
from lookdown.hil.campaign.unit import Tally, run_unit
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.local import Scene
from lookdown.hil.sensor.detector import Detector
from lookdown.hil.sensor.optics import PointSpread
from lookdown.hil.truth import Truth
from lookdown.kernels.extract import PLOT_DTYPE


def sums(units: list[Counts], name: str) -> Float:
    return np.sum([getattr(unit, name) for unit in units], axis=0)


@pytest.mark.parametrize("co_adds", [1, 4])
@pytest.mark.parametrize("place", [(10.0, 12.0), (10.4, 12.45)])
def test_planted_snr_is_that_after_a_matched_filter(
    small_plan: Callable[..., Scenario], place: tuple[float, float], co_adds: int
) -> None:
    """A filter that knows place and shape, over counts as the sensor gives them: mean over sigma of its output."""
    sensor = replace(
        small_plan(sensor={"rows": 24, "cols": 24, "co_adds": co_adds}).sensor,
        gain_residual=0.0, offset_residual_e=0.0, bad_pixel_fraction=0.0, bits=16,
    )  # fmt: skip
    detector, spot = Detector(sensor, 1, 1), PointSpread(sensor)
    shape = np.zeros((24, 24), np.float32)
    spot.add(shape, *place, 1.0)
    flat = np.float32(0.4 * sensor.well_e)
    output = np.empty((2, 1500))
    for with_target in (0, 1):
        for k in range(output.shape[1]):
            electrons = np.full((24, 24), flat, np.float32)
            if with_target:
                plant(electrons, spot, sensor, np.array([place]), np.array([6.0]))
            counts = detector.expose(electrons, 2 * k + with_target).astype(np.float64)
            output[with_target, k] = np.sum((counts - counts[:4].mean()) * shape)
    # The mean of the first rows, taken off each frame, adds its own noise: a little of the total.
    background = shape.sum() ** 2 / np.sum(shape**2) / 96
    measured = (output[1].mean() - output[0].mean()) / output[0].std() * np.sqrt(1.0 + background)
    assert measured == pytest.approx(6.0, abs=0.25)  # 1500 trials know sigma to 2 %


def test_targets_outside_the_frame_are_not_drawn(small_scenario: Scenario) -> None:
    sensor = small_scenario.sensor
    electrons = np.full((sensor.rows, sensor.cols), 1e6, np.float32)
    places = np.array([[-50.0, 3.0], [3.0, 1e9], [np.nan, np.nan]])
    plant(electrons, PointSpread(sensor), sensor, places, np.full(3, 30.0))
    assert (electrons == 1e6).all()


def test_the_movers_of_the_scenario_stay_away(small_scenario: Scenario, small_scene: Scene) -> None:
    planted_in: list[int] = []
    own = Renderer(small_scenario, 0, small_scene)
    other = Renderer(small_scenario, 0, small_scene, lambda k, _: planted_in.append(k))
    bare = own.electrons(20, with_movers=False).copy()
    assert np.abs(own.electrons(20) - bare).max() > 1000.0
    assert (other.electrons(20) == bare).all()
    assert planted_in == [20]


def test_targets_fly_as_movers_do_and_keep_apart(small_scenario: Scenario, small_scene: Scene) -> None:
    truth = Truth(small_scenario)
    flights = flying(3, 5, 30, truth, 0, np.random.default_rng(2))
    shape = (small_scenario.sensor.rows, small_scenario.sensor.cols)
    assert flights.place_px.shape == (3, 30, 2)
    assert inside(flights.place_px, shape).any(axis=1).all()
    pace = np.linalg.norm(np.diff(flights.place_px, axis=1), axis=2).mean(axis=1)
    rows = truth.appearances(0, np.arange(5, 35))
    rates = np.hypot(rows["row_rate_px_s"], rows["col_rate_px_s"]) / small_scenario.frame_rate_hz
    assert ((pace > 0.3 * rates.min()) & (pace < 2.0 * rates.max())).all()
    for a in range(3):
        for b in range(a):
            gap = np.linalg.norm(flights.place_px[a] - flights.place_px[b], axis=1)
            assert gap[inside(flights.place_px[a], shape)].min() >= APART_PX
    # Where a target stands now, the ground behind it is seen now.
    k = 12
    assert np.abs(flights.trail_px(k)[:, k] - flights.place_px[:, k]).max() < 0.01


def test_more_targets_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="targets: 40 find no room in 64 x 64 px 32 px apart; plant fewer"):
        crossing(40, 20, (64, 64), np.random.default_rng(1))


def test_each_plot_is_a_hit_an_echo_or_false() -> None:
    """A target that has come from column 40 to column 60 in row 50, and one too near the border to be a chance."""
    frames = np.arange(21)
    moving = np.column_stack([np.full(21, 50.0), 40.0 + frames])
    border = np.broadcast_to([5.0, 5.0], (21, 2))
    targets = Targets(np.array([moving, border]), (100, 120))
    plots = np.zeros(8, PLOT_DTYPE)
    for plot, (row, col, snr, amplitude) in zip(
        plots,
        [
            (50.5, 61.0, 4.5, 9.0),  # bright, on the target
            (51.0, 58.5, 6.0, -9.0),  # dark, on the target: an echo
            (45.0, 63.0, 6.0, 9.0),  # 5.8 px off: an echo
            (52.0, 45.0, 6.0, -9.0),  # on its trail: an echo
            (56.0, 45.0, 6.0, 9.0),  # 6 px off its trail: false
            (50.0, 70.0, 4.5, 9.0),  # 10 px before it, where it has not been: false
            (90.0, 20.0, 6.0, -9.0),  # dark, on open ground: false
            (6.0, 5.0, 9.0, 9.0),  # on the target that is no chance: neither hit nor false
        ],
        strict=True,
    ):
        plot["row"], plot["col"], plot["snr"], plot["amplitude"] = row, col, snr, amplitude
    tally = Tally(RocPlan(snr=(5.0, 7.0), thresholds=(4.0, 5.0), targets=2), targets, np.array([1, 0]))
    tally.add(20, plots)
    counts = tally.counts()
    assert counts.chances == (0, 1)
    assert counts.hits == ((0, 0), (1, 0))
    assert counts.echoes == (3, 3)
    assert counts.false == (3, 2)
    near = targets.near(20)
    assert counts.pixels == 100 * 120 - near.sum()
    # A disc of 8 px, the part of the trail outside it, and a disc cut by the corner.
    assert near.sum() == pytest.approx(np.pi * 64 + 7 * 14 + 130, rel=0.15)


@pytest.mark.parametrize(("one_frame_plots", "frames", "apart"), [(True, 60, 0.03), (False, 100, 0.05)])
def test_one_run_at_the_lowest_threshold_counts_what_a_run_at_each_does(
    small_plan: Callable[..., Scenario], one_frame_plots: bool, frames: int, apart: float
) -> None:
    """The score knows no threshold; only neighbours that have grown together at the lowest are one plot less.

    Among confirmed plots such neighbours, of ground that comes into view, are a larger part: docs/roc.md.
    """
    plan = RocPlan(snr=(5.0, 8.0, 15.0), thresholds=(3.5, 4.0), frames=frames, warm_up=20, targets=3)
    chain = {"chain": {"one_frame_plots": one_frame_plots}}
    scenario = small_plan(duration_s=12.0, sensor={"rows": 192, "cols": 192}, flight=chain)
    once = run_unit(plan, scenario, 0)
    alone = run_unit(replace(plan, thresholds=(4.0,)), scenario, 0)
    assert once.chances == alone.chances
    assert [row[1] for row in once.hits] == [row[0] for row in alone.hits]
    assert sum(row[1] for row in once.hits) > 10
    assert alone.false[0] > 20
    assert once.false[1] == pytest.approx(alone.false[0], rel=apart)


def test_white_noise_comes_near_to_theory(small_plan: Callable[..., Scenario]) -> None:
    """The loss that docs/roc.md explains: two polarities, whole pixels, less what plots gain on pixels."""
    scenario = small_plan(sensor={"rows": 192, "cols": 192})
    plan = RocPlan(
        snr=(3.0, 4.0, 5.0, 6.0, 7.0), thresholds=(3.5, 4.0, 4.5), frames=50, warm_up=50, targets=5, white=True
    )
    roc = evaluate(scenario, plan, [run_unit(plan, scenario, unit) for unit in range(20)])
    loss_db = {(n.pd, n.pfa): n.loss_db for n in roc.needed if n.pfa > 1e-6}
    for place, loss in loss_db.items():
        assert loss is not None, place
        assert 0.3 <= loss <= 1.0, (place, loss)


def test_a_slow_target_is_part_of_its_own_background(
    small_plan: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = small_plan(sensor={"rows": 192, "cols": 192})
    plan = RocPlan(snr=(5.0,), thresholds=(4.0,), frames=30, warm_up=40, targets=5, white=True)
    found = []
    for pace in (0.1, 1.0):
        monkeypatch.setattr(planted, "WHITE_PACE_PX", (pace, pace))
        found.append(float(sums([run_unit(plan, scenario, unit) for unit in range(4)], "hits")[0, 0]))
    assert found[0] < 0.8 * found[1]
