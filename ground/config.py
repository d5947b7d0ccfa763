"""Configuration of the ground process: one frozen tree, read from TOML; `config/ground.toml` is the example."""

from dataclasses import dataclass, field
from pathlib import Path

from lookdown.ground.history import HistoryConfig
from lookdown.ground.outputs.stream import OutputConfig
from lookdown.ground.parameters import Parameters
from lookdown.wire.security import SecurityConfig


@dataclass(frozen=True)
class GroundConfig:
    """What the ground process is told.

    Attributes
    ----------
    endpoint : str
        Where satellites deliver reports: bound, ``tcp://`` or ``ipc://``. Empty for ``fuse``, which needs none.
    picture_endpoint : str
        Where the picture and health are published: bound; empty for none.
    folder : Path
        Where ``received.ldrec``, ``history.sqlite`` and the folder ``history`` go; made if absent.
    exit_when_all_ended : bool
        Whether the process ends by itself when every expected sensor has ended.
    picture_rate_hz : float
        Pictures published per second.
    durable : bool
        Whether a report is acknowledged only when the disk has it (survives a loss of power) rather than the system
        (survives the death of the process).
    relay_store : Path or None
        Store of the relay at the ground, out of which packets that came over relays are taken, too; None: none is.
    relay_wait_s : float
        Longest wait for a packet that is missing before others of its sensor that came over relays [s].
    security : SecurityConfig
        Keys of the link to the satellites.
    history : HistoryConfig
        When the history is committed and its parts are closed.
    outputs : tuple of OutputConfig
        Live outputs in standard formats, ``[[outputs]]`` tables.
    fusion : Parameters
        Parameters of ingest and fusion; ``fusion.sensors`` lists the expected sensors.
    """

    endpoint: str = ""
    picture_endpoint: str = ""
    folder: Path = Path("ground-run")
    exit_when_all_ended: bool = False
    picture_rate_hz: float = 5.0
    durable: bool = False
    relay_store: Path | None = None
    relay_wait_s: float = 5.0
    security: SecurityConfig = field(default_factory=SecurityConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    outputs: tuple[OutputConfig, ...] = ()
    fusion: Parameters = field(default_factory=Parameters)

    def __post_init__(self) -> None:
        if not 0.01 <= self.picture_rate_hz <= 100.0:
            raise ValueError(f"picture_rate_hz: wanted 0.01 to 100, got {self.picture_rate_hz}; change it")
        if not 0.0 <= self.relay_wait_s <= 3600.0:
            raise ValueError(f"relay_wait_s: wanted 0 to 3600, got {self.relay_wait_s}; change it")
