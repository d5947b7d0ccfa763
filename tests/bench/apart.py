"""A peer in its own process: what is GPL as a package is never loaded beside our code, not even to be measured."""

import multiprocessing
import pkgutil
import time
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np


def view(memory: SharedMemory, shape: tuple[int, ...], dtype: str, start: int = 0) -> np.ndarray:
    return np.ndarray(shape, dtype, memory.buf, start)


def serve(pipe: Connection, name: str, make: str, given: Any, taken: Any, rest: Any) -> None:
    """Run the peer each time the bench asks, on arrays of shared memory, and answer with the seconds of the call."""
    memory = SharedMemory(name)
    run = pkgutil.resolve_name(make)(view(memory, *given), *rest)
    out = view(memory, *taken)
    try:
        while pipe.recv():
            start = time.perf_counter()
            result = run()
            seconds = time.perf_counter() - start
            out[...] = result
            pipe.send(seconds)
    except EOFError:
        pass  # the bench is gone


class Apart:
    """Calls a peer in a process of its own; `seconds` is what the last call took there, without the way to it.

    Parameters
    ----------
    make : str
        ``module:function``, loaded there alone; takes the array and `rest` and gives the peer's run, which returns one
        array.
    array : ndarray
        What the peer works on, copied once.
    shape, dtype :
        Of what it returns.
    """

    def __init__(self, make: str, array: np.ndarray, shape: tuple[int, ...], dtype: str, *rest: Any) -> None:
        size = array.nbytes + int(np.prod(shape)) * np.dtype(dtype).itemsize
        self.memory = SharedMemory(create=True, size=size)
        view(self.memory, array.shape, array.dtype.str)[...] = array
        given, taken = (array.shape, array.dtype.str), (shape, dtype, array.nbytes)
        self.result = view(self.memory, *taken)
        spawned = multiprocessing.get_context("spawn")
        self.pipe, far = spawned.Pipe()
        self.process = spawned.Process(
            target=serve, args=(far, self.memory.name, make, given, taken, rest), daemon=True
        )
        self.process.start()
        far.close()
        self.seconds = 0.0

    def __call__(self) -> np.ndarray:
        self.pipe.send(True)
        self.seconds = self.pipe.recv()
        return self.result

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *error: object) -> None:
        self.pipe.send(False)
        self.process.join()
        del self.result
        self.memory.close()
        self.memory.unlink()
