"""Each kind of recording is read as it stands; each kind of broken one is refused in one line."""

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from lookdown.flight.sources import SourceError, open_recording

FRAMES = np.arange(4 * 24 * 32, dtype=np.uint16).reshape(4, 24, 32)


def write_npy(folder: Path) -> Path:
    np.save(folder / "clip.npy", FRAMES)
    return folder / "clip.npy"


def write_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "clip.h5", "w") as file:
        file.create_dataset("sub/frames", data=FRAMES)
        file.create_dataset("larger_but_not_named_so", data=np.zeros((9, 50, 50)))
    return folder / "clip.h5"


def write_netcdf(folder: Path) -> Path:
    with h5py.File(folder / "goes.nc", "w") as file:
        file.create_dataset("Rad", data=FRAMES[0].astype(np.int16))
        file.create_dataset("DQF", data=np.zeros((99, 99), np.int8))
    return folder / "goes.nc"


def write_fits(folder: Path) -> Path:
    fits = pytest.importorskip("astropy.io.fits")
    fits.writeto(folder / "cube.fits", FRAMES.astype(np.float32))
    return folder / "cube.fits"


def write_images(folder: Path) -> Path:
    (folder / "images").mkdir()
    for k, frame in enumerate(FRAMES):
        cv2.imwrite(str(folder / "images" / f"{k:04d}.png"), frame)
    (folder / "images" / "notes.txt").write_text("not an image")
    return folder / "images"


@pytest.mark.parametrize("write", [write_npy, write_hdf5, write_fits, write_images])
def test_a_stack_comes_back_number_for_number(write: Callable[[Path], Path], tmp_path: Path) -> None:
    recording = open_recording(write(tmp_path), rate_hz=25.0)
    frames = list(recording.frames)
    assert recording.n_frames == len(frames) == 4
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time_ns for frame in frames] == [0, 40_000_000, 80_000_000, 120_000_000]
    np.testing.assert_array_equal([frame.samples for frame in frames], FRAMES)


def test_one_image_and_one_array_are_recordings_of_one_frame(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    np.save(tmp_path / "one.npy", FRAMES[0])
    for path in (images / "0000.png", tmp_path / "one.npy", write_netcdf(tmp_path)):
        (frame,) = open_recording(path).frames
        np.testing.assert_array_equal(frame.samples, FRAMES[0])


def test_a_video_comes_grey_at_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (32, 24))
    for level in (20, 120, 220):
        writer.write(np.full((24, 32, 3), level, np.uint8))
    writer.release()
    recording = open_recording(path)
    frames = list(recording.frames)
    assert recording.rate_hz == pytest.approx(20.0)
    assert [frame.samples.shape for frame in frames] == [(24, 32)] * 3
    np.testing.assert_allclose([frame.samples.mean() for frame in frames], [20, 120, 220], atol=2)


def test_pointing_in_the_file_comes_with_the_frames(tmp_path: Path) -> None:
    fields = [
        ("time_ns", "i8"),
        ("position_m", "f8", 3),
        ("velocity_m_s", "f8", 3),
        ("attitude", "f8", 4),
        ("position_sigma_m", "f8"),
        ("pointing_sigma_rad", "f8"),
        ("ifov_rad", "f8"),
    ]
    states = np.zeros(4, fields)
    states["time_ns"] = [5, 6, 7, 8]
    states["attitude"] = [1.0, 0.0, 0.0, 0.0]
    states["position_m"] = [7e6, 0.0, 0.0]
    states["ifov_rad"] = 1e-4
    with h5py.File(tmp_path / "clip.h5", "w") as file:
        file.create_dataset("frames", data=FRAMES)
        file.create_dataset("sensor_states", data=states)
    frames = list(open_recording(tmp_path / "clip.h5").frames)
    assert [frame.time_ns for frame in frames] == [5, 6, 7, 8]
    assert frames[2].state is not None
    assert frames[2].state.position_m.tolist() == [7e6, 0.0, 0.0]
    assert frames[2].state.ifov_rad == 1e-4


def test_a_dataset_or_its_group_can_be_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file.create_dataset("satellite_1/frames", data=FRAMES)
        file.create_dataset("satellite_2/frames", data=FRAMES[::-1])
    for name in ("satellite_2", "/satellite_2/frames"):
        frames = [frame.samples for frame in open_recording(tmp_path / "two.h5", dataset=name).frames]
        np.testing.assert_array_equal(frames, FRAMES[::-1])
    with pytest.raises(SourceError, match="satellite_1/frames, satellite_2/frames"):
        open_recording(tmp_path / "two.h5", dataset="satellite_3")


def absent(folder: Path) -> Path:
    return folder / "nothing.mp4"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def cut(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def cut_file(folder: Path) -> Path:
        path = write(folder)
        path.write_bytes(path.read_bytes()[:200])
        return path

    return cut_file


def text_as_video(folder: Path) -> Path:
    (folder / "clip.mp4").write_text("this is no video" * 100)
    return folder / "clip.mp4"


def wrong_shape(folder: Path) -> Path:
    np.save(folder / "flat.npy", np.zeros(7))
    return folder / "flat.npy"


def words(folder: Path) -> Path:
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    return folder / "words.npy"


def no_images(folder: Path) -> Path:
    (folder / "none").mkdir()
    return folder / "none"


def no_frames_dataset(folder: Path) -> Path:
    with h5py.File(folder / "other.h5", "w") as file:
        file.create_dataset("spectrum", data=np.zeros(9))
    return folder / "other.h5"


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (absent, "no such file"),
        (empty, "empty file"),
        (cut(write_npy), "whole .npy"),
        (cut(write_hdf5), "whole HDF5"),
        (cut(write_fits), "FITS"),
        (text_as_video, "cannot be opened"),
        (wrong_shape, r"came float64 \[7\]"),
        (words, "wanted numbers"),
        (no_images, "folder with images"),
        (no_frames_dataset, "came none"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(write: Callable[[Path], Path], says: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=says) as refused:
        list(open_recording(write(tmp_path)).frames)
    assert "\n" not in str(refused.value)


def test_a_broken_image_ends_the_recording_after_the_good_ones(tmp_path: Path) -> None:
    images = write_images(tmp_path)
    (images / "0002.png").write_bytes(b"broken")
    frames = open_recording(images).frames
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(SourceError, match=r"0002\.png"):
        next(frames)


@pytest.mark.recordings
def test_recorded_clips_have_the_frames_they_announce(recordings: Path) -> None:
    for path in sorted((recordings / "drone-ir").glob("*.mp4"))[:3]:
        recording = open_recording(path)
        shapes = {frame.samples.shape for frame in recording.frames}
        assert shapes == {(256, 320)}
        assert recording.rate_hz == pytest.approx(30.0, abs=0.1)
