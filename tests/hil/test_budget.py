"""What fits on which board: the parts of the model, its order, what the command says."""

import json
from pathlib import Path

import pytest

from lookdown.hil.__main__ import main
from lookdown.hil.budget import LINK_SHARE, fit, load_counts

COUNTS = {"bytes_per_pixel": 0.0, "outside_instructions_per_pixel": 0.0, "outside_instructions_per_frame": 0}
CORE = {"name": "cortex-a72", "board": "B", "clock_hz": 1e9, "loop_cycles_per_pixel": 50.0,
        "loop_cycles_per_pixel_with_pointing": 100.0}  # fmt: skip


def test_each_part_is_reckoned_as_stated() -> None:
    alone = fit(COUNTS, CORE, 100, 100, pointing=False)
    assert alone.fastest_hz == alone.expected_hz == alone.slowest_hz == pytest.approx(2000 * (1 - LINK_SHARE))
    assert fit(COUNTS, CORE, 100, 100, pointing=True).fastest_hz == pytest.approx(1000 * (1 - LINK_SHARE))
    outside = fit({**COUNTS, "outside_instructions_per_pixel": 50.0}, CORE, 100, 100, pointing=False)
    assert outside.expected_hz == pytest.approx(alone.fastest_hz / 2)
    assert outside.slowest_hz == pytest.approx(alone.fastest_hz / 3)
    around = fit({**COUNTS, "outside_instructions_per_frame": 500_000}, CORE, 100, 100, pointing=False)
    assert around.expected_hz == pytest.approx(alone.fastest_hz / 2)
    bound = fit({**COUNTS, "bytes_per_pixel": 4840.0}, CORE, 100, 100, pointing=False)  # 1 us a pixel
    assert bound.expected_hz == pytest.approx(100 * (1 - LINK_SHARE))
    assert bound.fastest_hz == alone.fastest_hz


def test_the_bounds_hold_what_is_expected_and_the_newer_board_is_faster() -> None:
    counts = load_counts()
    for pointing in (False, True):
        older, newer = (fit(counts, core, 512, 640, pointing) for core in counts["core"])
        for one in (older, newer):
            assert 1.0 < one.slowest_hz < one.expected_hz < one.fastest_hz < 1000.0
        assert newer.expected_hz > older.expected_hz


def test_the_command_prints_what_fits(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["budget", "--size", "512x640", "--rate", "5000"]) == 0
    said = capsys.readouterr().out
    assert said.count("does not fit") == 2
    assert main(["budget", "--rate", "0.1"]) == 0
    assert "may fit" not in capsys.readouterr().out
    for arguments, error in ((["--size", "big"], "wanted rows x columns"), (["--rate", "0"], "above 0"),
                             (["--run", str(tmp_path)], "wanted the report of lookdown-hil rig")):  # fmt: skip
        assert main(["budget", *arguments]) == 2
        assert error in capsys.readouterr().err


def test_a_run_is_shown_beside_the_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tree = {"target": {"kind": "ssh", "model": "Raspberry Pi 5"}, "board": {"step_median_ms": 9.0, "step_max_ms": 20.0}}
    (tmp_path / "report.json").write_text(json.dumps(tree))
    assert main(["budget", "--run", str(tmp_path)]) == 0
    assert "measured on Raspberry Pi 5 (ssh): 9.00 ms a step in the median" in capsys.readouterr().out
