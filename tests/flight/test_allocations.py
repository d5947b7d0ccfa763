"""In steady state a step of the chain allocates nothing of the size of a row: whoever does is named by file and line.

`tracemalloc` sees what Python and NumPy allocate, the arrays that OpenCV returns included; OpenCV's own intermediate
images are not seen. A line is charged with the most that was alive at once while it ran, over what was alive before.
"""

import sys
import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import lookdown.flight
from lookdown.flight.chain import Chain
from lookdown.flight.cleaning import Cleaning
from lookdown.flight.config import SUPPRESSIONS, ChainParameters
from lookdown.wire.messages import SensorState
from tests.bench.scenes import MovingScene, pointing

# A row is longer than what Python makes to call a kernel of two dozen arguments: 3 kB of views and tuples at any size.
ROWS, COLS = 256, 1024
ROW_BYTES = 4 * COLS
SETTLED_FRAMES, WATCHED_FRAMES = 12, 6
# Where the rooms are that run: the checkout, or what was installed on an emulated board.
ROOT = Path(lookdown.flight.__file__).resolve().parents[1]
OWN = tuple(f"{ROOT / room}/" for room in ("flight", "geo", "wire", "kernels"))


def scene(n: int, pointed: bool) -> tuple[list[np.ndarray], Sequence[SensorState | None]]:
    """Frames of drifting ground with movers; and, if wanted, where a sensor points that stares there."""
    made = MovingScene(ROWS, COLS, 5)
    frames = [made.frame(k) for k in range(n)]
    return frames, pointing(n) if pointed else [None] * n


class Ledger:
    """Charges each line of the product with what was allocated while it ran."""

    def __init__(self) -> None:
        self.most: dict[str, int] = defaultdict(int)
        self._line = ""
        self._before = 0

    def _settle(self, frame: FrameType | None) -> None:
        peak = tracemalloc.get_traced_memory()[1]
        self.most[self._line] = max(self.most[self._line], peak - self._before)
        self._line = f"{Path(frame.f_code.co_filename).relative_to(ROOT)}:{frame.f_lineno}" if frame else ""
        tracemalloc.reset_peak()
        self._before = tracemalloc.get_traced_memory()[0]

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OWN):
            return None
        if event == "return":
            caller = frame.f_back
            self._settle(caller if caller and caller.f_code.co_filename.startswith(OWN) else None)
        else:
            self._settle(frame)
        return self.trace

    def watch(self, chain: Chain, frame: np.ndarray, state: SensorState | None) -> None:
        """Let the chain take a step."""
        self._line = ""
        tracemalloc.reset_peak()
        self._before = tracemalloc.get_traced_memory()[0]
        sys.settrace(self.trace)
        try:
            chain.step(frame, state)
        finally:
            sys.settrace(None)

    def offenders(self, least: int) -> list[str]:
        """Lines that allocated at least so many bytes, the largest first."""
        found = sorted(((size, line) for line, size in self.most.items() if line and size >= least), reverse=True)
        return [f"{line}: {size} bytes" for size, line in found]


def steady(pointed: bool, suppression: str = "recursive") -> Ledger:
    frames, states = scene(SETTLED_FRAMES + WATCHED_FRAMES, pointed)
    chain = Chain(ChainParameters(suppression=suppression), ROWS, COLS)
    ledger = Ledger()
    tracemalloc.start()
    try:
        for k, (frame, state) in enumerate(zip(frames, states, strict=True)):
            if k < SETTLED_FRAMES:
                chain.step(frame, state)
            else:
                ledger.watch(chain, frame, state)
    finally:
        tracemalloc.stop()
    return ledger


def test_the_ledger_charges_the_line_that_allocates(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = Cleaning.despike

    def despike(self: Cleaning, noise: float) -> None:
        np.ones((ROWS, COLS)).sum()
        spoiled(self, noise)

    monkeypatch.setattr(Cleaning, "despike", despike)
    frames, _ = scene(3, False)
    chain, ledger = Chain(ChainParameters(), ROWS, COLS), Ledger()
    tracemalloc.start()
    try:
        for frame in frames:
            ledger.watch(chain, frame, None)
    finally:
        tracemalloc.stop()
    (largest, *_) = ledger.offenders(8 * ROWS * COLS)
    assert largest.startswith(("flight/chain.py:", "flight/cleaning.py:"))


@pytest.mark.parametrize("pointed", [False, True], ids=["image alone", "with pointing"])
def test_a_step_in_steady_state_allocates_nothing_of_the_size_of_a_row(pointed: bool) -> None:
    offenders = steady(pointed).offenders(ROW_BYTES)
    assert not offenders, "allocated in a step:\n" + "\n".join(offenders)


@pytest.mark.parametrize("suppression", SUPPRESSIONS[1:])
def test_other_suppressions_allocate_nothing_of_that_size_either(suppression: str) -> None:
    offenders = steady(False, suppression).offenders(ROW_BYTES)
    assert not offenders, "allocated in a step:\n" + "\n".join(offenders)


@pytest.mark.parametrize("pointed", [False, True], ids=["image alone", "with pointing"])
def test_neither_what_stays_nor_what_a_step_takes_grows(pointed: bool) -> None:
    """Small objects are left out: Python keeps freed ones for later, in lists that fill over some hundred frames."""
    frames, states = scene(10, pointed)
    chain = Chain(ChainParameters(), ROWS, COLS)
    only_arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    stays, takes = [], []
    tracemalloc.start()
    try:
        for k in range(70):
            j = 9 - abs(k % 18 - 9)  # to and fro, so that the ground never jumps
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            chain.step(frames[j], states[j])
            takes.append(tracemalloc.get_traced_memory()[1] - before)
            if k in (19, 69):
                traces = tracemalloc.take_snapshot().filter_traces([only_arrays]).traces
                stays.append(sum(trace.size for trace in traces))
    finally:
        tracemalloc.stop()
    assert abs(stays[1] - stays[0]) < ROW_BYTES
    assert max(takes[45:]) - max(takes[20:45]) < ROW_BYTES
