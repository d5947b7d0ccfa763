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
    """

    capacity: int = 100_000
    capacity_octets: int = 256 * 1024 * 1024
    window: int = 256
    answer_after_s: float = 2.0
    dead_for_s: float = 1.0
    route_for_s: float = 1.0
    remember_s: float = 3600.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: wanted more than 0, came {getattr(self, name)}")


@dataclass(slots=True, eq=False)
class Held:
    """A bundle in the custody of a relay."""

    bundle: Bundle
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
