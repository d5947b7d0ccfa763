"""Suppressions other than the recursive background: what each finds, and that the background itself stays as it was.

The scene is that of `tests.flight.disturbed`: noise of 6 DN, ground of 80 DN (one sigma) that drifts by 0.7 px a frame,
four bright and four dark movers of 0.6 to 1.8 px a frame against it, SNR 12 after the matched filter.
"""

from pathlib import Path

import numpy as np
import pytest

from lookdown.flight import process
from lookdown.flight.__main__ import main
from lookdown.flight.chain import Chain
from lookdown.flight.config import SUPPRESSIONS, ChainParameters, FlightConfig
from lookdown.flight.psf import point_spread
from lookdown.flight.suppression import DIFFERENCE_LAGS, Suppression
from lookdown.kernels.score import score_scratch_size
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import ReportFlag
from tests.flight.disturbed import DISTURBANCES, PEAK_OF_SNR, Counts, View, add_spots, nominal, run, undisturbed

OTHERS = SUPPRESSIONS[1:]
THRESHOLD = 4.5
SNR = 12.0


def counted(
    suppression: str, disturbance: str = "none", contrast: float = 1.0, n_frames: int = 60, speed: float = 1.0
) -> Counts:
    view = View(3, snr=SNR)
    view.by *= speed
    view.ground = view.ground.mean() + contrast * (view.ground - view.ground.mean())
    parameters = ChainParameters(threshold=THRESHOLD, max_plots=2000, suppression=suppression)
    return run(view, DISTURBANCES[disturbance](view), n_frames, (THRESHOLD,), parameters)[THRESHOLD]


def share(counts: Counts, sign: int) -> float:
    """Pd of the movers of one polarity; half of them have it."""
    assert counts.hits is not None
    return counts.hits[sign] / (0.5 * counts.asked)


@pytest.mark.parametrize(
    ("suppression", "contrast", "least_pd"),
    [
        ("recursive", 1.0, 0.97),
        ("median", 1.0, 0.95),
        ("double_difference", 1.0, 0.93),
        ("recursive", 0.03, 0.97),
        ("median", 0.03, 0.92),
        ("double_difference", 0.03, 0.92),
        ("top_hat", 0.03, 0.93),
        ("top_hat", 0.1, 0.7),
    ],
)
def test_movers_of_both_polarities_are_found_at_few_false_plots(
    suppression: str, contrast: float, least_pd: float
) -> None:
    counts = counted(suppression, contrast=contrast)
    assert min(share(counts, 1), share(counts, -1)) >= least_pd
    assert counts.rate <= 2 * nominal(THRESHOLD)


def test_a_top_hat_sees_no_mover_in_ground_of_its_own_size_and_says_no_more_than_nominal() -> None:
    counts = counted("top_hat")
    assert share(counts, 1) < 0.05
    assert counts.rate <= 2 * nominal(THRESHOLD)


def test_a_top_hat_finds_what_hardly_moves_over_calm_ground_where_five_frames_do_not() -> None:
    alone, five = (counted(name, contrast=0.03, speed=0.05) for name in ("top_hat", "median"))
    assert min(share(alone, 1), share(alone, -1)) >= 0.9
    assert alone.rate <= 2 * nominal(THRESHOLD)
    assert share(five, 1) < 0.6


@pytest.mark.parametrize("suppression", ["median", "double_difference"])
def test_five_frames_know_sliding_cloud_better_than_a_long_memory(suppression: str) -> None:
    few, recursive = counted(suppression, "cloud edges"), counted("recursive", "cloud edges")
    assert few.rate <= 2 * nominal(THRESHOLD)
    assert few.rate < recursive.rate
    assert min(share(few, 1), share(few, -1)) >= max(0.8, share(recursive, 1) + 0.2)


@pytest.mark.parametrize("suppression", ["median", "double_difference"])
def test_after_a_slew_nothing_of_the_ground_before_shows(suppression: str) -> None:
    counts = counted(suppression, "slew", n_frames=65)
    assert counts.warm_up == 1
    assert counts.rate <= 2 * nominal(THRESHOLD)


@pytest.mark.parametrize("suppression", SUPPRESSIONS)
def test_a_single_frame_gives_its_spot(suppression: str) -> None:
    frame = np.random.default_rng(5).normal(1000.0, 6.0, (96, 120))
    add_spots(frame, np.array([[40.3, 71.6]]), np.array([-20.0 * PEAK_OF_SNR]))
    samples = np.rint(frame).astype(np.uint16)
    (plots,) = process([samples], suppression=suppression)
    assert len(plots) >= 1
    assert abs(plots["row"][0] - 40.3) < 0.3
    assert abs(plots["col"][0] - 71.6) < 0.3
    assert plots["amplitude"][0] < 0
    result = Chain(ChainParameters(suppression=suppression), 96, 120).step(samples)
    assert result.flags & ReportFlag.WARM_UP


