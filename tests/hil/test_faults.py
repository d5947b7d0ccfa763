"""The table of faults, what a scenario may ask for, and what a fault makes of a frame."""

from pathlib import Path

import numpy as np
import pytest

from lookdown.flight.board import Board
from lookdown.hil.faults.config import FaultConfig, check_faults
from lookdown.hil.faults.feed import Expected, Feed, flipped
from lookdown.hil.faults.table import FAULTS, faults_table
from lookdown.wire.clock import SteppedClock
from lookdown.wire.messages import SIGHT_DTYPE, Frame, PlotReport, SensorState

STATE = SensorState(np.full(3, 7e6), np.zeros(3), np.array([1.0, 0, 0, 0]), 5.0, 1e-5, 1e-4)
ROWS, COLS = 24, 32


def frame(number: int) -> Frame:
    samples = np.random.default_rng(number).integers(900, 1100, (ROWS, COLS)).astype(np.uint16)
    return Frame(5, number, 10**18 + number * 10**8, 0.01, samples, STATE)


def feed(*faults: FaultConfig, seed: int = 3) -> Feed:
    return Feed(frame, faults, seed, 5)


def sent(of: Feed, first: int, last: int) -> list[tuple[int, bool]]:
    return [(m.frame_id, m.taken) for k in range(first, last) for m in of.messages(k, 7)]


def test_the_page_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rig.md").read_text(encoding="utf-8")
    assert faults_table() in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "kiled"}, "did you mean 'killed'"),
        ({"frame": 0}, "the first frame is whole"),
        ({"frames": -1}, "wanted 1 or more"),
        ({"kind": "killed", "amount": 3.0}, "'killed' has none"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FaultConfig(**{"id": "F", "kind": "torn", "frame": 5, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([FaultConfig("F", "torn", 5), FaultConfig("F", "late", 9)], "'F' twice"),
        ([FaultConfig("F", "torn", 5, satellite=9)], "satellite wanted one of"),
        ([FaultConfig("F", "torn", 39)], "an end two frames before"),
        ([FaultConfig("A", "killed", 5, 4), FaultConfig("B", "link-down", 9, 4)], "'A' until 9 and 'B' from 9"),
    ],
)
def test_faults_that_no_run_could_judge_are_refused(faults: list[FaultConfig], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_faults(faults, 40, [5])


def test_faults_of_frames_may_meet_and_those_of_the_board_may_follow_each_other() -> None:
    check_faults([FaultConfig("A", "torn", 5), FaultConfig("B", "hot-pixel", 5)], 40, [5])
    check_faults([FaultConfig("A", "killed", 5, 4), FaultConfig("B", "link-down", 10, 4)], 40, [5])


def test_what_comes_in_the_place_of_each_frame() -> None:
    whole = [(k, True) for k in range(4, 9)]
    assert sent(feed(), 4, 9) == whole
    for kind, wanted in {
        "dropped": [(4, True), (7, True), (8, True)],
        "late": whole,
        "repeated": [(4, True), (5, True), (5, False), (6, True), (6, False), (7, True), (8, True)],
        "torn": [(4, True), (5, False), (6, False), (7, True), (8, True)],
        "flipped-frame": [(4, True), (5, False), (6, False), (7, True), (8, True)],
        "out-of-order": [(4, True), (7, True), (5, False), (6, False), (8, True)],
    }.items():
        assert sent(feed(FaultConfig("F", kind, 5, 2)), 4, 9) == wanted, kind
    flooded = sent(feed(FaultConfig("F", "command-flood", 5, 1, amount=3)), 4, 7)
    assert flooded == [(4, True), (5, False), (5, False), (5, False), (5, True), (6, True)]
    assert feed(FaultConfig("F", "late", 5)).messages(5, 7)[0].delay_s == FAULTS["late"].amount


@pytest.mark.parametrize("kind", [name for name, kind in FAULTS.items() if kind.place in ("frame", "pixel")])
def test_the_board_takes_and_refuses_what_the_feed_says(kind: str) -> None:
    def report(one: Frame) -> PlotReport:
        return PlotReport(5, one.frame_id, one.time_ns, STATE, np.zeros(0, SIGHT_DTYPE))

    board = Board(5, ROWS, COLS, lambda rows, cols: report, SteppedClock(), warn=lambda line: None)
    expected = Expected()
    of = feed(FaultConfig("F", kind, 5, 2))
    for k in range(12):
        for message in of.messages(k, 7):
            made = board.frame(message.parts) if len(message.parts) == 2 else board.is_end(message.parts[0])
            assert bool(made) == message.taken, (k, message.frame_id)
            expected.add(message)
    assert (expected.taken, expected.refused) == (board.frames_processed, board.refused.total())
    assert expected.missed == board.frames_missed


def test_pixels_change_as_asked_and_nowhere_else() -> None:
    for kind, amount in (("stuck-pixel", 4000.0), ("hot-pixel", 1500.0)):
        of = feed(FaultConfig("F", kind, 5, 2, amount=amount, row=10, col=11))
        (message,) = of.messages(5, 7)
        came = np.frombuffer(message.parts[1], "<u2").reshape(ROWS, COLS)
        changed = np.argwhere(came != frame(5).samples)
        assert changed.tolist() == [[10, 11]]
        assert came[10, 11] == (4000 if kind == "stuck-pixel" else frame(5).samples[10, 11] + 1500)
    of = feed(FaultConfig("F", "blinking-pixel", 1, 40, row=10, col=11))
    lit = [int(np.frombuffer(of.messages(k, 7)[0].parts[1], "<u2")[10 * COLS + 11]) > 1500 for k in range(1, 41)]
    assert 8 < sum(lit) < 32


def test_the_seed_alone_decides() -> None:
    fault = FaultConfig("F", "flipped-frame", 5, 2)
    assert feed(fault).messages(5, 7) == feed(fault).messages(5, 7)
    assert feed(fault).messages(5, 7) != feed(fault, seed=4).messages(5, 7)
    assert feed(fault).messages(5, 7)[0].parts[1] != feed(fault).messages(6, 7)[0].parts[1]


def test_as_many_bits_flip_as_asked() -> None:
    data = bytes(range(256))
    changed = flipped(data, 5, np.random.default_rng(1))
    assert sum((a ^ b).bit_count() for a, b in zip(data, changed, strict=True)) == 5
