"""A lens with distortion, from the drawn frame through the onboard chain to lines of sight."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lookdown.flight.config import CalibrationFiles, FlightConfig
from lookdown.flight.factory import make_chain
from lookdown.flight.report import report_of
from lookdown.geo.camera import Camera
from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scene.local import Scene

LENS = (-2000.0, 0.0)  # moves a corner of the narrow camera by 19 px
FRAMES = 36
LAST = 10


def test_sights_are_true_when_the_board_knows_the_lens(small_plan: Callable[..., Scenario], small_scene: Scene) -> None:
    plan = small_plan(sensor={"distortion": LENS, "pointing_sigma_rad": 0.0, "position_sigma_m": 0.0})
    start = plan.mover[0].start
    assert start is not None
    # Fast, bright, and to the north of the aim: far from the middle of the image.
    mover = replace(plan.mover[0], intensity_w_sr=150.0, start=replace(start, lat_deg=43.01, speed_m_s=1500.0))
    renderer = Renderer(replace(plan, mover=(mover,)), 0, small_scene)
    lens, ideal = plan.sensor.camera, Camera(plan.sensor.rows, plan.sensor.cols, plan.sensor.ifov_rad)
    errors = {}
    for known in (LENS, (0.0, 0.0)):
        config = FlightConfig(bit_depth=14, calibration=CalibrationFiles(distortion=known))
        chain = make_chain(config, plan.sensor.rows, plan.sensor.cols)
        nearest, moved = [], []
        for k in range(FRAMES):
            frame, rows = renderer.frame(k)
            assert frame.state is not None
            report = report_of(frame, chain.step(frame.samples, frame.state), known)
            x, y = lens.tangent_from_pixel(rows["row"][0], rows["col"][0])
            apart = np.hypot(report.sights["x"] - x, report.sights["y"] - y) / plan.sensor.ifov_rad
            nearest.append(apart.min(initial=np.inf))
            row, col = ideal.pixel_from_tangent(x, y)
            moved.append(np.hypot(row - rows["row"][0], col - rows["col"][0]))
        errors[known] = np.median(nearest[-LAST:])
    assert errors[LENS] < 0.3
    assert errors[0.0, 0.0] > 0.7 * np.median(moved[-LAST:]) > 0.8
