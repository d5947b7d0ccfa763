"""One satellite on a stepped clock: the core of its process, its spool on disk, and its link as it is at present."""

import resource
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from lookdown.flight.board import Board
from lookdown.flight.checksums import check_checksums
from lookdown.flight.config import FlightConfig
from lookdown.flight.report import make_reporter
from lookdown.hil.station.agent import limit_octets, parts_of
from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.config import load_config
from lookdown.wire.outbox import Outbox
from lookdown.wire.spool import Spool
from lookdown.wire.topics import END, HEALTH, REPORTS

_BOOT = 1 << 20


@dataclass(slots=True)
class Way:
    """The link of a satellite as it is at present: what is on its way, and how bad the way is."""

    queue: deque[tuple[int, bytes]] = field(default_factory=deque)
    free_ns: int = 0
    down: bool = False
    swallows: bool = False
    bits_per_s: float = 0.0
    loss: float = 0.0

    def put(self, message: bytes, now_ns: int, draw: Random) -> None:
        """Send a message: when it arrives is known at once, unless it never does."""
        if self.down or self.swallows:
            return
        start_ns = max(now_ns, self.free_ns)
        if self.bits_per_s:
            start_ns += round(8e9 * len(message) / self.bits_per_s)
        self.free_ns = start_ns
        if self.loss and draw.random() < self.loss:
            self.free_ns = start_ns = start_ns + NS_PER_S // 5  # TCP sends it again, and what follows waits
        self.queue.append((start_ns, message))

    def arrived(self, now_ns: int) -> Iterator[bytes]:
        """Yield what has arrived by now."""
        while self.queue and self.queue[0][0] <= now_ns:
            yield self.queue.popleft()[1]


class SteppedBoard:
    """One satellite: the core of its process, its spool, its link.

    Parameters
    ----------
    config : Path
        Configuration of the onboard process.
    clock : SteppedClock
        Its clock.
    seed : int
        Of the losses of its link.
    """

    def __init__(self, config: Path, clock: SteppedClock, seed: int) -> None:
        self.config, self._clock = config, clock
        self._draw = Random(seed)
        self.way = Way()
        self.alive = self.paused = self.disk_full = False
        self.offset_ns = 0
        self.starts = 0
        self._waiting: deque[list[bytes]] = deque()  # at the door of a process that stands still
        self.frames_given = 0
        self.said = ""
        self.start()

    def start(self) -> None:
        """Start the process.

        Raises
        ------
        ConfigError
            It refuses to start.
        """
        check_checksums(self.config)
        config = load_config(self.config, FlightConfig)
        self.sensor_id = config.sensor_id
        self.starts += 1
        boot = _BOOT * config.sensor_id + self.starts
        assert config.spool is not None
        self.spool_path = config.spool
        self._own_clock = _Shifted(self._clock, self)
        self.board = Board(
            config.sensor_id, config.rows, config.cols, make_reporter(config), self._own_clock, warn=self._hear
        )
        self.spool = Spool(config.spool, config.sensor_id, boot)
        self.outboxes = deque(
            Outbox(config.sensor_id, left.boot_id, journal=self.spool, held=left.lanes, acknowledged=left.acknowledged)
            for left in self.spool.left
        )
        self.newest = Outbox(config.sensor_id, boot, journal=self.spool)
        self.outboxes.append(self.newest)
        self.given_up = 0
        self._health_due_ns = self._clock.steady_ns()
        self.alive = True

    def kill(self) -> None:
        """End the process as SIGKILL does: what the spool has not been told is gone."""
        self.alive = False
        # To close a database tidies it up, for which SIGKILL leaves no time: the files stay as they are now.
        left = {path: path.read_bytes() for path in parts_of(self.spool_path)}
        self.spool.close()
        for path, data in left.items():
            path.write_bytes(data)
        self.way.queue.clear()
        self._waiting.clear()

    def give(self, parts: list[bytes]) -> None:
        """Put a message at its door."""
        self.frames_given += len(parts) == 2
        self._waiting.append(parts)

    def work(self) -> None:
        """Take the messages that wait at the door."""
        while self._waiting and self.alive and not self.paused:
            self._take(self._waiting.popleft())

    def turn(self) -> list[bytes]:
        """Do what is due and return the messages that arrive at the ground."""
        if self.alive and not self.paused:
            self.work()
            if self._clock.steady_ns() >= self._health_due_ns:
                self.tell_health()
            self._send()
        return list(self.way.arrived(self._clock.steady_ns()))

    def tell_health(self) -> None:
        """Offer a health packet now."""
        self.newest.offer(self.board.health(self.newest.counts.dropped), HEALTH.priority, self._own_clock.now_ns())
        self._health_due_ns = self._clock.steady_ns() + NS_PER_S

    def end(self) -> None:
        """Say that nothing follows."""
        self.tell_health()
        self.newest.offer(self.board.end(), END.priority, self._own_clock.now_ns())

    def acknowledge(self, message: bytes) -> None:
        """Take an acknowledgement of the ground, unless the way back is gone."""
        if self.alive and not (self.way.down or self.way.swallows):
            self._current.acknowledge(message, self._clock.steady_ns())

    def connected_anew(self) -> None:
        """Note that the link is mended: what was in flight goes again."""
        self._current.go_back()

    @property
    def held(self) -> int:
        """Packets that are not acknowledged."""
        return sum(outbox.held for outbox in self.outboxes) + len(self._waiting)

    def counters(self) -> dict[str, Any]:
        """Return what the process says at its end."""
        link = {**asdict(self.newest.counts), "refused": dict(self.newest.counts.refused)}
        return {**self.board.counters(), "ended_by": "end", "link": {**link, "unspooled": self.spool.unspooled}}

    @property
    def _current(self) -> Outbox:
        while len(self.outboxes) > 1 and not self.outboxes[0].held:
            self.spool.forget(self.outboxes.popleft().boot_id)
        return self.outboxes[0]

    def _take(self, parts: list[bytes]) -> None:
        if len(parts) == 1:
            self.board.is_end(parts[0])
            return
        made = self.board.frame(parts)
        if made:
            self.newest.offer(made[0], REPORTS.priority, made[1])

    def _send(self) -> None:
        with _limited(self.spool_path, self.disk_full):
            self.spool.commit()
        now_ns = self._clock.steady_ns()
        self._current.expire(now_ns)
        while (message := self._current.next()) is not None:
            self.way.put(message, now_ns, self._draw)
            self._current.sent(now_ns)

    def _hear(self, line: str) -> None:
        self.said = line


class _Shifted:
    """The clock of a board, which may be set; its steady reading is not."""

    def __init__(self, clock: SteppedClock, board: SteppedBoard) -> None:
        self._clock, self._board = clock, board

    def now_ns(self) -> int:
        return self._clock.now_ns() + self._board.offset_ns

    def steady_ns(self) -> int:
        return self._clock.steady_ns()


@contextmanager
def _limited(spool: Path, full: bool) -> Iterator[None]:
    """Let files of this process grow no more, as if the disk were full, while the spool is written."""
    if not full:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_octets(spool), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
