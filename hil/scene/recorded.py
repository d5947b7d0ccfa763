"""Recorded ground: radiance from a satellite's file, resampled to the scene, with random detail below its pixels."""

from typing import Any

import cv2
import h5py
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lookdown.hil.scene.config import TextureConfig
from lookdown.hil.scene.fields import Image, random_field
from lookdown.hil.scene.planck import Band

_EDGE = 4  # pixels around the part in use, for the cubic resampling
_DETAIL_SLOPE = 2.0


def recorded_ground(config: TextureConfig, band_um: Band, size: int, texel_m: float, seed: int) -> Image:
    """Radiance of recorded ground on the scene's grid.

    Cubic between the recorded pixels. Below twice their size a random field of slope 2 takes over, with the power that
    the recording has at its own finest scale, place by place: busy ground gets busy detail, calm sea stays calm.

    Parameters
    ----------
    config : TextureConfig
        File and part of it.
    band_um : tuple of float
        Band of the sensor [um].
    size : int
        Rows and columns of the scene.
    texel_m : float
        Step of the scene's grid [m].
    seed : int
        Seed of the detail.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Radiance in the band [W m-2 sr-1].

    Raises
    ------
    ValueError
        One line: the file is none of NetCDF-4 or HDF5, lacks the variable, or its part is too small or not filled.
    """
    step = texel_m / config.pixel_m
    coarse = read_part(config, band_um, size * texel_m)
    place = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(step) + np.float32(_EDGE - 0.5)
    col, row = np.meshgrid(place, place)
    values = cv2.remap(coarse, col, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    if step < 1.0:
        values = values + _detail(coarse, row, col, size, texel_m, config.pixel_m, seed)
    values = np.maximum(values, 0.0)
    if config.radiance_w_m2_sr is not None:
        mean = float(values.mean(dtype=np.float64))
        if not mean > 0.0:
            raise ValueError(f"{config.file}: {config.variable} wanted with a mean above 0 to scale it, got {mean:g}")
        values = values * (config.radiance_w_m2_sr / mean)
    return np.asarray(values, np.float32)


def _detail(
    coarse: NDArray[Any], row: Image, col: Image, size: int, texel_m: float, pixel_m: float, seed: int
) -> NDArray[Any]:
    """Random field of what the recorded pixels are too coarse for, as strong as the recording's finest differences."""
    field = random_field(size, texel_m, _DETAIL_SLOPE, 1e7, (seed, 0x5C, 9))
    spectrum = scipy.fft.rfft2(field)
    down, across = scipy.fft.fftfreq(size, texel_m)[:, None], scipy.fft.rfftfreq(size, texel_m)[None, :]
    nyquist = 0.5 / pixel_m
    low = np.exp(-((np.hypot(down, across) / nyquist) ** 2)).astype(np.float32)
    # The field's own power between a half and one Nyquist frequency sets the scale: the recording's there is measured.
    octave = (np.hypot(down, across) > 0.5 * nyquist) & (np.hypot(down, across) < nyquist)
    weight = np.where((np.arange(size // 2 + 1) > 0)[None, :], 2.0, 1.0)
    own = np.sqrt(np.sum(weight * octave * np.abs(spectrum) ** 2)) / field.size
    fine = np.asarray(scipy.fft.irfft2(spectrum * (1.0 - low), s=field.shape), np.float32)
    # Octave up to Nyquist of the recording: what a mean over 2 x 2 pixels takes away.
    local = coarse - cv2.blur(coarse, (2, 2))
    strength = np.sqrt(cv2.GaussianBlur(local * local, (0, 0), 2.0))
    return fine * cv2.remap(strength, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101) / np.float32(own)


def read_part(config: TextureConfig, band_um: Band, extent_m: float) -> Image:
    """Read the part that a scene of a side of ``extent_m`` needs, as radiance in the band; raises as above."""
    path, name = config.file, config.variable
    wanted = int(np.ceil(extent_m / config.pixel_m)) + 2 * _EDGE
    try:
        with h5py.File(path) as file:
            data = file.get(name)
            if not isinstance(data, h5py.Dataset) or data.ndim != 2 or data.dtype.kind not in "iuf":
                found = [key for key, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim == 2]
                raise ValueError(
                    f"{path}: wanted a two-dimensional variable of numbers {name!r}, the file has "
                    f"{', '.join(found) or 'none'}; set texture.variable"
                )
            rows, cols = data.shape
            if config.first_row + wanted > rows or config.first_col + wanted > cols:
                raise ValueError(
                    f"{path}: {name} holds {rows} x {cols} pixels, wanted {wanted} x {wanted} from row "
                    f"{config.first_row}, column {config.first_col}; shrink scene.extent_m or move the part"
                )
            part = data[config.first_row : config.first_row + wanted, config.first_col : config.first_col + wanted]
            attributes = {key: data.attrs[key] for key in data.attrs}
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read as NetCDF-4 or HDF5 ({error}); give a recorded texture of that kind"
        ) from None
    if attributes.get("_Unsigned") in (b"true", np.bytes_(b"true"), "true") and part.dtype.kind == "i":
        part = part.view(part.dtype.str.replace("i", "u"))
    bad = ~np.isfinite(part.astype(np.float64))
    for key in ("_FillValue", "missing_value"):
        if key in attributes:
            bad |= part == np.asarray(attributes[key]).astype(part.dtype)
    if bad.mean() > 0.01:
        raise ValueError(
            f"{path}: {100.0 * bad.mean():.0f} % of the part of {name} are fill values, wanted at most 1 %; "
            "choose another part by texture.first_row and first_col"
        )
    scale, offset = (float(np.ravel(attributes.get(key, value))[0]) for key, value in _PACKING)
    values = part.astype(np.float32) * np.float32(scale) + np.float32(offset)
    values[bad] = np.median(values[~bad])
    return np.asarray(values * np.float32(_band_width(attributes.get("units"), band_um)), np.float32)


_PACKING = (("scale_factor", 1.0), ("add_offset", 0.0))


def _band_width(units: Any, band_um: Band) -> float:
    """Factor from the file's unit of spectral radiance to radiance in the band; unknown units are taken as they are."""
    text = units.decode() if isinstance(units, bytes) else str(units)
    if "um-1" in text:
        return band_um[1] - band_um[0]
    if "(cm-1)-1" in text:
        return 1e-3 * (1e4 / band_um[0] - 1e4 / band_um[1])
    return 1.0
