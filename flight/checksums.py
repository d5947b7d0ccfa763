"""Checksums beside a configuration, so that a bit that flipped in a file is found before it flies.

``FILE.sha256`` beside the configuration ``FILE`` lists it and the files of its calibration as ``sha256sum`` writes
them (``sha256sum flight.toml gain.npy > flight.toml.sha256``). A configuration without one is taken as it is.
"""

import hashlib
from pathlib import Path

from lookdown.wire.errors import ConfigError


def check_checksums(config: Path) -> bool:
    """Hold the files of a configuration against its checksums.

    Returns
    -------
    bool
        Whether there are checksums.

    Raises
    ------
    ConfigError
        A file is not what its checksum says, the configuration itself is not in the list, or the list cannot be read.
    """
    listing = config.with_name(config.name + ".sha256")
    if not listing.exists():
        return False
    listed = set()
    for number, line in enumerate(_text(listing).splitlines(), 1):
        wanted, _, name = line.partition("  ")
        if len(wanted) != 64 or not name:
            raise ConfigError(f"{listing}: line {number} is none of sha256sum's; write the checksums anew")
        path = config.parent / name
        try:
            came = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"{path}: is listed and cannot be read ({error.strerror}); restore it") from None
        if came != wanted:
            raise ConfigError(
                f"{path}: is not what its checksum says (wanted SHA-256 {wanted[:12]}..., came {came[:12]}...); "
                f"restore the file, or write the checksums anew if you changed it: {listing}"
            )
        listed.add(path.resolve())
    if config.resolve() not in listed:
        raise ConfigError(f"{listing}: does not list {config.name}; write the checksums anew")
    return True


def _text(listing: Path) -> str:
    try:
        return listing.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{listing}: cannot be read ({error}); write the checksums anew") from None
