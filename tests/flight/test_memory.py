"""Memory: long where all is quiet, short where the background slides, untouched by a mover."""

import numpy as np
import pytest

from lookdown.flight.memory import MemoryLimit


def limited(noise: np.ndarray, longest: int = 100, age: int = 255) -> np.ndarray:
    ages = np.full(noise.shape, age, np.uint8)
    MemoryLimit(*noise.shape, longest).apply(noise.astype(np.float32), ages)
    return ages


def test_memory_falls_with_the_noise_of_the_place_but_not_below_the_shortest() -> None:
    noise = np.repeat([1.0, 2.0, 5.0, 1000.0], 64)[None] * np.ones((64, 1))
    ages = limited(noise)
    assert ages[30, [32, 96, 160, 224]].tolist() == [40, 20, 8, 4]
    assert (limited(noise, age=3) == 3).all()


def test_a_mover_hardly_shortens_its_own_memory() -> None:
    noise = np.ones((96, 96))
    noise[40:43, 40:43] = 10.0
    assert limited(noise)[41, 41] >= 25
    noise[24:72, 24:72] = 10.0
    assert limited(noise)[41, 41] == 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 70), (5, 5)])
def test_frames_of_any_size(shape: tuple[int, int]) -> None:
    assert (limited(np.full(shape, 3.0)) == 40).all()
    assert (limited(np.zeros(shape)) == 40).all()
    assert (limited(np.full(shape, 3.0), longest=5) == 2).all()


def test_the_memory_of_a_wide_frame_fits_its_counter() -> None:
    assert limited(np.ones((8, 8)), longest=255).max() == 102
