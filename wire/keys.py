"""Keys of the nodes: who a node is, which keys it uses at present, and whose keys a node believes.

A node has one Ed25519 key that says who it is for as long as it lives. With it the node signs *epochs*: each has a
number that only grows, a CURVE key for connections and an X25519 key for sealed messages (`lookdown.wire.sealed`). What
is public of a node is its *card*: its identity and its last epochs. Cards are enrolled by hand once; a card with newer
epochs of the same identity proves itself. Libraries alone do arithmetic: `cryptography`, and libsodium in pyzmq.

A folder of keys: ``node.key`` (secret, readable by its owner alone), ``node.card``, ``enrolled/<id>.card``,
``revoked/<id>-<identity>.card``, ``starts`` (how often the node started).
"""

import json
import os
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from zmq.utils import z85

from lookdown.wire.errors import ConfigError

EPOCHS_KEPT = 8
"""Epochs that a card names: what was sealed under an older one cannot be opened any more."""
EPOCHS_CONNECTED = 2
"""Epochs whose CURVE keys may connect: the newest, and the one that a peer may not know to be over."""
_SIGNED = struct.Struct(">16sHHq32s32s")
_CONTEXT = b"lookdown epoch 1"


@dataclass(frozen=True, slots=True)
class Epoch:
    """The public keys that a node uses for a while.

    Attributes
    ----------
    node_id : int
        The node, 1 to 65535.
    number : int
        Number of the epoch, from 1 on.
    made_ns : int
        When it was made, TAI [ns]; told to people, decides nothing.
    curve_key, seal_key : bytes
        Public key of connections (CURVE) and of sealed messages (X25519), 32 octets each.
    signature : bytes
        Of the node's identity, over all above.
    """

    node_id: int
    number: int
    made_ns: int
    curve_key: bytes
    seal_key: bytes
    signature: bytes = b""

    def signed_octets(self) -> bytes:
        """Return what the signature covers."""
        return _SIGNED.pack(_CONTEXT, self.node_id, self.number, self.made_ns, self.curve_key, self.seal_key)


@dataclass(frozen=True, slots=True)
class Card:
    """What is public of a node: its identity (Ed25519 public key, 32 octets) and its last epochs, oldest first."""

    node_id: int
    identity: bytes
    epochs: tuple[Epoch, ...]

    def __post_init__(self) -> None:
        """Refuse a card that its own identity did not sign, to the last epoch."""
        key = Ed25519PublicKey.from_public_bytes(self.identity)
        numbers = [epoch.number for epoch in self.epochs]
        if (
            not numbers
            or numbers != sorted(set(numbers))
            or any(epoch.node_id != self.node_id for epoch in self.epochs)
        ):
            raise ValueError(f"wanted epochs of node {self.node_id} in order, came {numbers}")
        for epoch in self.epochs:
            try:
                key.verify(epoch.signature, epoch.signed_octets())
            except InvalidSignature:
                raise ValueError(
                    f"epoch {epoch.number} of node {self.node_id}: the signature is not that of its identity"
                ) from None

    @property
    def newest(self) -> Epoch:
        """The epoch in use."""
        return self.epochs[-1]

    @property
    def fingerprint(self) -> str:
        """What people compare: the first 16 octets of the identity, in hex."""
        return self.identity[:16].hex()

    @property
    def curve_keys(self) -> tuple[bytes, ...]:
        """CURVE keys with which the node may connect or be found, newest first, 32 octets each."""
        return tuple(epoch.curve_key for epoch in self.epochs[: -EPOCHS_CONNECTED - 1 : -1])

    def epoch(self, number: int) -> Epoch | None:
        """Return an epoch by its number; None if the card does not name it."""
        return next((epoch for epoch in self.epochs if epoch.number == number), None)

    def encode(self) -> str:
        """Return the card as text (JSON)."""
        epochs = [
            {
                "number": epoch.number,
                "made_ns": epoch.made_ns,
                "curve_key": epoch.curve_key.hex(),
                "seal_key": epoch.seal_key.hex(),
                "signature": epoch.signature.hex(),
            }
            for epoch in self.epochs
        ]
        return json.dumps({"node": self.node_id, "identity": self.identity.hex(), "epochs": epochs}, indent=1) + "\n"


