"""The strict loader: what is taken, and that each refusal names file, key and cure."""

import doctest
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from lookdown.wire import config
from lookdown.wire.config import load_config, parse_config
from lookdown.wire.errors import ConfigError


@dataclass(frozen=True)
class Sensor:
    id: int
    ifov_rad: float = 30e-6
    name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.id <= 65535:
            raise ValueError(f"id: wanted 1 to 65535, came {self.id}")


@dataclass(frozen=True)
class Link:
    endpoint: str
    window: int = 256


@dataclass(frozen=True)
class Process:
    link: Link
    sensors: tuple[Sensor, ...] = ()
    record: Path | None = None
    mode: Literal["live", "replay"] = "live"
    aim_deg: tuple[float, float] = (0.0, 0.0)
    verbose: bool = False


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        'record = "x/y.ldrec"\nmode = "replay"\naim_deg = [50, 4.5]\nverbose = true\n'
        '[link]\nendpoint = "ipc://a"\n[[sensors]]\nid = 1\nifov_rad = 1\n[[sensors]]\nid = 2\nname = "two"\n'
    )
    wanted = Process(
        Link("ipc://a"), (Sensor(1, 1.0), Sensor(2, name="two")), Path("x/y.ldrec"), "replay", (50.0, 4.5), True
    )
    read = load_config(file, Process)
    assert read == wanted
    assert type(read.sensors[0].ifov_rad) is float


def test_defaults_and_mappings() -> None:
    assert parse_config({"link": {"endpoint": "e"}}, Process, "x") == Process(Link("e"))
    assert parse_config({"link": {"endpoint": "e"}, "aim_deg": (1, 2)}, Process, "x").aim_deg == (1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[link]\nendpiont = 'e'", "f.toml: link: unknown key 'endpiont'; did you mean 'endpoint'? Known: endpoint, "),
        ("zzz = 1", "f.toml: unknown key 'zzz'; Known: link, sensors"),
        ("[link]\nwindow = 1", "f.toml: link: missing key 'endpoint', wanted a string; add it"),
        ("", "f.toml: missing key 'link', wanted a table; add it"),
        ("link = 3", "f.toml: link: wanted a table, came an integer (3)"),
        ("[link]\nendpoint = 3", "f.toml: link.endpoint: wanted a string, came an integer (3); change it"),
        ("[link]\nendpoint = 'e'\nwindow = 2.5", "f.toml: link.window: wanted an integer, came a float (2.5)"),
        ("[link]\nendpoint = 'e'\nwindow = true", "link.window: wanted an integer, came a boolean (True)"),
        ("verbose = 1\n[link]\nendpoint = 'e'", "f.toml: verbose: wanted a boolean, came an integer"),
        ("mode = 'fly'\n[link]\nendpoint = 'e'", "f.toml: mode: wanted one of 'live', 'replay', came a string ('fly')"),
        ("record = ''\n[link]\nendpoint = 'e'", "f.toml: record: wanted a path (a string that is not empty)"),
        ("aim_deg = [1]\n[link]\nendpoint = 'e'", "f.toml: aim_deg: wanted an array of 2 values, came 1"),
        ("sensors = 1\n[link]\nendpoint = 'e'", "f.toml: sensors: wanted an array, came an integer"),
        ("[link]\nendpoint = 'e'\n[[sensors]]\nid = 1\n[[sensors]]\nid = 'b'", "f.toml: sensors[1].id: wanted an int"),
        ("[link]\nendpoint = 'e'\n[[sensors]]\nid = 0", "f.toml: sensors[0]: id: wanted 1 to 65535, came 0"),
        ("a = = 1", "f.toml: not valid TOML: Invalid value (at line 1, column 5)"),
    ],
)
def test_refusals_name_place_and_cure(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, Process, "f.toml")
    assert message in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file"):
        load_config(tmp_path / "absent.toml", Process)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, Process)
    (tmp_path / "binary.toml").write_bytes(b"a\xff\xfe")
    with pytest.raises(ConfigError, match="wanted UTF-8 text, octet 1"):
        load_config(tmp_path / "binary.toml", Process)


def test_a_table_for_another_process_passes_as_it_is() -> None:
    @dataclass(frozen=True)
    class Plan:
        flight: dict[str, Any] = field(default_factory=dict)

    assert parse_config("[flight.chain]\nthreshold = 6", Plan, "x").flight == {"chain": {"threshold": 6}}
    with pytest.raises(ConfigError, match="x: flight: wanted a table, came an integer"):
        parse_config("flight = 3", Plan, "x")


def test_a_field_no_toml_can_fill_is_a_fault_of_the_program() -> None:
    @dataclass(frozen=True)
    class Odd:
        value: complex

    with pytest.raises(TypeError, match="change the dataclass"):
        parse_config({"value": 1}, Odd, "x")


def test_examples() -> None:
    assert doctest.testmod(config).failed == 0


def test_paths_count_from_the_file_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('record = "x/y.ldrec"\nlink = { endpoint = "ipc://a" }\n')
    assert load_config(path, Process).record == Path("x/y.ldrec")
    assert load_config(path, Process, beside=True).record == tmp_path / "x/y.ldrec"
    path.write_text('record = "/x/y.ldrec"\nlink = { endpoint = "ipc://a" }\n')
    assert load_config(path, Process, beside=True).record == Path("/x/y.ldrec")
