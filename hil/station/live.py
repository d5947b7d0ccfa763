"""A run in real time: real processes, real sockets, frames at the sensor's rate with deadlines.

Each frame is due at an instant; what comes later than a frame's period after it is counted as late, and latency counts
from that instant, so that a station or a board that falls behind cannot hide it. While the station waits for a
board (before a fault of board, link or ground), the sensor pauses: its frames are due later by as much.

A run that was interrupted can be gone on with: to the boards it is a reboot, to the ground a restart.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import zmq

from lookdown.hil.network.proxy import FaultProxies, FaultProxy
from lookdown.hil.process import Process
from lookdown.hil.rig import RigError
from lookdown.hil.station.config import RigConfig, TargetConfig
from lookdown.hil.station.course import Course, Note, Progress
from lookdown.hil.station.files import flight_files, write_ground
from lookdown.hil.station.frames import Frames
from lookdown.hil.station.hands import READY_S, Hands
from lookdown.hil.station.journal import Earlier, Journal
from lookdown.hil.station.reach import AgentGoneError, tai_ns
from lookdown.hil.station.target import LiveBoard, free_port
from lookdown.hil.station.watch import Watch
from lookdown.wire.clock import NS_PER_S
from lookdown.wire.messages import End
from lookdown.wire.packet import encode

_SETTLE_S = 60.0
_LOOK_S = 0.02


class LiveRun:
    """A whole run in real time.

    Parameters
    ----------
    course : Course
        Faults and messages.
    rig : RigConfig
        The target.
    frames : Frames
        The frames.
    folder : Path
        The run's folder.
    progress : Progress
        Who is told how it goes on.
    pace : float
        Scenario seconds in a second of the clock.
    journal : Journal
        Where it notes how far it got.
    earlier : Earlier or None
        What the part before left, if the run is gone on with.

    Attributes
    ----------
    boards : dict of int to LiveBoard
        By satellite.
    watch : Watch
        What has come to the ground.
    paused_s : float
        Time that the sensor paused for the station [s].
    incidents : list of str
        What nobody asked for and the run went on from.
    untested : set of (int, int)
        Satellite and frame that could not be tested because of that.
    sent : int
        Frames of the course that were given.
    """

    def __init__(
        self, course: Course, rig: RigConfig, frames: Frames, folder: Path, progress: Progress, pace: float,
        journal: Journal, earlier: Earlier | None = None,
    ) -> None:  # fmt: skip
        self._course, self._frames, self._folder, self._progress = course, frames, folder, progress
        scenario = course.scenario
        self._period_s = 1.0 / scenario.frame_rate_hz / pace
        self._under_test = rig.target.satellites or (scenario.satellite[0].id,)
        self._rig = rig
        self.watch = Watch(folder / "ground" / "received.ldrec")
        self.boards: dict[int, LiveBoard] = {}
        self.machine: dict[str, object] = {}
        self.ground = Process("ground", ())
        self._proxies: dict[int, FaultProxy] = {}
        self.paused_s = self.wall_s = 0.0
        self.incidents: list[str] = []
        self.untested: set[tuple[int, int]] = set()
        self.sent = self._given = 0
        self._journal, self._earlier = journal, earlier
        if earlier:
            earlier.lay_out(course)
            self.sent = self._given = earlier.given
            self.incidents, self.untested = list(earlier.incidents), set(earlier.untested)

    def run(self) -> str:
        """Run to the end and return why it ended early; empty if it did not."""
        with contextlib.ExitStack() as stack:
            try:
                self._set_up(stack)
                self._drive()
                self._finish()
                self._journal.end()
            except (RigError, AgentGoneError) as error:
                return str(error)
            except KeyboardInterrupt:
                return "stopped by the user"
            finally:
                self.watch.look()
        return ""

    def _set_up(self, stack: contextlib.ExitStack) -> None:
        """Start the ground and every board, and wait until all have reported their health."""
        scenario = self._course.scenario
        context = stack.enter_context(zmq.Context())
        port = free_port()
        address = self._rig.target.rig_address or "127.0.0.1"
        config = write_ground(scenario, self._folder, f"tcp://{address}:{port}")
        self.ground.command = (sys.executable, "-m", "lookdown.ground", "run", "--config", str(config))
        kinds = {note.fault.satellite: set[str]() for note in self._course.tried()}
        for note in self._course.tried():
            kinds[note.fault.satellite].add(note.fault.of.needs)
        proxies = stack.enter_context(FaultProxies()) if any("link" in needs for needs in kinds.values()) else None
        self._progress.step(f"starting the ground and {len(scenario.satellite)} onboard processes")
        if self._earlier:
            self._earlier.end_ground(self._folder)
        self.watch.look()
        boots = {satellite.id: len(self.watch.boots[satellite.id]) for satellite in scenario.satellite}
        self.ground.start(self._folder / "logs")
        self._journal.ground(self.ground.pid)
        stack.callback(self._stop_ground)
        for satellite in scenario.satellite:
            i = satellite.id
            target = self._rig.target if i in self._under_test else TargetConfig()
            needs = kinds.get(i, set())
            if proxies and "link" in needs:
                self._proxies[i] = proxies.link("127.0.0.1", port, seed=scenario.seed + i)
            ground_port = self._proxies[i].port if i in self._proxies else port
            board = LiveBoard(i, target, self._folder, ground_port, context, self._period_s, "clock" in needs)
            self.boards[i] = board
            stack.callback(board.close)
            machine = board.reach()
            if i in self._under_test:
                self.machine = machine
            if self._earlier:
                board.injected = self._earlier.injected.get(i, board.injected)
            files = flight_files(scenario, self._frames, i, board.folder, board.endpoints)
            board.put(files, anew=self._earlier is None)
            board.start()
            board.measure_clock()
        self._hands = Hands(self.boards, self.ground, proxies, self._proxies, self.watch, self._until, scenario.seed)
        for i, board in self.boards.items():
            self._until(
                lambda i=i: len(self.watch.boots[i]) > boots[i],  # type: ignore[misc]
                READY_S, f"{board.name} to report its health",
            )  # fmt: skip
        if self._given:  # by an earlier part
            for i in self.boards:
                self._count_anew(i)
            self._happened(f"the run was interrupted at frame {self._given} and gone on with from there")

    def _drive(self) -> None:
        scenario = self._course.scenario
        self._progress.step(
            f"running {scenario.n_frames} frames, {1 / self._period_s:g} a second, {len(self._course.tried())} faults"
        )
        began_s = time.monotonic()
        base_ns = tai_ns() + round(0.2 * NS_PER_S) - self._at(self._given)
        for step in self._course.steps(self._given):
            paused_ns = tai_ns()
            if step.ends or step.begins:
                self._between(step.number, step.ends, step.begins)
                pause_ns = max(tai_ns() - max(paused_ns, base_ns + self._at(step.number)), 0)
                base_ns += pause_ns
                self.paused_s += 1e-9 * pause_ns
            due_ns = base_ns + self._at(step.number)
            given = self._course.messages(step.number, due_ns)
            self._given = step.number + 1
            self._note_frame()  # first: no frame is given twice
            for i, messages in given.items():
                self.boards[i].give(messages, due_ns)
            self._pass_until(due_ns)
            self.sent = step.number + 1
            self._note_frame()
            self._progress.frame(self.sent, scenario.n_frames)
        for note in self._course.tried():
            if note.begun_ns and not note.ended_ns:
                self._hands.end(note)
                self._journal.note(note)
        self._settle()
        self.wall_s = time.monotonic() - began_s

    def _note_frame(self) -> None:
        self._journal.frame(self._given, {i: board.injected for i, board in self.boards.items()})

    def _at(self, number: int) -> int:
        """Instant of a frame after the first one [ns]."""
        return round(number * self._period_s * NS_PER_S)

    def _between(self, number: int, ends: list[Note], begins: list[Note]) -> None:
        """End and begin faults before a frame, each with all settled that can settle."""
        for note in ends:
            self._guarded(self._board(note), lambda note=note: self._hands.end(note), number)  # type: ignore[misc]
            self._journal.note(note)
        if any(note in self._course.heavy() for note in [*ends, *begins]):
            self._settle()
        for note in begins:
            self._guarded(self._board(note), lambda note=note: self._hands.begin(note), number)  # type: ignore[misc]
            self._journal.note(note)

    def _board(self, note: Note) -> LiveBoard:
        return self.boards[note.fault.satellite]

    def _finish(self) -> None:
        """Tell every board that nothing follows, and wait until all has been said."""
        self._progress.step("waiting until the ground has stored every report")
        for i, board in self.boards.items():
            board.measure_clock()
            end_ns = int(self._course.scenario.frame_time_ns(self._course.scenario.n_frames - 1))
            if not board.send_end(encode(End(i, end_ns, board.injected.frames)), round(1e3 * _SETTLE_S)):
                raise RigError(f"{board.name} takes nothing in any more")
        for board in self.boards.values():
            self._until(lambda board=board: self._has_ended(board), _SETTLE_S, f"{board.name} to end")  # type: ignore[misc]
        self._until(lambda: self.ground.ended, _SETTLE_S, "the ground to end")

    def _has_ended(self, board: LiveBoard) -> bool:
        board.look(force=True)
        return board.ended_well

    # What every wait does meanwhile.

    def _pass_until(self, due_ns: int) -> None:
        """Wait for an instant, sending what is due and looking after the boards."""
        for _ in self._meanwhile():
            rest_s = 1e-9 * (due_ns - tai_ns())
            if rest_s <= 0:
                return
            time.sleep(min(rest_s, _LOOK_S))

    def _until(self, done: Callable[[], bool], patience_s: float, what: str) -> None:
        """Wait for an event; RigError if it does not come."""
        end_s = time.monotonic() + patience_s
        for _ in self._meanwhile():
            if done():
                return
            if time.monotonic() > end_s:
                raise RigError(f"waited {patience_s:.0f} s in vain for {what}; see {self._folder / 'logs'}")
            time.sleep(_LOOK_S / 4)

    def _meanwhile(self) -> Iterator[None]:
        while True:
            for board in self.boards.values():
                if board.running:
                    self._guarded(board, lambda board=board: self._tend(board), self.sent)  # type: ignore[misc]
            self.watch.look()
            if (
                not self._hands.stalled
                and self.ground.ended
                and not all(board.ended_well for board in self.boards.values())
            ):
                raise RigError(f"ground ended early with status {self.ground.status}; {self.ground.last_words()}")
            yield

    @staticmethod
    def _tend(board: LiveBoard) -> None:
        board.drain()
        board.look()

    def _settle(self) -> None:
        """Wait until every open board has reported what it was given, and its health says so."""
        for i, board in self.boards.items():
            if not board.running or self._shut(i):
                continue

            def settled(i: int = i) -> bool:
                expected, watch = self._course.expected[i], self.watch
                return (
                    not self.boards[i].queue
                    and watch.counted(i, "frames_processed") >= expected.taken
                    and watch.counted(i, "frames_refused") >= expected.refused
                )

            self._until(settled, _SETTLE_S, f"{board.name} to report what it was given")

    def _shut(self, sensor_id: int) -> bool:
        """Whether reports of a satellite cannot arrive now, or its process stands still."""
        open_faults = [note.fault for note in self._course.tried() if note.begun_ns and not note.ended_ns]
        return self._hands.stalled or any(
            fault.satellite == sensor_id and fault.kind in ("stopped", "link-down", "link-half-open")
            for fault in open_faults
        )

    def _guarded(self, board: LiveBoard, work: Callable[[], None], number: int) -> None:
        """Do something on a target; if it went away, wait for it to come back and go on from here."""
        try:
            work()
        except AgentGoneError as error:
            if not board.remote:
                raise RigError(f"the agent of this machine ended: {error}") from None
            self._come_back(board, number, str(error))

    def _come_back(self, board: LiveBoard, number: int, why: str) -> None:
        """Wait for a board that went away, start its process again and note what could not be tested."""
        target = self._rig.target
        self._progress.step(f"{board.name} went away at frame {number} ({why}); waiting up to {target.reconnect_s:g} s")
        board.lose()
        board.queue.clear()
        end_s = time.monotonic() + target.reconnect_s
        while True:
            try:
                board.reach()
                break
            except RigError as error:
                if time.monotonic() > end_s:
                    raise RigError(
                        f"{error}; it went away at frame {number}: frames from there were not tested"
                    ) from None
                time.sleep(1.0)
        i = board.sensor_id
        boots = len(self.watch.boots[i])
        board.put(flight_files(self._course.scenario, self._frames, i, board.folder, board.endpoints), anew=False)
        board.start()
        self._until(lambda: len(self.watch.boots[i]) > boots, READY_S, f"{board.name} to report its health again")
        self._count_anew(i)
        away_s = time.monotonic() - end_s + target.reconnect_s
        self._happened(f"{board.name} went away at frame {number} ({why}) and came back after {away_s:.0f} s")

    def _count_anew(self, i: int) -> None:
        """Note what of a board that went away could not be tested.

        Who went away cannot say what it had counted: from here on the sums begin anew.
        """
        for k in range(self._given):
            if (i, k) not in self.watch.reports and (i, k) not in self._course.withheld:
                self.untested.add((i, k))
        expected = self._course.expected[i]
        expected.start_anew()
        for name, counter in (("taken", "processed"), ("refused", "refused"), ("missed", "missed")):
            setattr(expected, name, self.watch.counted(i, f"frames_{counter}"))

    def _happened(self, incident: str) -> None:
        self.incidents.append(incident)
        self._journal.incident(incident, self.untested)

    def _stop_ground(self) -> None:
        self.ground.go_on()
        self.ground.ask_to_stop()
        self.ground.stop()
