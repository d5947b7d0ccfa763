"""The infrared chain of a configured process, with the factory calibration that its files hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain
from lookdown.flight.config import CalibrationFiles, FlightConfig
from lookdown.wire.errors import ConfigError

Image = NDArray[np.float32]


def read_calibration(files: CalibrationFiles, rows: int, cols: int) -> Calibration | None:
    """Read a factory calibration; None if no part of it is configured.

    Raises
    ------
    ConfigError
        If a file is unusable.
    """
    if files.gain is None and files.offset is None and files.bad_pixels is None:
        return None

    def read(path: Any, fill: float) -> Image:
        if path is None:
            return np.full((rows, cols), fill, np.float32)
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: wanted a whole .npy file, came none ({error}); save it again") from None
        if array.shape != (rows, cols) or not np.isfinite(array).all():
            raise ConfigError(f"{path}: wanted finite {rows} x {cols}, came {array.shape}; calibrate this sensor")
        return np.ascontiguousarray(array, np.float32)

    bad = np.flatnonzero(read(files.bad_pixels, 0.0)).astype(np.int32)
    return Calibration(read(files.gain, 1.0), read(files.offset, 0.0), bad)


def make_chain(config: FlightConfig, rows: int, cols: int) -> Chain:
    """Make the chain of a configured process.

    Parameters
    ----------
    config : FlightConfig
        The process.
    rows, cols : int
        Size of the frames that came [px].

    Raises
    ------
    ConfigError
        If the configuration wants frames of another size, or a calibration file is unusable.
    """
    for name, came in (("rows", rows), ("cols", cols)):
        if getattr(config, name) not in (0, came):
            raise ConfigError(f"{name}: the configuration wants {getattr(config, name)}, the frames have {came}")
    saturation = config.saturation_dn if config.bit_depth < 16 else 65535
    calibration = read_calibration(config.calibration, rows, cols)
    return Chain(config.chain, rows, cols, saturation, calibration, config.calibration.distortion)
