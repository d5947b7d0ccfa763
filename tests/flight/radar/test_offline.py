"""Recordings of intervals through the command: rows as promised, bad files refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lookdown.flight.__main__ import main
from lookdown.hil.radar.interval import draw
from lookdown.hil.radar.settings import Clutter, Radar, Target
from tests.flight.radar.intervals import pulse_of

RADAR = Radar(channels=3, pulses=16, ranges=300, bandwidth_hz=8e6, pulse_s=3e-6, sample_rate_hz=10e6)
MOVER = Target(150.2 * RADAR.cell_m, 30.0, 1e-4, 12.0)
ATTRIBUTES = {
    "wavelength_m": RADAR.wavelength_m, "sample_rate_hz": RADAR.sample_rate_hz, "prf_hz": RADAR.prf_hz,
    "spacing_m": RADAR.spacing_m, "bandwidth_hz": RADAR.bandwidth_hz, "pulse_s": RADAR.pulse_s,
    "speed_m_s": RADAR.speed_mps,
}  # fmt: skip


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([draw(RADAR, rng, Clutter(20.0, patches=31), (MOVER,)).samples for _ in range(3)])


def written(path: Path, samples: np.ndarray, without: tuple[str, ...] = (), **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["cpi"] = samples
        for name, value in ATTRIBUTES.items():
            if name not in without:
                file["cpi"].attrs[name] = value
        for name, value in datasets.items():
            file[name] = value
    return path


def processed(path: Path, out: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    status = main(["process", str(path), "--plots", str(out), *options])
    return status, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_a_recording_gives_a_row_a_plot(tmp_path: Path, samples: np.ndarray) -> None:
    path = written(tmp_path / "cpi.h5", samples, time_ns=np.array([5, 6, 7]))
    status, rows = processed(path, tmp_path / "out.jsonl")
    assert status == 0
    assert [(row["frame"], row["time_ns"]) for row in rows] == [(0, 5), (1, 6), (2, 7)]
    for row in rows:
        assert len(row["plots"]) == 1
        plot = row["plots"][0]
        assert abs(plot["range_m"] - MOVER.range_m) < 5 * plot["sigma_range_m"]
        assert abs(plot["range_rate_m_s"] - 30) < 5 * plot["sigma_range_rate_m_s"]
        assert abs(plot["azimuth_rad"] - MOVER.u) < 5 * plot["sigma_azimuth_rad"]
        assert plot["snr"] > 5
        assert plot["flags"] == []


def test_one_interval_with_a_pulse_of_its_own(tmp_path: Path, samples: np.ndarray) -> None:
    path = written(
        tmp_path / "cpi.h5", samples[0], ("pulse_s", "spacing_m"), pulse=pulse_of(RADAR), channel_m=[0.0, 2.0, 4.0]
    )
    _, rows = processed(path, tmp_path / "out.jsonl", "--threshold", "6")
    assert len(rows) == 1
    assert len(rows[0]["plots"]) == 1


def test_each_interval_may_have_its_own_repetition_frequency(tmp_path: Path, samples: np.ndarray) -> None:
    prfs_hz = RADAR.prf_hz * np.array([1, 1.1, 1.2])
    path = written(tmp_path / "cpi.h5", samples, ("prf_hz",), prf_hz=prfs_hz)
    _, rows = processed(path, tmp_path / "out.jsonl")
    rates = [row["plots"][0]["range_rate_m_s"] for row in rows]
    assert len(set(np.round(rates))) == 3


def test_a_bad_interval_is_counted_and_the_others_go_on(
    tmp_path: Path, samples: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = samples.copy()
    damaged[1] = 0
    damaged[2, 1] = 0
    status, rows = processed(written(tmp_path / "cpi.h5", damaged), tmp_path / "out.jsonl")
    assert status == 0
    assert [len(row["plots"]) for row in rows] == [1, 0, 1]
    assert rows[1]["refused"]
    assert rows[2]["flags"] == ["dead_channel"]
    said = capsys.readouterr().err
    assert "interval 1 refused: samples: wanted one good channel at least, got 3 dead" in said
    assert "interval 2: dead_channel" in said
    assert "2 intervals, 2 plots, 1 intervals refused" in said


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p, x: written(p, x, ("pulse_s",)), "wanted the attribute pulse_s of cpi, came none"),
        (lambda p, x: written(p, x, ("wavelength_m",)), "wanted the attribute wavelength_m of cpi"),
        (lambda p, x: written(p, x, pulse=np.ones(9)), "pulse: wanted complex samples, came float64"),
        (lambda p, x: written(p, x, pulse=np.zeros(9, np.complex64)), "without the waveform nothing can be compressed"),
        (lambda p, x: written(p, x.astype(complex)), "wanted complex64 [intervals, channels, pulses, samples]"),
        (lambda p, x: written(p, x.real), "came float32 [3, 3, 16, 329]"),
        (lambda p, x: written(p, x[0, 0]), "came complex64 [16, 329]"),
        (lambda p, x: written(p, x.transpose(0, 3, 1, 2)), "wanted more range samples than the pulse's 30, came 16"),
        (
            lambda p, x: written(p, x, channel_m=[0.0, 1.0]),
            "channel_m: wanted a place for each of the 3 channels, got 2",
        ),
        (lambda p, x: written(p, x, prf_hz=[1e3]), "prf_hz: wanted a value for each of 3 intervals, came 1"),
        (lambda p, x: written(p, x, time_ns=[1]), "time_ns: wanted a value for each of 3 intervals, came 1"),
        (lambda p, x: written(p, np.zeros_like(x)), "none of its 3 intervals could be taken"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path,
    samples: np.ndarray,
    make: Callable[[Path, np.ndarray], Path],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, rows = processed(make(tmp_path / "cpi.h5", samples), tmp_path / "out.jsonl")
    assert status == 2
    assert not rows
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cpi.h5"]


def test_options_for_images_are_refused(
    tmp_path: Path, samples: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "cpi.h5", samples)
    assert processed(path, tmp_path / "out.jsonl", "--multi-frame")[0] == 2
    assert "--multi-frame: is for images" in capsys.readouterr().err
    assert processed(path, tmp_path / "out.jsonl", "--threshold", "1")[0] == 2
    assert "--threshold: threshold: wanted 2.5 to 8" in capsys.readouterr().err
