"""What a relay keeps of a bundle and of a neighbour, and its bounds."""

from dataclasses import dataclass, field

from lookdown.wire.relay.bundle import PRIORITIES, Bundle, Key
from lookdown.wire.relay.plan import Contact


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Bounds of a relay.

    Attributes
    ----------
    capacity : int
        Bundles held.
    capacity_octets : int
        Octets of the bundles held.
    window : int
        Bundles under way to one neighbour without an answer.
    answer_after_s : float
        A link counts as dead when its custody signal is so late, beyond twice the delay of the contact [s].
    dead_for_s : float
        How long a link is left alone when it was found dead, doubled each time up to sixteenfold [s].
    route_for_s : float
        Age at which routes are computed anew though nothing died [s].
    remember_s : float
        How long a delivered bundle is known beyond its expiry [s].
    settle_after_s : float
        How long what came may wait until it is written, with all that came meanwhile, and answered [s].
    delivered_octets : int
        Octets of delivered messages that are kept; beyond, the oldest lose their content, counted.
    delivered_for_s : float
        How long delivered messages are kept [s].
    trace_octets : int
        Octets that the trace may take on disk; beyond, its older half goes.
    """

    capacity: int = 100_000
    capacity_octets: int = 256 * 1024 * 1024
    window: int = 256
    answer_after_s: float = 2.0
    dead_for_s: float = 1.0
    route_for_s: float = 1.0
    remember_s: float = 3600.0
    settle_after_s: float = 0.003
    delivered_octets: int = 256 * 1024 * 1024
    delivered_for_s: float = 7 * 86_400.0
    trace_octets: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: wanted more than 0, came {getattr(self, name)}")


@dataclass(slots=True, eq=False)
class Held:
    """A bundle in the custody of a relay."""

    bundle: Bundle
    key: Key
    octets: bytes
    binding: int  # transfers from this number on end the custody of this relay when they are answered
    gone: bool = False
    waiting: bool = False
    due_ns: int = 0  # when the answer to its transfer is late


@dataclass(slots=True, eq=False)
class Neighbour:
    """A node to which a relay can send at times."""

    contacts: list[Contact]
    at: int = 0  # first contact that is not over
    flying: dict[Key, Held] = field(default_factory=dict)  # in order of sending
    free_ns: int = 0  # when the contact has sent what it was given
    dead_until_ns: int = 0
    failures: int = 0
    full_until_ns: list[int] = field(default_factory=lambda: [0] * PRIORITIES)

    def contact(self, now_ns: int) -> Contact | None:
        """Return the contact that is open, or None."""
        while self.at < len(self.contacts) and self.contacts[self.at].end_ns <= now_ns:
            self.at += 1
        if self.at < len(self.contacts) and self.contacts[self.at].start_ns <= now_ns:
            return self.contacts[self.at]
        return None

    def change_ns(self, now_ns: int) -> int:
        """Return when a contact begins or ends next [ns]."""
        if self.contact(now_ns):
            return self.contacts[self.at].end_ns
        return self.contacts[self.at].start_ns if self.at < len(self.contacts) else 2**63 - 1

    def shift(self, by_ns: int) -> None:
        """Shift all times of its own, because the clock was set; contacts that were over may be again."""
        self.at = 0
        self.free_ns += by_ns
        self.dead_until_ns += by_ns if self.dead_until_ns else 0
        self.full_until_ns = [until_ns + by_ns if until_ns else 0 for until_ns in self.full_until_ns]
        for held in self.flying.values():
            held.due_ns += by_ns
