"""Fixtures and options that every test may use."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-recordings",
        action="store_true",
        help="fail, rather than skip, a test whose real recordings are absent",
    )
    parser.addoption(
        "--require-tools",
        action="store_true",
        help="fail, rather than skip, a test for which this machine lacks a tool (valgrind, cross compiler) or a count",
    )
    parser.addoption("--packets", type=int, default=20_000, help="mutated packets that the reader is tried with")


@pytest.fixture(scope="session")
def need(request: pytest.FixtureRequest) -> Callable[[str], NoReturn]:
    """Give up a test for want of a tool: skips it, or fails it under ``--require-tools``."""

    def give_up(reason: str) -> NoReturn:
        if request.config.getoption("--require-tools"):
            pytest.fail(reason)
        pytest.skip(reason)

    return give_up


@pytest.fixture(scope="session")
def recordings(request: pytest.FixtureRequest) -> Path:
    """Folder of the real recordings; without it the test is skipped, or fails under ``--require-recordings``."""
    folder = Path(os.environ.get("LOOKDOWN_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        reason = f"real recordings not found at {folder}; set LOOKDOWN_DATA to their folder"
        if request.config.getoption("--require-recordings"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
