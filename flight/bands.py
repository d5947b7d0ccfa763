"""Bands of rows, each worked by a thread of its own, with the same result for any number of them.

The kernels leave Python's lock while they compute, so that threads share a frame. A stage that may be cut says at which
rows (the row of a block, of a tile): its bands begin there, and every row is computed as if its band were the frame.
What the threads need is made once; a step hands out numbers and waits.
"""

import itertools
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Work = Callable[[int, int, int], None]
"""Takes the number of a band, its first row and the row behind it."""

Parts = tuple[tuple[int, int], ...]
"""First row of each band, and the row behind it."""

MOST_THREADS = 64


class Bands:
    """Threads that share the rows of a frame.

    Parameters
    ----------
    threads : int
        How many bands are worked at once, the caller's included, 1 to `MOST_THREADS`.

    Examples
    --------
    >>> bands, sums = Bands(2), [0, 0]
    >>> bands.run(lambda k, first, last: sums.__setitem__(k, sum(range(first, last))), bands.split(10, 4))
    >>> sums
    [6, 39]
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._tasks: SimpleQueue[tuple[Work, int, int, int] | None] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        for k in range(1, threads):
            # They hold the queues, not this object: when it goes, so do they.
            Thread(target=_serve, args=(self._tasks, self._done), name=f"band {k}", daemon=True).start()
        weakref.finalize(self, _dismiss, self._tasks, threads - 1)

    def split(self, rows: int, unit: int = 1) -> Parts:
        """Cut rows into bands of about one size that begin at multiples of ``unit``; fewer where there are fewer."""
        n_units = -(-rows // unit)
        n = min(self.threads, n_units)
        starts = [unit * (k * n_units // n) for k in range(n)] + [rows]
        return tuple(itertools.pairwise(starts))

    def run(self, work: Work, parts: Parts) -> None:
        """Work all bands, the first one in this thread, and wait for the others; their first error is raised here."""
        for k, (first, last) in enumerate(parts):
            if k:
                self._tasks.put((work, k, first, last))
        error: BaseException | None = None
        try:
            work(0, *parts[0])
        except BaseException as own:  # noqa: BLE001 - raised below: the others still write to the caller's arrays
            error = own
        for _ in parts[1:]:
            error = self._done.get() or error
        if error is not None:
            raise error


def _serve(tasks: "SimpleQueue[tuple[Work, int, int, int] | None]", done: "SimpleQueue[BaseException | None]") -> None:
    while (task := tasks.get()) is not None:
        work, k, first, last = task
        try:
            work(k, first, last)
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            done.put(error)
        else:
            done.put(None)
        # An idle thread keeps no frame.
        del task, work


def _dismiss(tasks: "SimpleQueue[tuple[Work, int, int, int] | None]", n: int) -> None:
    for _ in range(n):
        tasks.put(None)
