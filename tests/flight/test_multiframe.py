"""Targets too weak for one frame are found along their paths; each once a frame, and nothing strong makes a fan."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookdown.flight import process
from lookdown.flight.__main__ import main
from lookdown.flight.chain import SETTLING_FRAMES, Chain, ChainResult
from lookdown.flight.config import ChainParameters, FlightConfig, MultiFrameParameters
from lookdown.flight.heldback import HeldBack
from lookdown.flight.multiframe import MERGE_PX, MultiFrame, Window, merged
from lookdown.flight.pathtail import PathTail, log_density
from lookdown.flight.report import report_of
from lookdown.flight.tail import TailCalibration
from lookdown.kernels.extract import PLOT_DTYPE
from lookdown.kernels.paths import PATH_DTYPE
from lookdown.wire.config import parse_config
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import Frame, PlotFlag, ReportFlag, SensorState
from lookdown.wire.packet import decode, encode
from tests.flight.weak import PSF_SIGMA_PX, OverEarth, Targets, WhiteNoise, found, targets

LEVEL = 4.89
"""SNR that noise exceeds at 1e-6 per pixel, on both sides."""

ON = MultiFrameParameters(enabled=True)


def stage(shape: tuple[int, int], n_frames: int = 16, **changed: float) -> MultiFrame:
    settings = MultiFrameParameters(enabled=True, frames=n_frames, every=n_frames, **changed)
    return MultiFrame(settings, *shape, PSF_SIGMA_PX)


def ground(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Texture of unit variance, larger than the frame by what the sensor drifts."""
    import cv2

    noise = np.random.default_rng(seed).standard_normal((shape[0] + 240, shape[1] + 240)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4.0)
    return soft / soft.std()


def scene(n_frames: int, snr: float, seed: int = 1, shape: tuple[int, int] = (176, 240)) -> OverEarth:
    rng = np.random.default_rng(seed)
    movers = targets(rng, shape, 1.5, snr, apart=60)
    return OverEarth(ground(shape, seed), 60.0, shape, movers, n_frames - 8.5, n_frames, seed)


def test_snr_two_is_found_in_white_noise() -> None:
    """The quick version of the proof below."""
    noise, hits = WhiteNoise((384, 512), 1), []
    multi = stage((384, 512))
    for _ in range(3):
        movers = targets(noise.rng, (384, 512), 2.0, 2.0)
        hits.append(found(noise.window(multi, movers, 4.0), movers) > LEVEL)
    assert np.mean(np.concatenate(hits)) >= 0.85
    false = [noise.window(multi, None, LEVEL).snr.size for _ in range(3)]
    assert sum(false) <= 4  # 0.6 expected


def test_place_and_velocity_are_as_good_as_they_say() -> None:
    noise, off = WhiteNoise((384, 512), 2), []
    multi = stage((384, 512))
    for _ in range(3):
        movers = targets(noise.rng, (384, 512), 1.9, 3.0)
        window = noise.window(multi, movers, LEVEL)
        for ago in (0, 7, 15):
            plots, places = window.plots(ago), movers.at(7.5 - ago)
            apart = np.hypot(plots["row"][:, None] - places[:, 0], plots["col"][:, None] - places[:, 1])
            near = apart.argmin(1)
            good = apart.min(1) < 3
            off.append(((plots["row"] - places[near, 0]) / plots["sigma_row_px"])[good])
        velocity = np.stack((window.paths["row_velocity"], window.paths["col_velocity"]), 1)
        assert np.median(np.abs(velocity[:, None] - movers.velocity).max(2).min(1)) < 0.06
    errors = np.concatenate(off)
    assert len(errors) > 250
    assert 0.7 < errors.std() < 1.3


