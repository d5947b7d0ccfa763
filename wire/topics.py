"""The table of topics: all that one process says to another.

Live code takes its socket kinds, sides and priorities from here; the documentation shows it as it stands.
"""

from dataclasses import dataclass
from typing import Any, Literal

import zmq

from lookdown.wire.messages import End, Event, FrameHeader, Health, IntervalHeader, Picture, PlotReport, RadarReport


@dataclass(frozen=True, slots=True)
class Topic:
    """One line of the table.

    Attributes
    ----------
    name : str
        What the topic is called.
    messages : tuple of type
        What is said: the types of the packets.
    giver, taker : str
        Process that says it, and process that hears it.
    rate : str
        How often.
    reliable : bool
        Whether every message is acknowledged and held until then (the link), or may be lost, and is counted.
    sockets : tuple of int
        ZeroMQ socket types of giver and taker.
    binds : str
        Which of the two binds the endpoint; the other one connects.
    priority : int
        For the link: what is given up first when the outbox is full has the lowest.
    high_water_mark : int
        Messages that ZeroMQ may queue on each side.
    """

    name: str
    messages: tuple[type[Any], ...]
    giver: str
    taker: str
    rate: str
    reliable: bool
    sockets: tuple[int, int]
    binds: Literal["giver", "taker"]
    priority: int
    high_water_mark: int


_PUSH_PULL = (zmq.PUSH, zmq.PULL)
_LINK = (zmq.DEALER, zmq.ROUTER)
_PUB_SUB = (zmq.PUB, zmq.SUB)

FRAMES = Topic(
    "frames", (FrameHeader, IntervalHeader, End), "sensor", "flight", "per frame", False, _PUSH_PULL, "taker", 0, 4
)
HEALTH = Topic("health", (Health,), "flight", "ground", "1/s, start, end", True, _LINK, "taker", 1, 256)
REPORTS = Topic("reports", (PlotReport, RadarReport), "flight", "ground", "per frame", True, _LINK, "taker", 2, 256)
EVENTS = Topic("events", (Event,), "flight", "ground", "at most 1/s", True, _LINK, "taker", 3, 256)
END = Topic("end", (End,), "flight", "ground", "once", True, _LINK, "taker", 3, 256)
PICTURE = Topic("picture", (Picture, Health), "ground", "anyone", "1/s", False, _PUB_SUB, "giver", 0, 16)

TOPICS = (FRAMES, HEALTH, REPORTS, EVENTS, END, PICTURE)


def table() -> str:
    """Return the topics as a table in Markdown."""
    head = ("topic", "messages", "from", "to", "rate", "delivery", "sockets", "binds", "priority")
    lines = [head, ("---",) * len(head)]
    for topic in TOPICS:
        lines.append(
            (
                topic.name,
                ", ".join(message.__name__ for message in topic.messages),
                topic.giver,
                topic.taker,
                topic.rate,
                "acknowledged" if topic.reliable else "lossy, counted",
                " to ".join(zmq.SocketType(kind).name for kind in topic.sockets),
                topic.giver if topic.binds == "giver" else topic.taker,
                str(topic.priority) if topic.reliable else "",
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
