"""The sampler of backgrounds against the textures' own reading in double precision, in frames of any size."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lookdown.hil.sampling import N_FIELDS, TILE_COLS, TILE_ROWS, sample
from lookdown.hil.scene.fields import Texture

SIZE = 640
SCALES = {"ground": 3.0, "haze": 0.7, "path": 0.2, "cloud": 1.5, "glint": 0.4}
CLEAR_FROM = 300  # column of texels; the cloud ends before it, so tiles without cloud lie beside tiles with cloud


def smooth(seed: int) -> NDArray[np.float64]:
    """Waves of 20 texels and more, from 0 to 1.2: a cloud of this kind is opaque at places."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    waves = sum(
        np.sin(2.0 * np.pi * (u * y + v * x) + phase)
        for u, v, phase in zip(*rng.uniform(-0.035, 0.035, (2, 6)), rng.uniform(0.0, 6.0, 6), strict=True)
    )
    return 0.6 * (1.0 + np.asarray(waves) / 6.0)


GROUND, SEA = Texture.of(smooth(1)), Texture.of(smooth(2))
CLOUD = Texture.of(np.where(np.arange(SIZE) < CLEAR_FROM, smooth(3), 0.0))


def fields(row: Any, col: Any, first: tuple[float, float], level: float) -> list[Any]:
    """All fields of the sampler at pixels; each is linear there."""
    ground_row, ground_col = first[0] + 1.1 * row + 0.3 * col, first[1] - 0.4 * row + 0.9 * col
    still = np.zeros(np.shape(ground_row))
    return [
        ground_row, ground_col, SCALES["ground"] + 1e-3 * row, SCALES["haze"] + 2e-3 * col, SCALES["path"] - 1e-3 * row,
        ground_row + 5.3, ground_col - 7.9, SCALES["cloud"] - 1e-3 * col, SCALES["glint"] + 1e-3 * row, still + level,
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(TILE_ROWS, TILE_COLS), (37, 275), (5, 7), (64, 530)], ids=str)
@pytest.mark.parametrize(
    ("first", "level"), [((20.0, 60.0), -0.5), ((-30.0, -90.0), 0.0), ((20.0, 60.0), 1.3)], ids=str
)
@pytest.mark.parametrize("whole", [False, True], ids=["ground", "ground, sea and cloud"])
def test_every_pixel_is_what_the_textures_say(
    shape: tuple[int, int], first: tuple[float, float], level: float, whole: bool
) -> None:
    tiles = [-(-size // side) for size, side in zip(shape, (TILE_ROWS, TILE_COLS), strict=True)]
    corners = np.zeros((tiles[0] + 1, tiles[1] + 1, N_FIELDS), np.float32)
    at_corners = np.meshgrid(
        *(side * np.arange(n + 1.0) for n, side in zip(tiles, (TILE_ROWS, TILE_COLS), strict=True)), indexing="ij"
    )
    for k, field in enumerate(fields(*at_corners, first, level)):
        corners[..., k] = field
    drawn = np.full(shape, 5.0, np.float32)
    sample(corners, GROUND, SEA if whole else None, CLOUD if whole else None, drawn, 0.25, add=True)

    at = fields(*np.mgrid[: shape[0], : shape[1]].astype(float), first, level)
    wanted = at[2] * GROUND.at(at[0], at[1], at[9]) + at[3]
    if whole:
        wanted += at[8] * SEA.at(at[0], at[1], at[9])
        cloud = CLOUD.at(at[5], at[6], at[9])
        wanted = np.maximum(1.0 - cloud, 0.0) * wanted + at[7] * cloud
    np.testing.assert_allclose(drawn, 5.0 + 0.25 * (at[4] + wanted), atol=2e-4)  # of values to 2: places in 32 bits


def test_without_add_the_frame_is_filled() -> None:
    corners = np.zeros((2, 2, N_FIELDS), np.float32)
    corners[..., :2], corners[..., 4] = 10.0, 2.0
    drawn = np.full((3, 3), np.nan, np.float32)
    sample(corners, GROUND, None, None, drawn, 0.5)
    assert np.all(drawn == 1.0)
