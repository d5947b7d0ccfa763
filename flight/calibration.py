"""Raw samples of any type to a calibrated frame; `lookdown.flight.factory` reads the calibration from its files."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.bands import Bands
from lookdown.kernels.calibrate import calibrate, convert

Image = NDArray[np.float32]

FLOAT_QUANTUM = 1e-4
"""Step taken for samples that are not integers, as a part of the first frame's standard deviation."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Factory calibration of a focal plane.

    Attributes
    ----------
    gain, offset : ndarray of float32, shape (rows, cols)
        Calibrated = (sample - offset) * gain; finite.
    bad_pixels : ndarray of int32, shape (n,)
        Flat indices of the pixels to replace, increasing.
    """

    gain: Image
    offset: Image
    bad_pixels: NDArray[np.int32]

    def require(self, rows: int, cols: int) -> None:
        """Raise ValueError unless this is a calibration of frames of that size."""
        for name in ("gain", "offset"):
            array = getattr(self, name)
            if array.shape != (rows, cols):
                raise ValueError(f"{name}: wanted shape {(rows, cols)}, got {array.shape}; calibrate this sensor")
            if array.dtype != np.float32 or not array.flags.c_contiguous:
                raise ValueError(
                    f"{name}: wanted C-contiguous float32, got {array.dtype} of strides {array.strides}; "
                    "use numpy.ascontiguousarray(..., 'float32')"
                )
            if not np.isfinite(array).all():
                raise ValueError(f"{name}: wanted finite numbers, got NaN or infinity; put such pixels on the bad list")
        bad = self.bad_pixels
        if bad.dtype != np.int32 or bad.ndim != 1:
            raise ValueError(f"bad_pixels: wanted int32 [n], got {bad.dtype} {bad.shape}; use numpy.flatnonzero(mask)")
        if bad.size and (bad.min() < 0 or bad.max() >= rows * cols or (np.diff(bad) <= 0).any()):
            raise ValueError(
                f"bad_pixels: wanted increasing flat indices from 0 to {rows * cols - 1}, got {bad.min()} to "
                f"{bad.max()}, {np.count_nonzero(np.diff(bad) <= 0)} not above the one before; use numpy.unique"
            )


class Intake:
    """Turns samples into calibrated frames.

    Parameters
    ----------
    rows, cols : int
        Size of the frames [px].
    calibration : Calibration, optional
        Factory calibration.
    bands : Bands
        Threads that share the frame.

    Attributes
    ----------
    raw : ndarray of uint16, shape (rows, cols), or None
        Samples of the last frame as kernels read them, if they came as uint16 [DN].
    quantum : float
        Step from one sample to the next in calibrated units; 0 before the first frame.

    Raises
    ------
    ValueError
        If the calibration has another shape or type, is not finite or names pixels that are not there.
    """

    def __init__(self, rows: int, cols: int, calibration: Calibration | None, bands: Bands) -> None:
        self._shape = rows, cols
        self._bands, self._parts = bands, bands.split(rows)
        self._calibration = calibration
        if calibration is not None:
            calibration.require(rows, cols)
        self._copy = np.zeros((0, 0), np.uint16)
        self._finite = np.zeros((0, 0), bool)
        self.raw: NDArray[np.uint16] | None = None
        self.quantum = 0.0

    def take(self, samples: NDArray[Any], frame: Image) -> None:
        """Calibrate one frame; bad pixels are not replaced.

        Parameters
        ----------
        samples : ndarray of uint16, or of any other integer or float type, shape (rows, cols)
            Raw samples. Anything but uint16 is taken number for number as float32.
        frame : ndarray of float32, shape (rows, cols)
            Written.

        Raises
        ------
        ValueError
            If the samples are no array of numbers, have another shape, or one is not finite.
        """
        if not isinstance(samples, np.ndarray) or samples.dtype.kind not in "uif":
            raise ValueError(f"samples: wanted an array of numbers, got {getattr(samples, 'dtype', type(samples))}")
        if samples.shape != self._shape:
            raise ValueError(
                f"samples: wanted shape {self._shape}, got {samples.shape}; start a new chain for that size"
            )
        factory = self._calibration
        if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:
            self.raw = raw = self._as_kernels_read(samples)

            def take_band(_: int, first: int, last: int) -> None:
                if factory is None:
                    convert(raw[first:last], frame[first:last])
                else:
                    calibrate(raw[first:last], factory.gain[first:last], factory.offset[first:last], frame[first:last])

            self._bands.run(take_band, self._parts)
        else:
            self.raw = None
            with np.errstate(over="ignore"):
                frame[...] = samples
            if samples.dtype.kind == "f":
                self._require_finite(frame)
            if factory is not None:
                frame -= factory.offset
                frame *= factory.gain
        if not self.quantum:
            step = 1.0 if samples.dtype.kind in "ui" else FLOAT_QUANTUM * float(frame.std())
            gain = 1.0 if factory is None else float(np.abs(np.median(factory.gain)))
            self.quantum = max(step * gain, 1e-12)

    def _as_kernels_read(self, samples: NDArray[Any]) -> NDArray[np.uint16]:
        """Return samples in the machine's byte order, aligned and without gaps; copied if they are not."""
        if samples.flags.c_contiguous and samples.flags.aligned and samples.dtype.isnative:
            return samples
        if not self._copy.size:
            self._copy = np.zeros(self._shape, np.uint16)
        self._copy[...] = samples
        return self._copy

    def _require_finite(self, frame: Image) -> None:
        if not self._finite.size:
            self._finite = np.zeros(self._shape, bool)
        if not np.isfinite(frame, out=self._finite).all():
            raise ValueError("samples: wanted finite numbers, got NaN or infinity; leave the frame out")
