"""From the plots of a frame to its report: pixels become lines of sight in sensor axes.

A plot's line of sight is kept as tangents (x, y) with the sigma of its centroid; the error of the pointing, common to
all plots of a frame, and that of the position stay with the sensor state, so that the ground can treat them as common.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.board import Reporter
from lookdown.flight.config import FlightConfig
from lookdown.geo.camera import Camera
from lookdown.wire.messages import SIGHT_DTYPE, Frame, PlotFlag, PlotReport

if TYPE_CHECKING:
    from lookdown.flight.chain import ChainResult

ALL_FLAGS = sum(PlotFlag)
"""Flags that a report carries; extraction knows more."""


def sights_of(plots: NDArray[Any], camera: Camera) -> NDArray[Any]:
    """Turn plots into lines of sight.

    Parameters
    ----------
    plots : ndarray of PLOT_DTYPE, shape (n,)
        Plots in pixels.
    camera : Camera
        The focal plane they were found on.

    Returns
    -------
    ndarray of SIGHT_DTYPE, shape (n,)
        The same plots as tangents, with the sigmas of their centroids, in the same order.
    """
    sights = np.zeros(len(plots), SIGHT_DTYPE)
    sights["x"], sights["y"] = camera.tangent_from_pixel(plots["row"], plots["col"])
    sights["sigma_x"], sights["sigma_y"] = camera.tangent_sigmas(
        sights["x"], sights["y"], plots["sigma_row_px"], plots["sigma_col_px"]
    )
    for name in ("amplitude", "snr", "n_pixels"):
        sights[name] = plots[name]
    sights["flags"] = plots["flags"] & ALL_FLAGS
    return sights


def report_of(frame: Frame, result: "ChainResult", distortion: tuple[float, float] = (0.0, 0.0)) -> PlotReport:
    """Make the report of a frame from what the chain found in it.

    Parameters
    ----------
    frame : Frame
        Frame with its pointing.
    result : ChainResult
        What was found.
    distortion : tuple of float
        Radial distortion k1, k2 of the lens [1].

    Raises
    ------
    ValueError
        If the frame has no pointing.
    """
    if frame.state is None:
        raise ValueError(f"frame {frame.frame_id}: wanted a sensor state, came none; a report needs the pointing")
    rows, cols = frame.samples.shape
    camera = Camera(rows, cols, frame.state.ifov_rad, distortion)
    return PlotReport(
        sensor_id=frame.sensor_id,
        frame_id=frame.frame_id,
        time_ns=frame.time_ns,
        state=frame.state,
        sights=sights_of(result.plots, camera),
        n_left_out=result.n_left_out,
        flags=result.flags,
    )


def make_reporter(config: FlightConfig) -> Callable[[int, int], Reporter]:
    """Return what makes, for rows and columns, the infrared chain with the report behind it."""
    from lookdown.flight.factory import make_chain

    def make(rows: int, cols: int) -> Reporter:
        chain = make_chain(config, rows, cols)
        distortion = config.calibration.distortion
        return lambda frame: report_of(frame, chain.step(frame.samples, frame.state, frame.time_ns), distortion)

    return make
