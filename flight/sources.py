"""Recordings of frames: video, arrays, HDF5 and NetCDF, images, FITS, each as an iterator of frames with times.

A source yields what the file holds, number for number; the process converts (`lookdown.flight.samples`). A file that
cannot be read at all raises `SourceError` before the first frame; one that breaks off in the middle ends with
`SourceError` after its last good frame, so that what came before is not lost.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookdown.wire.messages import SensorState

DEFAULT_RATE_HZ = 10.0
"""Frame rate taken for a recording that names none [Hz]."""

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".pgm")
HDF5_SUFFIXES = (".h5", ".hdf5", ".he5", ".nc", ".nc4")
FITS_SUFFIXES = (".fits", ".fit", ".fts")


class SourceError(Exception):
    """A recording that cannot be read; the message tells what was wanted, what came and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """One frame of a recording.

    Attributes
    ----------
    index : int
        Number of the frame, from 0.
    time_ns : int
        Its time: as recorded, else ``index`` over the frame rate [ns].
    samples : ndarray, shape (rows, cols)
        What the recording holds, in its own type.
    state : SensorState or None
        Pointing, where the recording has it.
    """

    index: int
    time_ns: int
    samples: NDArray[Any]
    state: SensorState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A recording that was opened.

    Attributes
    ----------
    path : Path
        File or folder.
    frames : iterator of RecordedFrame
        Its frames in order; read as they are asked for.
    n_frames : int or None
        How many it announces; None if it does not tell.
    rate_hz : float
        Its frame rate [Hz].
    """

    path: Path
    frames: Iterator[RecordedFrame]
    n_frames: int | None
    rate_hz: float


def open_recording(path: Path, rate_hz: float | None = None, dataset: str = "") -> Recording:
    """Open a recording by what it is: a folder of images, or a file by its suffix; any other file as a video.

    Parameters
    ----------
    path : Path
        Video, ``.npy`` [frames, rows, cols] or [rows, cols], HDF5 or NetCDF, image, folder of images, FITS cube.
    rate_hz : float, optional
        Frame rate [Hz]; default: the recording's own, else `DEFAULT_RATE_HZ`.
    dataset : str, optional
        Dataset of an HDF5 or NetCDF file, or the group that holds ``frames``; default: the one named ``frames`` or
        ``Rad``, else the largest of most dimensions.

    Raises
    ------
    SourceError
        It does not exist, cannot be read, holds no frames, or needs a library that is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder; check the path")
    suffix = path.suffix.lower()
    if path.is_dir():
        return _folder(path, rate_hz)
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: wanted a recording, came an empty file; record it again")
    if suffix == ".npy":
        return _stack(path, _read_npy(path), rate_hz)
    if suffix in HDF5_SUFFIXES:
        return _hdf5(path, rate_hz, dataset)
    if suffix in FITS_SUFFIXES:
        return _stack(path, _read_fits(path), rate_hz)
    if suffix in IMAGE_SUFFIXES:
        return _images(path, [path], rate_hz)
    return _video(path, rate_hz)


def _brief(error: Exception) -> str:
    """Return what a library said on one short line."""
    return " ".join(str(error).split())[:100]


def _times(rate_hz: float) -> Callable[[int], int]:
    return lambda index: round(index * 1e9 / rate_hz)


def _stack(path: Path, array: Any, rate_hz: float | None) -> Recording:
    """Wrap an array-like [frames, rows, cols] or [rows, cols] that is read frame by frame."""
    shape = tuple(array.shape)
    if len(shape) not in (2, 3) or 0 in shape or array.dtype.kind not in "uif":
        raise SourceError(
            f"{path}: wanted numbers [frames, rows, cols] or [rows, cols], came {array.dtype} {list(shape)}; "
            "save it in that shape"
        )
    n_frames = shape[0] if len(shape) == 3 else 1
    rate = rate_hz or DEFAULT_RATE_HZ
    time_ns = _times(rate)

    def frames() -> Iterator[RecordedFrame]:
        for index in range(n_frames):
            try:
                samples = np.asarray(array[index] if len(shape) == 3 else array[...])
            except OSError as error:
                raise SourceError(
                    f"{path}: frame {index} of {n_frames} cannot be read ({_brief(error)}); it is damaged"
                ) from None
            yield RecordedFrame(index, time_ns(index), samples)

    return Recording(path, frames(), n_frames, rate)


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SourceError(
            f"{path}: wanted a whole .npy array of numbers, came none ({_brief(error)}); save it again"
        ) from None
    return array