@pytest.mark.parametrize("suppression", OTHERS)
def test_registration_and_background_are_those_of_the_default(suppression: str) -> None:
    plain, other = (Chain(ChainParameters(suppression=name), 256, 320) for name in ("recursive", suppression))
    view = View(4)
    for k in range(12):
        samples = undisturbed(view, k)
        assert plain.step(samples).shift == other.step(samples).shift
    assert plain._background.mean.tobytes() == other._background.mean.tobytes()
    assert plain._background.age.tobytes() == other._background.age.tobytes()
    assert plain._background.z.tobytes() != other._background.z.tobytes()


def whole_pixel_run(suppression: str) -> tuple[Suppression, list[np.ndarray], np.ndarray]:
    """Eight frames of noise on ground that moves by (2, -1) px each; the frames, as they lie on the last, and it."""
    rng = np.random.default_rng(8)
    wide = rng.normal(0.0, 50.0, (90, 90)).astype(np.float32)
    spread, scratch = point_spread(0.9), np.zeros(score_scratch_size(60, 7, 17), np.float32)
    kept = Suppression(ChainParameters(suppression=suppression), 50, 60, spread, scratch)
    noise = rng.normal(0.0, 3.0, (8, 90, 90)).astype(np.float32)
    views = [np.ascontiguousarray((wide + noise[k])[2 * k : 2 * k + 50, 15 - k : 75 - k]) for k in range(8)]
    kept.start(views[0], views[0], 0.0)
    for view in views[1:]:
        kept.score(view, (2.0, -1.0), 0.0)
    inner = [(wide + noise[k])[14 : 14 + 50, 8 : 8 + 60] for k in range(8)]
    return kept, inner, views[-1]


def test_the_median_is_that_of_the_five_frames_before_where_they_showed_the_ground() -> None:
    kept, inner, frame = whole_pixel_run("median")
    want = frame - np.median(inner[2:7], axis=0)
    assert np.allclose(kept.residual[:40, 5:], want[:40, 5:], atol=1e-3)
    assert not kept.z[40:].any()
    assert not kept.z[:, :5].any()
    assert kept.z[:40, 5:].all()


def test_the_double_difference_is_that_of_two_frames_before() -> None:
    kept, inner, frame = whole_pixel_run("double_difference")
    one, other = (frame - inner[7 - lag] for lag in DIFFERENCE_LAGS)
    want = np.where(one * other > 0, np.sign(one) * np.minimum(abs(one), abs(other)), 0.0)
    assert np.allclose(kept.residual[:40, 5:], want[:40, 5:], atol=1e-3)
    assert not kept.z[40:].any()


@pytest.mark.parametrize("suppression", ["median", "double_difference", "top_hat"])
def test_noise_scores_alike_at_the_border_and_inside(suppression: str) -> None:
    rng = np.random.default_rng(9)
    scratch = np.zeros(score_scratch_size(96, 7, 17), np.float32)
    kept = Suppression(ChainParameters(suppression=suppression), 80, 96, point_spread(0.9), scratch)
    frames = rng.normal(0.0, 5.0, (60, 80, 96)).astype(np.float32)
    kept.start(frames[0], frames[0], 0.0)
    border, inside = [], []
    for frame in frames[1:]:
        kept.score(frame, (0.0, 0.0), 0.0)
        border.append(np.square(kept.z[[0, 1, -2, -1]]).mean())
        inside.append(np.square(kept.z[8:-8, 8:-8]).mean())
    assert 0.8 < np.sqrt(np.mean(border) / np.mean(inside)) < 1.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5)])
@pytest.mark.parametrize("suppression", OTHERS)
def test_frames_of_any_size_go_through(suppression: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    frames = rng.integers(900, 1100, (8, *shape)).astype(np.uint16)
    assert len(list(process(frames, suppression=suppression))) == 8


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="suppression: unknown name 'medain'; did you mean 'median'"):
        ChainParameters(suppression="medain")
    with pytest.raises(ConfigError, match=r"x: chain: suppression: unknown name 'tophat'; did you mean 'top_hat'"):
        parse_config('[chain]\nsuppression = "tophat"', FlightConfig, "x")
    np.save(tmp_path / "frames.npy", np.full((2, 16, 16), 1000, np.uint16))
    plots = tmp_path / "plots.jsonl"
    arguments = ["process", str(tmp_path / "frames.npy"), "--plots", str(plots), "--suppression"]
    assert main([*arguments, "double_diference"]) == 2
    assert "did you mean 'double_difference'" in capsys.readouterr().err
    assert not plots.exists()
    assert main([*arguments, "double_difference"]) == 0
    assert plots.exists()
