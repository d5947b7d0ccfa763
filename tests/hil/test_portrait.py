"""The portrait of a scenario: what it shows, how much it weighs, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookdown.hil.__main__ import main
from lookdown.hil.plan import Scenario
from lookdown.hil.portrait import LARGEST_BYTES, _change, _choose, _free_place, _meet, draw_portrait
from lookdown.hil.render import Renderer
from lookdown.hil.scene.local import Scene
from lookdown.hil.truth import Truth

SMALL = Path(__file__).with_name("small.toml")


def test_a_portrait_is_drawn_whole_and_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.png"
    assert main(["picture", str(SMALL), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"picture: {out} (satellite ")
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]
    assert out.stat().st_size <= LARGEST_BYTES
    with Image.open(out) as image:
        assert 0.9 * 1322 <= image.size[0] <= 1323
        frame = np.asarray(image.convert("L"))[120:500, 40:560]
    assert frame.std() > 10.0


def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (["--out", str(tmp_path / "a.png"), "--satellite", "5"], "satellite: wanted one of 3, 8, got 5"),
        (["--out", str(tmp_path / "a.png"), "--time", "9"], "time: wanted 0 to 8 s, got 9"),
        (["--out", str(tmp_path / "nowhere" / "a.png")], "no folder"),
    ):
        assert main(["picture", str(SMALL), *options]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(
    small_scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        draw_portrait(small_scenario, tmp_path / "a.png", time_s=1.0)
    assert list(tmp_path.iterdir()) == []


def test_the_frame_that_sees_most_movers_is_chosen(small_scenario: Scenario, small_scene: Scene) -> None:
    truth = Truth(small_scenario, small_scene)
    index, frame_id = _choose(truth, None, None)
    rows = [truth.appearances(i, np.arange(small_scenario.n_frames)) for i in (0, 1)]
    seen = [np.count_nonzero(part["inside"] & ~part["hidden"], axis=-1) for part in rows]
    assert seen[index][frame_id] == max(part.max() for part in seen)
    assert _choose(truth, small_scenario.satellite[1].id, 1.0) == (1, 10)


def test_what_moves_stays_when_the_neighbours_are_subtracted(
    small_plan: Callable[..., Scenario],
) -> None:
    scenario = small_plan(scene={"cloud": {"cover": 0.0}}, sensor={"bad_pixel_fraction": 0.0})
    renderer = Renderer(scenario, 0)
    frame, rows = renderer.frame(20)
    samples, rows = frame.samples.copy(), rows[rows["inside"] & (rows["snr"] > 8)]
    change, apart_s = _change(renderer, 20, samples)
    assert apart_s == 1.3
    sigma = 1.4826 * np.median(np.abs(change))
    # The noise of one frame and of the mean of two.
    noise_e = float(scenario.sensor.noise_e(samples.mean() / scenario.sensor.counts_per_electron))
    assert sigma == pytest.approx(1.22 * noise_e * scenario.sensor.counts_per_electron, rel=0.25)
    assert len(rows) > 0
    for row in rows:
        r, c = round(row["row"]), round(row["col"])
        assert change[r - 1 : r + 2, c - 1 : c + 2].max() > 3.0 * sigma


def test_labels_do_not_cover_each_other() -> None:
    taken: list[tuple[float, float, float, float]] = []
    for x, y in ((100, 100), (110, 104), (96, 108), (105, 95)):
        place = _free_place(x, y, 60.0, 10.0, 8.0, taken, (640, 512))
        assert not any(_meet(place, other) for other in taken)
        taken.append(place)
    # In a corner a label stays inside the frame.
    left, top, right, bottom = _free_place(639.0, 0.0, 60.0, 10.0, 8.0, [], (640, 512))
    assert left >= 0
    assert top >= 0
    assert right < 640
    assert bottom < 512
