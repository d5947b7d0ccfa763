"""The frames of a run: rendered once into one file, then given frame by frame, as often as it takes.

A run does not render while it measures. The file stays with the run, so that a later build can be given the same
frames (`lookdown-hil replay`).
"""

import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np
from numpy.typing import NDArray

from lookdown.hil.archive import render
from lookdown.hil.plan import Scenario
from lookdown.wire.errors import ConfigError
from lookdown.wire.messages import Frame, SensorState

_SPARE_SHARE = 1.05
_KEPT = 4  # frames at hand; a frame that gave way to the next is asked for again


def have_frames(
    scenario: Scenario, path: Path, file: Path, progress: Callable[[int, int], None], kept: Path | None = None
) -> None:
    """Have the frames of a scenario in a file; what an interrupted run rendered is gone on with.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    path : Path
        Its file.
    file : Path
        Where the frames shall be.
    progress : callable
        Called with (frames done, frames in all).
    kept : Path or None
        A file of frames to take instead of rendering (``lookdown-hil render``).

    Raises
    ------
    ConfigError
        The disk has no room for them, or ``kept`` is of another scenario.
    """
    if kept is not None:
        with Frames(kept) as frames:
            frames.check(scenario, path)
        if kept.resolve() != file.resolve():
            file.unlink(missing_ok=True)
            file.symlink_to(kept.resolve())
        return
    if file.exists():
        try:
            with Frames(file) as frames:
                frames.check(scenario, path)
            return
        except ConfigError:
            file.unlink()
    sensor = scenario.sensor
    wanted = round(2 * scenario.n_frames * len(scenario.satellite) * sensor.rows * sensor.cols * _SPARE_SHARE)
    begun = file.with_name(f".{file.name}.part")
    free = shutil.disk_usage(file.parent).free + (begun.stat().st_size if begun.exists() else 0)
    if wanted > free:
        raise ConfigError(
            f"{file.parent}: the frames of {path} take {wanted / 1e6:.0f} MB, the disk has {free / 1e6:.0f} MB free; "
            "free some, choose another --out, or shorten duration_s"
        )
    render(path, file, progress)


class Frames:
    """A file of frames, open.

    Parameters
    ----------
    path : Path
        File that ``lookdown-hil render`` or a run left.

    Raises
    ------
    ConfigError
        It is none, or not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise ConfigError(f"{path}: wanted a file of frames, came none ({error}); render it again") from None
        self._at_hand: OrderedDict[tuple[int, int], Frame | None] = OrderedDict()

    def check(self, scenario: Scenario, path: Path) -> None:
        """Raise ConfigError unless the frames are those of a scenario."""
        text = path.read_text(encoding="utf-8")
        if self._file.attrs.get("scenario") != text or self._file.attrs.get("seed") != scenario.seed:
            raise ConfigError(f"{self.path}: holds the frames of another scenario than {path}; render them again")

    def known_bad(self, sensor_id: int) -> NDArray[np.bool_]:
        """Return the factory's map of bad pixels of a satellite."""
        found: NDArray[np.bool_] = self._group(sensor_id)["known_bad"][...]
        return found

    def frame(self, sensor_id: int, number: int, exposure_s: float) -> Frame | None:
        """Return a frame; None where the sensor drops it."""
        key = (sensor_id, number)
        if key not in self._at_hand:
            self._at_hand[key] = self._read(sensor_id, number, exposure_s)
            while len(self._at_hand) > _KEPT * len(self._file):
                self._at_hand.popitem(last=False)
        return self._at_hand[key]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _group(self, sensor_id: int) -> h5py.Group:
        try:
            return self._file[f"satellite_{sensor_id}"]
        except KeyError:
            raise ConfigError(f"{self.path}: holds no frames of satellite {sensor_id}; render them again") from None

    def _read(self, sensor_id: int, number: int, exposure_s: float) -> Frame | None:
        group = self._group(sensor_id)
        if group["valid"][number] != 1:
            return None
        row = group["sensor_states"][number]
        state = SensorState(
            position_m=np.array(row["position_m"], np.float64),
            velocity_m_s=np.array(row["velocity_m_s"], np.float64),
            attitude=np.array(row["attitude"], np.float64),
            position_sigma_m=float(row["position_sigma_m"]),
            pointing_sigma_rad=float(row["pointing_sigma_rad"]),
            ifov_rad=float(row["ifov_rad"]),
        )
        return Frame(sensor_id, number, int(row["time_ns"]), exposure_s, group["frames"][number], state)
