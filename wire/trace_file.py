"""The file in which a node notes what happened to messages, bounded on disk: the oldest half goes when it is full."""

import os
import stat
from pathlib import Path

from lookdown.wire.relay.bundle import Key


class TraceFile:
    """JSON lines, appended; see `lookdown.wire.trace` for what they say.

    Parameters
    ----------
    path : Path
        Where to write. Older lines are in ``<name>.1``, which is replaced when the file is full.
    node : int
        Who notes.
    max_octets : int
        Octets that both files may take together; what is no file, such as a named pipe, is not bounded.
    """

    def __init__(self, path: Path, node: int, max_octets: int) -> None:
        self._path, self._node, self._half = path, node, max_octets // 2
        self.deleted = 0
        """Octets that made room for newer ones."""
        self._noted: list[tuple[int, str, Key, int]] = []
        self._file = path.open("ab")
        self._bounded = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self._octets = self._file.tell() if self._bounded else 0

    def note(self, time_ns: int, event: str, key: Key, peer: int) -> None:
        """Note an event; it is written by `flush`."""
        self._noted.append((time_ns, event, key, peer))

    def flush(self) -> None:
        """Write what was noted."""
        if not self._noted:
            return
        data = "".join(self._line(*event) for event in self._noted).encode("ascii")
        self._noted.clear()
        if self._bounded and self._octets and self._octets + len(data) > self._half:
            self._file.close()
            older = self._path.with_name(self._path.name + ".1")
            self.deleted += older.stat().st_size if older.exists() else 0
            self._path.replace(older)
            self._file = self._path.open("ab")
            self._octets = 0
        self._file.write(data)
        self._file.flush()
        self._octets += len(data)

    def _line(self, time_ns: int, event: str, key: Key, peer: int) -> str:
        to = f', "peer": {peer}' if peer else ""
        return f'{{"time_ns": {time_ns}, "node": {self._node}, "event": "{event}", "id": "{key}"{to}}}\n'

    def close(self) -> None:
        """Write what was noted and close."""
        self.flush()
        self._file.close()
