"""Sealed messages: from one node to another over any number of relays, none of which can read or change them.

Each message stands alone::

    1 version, 1 spare (zero), 2 sender, 2 recipient, 2 sender's epoch, 2 recipient's epoch,
    4 start, 8 seed, 8 counter, n ciphertext, 16 tag                                           (big-endian)

ChaCha20-Poly1305 (RFC 8439) with the counter as nonce. Its key is HKDF-SHA256 (RFC 5869) of the X25519 secret that both
epochs share (RFC 7748), salted with everything up to the seed: each start of a sender has a key of its own, even where
the count of starts was set back, because the seed is random. The header above and what the caller names as header
(routing, priority) are authenticated with it and stay readable.

A message is opened once. Per start of a sender the opener remembers which of the last counters came (RFC 4303, 3.4.3);
messages may come out of order within that window, by hours if nothing else comes.
"""

import secrets
import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lookdown.wire.errors import WireError
from lookdown.wire.keys import Card, Keyring, NodeKeys

VERSION = 1
_SESSION = struct.Struct(">BBHHHHI8s")
_COUNTER = struct.Struct(">Q")
_HEADER_OCTETS = _SESSION.size + _COUNTER.size
_TAG_OCTETS = 16
SEALED_OCTETS = _HEADER_OCTETS + _TAG_OCTETS
"""What sealing adds to a payload."""
WINDOW = 65_536
"""Counters behind the newest of a start that may still come."""
EARLY = "early"
"""Why a message is refused that can be opened as soon as the newest card of its sender is enrolled."""
STARTS_REMEMBERED = 64
"""Starts of a sender that are remembered; older ones are refused."""
_STATE = struct.Struct(">HHI8sQI")


class Opened(NamedTuple):
    """A message that was opened."""

    sender_id: int
    payload: bytes
    epoch: int
    start: int
    counter: int


class Sealer:
    """Seals messages of this node to another one.

    Parameters
    ----------
    own : NodeKeys
        Keys of this node; the newest epoch seals.
    recipient : Card
        The node that shall open them; its newest epoch is sealed to.
    start : int
        Number of this start of the node (`lookdown.wire.keys.next_start`).

    Examples
    --------
    >>> ground, board = NodeKeys.make(1, 0), NodeKeys.make(7, 0)
    >>> sealed = Sealer(board, ground.card, start=1).seal(b"plots", b"priority 2")
    >>> Opener(ground, Keyring([board.card])).open(sealed, b"priority 2").payload
    b'plots'
    """

    def __init__(self, own: NodeKeys, recipient: Card, start: int) -> None:
        mine, theirs = own.card.newest, recipient.newest
        self._session = _SESSION.pack(
            VERSION, 0, own.node_id, recipient.node_id, mine.number, theirs.number, start, secrets.token_bytes(8)
        )
        shared = own.seal_secrets[mine.number].exchange(X25519PublicKey.from_public_bytes(theirs.seal_key))
        self._cipher = _cipher(shared, self._session)
        self._counter = 0

    def seal(self, payload: bytes, header: bytes = b"") -> bytes:
        """Return the sealed message.

        Parameters
        ----------
        payload : bytes
            What only the recipient shall read.
        header : bytes
            What relays may read and nobody may change: the opener must name the same octets. It is not part of what is
            returned.
        """
        self._counter += 1
        counter = _COUNTER.pack(self._counter)
        own_header = self._session + counter
        return own_header + self._cipher.encrypt(bytes(4) + counter, payload, own_header + header)


class _Window:
    """Which counters of one start came."""

    __slots__ = ("came", "cipher", "newest")

    def __init__(self, newest: int = 0, came: int = 0) -> None:
        self.newest = newest
        self.came = came  # bit n: newest - n came
        self.cipher: ChaCha20Poly1305 | None = None

    def check(self, counter: int) -> None:
        """Raise WireError if a counter came before, or is too far back to know."""
        behind = self.newest - counter
        if behind >= WINDOW:
            raise WireError("window", f"wanted a counter after {self.newest - WINDOW}, came {counter}")
        if behind >= 0 and self.came >> behind & 1:
            raise WireError("replay", f"counter {counter} came before")

    def note(self, counter: int) -> None:
        """Note that a counter came."""
        ahead = counter - self.newest
        if ahead > 0:
            self.came = (self.came << ahead | 1) & _MASK if ahead < WINDOW else 1
            self.newest = counter
        else:
            self.came |= 1 << -ahead


_MASK = (1 << WINDOW) - 1