@pytest.mark.parametrize("n_frames", [4, 8, 32])
def test_windows_of_other_lengths(n_frames: int) -> None:
    """Theory: Pd 0.9 at SNR 2.56 through 8 frames and 1.36 through 32; through 4 about 3.6."""
    snr = {4: 3.9, 8: 2.8, 32: 1.6}[n_frames]
    noise, multi = WhiteNoise((256, 384), 3), stage((256, 384), n_frames, max_velocity_px=1.0)
    movers = targets(noise.rng, (256, 384), 1.0, snr, apart=40 if n_frames < 32 else 64)
    assert np.mean(found(noise.window(multi, movers, LEVEL), movers) > 0) >= 0.8


def test_the_formula_counts_the_plots_of_noise() -> None:
    noise, multi, level = WhiteNoise((384, 512), 4), stage((384, 512)), 5.8
    scores = np.concatenate([np.abs(noise.window(multi, None, 4.0).paths["score"]) for _ in range(8)])
    expected = float(np.exp(log_density(np.array(level), 16, 2.0, PSF_SIGMA_PX))) * 8 * 384 * 512
    assert 0.5 * expected < (scores > level).sum() < 1.3 * expected


def test_snr_means_the_same_false_alarms_as_that_of_one_frame() -> None:
    tail = PathTail(512 * 640, 16, 2.0, PSF_SIGMA_PX)
    # 1e-6 both sides of a Gaussian is 4.892; the formula gives that density at 6.35.
    assert tail.snr_of_score(np.array([6.35], np.float32))[0] == pytest.approx(4.892, abs=0.05)
    assert (np.diff(tail.snr_of_score(np.linspace(4, 25, 99, dtype=np.float32))) > 0).all()


def test_sums_that_hang_together_are_scaled_down_and_many_movers_hardly_matter() -> None:
    rng = np.random.default_rng(5)
    levels = np.arange(4.6, 7.0, 0.001)
    rate = -np.gradient(0.5 * np.exp(log_density(levels, 16, 2.0, PSF_SIGMA_PX)), levels) * 0.001 * 512 * 640
    for stretch, movers in ((1.0, 0), (1.5, 0), (1.0, 40)):
        tail = PathTail(512 * 640, 16, 2.0, PSF_SIGMA_PX)
        for _ in range(10):
            tail.observe(np.concatenate((stretch * np.repeat(levels, rng.poisson(rate)), np.full(movers, 9.0))))
        assert stretch * 0.99 <= tail.scale <= stretch * 1.01 + 0.0006 * movers


def test_a_spike_a_blink_and_a_strong_mover_make_no_paths_of_their_own() -> None:
    shape = (200, 260)
    noise, multi = WhiteNoise(shape, 6), stage(shape)
    strong = Targets(
        np.array([[100.0, 130.0], [60.0, 60.0]]), np.array([[1.2, -0.7], [0.0, 3.4]]), np.ones(2), np.full(2, 40.0)
    )
    for k in range(16):
        score = noise.score(strong, k - 7.5)
        score[150:153, 40:43] += 50.0 * (k == 4)
        score[30, 200] += 80.0 * (k == 9)
        window = multi.step(score, (0.0, 0.0), LEVEL)
    assert window is not None
    plots = window.plots(8)
    assert np.hypot(plots["row"] - 99.4, plots["col"] - 130.35).min() < 0.3
    # The mover of 3.4 px/frame is beyond the bank: it may be noticed in part, but only where it is.
    others = np.hypot(plots["row"] - 99.4, plots["col"] - 130.35) > 1.0
    assert others.sum() <= 1
    assert (np.abs(plots["row"][others] - 60.0) < 3.0).all()


