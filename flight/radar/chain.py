"""The radar chain: one interval in, its plots out; no socket, file or clock.

    stage      what it does                                                          where
    intake     type and axes; dead and saturated channels, lost samples              intake
    compress   matched filter along range, Taylor weights over the band              flight/compression
    doppler    Taylor weights over the pulses, transform                             kernels/doppler
    adapt      post-Doppler adaptive filter in each beam; once more for the bins     kernels/adaptive
               with hits, without these in the training
    detect     CFAR over range and Doppler; clusters; side lobes of stronger ones    detection, kernels/cluster
    fit        range, Doppler and direction by maximum likelihood, with covariance   fit

A strong target in the training makes the filter blind for others in its direction and Doppler bin, so cells found the
first time train no more the second. Which plots come of an interval depends on it alone; what is kept from one to the
next is the smallest floor seen, against which interference over the whole band is told, and the clutter map.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.detection import gaussian_sigma, offset_of
from lookdown.flight.radar.fit import Fits
from lookdown.flight.radar.intake import take
from lookdown.flight.radar.motion import Motion, motion_of
from lookdown.flight.radar.plots import RADAR_PLOT_DTYPE, RadarFlag, RadarFrame, RadarPlotFlag, RadarResult
from lookdown.flight.radar.tables import Setup
from lookdown.kernels.adaptive import adaptive_filter
from lookdown.kernels.cluster import label_clusters
from lookdown.kernels.doppler import doppler
from lookdown.wire.messages import SensorState

DOPPLER_MARGIN_DB, RANGE_MARGIN_DB = 12.0, 6.0
"""Above the designed side lobes, what still counts as one: the adaptive filter adds three bins up, and lifts side
lobes over Doppler by 8 to 10 dB [dB]."""

LEAST_DROP_DB = 7.0
"""How far below a stronger plot a side lobe lies at least, whatever the weights [dB]."""

SPILL_BINS = 2
"""Doppler bins on either side of a target in which it spills over."""

SPILL_LEVEL = 4.0
"""Level of the filtered map, of mean 1, from which on a cell in reach of a target does not train: 2 % of noise."""

CLEAR_SHARE = 0.25
"""Share of the Doppler bins, those of least power, that show the floor [1]."""


class RadarChain:
    """The chain of one radar and one size of interval, with all its buffers.

    Parameters
    ----------
    parameters : RadarParameters
        How it is set.
    sensor : RadarSensor
        The radar.
    shape : tuple of int
        Channels, pulses and range samples of an interval.

    Raises
    ------
    ValueError
        If an interval of this shape cannot be processed: channels without a place, a pulse longer than the window.
    """

    def __init__(self, parameters: RadarParameters, sensor: RadarSensor, shape: tuple[int, int, int]) -> None:
        if len(shape) != 3 or min(shape) < 1 or shape[1] < 2:
            raise ValueError(f"shape: wanted channels, at least 2 pulses and range samples, got {shape}")
        if len(sensor.channel_m) != shape[0]:
            raise ValueError(
                f"channel_m: wanted a place for each of the {shape[0]} channels, got {len(sensor.channel_m)}"
            )
        self.parameters, self.sensor, self.shape = parameters, sensor, shape
        self._setups: dict[tuple[int, ...], Setup] = {}
        self._dopplers = self._setup(tuple(range(shape[0]))).dopplers
        self._floor = np.inf

    def step(self, frame: RadarFrame, state: SensorState | None = None) -> RadarResult:
        """Process one interval.

        Parameters
        ----------
        frame : RadarFrame
            The interval.
        state : SensorState, optional
            Where the radar was and looked; its velocity against the ground takes the place of the frame's speed.

        Returns
        -------
        RadarResult
            Plots and what is particular about them.

        Raises
        ------
        ValueError
            If the interval has another type or shape, no good channel, or no repetition frequency. The chain is as
            before.
        """
        if not 0 < frame.prf_hz < np.inf:
            raise ValueError(f"prf_hz: wanted a repetition frequency above 0, got {frame.prf_hz}")
        motion = motion_of(state) if state is not None else Motion(frame.speed_m_s)
        if not np.isfinite(motion).all():
            raise ValueError(f"speed_m_s: wanted a finite speed, got {motion.along_m_s}")
        parameters = self.parameters
        intake = take(frame.samples, self.shape, self.sensor, parameters)
        s = self._setup(intake.channels)
        flags = intake.flags
        s.compressor(intake.samples, s.compressed)
        doppler(s.compressed, 0, s.weights, s.turns, s.doppler_scratch, s.spectrum, None)
        if self._interfered(s.spectrum):
            flags |= RadarFlag.INTERFERENCE
        cells, untrained = self._adapt(s, frame.prf_hz)
        if untrained:
            flags |= RadarFlag.FEW_TRAINING_CELLS
        peaks, sizes, n_side_lobes = self._clusters(s, cells)
        most = parameters.max_plots
        n_left_out = max(len(peaks) - most, 0)
        if n_left_out:
            flags |= RadarFlag.TRUNCATED
        plots = self._fit(s, frame, motion, peaks[:most], sizes[:most], cells)
        s.detector.remember(s.power, frame.prf_hz)
        slow = np.abs(plots["range_rate_m_s"]) < parameters.least_speed_m_s
        return RadarResult(
            plots[~slow], flags, intake.channels, n_left_out, n_side_lobes, int(slow.sum()), untrained,
            s.power[0] if len(s.power) == 1 else s.power.max(axis=0),
        )  # fmt: skip

    def _setup(self, channels: tuple[int, ...]) -> Setup:
        if channels not in self._setups:
            self._setups[channels] = Setup(self.sensor, self.parameters, channels, self.shape)
        return self._setups[channels]

    def _adapt(self, s: Setup, prf_hz: float) -> tuple[NDArray[np.int64], float]:
        """Filter in all beams, twice where there are hits; return the flat indices of hits and the untrained share."""
        parameters = self.parameters
        everything = np.ones(s.dopplers, np.uint8)
        nothing = np.zeros(0, np.int64)

        def run(beam: int, excluded: NDArray[np.int64], wanted: NDArray[np.uint8]) -> int:
            return adaptive_filter(
                s.spectrum, s.steering[beam], parameters.loading, s.block, excluded, wanted, s.scratch,
                s.power[beam],
            )  # fmt: skip

        conventional = sum(run(beam, nothing, everything) for beam in range(len(s.power)))
        blocks = len(s.power) * s.dopplers * -(-s.power.shape[2] // s.block)
        cells = self._hits(s, prf_hz)
        if cells.size:
            excluded, wanted = self._not_to_train(s, cells)
            for beam in range(len(s.power)):
                run(beam, excluded, wanted)
            cells = self._hits(s, prf_hz)
        return cells, conventional / blocks

    def _not_to_train(self, s: Setup, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Cells of targets and of what they spill over: strong ones in their reach; and the Doppler bins of these."""
        dopplers, ranges = s.power.shape[1:]
        near = np.zeros((dopplers, ranges + 1), np.int32)
        rows, cols = cells // ranges, cells % ranges
        reach = self.sensor.pulse.size
        for beside in range(-SPILL_BINS, SPILL_BINS + 1):
            row = (rows + beside) % dopplers
            np.add.at(near, (row, np.maximum(cols - reach, 0)), 1)
            np.add.at(near, (row, np.minimum(cols + reach + 1, ranges)), -1)
        within = np.cumsum(near[:, :ranges], axis=1) > 0
        within &= s.power.max(axis=0) > SPILL_LEVEL
        within.reshape(-1)[cells] = True
        wanted = np.zeros(dopplers, np.uint8)
        wanted[within.any(axis=1)] = 1
        return np.flatnonzero(within).astype(np.int64), wanted

    def _hits(self, s: Setup, prf_hz: float) -> NDArray[np.int64]:
        if len(s.power) == 1:
            return np.flatnonzero(s.detector(s.power[0], (prf_hz, 0)))
        found = np.zeros(s.power.shape[1:], bool)
        for beam, power in enumerate(s.power):
            found |= s.detector(power, (prf_hz, beam)).view(bool)
        return np.flatnonzero(found)

    def _clusters(self, s: Setup, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Peaks of the clusters, strongest first, their sizes, and how many side lobes were left out."""
        dopplers, ranges = s.power.shape[1:]
        labels = np.zeros(cells.size, np.int32)
        n = label_clusters(cells, dopplers, ranges, labels)
        strength = s.power.reshape(len(s.power), -1)[:, cells].max(axis=0)
        order = np.lexsort((cells, -strength))
        _, first = np.unique(labels[order], return_index=True)
        chosen = order[np.sort(first)]
        peaks, sizes, level = cells[chosen], np.bincount(labels, minlength=n)[labels[chosen]], strength[chosen]
        row, col = peaks // ranges, peaks % ranges
        parameters = self.parameters
        lobe = [
            10 ** (-max(db - margin, LEAST_DROP_DB) / 10)
            for db, margin in (
                (parameters.doppler_side_lobes_db, DOPPLER_MARGIN_DB),
                (parameters.range_side_lobes_db, RANGE_MARGIN_DB),
            )
        ]
        keep = np.ones(peaks.size, bool)
        for k in range(1, peaks.size):
            apart = np.abs(row[:k] - row[k])
            same_doppler = np.minimum(apart, dopplers - apart) <= 2
            same_range = np.abs(col[:k] - col[k]) <= 2
            in_reach = np.abs(col[:k] - col[k]) < self.sensor.pulse.size
            hidden = (same_range & (level[k] < lobe[0] * level[:k])) | (
                same_doppler & in_reach & (level[k] < lobe[1] * level[:k])
            )
            keep[k] = not (hidden & keep[:k]).any()
        return peaks[keep], sizes[keep], int((~keep).sum())

    def _fit(
        self,
        s: Setup,
        frame: RadarFrame,
        motion: Motion,
        peaks: NDArray[np.int64],
        sizes: NDArray[np.int64],
        cells: NDArray[np.int64],
    ) -> NDArray[Any]:
        """Fit all peaks and put them into metres and radians."""
        dopplers, ranges = s.power.shape[1:]
        plots = np.zeros(peaks.size, RADAR_PLOT_DTYPE)
        hits = np.zeros((dopplers, ranges), bool)
        hits.reshape(-1)[cells] = True
        rows, cols = peaks // ranges, peaks % ranges
        beams = s.power[:, rows, cols].argmax(axis=0)
        log_pfa = np.zeros(peaks.size)
        for beam, power in enumerate(s.power):
            own = beams == beam
            if own.any():
                if len(s.power) > 1:
                    s.detector(power, (frame.prf_hz, beam))
                log_pfa[own] = s.detector.log_pfa(power, rows[own], cols[own], (frame.prf_hz, beam))
        if not peaks.size:
            return plots
        beside = np.stack([s.power[beams, (rows + step) % dopplers, cols] for step in (-1, 0, 1)], axis=1)
        guess = (rows + [offset_of(*three) for three in beside.tolist()]) / dopplers
        train = np.stack([~hits[np.arange(row - 2, row + 3) % dopplers].any(axis=0) for row in rows])
        beams_rad = np.asarray(self.parameters.beams_rad, np.float64)[beams]
        fits = s.fit(s.compressed, cols.astype(np.float64), guess, np.sin(beams_rad), train)
        self._fill(plots, fits, frame, motion, beams_rad, s.fit.model.half_beam or 1.0)
        plots["n_cells"] = np.minimum(sizes, 65535)
        plots["snr"] = [gaussian_sigma(min(value, -0.7)) for value in log_pfa.tolist()]
        plots["flags"] |= np.where((cols == 0) | (cols == ranges - 1), RadarPlotFlag.EDGE, 0).astype(np.uint16)
        return plots

    def _fill(
        self,
        plots: NDArray[Any],
        fits: Fits,
        frame: RadarFrame,
        motion: Motion,
        beams_rad: NDArray[np.float64],
        half_beam: float,
    ) -> None:
        """Turn cells and cycles into metres and radians, with the covariances."""
        sensor = self.sensor
        turn = (fits.doppler + 0.5) % 1 - 0.5
        blind = ~np.isfinite(fits.u)
        u = np.where(blind, np.sin(beams_rad), np.clip(fits.u, -1, 1))
        covariance = fits.covariance.copy()
        covariance[blind, 2, 2] = half_beam**2
        doppler_hz = turn * frame.prf_hz
        span = sensor.wavelength_m * frame.prf_hz / 2
        own_m_s, slope_m_s = motion.toward(u)
        rate = own_m_s - sensor.wavelength_m / 2 * doppler_hz
        jacobian = np.zeros((len(plots), 3, 3))
        jacobian[:, 0, 0] = sensor.cell_m
        jacobian[:, 1, 1], jacobian[:, 1, 2] = -span, slope_m_s
        jacobian[:, 2, 2] = 1 / np.maximum(np.sqrt(1 - u * u), 1e-3)
        first_range_m = sensor.first_range_m if frame.first_range_m is None else frame.first_range_m
        plots["range_m"] = first_range_m + fits.range_cell * sensor.cell_m
        plots["range_rate_m_s"] = (rate + span / 2) % span - span / 2
        plots["azimuth_rad"] = np.arcsin(u)
        plots["covariance"] = jacobian @ covariance @ jacobian.swapaxes(1, 2)
        plots["snr_db"], plots["doppler_hz"] = fits.snr_db, doppler_hz
        plots["doppler_bin"], plots["range_cell"] = turn * self._dopplers, fits.range_cell
        plots["flags"] |= np.where(blind, RadarPlotFlag.NO_ANGLE, 0).astype(np.uint16)
        plots["flags"] |= np.where(fits.trained, 0, RadarPlotFlag.UNTRAINED).astype(np.uint16)

    def _interfered(self, spectrum: NDArray[np.complex64]) -> bool:
        """Whether the floor rose, or one direction stands out in all clear Doppler bins alike."""
        step = max(1, spectrum.shape[2] // 256)
        some = spectrum[:, :, ::step]
        power = (some.real**2 + some.imag**2).mean(axis=0)
        middle = power.shape[1] // 2
        levels = np.partition(power, middle, axis=1)[:, middle]  # their medians
        clear = np.argsort(levels, kind="stable")[: max(1, round(CLEAR_SHARE * levels.size))]
        floor = float(levels[clear].mean())
        least = 10 ** (self.parameters.interference_db / 10)
        rose = floor > least * self._floor
        self._floor = min(self._floor, floor) if floor > 0 else self._floor
        if len(spectrum) == 1:
            return rose
        seen = some[:, clear].reshape(len(spectrum), -1)
        values = np.linalg.eigvalsh(seen @ seen.conj().T)
        return bool(rose or values[-1] > least * max(values[:-1].mean(), 1e-30) * len(spectrum))
