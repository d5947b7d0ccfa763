"""The seal of a configuration: checksums beside it, so that a bit that flipped in a file is found before it flies.

``FILE.sha256`` beside the configuration ``FILE`` lists it and the files of its calibration as ``sha256sum`` writes
them (``sha256sum flight.toml gain.npy > flight.toml.sha256``). A configuration without one is taken as it is.
"""

import hashlib
from pathlib import Path

from lookdown.wire.errors import ConfigError


def check_seal(config: Path) -> bool:
    """Hold the files of a configuration against its seal.

    Returns
    -------
    bool
        Whether there is a seal.

    Raises
    ------
    ConfigError
        A file is not what was sealed, the configuration itself is not in the list, or the list cannot be read.
    """
    seal = config.with_name(config.name + ".sha256")
    if not seal.exists():
        return False
    sealed = set()
    for number, line in enumerate(_text(seal).splitlines(), 1):
        wanted, _, name = line.partition("  ")
        if len(wanted) != 64 or not name:
            raise ConfigError(f"{seal}: line {number} is none of sha256sum's; seal the configuration anew")
        path = config.parent / name
        try:
            came = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"{path}: is sealed and cannot be read ({error.strerror}); restore it") from None
        if came != wanted:
            raise ConfigError(
                f"{path}: is not what was sealed (wanted SHA-256 {wanted[:12]}..., came {came[:12]}...); restore the "
                f"file, or seal the configuration anew if you changed it: {seal}"
            )
        sealed.add(path.resolve())
    if config.resolve() not in sealed:
        raise ConfigError(f"{seal}: does not list {config.name}; seal the configuration anew")
    return True


def _text(seal: Path) -> str:
    try:
        return seal.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{seal}: cannot be read ({error}); seal the configuration anew") from None
