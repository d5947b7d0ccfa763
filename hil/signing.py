"""A run's signature: checksums of every file it left, signed with the identity of a node (Ed25519).

``SHA256SUMS`` is what ``sha256sum -c`` reads; ``SHA256SUMS.sig`` holds the 64 octets of the signature over it, as
OpenSSL gives and takes them; ``signer.card`` is the public card of who signed. The keys are those of the links
(``lookdown-wire keys make``): who trusts a node's card for its packets can trust it for its reports.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lookdown.wire.errors import ConfigError
from lookdown.wire.keys import Card, NodeKeys, parse_card

SUMS, SIGNATURE, CARD = "SHA256SUMS", "SHA256SUMS.sig", "signer.card"
_OWN = frozenset({SUMS, SIGNATURE, CARD})
_CHUNK_OCTETS = 1 << 20


def sign_run(folder: Path, keys: Path) -> Card:
    """Sign a run and return the card of who did.

    Raises
    ------
    ConfigError
        There are no keys, or the folder holds no report.
    """
    signer = NodeKeys.load(keys)
    if not (folder / "report.json").is_file():
        raise ConfigError(f"{folder}: wanted a run with its report, came none; run it first")
    lines = [f"{_sum(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    text = "".join(lines).encode()
    (folder / SUMS).write_bytes(text)
    (folder / SIGNATURE).write_bytes(signer.identity.sign(text))
    (folder / CARD).write_text(signer.card.encode(), encoding="utf-8")
    return signer.card


def verify_run(folder: Path, trusted: Path | None = None) -> tuple[Card, int]:
    """Check the signature of a run, and that no file is damaged, absent or added.

    Parameters
    ----------
    folder : Path
        The run.
    trusted : Path or None
        Card of the node that must have signed; None takes the card in the run, which shows damage, not forgery.

    Returns
    -------
    card : Card
        Who signed.
    count : int
        Files checked.

    Raises
    ------
    ConfigError
        One line: what does not fit.
    """
    card_path = trusted or folder / CARD
    try:
        text, signature = (folder / SUMS).read_bytes(), (folder / SIGNATURE).read_bytes()
        card = parse_card(card_path.read_text(encoding="utf-8"), str(card_path))
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror}); is this a signed run?") from None
    try:
        Ed25519PublicKey.from_public_bytes(card.identity).verify(signature, text)
    except InvalidSignature:
        raise ConfigError(
            f"{folder / SIGNATURE}: was not made by node {card.node_id}, {card.fingerprint}, over {SUMS}: forged, "
            "damaged, or signed by another"
        ) from None
    named = {}
    for line in text.decode().splitlines():
        wanted, _, name = line.partition("  ")
        named[name] = wanted
    present = {path.relative_to(folder).as_posix() for path in _files(folder)}
    if odd := sorted(present ^ named.keys()):
        raise ConfigError(f"{folder}: {odd[0]} {'is not signed' if odd[0] in present else 'is gone'}; {len(odd)} such")
    for name, wanted in named.items():
        if _sum(folder / name) != wanted:
            raise ConfigError(f"{folder / name}: is not what was signed; the run was altered or damaged")
    return card, len(named)


def _files(folder: Path) -> Iterator[Path]:
    return (
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).as_posix() not in _OWN
    )


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_OCTETS):
            digest.update(chunk)
    return digest.hexdigest()
