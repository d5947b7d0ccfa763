"""Detection, latency and link figures against cases worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from lookdown.hil.requirements import METRICS, figure
from lookdown.hil.score import (
    EXPOSURE_DTYPE,
    NO_MOVER,
    PLOT_DTYPE,
    SEEN_DTYPE,
    Evidence,
    Settings,
    frame_index,
    latency_figures,
    latency_ms,
    match_plots,
    score_run,
    settle,
)
from lookdown.hil.score_tracks import UPDATE_DTYPE

SECOND = 1_000_000_000


def table(dtype: np.dtype, *rows: dict) -> np.ndarray:
    made = np.zeros(len(rows), dtype)
    for at, row in enumerate(rows):
        for name, value in row.items():
            made[name][at] = value
    return made


def exposures(n: int, sensor_id: int = 1, **values: object) -> np.ndarray:
    made = np.zeros(n, EXPOSURE_DTYPE)
    made["sensor_id"], made["frame_id"], made["time_ns"] = sensor_id, np.arange(n), np.arange(n) * SECOND
    made["reported"], made["settled"] = True, True
    for name, value in values.items():
        made[name] = value
    return made


def evidence(**values: object) -> Evidence:
    plain = Evidence(
        movers=("one", "two"),
        kinds=("airliner", "ship"),
        sensor_ids=(1, 2),
        n_pixels=1000,
        period_s=1.0,
        exposures=np.concatenate([exposures(10, 1), exposures(10, 2)]),
        seen=np.zeros(0, SEEN_DTYPE),
        plots=np.zeros(0, PLOT_DTYPE),
        updates=np.zeros(0, UPDATE_DTYPE),
        instants_ns=np.arange(10, dtype=np.int64) * SECOND,
        truth_m=np.zeros((2, 10, 3)),
        truth_m_s=np.zeros((2, 10, 3)),
    )
    return replace(plain, **values)


def matched(seen: np.ndarray, plots: np.ndarray) -> tuple[list[bool], list[int]]:
    frames = exposures(10)
    found, mover = match_plots(seen, plots, frame_index(frames, seen), frame_index(frames, plots), 3.0)
    return found.tolist(), mover.tolist()


def test_a_plot_counts_for_its_own_frame_and_within_the_gate() -> None:
    seen = table(SEEN_DTYPE, {"sensor_id": 1, "frame_id": 4, "mover": 1, "row": 10, "col": 10})
    plots = table(
        PLOT_DTYPE,
        {"sensor_id": 1, "frame_id": 4, "row": 12, "col": 12},  # 2.83 px away
        {"sensor_id": 1, "frame_id": 4, "row": 13, "col": 11},  # 3.16 px away
        {"sensor_id": 1, "frame_id": 5, "row": 10, "col": 10},
        {"sensor_id": 2, "frame_id": 4, "row": 10, "col": 10},
    )
    assert matched(seen, plots) == ([True], [1, NO_MOVER, NO_MOVER, NO_MOVER])


def test_one_plot_finds_one_mover_but_none_of_two_near_movers_makes_it_false() -> None:
    seen = table(
        SEEN_DTYPE,
        {"sensor_id": 1, "mover": 0, "row": 10, "col": 10},
        {"sensor_id": 1, "mover": 1, "row": 10, "col": 12},
    )
    assert matched(seen, table(PLOT_DTYPE, {"sensor_id": 1, "row": 10, "col": 11.5})) == ([False, True], [1])
    # Each plot could serve either mover: both are found.
    both = table(PLOT_DTYPE, {"sensor_id": 1, "row": 10, "col": 11}, {"sensor_id": 1, "row": 10, "col": 9})
    assert matched(seen, both)[0] == [True, True]


def test_a_mover_behind_the_sensor_is_near_to_nothing() -> None:
    seen = table(SEEN_DTYPE, {"sensor_id": 1, "row": np.nan, "col": np.nan})
    assert matched(seen, table(PLOT_DTYPE, {"sensor_id": 1, "row": 10, "col": 10})) == ([False], [NO_MOVER])


def test_pd_leaves_out_hidden_outside_and_unsettled_and_counts_lost_reports_as_missed() -> None:
    frames = exposures(10)
    frames["settled"][:2] = False
    frames["reported"][5], frames["settled"][5] = False, False
    assert settle(frames).tolist() == [False] * 2 + [True] * 8
    seen = np.zeros(10, SEEN_DTYPE)
    seen["sensor_id"], seen["frame_id"], seen["row"], seen["col"], seen["inside"] = 1, np.arange(10), 5, 5, True
    seen["hidden"][8], seen["inside"][9] = True, False
    plots = np.zeros(10, PLOT_DTYPE)
    plots["sensor_id"], plots["frame_id"], plots["row"], plots["col"] = 1, np.arange(10), 5, 5
    plots["row"][3] = 50  # false, and frame 3 missed
    plots = plots[plots["frame_id"] != 5]
    score = score_run(evidence(exposures=frames, seen=seen, plots=plots, sensor_ids=(1,)), Settings())
    detection = score.figures["detection"]
    # Chances: frames 2 to 7; missed: 3 (elsewhere) and 5 (lost).
    assert (detection["chances"], detection["pd"]) == (6, pytest.approx(4 / 6))
    # A plot on a hidden mover is no false plot; one false plot in 8 settled frames of 1000 pixels.
    assert detection["pfa"] == pytest.approx(1 / 8000)
    assert detection["false_per_frame"] == pytest.approx(1 / 8)
    assert detection["per_mover"][1] == {"mover": "two", "chances": 0, "pd": None}
    assert score.figures["link"]["reports_missing"] == 1
    assert detection["warm_up_share"] == pytest.approx(0.2)


def test_views_count_satellites_that_see_a_mover_now() -> None:
    seen = np.zeros(8, SEEN_DTYPE)
    seen["sensor_id"] = [1] * 5 + [2] * 3
    seen["frame_id"] = seen_s = np.array([0, 1, 2, 3, 4, 3, 4, 5])
    seen["time_ns"], seen["inside"] = seen_s * SECOND, True
    score = score_run(evidence(seen=seen), Settings())
    # Seen by 1 in seconds 0 to 4, by 2 in 3 to 5; sight lasts one and a half frame periods.
    assert score.tracks.n_views[0].tolist() == [1, 1, 1, 2, 2, 2, 1, 0, 0, 0]
    assert score.figures["view"] == {"movers": 2, "satellites": 2, "two_views_min_s": 0.0}


def test_latency_takes_reports_that_carry_both_stamps() -> None:
    frames = exposures(101, origin_ns=5 * SECOND, fused_ns=5 * SECOND + 1_000_000 * np.arange(101))
    frames["fused_ns"][0] = 0
    assert latency_figures(latency_ms(frames)) == {"p50": 50.5, "p99": 99.01, "max": 100.0, "reports": 100}
    assert latency_figures(latency_ms(exposures(3)))["p99"] is None


def test_link_sums_are_unknown_when_one_satellite_is() -> None:
    row = {"sensor_id": 1, "sent": 12, "received": 12, "lost": 0, "repeated": 3}
    link = score_run(evidence(link=(row, {**row, "sensor_id": 2, "sent": None})), Settings()).figures["link"]
    assert (link["sent"], link["received"], link["repeated"]) == (None, 24, 6)


def test_every_metric_of_requirements_has_its_place_in_the_figures() -> None:
    figures = score_run(
        evidence(frames={"sent": 20, "dropped": 0, "late": 0, "missed": 0, "refused": 0}), Settings()
    ).figures
    of_any_run = [metric for metric in METRICS if metric.split(".")[0] in figures]
    assert len(of_any_run) > 30
    for metric in of_any_run:
        part, name = metric.split(".")
        assert name in figures[part], metric
    assert {metric.split(".")[0] for metric in METRICS if metric not in of_any_run} == {
        "board",
        "fault",
        "pointing",
        "radar",
        "tests",
    }
    assert figure(figures, "frames.sent") == 20
    assert figure(figures, "tracks.rmse_m") is None


def test_a_run_that_left_nothing_is_scored_as_nothing() -> None:
    nothing = evidence(exposures=np.zeros(0, EXPOSURE_DTYPE))
    figures = score_run(nothing, Settings()).figures
    assert figures["detection"]["pd"] is None
    assert figures["link"]["reports_missing"] is None
    assert figures["latency_ms"]["max"] is None


def test_settings_that_would_measure_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="step_s: wanted a number above 0, got 0"):
        Settings(step_s=0)
    assert Settings(initiation_allowance_s=0).initiation_allowance_s == 0
