"""The hands of the station: they begin and end a fault in a run in real time."""

from collections.abc import Callable, Mapping
from typing import Protocol

from lookdown.hil.network.proxy import FaultProxies, FaultProxy
from lookdown.hil.process import Process
from lookdown.hil.rig import RigError
from lookdown.hil.station.course import RESTARTS, Note
from lookdown.hil.station.files import SPOOL, bad_pixels_name
from lookdown.hil.station.reach import tai_ns
from lookdown.hil.station.target import LiveBoard
from lookdown.hil.station.watch import Watch

READY_S = 300.0
"""Longest time that a process may take to start: a whole emulated machine takes a minute [s]."""

_REFUSE_S = 180.0


class Wait(Protocol):
    """Waits for an event; RigError if it does not come."""

    def __call__(self, done: Callable[[], bool], patience_s: float, what: str) -> None:
        """Wait until ``done`` says so, at most so long; ``what`` is the event in words."""
        ...


class Hands:
    """What a run in real time breaks and mends with.

    Parameters
    ----------
    boards : mapping of int to LiveBoard
        By satellite.
    ground : Process
        The ground.
    cutter : FaultProxies or None
        Links that can be broken; None if no fault needs one.
    proxies : mapping of int to FaultProxy
        The link of each satellite that has one.
    watch : Watch
        What has come to the ground.
    wait : Wait
        How the run waits.
    seed : int
        Of what is damaged.

    Attributes
    ----------
    stalled : bool
        Whether the ground stands still.
    """

    def __init__(
        self, boards: Mapping[int, LiveBoard], ground: Process, cutter: FaultProxies | None,
        proxies: Mapping[int, FaultProxy], watch: Watch, wait: Wait, seed: int,
    ) -> None:  # fmt: skip
        self._boards, self._ground, self._cutter, self._proxies = boards, ground, cutter, proxies
        self._watch, self._until, self._seed = watch, wait, seed
        self.stalled = False

    def begin(self, note: Note) -> None:
        """Begin a fault."""
        fault, board = note.fault, self._boards[note.fault.satellite]
        note.begun_ns = tai_ns()
        spool = f"{board.folder}/{SPOOL}"
        match fault.kind:
            case kind if kind in RESTARTS:
                board.signal("SIGKILL")
                if kind == "brown-out":
                    board.agent.ask("tear", path=spool, octets=int(fault.much))
                elif kind == "flipped-spool":
                    board.agent.ask("flip", path=spool, bits=int(fault.much), seed=self._seed)
                elif kind == "flipped-parameters":
                    self._refuses(note, board)
            case "stopped":
                board.signal("SIGSTOP")
            case "disk-full":
                board.agent.ask("fill_disk", spool=spool, full=True)
            case "clock-jump":
                board.set_clock(fault.much)
            case "link-down":
                assert self._cutter
                self._cutter.cut(self._proxies[fault.satellite])
            case "link-half-open":
                self._proxies[fault.satellite].faults.half_open = True
            case "link-slow":
                self._proxies[fault.satellite].faults.bits_per_s = fault.much
            case "link-lossy":
                self._proxies[fault.satellite].faults.loss = fault.much
            case "receiver-stall":
                self.stalled = True
                self._ground.pause()

    def end(self, note: Note) -> None:
        """End a fault; where it ended a process, start that and wait until it reports."""
        fault, board = note.fault, self._boards[note.fault.satellite]
        match fault.kind:
            case kind if kind in RESTARTS:
                self._start_again(board)
            case "stopped":
                board.signal("SIGCONT")
            case "disk-full":
                board.agent.ask("fill_disk", spool=f"{board.folder}/{SPOOL}", full=False)
                log = board.agent.get(f"{board.folder}/log").decode(errors="replace")
                found = next((line for line in log.splitlines() if "cannot be written" in line), "")
                note.said = found.replace(f"{board.folder}/", "")
            case "link-down":
                self._proxies[fault.satellite].faults.cut = False
            case "link-half-open":
                # What it swallowed is missing in the midst of a stream: such a connection must end.
                assert self._cutter
                proxy = self._proxies[fault.satellite]
                proxy.faults.half_open = False
                self._cutter.cut(proxy)
                proxy.faults.cut = False
            case "link-slow":
                self._proxies[fault.satellite].faults.bits_per_s = 0.0
            case "link-lossy":
                self._proxies[fault.satellite].faults.loss = 0.0
            case "receiver-stall":
                self._ground.go_on()
                self.stalled = False
        note.ended_ns = tai_ns()

    def _start_again(self, board: LiveBoard) -> None:
        self._watch.look()
        boots = len(self._watch.boots[board.sensor_id])
        board.start()
        self._until(
            lambda: len(self._watch.boots[board.sensor_id]) > boots, READY_S, f"{board.name} to report after its start"
        )

    def _refuses(self, note: Note, board: LiveBoard) -> None:
        """Start a process whose calibration has a bit flipped, see how it ends, and mend it."""
        path = f"{board.folder}/{bad_pixels_name(note.fault.satellite)}"
        whole = board.agent.get(path)
        board.agent.ask("flip", path=path, bits=1, seed=self._seed)
        board.start()
        board.running = False  # it is to end

        def ended() -> bool:
            board.look(force=True)
            return board.last["status"] is not None

        try:
            self._until(ended, _REFUSE_S, "the damaged process to end")
            note.status = board.last["status"]
        except RigError:
            note.status = None
            board.signal("SIGKILL")
        note.said = (board.last["log"].strip().splitlines() or [""])[-1].replace(f"{board.folder}/", "")
        board.agent.put(path, whole)
