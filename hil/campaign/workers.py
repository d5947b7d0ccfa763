"""Units in parallel processes: each does one after the other, writes its counts to the disk, and says so.

What counts is on the disk before it is told, so a campaign may end at any instant. A process whose campaign has gone
away finishes its unit and goes too.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from lookdown.hil.campaign.plan import RocPlan
from lookdown.hil.campaign.store import Store
from lookdown.hil.plan import Scenario
from lookdown.wire.errors import ConfigError

_FRAME, _DONE, _FAILED = "frame", "done", "failed"


class WorkerError(Exception):
    """A process that died in the midst of a unit."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    link: Connection
    unit: int = -1


def carry_out(
    units: Sequence[int],
    jobs: int,
    plan: RocPlan,
    scenario: Scenario,
    store: Store,
    tell: Callable[[int, int], None],
) -> None:
    """Carry out units and store their counts.

    Parameters
    ----------
    units : sequence of int
        Which.
    jobs : int
        Processes at a time.
    plan, scenario, store
        Campaign.
    tell : callable
        Called with (1, 0) after each frame and with (0, 1) after each stored unit of any process.

    Raises
    ------
    ConfigError, ValueError, OSError
        If a unit cannot be carried out or stored; the other processes are ended.
    WorkerError
        If a process died.
    """
    waiting = list(units)
    workers: list[_Worker] = []
    try:
        for _ in range(min(jobs, len(waiting))):
            workers.append(_start(plan, scenario, store))
            _give(workers[-1], waiting)
        while busy := {worker.link: worker for worker in workers if worker.unit >= 0}:
            for link in wait(list(busy)):
                worker = next(worker for of, worker in busy.items() if of is link)
                kind, error = _hear(worker)
                if kind == _FRAME:
                    tell(1, 0)
                elif kind == _DONE:
                    tell(0, 1)
                    _give(worker, waiting)
                else:
                    assert error is not None
                    raise error
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join()
            worker.link.close()


def _start(plan: RocPlan, scenario: Scenario, store: Store) -> _Worker:
    context = get_context("spawn")
    link, theirs = context.Pipe()
    # Ctrl-C on a terminal reaches every process of it; only this one is to answer. Blocked signals are inherited.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = context.Process(target=_work, args=(theirs, plan, scenario, store), daemon=True)
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return _Worker(process, link)


def _give(worker: _Worker, waiting: list[int]) -> None:
    worker.unit = waiting.pop(0) if waiting else -1
    if worker.unit >= 0:
        try:
            worker.link.send(worker.unit)
        except OSError:
            raise _died(worker) from None


def _hear(worker: _Worker) -> tuple[str, Exception | None]:
    try:
        kind, error = worker.link.recv()
    except (EOFError, OSError):
        raise _died(worker) from None
    return kind, error


def _died(worker: _Worker) -> WorkerError:
    worker.process.join()
    status = worker.process.exitcode or 0
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    hint = ", perhaps for want of memory: try fewer --jobs" if status == -signal.SIGKILL else ""
    return WorkerError(f"a process died in unit {worker.unit} ({how}{hint}); the same command goes on after the others")


def _work(link: Connection, plan: RocPlan, scenario: Scenario, store: Store) -> None:
    """Do units until there is nobody to give them."""
    from lookdown.hil.campaign.unit import run_unit

    try:
        while True:
            unit = link.recv()
            try:
                counts = run_unit(plan, scenario, unit, lambda: link.send((_FRAME, None)))
                store.save(unit, counts)
            except BrokenPipeError:
                raise
            except (ConfigError, ValueError, OSError) as error:
                link.send((_FAILED, type(error)(str(error))))
            else:
                link.send((_DONE, None))
    except (EOFError, ConnectionError):
        return
