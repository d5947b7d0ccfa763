"""Intervals of a radar satellite: what its array receives of the ground and the movers of a scenario."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.hil.plan import Scenario
from lookdown.hil.radar import theory
from lookdown.hil.radar.interval import Interval, channel_gains, draw
from lookdown.hil.radar.look import Looks
from lookdown.hil.radar.settings import Target
from lookdown.hil.truth import Truth
from lookdown.wire import messages as wire
from lookdown.wire.messages import SensorState

_GAINS, _SAMPLES = 0x81, 0x82


class RadarRenderer:
    """Renders any interval of one radar satellite; the same seed gives the same samples, in whatever order.

    Parameters
    ----------
    scenario : Scenario
        Scenario with a radar.
    satellite_index : int
        Index into its satellites, of one that carries it.

    Attributes
    ----------
    looks : Looks
        Where the movers are for it.
    """

    def __init__(self, scenario: Scenario, satellite_index: int) -> None:
        assert scenario.radar is not None
        self.scenario, self.satellite_index = scenario, satellite_index
        self.looks = Looks(Truth(scenario), satellite_index)
        self._gains = channel_gains(scenario.radar.instrument, self._rng(_GAINS))

    def state(self, frame_id: int) -> SensorState:
        """Return the state that the satellite reports; its ``ifov_rad`` is the width of the beam."""
        sensor, instrument = self.scenario.sensor, self.looks.config.instrument
        position, velocity, attitude = self.looks.truth.reported(self.satellite_index, frame_id)
        beam_rad = instrument.wavelength_m / max(instrument.transmit_m, instrument.spacing_m)
        return SensorState(position, velocity, attitude, sensor.position_sigma_m, sensor.pointing_sigma_rad, beam_rad)

    def interval(self, frame_id: int) -> tuple[Interval, NDArray[Any]]:
        """Render one interval.

        Parameters
        ----------
        frame_id : int
            Number of the interval, from 0.

        Returns
        -------
        interval : Interval
            Samples, and the radar that received them.
        truth : ndarray of LOOK_DTYPE, shape (movers,)
            Where the movers truly are.
        """
        if not 0 <= frame_id < self.scenario.n_frames:
            raise ValueError(f"frame_id wanted from 0 to {self.scenario.n_frames - 1}, got {frame_id}")
        config, (radar, centre_hz) = self.looks.config, self.looks.radar(frame_id)
        rows = self.looks.rows(frame_id)
        targets = tuple(self._target(row, radar.speed_mps, centre_hz) for row in rows[rows["inside"]])
        drawn = draw(radar, self._rng(_SAMPLES, frame_id), config.clutter, targets, gains=self._gains)
        # Drawn as if the beam looked across the motion; where it does not, all is shifted by the Doppler of its middle.
        turn = theory.temporal(radar, centre_hz).astype(np.complex64)
        return replace(drawn, samples=drawn.samples * turn[:, None]), rows

    def message(self, frame_id: int) -> wire.Interval:
        """Render one interval as the message that the onboard process takes."""
        drawn, _ = self.interval(frame_id)
        return wire.Interval(
            sensor_id=self.scenario.satellite[self.satellite_index].id,
            frame_id=frame_id,
            time_ns=int(self.scenario.frame_time_ns(frame_id)),
            prf_hz=drawn.radar.prf_hz,
            first_range_m=drawn.radar.first_range_m,
            samples=drawn.samples,
            state=self.state(frame_id),
        )

    def _target(self, row: np.void, speed_m_s: float, centre_hz: float) -> Target:
        """Target whose Doppler frequency is that of the truth, in the model of a radar that looks across its motion."""
        u, config = float(np.sin(row["azimuth_rad"])), self.looks.config
        doppler_hz = float(row["doppler_hz"]) - centre_hz
        rate = speed_m_s * u - 0.5 * config.instrument.wavelength_m * doppler_hz
        # Doppler is folded, range rate is not: of its folds the one nearest to the truth moves the echo through ranges.
        fold = config.instrument.unambiguous_speed_mps
        rate += fold * np.round((float(row["range_rate_m_s"]) - rate) / fold)
        return Target(float(row["range_m"]), float(rate), u, float(row["snr_db"]), config.swerling)

    def _rng(self, *tag: int) -> np.random.Generator:
        satellite = self.scenario.satellite[self.satellite_index]
        return np.random.Generator(np.random.SFC64([self.scenario.seed, satellite.id, *tag]))