class Opener:
    """Opens what other nodes sealed to this one, each message once.

    Parameters
    ----------
    own : NodeKeys
        Keys of this node; all its epochs open.
    ring : Keyring
        Whose messages are believed; see `renew`.
    state : bytes
        What `state` of an earlier opener returned: what it opened is not opened again.

    Raises
    ------
    ValueError
        ``state`` is none.
    """

    def __init__(self, own: NodeKeys, ring: Keyring, state: bytes = b"") -> None:
        self._own, self._ring = own, ring
        # By sender and its epoch: windows by (start, seed), the oldest start first to be forgotten.
        self._windows: dict[tuple[int, int], dict[tuple[int, bytes], _Window]] = {}
        self._floors: dict[tuple[int, int], int] = {}
        self._shared: dict[tuple[int, int, bytes], bytes] = {}
        self._restore(state)

    def renew(self, own: NodeKeys, ring: Keyring) -> None:
        """Use other keys from now on: nodes were enrolled or revoked, or epochs added. What was opened stays known."""
        self._own, self._ring = own, ring
        self._shared.clear()
        for windows in self._windows.values():
            for window in windows.values():
                window.cipher = None

    def open(self, sealed: bytes, header: bytes = b"") -> Opened:
        """Return the message that was sealed.

        Parameters
        ----------
        sealed : bytes
            Whatever came.
        header : bytes
            As the sealer named it.

        Raises
        ------
        WireError
            ``truncated``, ``version``; ``recipient``: sealed to another node; ``node``: the sender is not enrolled;
            ``early``: of keys that are not known yet; ``epoch``: of keys that are not known any more; ``forged``:
            changed, or sealed by somebody else; ``replay``: opened before; ``window``, ``start``: too old to know.
            Nothing changes then.
        """
        if len(sealed) < SEALED_OCTETS:
            raise WireError("truncated", f"wanted at least {SEALED_OCTETS} octets, came {len(sealed)}")
        version, spare, sender, recipient, theirs, mine, start, seed = _SESSION.unpack_from(sealed)
        if (version, spare) != (VERSION, 0):
            raise WireError("version", f"wanted sealed version {VERSION}, came {version}, {spare}")
        if recipient != self._own.node_id:
            raise WireError("recipient", f"wanted {self._own.node_id}, came {recipient}")
        own_header = sealed[:_HEADER_OCTETS]
        (counter,) = _COUNTER.unpack_from(sealed, _SESSION.size)
        shared = self._shared_secret(sender, theirs, mine)
        windows = self._windows.get((sender, theirs), {})
        window = windows.get((start, seed))
        if window:
            window.check(counter)
        elif start <= self._floors.get((sender, theirs), 0):
            raise WireError("start", f"start {start} of node {sender} is older than those that are remembered")
        cipher = window.cipher if window else None
        cipher = cipher or _cipher(shared, own_header[: _SESSION.size])
        try:
            payload = cipher.decrypt(bytes(4) + _COUNTER.pack(counter), sealed[_HEADER_OCTETS:], own_header + header)
        except InvalidTag:
            raise WireError("forged", f"not sealed by node {sender}, or changed on its way") from None
        if window is None:
            window = self._begin((sender, theirs), (start, seed))
        window.cipher = cipher
        window.note(counter)
        return Opened(sender, payload, theirs, start, counter)

    def state(self) -> bytes:
        """Return what must outlive the process, so that nothing is opened twice."""
        parts = []
        for (sender, epoch), floor in self._floors.items():
            parts.append(_STATE.pack(sender, epoch, floor, bytes(8), 0, 0))
        for (sender, epoch), windows in self._windows.items():
            for (start, seed), window in windows.items():
                came = window.came.to_bytes((window.came.bit_length() + 7) // 8, "big")
                parts.append(_STATE.pack(sender, epoch, start, seed, window.newest, len(came)) + came)
        return b"".join(parts)

    def _restore(self, state: bytes) -> None:
        at = 0
        while at < len(state):
            if len(state) - at < _STATE.size:
                raise ValueError(f"state: wanted {_STATE.size} octets at {at}, came {len(state) - at}")
            sender, epoch, start, seed, newest, octets = _STATE.unpack_from(state, at)
            at += _STATE.size
            if len(state) - at < octets:
                raise ValueError(f"state: wanted {octets} octets at {at}, came {len(state) - at}")
            if newest:
                came = int.from_bytes(state[at : at + octets], "big")
                self._windows.setdefault((sender, epoch), {})[start, seed] = _Window(newest, came)
            else:
                self._floors[sender, epoch] = start
            at += octets

    def _begin(self, stream: tuple[int, int], session: tuple[int, bytes]) -> _Window:
        """Remember a start that proved to be true; forget the oldest beyond those that are remembered."""
        windows = self._windows.setdefault(stream, {})
        window = windows[session] = _Window()
        if len(windows) > STARTS_REMEMBERED:
            oldest = min(windows)
            del windows[oldest]
            self._floors[stream] = max(self._floors.get(stream, 0), oldest[0])
        return window

    def _shared_secret(self, sender: int, theirs: int, mine: int) -> bytes:
        card = self._ring.card(sender)
        if card is None:
            raise WireError("node", f"node {sender} is not enrolled")
        epoch, secret = card.epoch(theirs), self._own.seal_secrets.get(mine)
        if theirs > card.newest.number or mine > self._own.card.newest.number:
            raise WireError("early", f"epoch {theirs} of node {sender} to epoch {mine} of this one: not known yet")
        if epoch is None or secret is None:
            raise WireError("epoch", f"epoch {theirs} of node {sender} to epoch {mine} of this one: keys not known")
        key = (sender, mine, epoch.seal_key)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = secret.exchange(X25519PublicKey.from_public_bytes(epoch.seal_key))
        return shared


def _cipher(shared: bytes, session: bytes) -> ChaCha20Poly1305:
    """Return the cipher of one start of a sender."""
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=session, info=b"lookdown sealed 1").derive(shared))
