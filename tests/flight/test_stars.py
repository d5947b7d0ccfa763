"""Stars above the limb: with pointing they are told from what flies there, and left out or reported as asked."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.flight.chain import Chain, ChainResult
from lookdown.flight.config import ChainParameters, MultiFrameParameters
from lookdown.flight.stars import Stars
from lookdown.geo.earth import ROTATION_RATE_RAD_S
from lookdown.geo.rotation import from_rotation_vector, multiply
from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.wire.messages import PlotFlag
from tests.flight.disturbed import COLS, FULL_SCALE_DN, PEAK_OF_SNR, ROWS, View, nominal, run
from tests.flight.limb import FRAME_S, PointedLimb

N_FRAMES, SETTLED = 90, 15


def stepped(view: View, limb: PointedLimb, n_frames: int, **parameters: object) -> list[tuple[int, ChainResult]]:
    chain = Chain(ChainParameters(**parameters), ROWS, COLS, FULL_SCALE_DN)  # type: ignore[arg-type]
    results = []
    for k in range(n_frames):
        result = chain.step(limb(view, k), limb.states[k], limb.times_ns[k])
        results.append((k, replace(result, plots=result.plots.copy())))
    return results[SETTLED:]


def nearest_px(plots: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Distance of each plot to the next of some places [px]."""
    return np.hypot(plots["row"][:, None] - places[:, 0], plots["col"][:, None] - places[:, 1]).min(1)


def test_with_pointing_stars_leave_false_plots_within_twice_nominal_at_threshold_5() -> None:
    view, limb = View(3), PointedLimb(N_FRAMES)
    counts = run(view, limb, N_FRAMES, (4.0, 5.0), states=limb.states, times_ns=limb.times_ns)
    for threshold, count in counts.items():
        most = 2 * nominal(threshold) * count.pixels
        assert count.false <= most + 3 * most**0.5, f"{count.rate / nominal(threshold):.1f} times nominal"
    assert counts[4.0].hits is not None
    assert sum(counts[4.0].hits.values()) >= 0.8 * counts[4.0].asked


def test_stars_are_reported_with_their_flag_if_asked_and_movers_above_the_limb_without() -> None:
    view, limb = View(3), PointedLimb(60)
    # Two movers in the sky: one flies up, one across.
    view.at[:2], view.by[:2] = [[110.0, 20.0], [30.0, 200.0]], [[-0.9, 1.9], [0.5, -0.9]]
    stars = flagged_stars = movers = flagged_movers = 0
    for k, result in stepped(view, limb, 60, threshold=5.0, stars="report"):
        flagged = (result.plots["flags"] & PlotFlag.STAR) > 0
        from_star, from_mover = nearest_px(result.plots, limb.places(k)), nearest_px(result.plots, view.movers(k)[:2])
        on_star, on_mover = (from_star < 1.5) & (from_mover > 6), (from_mover < 1.5) & (from_star > 6)
        stars, flagged_stars = stars + on_star.sum(), flagged_stars + (on_star & flagged).sum()
        movers, flagged_movers = movers + on_mover.sum(), flagged_movers + (on_mover & flagged).sum()
    assert stars > 200
    assert flagged_stars > 0.95 * stars
    assert movers > 50
    assert flagged_movers < 0.02 * movers


def test_what_is_dropped_is_what_would_be_flagged() -> None:
    limb = PointedLimb(40)
    dropped = stepped(View(4), limb, 40, threshold=5.0)
    reported = stepped(View(4), limb, 40, threshold=5.0, stars="report")
    for (_, less), (_, more) in zip(dropped, reported, strict=True):
        others = more.plots[more.plots["flags"] & PlotFlag.STAR == 0]
        assert less.plots.tobytes() == others.tobytes()
    assert sum(len(more.plots) - len(less.plots) for (_, less), (_, more) in zip(dropped, reported, strict=True)) > 100


def test_without_pointing_or_time_no_star_is_told() -> None:
    limb = PointedLimb(30)
    chain = Chain(ChainParameters(), ROWS, COLS, FULL_SCALE_DN)
    view = View(3)
    for k in range(30):
        plots = chain.step(limb(view, k), limb.states[k] if k % 2 else None, None if k % 2 else limb.times_ns[k]).plots
        assert not (plots["flags"] & PlotFlag.STAR).any()


def test_a_bright_sky_full_of_stars_does_not_lift_the_threshold_over_the_ground() -> None:
    """Stars are many pixels that stay: as clutter of the frame they hid four movers of five at threshold 5."""
    found = {}
    for shown in (False, True):
        view, limb = View(3), PointedLimb(60)
        limb.peaks = limb.peaks if shown else 0.0 * limb.peaks
        counts = run(view, limb, 60, (5.0,), states=limb.states, times_ns=limb.times_ns)[5.0]
        assert counts.hits is not None
        found[shown] = sum(counts.hits.values()) / counts.asked
    assert found[True] > found[False] - 0.1


def test_paths_of_faint_stars_are_no_plots_of_the_multi_frame_stage_either() -> None:
    view, limb = View(3, snr=0.0), PointedLimb(60)
    limb.peaks = np.full_like(limb.peaks, 3.5 * PEAK_OF_SNR)
    of_stars = {}
    for stars in ("drop", "report"):
        many = MultiFrameParameters(enabled=True)
        results = stepped(view, limb, 60, threshold=4.5, multi_frame=many, stars=stars)
        of_stars[stars] = sum(
            int((nearest_px(result.plots, limb.places(k)) < 1.5).sum()) for k, result in results if len(result.plots)
        )
    assert of_stars["report"] > 20
    assert of_stars["drop"] < 0.5 * of_stars["report"]


def test_a_far_sensor_waits_until_parallax_would_show() -> None:
    """From 36,000 km what flies at the limb moves by a fraction of a pixel a frame, as a star seems to."""
    limb = PointedLimb(1)
    up = limb.states[0].position_m / np.linalg.norm(limb.states[0].position_m)
    far = replace(limb.states[0], position_m=42.2e6 * up, velocity_m_s=np.zeros(3))
    stars, plot = Stars(ROWS, COLS, reported=True), np.zeros(1, PLOT_DTYPE)
    plot["row"], plot["col"], plot["snr"] = 5.0, 5.0, 9.0
    told = []
    for k in range(100):
        turn = from_rotation_vector([0.0, 0.0, -ROTATION_RATE_RAD_S * FRAME_S * k])
        stars.start(replace(far, attitude=multiply(turn, far.attitude)), int(1e9 * FRAME_S * k))
        plot["flags"] = 0
        stars.mark(plot)
        told.append(bool(plot["flags"][0] & PlotFlag.STAR))
    assert not any(told[:60])  # 3 px of 150 urad at 41,700 km take 6.3 s at 3,000 m/s
    assert all(told[65:])


@pytest.mark.parametrize("given", ["dropp", "flag"])
def test_an_unknown_way_with_stars_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"stars: unknown name .* Known: drop, report"):
        ChainParameters(stars=given)
