"""Holds every source file to the floors of the house: a room imports only rooms of lower floors."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_USE = {
    "kernels": set(),
    "wire": set(),
    "geo": {"kernels"},
    "flight": {"kernels", "wire", "geo"},
    "ground": {"kernels", "wire", "geo"},
    "hil": {"kernels", "wire", "geo", "flight", "ground"},
}
CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\s+([\w, ]+)|c?import\s+([\w., ]+))", re.MULTILINE)


def rooms_imported(source: str, is_python: bool) -> set[str]:
    """Rooms named by the ``import`` and ``cimport`` statements of one file."""
    modules: list[str] = []
    if is_python:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, "relative imports hide the room they reach"
                modules += [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        for base, names, plain in CYTHON_IMPORT.findall(source):
            modules += [f"{base}.{name.strip()}" for name in names.split(",")] if base else re.split(r"[,\s]+", plain)
    return {module.split(".")[1] for module in modules if module.startswith("lookdown.")}


def source_files() -> list[Path]:
    return sorted(
        path for room in MAY_USE for suffix in ("*.py", "*.pyx", "*.pxd") for path in (ROOT / room).rglob(suffix)
    )


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_lower_floors(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    reached = rooms_imported(path.read_text(encoding="utf-8"), path.suffix == ".py") - {room}
    assert reached <= MAY_USE[room], f"{path.name} in {room}/ reaches up or sideways to {reached - MAY_USE[room]}"


def test_the_check_sees_each_form_of_import() -> None:
    assert rooms_imported("from lookdown.hil import render\nimport lookdown.flight.chain", True) == {"hil", "flight"}
    assert rooms_imported("from lookdown import ground", True) == {"ground"}
    assert rooms_imported("from lookdown.kernels.rows cimport row_sum\ncimport lookdown.hil.scene", False) == {
        "kernels",
        "hil",
    }


def test_every_room_ships_types_and_the_namespace_has_no_init() -> None:
    for room in MAY_USE:
        assert (ROOT / room / "py.typed").is_file()
        assert (ROOT / room / "__init__.py").is_file()
    assert not (ROOT / "__init__.py").exists()