def parse_card(text: str, where: str) -> Card:
    """Return the card that a text holds; ConfigError, naming ``where``, if it is none or is not truly signed."""
    try:
        values = json.loads(text)
        node_id = int(values["node"])
        epochs = tuple(
            Epoch(
                node_id,
                int(epoch["number"]),
                int(epoch["made_ns"]),
                bytes.fromhex(epoch["curve_key"]),
                bytes.fromhex(epoch["seal_key"]),
                bytes.fromhex(epoch["signature"]),
            )
            for epoch in values["epochs"]
        )
        return Card(node_id, bytes.fromhex(values["identity"]), epochs)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ConfigError(f"{where}: no card of a node ({error}); wanted one made by lookdown-wire keys make") from None


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """The secret keys of a node; see `make` and `load`.

    Attributes
    ----------
    card : Card
        What is public.
    identity : Ed25519PrivateKey
        Signs epochs.
    curve_secrets : dict of int to bytes
        By epoch: secret CURVE key, 32 octets.
    seal_secrets : dict of int to X25519PrivateKey
        By epoch: secret key of sealed messages.
    """

    card: Card
    identity: Ed25519PrivateKey = field(repr=False)
    curve_secrets: dict[int, bytes] = field(repr=False)
    seal_secrets: dict[int, X25519PrivateKey] = field(repr=False)

    @property
    def node_id(self) -> int:
        """The node, 1 to 65535."""
        return self.card.node_id

    @property
    def curve_pair(self) -> tuple[bytes, bytes]:
        """Public and secret CURVE key of the newest epoch, as ZeroMQ takes them (Z85)."""
        newest = self.card.newest
        return z85.encode(newest.curve_key), z85.encode(self.curve_secrets[newest.number])

    @classmethod
    def make(cls, node_id: int, now_ns: int) -> "NodeKeys":
        """Return keys of a new node, with its first epoch.

        Parameters
        ----------
        node_id : int
            The node, 1 to 65535.
        now_ns : int
            Noted as the time of the epoch, TAI [ns].
        """
        if not 1 <= node_id <= 65535:
            raise ValueError(f"node: wanted 1 to 65535, came {node_id}")
        identity = Ed25519PrivateKey.generate()
        return cls._with_epoch(node_id, identity, (), {}, {}, now_ns)

    def rotated(self, now_ns: int) -> "NodeKeys":
        """Return the keys with one more epoch; those beyond the last `EPOCHS_KEPT` are forgotten."""
        return self._with_epoch(
            self.node_id, self.identity, self.card.epochs, self.curve_secrets, self.seal_secrets, now_ns
        )

    @classmethod
    def _with_epoch(
        cls,
        node_id: int,
        identity: Ed25519PrivateKey,
        epochs: tuple[Epoch, ...],
        curve_secrets: dict[int, bytes],
        seal_secrets: dict[int, X25519PrivateKey],
        now_ns: int,
    ) -> "NodeKeys":
        number = epochs[-1].number + 1 if epochs else 1
        curve_public, curve_secret = (z85.decode(key) for key in zmq.curve_keypair())
        seal = X25519PrivateKey.generate()
        epoch = Epoch(node_id, number, now_ns, curve_public, seal.public_key().public_bytes_raw())
        epoch = replace(epoch, signature=identity.sign(epoch.signed_octets()))
        epochs = (*epochs, epoch)[-EPOCHS_KEPT:]
        kept = {epoch.number for epoch in epochs}
        return cls(
            Card(node_id, identity.public_key().public_bytes_raw(), epochs),
            identity,
            {n: key for n, key in (*curve_secrets.items(), (number, curve_secret)) if n in kept},
            {n: key for n, key in (*seal_secrets.items(), (number, seal)) if n in kept},
        )

    def save(self, folder: Path) -> None:
        """Write ``node.key`` and ``node.card``; a folder that is not there is made, for its owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        raw = (serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        secret = {
            "identity": self.identity.private_bytes(*raw).hex(),
            "curve": {str(number): key.hex() for number, key in self.curve_secrets.items()},
            "seal": {str(number): key.private_bytes(*raw).hex() for number, key in self.seal_secrets.items()},
            "card": json.loads(self.card.encode()),
        }
        _write(folder / "node.key", json.dumps(secret, indent=1) + "\n", 0o600)
        _write(folder / "node.card", self.card.encode(), 0o644)

    @classmethod
    def load(cls, folder: Path) -> "NodeKeys":
        """Read the keys of a folder.

        Raises
        ------
        ConfigError
            There are none, they are damaged, or somebody other than their owner may read them.
        """
        path = folder / "node.key"
        try:
            with path.open(encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                    raise ConfigError(
                        f"{path}: wanted a file that its owner, this user, alone may read, came mode "
                        f"{stat.S_IMODE(status.st_mode):03o} of user {status.st_uid}; chmod 600 it, and make new keys "
                        "if others have read it"
                    )
                text = file.read()
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); make keys with lookdown-wire keys make"
            ) from None
        try:
            values: dict[str, Any] = json.loads(text)
            return cls(
                parse_card(json.dumps(values["card"]), str(path)),
                Ed25519PrivateKey.from_private_bytes(bytes.fromhex(values["identity"])),
                {int(number): bytes.fromhex(key) for number, key in values["curve"].items()},
                {
                    int(number): X25519PrivateKey.from_private_bytes(bytes.fromhex(key))
                    for number, key in values["seal"].items()
                },
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: damaged ({type(error).__name__}); restore it or make new keys") from None


def next_start(folder: Path) -> int:
    """Return the number of this start of the node, 1 more than the last one, and note it on the disk first."""
    path = folder / "starts"
    try:
        last = int(path.read_text(encoding="ascii")) if path.exists() else 0
        _write(path, f"{last + 1}\n", 0o600)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot count this start ({error}); wanted a writable file with a number") from None
    return last + 1


class Keyring:
    """The cards that a node believes.

    Parameters
    ----------
    cards : iterable of Card
        The enrolled nodes.

    Raises
    ------
    ValueError
        Two cards of one node.
    """

    def __init__(self, cards: Iterable[Card]) -> None:
        self._cards: dict[int, Card] = {}
        for card in cards:
            if card.node_id in self._cards:
                raise ValueError(f"two cards of node {card.node_id}; wanted one")
            self._cards[card.node_id] = card
        self._by_curve = {key: card.node_id for card in self._cards.values() for key in card.curve_keys}

    @classmethod
    def load(cls, folder: Path, damaged: Callable[[str], None] | None = None) -> "Keyring":
        """Read the cards enrolled in a folder of keys; ConfigError if one is damaged, unless ``damaged`` is told."""
        cards = []
        for path in sorted((folder / "enrolled").glob("*.card")):
            try:
                cards.append(parse_card(path.read_text(encoding="utf-8"), str(path)))
            except (OSError, UnicodeDecodeError, ConfigError) as error:
                text = str(error) if isinstance(error, ConfigError) else f"{path}: cannot be read ({error})"
                if damaged is None:
                    raise ConfigError(f"{text}; enrol the node again") from None
                damaged(text)
        try:
            return cls(cards)
        except ValueError as error:
            raise ConfigError(f"{folder / 'enrolled'}: {error}") from None

    @property
    def cards(self) -> tuple[Card, ...]:
        """All cards."""
        return tuple(self._cards.values())

    def card(self, node_id: int) -> Card | None:
        """Return the card of a node; None if it is not enrolled."""
        return self._cards.get(node_id)

    def node_of(self, curve_key: bytes) -> int | None:
        """Return the node that may connect with a CURVE key (32 octets); None if no node may."""
        return self._by_curve.get(curve_key)


def enrol(folder: Path, card: Card, *, replace_identity: bool = False) -> str:
    """Enrol a card and return what was done: ``enrolled``, ``renewed`` or ``unchanged``.

    Raises
    ------
    ConfigError
        The identity was revoked, the node is enrolled with another identity (unless ``replace_identity``), or the
        card is older than the one that is enrolled.
    """
    if (folder / "revoked" / f"{card.node_id}-{card.fingerprint}.card").exists():
        raise ConfigError(
            f"node {card.node_id}: the identity {card.fingerprint} was revoked; make new keys for the node"
        )
    known = Keyring.load(folder).card(card.node_id)
    if known and known.identity != card.identity and not replace_identity:
        raise ConfigError(
            f"node {card.node_id} is enrolled as {known.fingerprint}, came {card.fingerprint}; revoke the old one first"
        )
    if known == card:
        return "unchanged"
    renewed = known is not None and known.identity == card.identity
    if known and renewed and card.newest.number <= known.newest.number:
        raise ConfigError(
            f"node {card.node_id}: wanted an epoch after {known.newest.number}, came {card.newest.number}; "
            "this card is an old one"
        )
    (folder / "enrolled").mkdir(parents=True, exist_ok=True)
    _write(folder / "enrolled" / f"{card.node_id}.card", card.encode(), 0o644)
    return "renewed" if renewed else "enrolled"


def revoke(folder: Path, node_id: int) -> Card:
    """Believe a node no more, nor its identity ever again; return its card. ConfigError if it is not enrolled."""
    card = Keyring.load(folder).card(node_id)
    if card is None:
        raise ConfigError(f"node {node_id} is not enrolled in {folder}; see lookdown-wire keys list")
    (folder / "revoked").mkdir(exist_ok=True)
    path = folder / "enrolled" / f"{node_id}.card"
    path.replace(folder / "revoked" / f"{node_id}-{card.fingerprint}.card")
    return card


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all; it never has a wider mode than ``mode``."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
