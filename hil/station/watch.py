"""What has come to the ground so far: the recording of the link, read as it grows.

The ground stores a packet before it does anything with it, so the recording is the first to know. A run waits for
events in it (this report is there, that process has started anew), never for time to pass.
"""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.messages import End, Event, Health, PlotReport
from lookdown.wire.packet import decode
from lookdown.wire.recording import RecordingTail


class Reported(NamedTuple):
    """One plot report as it arrived."""

    delivery: Delivery
    report: PlotReport


class Watch:
    """The packets of a recording, by satellite.

    Parameters
    ----------
    path : Path
        The recording; it need not be there yet.

    Attributes
    ----------
    reports : dict of (int, int) to list of Reported
        By satellite and frame, in order of arrival.
    health : dict of int to list of (Delivery, Health)
        By satellite, in order of arrival.
    boots : dict of int to list of int
        Starts of each satellite, in order.
    events : list of Event
        What boards told.
    ended : set of int
        Satellites that said that nothing follows.
    damaged : int
        Packets that could not be read.
    """

    def __init__(self, path: Path) -> None:
        self._tail = RecordingTail(path)
        self.reports: dict[tuple[int, int], list[Reported]] = defaultdict(list)
        self.health: dict[int, list[tuple[Delivery, Health]]] = defaultdict(list)
        self.boots: dict[int, list[int]] = defaultdict(list)
        self.events: list[Event] = []
        self.ended: set[int] = set()
        self.damaged = 0

    def look(self) -> None:
        """Take in what has come since the last look."""
        for delivery in self._tail.read():
            boots = self.boots[delivery.sender_id]
            if delivery.boot_id not in boots:
                boots.append(delivery.boot_id)
            try:
                message = decode(delivery.packet)
            except WireError:
                self.damaged += 1
                continue
            if isinstance(message, PlotReport):
                self.reports[message.sensor_id, message.frame_id].append(Reported(delivery, message))
            elif isinstance(message, Health):
                self.health[message.sensor_id].append((delivery, message))
            elif isinstance(message, Event):
                self.events.append(message)
            elif isinstance(message, End):
                self.ended.add(message.sensor_id)

    def counted(self, sensor_id: int, name: str) -> int:
        """Return the sum over all starts of a satellite of the last value of a counter of its health."""
        last: dict[int, int] = {}
        for delivery, health in self.health[sensor_id]:
            last[delivery.boot_id] = max(last.get(delivery.boot_id, 0), getattr(health, name))
        return sum(last.values())
