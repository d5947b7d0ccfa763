"""A TCP proxy that behaves as a bad link does: delay, rate, stalls of lost segments, cuts, half-open connections.

Octets are never changed or left out, which TCP would not do either: what is lost on the way comes a retransmission
later. A cut closes all connections and accepts none; a half-open link takes octets and passes none on, in silence.
"""

import asyncio
import random
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_CHUNK_OCTETS = 16 * 1024
_RETRANSMIT_S = 0.2  # the least that TCP waits before it sends again (RFC 6298 allows it, Linux does it)


@dataclass(slots=True)
class Faults:
    """What a link does at present.

    Attributes
    ----------
    delay_s : float
        One way [s].
    bits_per_s : float
        Rate of each connection and direction [bit/s]; 0: no limit.
    loss : float
        Share of pieces that come a retransmission later.
    cut, half_open : bool
        Whether the link is cut, or half-open.
    """

    delay_s: float = 0.0
    bits_per_s: float = 0.0
    loss: float = 0.0
    cut: bool = False
    half_open: bool = False


class FaultProxy:
    """One link through the proxy; made by `FaultProxies.link`."""

    def __init__(self, host: str, port: int, faults: Faults, seed: int) -> None:
        self.faults = faults
        self.port = 0
        self._target = (host, port)
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; `port` is set."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections; none is accepted any more."""
        self.faults.cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    async def stop(self) -> None:
        """Break all connections and listen no more."""
        await self.cut()
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self.faults.cut:
                return
            onward, to_target = await asyncio.open_connection(*self._target)
            self._writers.add(to_target)
            try:
                async with asyncio.TaskGroup() as both:  # when one side breaks, the other is not left behind
                    both.create_task(self._pump(reader, to_target))
                    both.create_task(self._pump(onward, writer))
            finally:
                self._writers.discard(to_target)
                to_target.transport.abort()
        except* OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes from one side, late, in order."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def deliver() -> None:
            while True:
                due, data = await queue.get()
                if not data:
                    writer.transport.abort()
                    return
                await asyncio.sleep(max(0.0, due - loop.time()))
                writer.write(data)
                await writer.drain()

        async def take() -> None:
            free = due = 0.0
            while True:
                data = await reader.read(_CHUNK_OCTETS)
                faults = self.faults
                if data and faults.half_open:
                    continue
                now = loop.time()
                free = max(free, now) + (8 * len(data) / faults.bits_per_s if faults.bits_per_s else 0.0)
                lost = _RETRANSMIT_S if self._random.random() < faults.loss else 0.0
                due = max(due, free + faults.delay_s + lost)
                queue.put_nowait((due, data))
                if not data:
                    return
                await asyncio.sleep(max(0.0, free - now))

        async with asyncio.TaskGroup() as both:
            both.create_task(take())
            both.create_task(deliver())


class FaultProxies:
    """Links through the proxy, all in one thread; a context manager.

    Examples
    --------
    >>> with FaultProxies() as proxies:
    ...     link = proxies.link("127.0.0.1", 9, Faults(delay_s=0.05))
    ...     proxies.cut(link)
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxies")
        self._links: list[FaultProxy] = []

    def link(self, host: str, port: int, faults: Faults | None = None, seed: int = 0) -> FaultProxy:
        """Return a new link to an address; connect to its ``port`` on 127.0.0.1."""
        proxy = FaultProxy(host, port, faults or Faults(), seed)
        self._do(proxy.start())
        self._links.append(proxy)
        return proxy

    def cut(self, proxy: FaultProxy) -> None:
        """Cut a link; ``proxy.faults.cut = False`` mends it."""
        self._do(proxy.cut())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self._links:
            self._do(proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10.0)
