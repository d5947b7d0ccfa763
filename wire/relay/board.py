"""Where the board of a satellite hands its packets to the relay, as if the relay were the ground.

The board sees the link as it is (`lookdown.wire.link`): acknowledged is what the relay has on disk. A relay whose
store is full takes no more, and the board's own spool fills.
"""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import zmq

from lookdown.wire.clock import NS_PER_S, Clock
from lookdown.wire.envelope import Delivery
from lookdown.wire.receiver import LinkReceiver
from lookdown.wire.relay.bundle import TAKEN, Bundle
from lookdown.wire.relay.carried import Carried
from lookdown.wire.security import Security

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """Section ``[board]`` of a relay; the board has the relay's own number.

    Attributes
    ----------
    endpoint : str
        Where the board finds the relay: ``ground_endpoint`` of its configuration. Empty: there is no board.
    ground : int
        Node of the relay at the ground.
    priority : int
        Of the board's packets, 0 to 3.
    lifetime_s : float
        When a packet expires on its way [s].
    """

    endpoint: str = ""
    ground: int = 0
    priority: int = 2
    lifetime_s: float = 86_400.0

    def __post_init__(self) -> None:
        if not 0 <= self.priority <= 3 or not self.lifetime_s > 0:
            raise ValueError(f"wanted priority 0 to 3, lifetime_s above 0; came {self.priority}, {self.lifetime_s}")


class BoardEnd:
    """Takes the packets of one board and hands them to its relay.

    Parameters
    ----------
    config : BoardConfig
        What to do.
    node : int
        Board and relay.
    clock : Clock
        Stamps.
    security : Security or None
        Keys of the relay, in which the board is enrolled.
    give : callable
        Hands a bundle to the relay; returns a verdict and its reason.
    """

    def __init__(
        self,
        config: BoardConfig,
        node: int,
        clock: Clock,
        security: Security | None,
        give: Callable[[Bundle, int], tuple[int, str]],
    ) -> None:
        self._config, self._node, self._give = config, node, give
        # A context of its own: each has one gatekeeper, and the relay has one already.
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with ExitStack() as opened:
            opened.callback(self._context.destroy, linger=0)
            self._receiver = LinkReceiver(self._context, config.endpoint, clock, {node}, security=security)
            opened.pop_all()
        self._waiting: list[Delivery] = []  # taken from the board and not yet from the relay
        self._given: list[Delivery] = []  # given to the relay and not yet stored
        self._last = (0, 0)  # boot and sequence of the last packet given
        self.refused = ""
        """Why the relay does not take a packet at present; empty if it does."""
        self._held_back = 0  # how often it began not to
        self._told: Counter[str] = Counter()

    def register(self, poller: zmq.Poller) -> None:
        """Tell a poller when `take` would have something to do."""
        self._receiver.register(poller)

    def take(self, now_ns: int) -> bool:
        """Hand over what came; return whether something was."""
        if not self._waiting:
            self._waiting = self._receiver.service(0)
        given = 0
        for delivery in self._waiting:
            # After a restart of the relay the packet before is not known; the one with the number before is as good.
            boot_id, sequence = self._last
            previous = sequence if boot_id == delivery.boot_id else delivery.sequence - 1
            config, name = self._config, (self._node, delivery.boot_id, delivery.sequence)
            payload = Carried(min(previous, delivery.sequence - 1), delivery.origin_ns, delivery.packet).encode()
            expires_ns = now_ns + round(config.lifetime_s * NS_PER_S)
            before = self.refused
            verdict, self.refused = self._give(
                Bundle(*name, config.ground, config.priority, now_ns, expires_ns, payload), now_ns
            )
            if verdict != TAKEN:
                if not before:
                    self._held_back += 1
                    _LOG.warning("packets of the board wait: %s", self.refused)
                break
            self._last = (delivery.boot_id, delivery.sequence)
            given += 1
        self._given += self._waiting[:given]
        del self._waiting[:given]
        return given > 0

    def stored(self, written: bool) -> None:
        """Acknowledge what was given so far if the relay has written it, or else give it again."""
        if not written:
            self._waiting = self._given + self._waiting
        elif self._given and not self._waiting:
            self._receiver.commit()
        self._given = []

    def news(self) -> Counter[str]:
        """Return what was lost, refused and held back since the last call, by name."""
        stats = self._receiver.stats
        totals = Counter(
            {
                "board lost": sum(counts.lost for counts in stats.values()),
                "board refused": sum(
                    count
                    for counts in stats.values()
                    for reason, count in counts.refused.items()
                    if reason != "gap" and not reason.startswith("peer ")  # comes again; is told as a connection
                ),
                "board held back": self._held_back,
            }
        )
        fresh, self._told = totals - self._told, totals
        return fresh

    def lines(self) -> list[str]:
        """Return what is to be told of refused peers."""
        return self._receiver.refusals.take()

    def close(self) -> None:
        """Close the sockets; the board keeps what is not acknowledged."""
        self._receiver.close()
        self._context.term()
