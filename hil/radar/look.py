"""Where movers are for a radar satellite: range, range rate, direction and signal in each interval.

With o the radar, z the place that the echo left at the time t - tau, and the Earth's turn in tau allowed for, the line
to it is ``s = z - tau Omega x z - o``. Against the ground its range rate is ``s . v``; the Doppler frequency is

    f = 2 / wavelength s . (v_o - v)

and its direction from the array ``u = s . x`` (all s of length 1). The radar's own way in tau, some 20 m along the
track, is left out.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookdown.geo.earth import ROTATION_RATE_RAD_S
from lookdown.geo.rotation import rotate
from lookdown.geo.sight import emission_time_ns, intersect_ellipsoid
from lookdown.hil.radar.config import RCS_M2
from lookdown.hil.radar.settings import Radar
from lookdown.hil.radar.theory import pattern
from lookdown.hil.truth import Truth

LOOK_DTYPE = np.dtype(
    [
        ("frame_id", "<u4"),
        ("satellite_id", "<u2"),
        ("mover", "<u2"),  # index into the scenario's movers
        ("time_ns", "<i8"),  # middle of the interval, TAI
        ("emission_ns", "<i8"),  # when the echo left the mover, TAI
        ("position_m", "<f8", (3,)),  # of the mover then, ECEF
        ("velocity_m_s", "<f8", (3,)),
        ("range_m", "<f8"),
        ("range_rate_m_s", "<f8"),  # against the ground; receding is above 0
        ("azimuth_rad", "<f8"),  # asin of the cosine to the array
        ("doppler_hz", "<f8"),  # folded into +- prf / 2
        ("cell", "<f8"),  # range cell from the first, unfolded
        ("snr_db", "<f8"),  # mean, in a channel, pulse and compressed cell
        ("inside", "?"),  # in the window of ranges and in the beam
    ]
)
"""One mover in one interval of a radar."""

EDGE_DB = -10.0
"""Two-way gain at the edge of the beam, over that in its middle [dB]."""

EDGE_SHARE = 0.7
"""Where that is, in units of the first null of the longer antenna [1]."""

_OUTLINE_STEPS, _OUTLINE_RAYS, _OUTLINE_REACH_RAD = 12, 2001, 0.03


class Looks:
    """What one radar satellite of a scenario has before it.

    Parameters
    ----------
    truth : Truth
        Truth of the scenario.
    satellite_index : int
        Index into its satellites, of one that carries the radar.
    """

    def __init__(self, truth: Truth, satellite_index: int) -> None:
        scenario = truth.scenario
        assert scenario.radar is not None
        self.truth, self.index, self.config = truth, satellite_index, scenario.radar
        self._rcs_db = 10 * np.log10(
            [RCS_M2[mover.kind] if mover.rcs_m2 is None else mover.rcs_m2 for mover in scenario.mover]
        )

    def first_range_m(self, frame: ArrayLike) -> NDArray[np.float64]:
        """Range of the first cell: the window stands about the aim, as far as the satellite knows where it is [m]."""
        position, _, _ = self.truth.reported(self.index, frame)
        aim = self.truth.aim(self.index, self.truth.scenario.frame_time_ns(frame))
        instrument = self.config.instrument
        middle = np.linalg.norm(aim - position, axis=-1)
        return np.asarray(middle - 0.5 * (instrument.ranges - 1) * instrument.cell_m, np.float64)

    def radar(self, frame: int) -> tuple[Radar, float]:
        """Radar as it is in an interval, and the Doppler frequency of the ground in the middle of its beam [Hz]."""
        _, velocity, attitude = self.truth.sensor(self.index, frame)
        along, ahead = (float(velocity @ rotate(attitude, axis)) for axis in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
        instrument = self.config.instrument
        radar = replace(instrument, speed_mps=along, first_range_m=max(float(self.first_range_m(frame)), 0.0))
        return radar, 2 / instrument.wavelength_m * ahead

    def rows(self, frame: ArrayLike) -> NDArray[Any]:
        """Movers in intervals.

        Parameters
        ----------
        frame : array_like of int, shape () or (n,)
            Numbers of the intervals, from 0.

        Returns
        -------
        ndarray of LOOK_DTYPE, shape (movers,) or (n, movers)
        """
        scenario, instrument = self.truth.scenario, self.config.instrument
        frames = np.asarray(frame, np.int64)
        rows = np.zeros((*frames.shape, len(self.truth.paths)), LOOK_DTYPE)
        time = scenario.frame_time_ns(frames)
        position, velocity, attitude = self.truth.sensor(self.index, frames)
        for mover, path in enumerate(self.truth.paths):
            emission = emission_time_ns(path.position, position, time)
            rows["emission_ns"][..., mover] = emission
            rows["position_m"][..., mover, :], rows["velocity_m_s"][..., mover, :] = path.state(emission)
        rows["frame_id"], rows["time_ns"] = frames[..., None], time[..., None]
        rows["satellite_id"] = scenario.satellite[self.index].id
        rows["mover"] = np.arange(len(self.truth.paths))
        late_s = 1e-9 * (rows["time_ns"] - rows["emission_ns"])
        place = rows["position_m"]
        turned = place - (late_s * ROTATION_RATE_RAD_S)[..., None] * np.stack(
            [-place[..., 1], place[..., 0], np.zeros(late_s.shape)], axis=-1
        )
        away = turned - position[..., None, :]
        distance = np.linalg.norm(away, axis=-1)
        sight = away / distance[..., None]
        array, boresight = (rotate(attitude, axis)[..., None, :] for axis in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]))
        rate = np.sum(sight * rows["velocity_m_s"], axis=-1)
        u = np.sum(sight * array, axis=-1)
        doppler = 2 / instrument.wavelength_m * (np.sum(velocity[..., None, :] * sight, axis=-1) - rate)
        prf = instrument.prf_hz
        rows["range_m"], rows["range_rate_m_s"], rows["azimuth_rad"] = distance, rate, np.arcsin(u)
        rows["doppler_hz"] = (doppler + prf / 2) % prf - prf / 2
        rows["cell"] = (distance - self.first_range_m(frames)[..., None]) / instrument.cell_m
        with np.errstate(divide="ignore"):
            rows["snr_db"] = (
                self.config.snr_db + self._rcs_db - 40 * np.log10(distance / self.config.range_m)
                + 10 * np.log10(pattern(instrument, u))
            )  # fmt: skip
        rows["inside"] = (
            (rows["cell"] > -0.5)
            & (rows["cell"] < instrument.ranges - 0.5)
            & (np.abs(u) < instrument.wavelength_m / max(instrument.transmit_m, instrument.spacing_m))
            & (pattern(instrument, u) > 10 ** (EDGE_DB / 10))
            & (np.sum(sight * boresight, axis=-1) > 0.0)
        )
        return rows

    def outline_m(self, frame: int) -> NDArray[np.float64]:
        """Outline of window and beam on the ground in an interval, ECEF, shape (n, 3) [m]; nan where they miss it."""
        position, _, attitude = self.truth.sensor(self.index, frame)
        instrument = self.config.instrument
        half = EDGE_SHARE * instrument.wavelength_m / max(instrument.transmit_m, instrument.spacing_m)
        first = float(self.first_range_m(frame))
        last = first + (instrument.ranges - 1) * instrument.cell_m
        sides = np.linspace(-half, half, _OUTLINE_STEPS)
        nearer, farther = (self._on_ground(position, attitude, sides, distance) for distance in (first, last))
        return np.concatenate([nearer, farther[::-1], nearer[:1]])

    def _on_ground(
        self, position_m: NDArray[np.float64], attitude: NDArray[np.float64], u: NDArray[np.float64], range_m: float
    ) -> NDArray[np.float64]:
        """Points of the ground at a range in directions of cosine u to the array, shape (n, 3) [m]."""
        elevation = np.linspace(-_OUTLINE_REACH_RAD, _OUTLINE_REACH_RAD, _OUTLINE_RAYS)[:, None]
        across = np.sqrt(1.0 - u * u)
        sight = np.stack(np.broadcast_arrays(u, across * np.sin(elevation), across * np.cos(elevation)), axis=-1)
        ground = intersect_ellipsoid(position_m, rotate(attitude, sight), 0.0)
        away = np.abs(np.linalg.norm(ground - position_m, axis=-1) - range_m)
        best = np.where(np.isfinite(away), away, np.inf).argmin(axis=0)
        return np.asarray(ground[best, np.arange(len(u))], np.float64)
