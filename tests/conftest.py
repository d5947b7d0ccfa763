"""Fixtures and options that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def recordings_folder() -> Path:
    """Where the real recordings lie on this machine: ``LOOKDOWN_DATA`` or the shared folder beside the checkout."""
    return Path(os.environ.get("LOOKDOWN_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of the real recordings; the test is skipped, with the reason, where they are absent."""
    folder = recordings_folder()
    if not (folder / "README.md").is_file():
        pytest.skip(f"real recordings not found at {folder}; set LOOKDOWN_DATA to their folder")
    return folder
