"""Raw samples to a clean frame: calibrated, bad pixels replaced, without the spikes that no optics can make."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.bands import Bands
from lookdown.flight.calibration import Calibration, Intake
from lookdown.flight.defects import DefectMap
from lookdown.flight.psf import PointSpread
from lookdown.kernels.calibrate import replace_bad
from lookdown.kernels.spikes import remove_spikes

SPIKE_LEVEL = 6.0
"""Sigmas from which on a pixel without neighbours counts as a spike."""

SPIKE_SHARE = 0.35
"""Part of the point-spread function's second pixel that a spike's second neighbour must stay below."""

MOST_SPIKES = 4096
"""Spikes of a frame that are charged to their pixels; beyond them they are removed alone."""

QUANTUM_SIGMA = 0.5
"""Smallest sigma of the filtered residual that is believed, in steps of integer samples."""


class Cleaning:
    """First part of the chain: it knows the focal plane and its bad pixels, and nothing of what is seen.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    spread : PointSpread
        Optics and detector.
    calibration : Calibration, optional
        Factory calibration.
    bands : Bands
        Threads that share the frame.

    Attributes
    ----------
    frame : ndarray of float32, shape (rows, cols)
        The clean frame [frame unit].
    defects : DefectMap
        Bad pixels, from the factory and from flight.
    """

    def __init__(
        self, rows: int, cols: int, spread: PointSpread, calibration: Calibration | None, bands: Bands
    ) -> None:
        self.frame = np.zeros((rows, cols), np.float32)
        self._intake = Intake(rows, cols, calibration, bands)
        factory = np.zeros(0, np.int32) if calibration is None else calibration.bad_pixels
        self.defects = DefectMap(rows, cols, factory)
        self._spikes = np.zeros(MOST_SPIKES, np.int32)
        self._white_gain = spread.white_gain
        self._spike_ratio = SPIKE_SHARE * float(np.exp(-0.5 / spread.sigma_px**2))

    @property
    def raw(self) -> NDArray[np.uint16] | None:
        """Samples of the frame as kernels read them, if they came as uint16 [DN]."""
        return self._intake.raw

    @property
    def quantum(self) -> float:
        """Step from one sample to the next [frame unit]."""
        return self._intake.quantum

    @property
    def variance_floor(self) -> float:
        """Smallest variance of the filtered residual that is believed [frame unit^2]."""
        return (QUANTUM_SIGMA * self._intake.quantum) ** 2

    def take(self, samples: NDArray[Any]) -> None:
        """Calibrate a frame and replace its bad pixels; see `Intake.take` for what it takes and refuses."""
        self._intake.take(samples, self.frame)
        replace_bad(self.frame, self.defects.indices, self.defects.neighbours)

    def is_blank(self) -> bool:
        """Whether all pixels are alike; two that differ are soon found."""
        frame, first = self.frame, self.frame[0, 0]
        some = min(frame.shape)
        return all(frame[k, k] == first for k in range(some)) and bool((frame == first).all())

    def despike(self, noise: float) -> None:
        """Remove spikes; ``noise`` is the usual variance of the filtered residual, 0 if it is not known yet."""
        sigma = float(np.sqrt(self._white_gain * (noise + self.variance_floor)))
        n = remove_spikes(self.frame, sigma, SPIKE_LEVEL, self._spike_ratio, self._spikes)
        self.defects.saw(self._spikes[: min(n, self._spikes.size)])