def test_the_same_scores_displaced_are_the_same_paths() -> None:
    """The window follows the background, in whole pixels exactly and in parts of a pixel nearly."""
    shape = (160, 200)
    for drift in ((0.0, 0.0), (1.0, -2.0), (0.4, 0.7), (-0.35, -0.15)):
        noise, multi = WhiteNoise(shape, 8), stage(shape)
        movers = Targets(np.array([[80.0, 100.0]]), np.array([[0.6, -0.3]]), np.array([-1.0]), np.array([10.0]))
        seen = replace(movers, velocity=movers.velocity - drift)
        for k in range(16):
            window = multi.step(noise.score(seen, k - 7.5), drift if k else (0.0, 0.0), LEVEL)
        assert window is not None
        assert len(window.paths) == 1
        path = window.paths[0]
        np.testing.assert_allclose((path["row_velocity"], path["col_velocity"]), (0.6, -0.3), atol=0.03)
        assert path["score"] == pytest.approx(-17.6, abs=0.35)
        for ago in (0, 8, 15):
            np.testing.assert_allclose(window.places[15 - ago, 0], seen.at(7.5 - ago)[0], atol=0.2)


def test_every_frame_of_a_recording_gets_the_plots_of_all_its_windows() -> None:
    n = 4
    places = np.arange(2.0 * n).reshape(n, 1, 2).astype(np.float32) * 10

    def window(snr: float, first: int) -> Window:
        score = np.array([snr], np.float32)
        return Window(np.zeros(1, PATH_DTYPE), score, places + 1000 * first, np.ones((n, 1), np.float32), score)

    held: HeldBack[int] = HeldBack(n, 9)
    out = []
    for k in range(7):
        found_ = window(5.0 + k, k - n + 1) if k in (3, 5) else None
        plots = found_.plots(0) if found_ else np.zeros(0, PLOT_DTYPE)
        out += held.put(k, ChainResult(plots, ReportFlag.NONE, 0, (0.0, 0.0), found_))
        out += held.put(-1, None) if k == 1 else []
        assert len(out) <= max(0, k - n + 2) + 1
    out += held.finish(window(20.0, 3))
    assert [item for item, _ in out] == [0, 1, -1, 2, 3, 4, 5, 6]
    snr = [result.plots["snr"].tolist() for _, result in out if result]
    assert snr == [[8.0], [8.0], [10.0, 8.0], [20.0, 10.0, 8.0], [20.0, 10.0], [20.0, 10.0], [20.0]]


def test_what_stands_still_is_no_mover() -> None:
    for least, count in ((0.15, 0), (0.0, 1)):
        noise, multi = WhiteNoise((128, 128), 10), stage((128, 128), min_velocity_px=least)
        rest = Targets(np.array([[60.0, 60.0]]), np.array([[0.05, 0.0]]), np.ones(1), np.full(1, 5.0))
        assert len(noise.window(multi, rest, 7.0).snr) == count


def test_scores_with_a_heavy_tail_are_taken_by_their_calibration() -> None:
    """One pixel of a hundred is six times as noisy; strong scores are then worth less."""
    shape, rng = (256, 320), np.random.default_rng(12)
    rough = np.where(rng.random(shape) < 0.01, 6.0, 1.0).astype(np.float32)
    false = {}
    for calibrated in (False, True):
        noise, multi, tail = WhiteNoise(shape, 12), stage(shape), TailCalibration(*shape)
        for _ in range(16 * 4):
            score = noise.score(None, 0.0) * rough
            tail.observe(score)
            if calibrated:
                tail.snr(score.copy(), 2.5, score)
            window = multi.step(score, (0.0, 0.0), 4.0)
        assert window is not None
        false[calibrated] = float(np.abs(window.paths["score"]).max(initial=0.0))
    assert false[True] < false[False]


def plots_at(*places: tuple[float, float, float, int]) -> np.ndarray:
    plots = np.zeros(len(places), PLOT_DTYPE)
    for plot, (row, col, snr, flags) in zip(plots, places, strict=True):
        plot["row"], plot["col"], plot["snr"], plot["flags"], plot["amplitude"] = row, col, snr, flags, 1.0
    return plots