def _read_fits(path: Path) -> NDArray[Any]:
    try:
        from astropy.io import fits
    except ImportError:
        raise SourceError(f"{path}: FITS needs astropy; pip install 'lookdown[fits]'") from None
    try:
        # astropy warns of a damaged file and reads on; here a warning is a damaged file.
        with warnings.catch_warnings(action="error"), path.open("rb") as file, fits.open(file, memmap=False) as units:
            for unit in units:
                if unit.data is not None and unit.data.ndim in (2, 3):
                    array: NDArray[Any] = unit.data
                    # FITS is big-endian; kernels want the machine's order.
                    return array.astype(array.dtype.newbyteorder("="))
    except (OSError, ValueError, TypeError, Warning) as error:
        raise SourceError(f"{path}: wanted a whole FITS file, came none ({_brief(error)}); fetch it again") from None
    raise SourceError(f"{path}: wanted an image or cube in a FITS unit, came none; choose another file")


def _hdf5(path: Path, rate_hz: float | None, wanted: str) -> Recording:
    try:
        import h5py
    except ImportError:
        raise SourceError(f"{path}: HDF5 and NetCDF need h5py; pip install 'lookdown[hil]'") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SourceError(
            f"{path}: wanted a whole HDF5 or NetCDF-4 file, came none ({_brief(error)}); fetch it again"
        ) from None
    dataset = _choose(path, file, wanted)
    rate = rate_hz or float(file.attrs.get("frame_rate_hz", DEFAULT_RATE_HZ))
    recording = _stack(path, dataset, rate)
    states = dataset.parent.get("sensor_states")
    if states is None or len(states) != recording.n_frames:
        return recording
    table = states[...]
    return Recording(path, _with_states(recording.frames, table), recording.n_frames, rate)


def _choose(path: Path, file: Any, wanted: str) -> Any:
    """Return the dataset of an open HDF5 file that holds the frames."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.dtype.kind in "uif" and item.size:
            found[name] = item

    file.visititems(visit)
    if wanted:
        name = wanted.strip("/")
        dataset = found.get(name, found.get(f"{name}/frames"))
        if dataset is None:
            raise SourceError(f"{path}: wanted dataset {wanted!r}, came {', '.join(found) or 'none'}; name one of them")
        return dataset
    if not found:
        raise SourceError(f"{path}: wanted a dataset of numbers [frames, rows, cols] or [rows, cols], came none")
    named = {name: item for name, item in found.items() if name.rsplit("/", 1)[-1] in ("frames", "Rad")} or found
    return max(named.values(), key=lambda item: (item.ndim, item.size))


def _with_states(frames: Iterator[RecordedFrame], table: NDArray[Any]) -> Iterator[RecordedFrame]:
    """Give each frame the time and the pointing of its row."""
    for frame, row in zip(frames, table, strict=True):
        state = SensorState(
            position_m=np.array(row["position_m"], np.float64),
            velocity_m_s=np.array(row["velocity_m_s"], np.float64),
            attitude=np.array(row["attitude"], np.float64),
            position_sigma_m=float(row["position_sigma_m"]),
            pointing_sigma_rad=float(row["pointing_sigma_rad"]),
            ifov_rad=float(row["ifov_rad"]),
        )
        yield RecordedFrame(frame.index, int(row["time_ns"]), frame.samples, state)


def _folder(path: Path, rate_hz: float | None) -> Recording:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise SourceError(f"{path}: wanted a folder with images ({', '.join(IMAGE_SUFFIXES)}), came one without")
    return _images(path, files, rate_hz)


def _images(path: Path, files: list[Path], rate_hz: float | None) -> Recording:
    import cv2

    rate = rate_hz or DEFAULT_RATE_HZ
    time_ns = _times(rate)

    def frames() -> Iterator[RecordedFrame]:
        for index, file in enumerate(files):
            octets = np.frombuffer(file.read_bytes(), np.uint8)
            image = cv2.imdecode(octets, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE) if octets.size else None
            if image is None:
                raise SourceError(
                    f"{file}: wanted an image, came something that cannot be decoded; remove or replace it"
                )
            yield RecordedFrame(index, time_ns(index), image)

    return Recording(path, frames(), len(files), rate)


def _video(path: Path, rate_hz: float | None) -> Recording:
    # FFmpeg would print its own lines about a broken file; ours names the file and the cure.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise SourceError(
            f"{path}: wanted a video, .npy, HDF5, NetCDF, FITS, image or folder of images, came something that "
            "cannot be opened as one; check that the file is whole"
        )
    announced = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = rate_hz or float(video.get(cv2.CAP_PROP_FPS)) or DEFAULT_RATE_HZ
    time_ns = _times(rate)

    def frames() -> Iterator[RecordedFrame]:
        index = 0
        while True:
            good, image = video.read()
            if not good:
                break
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
            yield RecordedFrame(index, time_ns(index), grey)
            index += 1
        video.release()
        if index == 0:
            raise SourceError(f"{path}: wanted frames, came a video without any that can be decoded; fetch it again")
        if index < announced:
            raise SourceError(
                f"{path}: wanted {announced} frames, came {index}; the file breaks off, the rest is missing"
            )

    return Recording(path, frames(), announced if announced > 0 else None, rate)
