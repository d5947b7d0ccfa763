"""What reaches a board in the place of each frame: the frame as it is, or what a fault makes of it.

The same frames, faults and seed give the same octets, whoever sends them and however fast. What the board must make of
each message is known here, too, so that its counters can be held against it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lookdown.hil.faults.config import FaultConfig
from lookdown.wire.frames import encode_frame
from lookdown.wire.messages import Command, CommandKind, Frame
from lookdown.wire.packet import encode

_SETTLED_SHARE = 0.5  # of the frames of a pixel's fault are granted to settle


class Message(NamedTuple):
    """One message to the board.

    Attributes
    ----------
    parts : list of bytes
        As ZeroMQ carries them.
    frame_id : int
        Frame that it belongs to.
    taken : bool
        Whether the board must take it; else it must refuse and count it.
    delay_s : float
        How long after the instant of its frame it comes [s].
    """

    parts: list[bytes]
    frame_id: int
    taken: bool
    delay_s: float = 0.0


@dataclass(slots=True)
class Expected:
    """What the counters of a board must say in the end.

    Attributes
    ----------
    taken, refused, missed : int
        Frames with a report, messages refused, frames missed; over all starts of the process.
    """

    taken: int = 0
    refused: int = 0
    missed: int = 0
    last: int | None = None

    def add(self, message: Message) -> None:
        """Take note of a message that was sent."""
        if not message.taken:
            self.refused += 1
            return
        self.taken += 1
        if self.last is not None:
            self.missed += message.frame_id - self.last - 1
        self.last = message.frame_id

    def start_anew(self) -> None:
        """Take note of a new start, which knows of no frame before."""
        self.last = None


class Feed:
    """The messages of one satellite.

    Parameters
    ----------
    frame : callable
        Gives the frame of a number; None where the sensor drops it.
    faults : sequence of FaultConfig
        Those of this satellite.
    seed : int
        Seed of the scenario.
    sensor_id : int
        The satellite.
    """

    def __init__(
        self, frame: Callable[[int], Frame | None], faults: Sequence[FaultConfig], seed: int, sensor_id: int
    ) -> None:
        self._frame, self._seed, self._sensor_id = frame, seed, sensor_id
        self._faults = tuple(faults)
        self._pixels: dict[str, tuple[int, int]] = {}

    def messages(self, number: int, origin_ns: int) -> list[Message]:
        """Return what comes in the place of a frame.

        Parameters
        ----------
        number : int
            The frame.
        origin_ns : int
            Instant at which it is due, TAI [ns].
        """
        found: list[Message] = []
        own = self._whole(number, origin_ns)
        if own is not None:
            found += self._broken(number, own)
        # The frame that gave way to this one comes behind it.
        if number and any(fault.kind == "out-of-order" and fault.end == number for fault in self._faults):
            for fault in self._faults:
                if fault.kind == "out-of-order" and fault.end == number:
                    found += [
                        message._replace(taken=False)
                        for k in range(fault.frame, fault.end)
                        if (message := self._whole(k, origin_ns)) is not None
                    ]
        return found

    def withheld(self, number: int) -> bool:
        """Whether a fault keeps the report of a frame from being made."""
        return any(fault.of.withholds for fault in self._at(number))

    def pixel(self, fault: FaultConfig, rows: int, cols: int) -> tuple[int, int]:
        """Return the pixel that a fault strikes."""
        draw = self._draw(fault, 0)
        margin = 8
        row = fault.row if fault.row >= 0 else int(draw.integers(margin, rows - margin))
        col = fault.col if fault.col >= 0 else int(draw.integers(margin, cols - margin))
        return min(row, rows - 1), min(col, cols - 1)

    def _at(self, number: int) -> list[FaultConfig]:
        return [fault for fault in self._faults if fault.frame <= number < fault.end]

    def _draw(self, fault: FaultConfig, number: int) -> np.random.Generator:
        name = int.from_bytes(fault.id.encode(), "big")
        return np.random.default_rng([self._seed, self._sensor_id, name & (2**63 - 1), number])

    def _whole(self, number: int, origin_ns: int) -> Message | None:
        frame = self._frame(number)
        if frame is None:
            return None
        pixels = [fault for fault in self._at(number) if fault.of.place == "pixel"]
        if pixels:
            samples = frame.samples.copy()
            for fault in pixels:
                at = self.pixel(fault, *samples.shape)
                value = float(samples[at])
                if fault.kind == "stuck-pixel":
                    value = fault.much
                elif fault.kind == "hot-pixel" or self._draw(fault, number).random() < 0.5:
                    value += fault.much
                samples[at] = np.uint16(min(max(value, 0.0), 65535.0))
            frame = replace(frame, samples=samples)
        parts = [bytes(part) for part in encode_frame(frame, origin_ns, number & 0x3FFF)]
        return Message(parts, number, True)

    def _broken(self, number: int, own: Message) -> list[Message]:
        """Return what the faults of frames make of a message."""
        sent = [own]
        for fault in self._at(number):
            if fault.kind in ("dropped", "out-of-order"):
                sent = []
            elif fault.kind == "late":
                sent = [message._replace(delay_s=fault.much) for message in sent]
            elif fault.kind == "repeated":
                sent = [*sent, *(message._replace(taken=False) for message in sent)]
            elif fault.kind == "torn":
                keep = 2 * int(fault.much * len(own.parts[1]) / 2)
                sent = [own._replace(parts=[own.parts[0], own.parts[1][:keep]], taken=False)]
            elif fault.kind == "flipped-frame":
                samples = flipped(own.parts[1], int(fault.much), self._draw(fault, number))
                sent = [own._replace(parts=[own.parts[0], samples], taken=False)]
            elif fault.kind == "command-flood":
                sent = [*(self._command(number, n) for n in range(int(fault.much))), *sent]
        return sent

    def _command(self, number: int, n: int) -> Message:
        command = Command(self._sensor_id, 0, number * 65536 + n + 1, CommandKind.TELL_HEALTH, 0, 0.0, "")
        return Message([encode(command, n & 0x3FFF)], number, False)


def flipped(data: bytes, bits: int, draw: np.random.Generator) -> bytes:
    """Return octets with as many of their bits flipped, each another one."""
    changed = bytearray(data)
    for bit in draw.choice(8 * len(data), size=min(bits, 8 * len(data)), replace=False):
        changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


def settled_from(fault: FaultConfig) -> int:
    """Return the first frame of a pixel's fault in which it may give no plot any more."""
    return fault.frame + round(_SETTLED_SHARE * fault.length)
