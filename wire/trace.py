"""The way of each message, put together from what the nodes noted and what was recorded at the end.

A node that relays notes a JSON line an event (``trace`` of its configuration): ``time_ns``, ``node``, ``event``, ``id``
and, where there is one, ``peer``. A recording of the link (.ldrec) tells when its packets were created and seen. The
identifier is the same in all of them: source, boot and sequence, such as ``7-00000000deadbeef-12``.

Nodes have clocks of their own: where two events of different nodes stand in the wrong order, their clocks differ.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lookdown.wire.dump import utc
from lookdown.wire.recording import Recording
from lookdown.wire.relay.bundle import Key, parse_key

EVENTS = ("created", "spooled", "sent", "arrived", "stored", "custody", "delivered", "seen")
"""In the order of a good way; besides: refused, dropped, expired."""
_PROBLEMS = ("refused", "dropped", "expired")
_ORDER = {name: place for place, name in enumerate((*EVENTS, *_PROBLEMS))}


class Step(NamedTuple):
    """One event of a message."""

    time_ns: int
    node: int
    event: str
    peer: int


class Traces:
    """What is known of messages.

    Attributes
    ----------
    left_out : int
        Lines that are none, such as the torn end of a node that died.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._steps: dict[Key, list[Step]] = {}

    def read(self, path: Path) -> None:
        """Add a file: a recording if its name ends in .ldrec, else events of a node; OSError, WireError if none."""
        if path.suffix == ".ldrec":
            for delivery in Recording(path):
                key = Key(delivery.sender_id, delivery.boot_id, delivery.sequence)
                if delivery.origin_ns:
                    self.add(key, Step(delivery.origin_ns, delivery.sender_id, "created", 0))
                self.add(key, Step(delivery.arrival_ns, 0, "seen", delivery.sender_id))
            return
        with path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    event = str(entry["event"])
                    step = Step(int(entry["time_ns"]), int(entry["node"]), event, int(entry.get("peer", 0)))
                    key = parse_key(entry["id"])
                    if event not in _ORDER:
                        raise ValueError(event)
                except (ValueError, KeyError, TypeError, AttributeError):
                    self.left_out += 1
                    continue
                self.add(key, step)

    def add(self, key: Key, step: Step) -> None:
        """Add an event."""
        self._steps.setdefault(key, []).append(step)

    def __iter__(self) -> Iterator[Key]:
        return iter(sorted(self._steps, key=lambda key: min(self._steps[key])))

    def way(self, key: Key) -> list[Step]:
        """Return the events of a message in order of time; empty if nothing is known of it."""
        return sorted(self._steps.get(key, ()), key=lambda step: (step.time_ns, _ORDER[step.event]))


def way_lines(key: Key, way: Iterable[Step]) -> list[str]:
    """Return a head and a line for each event, to read."""
    steps = list(way)
    first_ns = steps[0].time_ns
    done = {step.event for step in steps}
    state = next((name for name in ("seen", "delivered", *_PROBLEMS[1:]) if name in done), "under way")
    sent = sum(step.event == "sent" for step in steps)
    lines = [f"{key}  {state}, {sent} hops sent, {(steps[-1].time_ns - first_ns) / 1e6:.3f} ms"]
    for step in steps:
        side = {"sent": "to", "arrived": "from", "custody": "taken by", "seen": "from"}.get(step.event, "at")
        node = f"node {step.node}" if step.node else "recording"
        peer = f" {side} {step.peer}" if step.peer else ""
        after_ms = (step.time_ns - first_ns) / 1e6
        lines.append(f"  {utc(step.time_ns)}  +{after_ms:10.3f} ms  {node:<11} {step.event}{peer}")
    return lines
