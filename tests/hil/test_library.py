"""The scenario library: every scenario can be run, shows what it says, and has its page and its picture."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookdown.hil.plan import Scenario
from lookdown.hil.portrait import LARGEST_BYTES
from lookdown.hil.radar.look import Looks
from lookdown.hil.render import Renderer, make_scene
from lookdown.hil.scenario import load_scenario
from lookdown.hil.truth import Truth

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
PAGED = [name for name in NAMES if name != "default"]

PROMISED = {
    "quiet-sea", "broken-cloud", "coast-at-dawn", "desert-noon", "limb-view", "crossing-tracks", "dense-air-traffic",
    "glider-with-manoeuvres", "boost-above-cloud", "low-cruise-missile", "bad-pixels", "jitter", "ground-vehicles",
    "amti-aircraft", "gmti-convoy",
}  # fmt: skip


@cache
def scenario(name: str) -> Scenario:
    return load_scenario(FOLDER / f"{name}.toml")


def test_the_library_holds_what_it_promises() -> None:
    assert set(NAMES) >= PROMISED | {"default"}


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_loads_and_says_what_must_hold(name: str) -> None:
    plan = scenario(name)
    assert plan.name == name
    # A convoy that halts and goes on takes longer than anything in the air; its intervals come once a second.
    assert 20.0 <= plan.duration_s <= (60.0 if plan.radar is None else 90.0)
    assert 1 <= len(plan.satellite) <= 4
    assert plan.scene.texture is None  # recordings are not shipped
    metrics = {requirement.metric for requirement in plan.requirement}
    assert {"link.lost", "link.reports_missing"} <= metrics
    assert not any(metric.startswith("latency_ms") for metric in metrics)
    if len(plan.satellite) == 1:
        assert not any(metric.startswith("tracks.") for metric in metrics)
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 160


@pytest.mark.parametrize("name", PAGED)
def test_a_scenario_has_its_page_and_its_picture(name: str) -> None:
    page = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert f"({name}.png)" in page
    assert f"scenarios/{name}.toml" in page
    for mover in scenario(name).mover:
        assert f"`{mover.name}`" in page, f"{name}.md: wanted a word on mover {mover.name!r}"
    picture = FOLDER / f"{name}.png"
    assert picture.stat().st_size <= LARGEST_BYTES
    with Image.open(picture) as image:
        assert image.width >= 880
        assert image.height >= 650


def test_the_index_lists_every_scenario_and_its_links_lead_somewhere() -> None:
    for page in (FOLDER / "README.md", *(FOLDER / f"{name}.md" for name in PAGED)):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r"(?:src|href)=\"([^\":]+)\"", text):
            assert (page.parent / link).exists(), f"{page.name}: a link leads to {link}, which is not there"
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert re.search(rf"\| .*{name}", index), f"README.md: wanted a row for {name}"


@pytest.mark.parametrize("name", [name for name in PAGED if scenario(name).radar is not None])
def test_every_mover_comes_into_a_radar_s_view(name: str) -> None:
    plan = scenario(name)
    assert plan.radar is not None
    frames = np.arange(plan.n_frames)
    seen = np.stack([Looks(Truth(plan), index).rows(frames) for index in plan.indices("radar")])
    instrument = plan.radar.instrument
    integrated_db = seen["snr_db"] + 10 * np.log10(instrument.channels * instrument.pulses)
    best_db = np.where(seen["inside"], integrated_db, -np.inf).max(axis=(0, 1))
    assert np.all(best_db >= 15.0), best_db
    fastest = np.where(seen["inside"], np.abs(seen["range_rate_m_s"]), 0.0).max()
    assert plan.radar.clutter_speed_m_s < fastest < instrument.unambiguous_speed_mps / 2


@pytest.mark.parametrize("name", [name for name in PAGED if scenario(name).indices("infrared")])
def test_frames_fill_the_well_sensibly_and_every_mover_comes_into_view(name: str) -> None:
    plan = scenario(name)
    coarse = plan.scene.extent_m / 1000.0  # counts do not depend on the texture's finest details
    plan = replace(plan, scene=replace(plan.scene, texel_m=max(plan.scene.texel_m, coarse)))
    scene, full_scale = make_scene(plan), (1 << plan.sensor.bits) - 1
    truth = Truth(plan, scene)
    frames = np.linspace(0, plan.n_frames - 1, 25).astype(np.int64)
    best_snr = np.zeros(len(plan.mover))
    for index in range(len(plan.satellite)):
        renderer = Renderer(plan, index, scene)
        share = renderer.frame(3)[0].samples / full_scale
        assert 0.05 <= np.median(share) <= 0.9
        assert np.mean(share >= 1.0) <= plan.sensor.bad_pixel_fraction + 1e-4
        rows = truth.appearances(index, frames)
        seen = np.where(rows["inside"] & ~rows["hidden"], rows["snr"], 0.0)
        best_snr = np.maximum(best_snr, seen.max(axis=0))
    assert np.all(best_snr >= 4.0), dict(zip([mover.name for mover in plan.mover], best_snr.round(1), strict=True))
