"""Recorded ground: radiance as recorded, detail below its pixels, and each fault in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lookdown.hil.plan import Scenario
from lookdown.hil.render import Renderer
from lookdown.hil.scenario import load_scenario
from lookdown.hil.scene.config import TextureConfig
from lookdown.hil.scene.fields import random_field
from lookdown.hil.scene.recorded import recorded_ground
from lookdown.wire.errors import ConfigError

BAND = (3.8, 4.1)
DEFAULT = Path(__file__).resolve().parents[3] / "scenarios" / "default.toml"


def write(path: Path, values: np.ndarray, **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("Rad", data=values)
        for name, value in attributes.items():
            data.attrs[name] = value
    return path


def test_scale_offset_fill_and_unit_are_heeded(tmp_path: Path) -> None:
    values = np.full((40, 40), 1000, np.int16)
    values[20, 20] = -1
    path = write(
        tmp_path / "a.nc", values, scale_factor=np.float32(0.001), add_offset=np.float32(-0.5),
        units=b"W m-2 sr-1 um-1", _FillValue=np.int16(-1), _Unsigned=b"true",
    )  # fmt: skip
    ground = recorded_ground(TextureConfig(path), BAND, 200, 200.0, 1)
    np.testing.assert_allclose(ground, 0.5 * 0.3, rtol=1e-4)


def test_wave_number_units_are_converted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", np.full((40, 40), 1.0, np.float32), units="mW m-2 sr-1 (cm-1)-1")
    # 3.8 to 4.1 um are 2631.6 to 2439.0 cm-1: 192.6 mW are 0.1926 W.
    np.testing.assert_allclose(recorded_ground(TextureConfig(path), BAND, 100, 200.0, 1), 0.19255, rtol=1e-3)


def test_resampling_keeps_what_was_recorded_and_goes_on_with_its_spectrum(tmp_path: Path) -> None:
    """Pixels of a fine field, averaged, are the recording; the scene made of them has the field's own spectrum."""
    fine = 1.0 + 0.1 * random_field(2048, 250.0, 2.0, 1e7, (5,)).astype(np.float64)
    recorded = fine.reshape(256, 8, 256, 8).mean(axis=(1, 3)).astype(np.float32)
    path = write(tmp_path / "a.nc", recorded)
    config = TextureConfig(path, first_row=60, first_col=70, radiance_w_m2_sr=None)
    ground = recorded_ground(config, BAND, 1024, 250.0, 3).astype(np.float64)
    there = recorded[64 : 64 + 128, 74 : 74 + 128]
    coarse = ground.reshape(128, 8, 128, 8).mean(axis=(1, 3))
    assert np.corrcoef(coarse.ravel(), there.ravel())[0, 1] > 0.98
    assert ground.mean() == pytest.approx(there.mean(), rel=1e-3)
    power = np.mean(np.abs(np.fft.rfft((ground - ground.mean()) * np.hanning(1024), axis=1)) ** 2, axis=0)
    truth = fine[512:1536, 512:1536]
    own = np.mean(np.abs(np.fft.rfft((truth - truth.mean()) * np.hanning(1024), axis=1)) ** 2, axis=0)
    for first, last in ((8, 32), (32, 64), (64, 128), (128, 256)):  # cycles in 256 km; the recording ends at 64
        ratio = power[first:last].mean() / own[first:last].mean()
        assert 0.4 < ratio < 2.5, (first, last, ratio)


@pytest.mark.recordings
@pytest.mark.parametrize("channel", ["C07", "C13"])
def test_recorded_earth_lies_below_a_sensor(
    channel: str, recordings: Path, small_plan: Callable[..., Scenario]
) -> None:
    path = next((recordings / "goes17").glob(f"*{channel}*.nc"))
    texture = {"file": str(path), "first_row": 200, "first_col": 200, "radiance_w_m2_sr": 0.12}
    scenario = small_plan(scene={"texture": texture, "cloud": {"cover": 0.0}, "clear": []})
    renderer = Renderer(scenario, 0)
    ground = renderer.scene.ground.values
    assert ground.mean() == pytest.approx(0.12, rel=1e-3)
    image = renderer.electrons(3, with_movers=False) / scenario.sensor.electrons_per_radiance()
    assert 0.9 * ground.min() < image.min() < image.max() < 1.1 * ground.max()
    assert 0.001 < image.std() / image.mean() < 0.5


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("text", "cannot be read as NetCDF-4 or HDF5"),
        ("absent", "cannot be read as NetCDF-4 or HDF5"),
        ("cube", "wanted a two-dimensional variable of numbers 'Rad', the file has Other"),
        ("letters", "wanted a two-dimensional variable of numbers 'Rad'"),
        ("small", "holds 30 x 30 pixels, wanted 88 x 88 from row 0, column 0"),
        ("empty", "are fill values, wanted at most 1 %"),
    ],
)
def test_a_texture_of_the_wrong_type_is_one_line_before_anything_is_drawn(
    fault: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "ground.nc"
    if fault == "text":
        path.write_text("row,col,radiance\n")
    elif fault == "cube":
        with h5py.File(path, "w") as file:
            file["Rad"], file["Other"] = np.zeros((3, 40, 40)), np.zeros((40, 40))
    elif fault == "letters":
        write(path, np.full((100, 100), b"x"))
    elif fault == "small":
        write(path, np.ones((30, 30)))
    elif fault == "empty":
        write(path, np.full((100, 100), np.nan))
    text = DEFAULT.read_text(encoding="utf-8").replace("[scene]\n", '[scene]\ntexture = { file = "ground.nc" }\n')
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as refused:
        load_scenario(scenario)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
