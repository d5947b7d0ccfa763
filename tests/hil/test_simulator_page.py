"""docs/simulator.md: the defaults it states are those of the code, its tests are there."""

import re
import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import pytest

from lookdown.hil.motion.movers import Roll
from lookdown.hil.scene.config import CloudConfig, SceneConfig, SurfaceConfig
from lookdown.hil.sensor.config import SensorConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_defaults_are_those_of_the_code() -> None:
    known: dict[str, object] = {}
    for owner in (SceneConfig, SurfaceConfig, CloudConfig, Roll, SensorConfig):
        known |= {field.name: field.default for field in fields(owner) if isinstance(field.default, int | float)}
    stated = re.findall(r"`(\w+)` (-?[\d.]+(?:e-?\d+)?)\b", PAGE)
    checked = [name for name, value in stated if name in known and known[name] == pytest.approx(float(value))]
    wrong = [(name, value) for name, value in stated if name in known and name not in checked]
    assert not wrong, f"the page states {wrong}, the code {[known[name] for name, _ in wrong]}"
    assert len(set(checked)) > 30


def test_signatures_are_those_of_the_table() -> None:
    table = tomllib.loads(files("lookdown.hil.scene").joinpath("signature.toml").read_text(encoding="utf-8"))
    for kind, entry in table.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| {kind} |"))
        areas, emissivity = ([float(x) for x in cell.split(", ")] for cell in row.split(" | ")[1:3])
        assert areas == [entry["front_m2"], entry["side_m2"], entry["top_m2"]]
        assert emissivity == [entry["emissivity"]]
        if entry["hot_m2"]:
            hot = [float(x) for x in re.findall(r"[\d.]+", row.split(" | ")[4])]
            assert hot == [entry["hot_m2"], entry["hot_k"], entry["hot_half_angle_deg"]]
        if any(entry["plume_w_sr"].values()):
            plumes = [float(x) for x in row.rstrip(" |").split(" | ")[5].split(" / ")]
            assert plumes == list(entry["plume_w_sr"].values())


def test_the_tests_it_names_are_there() -> None:
    names = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", PAGE))
    assert len(names) > 8
    for name in names:
        assert (ROOT / name).is_file() or (ROOT / "tests" / "hil" / name).is_file(), name
