"""A scenario small enough to render in a test: two satellites of the default one, a narrow camera, a small scene."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lookdown.hil.plan import Scenario
from lookdown.hil.render import make_scene
from lookdown.hil.scene.local import Scene
from lookdown.wire.config import parse_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def small_plan() -> Callable[..., Scenario]:
    """Function that builds the small scenario, with sections changed by keyword."""
    default = tomllib.loads((ROOT / "scenarios" / "default.toml").read_text(encoding="utf-8"))

    def build(**sections: Any) -> Scenario:
        values = {
            **default,
            "duration_s": 4.0,
            "satellite": default["satellite"][:2],
            "requirement": [],
        }
        first = default["mover"][0]
        middle = {**first, "start": {**first["start"], "lat_deg": 42.98, "lon_deg": -9.5}}
        values["mover"] = [middle, *default["mover"][1:]]
        values["sensor"] = {**default["sensor"], "rows": 96, "cols": 128}
        values["scene"] = {**default["scene"], "extent_m": 40e3}
        for name, change in sections.items():
            values[name] = {**values.get(name, {}), **change} if isinstance(change, dict) else change
        return parse_config(values, Scenario, "small")

    return build


@pytest.fixture(scope="session")
def small_scenario(small_plan: Callable[..., Scenario]) -> Scenario:
    return small_plan()


@pytest.fixture(scope="session")
def small_scene(small_scenario: Scenario) -> Scene:
    return make_scene(small_scenario)