def test_one_plot_a_target() -> None:
    multi = PlotFlag.MULTI_FRAME
    single = plots_at((10, 10, 9.0, 0), (10, 12, 8.0, 0), (50, 50, 5.0, 0))
    paths = plots_at((10, 11, 8.5, multi), (50, 51, 7.0, multi), (50, 53, 6.0, multi), (90, 90, 6.5, multi))
    plots, n_left_out = merged(single, paths, 10)
    assert plots["snr"].tolist() == [9.0, 8.0, 7.0, 6.5]
    assert n_left_out == 0
    assert len(merged(single, paths, 3)[0]) == 3
    assert merged(single, paths, 3)[1] == 1
    assert len(merged(single[:0], paths[:0], 3)[0]) == 0


def test_recordings_get_the_plots_of_a_window_in_all_its_frames_one_a_target() -> None:
    n_frames, shape = 50, (176, 240)
    view = scene(n_frames, 3.5)
    frames = [view.frame(k) for k in range(n_frames)]
    alone = list(process(frames))
    both = list(process(frames, multi_frame=ON))
    assert len(both) == len(frames)
    hits = {"alone": 0, "both": 0}
    for k in range(SETTLING_FRAMES + 1, n_frames):
        places = view.places(k)
        inside = ((places > 8) & (places < np.array(shape) - 8)).all(1)
        for name, plots in (("alone", alone[k]), ("both", both[k])):
            apart = np.hypot(plots["row"][:, None] - places[inside, 0], plots["col"][:, None] - places[inside, 1])
            hits[name] += int((apart <= 3.0).any(0).sum())
            if name == "both":
                assert (np.diff(plots["snr"]) <= 0).all()
                assert ((apart <= 2.5).sum(0) <= 1).all()
    assert hits["both"] > 3 * hits["alone"]
    assert hits["both"] > 0.8 * 4 * (n_frames - SETTLING_FRAMES - 1)


def test_live_plots_of_paths_are_those_of_the_newest_frame_and_cross_the_wire() -> None:
    view = scene(41, 3.5)
    chain = Chain(ChainParameters(multi_frame=ON), 176, 240)
    state = SensorState(np.array([7e6, 1.0, 2.0]), np.zeros(3), np.array([1.0, 0, 0, 0]), 5.0, 2.0**-15, 2.0**-15)
    ended = []
    for k in range(41):
        frame = Frame(3, k, 10**18 + k, 0.02, view.frame(k))
        result = chain.step(frame.samples)
        if result.window is not None:
            ended.append(k)
    assert ended == [24, 32, 40]
    of_paths = result.plots["flags"] & PlotFlag.MULTI_FRAME > 0
    assert of_paths.sum() >= 3
    places = view.places(40)
    apart = np.hypot(result.plots["row"][:, None] - places[:, 0], result.plots["col"][:, None] - places[:, 1])
    assert (apart[of_paths].min(1) < 1.5).all()
    # An amplitude is in the unit of the frame: a spot of SNR 3.5 stands half its peak high after the filter.
    assert np.median(np.abs(result.plots["amplitude"][of_paths])) == pytest.approx(3.5 * 12.0 / 3.2, rel=0.35)
    report = decode(encode(report_of(replace(frame, state=state), result)))
    assert (report.sights["flags"] & PlotFlag.MULTI_FRAME > 0).sum() == of_paths.sum()


def test_the_stage_leaves_the_rest_of_the_chain_as_it_is() -> None:
    view = scene(30, 5.0)
    frames = [view.frame(k) for k in range(30)]
    plain, both = Chain(ChainParameters(), 176, 240), Chain(ChainParameters(multi_frame=ON), 176, 240)
    for frame in frames:
        one, other = plain.step(frame), both.step(frame)
        if other.window is None:
            assert one.plots.tobytes() == other.plots.tobytes()
    assert plain._background.mean.tobytes() == both._background.mean.tobytes()
    assert plain.last_window() is None


