"""Row bands in threads: the same bytes for any number, no allocation, errors that come through."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

from lookdown.flight.bands import Bands
from lookdown.flight.calibration import Calibration
from lookdown.flight.chain import Chain, ChainResult
from lookdown.flight.config import SUPPRESSIONS, ChainParameters, MultiFrameParameters
from tests.bench.scenes import MovingScene, pointing

FRAMES = 12


def frames_of(shape: tuple[int, int]) -> tuple[list[np.ndarray], Calibration]:
    """Frames of drifting ground with movers; small ones are cut out of larger ones."""
    scene = MovingScene(max(shape[0], 128), max(shape[1], 128), seed=31)
    rows = slice(0, shape[0])
    frames = [np.ascontiguousarray(scene.frame(k)[rows, : shape[1]]) for k in range(FRAMES)]
    gain, offset = (np.ascontiguousarray(array[rows, : shape[1]]) for array in (scene.gain, scene.offset))
    return frames, Calibration(gain, offset, np.arange(3, shape[0] * shape[1], 501, dtype=np.int32))


def taken_apart(chain: Chain, result: ChainResult) -> tuple[bytes, ...]:
    background = chain._background
    arrays = chain._extraction.snr, background.z, background.mean, background.noise, background.age, background.residual
    said = repr((result.flags, result.n_left_out, result.shift)).encode()
    window = b"" if result.window is None else result.window.snr.tobytes()
    return (result.plots.tobytes(), said, window, *(array.tobytes() for array in arrays))


@pytest.mark.parametrize(
    ("shape", "pointed", "changes"),
    [
        ((131, 96), False, {}),
        ((131, 96), True, {}),
        ((97, 64), True, {"multi_frame": MultiFrameParameters(enabled=True, frames=4, every=4)}),
        *(((97, 64), False, {"suppression": name}) for name in SUPPRESSIONS if name != "recursive"),
        ((1, 90), False, {}),
        ((33, 1), False, {}),
    ],
)
def test_the_bytes_are_the_same_for_any_number_of_bands(
    shape: tuple[int, int], pointed: bool, changes: dict[str, object]
) -> None:
    frames, calibration = frames_of(shape)
    states = pointing(FRAMES) if pointed else [None] * FRAMES

    def run(threads: int) -> tuple[list[tuple[bytes, ...]], int]:
        chain = Chain(ChainParameters(threads=threads, threshold=4.0, **changes), *shape, 16383, calibration)
        results = []
        n_plots = 0
        for samples, state in zip(frames, states, strict=True):
            result = chain.step(samples, state)
            results.append(taken_apart(chain, result))
            n_plots += len(result.plots)
        return results, n_plots

    alone, n_plots = run(1)
    # A top-hat finds nothing over ground with texture.
    assert n_plots > 0 or min(shape) == 1 or changes == {"suppression": "top_hat"}
    for threads in (2, 3, 4):
        assert run(threads)[0] == alone, f"{threads} bands"


def test_bands_begin_at_units_and_cover_the_rows() -> None:
    bands = Bands(4)
    assert bands.split(512, 32) == ((0, 128), (128, 256), (256, 384), (384, 512))
    assert bands.split(70, 32) == ((0, 32), (32, 64), (64, 70))
    assert bands.split(1, 32) == ((0, 1),)
    assert Bands().split(70, 32) == ((0, 70),)


def test_all_bands_end_before_an_error_comes_through() -> None:
    bands, ended = Bands(3), []

    def work(k: int, _first: int, _last: int) -> None:
        ended.append(k)
        if k != 1:
            raise ValueError(f"band {k}")

    with pytest.raises(ValueError, match="band"):
        bands.run(work, bands.split(9))
    assert sorted(ended) == [0, 1, 2]
    bands.run(lambda k, *_: ended.append(k), bands.split(9))
    assert sorted(ended) == [0, 0, 1, 1, 2, 2]


def test_threads_end_with_their_chain() -> None:
    before = set(threading.enumerate())
    chain = Chain(ChainParameters(threads=3), 64, 64)
    chain.step(np.zeros((64, 64), np.uint16))
    ours = set(threading.enumerate()) - before
    assert len(ours) == 2
    del chain
    gc.collect()
    for thread in ours:
        thread.join(10)
        assert not thread.is_alive()


def test_a_step_in_bands_allocates_nothing_of_the_size_of_a_row() -> None:
    scene = MovingScene(96, 4096, seed=5)
    frames = [scene.frame(k) for k in range(8)]
    chain = Chain(ChainParameters(threads=3), 96, 4096, 16383, Calibration(scene.gain, scene.offset, scene.bad))
    for samples in frames + frames[::-1]:
        chain.step(samples)
    tracemalloc.start()
    try:
        takes, stays = [], []
        for k in range(20):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            chain.step(frames[7 - abs(k % 14 - 7)])  # to and fro, so that the ground never jumps
            after, peak = tracemalloc.get_traced_memory()
            takes.append(peak - before)
            stays.append(after)
    finally:
        tracemalloc.stop()
    assert max(takes[8:]) < 4 * 4096
    assert max(stays[16:]) - max(stays[8:16]) < 1024


@pytest.mark.parametrize("threads", [0, 65, -1])
def test_other_numbers_of_threads_are_refused(threads: int) -> None:
    with pytest.raises(ValueError, match="threads: wanted 1 to 64"):
        ChainParameters(threads=threads)
