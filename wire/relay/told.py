"""What a relay tells about itself: an event packet for what was given up, expired or refused, at most one a second."""

from collections import Counter

from lookdown.wire.clock import NS_PER_S
from lookdown.wire.messages import Event, EventKind, Severity
from lookdown.wire.packet import encode

_EVERY_NS = NS_PER_S
_U32 = 2**32 - 1
_GIVEN_UP = ("dropped", "refused full", "refused disk", "deliveries forgotten")
_KINDS = (
    (EventKind.PACKETS_GIVEN_UP, _GIVEN_UP, "given up or refused for want of room"),
    (EventKind.EXPIRED, ("expired",), "expired on their way"),
    (EventKind.REFUSED, ("refused connections",), "connections refused or cut"),
    (EventKind.PACKETS_GIVEN_UP, ("board lost",), "packets of the board given up before they came here"),
    (EventKind.REFUSED, ("board refused",), "messages of the board refused"),
    (EventKind.REFUSED, ("board held back",), "times packets of the board were not taken and wait with it"),
)


class Told:
    """Turns counts of a relay into events.

    Parameters
    ----------
    node : int
        The relay.
    """

    def __init__(self, node: int) -> None:
        self._node = node
        self._seen: Counter[str] = Counter()
        self._due_ns = 0
        self._made = 0

    def news(self, counts: Counter[str], now_ns: int, steady_ns: int) -> list[tuple[str, int, bytes]]:
        """Return what is told, its new total and the packet of each event that is due; `told` takes them off."""
        if steady_ns < self._due_ns:
            return []
        events = []
        for kind, names, text in _KINDS:
            total = sum(counts[name] for name in names)
            if fresh := total - self._seen[text]:
                words = f"relay {self._node}: {fresh} {text}, {total} since the start"
                event = Event(self._node, now_ns, Severity.WARNING, kind, min(fresh, _U32), float(total), words)
                events.append((text, total, encode(event, self._made)))
                self._made += 1
        if events:
            self._due_ns = steady_ns + _EVERY_NS
        return events

    def told(self, what: str, total: int) -> None:
        """Note that an event is on its way; one that could not be sent is made again with what came since."""
        self._seen[what] = total