def test_a_lost_background_starts_the_window_anew_and_an_empty_frame_is_a_gap() -> None:
    view = scene(60, 4.0)
    chain = Chain(ChainParameters(multi_frame=ON), 176, 240)
    other = scene(60, 4.0, seed=7)
    ended = []
    for k in range(60):
        samples = (view if k < 28 else other).frame(k)
        if k == 50:
            samples[:] = 700
        result = chain.step(samples)
        if result.window is not None:
            ended.append(k)
        assert bool(result.flags & ReportFlag.WARM_UP) == (k in (0, 28))
    assert ended == [24, 52]


def test_the_same_frames_give_the_same_bytes() -> None:
    view = scene(40, 3.0)
    frames = [view.frame(k) for k in range(40)]
    first, second = ([plots.tobytes() for plots in process(frames, multi_frame=ON)] for _ in range(2))
    assert first == second


def test_steps_allocate_no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the steady state large arrays are those of the stage; what a frame makes anew is small or of one image."""
    import tracemalloc

    noise, multi = WhiteNoise((256, 320), 9), stage((256, 320))
    noise.window(multi, None, LEVEL)
    score = noise.score(None, 0.0).copy()
    tracemalloc.start()
    for _ in range(32):
        multi.step(score, (0.3, 0.1), LEVEL)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000
    assert peak < 6 * score.nbytes


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Path]:
    view = scene(44, 3.5)
    np.save(tmp_path / "frames.npy", np.array([view.frame(k) for k in range(44)]))
    return tmp_path / "frames.npy"


def test_the_command_has_a_switch(recording: Path, tmp_path: Path) -> None:
    lines = {}
    for name, more in (("off", []), ("on", ["--multi-frame", "--view", str(tmp_path / "view.mp4")])):
        out = tmp_path / f"{name}.jsonl"
        assert main(["process", str(recording), "--plots", str(out), "--threshold", "4.5", *more]) == 0
        lines[name] = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["frame"] for line in lines[name]] == list(range(44))
    count = {name: sum(len(line["plots"]) for line in rows[SETTLING_FRAMES + 1 :]) for name, rows in lines.items()}
    assert count["on"] > 1.5 * count["off"]
    assert (tmp_path / "view.mp4").stat().st_size > 0


def test_refused_frames_keep_their_place(recording: Path, tmp_path: Path) -> None:
    frames = np.load(recording).astype(np.float32)
    frames[20, 3, 3] = np.nan
    np.save(tmp_path / "spoilt.npy", frames)
    out = tmp_path / "plots.jsonl"
    assert main(["process", str(tmp_path / "spoilt.npy"), "--plots", str(out), "--multi-frame"]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(44))
    assert [row["frame"] for row in rows if row.get("refused")] == [20]


def test_the_configuration_turns_it_on() -> None:
    config = parse_config("[chain.multi_frame]\nenabled = true\nframes = 8\nevery = 4", FlightConfig, "test")
    assert config.chain.multi_frame == MultiFrameParameters(True, 8, 4, 2.0, 0.15)
    assert not FlightConfig().chain.multi_frame.enabled
    refused = {
        "frames = 12": "frames: wanted 4, 8, 16 or 32",
        "every = 17": "every: wanted 1 to 16",
        "max_velocity_px = 9.0": "max_velocity_px: wanted",
        "min_velocity_px = 2.0": "min_velocity_px: wanted",
        "frame = 8": "did you mean",
    }
    for line, says in refused.items():
        with pytest.raises(ConfigError, match=says):
            parse_config(f"[chain.multi_frame]\n{line}", FlightConfig, "test")


def test_plots_are_never_nearer_than_targets_can_be() -> None:
    noise, multi = WhiteNoise((256, 320), 11), stage((256, 320))
    movers = targets(noise.rng, (256, 320), 2.0, 6.0)
    plots = noise.window(multi, movers, 4.0).plots(0)
    both, _ = merged(plots[:0], plots, 999)
    apart = np.hypot(both["row"][:, None] - both["row"], both["col"][:, None] - both["col"])
    np.fill_diagonal(apart, 99.0)
    assert apart.min() >= MERGE_PX
