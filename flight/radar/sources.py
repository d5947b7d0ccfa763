"""Recordings of radar intervals: an HDF5 file with the samples and all that is needed to make sense of them.

All may stand in a group, as `lookdown-hil render` writes one for each satellite.

cpi             complex64 [intervals, channels, pulses, samples] or [channels, pulses, samples]
attributes of cpi (or of the file)
    wavelength_m, sample_rate_hz, prf_hz (or a dataset prf_hz [intervals])
    spacing_m (or a dataset channel_m [channels])
    bandwidth_hz and pulse_s of a linear chirp (or a dataset pulse, complex [samples], with bandwidth_hz)
optional
    full_scale; first_range_m, speed_m_s (or datasets [intervals]); time_ns [intervals],
    sensor_states [intervals] as `lookdown-hil render` writes them
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.flight.compression import chirp
from lookdown.flight.radar.config import RadarSensor
from lookdown.flight.radar.plots import RadarFrame
from lookdown.flight.sources import HDF5_SUFFIXES, SourceError
from lookdown.wire.messages import SensorState

DATASET = "cpi"


@dataclass(frozen=True, slots=True, eq=False)
class RadarRecording:
    """A recording of intervals that was opened.

    Attributes
    ----------
    path : Path
        The file.
    sensor : RadarSensor
        The radar.
    shape : tuple of int
        Channels, pulses and samples of an interval.
    n_frames : int
        Intervals.
    frames : iterator of RadarFrame and SensorState or None
        The intervals in order, read as they are asked for.
    """

    path: Path
    sensor: RadarSensor
    shape: tuple[int, int, int]
    n_frames: int
    frames: Iterator[tuple[RadarFrame, SensorState | None]]


def holds_intervals(path: Path) -> bool:
    """Whether a file is one of radar intervals: HDF5 with complex numbers or a dataset named ``cpi``."""
    if path.suffix.lower() not in HDF5_SUFFIXES or not path.is_file():
        return False
    try:
        import h5py
    except ImportError:
        return False  # as below
    try:
        with h5py.File(path, "r") as file:
            found: list[str] = []

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and ((item.dtype.kind == "c" and item.ndim >= 3) or name == DATASET):
                    found.append(name)

            file.visititems(visit)
            return bool(found)
    except (OSError, ValueError):
        return False  # whoever reads it as frames says what is wrong


def open_intervals(path: Path, wanted: str = "") -> RadarRecording:
    """Open a recording of radar intervals: the group ``wanted``, or the first that holds some.

    Raises
    ------
    SourceError
        It holds no intervals, their axes or type are wrong, or the waveform or the radar is not described.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SourceError(f"{path}: wanted a whole HDF5 file, came none ({str(error)[:80]}); fetch it again") from None
    cpi = _choose(path, file, wanted)
    if cpi.dtype != np.complex64 or cpi.ndim not in (3, 4) or 0 in cpi.shape:
        raise SourceError(
            f"{path}: {DATASET}: wanted complex64 [intervals, channels, pulses, samples] or one interval without the "
            f"first, came {cpi.dtype} {list(cpi.shape)}; transpose or convert it"
        )
    file = cpi.parent
    n = cpi.shape[0] if cpi.ndim == 4 else 1
    shape = cpi.shape[-3:]

    def number(name: str, default: float | None = None) -> float:
        value = cpi.attrs.get(name, file.attrs.get(name, default))
        if value is None:
            raise SourceError(f"{path}: wanted the attribute {name} of {DATASET}, came none; write it with the samples")
        try:
            return float(value)
        except (TypeError, ValueError):
            raise SourceError(f"{path}: {name}: wanted a number, came {value!r}") from None

    def each(name: str, default: float | None = None) -> NDArray[np.float64]:
        if name in file:
            values = np.asarray(file[name][...], np.float64).reshape(-1)
            if values.size != n:
                raise SourceError(f"{path}: {name}: wanted a value for each of {n} intervals, came {values.size}")
            return values
        return np.full(n, number(name, default))

    try:
        sensor = _sensor(path, file, shape[0], number)
        prf_hz, speed_m_s = each("prf_hz"), each("speed_m_s", 0.0)
        first_range_m = each("first_range_m", 0.0)
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from None
    if sensor.pulse.size > shape[2]:
        raise SourceError(
            f"{path}: wanted more range samples than the pulse's {sensor.pulse.size}, came {shape[2]}; the axes are "
            "channels, pulses, samples"
        )
    period_ns = 1e9 * shape[1] / prf_hz
    times = np.asarray(file["time_ns"][...], np.int64).reshape(-1) if "time_ns" in file else np.cumsum(period_ns)
    if times.size != n:
        raise SourceError(f"{path}: time_ns: wanted a value for each of {n} intervals, came {times.size}")
    states = file["sensor_states"][...] if "sensor_states" in file and len(file["sensor_states"]) == n else None

    def frames() -> Iterator[tuple[RadarFrame, SensorState | None]]:
        for k in range(n):
            try:
                samples = cpi[k] if cpi.ndim == 4 else cpi[...]
            except OSError as error:
                raise SourceError(
                    f"{path}: interval {k} of {n} cannot be read ({str(error)[:80]}); it is damaged"
                ) from None
            state = None
            if states is not None:
                row = states[k]
                state = SensorState(
                    np.array(row["position_m"], np.float64), np.array(row["velocity_m_s"], np.float64),
                    np.array(row["attitude"], np.float64), float(row["position_sigma_m"]),
                    float(row["pointing_sigma_rad"]), float(row["ifov_rad"]),
                )  # fmt: skip
            yield (
                RadarFrame(k, int(times[k]), samples, float(prf_hz[k]), float(speed_m_s[k]), float(first_range_m[k])),
                state,
            )

    return RadarRecording(path, sensor, shape, n, frames())


def _choose(path: Path, file: Any, wanted: str) -> Any:
    """Return the dataset of the intervals: of the group asked for, or the first."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.rsplit("/", 1)[-1] == DATASET:
            found[name] = item

    file.visititems(visit)
    if not found:
        raise SourceError(
            f"{path}: wanted the intervals in a dataset named {DATASET!r}, came {', '.join(file) or 'none'}"
        )
    if wanted:
        name = wanted.strip("/")
        if name not in found and f"{name}/{DATASET}" not in found:
            raise SourceError(f"{path}: wanted dataset {wanted!r}, came {', '.join(found)}; name one of them")
        return found.get(name, found.get(f"{name}/{DATASET}"))
    return found[min(found, key=lambda name: (name.count("/"), name))]


def _sensor(path: Path, file: Any, channels: int, number: Any) -> RadarSensor:
    """Make the radar of a file."""
    bandwidth_hz, sample_rate_hz = number("bandwidth_hz"), number("sample_rate_hz")
    if "pulse" in file:
        pulse = np.asarray(file["pulse"][...])
        if pulse.dtype.kind != "c":
            raise SourceError(f"{path}: pulse: wanted complex samples, came {pulse.dtype}")
        pulse = pulse.astype(np.complex64)
    else:
        pulse = chirp(bandwidth_hz, number("pulse_s"), sample_rate_hz)
    if "channel_m" in file:
        places = np.asarray(file["channel_m"][...], np.float64)
    else:
        places = number("spacing_m", 0.0 if channels == 1 else None) * np.arange(channels)
    return RadarSensor(
        wavelength_m=number("wavelength_m"),
        channel_m=places,
        pulse=pulse,
        sample_rate_hz=sample_rate_hz,
        bandwidth_hz=bandwidth_hz,
        full_scale=number("full_scale", 0.0),
    )
