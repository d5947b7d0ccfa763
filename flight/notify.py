"""Words to systemd: that the process is ready, that it is alive, that it stops (sd_notify(3), no library needed).

With ``Type=notify`` systemd waits for ``READY=1``; with ``WatchdogSec`` it starts a process anew that has said
``WATCHDOG=1`` for too long no more. Where no service manager listens, nothing is said.
"""

import contextlib
import os
import socket


class Notifier:
    """What tells the service manager.

    Parameters
    ----------
    address : str or None
        Socket of the service manager, a path or an abstract name after ``@``; None takes what it has put into the
        environment (``NOTIFY_SOCKET``), empty for none.
    """

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket:
            self._socket.setblocking(False)  # the loop waits for nobody

    def ready(self, status: str) -> None:
        """Say that the process takes frames, and in one line what it does."""
        self._say(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Say that the loop goes round, and in one line how it goes."""
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that the process is about to end."""
        self._say("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _say(self, text: str) -> None:
        if self._socket:
            with contextlib.suppress(OSError):  # a service manager that does not listen stops no frames
                self._socket.sendto(text.encode(), self._address)
