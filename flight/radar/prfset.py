"""Intervals in sets of several repetition frequencies: one after the other in, resolved plots out with the last.

A set is so many intervals in a row, each of its own frequency. A gap in the frame count, or a frequency that is there
already, ends a set before it is whole: what it held is unresolved, counted, and not reported, since a folded range or
rate is none.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.ambiguity import AmbiguityParameters, resolve
from lookdown.flight.radar.chain import RadarChain
from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.plots import RADAR_PLOT_DTYPE, RadarFrame, RadarResult
from lookdown.wire.messages import SensorState


class PrfSet:
    """A radar chain whose plots are resolved over sets of intervals; the same face as `RadarChain`.

    Parameters
    ----------
    parameters : RadarParameters
        ``set_intervals`` (2 or more) and the ``set_`` parameters beside it, and those of the chain.
    sensor : RadarSensor
        The radar.
    shape : tuple of int
        Channels, pulses and range samples of an interval.
    """

    def __init__(self, parameters: RadarParameters, sensor: RadarSensor, shape: tuple[int, int, int]) -> None:
        self._chain = RadarChain(parameters, sensor, shape)
        self._parameters, self._wavelength_m = parameters, sensor.wavelength_m
        self._ambiguity = AmbiguityParameters(
            max_range_m=parameters.set_max_range_m,
            max_speed_m_s=parameters.set_max_speed_m_s,
            needed=parameters.set_needed,
            least_sigma_m=parameters.set_least_sigma_m,
        )
        self._held: dict[float, NDArray[Any]] = {}
        self._last_id = -1

    def step(self, frame: RadarFrame, state: SensorState | None = None) -> RadarResult:
        """Process one interval.

        Parameters
        ----------
        frame : RadarFrame
            The interval.
        state : SensorState, optional
            As for the chain.

        Returns
        -------
        RadarResult
            With the last interval of a set its resolved plots, strongest first; before none, and ``open_set``. Plots
            that agree with none of another interval are in ``n_unresolved``.

        Raises
        ------
        ValueError
            As the chain; the set goes on.
        """
        result = self._chain.step(frame, state)
        lost = 0
        if frame.prf_hz in self._held or (self._held and frame.frame_id != self._last_id + 1):
            lost = sum(map(len, self._held.values()))
            self._held.clear()
        self._held[frame.prf_hz], self._last_id = result.plots, frame.frame_id
        if len(self._held) < self._parameters.set_intervals:
            return replace(result, plots=np.zeros(0, RADAR_PLOT_DTYPE), n_unresolved=lost, open_set=True)
        found = sum(map(len, self._held.values()))
        plots, n_used = resolve(list(self._held.values()), list(self._held), self._wavelength_m, self._ambiguity)
        self._held.clear()
        return replace(result, plots=plots, n_unresolved=lost + found - n_used, resolved=True)


def chain_of(parameters: RadarParameters, sensor: RadarSensor, shape: tuple[int, int, int]) -> RadarChain | PrfSet:
    """Return the chain that parameters ask for: one interval after the other, or in sets."""
    return (PrfSet if parameters.set_intervals > 1 else RadarChain)(parameters, sensor, shape)
