"""Pointing errors in a report: the truth is what plots show, the figures hold estimates against it."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from lookdown.ground.history import History
from lookdown.ground.pointing import PointingError
from lookdown.hil.pointing_section import pointing_figures, pointing_section, read_pointing
from lookdown.hil.truth import Truth

BIAS = (8e-5, -3e-5)


@pytest.fixture
def biased(small_plan):
    plan = small_plan()
    first = replace(plan.satellite[0], bias_rad=BIAS)
    sensor = replace(plan.sensor, pointing_sigma_rad=0.0, position_sigma_m=0.0)
    return replace(plan, satellite=(first, plan.satellite[1]), sensor=sensor)


def told_of(scenario, truth, spread_rad, seed=0):
    """What a ground would tell that errs by its sigma."""
    rng, told = np.random.default_rng(seed), {}
    times = scenario.start_ns + np.arange(4) * 1_000_000_000
    for index, satellite in enumerate(scenario.satellite):
        frames = np.rint((times - scenario.start_ns) * 1e-9 * scenario.frame_rate_hz).astype(int)
        x, y = (truth.pointing_error(index, frames) + rng.normal(size=(4, 2)) * spread_rad).T
        columns = {"time_ns": times, "x_rad": x, "y_rad": y, "stated_rad": np.full(4, 1e-4)}
        columns |= {f"sigma_{name}_rad": np.full(4, spread_rad) for name in "xy"}
        columns |= {f"plots_of_{name}": np.full(4, 7) for name in ("tracks", "landmarks", "stars")}
        told[satellite.id] = columns
    return told


def test_the_true_error_of_a_turned_satellite_is_what_its_plots_show(biased):
    truth, camera = Truth(biased), biased.sensor.camera
    position, _, attitude = truth.sensor(0, 3)
    believed_position, _, believed = truth.reported(0, 3)
    aim = truth.aim(0, biased.frame_time_ns(3))
    seen, foreseen = (
        np.array(camera.tangent_from_pixel(*camera.project(aim, *state)[:2]))
        for state in ((position, attitude), (believed_position, believed))
    )
    np.testing.assert_allclose(truth.pointing_error(0, 3), seen - foreseen, atol=1e-9)
    # A turn about x moves what is seen along y, and the other way round.
    np.testing.assert_allclose(np.abs(truth.pointing_error(0, 3)), [3e-5, 8e-5], rtol=1e-3)
    np.testing.assert_allclose(truth.pointing_error(1, [0, 20]), 0.0, atol=1e-12)


def test_figures_hold_estimates_against_the_truth(biased):
    truth = Truth(biased)
    figures = pointing_figures(biased, truth, told_of(biased, truth, 5e-6))
    assert 0.2 < figures["rms_over_sigma"] < 2.0
    assert 0.0 < figures["left"] < 0.4  # 5 microradians each, of 85 of one satellite
    assert figures["known"] == 1.0
    assert [row["plots_of_stars"] for row in figures["per_satellite"]] == [7, 7]
    text = pointing_section(biased, truth, told_of(biased, truth, 5e-6), figures)
    assert text.count("<svg") == 1
    assert "Pointing errors" in text


def test_without_anything_told_there_is_no_section_and_nothing_is_tested(biased):
    figures = pointing_figures(biased, Truth(biased), {})
    assert figures["left"] is None
    assert pointing_section(biased, Truth(biased), {}, figures) == ""


def test_what_a_ground_told_is_read_from_its_history(tmp_path):
    history = History(tmp_path)
    error = PointingError(3, 1e-5, -2e-5, 3e-6, 4e-6, 1e-4, 5, 6, 7)
    history._insert("pointing", [(3, time_ns, *astuple(error)[1:]) for time_ns in (20, 10)])
    history.close(final=False)
    told = read_pointing(tmp_path)
    assert list(told) == [3]
    assert told[3]["time_ns"].tolist() == [10, 20]
    assert told[3]["plots_of_stars"].tolist() == [7, 7]
    assert read_pointing(tmp_path / "none") == {}
