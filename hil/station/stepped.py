"""A run on a stepped clock: the cores of the onboard process, the link and the ground in one process, without sockets.

What would take hours on a bench takes seconds here and is the same to the last bit each time. Faults of the link act
on the messages between the sender's and the receiver's core; faults of the board end and begin its core, its spool on
disk among what it leaves behind.
"""

from pathlib import Path

from lookdown.ground.history import History
from lookdown.ground.parameters import Parameters
from lookdown.ground.pipeline import Pipeline
from lookdown.hil.faults.feed import Message
from lookdown.hil.station.agent import flip_bits, tear
from lookdown.hil.station.course import RESTARTS, Course, Note, Progress
from lookdown.hil.station.files import bad_pixels_name
from lookdown.hil.station.stepped_board import SteppedBoard
from lookdown.wire.clock import NS_PER_S, SteppedClock
from lookdown.wire.errors import ConfigError
from lookdown.wire.inbox import Inbox
from lookdown.wire.recording import Recorder

_TURN_S = 0.05  # link and health are looked after this often while frames are waited for
_RESEND_LIMIT_S = 120.0


class SteppedRun:
    """A whole run on a stepped clock.

    Parameters
    ----------
    course : Course
        Faults and messages.
    configs : dict of int to Path
        Configuration of each onboard process, with a spool.
    ground : Parameters
        Of the ground's fusion.
    folder : Path
        Where the recording ``received.ldrec`` and the history go; it exists.
    """

    def __init__(self, course: Course, configs: dict[int, Path], ground: Parameters, folder: Path) -> None:
        self._course = course
        self.clock = SteppedClock(course.scenario.start_ns)
        self.recording = folder / "received.ldrec"
        self._recorder = Recorder(self.recording)
        self._history = History(folder)
        self._inbox = Inbox([satellite.id for satellite in course.scenario.satellite])
        self._pipeline = Pipeline(ground)
        self.stalled = False
        self.boards = {i: SteppedBoard(path, self.clock, course.scenario.seed + i) for i, path in configs.items()}

    def run(self, progress: Progress) -> None:
        """Run to the end."""
        scenario, period_s = self._course.scenario, 1.0 / self._course.scenario.frame_rate_hz
        for step in self._course.steps():
            for note in step.ends:
                self._end(note)
            if step.ends or step.begins:
                self._settle()
            for note in step.begins:
                self._begin(note)
            origin_ns = self.clock.now_ns()
            late_s = 0.0
            for sensor_id, messages in self._course.messages(step.number, origin_ns).items():
                late_s = max([late_s, *(message.delay_s for message in messages)])
                self._give(sensor_id, messages)
            self._pass(max(period_s, late_s))
            progress.frame(step.number + 1, scenario.n_frames)
        for note in self._course.tried():
            if note.begun_ns and not note.ended_ns:
                self._end(note)
        self._settle()
        for board in self.boards.values():
            board.end()
        self._settle()
        self._history.add(self._pipeline.finish(), self.clock.now_ns())
        self._history.set_counters(self._counters())
        self._history.close(final=True)
        self._recorder.close()
        for board in self.boards.values():
            board.spool.close()

    def _give(self, sensor_id: int, messages: list[Message]) -> None:
        for message in messages:
            self.boards[sensor_id].give(message.parts)

    def _pass(self, seconds: float) -> None:
        """Let time go by, in turns."""
        left_s = seconds
        while left_s > 1e-9:
            self._turn()
            step_s = min(_TURN_S, left_s)
            self.clock.advance(step_s)
            left_s -= step_s
        self._turn()

    def _turn(self) -> None:
        for board in self.boards.values():
            arrived = board.turn()
            if self.stalled:
                board.way.queue.extendleft((0, message) for message in reversed(arrived))
                continue
            for message in arrived:
                for delivery in self._inbox.accept(message, self.clock.now_ns(), b"", None):
                    self._recorder.append(delivery)
                    self._history.add(self._pipeline.take(delivery), self.clock.now_ns())
            self._recorder.commit()
            self._inbox.commit()
            for _, acknowledgement in self._inbox.acknowledgements():
                board.acknowledge(acknowledgement)

    def _settle(self) -> None:
        """Wait until all that can be reported is, and the last health with it."""
        open_ways = [board for board in self.boards.values() if self._open(board)]
        for board in open_ways:
            board.work()
            board.tell_health()
        waited_s = 0.0
        while any(board.held for board in open_ways):
            self._pass(_TURN_S)
            waited_s += _TURN_S
            if waited_s > _RESEND_LIMIT_S:
                raise RuntimeError("the stepped link did not come to rest: a report waits that can never leave")

    def _open(self, board: SteppedBoard) -> bool:
        way = board.way
        return board.alive and not (board.paused or way.down or way.swallows or self.stalled)

    def _begin(self, note: Note) -> None:
        fault = note.fault
        board = self.boards[fault.satellite]
        note.begun_ns = self.clock.now_ns()
        match fault.kind:
            case kind if kind in RESTARTS:
                board.kill()
                if kind == "brown-out":
                    tear(board.spool_path, int(fault.much))
                elif kind == "flipped-spool":
                    flip_bits(board.spool_path, int(fault.much), self._course.scenario.seed)
                elif kind == "flipped-parameters":
                    self._refuses(note, board)
            case "stopped":
                board.paused = True
            case "disk-full":
                board.disk_full = True
            case "clock-jump":
                board.offset_ns += round(fault.much * NS_PER_S)
            case "link-down":
                board.way.down = True
                board.way.queue.clear()
            case "link-half-open":
                board.way.swallows = True
            case "link-slow":
                board.way.bits_per_s = fault.much
            case "link-lossy":
                board.way.loss = fault.much
            case "receiver-stall":
                self.stalled = True

    def _end(self, note: Note) -> None:
        board = self.boards[note.fault.satellite]
        note.ended_ns = self.clock.now_ns()
        match note.fault.kind:
            case kind if kind in RESTARTS:
                board.start()
            case "stopped":
                board.paused = False
            case "disk-full":
                board.disk_full = False
                if board.spool.unspooled:
                    note.said = f"{board.spool.unspooled} packets could not be written to the spool"
            case "link-down" | "link-half-open":
                board.way.down = board.way.swallows = False
                board.connected_anew()
            case "link-slow":
                board.way.bits_per_s = 0.0
            case "link-lossy":
                board.way.loss = 0.0
            case "receiver-stall":
                self.stalled = False

    def _refuses(self, note: Note, board: SteppedBoard) -> None:
        """Start a process whose calibration has a bit flipped, and mend it."""
        file = board.config.with_name(bad_pixels_name(note.fault.satellite))
        whole = file.read_bytes()
        flip_bits(file, 1, self._course.scenario.seed)
        try:
            board.start()
            note.status, note.said = 0, "it started"
            board.kill()
        except ConfigError as error:
            note.status, note.said = 2, str(error).replace(f"{board.config.parent}/", "")
        file.write_bytes(whole)

    def _counters(self) -> dict[tuple[int, str], int]:
        counters = dict(self._pipeline.counters)
        for sender, counts in self._inbox.counts.items():
            for name in ("received", "repeated", "lost"):
                counters[sender, name] = getattr(counts, name)
            counters[sender, "refused"] = sum(counts.refused.values())
        return counters
