"""Recordings of the link: every delivery as it came, in a file that survives a crash of its writer.

A recording (``.ldrec``) begins with the eight octets ``LDREC``, two zeros and the version; then record after record,
big-endian:

====== ==========================================================================
octets content
====== ==========================================================================
4      mark of a record, ``LDr`` and a line feed
4      octets of the packet
4      CRC-32C of all that follows in this record
2      sender
8      boot of the sender
8      sequence of the packet on the link
8      origin: when the frame behind the packet was handed over, TAI [ns]
8      arrival, TAI [ns]
n      packet
====== ==========================================================================

A reader passes over what is damaged: it goes on at the next mark whose record is whole, and counts the octets it left
out, the torn end of a crash among them.
"""

import logging
import os
import struct
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import TracebackType

import google_crc32c

from lookdown.wire.envelope import Delivery
from lookdown.wire.errors import WireError
from lookdown.wire.packet import MAX_PACKET_OCTETS

__all__ = ["Delivery", "Recorder", "Recording", "read_recording"]

_LOG = logging.getLogger(__name__)
VERSION = 1
_NAME = b"LDREC\0\0"
MAGIC = _NAME + bytes([VERSION])
_MARK = b"LDr\n"
_HEAD = struct.Struct(">4sII")
_FIELDS = struct.Struct(">HQQqq")


class Recorder:
    """Writes deliveries to a file, or goes on after the last whole record of one.

    Parameters
    ----------
    path : Path
        File to write; its folder must exist. A torn end that a crash left is cut off first.
    durable : bool
        Whether `commit` waits until the disk has it (survives a loss of power) or only the system (survives the
        death of the process).

    Raises
    ------
    WireError
        The file exists and is no recording of this version.
    OSError
        The file cannot be written.
    """

    def __init__(self, path: Path, durable: bool = False) -> None:
        self.path = Path(path)
        self._durable = durable
        end = 0
        octets = self.path.stat().st_size if self.path.exists() else 0
        if octets >= len(MAGIC) or (octets and not MAGIC.startswith(self.path.read_bytes())):
            recording = Recording(self.path)
            for _ in recording:
                pass
            end = recording.end
        self._file = self.path.open("r+b" if end else "wb")
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._file.write(MAGIC)
            self.commit()

    def append(self, delivery: Delivery) -> None:
        """Write one delivery; `commit` makes it last."""
        fields = _FIELDS.pack(
            delivery.sender_id, delivery.boot_id, delivery.sequence, delivery.origin_ns, delivery.arrival_ns
        )
        content = fields + delivery.packet
        self._file.write(_HEAD.pack(_MARK, len(delivery.packet), google_crc32c.value(content)) + content)

    @property
    def end(self) -> int:
        """Where the last record ends in the file [octets]."""
        return self._file.tell()

    def commit(self) -> None:
        """Hand what was written to the system, or to the disk if the recorder is durable."""
        self._file.flush()
        if self._durable:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Commit and close."""
        if not self._file.closed:
            self.commit()
            self._file.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Recording:
    """The deliveries of a recording, in order; iterate over it as often as you like.

    Attributes
    ----------
    octets_left_out : int
        Octets passed over by the last full iteration because they were damaged or a torn end.
    end : int
        Where the last whole record of the last full iteration ended.

    Raises
    ------
    WireError
        ``magic``: not a recording. ``version``: one of another version.
    OSError
        The file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.octets_left_out = 0
        self.end = 0
        with self.path.open("rb") as file:
            magic = file.read(len(MAGIC))
        if magic[: len(_NAME)] != _NAME or len(magic) < len(MAGIC):
            raise WireError("magic", f"{path}: wanted a recording (.ldrec), came a file that begins with {magic!r}")
        if magic != MAGIC:
            raise WireError("version", f"{path}: wanted a recording of version {VERSION}, came {magic[-1]}")

    def __iter__(self) -> Iterator[Delivery]:
        return self.since(0)

    def since(self, offset: int) -> Iterator[Delivery]:
        """Yield the deliveries from an offset in the file on, such as an earlier `end`; 0 for all."""
        self.octets_left_out = 0
        at = self.end = max(offset, len(MAGIC))
        with self.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            while at < len(data):
                delivery, size = _read_record(data, at)
                if delivery is None:
                    following = data.find(_MARK, at + 1)
                    following = len(data) if following < 0 else following
                    self.octets_left_out += following - at
                    at = following
                    continue
                at += size
                self.end = at
                yield delivery
        if self.octets_left_out:
            _LOG.warning("%s: left out %d octets that are damaged or torn", self.path, self.octets_left_out)


def read_recording(path: Path) -> Recording:
    """Return the deliveries of a recording, to be iterated over; see `Recording`."""
    return Recording(path)


def _read_record(data: mmap, at: int) -> tuple[Delivery | None, int]:
    """Return the delivery that begins at an offset and its octets in the file; None if none whole begins there."""
    start = at + _HEAD.size
    if len(data) < start + _FIELDS.size:
        return None, 0
    mark, octets, crc = _HEAD.unpack_from(data, at)
    end = start + _FIELDS.size + octets
    if mark != _MARK or octets > MAX_PACKET_OCTETS or end > len(data) or google_crc32c.value(data[start:end]) != crc:
        return None, 0
    sender_id, boot_id, sequence, origin_ns, arrival_ns = _FIELDS.unpack_from(data, start)
    packet = data[start + _FIELDS.size : end]
    return Delivery(sender_id, origin_ns, arrival_ns, packet, boot_id, sequence), end - at
