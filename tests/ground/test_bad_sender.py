"""One satellite of four sends what cannot be: refused, counted by reason and sender; the others keep each bit."""

import contextlib
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from lookdown.ground.fusion import Fusion
from lookdown.ground.ingest import Ingest
from lookdown.ground.rewind import Rewind
from lookdown.wire.errors import WireError

BAD = 4
SECONDS = 5.0
LATER_NS = 10**9


def with_state(report, **changes):
    return replace(report, state=replace(report.state, **changes))


def with_sights(report, **columns):
    sights = report.sights.copy()
    for name, value in columns.items():
        sights[name] = value
    return replace(report, sights=sights)


def backwards(report):
    a, b, c, d = report.state.attitude
    return with_state(report, attitude=np.array([b, -a, d, -c]))


CASES = {
    "from the future": ("future", lambda r: replace(r, time_ns=r.time_ns + 10**13)),
    "from long past": ("past", lambda r: replace(r, time_ns=r.time_ns - 10**13)),
    "a clock that steps by 5 s": ("future", lambda r: replace(r, time_ns=r.time_ns + 5 * LATER_NS)),
    "a clock that stands": ("past", lambda r: replace(r, time_ns=r.time_ns - r.frame_id * LATER_NS // 10)),
    "a frame again and again": ("repeat", lambda r: replace(r, frame_id=0)),
    "an unknown satellite": ("unknown_sensor", lambda r: replace(r, sensor_id=9)),
    "speaking for another": ("sender", lambda r: replace(r, sensor_id=1)),
    "looking away from the Earth": ("geometry", backwards),
    "a place that is none": ("not_finite", lambda r: with_state(r, position_m=r.state.position_m * np.nan)),
    "a place below ground": ("altitude", lambda r: with_state(r, position_m=r.state.position_m * 0.8)),
    "an attitude of no length": ("attitude", lambda r: with_state(r, attitude=r.state.attitude * 0.0)),
    "a sigma below 0": ("sigma", lambda r: with_state(r, position_sigma_m=-1.0)),
    "singular covariances": ("covariance", lambda r: with_sights(r, correlation=1.0)),
    "covariances that are not finite": ("covariance", lambda r: with_sights(r, sigma_x=np.nan)),
}


@pytest.fixture(scope="module")
def reports(world):
    """Four satellites, two movers; the fourth begins with an empty report that is good."""
    points = ((38.0, 4.0, 70.0), (42.0, 15.0, 80.0), (35.0, 12.0, 60.0), (44.0, 7.0, 65.0))
    scene = world(seed=2, sub_points=points, false_plots=3.0)
    scene.add_mover(-3e3, 5e3, 10e3, 250.0, 60.0)
    scene.add_mover(5e3, -4e3, 11e3, 230.0, 190.0)
    made = list(scene.reports(SECONDS))
    first = next(k for k, report in enumerate(made) if report.sensor_id == BAD)
    made[first] = replace(made[first], sights=made[first].sights[:0])
    return scene.parameters(hold_s=0.5), made


def run(parameters, reports, spoil=None):
    """Fuse; from its second report on the fourth satellite's are spoilt, or left out."""
    ingest, fusion = Ingest(parameters), Fusion(parameters)
    rewind = Rewind(fusion, parameters)
    for report in reports:
        sender = report.sensor_id
        if sender == BAD and report.frame_id > 0:
            if spoil is None:
                continue
            report = spoil(report)
        with contextlib.suppress(WireError):
            rewind.step(ingest.offer(report, 9 if report.sensor_id == 9 else sender))
    rewind.step(ingest.flush())
    rewind.catch_up()
    return fusion, ingest


@pytest.fixture(scope="module")
def alone(reports):
    fusion, _ = run(*reports)
    assert np.count_nonzero(fusion.table.live) == 2
    return fusion


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_is_refused_by_reason_and_leaves_the_others_their_tracks(reports, alone, name):
    reason, spoil = CASES[name]
    fusion, ingest = run(*reports, spoil)
    sender = 9 if reason == "unknown_sensor" else BAD
    sent = sum(report.sensor_id == BAD for report in reports[1]) - 1
    assert ingest.counters[sender, f"refused_{reason}"] == sent
    bad = {key for key in ingest.counters if key[1].startswith(("refused", "late")) and ingest.counters[key]}
    assert bad == {(sender, f"refused_{reason}")}
    for field in fields(fusion.table):
        np.testing.assert_array_equal(getattr(fusion.table, field.name), getattr(alone.table, field.name), field.name)


def test_ten_thousand_false_plots_in_each_report_are_limited_and_their_cost_is_bounded(reports, alone):
    """The others hold both movers; a report costs less than four times one of 200 plots, and tracks stay few."""
    parameters, every = reports
    rng = np.random.default_rng(0)

    def flood(report, count):
        sights = np.repeat(report.sights[:1], count)
        half = 0.45 * np.array([640, 512]) * report.state.ifov_rad
        sights["x"], sights["y"] = (rng.uniform(-edge, edge, count) for edge in half)
        sights["snr"] = rng.uniform(5.0, 9.0, count)
        return replace(report, sights=sights)

    costs = {}
    for count in (parameters.max_plots, 10_000):
        began_s = time.process_time()
        fusion, ingest = run(parameters, every, lambda report, count=count: flood(report, count))
        costs[count] = time.process_time() - began_s
    n_floods = sum(report.sensor_id == BAD for report in every) - 1
    assert ingest.counters[BAD, "plots_over_limit"] == n_floods * (10_000 - parameters.max_plots)
    assert not any(ingest.counters[sensor, "plots_over_limit"] for sensor in (1, 2, 3))
    assert len(fusion.table) <= parameters.max_tentative + parameters.max_single + 10
    assert costs[10_000] < 4.0 * costs[parameters.max_plots]
    held = fusion.table.state[fusion.table.live, :3]
    for row in np.flatnonzero(alone.table.live):
        away = np.linalg.norm(held - alone.table.state[row, :3], axis=1).min()
        assert away < 5.0 * np.sqrt(np.trace(alone.table.covariance[row, :3, :3]))
