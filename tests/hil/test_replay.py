"""Replay: the golden run through this build, and that a difference is found and named."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookdown.ground.tracks import UPDATE_DTYPE
from lookdown.hil.__main__ import main
from lookdown.hil.differences import Tolerance, compare_reports, compare_updates
from lookdown.hil.replay import packets_of, replay_run
from lookdown.wire.messages import PlotReport
from lookdown.wire.packet import decode, encode

GOLDEN = Path(__file__).parent / "golden"
SMALL = Path(__file__).parent / "small.toml"


@pytest.fixture
def packets() -> dict[tuple[int, int], bytes]:
    return packets_of(GOLDEN)


def changed(packet: bytes, **fields: object) -> bytes:
    report = decode(packet)
    assert isinstance(report, PlotReport)
    return encode(replace(report, **fields), report.frame_id)  # type: ignore[arg-type]


def test_the_golden_run_comes_out_as_it_did() -> None:
    """If it does not and shall not: python -m tests.hil.golden, and say in the changelog what changed for a user."""
    found = replay_run(GOLDEN)
    assert found.reports.lines == []
    assert found.tracks == []
    assert found.reports.equal + found.reports.within == 77
    assert found.n_updates > 0
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 600_000


def test_each_kind_of_difference_is_found_and_named(packets: dict[tuple[int, int], bytes]) -> None:
    key = max(packets, key=lambda at: len(packets[at]))
    report = decode(packets[key])
    assert isinstance(report, PlotReport)
    assert len(report.sights) >= 2
    moved, brighter, gone = report.sights.copy(), report.sights.copy(), report.sights[1:]
    moved["x"][0] += 0.5 * report.state.ifov_rad
    brighter["snr"][0] *= 1.2
    for fields, said in (
        ({"sights": moved}, "moved by 0.5"),
        ({"sights": brighter}, "snr was"),
        ({"sights": gone}, "is gone"),
        ({"time_ns": report.time_ns + 1000}, "time_ns was"),
        ({"flags": report.flags ^ 1}, "flags was"),
    ):
        now = packets | {key: changed(packets[key], **fields)}  # type: ignore[arg-type]
        found = compare_reports(packets, now)
        assert (found.beyond, found.equal) == (1, len(packets) - 1), said
        assert any(said in line and f"satellite {key[0]} frame {key[1]}" in line for line in found.lines), found.lines
    found = compare_reports(packets, {k: v for k, v in packets.items() if k != key})
    assert (found.good, found.only_before) == (False, [key])
    swapped = changed(packets[key], sights=report.sights[::-1].copy())
    assert compare_reports({key: packets[key]}, {key: swapped}).good
    assert not compare_reports({key: packets[key]}, {key: changed(packets[key], sights=moved)}, Tolerance(1, 0.1)).good
    assert compare_reports({key: packets[key]}, {key: changed(packets[key], sights=moved)}, Tolerance(1, 0.6)).good
    for pixels, good in ((1, True), (2, False)):
        counted = report.sights.copy()
        counted["n_pixels"][0] += pixels
        one = {key: changed(packets[key], sights=counted)}
        assert not compare_reports({key: packets[key]}, one).good
        assert compare_reports({key: packets[key]}, one, Tolerance(pixels=1)).good == good


def test_tracks_that_differ_are_named() -> None:
    before = np.zeros(3, UPDATE_DTYPE)
    before["time_ns"], before["track_id"] = [1, 2, 3], 5
    assert compare_updates(before, before) == []
    other = before.copy()
    other["position_m"][1, 0] = 2.0
    other["hits"][2] = 4
    assert compare_updates(before, other) == ["track 5 moved by up to 2 m in 1 updates", "hits of 1 updates is another"]
    assert compare_updates(before, before[:2])[0] == "3 updates of tracks before, 2 now"


def test_the_command_tells_and_its_status_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(GOLDEN)]) == 0
    assert "0 beyond; 0 only before, 0 only now" in capsys.readouterr().out
    assert main(["replay", str(GOLDEN), "--against", str(GOLDEN)]) == 0
    assert main(["replay", str(tmp_path)]) == 2
    assert "wanted the folder of a run" in capsys.readouterr().err
    lost = tmp_path / "lost"
    shutil.copytree(GOLDEN, lost)
    (lost / "run" / "scenario.toml").unlink()
    assert main(["replay", str(lost)]) == 2
    assert "is not there any more" in capsys.readouterr().err
