"""A rendering that is killed goes on where it stood, and ends with the bytes of one that was never interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from lookdown.hil.archive import render

SMALL = Path(__file__).with_name("small.toml")

_RENDER = """
import os, signal, sys
from pathlib import Path
from lookdown.hil.archive import render

def progress(done, total):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), int(sys.argv[4]))

render(Path(sys.argv[1]), Path(sys.argv[2]), progress)
"""

_READ = """
import sys
sys.modules["lookdown"] = None  # any import of it fails
import h5py
with h5py.File(sys.argv[1]) as file:
    group = file["satellite_3"]
    truth, states = group["truth"], group["sensor_states"]
    print(dict(file.attrs)["seed"], group["frames"].shape, group["frames"].dtype, group["valid"][...].sum())
    print(truth.dtype.names[:3], states["position_m"].shape, list(file.attrs["movers"]))
"""


def rendered(scenario: Path, out: Path, kill_at: int = -1, sign: signal.Signals = signal.SIGKILL) -> int:
    command = [sys.executable, "-c", _RENDER, str(scenario), str(out), str(kill_at), str(int(sign))]
    return subprocess.run(command, check=False, timeout=120, stderr=subprocess.DEVNULL).returncode


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "small.toml"
    text = SMALL.read_text(encoding="utf-8").replace("rows = 128", "rows = 48").replace("cols = 160", "cols = 64")
    path.write_text(text.replace("cols = 64", "cols = 64\npersistence = 0.01"), encoding="utf-8")
    return path


def test_a_killed_rendering_goes_on_and_ends_with_the_same_bytes(scenario: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.h5", tmp_path / "killed.h5"
    render(scenario, whole)
    done = []
    for frame, sign in ((50, signal.SIGKILL), (130, signal.SIGINT)):
        assert rendered(scenario, killed, frame, sign) == -sign
        assert not killed.exists()
        with h5py.File(tmp_path / ".killed.h5.part") as file:
            done.append([int((file[name]["valid"][...] >= 0).sum()) for name in ("satellite_3", "satellite_8")])
    # Blocks of 32 frames: what was between two marks is done again.
    assert done == [[32, 0], [80, 32]]
    render(scenario, killed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed.h5", "whole.h5"]
    with h5py.File(whole) as wanted, h5py.File(killed) as got:
        assert dict(wanted.attrs).keys() == dict(got.attrs).keys()
        for group in wanted:
            assert set(wanted[group]) == set(got[group])
            for name in wanted[group]:
                assert wanted[group][name][...].tobytes() == got[group][name][...].tobytes(), name
    read = subprocess.run([sys.executable, "-c", _READ, str(whole)], check=True, capture_output=True, text=True)
    assert read.stdout.splitlines() == [
        "7 (80, 48, 64) uint16 80",
        "('frame_id', 'satellite_id', 'mover') (80, 3) ['fighter-1', 'glider-1']",
    ]


def test_work_of_another_scenario_is_refused_unless_begun_anew(scenario: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "frames.h5", tmp_path / "other.toml"
    other.write_text(scenario.read_text(encoding="utf-8").replace("seed = 7", "seed = 8"), encoding="utf-8")
    assert rendered(scenario, out, 40) == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"was begun with another scenario; .* begin anew with --restart"):
        render(other, out)
    render(other, out, restart=True)
    with h5py.File(out) as file:
        assert file.attrs["seed"] == 8
