"""Checksums of a configuration: every flipped bit is found, and a configuration without one flies as it is."""

import hashlib
from pathlib import Path

import pytest

from lookdown.flight.__main__ import main
from lookdown.flight.checksums import check_checksums
from lookdown.wire.errors import ConfigError


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    config, gain = tmp_path / "flight.toml", tmp_path / "gain.npy"
    config.write_text("sensor_id = 3\n")
    gain.write_bytes(bytes(range(32)))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (config, gain)]
    (tmp_path / "flight.toml.sha256").write_text("".join(lines))
    return config


def test_checksums_that_fit_are_taken_and_none_is_no_error(guarded: Path, tmp_path: Path) -> None:
    assert check_checksums(guarded)
    (tmp_path / "flight.toml.sha256").unlink()
    assert not check_checksums(guarded)


def test_every_flipped_bit_is_found(guarded: Path) -> None:
    for path in (guarded, guarded.with_name("gain.npy")):
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            changed = bytearray(whole)
            changed[bit >> 3] ^= 1 << (bit & 7)
            path.write_bytes(changed)
            with pytest.raises(ConfigError, match=f"{path.name}: is not what its checksum says"):
                check_checksums(guarded)
        path.write_bytes(whole)


def test_a_list_that_says_nothing_of_the_configuration_is_refused(guarded: Path, tmp_path: Path) -> None:
    listing = tmp_path / "flight.toml.sha256"
    lines = listing.read_text().splitlines(keepends=True)
    for text, said in (
        (lines[1], "does not list flight.toml"),
        ("rubbish\n", "line 1 is none of sha256sum's"),
        (lines[0] + f"{'0' * 64}  none.npy\n", "none.npy: is listed and cannot be read"),
    ):
        listing.write_text(text)
        with pytest.raises(ConfigError, match=said):
            check_checksums(guarded)
    listing.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_checksums(guarded)


def test_the_process_does_not_start_with_a_damaged_file(guarded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guarded.with_name("gain.npy").write_bytes(b"damaged")
    assert main(["run", "--config", str(guarded)]) == 2
    assert "gain.npy: is not what its checksum says" in capsys.readouterr().err
