"""The configuration of a relay process."""

from dataclasses import dataclass, field
from pathlib import Path

from lookdown.wire.relay.board import BoardConfig
from lookdown.wire.relay.parts import RelayLimits
from lookdown.wire.security import SecurityConfig


@dataclass(frozen=True, slots=True)
class NeighbourConfig:
    """One ``[[neighbours]]`` table: a node that this one can send to at times, and where it binds."""

    node: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """All of the file; relative paths count from its folder.

    Attributes
    ----------
    node : int
        This node, 1 to 65535.
    plan : Path
        Contact plan.
    endpoint : str
        Where this node binds for its neighbours, such as ``tcp://*:5700``.
    local : str
        Where it takes messages of this machine, such as ``ipc://relay``.
    store : Path
        Database of what is held and what was delivered.
    trace : Path or None
        Where to write what happened to each bundle (JSON lines); None: nowhere.
    events_to : int
        Node that is told, by event packets, what was given up, expired or refused here; 0: it is counted and logged.
    durable : bool
        Whether custody is taken only when the disk has it (survives a loss of power).
    neighbours : tuple of NeighbourConfig
        Those of the plan that this node sends to.
    limits : RelayLimits
        Bounds.
    board : BoardConfig
        The board of this satellite, if it hands its packets to this relay.
    security : SecurityConfig
        Keys; none: neither encrypted nor authenticated.
    """

    node: int
    plan: Path
    endpoint: str
    local: str
    store: Path
    trace: Path | None = None
    events_to: int = 0
    durable: bool = False
    neighbours: tuple[NeighbourConfig, ...] = ()
    limits: RelayLimits = field(default_factory=RelayLimits)
    board: BoardConfig = field(default_factory=BoardConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.node <= 65535:
            raise ValueError(f"node: wanted 1 to 65535, came {self.node}")
        nodes = [neighbour.node for neighbour in self.neighbours]
        if len(set(nodes)) < len(nodes):
            raise ValueError(f"neighbours: wanted each node once, came {sorted(nodes)}")
