"""The archive of rendered frames: whole, readable by h5py alone, resumed after an interruption."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from lookdown.hil import archive
from lookdown.hil.archive import render

DEFAULT = Path(__file__).resolve().parents[2] / "scenarios" / "default.toml"


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    text = DEFAULT.read_text(encoding="utf-8").replace("duration_s = 60.0", "duration_s = 0.5")
    text = text.replace("rows = 512", "rows = 96").replace("cols = 640", "cols = 128")
    text = text.replace("extent_m = 160e3", "extent_m = 40e3").replace(
        "lat_deg = 42.88, lon_deg = -9.63", "lat_deg = 43.0, lon_deg = -9.5"
    )
    path = tmp_path / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_render_writes_a_whole_file_that_h5py_reads(small_file: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "frames.h5", []
    render(small_file, out, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".toml"] == ["frames.h5"]
    with h5py.File(out) as file:
        assert file.attrs["scenario"] == small_file.read_text(encoding="utf-8")
        assert file.attrs["seed"] == 20260621
        group = file["satellite_3"]
        assert group["frames"].shape == (5, 96, 128)
        assert group["frames"].chunks == (1, 96, 128)
        assert group["truth"].shape == (5, len(file.attrs["movers"]))
        assert group["sensor_states"]["time_ns"][1] - group["sensor_states"]["time_ns"][0] == 10**8
        first = group["frames"][...]
    render(small_file, out)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["satellite_3/frames"][...], first)


def test_a_full_disk_leaves_nothing_and_says_so(
    small_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"frames\.h5: the disk is full; wanted about 0 MB; free some"):
        render(small_file, tmp_path / "frames.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_a_scenario_without_movers_renders(small_file: Path, tmp_path: Path) -> None:
    text = small_file.read_text(encoding="utf-8")
    head, tail = text.split("[[mover]]", 1)
    empty = tmp_path / "empty.toml"
    empty.write_text(head + tail[tail.index("[flight.chain]") :], encoding="utf-8")
    render(empty, tmp_path / "empty.h5")
    with h5py.File(tmp_path / "empty.h5") as file:
        assert file["satellite_1/truth"].shape == (5, 0)


def test_a_folder_that_is_not_there_is_named(small_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be written, no folder .*nowhere; make it first"):
        render(small_file, tmp_path / "nowhere" / "frames.h5")
