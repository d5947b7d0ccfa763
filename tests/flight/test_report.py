"""Plots to lines of sight: the geometry, the sigmas, and what is passed on."""

from types import SimpleNamespace

import numpy as np
import pytest

from lookdown.flight.report import report_of, sights_of
from lookdown.geo.camera import Camera
from lookdown.kernels.extract import DARK, EXTENDED, MERGED, PLOT_DTYPE
from lookdown.wire.messages import Frame, PlotFlag, ReportFlag, SensorState

STATE = SensorState(np.array([7e6, 1.0, 2.0]), np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 5.0, 2e-5, 3e-5)


def plots() -> np.ndarray:
    array = np.zeros(2, PLOT_DTYPE)
    names = list(PLOT_DTYPE.names[:8])
    array[names] = [(255.5, 319.5, 0.1, 0.2, 50.0, 9.5, 4, 2), (0.0, 639.0, 0.3, 0.4, -20.0, 6.5, 2, 1)]
    return array


def test_pixels_become_tangents_with_sigmas() -> None:
    sights = sights_of(plots(), Camera(512, 640, 3e-5))
    np.testing.assert_allclose(sights["x"], [0.0, 319.5 * 3e-5], atol=1e-12)
    np.testing.assert_allclose(sights["y"], [0.0, -255.5 * 3e-5], atol=1e-12)
    np.testing.assert_allclose(sights["sigma_x"], [6e-6, 12e-6], rtol=1e-6)
    np.testing.assert_allclose(sights["sigma_y"], [3e-6, 9e-6], rtol=1e-6)
    for name in ("amplitude", "snr", "n_pixels", "flags"):
        np.testing.assert_array_equal(sights[name], plots()[name])


def test_flags_that_the_wire_does_not_know_stay_on_board() -> None:
    array = plots()
    array["flags"] |= MERGED | EXTENDED
    sights = sights_of(array, Camera(512, 640, 3e-5))
    for flag in (MERGED, EXTENDED):
        assert ((sights["flags"] & flag) == (flag if flag & sum(PlotFlag) else 0)).all()
    assert (sights["flags"] & DARK).tolist() == [0, DARK]


def test_a_report_carries_the_frame_and_the_result() -> None:
    frame = Frame(3, 4, 5, 0.02, np.zeros((512, 640), np.uint16), STATE)
    result = SimpleNamespace(plots=plots(), flags=ReportFlag.WARM_UP, n_left_out=6, shift=(0.0, 0.0))
    report = report_of(frame, result)
    assert (report.sensor_id, report.frame_id, report.time_ns, report.n_left_out) == (3, 4, 5, 6)
    assert report.flags == ReportFlag.WARM_UP
    assert report.state is STATE
    assert len(report.sights) == 2


def test_a_frame_without_pointing_has_no_report() -> None:
    frame = Frame(3, 4, 5, 0.02, np.zeros((2, 2), np.uint16), None)
    with pytest.raises(ValueError, match="frame 4: wanted a sensor state"):
        report_of(frame, SimpleNamespace(plots=plots()))


def test_the_board_takes_the_lens_out_of_its_sights() -> None:
    lens = (-60.0, 0.0)
    frame = Frame(3, 4, 5, 0.02, np.zeros((512, 640), np.uint16), STATE)
    result = SimpleNamespace(plots=plots(), flags=ReportFlag.NONE, n_left_out=0, shift=(0.0, 0.0))
    sights = report_of(frame, result, lens).sights
    row, col = Camera(512, 640, 3e-5, lens).pixel_from_tangent(sights["x"], sights["y"])
    np.testing.assert_allclose(row, plots()["row"], atol=1e-3)  # tangents travel as float32
    np.testing.assert_allclose(col, plots()["col"], atol=1e-3)
    plain = report_of(frame, result).sights
    assert abs(sights["x"][1] - plain["x"][1]) / 3e-5 > 1.0
    assert sights["sigma_x"][1] > plain["sigma_x"][1]
