from collections.abc import Callable, Container
from typing import Any

from lookdown.wire.clock import Clock

class Opening:
    peer: int

    def __init__(
        self, peer: int, send: Callable[[Any, int], Any], until_ns: int, bits_per_s: int, free_ns: int, room: int
    ) -> None: ...

class Shortcut:
    waiting: list[tuple[Any, int, tuple[int, bytes] | None]]
    known: dict[str, int]
    passed: set[tuple[int, int, int]]

    def __init__(self, node: int, secured: bool, most: int) -> None: ...
    def open(
        self,
        openings: dict[int, Opening],
        held: Container[tuple[int, int, int]],
        delivered: Container[tuple[int, int, int]],
        number: int,
        room: int,
        room_octets: int,
        longest: int,
    ) -> None: ...
    def take(self) -> list[tuple[Any, int, tuple[int, bytes] | None]]: ...
    def pass_on(self, socket: Any, clock: Clock) -> Any: ...
    def start(self, octets: bytes, request: object, now_ns: int) -> None: ...
