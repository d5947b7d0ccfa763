"""Custody of movers that cannot be seen: synthetic tracks that coast, claim, or swap."""

import numpy as np
import pytest

from lookdown.hil.radar.custody import unseen_figures
from lookdown.hil.radar.look import LOOK_DTYPE
from lookdown.hil.radar.score import RadarScore
from lookdown.hil.score import EXPOSURE_DTYPE, PLOT_DTYPE, SEEN_DTYPE, Evidence, Settings, score_run
from lookdown.hil.score_tracks import UPDATE_DTYPE
from lookdown.wire.messages import TrackStatus

SECOND = 1_000_000_000
STOPPED = range(20, 40)


def run(standing: TrackStatus, ids: tuple[int, int] = (7, 7)) -> tuple[Evidence, dict[str, object]]:
    """One mover under one radar for 60 s, too slow from 20 to 40 s; a track of one update a second."""
    times = np.arange(60) * SECOND
    exposures = np.zeros(60, EXPOSURE_DTYPE)
    exposures["sensor_id"], exposures["frame_id"], exposures["time_ns"] = 1, np.arange(60), times
    exposures["reported"] = exposures["settled"] = True
    seen = np.zeros(60, SEEN_DTYPE)
    for name in ("sensor_id", "frame_id", "time_ns"):
        seen[name] = exposures[name]
    seen["inside"], seen["hidden"] = True, np.isin(np.arange(60), STOPPED)
    updates = np.zeros(60, UPDATE_DTYPE)
    updates["time_ns"] = times
    updates["track_id"] = np.where(np.arange(60) < 40, *ids)
    updates["status"] = np.where(seen["hidden"], standing, TrackStatus.CONFIRMED)
    updates["position_m"] = [7e6, 0.0, 0.0]
    sigma = np.where(seen["hidden"], 10.0 * 1.1 ** (np.arange(60) - 20), 10.0)
    updates["covariance"] = np.eye(6) * (sigma**2)[:, None, None]
    if ids[0] != ids[1]:
        ended = updates[40:41].copy()
        ended["track_id"], ended["status"] = ids[0], TrackStatus.DROPPED
        updates = np.concatenate([updates, ended])
    truth = np.broadcast_to([7e6, 0.0, 0.0], (1, 60, 3)).copy()
    evidence = Evidence(
        movers=("lorry",), kinds=("vehicle",), sensor_ids=(1,), n_pixels=1000, period_s=1.0, exposures=exposures,
        seen=seen,
        plots=np.zeros(0, PLOT_DTYPE), updates=updates, instants_ns=times.astype(np.int64), truth_m=truth,
        truth_m_s=np.zeros_like(truth), radar_ids=(1,),
    )  # fmt: skip
    score = score_run(evidence, Settings(step_s=1.0))
    return evidence, unseen_figures(evidence, score.tracks, plots_of(~seen["hidden"]))


def plots_of(found: np.ndarray) -> RadarScore:
    """The mover in each of 60 intervals, found where it was."""
    looks = np.zeros(60, LOOK_DTYPE)
    looks["time_ns"] = np.arange(60) * SECOND
    return RadarScore(looks, np.ones(60, np.bool_), found, np.zeros(0, PLOT_DTYPE), np.zeros(0, np.int64), {})


def test_one_radar_is_enough_to_owe_a_track() -> None:
    evidence, _ = run(TrackStatus.COASTING)
    figures = score_run(evidence, Settings(step_s=1.0)).figures["tracks"]
    assert figures["custody"] == 1.0
    # Two views are those in which it could be seen.
    assert figures["per_mover"][0]["two_views_s"] < 60.0


def test_a_track_that_coasts_holds_grows_and_resumes() -> None:
    _, figures = run(TrackStatus.COASTING)
    assert figures["claimed"] == 0
    assert figures["unseen_custody"] == 1.0
    assert figures["resumed"] == 1.0
    assert 12.0 <= float(str(figures["unseen_s"])) <= 20.0
    assert float(str(figures["sigma_growth"])) > 2.0


def test_a_track_that_claims_plots_is_caught() -> None:
    _, figures = run(TrackStatus.CONFIRMED)
    assert float(str(figures["claimed"])) >= 12


def test_another_track_is_no_resumption() -> None:
    _, figures = run(TrackStatus.COASTING, (7, 8))
    assert figures["resumed"] == 0.0


def test_without_a_standing_mover_nothing_is_tested() -> None:
    evidence, _ = run(TrackStatus.COASTING)
    tracks = score_run(evidence, Settings(step_s=1.0)).tracks
    figures = unseen_figures(evidence, tracks, plots_of(np.ones(60, np.bool_)))
    assert figures["claimed"] is None
    assert figures["sigma_growth"] is None
    assert figures["unseen_s"] == pytest.approx(0.0)
