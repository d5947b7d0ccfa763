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
next is the smallest floor seen, against which interference over the whole band is told.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import PulseCompressor
from lookdown.flight.radar.config import RadarParameters, RadarSensor
from lookdown.flight.radar.detection import Detector, gaussian_sigma, gaussian_tail
from lookdown.flight.radar.fit import Fit, PlotFit
from lookdown.flight.radar.intake import take
from lookdown.flight.radar.plots import RADAR_PLOT_DTYPE, RadarFlag, RadarFrame, RadarPlotFlag, RadarResult
from lookdown.flight.radar.taper import pulse_weights
from lookdown.kernels.adaptive import adaptive_filter, adaptive_scratch_size
from lookdown.kernels.cluster import label_clusters
from lookdown.kernels.doppler import doppler, doppler_scratch_size, doppler_turns
from lookdown.wire.messages import SensorState

BLOCKS_AT_LEAST = 10
"""Blocks of ranges that are filtered apart at least, if there are ranges enough."""

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


class _Setup:
    """All that depends on which channels are good: tables and buffers."""

    def __init__(self, sensor: RadarSensor, parameters: RadarParameters, channels: tuple[int, ...], shape: Any) -> None:
        pulses, samples = shape[1:]
        self.channel_m = np.asarray(sensor.channel_m, np.float64)[list(channels)]
        band = sensor.bandwidth_hz / sensor.sample_rate_hz
        self.compressor = PulseCompressor(sensor.pulse, samples, band, parameters.range_side_lobes_db)
        ranges = self.compressor.ranges
        self.dopplers = max(2, 1 << (pulses - 1).bit_length())
        self.bins = parameters.bins if self.dopplers >= parameters.bins else 1
        weights = pulse_weights(pulses, parameters.doppler_side_lobes_db)
        self.weights = weights.astype(np.float32)
        self.turns = doppler_turns(self.dopplers)
        self.doppler_scratch = np.zeros(doppler_scratch_size(self.dopplers), np.float32)
        # A block and its neighbours do not train it: of few ranges blocks must be small.
        self.block = min(parameters.block, max(8, ranges // BLOCKS_AT_LEAST // 8 * 8))
        n = len(channels)
        self.compressed = np.zeros((n, pulses, ranges), np.complex64)
        self.spectrum = np.zeros((n, self.dopplers, ranges), np.complex64)
        self.scratch = np.zeros(adaptive_scratch_size(n, ranges, self.bins, self.block), np.float32)
        self.power = np.zeros((len(parameters.beams_rad), self.dopplers, ranges), np.float32)
        offset = np.arange(self.bins) - self.bins // 2
        spread = np.exp(-2j * np.pi / self.dopplers * np.outer(offset, np.arange(pulses))) @ weights
        place = 2 * np.pi / sensor.wavelength_m * (self.channel_m - self.channel_m.mean())
        self.steering = [
            np.ascontiguousarray(np.outer(spread, np.exp(1j * place * np.sin(beam))), np.complex64)
            for beam in parameters.beams_rad
        ]
        self.fit = PlotFit(
            self.compressor, self.channel_m, sensor.wavelength_m, pulses, parameters.doppler_side_lobes_db
        )
        pfa = gaussian_tail(parameters.threshold) / len(parameters.beams_rad)
        self.detector = Detector(parameters, (self.dopplers, ranges), pfa)


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
        self._setups: dict[tuple[int, ...], _Setup] = {}
        self._dopplers = self._setup(tuple(range(shape[0]))).dopplers
        self._floor = np.inf

    def step(self, frame: RadarFrame, state: SensorState | None = None) -> RadarResult:
        """Process one interval.

        Parameters
        ----------
        frame : RadarFrame
            The interval.
        state : SensorState, optional
            Where the radar was; its speed against the ground takes the place of the frame's.

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
        speed_m_s = frame.speed_m_s if state is None else float(np.linalg.norm(state.velocity_m_s))
        if not np.isfinite(speed_m_s):
            raise ValueError(f"speed_m_s: wanted a finite speed, got {speed_m_s}")
        parameters = self.parameters
        intake = take(frame.samples, self.shape, self.sensor, parameters)
        s = self._setup(intake.channels)
        flags = intake.flags
        s.compressor(intake.samples, s.compressed)
        doppler(s.compressed, 0, s.weights, s.turns, s.doppler_scratch, s.spectrum, None)
        if self._interfered(s.spectrum):
            flags |= RadarFlag.INTERFERENCE
        cells, untrained = self._adapt(s)
        if untrained:
            flags |= RadarFlag.FEW_TRAINING_CELLS
        peaks, sizes, n_side_lobes = self._clusters(s, cells)
        most = parameters.max_plots
        n_left_out = max(len(peaks) - most, 0)
        if n_left_out:
            flags |= RadarFlag.TRUNCATED
        plots = self._fit(s, frame, speed_m_s, peaks[:most], sizes[:most], cells)
        slow = np.abs(plots["range_rate_m_s"]) < parameters.least_speed_m_s
        return RadarResult(
            plots[~slow], flags, intake.channels, n_left_out, n_side_lobes, int(slow.sum()), untrained,
            s.power[0] if len(s.power) == 1 else s.power.max(axis=0),
        )  # fmt: skip

    def _setup(self, channels: tuple[int, ...]) -> _Setup:
        if channels not in self._setups:
            self._setups[channels] = _Setup(self.sensor, self.parameters, channels, self.shape)
        return self._setups[channels]

    def _adapt(self, s: _Setup) -> tuple[NDArray[np.int64], float]:
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
        cells = self._hits(s)
        if cells.size:
            excluded, wanted = self._not_to_train(s, cells)
            for beam in range(len(s.power)):
                run(beam, excluded, wanted)
            cells = self._hits(s)
        return cells, conventional / blocks

    def _not_to_train(self, s: _Setup, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
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

    def _hits(self, s: _Setup) -> NDArray[np.int64]:
        if len(s.power) == 1:
            return np.flatnonzero(s.detector(s.power[0]))
        found = np.zeros(s.power.shape[1:], bool)
        for power in s.power:
            found |= s.detector(power).view(bool)
        return np.flatnonzero(found)

    def _clusters(self, s: _Setup, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
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
        s: _Setup,
        frame: RadarFrame,
        speed_m_s: float,
        peaks: NDArray[np.int64],
        sizes: NDArray[np.int64],
        cells: NDArray[np.int64],
    ) -> NDArray[Any]:
        """Fit every peak and put it into metres and radians."""
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
                    s.detector(power)
                log_pfa[own] = s.detector.log_pfa(power, rows[own], cols[own])
        for k, plot in enumerate(plots):
            row, col, power = int(rows[k]), int(cols[k]), s.power[beams[k]]
            train = ~hits[np.arange(row - 2, row + 3) % dopplers].any(axis=0)
            guess = row + offset_of(*power[np.arange(row - 1, row + 2) % dopplers, col].tolist())
            beam_rad = self.parameters.beams_rad[beams[k]]
            fit = s.fit(s.compressed, col, guess / dopplers, float(np.sin(beam_rad)), train)
            self._fill(plot, fit, frame, speed_m_s, beam_rad, s.fit.half_beam or 1.0)
            plot["n_cells"] = min(sizes[k], 65535)
            plot["snr"] = gaussian_sigma(min(float(log_pfa[k]), -0.7))
            plot["flags"] |= RadarPlotFlag.EDGE if col in (0, ranges - 1) else 0
        return plots

    def _fill(
        self, plot: Any, fit: Fit, frame: RadarFrame, speed_m_s: float, beam_rad: float, half_beam: float
    ) -> None:
        """Turn cells and cycles into metres and radians, with the covariance."""
        sensor = self.sensor
        turn = (fit.doppler + 0.5) % 1 - 0.5
        covariance = fit.covariance.copy()
        u = float(np.clip(fit.u, -1, 1))
        flags = RadarPlotFlag.NONE if fit.trained else RadarPlotFlag.UNTRAINED
        if not np.isfinite(fit.u):
            u, covariance[2, 2] = float(np.sin(beam_rad)), half_beam**2
            flags |= RadarPlotFlag.NO_ANGLE
        doppler_hz = turn * frame.prf_hz
        span = sensor.wavelength_m * frame.prf_hz / 2
        rate = speed_m_s * u - sensor.wavelength_m / 2 * doppler_hz
        to_rad = 1 / max(np.sqrt(1 - u * u), 1e-3)
        jacobian = np.array(
            [
                [sensor.cell_m, 0, 0],
                [0, -sensor.wavelength_m / 2 * frame.prf_hz, speed_m_s],
                [0, 0, to_rad],
            ]
        )
        plot["range_m"] = sensor.first_range_m + fit.range_cell * sensor.cell_m
        plot["range_rate_m_s"] = (rate + span / 2) % span - span / 2
        plot["azimuth_rad"] = np.arcsin(u)
        plot["covariance"] = jacobian @ covariance @ jacobian.T
        plot["snr_db"], plot["doppler_hz"] = fit.snr_db, doppler_hz
        plot["doppler_bin"], plot["range_cell"] = (
            turn * self._setup(tuple(range(self.shape[0]))).dopplers,
            fit.range_cell,
        )
        plot["flags"] = flags

    def _interfered(self, spectrum: NDArray[np.complex64]) -> bool:
        """Whether the floor rose, or one direction stands out in all clear Doppler bins alike."""
        step = max(1, spectrum.shape[2] // 256)
        some = spectrum[:, :, ::step]
        power = (some.real**2 + some.imag**2).mean(axis=0)
        levels = np.median(power, axis=1)
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


def offset_of(before: float, peak: float, after: float) -> float:
    """Place of a maximum between three cells, by a parabola through their logarithms, within half a cell."""
    a, b, c = (np.log(max(value, 1e-30)) for value in (before, peak, after))
    bend = a - 2 * b + c
    return float(np.clip((a - c) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
