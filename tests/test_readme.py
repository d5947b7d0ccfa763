"""The Python of README and documentation runs as it stands; their links lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest

from lookdown.geo.attitude import stare_attitude
from lookdown.geo.camera import Camera
from lookdown.geo.earth import geodetic_to_ecef
from lookdown.hil.archive import render
from lookdown.wire.envelope import Delivery
from lookdown.wire.messages import SIGHT_DTYPE, PlotReport, SensorState
from lookdown.wire.packet import encode
from lookdown.wire.recording import Recorder

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


def record(path: Path) -> None:
    """Record what two satellites say of one aircraft for two seconds."""
    path.parent.mkdir(parents=True)
    camera, aim = Camera(512, 640, 1e-4), geodetic_to_ecef(0.75, -0.17, 0.0)
    with Recorder(path) as recorder:
        for frame_id in range(20):
            mover = geodetic_to_ecef(0.75, -0.17 + 4e-6 * frame_id, 10e3)
            for sensor_id, longitude in ((1, -0.22), (2, -0.10)):
                position = geodetic_to_ecef(0.72, longitude, 1e6)
                velocity = np.array([0.0, 0.0, 7e3])
                attitude = stare_attitude(position, velocity, aim)
                row, col, _ = camera.project(mover, position, attitude)
                sights = np.zeros(1, SIGHT_DTYPE)
                sights["x"], sights["y"] = camera.tangent_from_pixel(row, col)
                sights["sigma_x"] = sights["sigma_y"] = 1e-5
                sights["snr"], sights["amplitude"], sights["n_pixels"] = 9.0, 50.0, 4
                state = SensorState(position, velocity, attitude, 5.0, 1e-5, 1e-4)
                time_ns = 1_800_000_000_000_000_000 + 100_000_000 * frame_id
                packet = encode(PlotReport(sensor_id, frame_id, time_ns, state, sights))
                recorder.append(Delivery(sensor_id, 0, 0, packet, 1, frame_id))


def draw(folder: Path) -> None:
    """Render two and a half seconds of two satellites, the first of which is satellite 1."""
    text = (ROOT / "tests" / "hil" / "small.toml").read_text(encoding="utf-8")
    text = text.replace("id = 3\n", "id = 1\n").replace("duration_s = 8.0", "duration_s = 2.5")
    (folder / "small.toml").write_text(text, encoding="utf-8")
    render(folder / "small.toml", folder / "frames.h5")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    if page.name == "README.md":
        record(tmp_path / "build" / "demo" / "ground" / "received.ldrec")
    if page.name == "simulator.md":
        draw(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    if page.name == "README.md":
        assert len(capsys.readouterr().out.splitlines()) >= 9


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
